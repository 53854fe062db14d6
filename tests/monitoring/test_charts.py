"""Scores, limits and tests of the charts, against what is known of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mammorisk.monitoring.blocks import first_change
from mammorisk.monitoring.charts import CHARTS, Budget, alarms_of
from mammorisk.monitoring.cusum import control_limit, cusum, first_crossing
from mammorisk.monitoring.rank_scores import rank_scores

RISK = CHARTS[0]


def test_scores_do_not_depend_on_the_distribution() -> None:
    values = np.random.default_rng(1).normal(size=300)
    scores = rank_scores(values)
    assert np.allclose(scores, rank_scores(np.exp(5 * values)), atol=1e-12)
    # The score of a value that is alone is that of its rank, to the width of one rank.
    ranks = np.array([(values[: i + 1] <= values[i]).sum() for i in range(300)])
    middle = stats.norm.ppf((ranks - 0.5) / np.arange(1, 301))
    assert np.abs(scores - middle)[50:].max() < 0.25
    assert abs(scores[50:].mean()) < 3 / np.sqrt(250)
    assert scores[100:].var() == pytest.approx(1, abs=0.25)
    # Equal values have the mean of their scores, and a series without a change none.
    assert np.allclose(rank_scores(np.full(20, 29.0)), 0)
    flags = rank_scores(np.array([0.0, 1.0] * 100))
    assert flags[50:].mean() == pytest.approx(0, abs=0.01)


def test_sums_and_crossings_by_hand() -> None:
    sums = cusum(np.array([1.0, -3.0, 2.0, 2.0, 2.0]), 0.5)
    assert sums[:, 0].tolist() == [0.5, 0.0, 1.5, 3.0, 4.5]
    assert sums[:, 1].tolist() == [0.0, 2.5, 0.0, 0.0, 0.0]
    crossing = first_crossing(sums, 2.9)
    assert crossing is not None
    assert (crossing.at, crossing.start) == (3, 2)
    falling = first_crossing(cusum(np.array([0.1, -3.0, 2.0]), 0.5), 2.4)
    assert falling is not None
    assert (falling.at, falling.start) == (1, 1)
    assert first_crossing(sums, 4.6) is None


@pytest.mark.parametrize("allowance", [0.1, 0.25])
def test_the_limit_gives_the_probability_of_a_false_alarm(allowance: float) -> None:
    limit = control_limit(allowance, 0.1, 500)
    rng = np.random.default_rng(2)
    runs = 2000
    false = sum(
        first_crossing(cusum(scores, allowance), limit) is not None
        for scores in rng.normal(size=(runs, 500))
    )
    # Four standard errors, and the first exams, in which a sum that starts at 0 crosses less often.
    assert 0.06 < false / runs < 0.127
    assert control_limit(allowance, 0.01, 500) > limit
    assert control_limit(allowance, 0.1, 5000) > limit


def test_a_proportion_is_compared_with_all_exams_before() -> None:
    flags = np.zeros((600, 2), dtype=bool)
    flags[::50, 0] = True
    flags[450:600:5, 1] = True
    options = {"fewest": 200, "probability": 0.001, "exams": 2000, "n_proportions": 2}
    change = first_change(flags, **options)
    assert change is not None
    assert (change.column, change.at, change.start) == (1, 499, 400)
    assert (change.before, change.after) == (0.0, 0.1)
    table = [[10, 90], [0, 400]]
    assert change.p == pytest.approx(stats.fisher_exact(table).pvalue)
    assert first_change(flags[:450], **options) is None
    assert first_change(flags[:, :1], **options) is None


def risk_rows(values: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"at": np.arange(len(values), dtype=float), "relative_log_risk": values})


def test_a_shift_of_the_risk_is_found_and_the_chart_starts_again() -> None:
    rng = np.random.default_rng(3)
    values = rng.normal(0, 0.43, 1600)
    values[600:] += np.log(1.22)
    (alarm,) = alarms_of(RISK, risk_rows(values), "device", Budget())
    assert 600 < alarm.exam <= 1000
    assert abs(alarm.since - 600) < 150
    assert alarm.at == alarm.exam - 1
    factor = float(alarm.text.split(": ")[1].split()[0])
    assert factor == pytest.approx(1.22, abs=0.12)
    # Later exams never change an alarm.
    assert alarms_of(RISK, risk_rows(values[: alarm.exam]), "device", Budget()) == [alarm]
    assert alarms_of(RISK, risk_rows(values[: alarm.exam - 1]), "device", Budget()) == []
    back = alarms_of(RISK, risk_rows(np.r_[values, rng.normal(-0.3, 0.43, 800)]), "d", Budget())
    assert [one.exam > 1600 for one in back] == [False, True]
    # Values that are not known do not count, and keep their place.
    gaps = risk_rows(np.insert(values, 100, [np.nan] * 50))
    assert alarms_of(RISK, gaps, "device", Budget())[0].exam == alarm.exam + 50


def test_rates_of_found_shifts_and_false_alarms() -> None:
    """What benchmarks/check_monitor.py prints for many runs: 97.7% found, few false alarms."""
    rng = np.random.default_rng(8)
    runs, before = 40, 300
    found = false = 0
    for _ in range(runs):
        values = rng.normal(0, 0.43, before + 400)
        false += bool(alarms_of(RISK, risk_rows(values), "device", Budget()))
        values[before:] += np.log(1.22)
        found += any(
            one.exam > before for one in alarms_of(RISK, risk_rows(values), "device", Budget())
        )
    assert found >= 0.95 * runs
    assert false == 0
