"""A man in a table has no risk, his exam is not opened, and no model is fitted on him."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mammorisk as mr
from mammorisk.errors import CohortError
from mammorisk.records.sex import male_rows
from mammorisk.training.exclusions import Exclusions


@pytest.mark.parametrize("name", ["sex", "Gender", "Patient_Sex", "patient sex"])
def test_men_by_their_words(name: str) -> None:
    words = ["M", "male ", "Man", "F", "female", "woman", None, np.nan, 1, "U", pd.NA]
    assert male_rows(pd.DataFrame({name: words})).tolist() == [True] * 3 + [False] * 8
    twice = pd.DataFrame([[54, "F", "M"], [54, "F", "F"], [54, "M", None]])
    assert male_rows(twice.set_axis(["age", name, name], axis=1)).tolist() == [True, False, True]
    assert not male_rows(pd.DataFrame({"same_sex_school": ["M"], "male": [1]})).any()


def test_a_man_has_no_risk_and_is_not_fitted_on() -> None:
    table = pd.DataFrame({"age": [54, 54], "race_ethnicity": "white", "sex": ["M", "F"]})
    risks = mr.predict(table, model="bcrat", horizons=5)
    assert risks["risk_5y"].notna().tolist() == [False, True]
    assert risks["warning_codes"].iloc[0] == "male-patient"
    opened: list[int] = []
    cohort = mr.Cohort(
        exams=table.assign(patient_id=["a", "b"], exam_id=1),
        errors=pd.Series(["", ""]),
        open_exam=opened.append,  # type: ignore[arg-type]
    )
    with pytest.raises(CohortError, match="patient is male"):
        cohort.open_row(0)
    cohort.open_row(1)
    assert opened == [1]
    left_out = Exclusions(2)
    left_out.add_rows_of(cohort)
    assert left_out.counts == {"the table says that the patient is male": 1}
