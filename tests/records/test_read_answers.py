"""The door for tables: names, codes for "not known", units. Nothing changes a number in silence."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mammorisk as mr
from mammorisk.clinical.claus import from_relatives
from mammorisk.clinical.icare_lit import from_covariates
from mammorisk.clinical.icare_submodel import load_submodel
from mammorisk.errors import HorizonError, QuestionnaireError, TrainingError
from mammorisk.records.alignment import align
from mammorisk.records.cohort import Cohort
from mammorisk.records.column_names import match_columns
from mammorisk.records.read_answers import read_answers

RNG = np.random.default_rng(7)
BASE = {"age": 54, "race_ethnicity": "white", "age_menarche": 12, "parity": 2}


def codes(table: pd.DataFrame, **options: object) -> list[str]:
    return [one.warning.code for one in read_answers(table, **options)[1]]  # type: ignore[arg-type]


# --- names -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("Prior_Breast_Cancer", "prior_breast_cancer"),
        ("first_degree_relatives ", "first_degree_relatives"),
        ("BRCA", "brca"),
        ("breastDensity", "breast_density"),
        ("Age at menarche", None),
        ("Age Menarche", "age_menarche"),
        ("age.first.birth", "age_first_birth"),
        ("PatientID", "patient_id"),
        ("Weight", None),
    ],
)
def test_names_that_differ_in_case_and_blanks_are_read(name: str, field: str | None) -> None:
    assert match_columns(["age", name]).renamed == ({} if field is None else {name: field})


@pytest.mark.parametrize(
    ("name", "field"),
    [
        *(("race", "race_ethnicity"), ("menarche", "age_menarche"), ("density", "breast_density")),
        *(("famhist", "first_degree_relatives"), ("first_degree_relative", None)),
        *(("BRCA1", "brca"), ("age_at_menarche", "age_menarche"), ("biopsies_n", "biopsies")),
        *(("prior_brest_cancer", "prior_breast_cancer"), ("bmi_kg_m2", "bmi")),
    ],
)
def test_names_that_look_like_a_field_are_told_and_not_read(name: str, field: str | None) -> None:
    match = match_columns(["age", name])
    assert match.renamed == {}
    assert name in match.look_alikes
    assert field is None or match.look_alikes[name] == field


def test_other_names_and_fields_that_are_there_are_left_alone() -> None:
    names = ["age", "breast_density", "density", "clinic", "percent_density", "true_risk_5y"]
    assert match_columns(names).look_alikes == {}


def test_two_columns_for_one_field_are_refused() -> None:
    with pytest.raises(QuestionnaireError, match="'age' and 'Age' both look like age"):
        match_columns(["age", "Age"])
    with pytest.raises(QuestionnaireError, match="'BRCA' and 'Brca' both look like brca"):
        match_columns(["BRCA", "Brca"])


def test_a_woman_with_cancer_before_has_no_risk_whatever_the_case() -> None:
    table = pd.DataFrame([BASE | {"Prior_Breast_Cancer": 1}, BASE | {"Prior_Breast_Cancer": 0}])
    risks = mr.predict(table, model="bcrat")
    assert risks["risk_5y"].isna().tolist() == [True, False]
    assert risks["warning_codes"].str.contains("column-renamed").all()


def test_every_row_that_has_the_unread_answer_is_told() -> None:
    table = pd.DataFrame({"age": [54, 61, 47], "race": ["black", None, "white"]})
    risks = mr.predict(table, model="bcrat")
    assert risks["warning_codes"].str.contains("column-not-read").tolist() == [True, False, True]
    assert "'race' was not read; rename it if it is race_ethnicity" in risks["warnings"].iloc[0]


def test_a_table_without_age_names_what_looks_like_it() -> None:
    with pytest.raises(QuestionnaireError, match="no column age; 'age_at_exam' looks like it"):
        mr.predict(pd.DataFrame({"age_at_exam": [54]}))


# --- codes for "not known" -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "code", "usual"),
    [
        ("first_degree_relatives", 9, RNG.poisson(0.2, 2000)),
        ("biopsies", 9, RNG.poisson(0.3, 2000)),
        ("parity", 9, RNG.poisson(2, 2000)),
        ("age_menarche", 9, RNG.integers(11, 16, 2000)),
        ("bmi", 99, RNG.normal(27, 5, 2000).clip(16, 60)),
        ("bmi", 88, RNG.normal(27, 5, 2000).clip(16, 60)),
        ("alcohol_g_per_day", 99, RNG.exponential(8, 2000)),
        ("weight_kg", 99, RNG.normal(70, 8, 2000).round(1)),
        ("age", 99, RNG.uniform(40, 75, 2000)),
    ],
)
def test_a_code_is_told_with_its_count_and_remedy(field: str, code: int, usual: np.ndarray) -> None:
    table = pd.DataFrame({"age": 54.0, field: usual.astype(float)})
    assert "code-suspected" not in codes(table)
    table.loc[:39, field] = code
    _, warnings = read_answers(table)
    (told,) = (one for one in warnings if one.warning.code == "code-suspected")
    assert f"{field} is {code} in 40 of 2,000 rows" in told.warning.text
    assert f'missing={{"{field}": [{code}]}}' in told.warning.text
    assert told.rows is not None
    assert told.rows.sum() == 40
    clean, warnings = read_answers(table, missing={field: [code]})
    assert clean[field].isna().sum() == 40
    assert "code-suspected" not in [one.warning.code for one in warnings]


def test_answers_that_are_rare_but_true_are_not_doubted() -> None:
    table = pd.DataFrame(
        {
            "age": RNG.normal(75, 10, 5000).clip(35, 98),
            "parity": RNG.poisson(4, 5000),
            "age_menarche": RNG.normal(12, 1.8, 5000).round().clip(8, 18),
            "weight_kg": RNG.normal(85, 18, 5000).round().clip(40, 160),
            "alcohol_g_per_day": RNG.exponential(25, 5000).round().clip(0, 400),
        }
    )
    assert codes(table) == []


def test_one_woman_with_nine_relatives_is_told() -> None:
    woman = mr.Questionnaire(**BASE, first_degree_relatives=9)
    (told,) = (one for one in mr.predict(woman, model="bcrat").warnings if "suspect" in one.code)
    assert told.text.startswith("first_degree_relatives is 9: 9 is often a code for not known")
    with pytest.raises(QuestionnaireError, match="age_first_birth"):
        mr.Questionnaire(age=54, age_first_birth=9)


def test_a_row_coded_nine_scores_as_unknown_with_missing() -> None:
    coded = pd.DataFrame([BASE | {"first_degree_relatives": 9, "biopsies": "9"}])
    plain = mr.predict(pd.DataFrame([BASE]), model="bcrat")
    told = mr.predict(
        coded, model="bcrat", missing={"first_degree_relatives": [9], "biopsies": [9]}
    )
    assert told["risk_5y"].tolist() == plain["risk_5y"].tolist()
    assert told["warning_codes"].tolist() == plain["warning_codes"].tolist()


@pytest.mark.parametrize(
    ("missing", "what"), [({"biopsy": [9]}, "no column 'biopsy'"), ([9], "not a dictionary")]
)
def test_missing_must_name_columns(missing: object, what: str) -> None:
    with pytest.raises(QuestionnaireError, match=what):
        mr.predict(pd.DataFrame([BASE]), missing=missing)  # type: ignore[call-overload]
    with pytest.raises(QuestionnaireError, match="only for a table"):
        mr.predict(mr.Questionnaire(age=54), missing={"age": [9]})  # type: ignore[call-overload]


# --- units ---------------------------------------------------------------------------------------


def test_pounds_are_suspected_and_never_converted() -> None:
    rng = np.random.default_rng(1)
    kilograms = rng.normal(70, 9, 200).clip(48, 100)
    height = rng.normal(163, 6, 200).clip(150, 178)
    table = pd.DataFrame({"age": 54, "height_cm": height, "weight_kg": kilograms})
    assert codes(table) == []
    pounds = table.assign(weight_kg=kilograms / 0.45359237)
    clean, (told,) = read_answers(pounds)
    assert told.warning.code == "units-suspected"
    assert "if weight_kg is in pounds, multiply it by 0.4536" in told.warning.text
    assert clean["weight_kg"].tolist() == pounds["weight_kg"].tolist()
    assert codes(pounds.drop(columns="height_cm")) == ["units-suspected"]
    assert mr.predict(pounds, model="icare-lit")["warning_codes"].str.contains("units").all()


def test_a_single_woman_in_pounds_is_told_where_there_is_evidence() -> None:
    def told(**woman: float) -> list[str]:
        table = pd.DataFrame([{"age": 54, **woman}])
        return [str(one.warning) for one in read_answers(table)[1]]

    (text,) = told(height_cm=163, weight_kg=140)
    assert "the body mass index is 52.7 kg/m2; if weight_kg is in pounds" in text
    assert "it would be 23.9" in text
    # 64 inches exactly: the height was converted, the weight was not.
    (text,) = told(height_cm=162.56, weight_kg=110)
    assert text.endswith("The height is 64 inches exactly")
    assert told(height_cm=163, weight_kg=110) == []
    assert told(height_cm=162.56, weight_kg=62) == []
    assert told(height_cm=163, weight_kg=130) == []
    # Some women of a table have so high a body mass index.
    table = pd.DataFrame({"age": 54, "height_cm": 163, "weight_kg": [140, 60, 70, 65, 80, 75]})
    assert codes(table) == []
    contradiction = {"age": 54, "height_cm": 160, "weight_kg": 143.3, "bmi": 25.4}
    with pytest.raises(QuestionnaireError, match="weight_kg in pounds"):
        mr.Questionnaire(**contradiction)
    scored = mr.predict(pd.DataFrame([contradiction]), model="icare-lit")
    assert "in pounds?" in scored["warnings"].iloc[0]


@pytest.mark.parametrize("name", ["bcrat", pytest.param("hybrid", marks=pytest.mark.networks)])
def test_a_model_reads_names_as_predict_does(name: str) -> None:
    model = mr.load_model(name)
    women = pd.DataFrame(
        [BASE | {"Prior_Breast_Cancer": True}, BASE | {"Prior_Breast_Cancer": None}]
    )
    women["race"] = ["black", None]
    scores = model.score(women.drop(columns="race_ethnicity"), (5,))
    assert scores.risk[5].isna().tolist() == [True, False]
    assert [
        [one.code for one in own if one.code.startswith("column")] for own in scores.warnings
    ] == [["column-renamed", "column-not-read"], ["column-renamed"]]
    told = mr.predict(women.drop(columns="race_ethnicity"), model=model, horizons=5)
    assert told["warning_codes"].str.count("column-renamed").tolist() == [1, 1]
    with pytest.raises(QuestionnaireError, match="both look like age"):
        model.score(women.assign(Age=54), (5,))


def test_relatives_and_covariates_read_nearly_right_names() -> None:
    exact = from_relatives(pd.DataFrame({"age": [40], "mother": [45], "id": 1}))
    near = from_relatives(pd.DataFrame({"Age": [40], "Mother ": [45], "id": 1}))
    pd.testing.assert_series_equal(near, exact)
    with pytest.raises(QuestionnaireError, match="'daughter' is not read; it looks like daughters"):
        from_relatives(pd.DataFrame({"age": [40], "mother": [45], "daughter": [38]}))
    with pytest.raises(QuestionnaireError, match="both look like mother"):
        from_relatives(pd.DataFrame({"age": [40], "mother": [45], "MOTHER": [38]}))
    names = load_submodel("ge50").covariates
    row = pd.DataFrame([dict.fromkeys(names) | {"age": 60, "famhist": 1}])
    near = from_covariates(row.rename(columns={"famhist": "FamHist", "age": "Age"}), 5, "ge50")
    pd.testing.assert_series_equal(near, from_covariates(row, 5, "ge50"))


def test_a_body_mass_index_that_hardly_exists_is_told_of_its_row() -> None:
    table = pd.DataFrame({"age": 54, "bmi": [27.0, 68.0, 12.0, 31.0, 24.0]})
    _, (told,) = read_answers(table)
    assert told.warning.code == "value-implausible"
    assert told.rows is not None
    assert told.rows.tolist() == [False, True, True, False, False]


# --- follow-up -----------------------------------------------------------------------------------


def follow_up(n: int = 300) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    return pd.DataFrame(
        {
            "age": rng.uniform(45, 70, n),
            "time": rng.uniform(0.1, 9, n),
            "event": rng.choice([0, 1, 2], n, p=[0.9, 0.07, 0.03]),
        }
    )


def test_sound_follow_up_is_not_doubted() -> None:
    assert codes(follow_up()) == []
    assert codes(follow_up().assign(weight=RNG.choice([1.0, 14.2, 55.0], 300))) == []
    assert codes(follow_up().assign(weight=RNG.uniform(1, 80, 300))) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.assign(time=t.time * 12), "divide time by 12"),
        (lambda t: t.assign(time=t.time + t.age), "subtract age if it is the age at the end"),
        (lambda t: t.assign(event=(t.event == 1) + 1), "survival in R"),
        (lambda t: t.assign(event=1), "nobody is censored"),
        (lambda t: t.assign(weight=RNG.normal(70, 10, len(t)).clip(45, 110)), "weight_kg"),
    ],
)
def test_doubtful_follow_up_states_its_evidence(change: object, words: str) -> None:
    table = change(follow_up())  # type: ignore[operator]
    _, (told,) = read_answers(table)
    assert words in told.warning.text
    assert told.warning.severity == "caution"
    # It is about the table: the risk of a row does not depend on it.
    assert told.rows is None


def test_body_weight_beside_its_own_column_is_a_sampling_weight() -> None:
    table = follow_up().assign(weight=RNG.normal(70, 10, 300).clip(45, 110), weight_kg=70)
    assert codes(table) == []


@pytest.mark.parametrize(
    "events",
    [
        [True, False, False],
        ["True", "False", "False"],
        ["cancer", "censored", "censored"],
        ["Breast Cancer", "no", "No"],
        pd.array([1, 0, 0], dtype="Int64"),
        pd.Categorical([1, 0, 0]),
        ["1", "0", "0"],
    ],
)
def test_events_in_words(events: object) -> None:
    table = pd.DataFrame({"time": [1.0, 6, 7], "event": events})
    aligned = align([0.1, 0.2, 0.3], table, (5.0,))
    assert aligned.outcome.event.tolist() == [1, 0, 0]


def test_words_for_unknown_in_follow_up() -> None:
    table = pd.DataFrame({"time": ["1.0", "UNK", "7"], "event": ["cancer", ".", "unknown"]})
    clean, _ = read_answers(table)
    assert clean["time"].isna().tolist() == [False, True, False]
    assert clean["event"].isna().tolist() == [False, True, True]


@pytest.mark.networks
def test_nothing_is_fitted_where_nobody_is_censored() -> None:
    """Coded as in R: 1 censored, 2 cancer."""
    table = follow_up().assign(event=lambda t: (t["event"] == 1) + 1, breast_density="b")
    cohort = Cohort(exams=table, errors=pd.Series([""] * len(table), dtype=object))
    with pytest.raises(TrainingError, match=r"nobody is censored.*survival in R"):
        mr.fit(cohort, recipe="density-fit")


@pytest.mark.networks
def test_densities_as_numbers_leave_nothing_to_fit() -> None:
    table = follow_up().assign(breast_density=lambda t: np.arange(len(t)) % 4 + 1)
    cohort = Cohort(exams=table, errors=pd.Series([""] * len(table), dtype=object))
    with pytest.raises(TrainingError, match="a to d; 1 to 4 are not read"):
        mr.fit(cohort, recipe="density-fit")


@pytest.mark.parametrize("horizons", [None, [None], (5, "x"), True, (), (5, 5)])
def test_horizons_that_are_none(horizons: object) -> None:
    with pytest.raises(HorizonError):
        mr.predict(pd.DataFrame([BASE]), horizons=horizons)  # type: ignore[call-overload]
    assert "risk_5y" in mr.predict(pd.DataFrame([BASE]), horizons=np.int64(5))  # type: ignore[call-overload]
