"""Alarms of the monitor: how many are false, and how soon a change is found.

Run: python benchmarks/check_monitor.py [--runs 1000] [--small]

Risks are those of published models for simulated women; all else of an exam is drawn from
distributions that are written below.
"""

from __future__ import annotations

import argparse
import math

import numpy as np
import pandas as pd

import mammorisk as mr
from mammorisk.monitoring.charts import CHARTS, Budget, alarms_of
from mammorisk.monitoring.devices import devices_of

SHIFT = 1.22
RISK = CHARTS[0]
BINS = 10
#: Limits in use: a moderate and a large change.
PSI_LIMITS = (0.2, 0.25)


def log_risks(model: str, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Logarithm of the risk over five years, and less that of the average woman of the age."""
    cohort = mr.simulate(n=n, seed=1).cohort
    risk, average = (
        mr.predict(cohort, model=name, horizons=[5])["risk_5y"].to_numpy(dtype=float)
        for name in (model, "average")
    )
    there = np.isfinite(risk) & np.isfinite(average)
    return np.log(risk[there]), np.log(risk[there] / average[there])


def risk_rows(values: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"at": np.arange(len(values), dtype=float), "relative_log_risk": values})


def exams(rng: np.random.Generator, pool: np.ndarray, n: int, start: float = 0.0) -> pd.DataFrame:
    """Observations of one device without a change."""
    thickness = rng.normal(58, 13, n).clip(20, 110)
    answers = ["age", "race_ethnicity", "height_cm", "parity", "first_degree_relatives"]
    known = [tuple(name for name in answers if rng.random() < 0.9) for _ in range(n)]
    return pd.DataFrame(
        {
            "at": start + np.arange(n, dtype=float),
            "device": "hologic Dimensions",
            "software": "1.9",
            "model_version": "1",
            "failed": False,
            "relative_log_risk": rng.choice(pool, n),
            "percent_density": rng.gamma(2.0, 9.0, n),
            "guard_distance": rng.chisquare(20, n),
            "thickness_mm": thickness,
            "force": rng.normal(105, 25, n).clip(20, 220),
            "kvp": np.round(26 + (thickness - 40) / 12),
            "glandular_dose_mgy": np.exp(0.012 * thickness + rng.normal(-0.2, 0.2, n)),
            "unknown_answers": [20 - len(one) for one in known],
            "known": known,
            "density": rng.choice(list("abcd"), n, p=[0.1, 0.4, 0.4, 0.1]),
            "anode_filter": np.where(thickness > 70, "tungsten/silver", "tungsten/rhodium"),
            "refused": rng.random(n) < 0.02,
            "outside_domain": rng.random(n) < 0.01,
            "images_used": rng.random(n) < 0.97,
            "age_mismatch": rng.random(n) < 0.005,
        }
    )


def all_alarms(rows: pd.DataFrame) -> list:
    found = []
    for device, own in devices_of(rows):
        found += device.alarms(200)
        for spec in CHARTS:
            found += alarms_of(spec, own, device.name, Budget())
    return found


def population_stability(values: np.ndarray, reference: np.ndarray) -> float:
    """PSI in tenths of the reference; half an exam stands in an empty bin."""
    edges = np.quantile(reference, np.linspace(0, 1, BINS + 1)[1:-1])
    a, b = (
        np.bincount(np.searchsorted(edges, one), minlength=BINS).clip(0.5) / len(one)
        for one in (values, reference)
    )
    return float(np.sum((a - b) * np.log(a / b)))


def show_psi(name: str, rng: np.random.Generator, pool: np.ndarray, runs: int) -> None:
    print(f"PSI of {name}, SD {pool.std():.2f}: {BINS} bins, reference of 1,000 exams")
    for limit in PSI_LIMITS:
        for n in (50, 100, 200, 400):
            false, missed = 0, 0
            for _ in range(runs):
                reference = rng.choice(pool, 1000)
                false += population_stability(rng.choice(pool, n), reference) > limit
                shifted = rng.choice(pool, n) + math.log(SHIFT)
                missed += population_stability(shifted, reference) <= limit
            print(
                f"  limit {limit}, {n:4} exams: false alarms {100 * false / runs:.1f}%, "
                f"a {SHIFT}-fold shift missed {100 * missed / runs:.1f}%"
            )


def show_risk(name: str, rng: np.random.Generator, pool: np.ndarray, runs: int) -> None:
    print(f"{name}: standard deviation of the log risk relative to age {pool.std():.3f}")
    for before in (200, 300, 500, 1000, 2000):
        late = []
        for _ in range(runs):
            values = rng.choice(pool, before + 400)
            values[before:] += math.log(SHIFT)
            found = alarms_of(RISK, risk_rows(values), "", Budget())
            hits = [one.exam - before for one in found if one.exam > before]
            late.append(hits[0] if hits else math.inf)
        within = np.isfinite(late)
        print(
            f"  {SHIFT}-fold after {before:5,} exams: found within 400 in "
            f"{100 * within.mean():.1f}% of {runs:,} runs, median after {np.median(late):.0f}"
        )


def show_false(rng: np.random.Generator, pool: np.ndarray, runs: int) -> None:
    """Runs without a change: the chart of the risk, and every chart of a device."""
    by_risk = sum(
        bool(alarms_of(RISK, risk_rows(rng.choice(pool, 2200)), "", Budget())) for _ in range(runs)
    )
    print(f"  without a change, 2,000 exams after the hold: risk {by_risk} of {runs:,} runs")


def show_all_false(rng: np.random.Generator, pool: np.ndarray, runs: int) -> None:
    charts = [all_alarms(exams(rng, pool, 2200)) for _ in range(runs)]
    print(f"nominal: {Budget.probability:g} within {Budget.exams:,} exams")
    n = sum(bool(one) for one in charts)
    early = sum(any(alarm.exam <= 600 for alarm in one) for one in charts)
    print(
        f"all {len(CHARTS)} charts, 2,000 exams after the hold, no change: an alarm in {n} of "
        f"{runs:,} runs; within the first 400 in {early}"
    )
    for one in charts:
        for alarm in one:
            print(f"    {alarm.chart} at {alarm.exam}: {alarm.text}")


def changed(rng: np.random.Generator, pool: np.ndarray, change: str) -> pd.DataFrame:
    """1,000 exams, then 400 after a change."""
    before, after = exams(rng, pool, 1000), exams(rng, pool, 400, start=1000.0)
    if change == "force in daN":
        after["force"] /= 10
    elif change == "force in lbf":
        after["force"] *= 0.2248
    elif change == "another vendor, wrong thickness":
        after["device"] = "ge Pristina"
        after["anode_filter"] = "rhodium/silver"
        after["thickness_mm"] += 8
    elif change == "new software, 1.22-fold risk":
        after["software"] = "2.0"
        after["relative_log_risk"] += math.log(SHIFT)
    elif change == "no questionnaires":
        after["known"] = [("age",)] * len(after)
        after["unknown_answers"] = 19
    elif change == "dose +15%":
        after["glandular_dose_mgy"] *= 1.15
    elif change == "one kV more":
        after["kvp"] += 1
    elif change == "density d 10% to 20%":
        after["density"] = rng.choice(list("abcd"), 400, p=[0.08, 0.36, 0.36, 0.2])
    elif change == "no risk for 10%":
        after["refused"] = rng.random(400) < 0.10
    elif change == "age mismatch 5%":
        after["age_mismatch"] = rng.random(400) < 0.05
    else:
        raise ValueError(change)
    return pd.concat([before, after], ignore_index=True)


CHANGES = (
    *("force in daN", "force in lbf", "another vendor, wrong thickness"),
    *("new software, 1.22-fold risk", "no questionnaires", "dose +15%", "one kV more"),
    *("density d 10% to 20%", "no risk for 10%", "age mismatch 5%"),
)


def show_changes(rng: np.random.Generator, pool: np.ndarray, runs: int) -> None:
    print(f"changes after 1,000 exams, found within the next 400, of {runs} runs")
    for change in CHANGES:
        found, charts = [], set()
        for _ in range(runs):
            rows = changed(rng, pool, change)
            # The alarm "new device" comes after 5 exams in any case.
            alarms = [
                one for one in all_alarms(rows) if one.at >= 1000 and one.chart != "new_device"
            ]
            found.append(min((one.at - 999 for one in alarms), default=math.inf))
            charts |= {one.chart for one in alarms}
        share = np.isfinite(found).mean()
        print(
            f"  {change}: {100 * share:.0f}%, median after {np.median(found):.0f} exams "
            f"({', '.join(sorted(charts))})"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    runs = parser.parse_args().runs
    rng = np.random.default_rng(1)
    names = ("bcsc-2008", "icare-lit")
    absolute, relative = zip(*(log_risks(name, 20_000) for name in names), strict=True)
    pools = dict(zip(names, relative, strict=True))
    pools["normal, SD 0.6"] = rng.normal(0, 0.6, 20_000)
    show_psi("the log risk of bcsc-2008", rng, absolute[0], runs)
    show_psi("the log risk relative to age of bcsc-2008", rng, relative[0], runs)
    for name, pool in pools.items():
        show_risk(name, rng, pool, runs)
        show_false(rng, pool, runs)
    show_all_false(rng, pools["bcsc-2008"], runs)
    show_changes(rng, pools["bcsc-2008"], max(1, runs // 10))


if __name__ == "__main__":
    main()
