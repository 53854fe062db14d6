"""Women whom a fitted model refuses take no part in its fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

import mammorisk as mr
from mammorisk.records.cohort import Cohort
from mammorisk.risk_models.density_fit import DensityFit
from mammorisk.training.fit import fit


def with_excluded(cohort: Cohort) -> Cohort:
    """The cohort with two carriers, a woman with prior cancer and one with LCIS."""
    exams = cohort.exams.copy()
    exams["brca"] = "negative"
    exams.loc[[0, 1], "brca"] = "brca1"
    exams["prior_breast_cancer"] = np.arange(len(exams)) == 2
    exams["lcis"] = np.arange(len(exams)) == 3
    # LCIS is diagnosed by biopsy.
    exams.loc[3, "biopsies"] = 1
    return replace(cohort, exams=exams)


def test_density_fit_leaves_out_whom_it_refuses_and_says_how_many() -> None:
    made = mr.simulate(6000, seed=4).cohort
    plain = fit(
        replace(
            made,
            exams=made.exams.drop(index=range(4)).reset_index(drop=True),
            errors=made.errors.iloc[4:].reset_index(drop=True),
        ),
        "density-fit",
    )
    fitted = fit(with_excluded(made), "density-fit")
    assert isinstance(fitted, DensityFit)
    assert isinstance(plain, DensityFit)
    assert fitted.training["excluded"] == {
        "not for women with prior breast cancer": 1,
        "not for women with LCIS": 1,
        "not for BRCA1/2 carriers": 2,
    }
    for name, value in plain.coefficients.items():
        np.testing.assert_allclose(fitted.coefficients[name], value, rtol=1e-6)
    low, high = fitted.training["ages"]
    assert fitted.card.ages == (np.floor(low), np.floor(high))
    women = pd.DataFrame(
        {
            "age": [54, 54, low - 1.5, high + 1.5, 54],
            "breast_density": ["c", "c", "c", "c", None],
            "brca": [None, "brca2", None, None, None],
            "first_degree_relatives": [1, None, None, None, None],
        }
    )
    found = fitted.score(women, (5,))
    assert found.risk[5].notna().tolist() == [True] + [False] * 4
    assert [[one.code for one in told] for told in found.warnings] == [
        ["trained-on-simulated", "adverse-fact-not-used"],
        ["brca-carrier"],
        ["age-out-of-range"],
        ["age-out-of-range"],
        ["answer-missing"],
    ]
