"""Exams not read: shares, intervals, and every threshold."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from mammorisk.errors import EvaluationError
from mammorisk.metrics.triage import triage_curve, triage_point

SCORE = np.array([1, 1, 1, 2, 2, 3, 5, 5, 9, 10])
CANCER = np.array([0, 0, 0, 1, 0, 0, 0, 1, 1, 1])
RECALLED = np.array([1, 0, 0, 0, 1, 1, 0, 0, 0, 0])


def test_a_point() -> None:
    found = triage_point(CANCER, SCORE, 2, false_positive=RECALLED)
    counts = {"not_read": (5, 10), "cancers_missed": (1, 4), "false_positives_avoided": (2, 3)}
    assert set(found) == set(counts)
    for name, (some, every) in counts.items():
        estimate = found[name]
        assert estimate.value == pytest.approx(some / every)
        lower, upper = proportion_confint(some, every, method="wilson")
        assert (estimate.lower, estimate.upper) == pytest.approx((lower, upper))
    assert "false_positives_avoided" not in triage_point(CANCER, SCORE, 2)


def test_the_curve_goes_through_every_point() -> None:
    curve = triage_curve(CANCER, SCORE)
    assert curve.iloc[0].tolist() == [-np.inf, 0, 0]
    assert curve.iloc[-1].tolist() == [10, 1, 1]
    for _, row in curve.iloc[1:].iterrows():
        point = triage_point(CANCER, SCORE, row["threshold"])
        assert row["not_read"] == pytest.approx(point["not_read"].value)
        assert row["cancers_missed"] == pytest.approx(point["cancers_missed"].value)


def test_what_is_no_triage() -> None:
    with pytest.raises(EvaluationError, match="no cancers"):
        triage_curve(np.zeros(3), [1, 2, 3])
    with pytest.raises(EvaluationError, match="finite"):
        triage_curve([0, 1, 0], [1, np.nan, 3])
    with pytest.raises(EvaluationError, match="the same length"):
        triage_point([0, 1], [1, 2, 3], 1)
