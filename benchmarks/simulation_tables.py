"""Tables of docs/explanation/simulation.md: margins, incidence, AUCs, published models, speed.

python benchmarks/simulation_tables.py                    # a million women, some minutes
python benchmarks/simulation_tables.py --women 100000
"""

from __future__ import annotations

import argparse
import platform
import resource
import time

import numpy as np
import pandas as pd
from scipy.stats import chi2, rankdata
from threadpoolctl import threadpool_limits

from mammorisk.clinical import load_clinical
from mammorisk.simulation.hazard import cumulative_rates, rate_group
from mammorisk.simulation.options import Effects, StudyOptions
from mammorisk.simulation.population import draw_population
from mammorisk.simulation.simulate import simulate
from mammorisk.simulation.tables import BLOCK, blocks
from mammorisk.simulation.truth import PARTS

SEED = 2026
DENSE_BY_AGE = {40: 57, 45: 55, 50: 46, 55: 38, 60: 33, 65: 31, 70: 26}
DENSE_BY_BMI = {"under 18.5": 76, "18.5-25": 59, "25-30": 40, "30 and over": 25}
#: Women scored by the published models, which take longer than drawing the women.
SCORED = 200_000


def auc(case: np.ndarray, score: np.ndarray) -> tuple[float, float]:
    """AUC and its standard error (DeLong 1988, doi:10.2307/2531595)."""
    m, n = case.sum(), (~case).sum()
    rank = rankdata(score)
    above = (rank[case] - rankdata(score[case])) / n
    below = 1 - (rank[~case] - rankdata(score[~case])) / m
    return float(above.mean()), float(np.sqrt(above.var() / m + below.var() / n))


def interval(value: float, error: float) -> str:
    return f"{value:.3f} ({value - 1.96 * error:.3f}-{value + 1.96 * error:.3f})"


def say(title: str, table: pd.DataFrame) -> None:
    """A table as Markdown."""
    head = ["", *map(str, table.columns)]
    rows = [
        [str(name), *map(str, row)] for name, row in zip(table.index, table.values, strict=True)
    ]
    print(f"\n### {title}\n")
    for row in (head, ["---"] * len(head), *rows):
        print("| " + " | ".join(row) + " |")


