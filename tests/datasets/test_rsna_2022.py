"""RSNA 2022: cancers of the day itself, missingness by site, odd views, top-coded ages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mammorisk as mr
from mammorisk.errors import EvaluationError
from tests.datasets.miniatures import rsna_2022


def test_one_row_a_woman(tmp_path: Path) -> None:
    cohort = mr.datasets.rsna_2022(rsna_2022(tmp_path, images=False))
    exams = cohort.exams.set_index("patient_id")
    assert exams["cancer"].to_dict() == {"101": 0, "102": 1, "103": 0, "201": 0, "202": 1}
    assert exams.loc["102", ["cancer_L", "cancer_R"]].tolist() == [1, 0]
    assert exams["birads"].to_dict()["102"] == "0"
    assert pd.isna(exams.loc["202", "birads"])
    assert exams.loc["102", "age_top_coded"]
    assert np.isnan(exams.loc["103", "age"])
    assert "time" not in exams


def test_rows_of_other_views_have_a_reason(tmp_path: Path) -> None:
    cohort = mr.datasets.rsna_2022(rsna_2022(tmp_path, images=False))
    assert cohort.exclusions.set_index("reason")["rows"].to_dict() == {
        "the view AT is none of CC and MLO": 1,
        "the view LMO is none of CC and MLO": 1,
        "kept": 20,
    }
    assert cohort.excluded["line"].tolist() == [22, 23]


def test_missing_by_site_is_said(tmp_path: Path) -> None:
    cohort = mr.datasets.rsna_2022(rsna_2022(tmp_path, images=False))
    told = [one.text for one in cohort.warnings if one.code == "missing-by-site"]
    assert len(told) == 2
    assert told[0].startswith("breast_density is known for 100 % at site 1, 0 % at site 2")


def test_evaluation_as_a_risk_is_refused(tmp_path: Path) -> None:
    cohort = mr.datasets.rsna_2022(rsna_2022(tmp_path, images=False))
    with pytest.raises(EvaluationError, match="detection, not risk") as error:
        mr.evaluate({"score": np.full(5, 0.1)}, cohort, horizons=[5])
    # What the message proposes works, also on a part of the cohort.
    assert "Outcome.binary" in str(error.value)
    outcome = mr.Outcome.binary(cohort.exams["cancer"])
    assert outcome.is_binary
    with pytest.raises(EvaluationError, match="detection, not risk"):
        mr.evaluate({"score": np.full(3, 0.1)}, cohort.select([0, 1, 2]), horizons=[5])


def test_images(tmp_path: Path) -> None:
    cohort = mr.datasets.rsna_2022(rsna_2022(tmp_path))
    assert cohort.exams["patient_id"].tolist() == ["101", "102"]
    for row in (0, 1):
        assert not cohort.open_exam(row).missing
    # A part keeps its card, its exclusions and its images.
    part = cohort.select([1])
    assert part.card.name == "rsna_2022"
    assert len(part.excluded) == len(cohort.excluded)
    assert part.open_exam(0)["L-CC"].laterality == "L"


def test_the_test_part_has_no_outcome(tmp_path: Path) -> None:
    cohort = mr.datasets.rsna_2022(rsna_2022(tmp_path, images=False), part="test")
    assert cohort.outcome_kind == "none"
    assert "cancer" not in cohort.exams
    assert len(cohort) == 1


def test_split_by_woman(tmp_path: Path) -> None:
    cohort = mr.datasets.rsna_2022(rsna_2022(tmp_path, images=False))
    part = mr.datasets.split_by_woman(cohort, {"train": 0.5, "test": 0.5}, seed=2)
    assert set(part) == {"train", "test"}
    # The part of a woman does not depend on who else is there.
    alone = cohort.select([3])
    assert mr.datasets.split_by_woman(alone, {"train": 0.5, "test": 0.5}, seed=2)[0] == part[3]
