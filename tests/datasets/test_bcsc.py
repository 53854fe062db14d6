"""BCSC tables: 9 is not known, counts are weights, groups of ages, a table without a header."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mammorisk as mr
from mammorisk.errors import DatasetError, EvaluationError
from tests.datasets.miniatures import bcsc_risk_estimation, bcsc_risk_factors


def test_nine_is_unknown(tmp_path: Path) -> None:
    exams = mr.datasets.bcsc_risk_factors(bcsc_risk_factors(tmp_path)).exams
    unknown = exams.iloc[1]
    fields = ["race_ethnicity", "first_degree_relatives", "age_menarche", "age_first_birth"]
    fields += ["breast_density", "hrt_use", "menopausal_status", "bmi", "biopsies"]
    assert unknown[[*fields, "prior_breast_cancer"]].isna().all()
    assert unknown["age"] == 52.5
    known = exams.iloc[0]
    assert known[["breast_density", "hrt_use", "first_degree_relatives"]].tolist() == [
        "c",
        "current",
        1,
    ]


def test_codes_with_two_meanings(tmp_path: Path) -> None:
    exams = mr.datasets.bcsc_risk_factors(bcsc_risk_factors(tmp_path)).exams
    third = exams.iloc[2]
    # 4 among ages at first birth is no birth; 3 is surgical menopause; 0 may be a former user.
    assert third["parity"] == 0
    assert pd.isna(third["age_first_birth"])
    assert third[["menopausal_status", "menopause_type"]].tolist() == ["post", "surgical"]
    assert pd.isna(third["hrt_use"])
    assert bool(third["prior_breast_cancer"])
    # First birth at 25 to 29 in a group of 18 to 29: no contradiction is made up.
    assert exams.loc[3, ["age", "age_first_birth"]].tolist() == [27, 27]
    # Hispanic: no group of the models without the country of birth.
    assert pd.isna(exams.loc[3, "race_ethnicity"])


def test_counts_are_weights(tmp_path: Path) -> None:
    cohort = mr.datasets.bcsc_risk_factors(bcsc_risk_factors(tmp_path))
    assert cohort.exams["frequency_weight"].tolist() == [120, 30, 5, 2, 40]
    assert "weight" not in cohort.exams
    assert "197 women by frequency_weight" in repr(cohort)
    assert not (cohort.errors != "").any()
    counts = cohort.exclusions.set_index(["table", "reason"])["rows"].to_dict()
    first = "bcsc_risk_factors_summarized1.csv"
    assert counts == {
        (first, "count is no positive whole number"): 1,
        (first, "a code of BIRADS_breast_density that is not defined"): 1,
        (first, "kept"): 4,
        ("bcsc_risk_factors_summarized2.csv", "kept"): 1,
    }
    risks = mr.load_model("bcsc-2008").predict(cohort.exams)
    assert risks["risk_5y"].notna().sum() >= 2


def test_cancer_within_one_year(tmp_path: Path) -> None:
    cohort = mr.datasets.bcsc_risk_estimation(bcsc_risk_estimation(tmp_path))
    exams = cohort.exams
    assert exams["frequency_weight"].tolist() == [900, 4, 2, 500]
    assert exams["event"].tolist() == [0, 1, 1, 0]
    assert exams["time_lower"].tolist() == [1, 0, 0, 1]
    assert exams["cancer_type"].tolist()[1:3] == ["invasive", "in situ"]
    assert exams["split"].tolist() == ["train", "train", "validation", "validation"]
    # White and Hispanic.
    assert exams["race_ethnicity"].isna().tolist() == [False, False, True, True]
    assert exams.loc[2, "menopause_type"] == "surgical"
    assert cohort.exclusions.set_index("reason")["rows"].to_dict() == {
        "invasive cancer in a row without cancer": 1,
        "a code of agegrp that is not defined": 1,
        "kept": 4,
    }
    # A part of the release, or another order of columns, does not add up.
    assert any("1,406 mammograms" in one.text for one in cohort.warnings)
    with pytest.raises(EvaluationError, match="intervals only"):
        mr.evaluate({"score": np.full(4, 0.1)}, cohort, horizons=[1])
    timed = mr.datasets.bcsc_risk_estimation(tmp_path, times="midpoint")
    assert timed.exams["time"].tolist() == [1, 0.5, 0.5, 1]


def test_another_number_of_columns_is_refused(tmp_path: Path) -> None:
    path = bcsc_risk_estimation(tmp_path) / "risk.txt"
    path.write_text(path.read_text().replace("  900", " 1 900"))
    with pytest.raises(DatasetError, match="columns"):
        mr.datasets.bcsc_risk_estimation(tmp_path)
