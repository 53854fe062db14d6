"""Risks and outcomes in the same rows: ids that do not meet, risks in percent, multiplicities."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mammorisk as mr
from mammorisk.errors import EvaluationError
from mammorisk.records.alignment import align, check_evaluation_horizons, check_thresholds
from mammorisk.records.match_ids import id_columns, match_ids


def cohort(ids: list[object]) -> pd.DataFrame:
    n = len(ids)
    return pd.DataFrame(
        {"patient_id": ids, "exam_id": 1, "time": 7.0, "event": [1] + [0] * (n - 1)}
    )


def risks(ids: list[object], value: float = 0.02) -> pd.DataFrame:
    return pd.DataFrame({"patient_id": ids, "exam_id": 1, "risk_5y": value})


NUMBERS = list(range(120))
PADDED = [f"{i:03d}" for i in NUMBERS]


@pytest.mark.parametrize(
    ("ours", "theirs", "told"),
    [
        (NUMBERS, PADDED, "20 of 120 ids of the risks are in the cohort; '0'/'1' of the risks and"),
        (["a", "b"], ["c", "d"], "0 of 2 ids .* 'a'/'1' of the risks and 'c'/'1' of the cohort"),
        (["W1", "W2", "w3"], ["w1", "w2", "w3"], "1 of 3 ids"),
        (["w-1", "w-2"], ["w1", "w2"], "0 of 2 ids"),
        (list(range(1000)), [f"{i:03d}" for i in range(1000)], "900 of 1,000"),
        (list(range(10)), list(range(6, 16)), "4 of 10"),
    ],
)
def test_ids_that_do_not_meet_are_refused(
    ours: list[object], theirs: list[object], told: str
) -> None:
    with pytest.raises(EvaluationError, match=told):
        align(risks(ours), cohort(theirs), None)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ([7, 8, 9], ["7", "8", "9"]),
        ([7.0, 8.0, 9.0], [7, 8, 9]),
        (pd.array([7, 8, 9], dtype="Int64"), [" 7", "8 ", "9"]),
        (["7", "007", "8"], ["007", "7", "8"]),
    ],
)
def test_ids_of_other_types_meet(ours: object, theirs: object) -> None:
    found = align(risks(list(ours)), cohort(list(theirs)), None)  # type: ignore[call-overload]
    assert len(found.table) == 3
    assert found.notes == []


def test_rows_of_a_larger_table_may_stay_alone() -> None:
    found = align(risks(NUMBERS), cohort(NUMBERS[:30]), None)
    assert len(found.table) == 30
    assert found.notes == []
    part = align(risks(NUMBERS), cohort([*NUMBERS[:90], *range(500, 520)]), None)
    assert part.notes == ["90 of 120 ids of the risks are in the cohort (patient_id and exam_id)"]


def test_an_empty_id_meets_nobody() -> None:
    ours = risks(["a", "b", None, None])
    theirs = cohort(["a", "b", "c", None])
    assert len(align(ours, theirs, None).table) == 2
    ids = id_columns(pd.DataFrame({"k": [None, "a", " ", 7.0, 7]}), ["k"])
    assert ids["k"].isna().tolist() == [True, False, True, False, False]
    assert ids["k"].tolist()[3:] == ["7", "7"]
    assert match_ids(ids, ids).problem is None


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (["1.7%", "2%", "3%"], "3 risks are not numbers"),
        ([0.1, np.inf, 0.3], "1 risks are infinite, the first at position 1"),
        (pd.to_timedelta([1, 2, 3], unit="D"), "3 risks are not numbers"),
    ],
)
def test_risks_must_be_numbers(values: object, told: str) -> None:
    table = pd.DataFrame({"time": [1.0, 6, 7], "event": [1, 0, 0]})
    with pytest.raises(EvaluationError, match=told):
        align(pd.DataFrame({"risk_5y": values}), table, None)
    with pytest.raises(EvaluationError, match=told):
        align(pd.Series(values), table, (5.0,))


def test_risks_may_be_unknown_in_words() -> None:
    table = pd.DataFrame({"time": [1.0, 6, 7], "event": [1, 0, 0]})
    found = align(pd.DataFrame({"risk_5y": ["0.1", ".", "0.3"]}), table, None)
    assert found.risks["model"][5.0].tolist() == [0.1, 0.3]


def test_percent_is_doubted_from_what_happened() -> None:
    n = 400
    rng = np.random.default_rng(2)
    time, event = rng.uniform(5, 9, n), np.zeros(n, int)
    event[:6], time[:6] = 1, 3
    table = pd.DataFrame({"age": rng.uniform(45, 70, n), "time": time, "event": event})
    percent = pd.DataFrame({"risk_5y": rng.uniform(0.3, 0.95, n)})
    (told,) = align(percent, table, None).notes
    assert "divide by 100 if the risks are in percent" in told
    assert align(percent / 100, table, None).notes == []
    # A sample with half cancers may have such risks.
    many = table.assign(event=(np.arange(n) % 2).astype(int), time=3.0)
    assert align(percent, many, None).notes == []


def test_the_doubts_of_a_cohort_stand_in_the_notes_of_the_report() -> None:
    rng = np.random.default_rng(4)
    n = 300
    table = pd.DataFrame(
        {"time": rng.uniform(1, 9, n), "event": rng.choice([1, 2], n, p=[0.85, 0.15])}
    )
    report = mr.evaluate(pd.DataFrame({"risk_5y": rng.uniform(0, 0.1, n)}), table)
    assert any("nobody is censored" in note for note in report.notes)


def test_an_unread_column_of_a_table_is_named_where_published_models_are_scored() -> None:
    rng = np.random.default_rng(6)
    n = 200
    table = pd.DataFrame(
        {
            "Age": rng.uniform(45, 70, n),
            "race": "black",
            "time": rng.uniform(1, 9, n),
            "event": (rng.uniform(size=n) < 0.1).astype(int),
        }
    )
    ours = pd.DataFrame({"risk_5y": rng.uniform(0, 0.1, n)})
    report = mr.evaluate(ours, table, published=("bcrat",))
    assert "bcrat" in report.models
    assert any("'Age' was read as age" in note for note in report.notes)
    assert any("'race' was not read" in note for note in report.notes)


def test_frequency_weights_are_rows_written_out() -> None:
    rng = np.random.default_rng(5)
    n = 120
    risk = rng.uniform(0.01, 0.3, n)
    table = pd.DataFrame(
        {
            "patient_id": [f"w{i}" for i in range(n)],
            "exam_id": 1,
            "time": rng.uniform(1, 9, n),
            "event": (rng.uniform(size=n) < 2 * risk).astype(int),
            "frequency_weight": rng.integers(0, 9, n),
        }
    )
    ours = table[["patient_id", "exam_id"]].assign(risk_5y=risk)
    short = mr.evaluate(ours, table, published=())
    rows = np.repeat(np.arange(n), table["frequency_weight"])
    written = table.iloc[rows][["time", "event"]].reset_index(drop=True)
    long = mr.evaluate(ours.iloc[rows][["risk_5y"]].reset_index(drop=True), written, published=())
    pd.testing.assert_frame_equal(short.discrimination, long.discrimination)
    assert "written out: 0 to 8 women a row" in short.flow["item"].tolist()


@pytest.mark.parametrize("bad", [[1.5, 1, 1], [-1, 1, 1], [0, 0, 0], [np.nan, 1, 1]])
def test_frequencies_are_counts(bad: list[float]) -> None:
    table = pd.DataFrame({"time": [1.0, 6, 7], "event": [1, 0, 0], "frequency_weight": bad})
    with pytest.raises(EvaluationError, match="frequency_weight"):
        align([0.1, 0.2, 0.3], table, (5.0,))


@pytest.mark.parametrize("horizons", [(5, 5), "five", (0,), (-1,), (), (np.nan,), [None]])
def test_horizons_are_years(horizons: object) -> None:
    with pytest.raises(EvaluationError, match="horizon"):
        check_evaluation_horizons(horizons)


def test_a_number_is_one_horizon() -> None:
    assert check_evaluation_horizons(5) == (5.0,)
    table = pd.DataFrame({"time": [1.0, 6, 7, 8] * 9, "event": [1, 0, 0, 0] * 9})
    assert mr.evaluate([0.1, 0.2, 0.3, 0.05] * 9, table, horizons=5).horizons == [5.0]


@pytest.mark.parametrize("thresholds", [(1.7, 3), (0.017, 3), "1.7%", (0,)])
def test_thresholds_are_fractions_with_one_model_as_with_two(thresholds: object) -> None:
    with pytest.raises(EvaluationError, match="thresholds"):
        check_thresholds(thresholds)
    with pytest.raises(EvaluationError, match="thresholds"):
        mr.evaluate(risks(NUMBERS), cohort(NUMBERS), thresholds=thresholds)  # type: ignore[arg-type]


def test_a_cohort_without_outcomes_names_what_looks_like_them() -> None:
    table = pd.DataFrame({"Time": [1.0], "status": [1]})
    with pytest.raises(EvaluationError, match="These look like it: 'Time', 'status'"):
        align([0.1], table, (5.0,))


def test_tables_of_other_libraries() -> None:
    polars = pytest.importorskip("polars")
    ours, theirs = polars.DataFrame(risks(NUMBERS)), polars.DataFrame(cohort(NUMBERS))
    assert len(align(ours, theirs, None).table) == 120
    assert len(align({"a": ours}, theirs, None).table) == 120
    women = polars.DataFrame({"age": [54, 61], "breast_density": ["c", None]})
    assert mr.predict(women)["risk_5y"].notna().all()
    assert len(mr.stratify(polars.DataFrame({"model": ["bcrat"], "risk_5y": [0.02]}))) == 1


def test_risks_of_single_years_are_doubted() -> None:
    table = pd.DataFrame({"time": [6.0, 6.0, 2.0], "event": [0, 0, 1]})
    risks = pd.DataFrame({"risk_1y": [0.01, 0.02, 0.02], "risk_5y": [0.05, 0.015, 0.02]})
    (told,) = align(risks, table, None).notes
    assert "the 5-year risk is lower than the 1-year risk in 1 rows" in told
    assert align(risks.assign(risk_1y=0.01), table, None).notes == []


def test_outcomes_of_cancers_alone_are_doubted() -> None:
    n = 40
    event = np.where(np.arange(n) < 5, 1.0, np.nan)
    table = pd.DataFrame({"time": 6.0, "event": event})
    risks = pd.DataFrame({"risk_5y": np.full(n, 0.02)})
    (told,) = align(risks, table, None).notes
    assert "event is 1 in 5 and 2 in 0 rows, and empty in 35" in told
    assert align(risks, table.fillna({"event": 0}), None).notes == []


def test_what_is_missing_is_named() -> None:
    table = pd.DataFrame({"time": [6.0], "event": [0]})
    with pytest.raises(EvaluationError, match=r"of a horizon of 10 y\. They have risk_1y, risk_5y"):
        align(pd.DataFrame({"risk_1y": [0.1], "risk_5y": [0.1]}), table, (10.0,))
    with pytest.raises(EvaluationError, match=r"risk_5y, .*; the columns are Risk5"):
        align(pd.DataFrame({"Risk5": [0.1]}), table, None)
    cohort = mr.Cohort(exams=table.assign(event=np.nan), errors=pd.Series(["time is not a number"]))
    with pytest.raises(EvaluationError, match=r"0 of 1 rows have an outcome, and 1 a risk.*number"):
        align(pd.DataFrame({"risk_5y": [0.1]}), cohort, None)
