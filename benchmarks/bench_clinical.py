"""Speed of the published models, agreement with other software, facts of docs/reference/models.md.

python benchmarks/bench_clinical.py            # everything
python benchmarks/bench_clinical.py --women 100000
"""

from __future__ import annotations

import argparse
import resource
import time
from pathlib import Path

import numpy as np
import pandas as pd

from mammorisk.clinical import CLINICAL_MODELS, load_clinical
from mammorisk.clinical.bcrat import from_codes
from mammorisk.clinical.claus import from_relatives
from mammorisk.clinical.icare_lit import from_covariates
from mammorisk.clinical.tables import data_file
from mammorisk.records.questionnaire_fields import CATEGORIES

STORED = Path(__file__).parents[1] / "tests" / "data" / "clinical"
DENSITY = dict(zip((1, 2, 3, 4), "abcd", strict=True))
RACE = {"white": "white", "black": "black", "asian": "other_asian", "hispanic": "hispanic_us_born"}


def simulated_women(n: int, seed: int = 0) -> pd.DataFrame:
    """Simulated women of 35 to 74 with every answer known; no relation among answers intended."""
    rng = np.random.default_rng(seed)

    def any_of(field: str) -> np.ndarray:
        return rng.choice([c for c in CATEGORIES[field] if c != "unknown"], n)

    age = rng.uniform(35, 75, n).round(1)
    older = age >= 50
    hrt = np.where(older, any_of("hrt_use"), "never")
    return pd.DataFrame(
        {
            "age": age,
            "race_ethnicity": any_of("race_ethnicity"),
            "menopausal_status": np.where(older, "post", "pre"),
            "age_menarche": rng.integers(9, 17, n),
            "age_menopause": np.where(older, rng.integers(40, 50, n), np.nan),
            "parity": rng.integers(1, 5, n),
            "age_first_birth": rng.integers(18, 35, n),
            "height_cm": rng.normal(163, 6, n),
            "bmi": rng.uniform(18, 40, n),
            "hrt_use": hrt,
            "hrt_type": np.where(hrt == "never", None, rng.choice(["combined", "estrogen"], n)),
            "oral_contraceptive": any_of("oral_contraceptive"),
            "alcohol_g_per_day": rng.exponential(8, n),
            "biopsies": rng.integers(0, 3, n),
            "benign_breast_disease": rng.integers(0, 2, n),
            "first_degree_relatives": rng.integers(0, 3, n),
            "breast_density": any_of("breast_density"),
        }
    )


def speed(n: int) -> pd.DataFrame:
    women = simulated_women(n)
    gaps = women.copy()
    holes = np.random.default_rng(1).random(n) < 0.3
    gaps.loc[holes, ["alcohol_g_per_day", "benign_breast_disease", "bmi"]] = np.nan
    onset = np.random.default_rng(2).integers(25, 79, n)
    families = pd.DataFrame({"age": women["age"], "onset_mother": onset})
    runs = [(m, m, families if m == "claus-1994" else women) for m in CLINICAL_MODELS]
    runs.append(("icare-lit, 30% with three unknown answers", "icare-lit", gaps))
    rows = []
    for label, name, frame in runs:
        model = load_clinical(name)
        horizons = (1,) if name == "bcsc-2006" else (5,)
        model.score(frame.head(100), horizons)
        wall, cpu = time.perf_counter(), time.process_time()
        scored = model.score(frame, horizons).risk.notna().all(axis=1).mean()
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        rows.append({"model": label, "years": horizons[0], "scored": scored, "cpu_s": cpu})
        rows[-1]["wall_s"] = wall
    return pd.DataFrame(rows).set_index("model")


def largest_difference(ours: pd.Series, theirs: pd.Series) -> float:
    return float((ours / theirs - 1).abs().max())


