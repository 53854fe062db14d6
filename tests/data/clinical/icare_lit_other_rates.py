"""Makes icare_lit_other_rates.csv.gz: what py-icare 1.0.0 gives under invented rates.

Needs py-icare and pandas, and two folders: the files of iCARE-Lit that py-icare distributes, and a
folder with icare_lit.csv (covariate profiles in the coding of iCARE).

    python icare_lit_other_rates.py ICARE_LIT_FOLDER PROFILES_FOLDER OUT_FOLDER
"""

from __future__ import annotations

import json
import sys
from functools import partialmethod
from pathlib import Path

import icare
import numpy as np
import pandas as pd

# py-icare returns JSON with ten decimals; the risks of young women have few digits then.
pd.DataFrame.to_json = partialmethod(pd.DataFrame.to_json, double_precision=15)

model, profiles, out = (Path(one) for one in sys.argv[1:])

# Invented, of no population: a rise up to 50 and a slower one after it, and Gompertz mortality.
ages = np.arange(18, 86)
rise = 2.2e-3 * ((ages - 15) / 35) ** 3.4
incidence = np.round(np.where(ages < 50, rise, 2.2e-3 * (1 + 0.012 * (ages - 50))), 9)
mortality = np.round(1.1e-5 * np.exp(0.098 * ages), 9)
pd.DataFrame({"age": ages, "rate": incidence}).to_csv(out / "incidence.csv", index=False)
# Mortality from a later age than incidence: the incidence before it counts for the baseline.
deaths = pd.DataFrame({"age": ages, "rate": mortality})[2:]
deaths.to_csv(out / "mortality.csv", index=False)

known = pd.read_csv(profiles / "icare_lit.csv")
parts = []
for submodel, others in (
    ("ge50", ["oc_current"]),
    ("lt50", ["age_at_menopause", "hrt", "hrt_type"]),
):
    risks = [column for column in known if column.startswith(("risk", "lp_"))]
    rows = known[known["model"] == submodel].drop(columns=[*others, "model", *risks])
    complete = rows.drop(columns=["id", "age"]).notna().all(axis=1)
    chosen = pd.concat(
        [rows[complete].sample(15, random_state=1), rows[~complete].sample(25, random_state=2)]
    )
    chosen["age"] = np.minimum(chosen["age"], 70).astype(int)
    chosen.drop(columns="age").to_csv(out / "profile.csv", index=False)
    found = chosen.assign(submodel=submodel)
    for years in (1, 5, 10):
        result = icare.compute_absolute_risk(
            apply_age_start=chosen["age"].tolist(),
            apply_age_interval_length=[years] * len(chosen),
            model_disease_incidence_rates_path=out / "incidence.csv",
            model_competing_incidence_rates_path=out / "mortality.csv",
            model_covariate_formula_path=model / f"model_formula_{submodel}.txt",
            model_log_relative_risk_path=model / f"model_log_odds_ratios_{submodel}.json",
            model_reference_dataset_path=model / f"reference_covariate_data_{submodel}.csv",
            apply_covariate_profile_path=out / "profile.csv",
        )
        profile = result["profile"]
        profile = pd.DataFrame(json.loads(profile) if isinstance(profile, str) else profile)
        if profile["id"].tolist() != chosen["id"].tolist():
            raise SystemExit("py-icare changed the order of the rows")
        found[f"risk_{years}y"] = profile["risk_estimates"].to_numpy()
    parts.append(found)
rates = pd.DataFrame({"age": ages, "incidence": incidence})
rates = rates.merge(deaths.rename(columns={"rate": "mortality"}), how="left")
rates.to_csv(out / "icare_lit_other_rates_table.csv", index=False)
pd.concat(parts, ignore_index=True).to_csv(out / "icare_lit_other_rates.csv.gz", index=False)
