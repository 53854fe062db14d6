"""Questionnaire and its table check: one set of rules, two doors."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mammorisk import Questionnaire
from mammorisk.errors import QuestionnaireError
from mammorisk.records.questionnaire_fields import CATEGORIES, NUMBERS
from mammorisk.records.questionnaire_table import check_frame


def test_only_age_is_required() -> None:
    woman = Questionnaire(age=54)
    assert woman.age == 54
    assert woman.parity is None
    with pytest.raises(QuestionnaireError, match="age: required"):
        Questionnaire(parity=2)


def test_bmi_is_derived() -> None:
    assert Questionnaire(age=54, height_cm=160, weight_kg=64).bmi == pytest.approx(25.0)
    assert Questionnaire(age=54, bmi=31).bmi == 31
    with pytest.raises(QuestionnaireError, match="bmi contradicts height_cm and weight_kg"):
        Questionnaire(age=54, height_cm=160, weight_kg=64, bmi=31)


@pytest.mark.parametrize(
    ("fields", "first", "second"),
    [
        ({"age_first_birth": 60}, "age_first_birth", "age"),
        ({"parity": 0, "age_first_birth": 30}, "parity", "age_first_birth"),
        ({"age_menarche": 14, "age_first_birth": 12}, "age_menarche", "age_first_birth"),
        ({"age_menopause": 58}, "age_menopause", "age"),
        ({"menopausal_status": "pre", "age_menopause": 50}, "menopausal_status", "age_menopause"),
        ({"hrt_use": "never", "hrt_type": "combined"}, "hrt_use", "hrt_type"),
        ({"biopsies": 0, "atypical_hyperplasia": True}, "biopsies", "atypical_hyperplasia"),
    ],
)
def test_a_contradiction_names_both_fields(fields: dict, first: str, second: str) -> None:
    with pytest.raises(QuestionnaireError) as caught:
        Questionnaire(age=54, **fields)
    assert first in str(caught.value)
    assert second in str(caught.value)


@pytest.mark.parametrize("code", [99, 98, -1, 999])
def test_codes_for_unknown_are_refused(code: int) -> None:
    for name in ("biopsies", "first_degree_relatives", "age_menarche", "parity"):
        with pytest.raises(QuestionnaireError, match=name):
            Questionnaire(age=54, **{name: code})


def test_words_are_read_generously() -> None:
    woman = Questionnaire(
        age="54", race_ethnicity=" White ", lcis="no", breast_density="C", parity="", hrt_use=None
    )
    assert (woman.race_ethnicity, woman.lcis, woman.breast_density) == ("white", False, "c")
    assert woman.parity is None


def test_errors_do_not_repeat_what_was_given() -> None:
    with pytest.raises(QuestionnaireError) as caught:
        Questionnaire(age=54, race_ethnicity="Jane Doe", parity="555-1234")
    assert "Jane" not in str(caught.value)
    assert "555" not in str(caught.value)


def test_table_reports_each_row_and_loses_none() -> None:
    frame = pd.DataFrame(
        {
            "age": [54, 40, np.nan, "fifty", 61],
            "parity": [2, 0, 1, 1, 2.5],
            "age_first_birth": [25, 30, np.nan, np.nan, np.nan],
            "lcis": [True, "no", None, 0, "perhaps"],
            "clinic": list("abcde"),
        },
        index=[10, 11, 12, 13, 14],
    )
    clean, problems = check_frame(frame)
    assert list(clean.index) == list(frame.index) == list(problems.index)
    assert problems[10] == ()
    assert "parity 0 contradicts age_first_birth" in problems[11]
    assert problems[12] == ("age: unknown",)
    assert problems[13][0].startswith("age: must be a number")
    assert any("parity" in text for text in problems[14])
    assert "lcis: must be yes or no" in problems[14]
    assert clean["lcis"].tolist()[:2] == [1.0, 0.0]


def test_table_needs_age() -> None:
    with pytest.raises(QuestionnaireError, match="no column age"):
        check_frame(pd.DataFrame({"parity": [1]}))


def test_onset_ages() -> None:
    woman = Questionnaire(age=40, onset_mother="45", onset_full_sisters=[38, 51])
    assert woman.onset_mother == (45.0,)
    assert woman.onset_full_sisters == (38.0, 51.0)
    with pytest.raises(QuestionnaireError, match="onset_mother"):
        Questionnaire(age=40, onset_mother="young")


@pytest.mark.parametrize("word", ["Unknown", "UNK", "NA", ".", ".A", "", " ", "not known", "-"])
def test_words_for_unknown_read_the_same_in_every_column(word: str) -> None:
    fields = dict.fromkeys(("biopsies", "menopausal_status", "lcis", "age_menarche"), word)
    clean, problems = check_frame(pd.DataFrame([{"age": 54, **fields}]))
    assert problems.iloc[0] == ()
    assert clean[list(fields)].isna().all(axis=None)
    woman = Questionnaire(age=54, **fields)
    assert [getattr(woman, name) for name in fields] == [None] * 4


def test_none_is_a_count_of_zero_and_no_other_answer() -> None:
    woman = Questionnaire(age=54, biopsies="none", first_degree_relatives="None")
    assert (woman.biopsies, woman.first_degree_relatives) == (0, 0)
    for field in ("age_menarche", "breast_density", "lcis"):
        with pytest.raises(QuestionnaireError, match=field):
            Questionnaire(age=54, **{field: "none"})


@pytest.mark.parametrize(
    "empty",
    [pd.NA, None, np.nan, pd.NaT, np.float32("nan")],
    ids=["NA", "None", "nan", "NaT", "f4"],
)
def test_every_kind_of_empty_cell_is_unknown(empty: object) -> None:
    fields = ("biopsies", "breast_density", "lcis", "onset_mother")
    frame = pd.DataFrame({name: pd.Series([empty], dtype=object) for name in fields})
    clean, problems = check_frame(frame.assign(age=54))
    assert problems.iloc[0] == ()
    assert clean[list(fields)].isna().all(axis=None)


@pytest.mark.parametrize("dtype", ["Int64", "int64[pyarrow]", "float32", "category", "object"])
def test_numbers_of_any_type(dtype: str) -> None:
    frame = pd.DataFrame({"age": pd.Series([54, 61, 47]), "biopsies": pd.Series([0, 2, 1])})
    clean, problems = check_frame(frame.astype(dtype))
    assert not problems.map(bool).any()
    assert clean["biopsies"].tolist() == [0, 2, 1]


@pytest.mark.parametrize("dtype", ["string", "str", "category", "string[pyarrow]", "object"])
def test_text_of_any_type(dtype: str) -> None:
    frame = pd.DataFrame({"breast_density": pd.Series(["C", " a ", None], dtype=dtype)})
    clean, problems = check_frame(frame.assign(age=[54, 61, 47]))
    assert not problems.map(bool).any()
    assert clean["breast_density"].tolist()[:2] == ["c", "a"]


def test_dates_durations_and_yes_or_no_are_no_numbers() -> None:
    days = pd.to_timedelta([20_000, 21_000], unit="D")
    for values in (days, days.astype(object), pd.to_datetime(["1970-01-01"] * 2), [True, False]):
        _, problems = check_frame(pd.DataFrame({"age": 54, "biopsies": values}))
        assert problems.map(lambda told: told[0].startswith("biopsies: must be")).all()
    with pytest.raises(QuestionnaireError, match="biopsies"):
        Questionnaire(age=54, biopsies=True)


def test_a_faulty_number_names_the_unit_or_the_code() -> None:
    frame = pd.DataFrame(
        {"age": 54, "height_cm": [1.63, 64, 16.3, 5.4], "biopsies": [99, 0, 0, 60]}
    )
    told = check_frame(frame)[1].map("; ".join)
    for unit, text in zip(("metres", "inches", "decimetres", "feet"), told, strict=True):
        assert f"in {unit}?" in text
    assert 'missing={"biopsies": [99]}' in told[0]
    assert "missing" not in told[3]
    coded = check_frame(pd.DataFrame({"age": [54], "lcis": [9], "breast_density": ["9"]}))[1]
    assert 'missing={"lcis": [9]}' in coded[0][0]
    assert 'missing={"breast_density": [9]}' in coded[0][1]


@given(
    age=st.floats(30, 80),
    fields=st.fixed_dictionaries(
        {},
        optional={
            **{name: st.floats(low - 5, high + 5) for name, (low, high, _) in NUMBERS.items()},
            **{name: st.sampled_from(values) for name, values in CATEGORIES.items()},
        },
    ),
)
def test_one_woman_and_a_table_agree(age: float, fields: dict) -> None:
    fields["age"] = age
    _, problems = check_frame(pd.DataFrame([fields]))
    if problems.iloc[0]:
        with pytest.raises(QuestionnaireError):
            Questionnaire(**fields)
    else:
        Questionnaire(**fields)