def density_tables(women: pd.DataFrame) -> None:
    dense = women["breast_density"].isin(["c", "d"])
    by_age = 100 * dense.groupby(5 * (women["age"] // 5)).mean()
    by_age.index = by_age.index.astype(int)
    published = pd.Series(DENSE_BY_AGE)
    say(
        "Percent c or d by age",
        pd.DataFrame({"simulated": by_age.round(1), "published": published}),
    )
    bmi = women["weight_kg"] / (women["height_cm"] / 100) ** 2
    bands = pd.cut(bmi, [0, 18.5, 25, 30, 99], right=False, labels=list(DENSE_BY_BMI))
    by_bmi = (100 * dense.groupby(bands, observed=True).mean()).round(1)
    by_bmi.index = by_bmi.index.astype(str)
    say(
        "Percent c or d by BMI",
        pd.DataFrame({"simulated": by_bmi, "published": pd.Series(DENSE_BY_BMI)}),
    )
    shares = women["breast_density"].value_counts(normalize=True).sort_index()
    say("Percent by category", (100 * shares).round(1).to_frame("simulated"))
    quantiles = women[["volumetric_percent", "percent_density", "thickness_mm"]].quantile(
        [0.025, 0.25, 0.5, 0.75, 0.975]
    )
    say("Traits, quantiles", quantiles.round(1))


def incidence_table(study: pd.DataFrame, women: pd.DataFrame) -> None:
    rates, _ = cumulative_rates(women["age"].to_numpy(), rate_group(women))
    time_ = study["time"].to_numpy()
    year = time_.astype(int)
    row = np.arange(len(time_))
    expected = rates[row, year] + (time_ - year) * (rates[row, year + 1] - rates[row, year])
    groups = (5 * (women["age"] // 5)).astype(int).to_numpy()
    table = pd.DataFrame(
        {"women": 1, "cancers": study["event"].to_numpy() == 1, "expected": expected}
    )
    table = table.groupby(groups).sum()
    table.loc["all"] = table.sum()
    table["ratio"] = table["cancers"] / table["expected"]
    table["from"] = chi2.ppf(0.025, 2 * table["cancers"]) / 2 / table["expected"]
    table["to"] = chi2.ppf(0.975, 2 * table["cancers"] + 2) / 2 / table["expected"]
    say("Cancers against the incidence table, by age at entry", table.round(3))


def auc_table(women: pd.DataFrame, truth: pd.DataFrame) -> None:
    death = truth["years_to_death"].fillna(np.inf)
    case = ((truth["years_to_cancer"] <= 5) & (truth["years_to_cancer"] < death)).to_numpy()
    scores = {"age alone": women["age"].to_numpy()}
    scores |= {f"{part}, age": truth[f"risk_5y_{part}"].to_numpy() for part in PARTS}
    scores["everything"] = truth["risk_5y"].to_numpy()
    rows = {}
    for name, score in scores.items():
        within = []
        for band in ((40, 50), (50, 75)):
            some = women["age"].between(*band, inclusive="left").to_numpy()
            within.append(interval(*auc(case[some], score[some])))
        rows[name] = [interval(*auc(case, score)), *within]
    print(f"\n{case.sum():,} cancers within five years, no censoring")
    say(
        "Five-year AUC of the true risk given a part (95% interval)",
        pd.DataFrame.from_dict(rows, orient="index", columns=["40-74", "40-49", "50-74"]),
    )


def expectation_table(truth: pd.DataFrame) -> None:
    full = truth["risk_5y"]
    rows = {}
    for part in PARTS:
        partial = truth[f"risk_5y_{part}"]
        group = pd.qcut(partial.rank(method="first"), 20, labels=False)
        grouped = pd.DataFrame({"full": full, "partial": partial}).groupby(group)
        ratio = grouped["full"].mean() / grouped["partial"].mean()
        error = grouped["full"].sem() / grouped["partial"].mean()
        rows[part] = {
            "ratio, all": full.mean() / partial.mean(),
            "its SE": full.std() / np.sqrt(len(full)) / partial.mean(),
            "lowest of 20 groups": ratio.min(),
            "highest": ratio.max(),
            "largest SE of a group": error.max(),
            "RMS beyond sampling": np.sqrt(max(((ratio - 1) ** 2 - error**2).mean(), 0)),
        }
    say("Mean full risk / partial risk", pd.DataFrame.from_dict(rows, orient="index").round(4))


def published_models(women: pd.DataFrame, truth: pd.DataFrame) -> None:
    some = women.head(SCORED)
    true = truth.head(SCORED)
    death = true["years_to_death"].fillna(np.inf)
    case = ((true["years_to_cancer"] <= 5) & (true["years_to_cancer"] < death)).to_numpy()
    rows = {}
    for name in ("bcrat", "icare-lit", "bcsc-2008", "density-only", "average"):
        risk = load_clinical(name).score(some, (5,)).risk[5]
        scored = risk.notna().to_numpy()
        risk = risk[scored].to_numpy()
        age = some.loc[scored, "age"].to_numpy()
        at_age = pd.Series(risk).groupby(np.floor(age)).transform("mean")
        rows[name] = {
            "scored": f"{100 * scored.mean():.0f}%",
            "mean risk %": round(100 * risk.mean(), 2),
            "at 50 %": round(100 * risk[(age >= 50) & (age < 51)].mean(), 2),
            "true mean %": round(100 * true.loc[scored, "risk_5y"].mean(), 2),
            "SD log RR at an age": round(float(np.log(risk / at_age).std()), 2),
            "AUC": interval(*auc(case[scored], risk)),
        }
    say("Published models, five years", pd.DataFrame.from_dict(rows, orient="index"))


def design_table(n: int) -> None:
    def rate(women: pd.DataFrame) -> pd.Series:
        years = women["weight"] @ women["time"]
        cancers = women["weight"] @ (women["event"] == 1)
        return pd.Series(
            {
                "rows": len(women),
                "cancers": (women["event"] == 1).sum(),
                "weighted women": women["weight"].sum().round(),
                "per 1,000 years, weighted": 1000 * cancers / years,
                "per 1,000 years, unweighted": 1000
                * (women["event"] == 1).sum()
                / women["time"].sum(),
            }
        )

    rows = {
        design: rate(simulate(n, seed=SEED, design=design).women)
        for design in ("cohort", "case-cohort", "nested-case-control")
    }
    say("Designs", pd.DataFrame(rows).T.round(3))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--women", type=int, default=1_000_000)
    n = parser.parse_args().women
    options = StudyOptions(n=n, seed=SEED)
    print(f"SIMULATED data; Python {platform.python_version()}, {n:,} women, {Effects()!r}")

    start = time.process_time()
    for first in range(0, n, BLOCK):
        draw_population(SEED, min(BLOCK, n - first), first=first)
    print(f"\nanswers and traits: {time.process_time() - start:.1f} s CPU")
    start = time.process_time()
    keep = [f"risk_5y{part}" for part in ("", *(f"_{part}" for part in PARTS))]
    parts = [
        (block.women[["time", "event"]], block.truth[[*keep, "years_to_cancer", "years_to_death"]])
        for block in blocks(options)
    ]
    print(f"with true risks and follow-up: {time.process_time() - start:.1f} s CPU")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"peak memory, of it the columns kept for these tables: {peak:.2f} GB")

    study = pd.concat([part[0] for part in parts], ignore_index=True)
    truth = pd.concat([part[1] for part in parts], ignore_index=True)
    women = draw_population(SEED, n)
    density_tables(women)
    incidence_table(study, women)
    auc_table(women, truth)
    expectation_table(truth)
    published_models(women, truth)
    design_table(min(n, 200_000))


if __name__ == "__main__":
    # One thread: CPU time is then wall time, and sums do not depend on the machine.
    with threadpool_limits(1):
        main()
