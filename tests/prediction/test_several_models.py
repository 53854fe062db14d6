"""Several models at once, and the record of models that a table of risks keeps."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mammorisk as mr
from mammorisk._utils.model_folder import ModelState, weights_digest
from mammorisk.errors import ModelError
from mammorisk.evaluation.model_tables import RECORD


def test_several_models_are_the_same_as_each_alone() -> None:
    cohort = mr.simulate(400, seed=2).cohort
    both = mr.predict(cohort, model=["bcrat", mr.load_model("icare-lit")], horizons=[1, 5])
    assert len(both) == 800
    for name in ("bcrat", "icare-lit"):
        alone = mr.predict(cohort, model=name, horizons=[1, 5])
        pd.testing.assert_frame_equal(both[both["model"] == name], alone)
    assert set(both.attrs[RECORD]) == {"bcrat", "icare-lit"}
    report = mr.evaluate(both, cohort, published=(), horizons=5)
    assert report.models == ["bcrat", "icare-lit"]
    assert report.models_used["version"].str.startswith("mammorisk").all()
    divided = dict(iter(both.groupby("model", sort=False)))
    same = mr.evaluate(divided, cohort, published=(), horizons=5)
    pd.testing.assert_frame_equal(report.discrimination, same.discrimination)


@pytest.mark.parametrize("model", [["bcrat", "icare-lit"], []])
def test_one_woman_has_one_model(model: list[str]) -> None:
    woman = mr.Questionnaire(age=54, race_ethnicity="white")
    with pytest.raises(ModelError, match="several models need" if model else "no model is named"):
        mr.predict(woman, model=model)  # type: ignore[call-overload]


def test_a_table_of_models_by_row_stays_one() -> None:
    cohort = mr.simulate(300, seed=3).cohort
    women = cohort.exams.assign(breast_density=cohort.exams["breast_density"].astype(object))
    women.loc[:100, "breast_density"] = None
    risks = mr.predict(women, horizons=5)
    assert risks["model"].nunique() == 2
    assert set(risks.attrs[RECORD]) == {"bcsc-2008", "icare-lit"}
    assert mr.evaluate(risks, women, published=()).models == ["models by row"]


def test_digest_of_weights_depends_on_values_names_and_types() -> None:
    def digest(**tensors: np.ndarray) -> str | None:
        return weights_digest(ModelState(config={"a": 1}, tensors=tensors))

    one = np.arange(6, dtype=np.float32)
    whole = digest(w=one)
    assert whole == digest(w=one.copy())
    assert whole == digest(w=np.arange(12, dtype=np.float32)[:6])
    for other in (one + 1, one.astype(np.float64), one.reshape(2, 3)):
        assert digest(w=other) != whole
    assert digest(v=one) != whole
    assert digest() is None
    inner = ModelState(config={}, tensors={"w": one})
    outer = weights_digest(ModelState(config={}, parts={"model": inner}))
    assert outer is not None
    assert outer != whole
