"""What a fit says about a cohort before it reads an image."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import mammorisk as mr
from mammorisk.errors import TrainingError
from mammorisk.records.cohort import Cohort
from mammorisk.records.exam import Exam

pytest.importorskip("torch")
from mammorisk.risk_models.recipe import load_recipe
from mammorisk.training.cohort_doubts import check_before_fit
from mammorisk.training.fit import CohortWarning

pytestmark = pytest.mark.networks


def fail(row: int) -> Exam:
    raise AssertionError("an exam was read")


def cohort(n: int = 400, cancers: int = 40, **columns: object) -> Cohort:
    """A cohort whose images must not be opened."""
    table = pd.DataFrame(
        {
            "patient_id": [f"w{i}" for i in range(n)],
            "exam_id": "1",
            "age": 50.0 + np.arange(n) % 20,
            "breast_density": np.array(list("abcd"))[np.arange(n) % 4],
            "path": [f"exams/{i}" for i in range(n)],
            "time": np.where(np.arange(n) < cancers, 2.0, 6.0),
            "event": (np.arange(n) < cancers).astype(int),
        }
        | columns
    )
    return Cohort(exams=table, errors=pd.Series([""] * n, dtype=object), open_exam=fail)


SPLIT = np.array(["train", "train", "dev", "test"], dtype=object)[np.arange(400) % 4]


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"split": SPLIT, "patient_id": np.arange(400) // 2}, "women are in several splits"),
        ({"split": SPLIT, "path": [f"e/{i // 2}" for i in range(400)]}, "are in several splits"),
        ({"path": ["e/same", "./e/same", *(f"e/{i}" for i in range(398))]}, "in several women"),
        ({"split": np.where(SPLIT == "train", "dev", "test")}, "no rows for training"),
        ({"event": 0}, "0 cancers within five years in training"),
    ],
)
def test_a_cohort_that_cannot_be_used_is_refused_before_an_image_is_read(
    columns: dict[str, object], words: str
) -> None:
    with pytest.raises(TrainingError, match=words):
        mr.fit(cohort(**columns), "hybrid")


def test_few_cancers_are_told_before_an_image_is_read() -> None:
    told: list[mr.ResultWarning] = []
    with pytest.raises(AssertionError, match="an exam was read"):
        mr.fit(cohort(), "hybrid", on_warning=told.append, training__unreadable_share=1.0)
    assert [one.code for one in told] == ["few-cancers"]
    assert "300 are reasonable" in told[0].text
    with pytest.warns(CohortWarning, match="too few cancers"), pytest.raises(AssertionError):
        mr.fit(cohort(), "hybrid")


def test_the_demand_depends_on_the_recipe() -> None:
    many = cohort(20_000, 300)
    found = {
        name: [one.code for one in check_before_fit(many, load_recipe(name))]
        for name in ("hybrid", "transfer-resnet50", "density-fit", "image-only")
    }
    assert found["transfer-resnet50"] == found["density-fit"] == []
    # 255 of 17,000 exams in training are half a cancer in a batch of 32.
    assert found["hybrid"] == found["image-only"] == ["few-cancers", "imbalanced"]
    balanced = load_recipe("hybrid", training__balanced=True)
    assert [one.code for one in check_before_fit(many, balanced)] == ["few-cancers"]
    assert check_before_fit(cohort(20_000, 800), load_recipe("hybrid")) == ()


def test_the_record_of_the_training_has_the_warnings() -> None:
    table = mr.simulate(3000, seed=4).women
    women = Cohort(exams=table, errors=pd.Series([""] * len(table), dtype=object))
    told: list[mr.ResultWarning] = []
    model = mr.fit(women, "density-fit", on_warning=told.append)
    assert [one.code for one in told] == ["few-cancers"]
    assert model.training["warnings"] == [told[0].to_dict()]  # type: ignore[union-attr]


def test_a_prior_exam_may_be_an_exam_of_the_same_woman() -> None:
    base = cohort(4000, 400)
    table = base.exams.assign(
        patient_id=np.arange(4000) // 2,
        prior_path=np.where(np.arange(4000) % 2, base.exams["path"].shift(1), None),
    )
    codes = [
        one.code for one in check_before_fit(replace(base, exams=table), load_recipe("hybrid"))
    ]
    assert codes == []