def agreement() -> pd.DataFrame:
    """Largest relative difference from the stored rows of other software."""
    found = {}
    rows = pd.read_csv(STORED / "bcrat.csv.gz")
    ours = from_codes(rows)
    found["bcrat"] = len(rows), largest_difference(ours.absolute_risk * 100, rows.absolute_risk_pct)
    rows = pd.read_csv(STORED / "icare_lit.csv.gz")
    for submodel, part in rows.groupby("model"):
        drop = ["oc_current"] if submodel == "ge50" else ["age_at_menopause", "hrt", "hrt_type"]
        risk = from_covariates(part.drop(columns=drop), 5, submodel)
        found[f"icare-lit {submodel}"] = len(part), largest_difference(risk, part.risk_5y)
    rows = pd.read_csv(STORED / "bcsc_2008.csv.gz")
    frame = pd.DataFrame(
        {
            "age": rows.age,
            "race_ethnicity": rows.race.map(RACE),
            "breast_density": rows.birads_density.map(DENSITY),
            "first_degree_relatives": rows.family_history_fdr.map({"no": 0, "yes": 1}),
            "biopsies": rows.prior_biopsy.map({"no": 0, "yes": 1}),
        }
    )
    risk = load_clinical("bcsc-2008").score(frame, (5,)).risk[5]
    expected = rows.risk5y_asian_mortality_corrected
    found["bcsc-2008"] = len(rows), largest_difference(risk, expected)
    rows = pd.read_csv(STORED / "claus_1994.csv.gz").dropna(subset=["remaining_lifetime_risk"])
    found["claus-1994"] = (
        len(rows),
        largest_difference(from_relatives(rows), rows.remaining_lifetime_risk),
    )
    columns = ["rows", "largest relative difference"]
    return pd.DataFrame.from_dict(found, orient="index", columns=columns)


def four_densities(age: float, race: str) -> pd.DataFrame:
    return pd.DataFrame({"age": age, "race_ethnicity": race, "breast_density": list("abcd")})


def facts() -> None:
    """Numbers quoted in docs/reference/models.md."""
    five = (5,)
    for age in (50, 70):
        women = four_densities(age, "chinese")
        printed = load_clinical("bcsc-2008", asian_mortality="printed").score(women, five).risk[5]
        ours = load_clinical("bcsc-2008").score(women, five).risk[5]
        lower = 100 * (1 - printed.iloc[0] / ours.iloc[0])
        print(f"printed Asian mortality lowers the five-year risk at {age} by {lower:.1f}%")
    prevalence = np.array([0.078, 0.349, 0.432, 0.141])
    for age in (40, 50, 60, 70):
        women = four_densities(age, "white")
        mean = 100 * load_clinical("density-only").score(women, five).risk[5] @ prevalence
        average = 100 * load_clinical("average").score(women, five).risk[5].iloc[0]
        print(f"white, {age}: density-only mean {mean:.2f}%, average woman {average:.2f}%")
    young, old = (
        load_clinical("bcsc-2008").score(four_densities(age, "white"), five).risk[5].iloc[3]
        for age in (64.9, 65.0)
    )
    print(f"bcsc-2008, white, density d: {100 * young:.2f}% at 64.9, {100 * old:.2f}% at 65.0")
    woman = pd.DataFrame({"age": [60.0], "race_ethnicity": ["white"]})
    for rates in ("default", "white_1992_1996", "white_1995_2003"):
        risk = load_clinical("bcrat", rates=rates).score(woman, five).risk[5].iloc[0]
        print(f"bcrat, white, 60, all else unknown, rates {rates}: {100 * risk:.2f}%")
    print("\nFive-year risk in percent by density: published (Kerlikowske 2010) and ours, white")
    published = pd.read_csv(data_file("kerlikowske2010.csv"))
    published = published[published["group"].isin(["pre", "post_no_ht"])]
    table = []
    for row in published.itertuples():
        low, _, high = row.age.partition("-")
        if not high or int(low) < 35 or int(high) > 79:
            continue
        women = four_densities((int(low) + int(high) + 1) / 2, "white")
        ours = [
            100 * load_clinical(name).score(women, five).risk[5].round(4)
            for name in ("bcsc-2008", "density-only")
        ]
        theirs = [row.birads1_pct, row.birads2_pct, row.birads3_pct, row.birads4_pct]
        table.append([row.group, row.age, *theirs, *ours[0], *ours[1]])
    names = [f"{source} {c}" for source in ("published", "bcsc", "only") for c in "abcd"]
    print(pd.DataFrame(table, columns=["group", "age", *names]).to_string(index=False))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--women", type=int, default=1_000_000)
    n = parser.parse_args().women
    print(f"Speed: {n:,} simulated women\n")
    print(speed(n).round(2).to_string())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(f"\nPeak memory of this process: {peak:.1f} GiB\n\nAgreement with other software\n")
    print(agreement().to_string(float_format="{:.1e}".format))
    print("\nFacts\n")
    facts()


if __name__ == "__main__":
    main()
