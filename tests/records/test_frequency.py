"""Rows that stand for several women: everything is as in the table with all rows written out."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mammorisk as mr
from mammorisk import metrics
from mammorisk.errors import EvaluationError
from mammorisk.records.outcome import Outcome


def data(n: int = 80) -> tuple[dict[str, Any], np.ndarray, np.ndarray]:
    rng = np.random.default_rng(11)
    risk = rng.uniform(0.01, 0.3, n).round(4)
    given = {
        "time": rng.uniform(0.5, 9, n).round(2),
        "event": rng.choice([0, 1, 2], n, p=[0.5, 0.35, 0.15]),
    }
    return given, risk, rng.integers(1, 6, n)


def estimates() -> list[Callable[..., Any]]:
    """Metrics of an outcome, scores and a horizon that give one Estimate."""
    found: list[Callable[..., Any]] = []
    for name in metrics.__all__:
        function = getattr(metrics, name)
        if not inspect.isfunction(function):
            continue
        parameters = list(inspect.signature(function).parameters.values())
        required = [one.name for one in parameters if one.default is inspect.Parameter.empty]
        if required[:2] == ["outcome", "risk"] and len(required) <= 3:
            found.append(function)
    return found


@pytest.mark.parametrize("function", estimates(), ids=lambda function: function.__name__)
def test_metrics_are_those_of_the_rows_written_out(function: Callable[..., Any]) -> None:
    given, risk, counts = data()
    short = Outcome(**given, frequency_weight=counts)
    rows = np.repeat(np.arange(len(risk)), counts)
    long = Outcome(**{name: values[rows] for name, values in given.items()})
    parameters = inspect.signature(function).parameters
    more = {
        "horizon": 5.0,
        "year": 5.0,
        "threshold": 0.1,
        "thresholds": (0.05, 0.1),
        "cuts": (0.1,),
        "positive_share": 0.2,
        "top": 0.2,
        "specificity": 0.9,
    }
    options = {name: value for name, value in more.items() if name in parameters}
    try:
        expected = function(long, risk[rows], **options)
    except EvaluationError:
        # For an outcome that is known of every woman.
        case = given["event"] == 1
        short, long = Outcome.binary(case, frequency_weight=counts), Outcome.binary(case[rows])
        options = {
            name: value for name, value in options.items() if name not in ("horizon", "year")
        }
        expected = function(long, risk[rows], **options)
    for values in (risk, risk[rows]):
        found = function(short, values, **options)
        if isinstance(expected, pd.DataFrame):
            pd.testing.assert_frame_equal(found, expected)
        elif hasattr(expected, "row"):
            assert str(found.row()) == str(expected.row())
        else:
            assert repr(found) == repr(expected)


def test_most_metrics_were_compared() -> None:
    assert len(estimates()) >= 10


def test_standard_errors_shrink_with_the_number_of_women() -> None:
    given, risk, counts = data()
    as_weight = Outcome(**given, weight=counts)
    as_count = Outcome(**given, frequency_weight=counts)
    many = Outcome(**given, frequency_weight=4 * counts)
    se = [metrics.cumulative_dynamic_auc(one, risk, 5).se for one in (as_weight, as_count, many)]
    assert se[0] > 1.3 * se[1]
    assert se[1] == pytest.approx(2 * se[2], rel=0.02)


def test_an_outcome_written_out() -> None:
    given, _, counts = data(6)
    outcome = Outcome(**given, frequency_weight=counts, cluster=["a", "a", "b", "c", "c", "d"])
    assert len(outcome) == counts.sum()
    assert outcome.n_given == 6
    np.testing.assert_array_equal(outcome.rows, np.repeat(np.arange(6), counts))
    np.testing.assert_array_equal(outcome.written_out(given["time"]), outcome.time)
    np.testing.assert_array_equal(outcome.written_out(outcome.time), outcome.time)
    # The first copies of the two rows of a woman are one woman, the next ones another.
    first = [int(np.flatnonzero(outcome.rows == i)[0]) for i in range(6)]
    assert outcome.cluster[first[0]] == outcome.cluster[first[1]]
    assert outcome.cluster[first[0]] != outcome.cluster[first[0] + 1]
    assert outcome.is_clustered
    assert not outcome.is_weighted
    assert "written out from 6" in repr(outcome)
    assert len(Outcome.binary([1, 0], frequency_weight=[2, 3])) == 5
    table = pd.DataFrame(given | {"frequency_weight": counts})
    assert len(Outcome.from_table(table)) == counts.sum()
    ones = Outcome(**given, frequency_weight=np.ones(6))
    assert len(ones) == 6


@pytest.mark.parametrize(
    ("counts", "text"),
    [
        ([1.5, 1], "no whole numbers"),
        ([-1, 1], "no whole numbers"),
        ([0, 1], "are 0, the first at position 0"),
        ([np.nan, 1], "no whole numbers"),
        ([1], "1 values where there are 2 rows"),
        ([60_000_000, 1], "can be written out"),
    ],
)
def test_counts_are_whole_numbers_from_1(counts: list[float], text: str) -> None:
    with pytest.raises(EvaluationError, match=text):
        Outcome(time=[1, 2], event=[1, 0], frequency_weight=counts)


@pytest.mark.networks
def test_a_fit_counts_the_women_of_a_row() -> None:
    # Outcomes of a fit are tensors: this needs torch.
    from mammorisk.training.outcomes import read_outcomes

    given, _, counts = data()
    table = pd.DataFrame(given | {"weight": np.where(given["event"] == 1, 1.0, 3.0)})
    rows = np.repeat(np.arange(len(table)), counts)
    short = read_outcomes(table.assign(frequency_weight=counts))
    long = read_outcomes(table.iloc[rows].reset_index(drop=True))
    first = np.concatenate([[0], np.cumsum(counts)[:-1]])
    for name in ("time", "planned_time", "log_sampling_ratio"):
        np.testing.assert_allclose(
            getattr(short, name).numpy(), getattr(long, name).numpy()[first], rtol=1e-6
        )
    for name in ("weight", "relative_weight"):
        np.testing.assert_allclose(
            getattr(short, name).numpy(),
            counts * getattr(long, name).numpy()[first],
            rtol=1e-6,
        )


def test_recalibration_counts_the_women_of_a_row() -> None:
    study = mr.simulate(3000, seed=3)
    exams = study.cohort.exams
    counts = np.where(np.arange(len(exams)) % 3 == 0, 3, 1)
    short = study.cohort.__class__(
        exams=exams.assign(frequency_weight=counts), errors=study.cohort.errors
    )
    rows = np.repeat(np.arange(len(exams)), counts)
    written = exams.iloc[rows].reset_index(drop=True)
    written["exam_id"] = np.arange(len(written))
    long = study.cohort.__class__(exams=written, errors=pd.Series([""] * len(written)))
    found, expected = (
        mr.recalibrate("bcrat", one, horizons=[5], method="intercept") for one in (short, long)
    )
    women = pd.DataFrame({"age": [50.0, 60], "race_ethnicity": "white"})
    np.testing.assert_allclose(
        found.score(women, (5,)).risk, expected.score(women, (5,)).risk, rtol=1e-9
    )
    assert found.record["cancers"] == expected.record["cancers"]
    plain = mr.recalibrate("bcrat", study.cohort, horizons=[5], method="intercept")
    assert plain.record["exams"] < found.record["exams"]


def test_the_report_prints_the_range_of_weights() -> None:
    given, risk, counts = data()
    table = pd.DataFrame(given | {"weight": counts / 2})
    flow = mr.evaluate(risk, table, horizons=5, published=()).flow.set_index("item")["value"]
    assert flow["range of weights"] == "0.5 to 2.5"
    table = pd.DataFrame(given | {"frequency_weight": counts})
    flow = mr.evaluate(risk, table, horizons=5, published=()).flow.set_index("item")["value"]
    assert flow["written out: 1 to 5 women a row"] == counts.sum()
