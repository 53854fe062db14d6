"""What must hold whatever the data: scales, copies, clusters, coverage, bootstrap."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mammorisk.errors import EvaluationError
from mammorisk.metrics.brier import brier_score
from mammorisk.metrics.calibration import calibration_intercept, calibration_slope
from mammorisk.metrics.cancer_share import share_of_cancers
from mammorisk.metrics.concordance import concordance_index
from mammorisk.metrics.decision_analysis import net_benefit
from mammorisk.metrics.estimate import standard_error
from mammorisk.metrics.incidence import cumulative_incidence
from mammorisk.metrics.reclassification import net_reclassification_improvement
from mammorisk.metrics.resampling import bootstrap, multiplier_intervals
from mammorisk.metrics.thresholds import classification_measure
from mammorisk.metrics.time_dependent_auc import cumulative_dynamic_auc
from mammorisk.records.outcome import Outcome


def data(seed: int, n: int = 120, *, ties: bool = True) -> tuple[Outcome, np.ndarray]:
    rng = np.random.default_rng(seed)
    score = np.round(rng.normal(size=n), 1)
    cancer = rng.exponential(8 * np.exp(-0.7 * score))
    death, lost = rng.exponential(20, n), rng.uniform(1, 10, n)
    time = np.minimum.reduce([cancer, death, lost])
    time = np.ceil(5 * time) / 5 if ties else time
    event = np.argmin([lost, cancer, death], axis=0)
    return Outcome(time=time, event=event), 1 / (1 + np.exp(3 - score))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_ranks_alone_matter(seed: int) -> None:
    outcome, risk = data(seed)
    for measure in (
        lambda r: cumulative_dynamic_auc(outcome, r, 3),
        lambda r: concordance_index(outcome, r),
    ):
        a, b = measure(risk), measure(np.exp(3 * risk))
        assert a.value == pytest.approx(b.value, abs=1e-12)
        assert measure(-risk).value == pytest.approx(1 - a.value, abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_a_weight_is_so_many_copies(seed: int) -> None:
    """Point estimates under whole weights are those of repeated rows; clusters undo the copies."""
    outcome, risk = data(seed)
    times = np.random.default_rng(seed).integers(1, 4, len(risk))
    rows = np.repeat(np.arange(len(risk)), times)
    weighted = Outcome(time=outcome.time, event=outcome.event, weight=times)
    copied = Outcome(time=outcome.time[rows], event=outcome.event[rows], cluster=rows)
    for measure in (
        lambda o, r: cumulative_dynamic_auc(o, r, 3),
        lambda o, r: brier_score(o, r, 3),
        lambda o, r: concordance_index(o, r),
        lambda o, r: net_benefit(o, r, 0.1, 3),
        lambda o, r: classification_measure(o, r, 0.05, "sensitivity", 3),
    ):
        a, b = measure(weighted, risk), measure(copied, risk[rows])
        assert a.value == pytest.approx(b.value, abs=1e-9, nan_ok=True)
    a, b = cumulative_incidence(weighted, 3), cumulative_incidence(copied, 3)
    assert a.value == pytest.approx(b.value, abs=1e-12)
    assert a.se == pytest.approx(b.se, rel=1e-9, nan_ok=True)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_order_of_rows_is_nothing(seed: int) -> None:
    outcome, risk = data(seed)
    order = np.random.default_rng(seed).permutation(len(risk))
    for measure in (
        lambda o, r: cumulative_dynamic_auc(o, r, 3),
        lambda o, r: concordance_index(o, r, weighting="uno", truncation=3),
        lambda o, r: share_of_cancers(o, r, 0.2, 3),
    ):
        a, b = measure(outcome, risk), measure(outcome.take(order), risk[order])
        assert a.value == pytest.approx(b.value, abs=1e-12, nan_ok=True)
        assert a.se == pytest.approx(b.se, rel=1e-9, nan_ok=True)


def test_influence_values_are_the_derivative_in_the_weights() -> None:
    """Adding a little weight to one row moves the estimate by her influence value.

    Censoring weights follow riskRegression's martingale form, which is the derivative but for
    terms of order 1/n, and for ties.
    """
    outcome, risk = data(3, 150, ties=False)
    other = np.roll(risk, 7)
    step = 1e-6
    measures = {
        "auc": lambda o: cumulative_dynamic_auc(o, risk, 3),
        "brier": lambda o: brier_score(o, risk, 3),
        "incidence": lambda o: cumulative_incidence(o, 3),
        "net benefit": lambda o: net_benefit(o, risk, 0.08, 3),
        "nri": lambda o: net_reclassification_improvement(o, other, risk, 3, cuts=[0.05, 0.1]).nri,
        "c": lambda o: concordance_index(o, risk),
    }
    for name, measure in measures.items():
        whole = measure(outcome)
        assert whole.influence is not None
        for row in (0, 17, 42, 99):
            weight = np.ones(150)
            weight[row] += step
            moved = measure(outcome.with_weight(weight))
            expected = (moved.value - whole.value) / step
            close = 0.02 * np.abs(whole.influence).max()
            assert whole.influence[row] == pytest.approx(expected, abs=close), name


def test_errors_agree_with_the_bootstrap() -> None:
    outcome, risk = data(5, 800)
    for measure in (
        lambda o: cumulative_dynamic_auc(o, risk, 3),
        lambda o: concordance_index(o, risk),
        lambda o: brier_score(o, risk, 3),
        lambda o: share_of_cancers(o, risk, 0.2, 3),
    ):
        made = measure(outcome)
        again = bootstrap(
            outcome, lambda o, m=measure: m(o).value, horizon=3, resamples=300, stratified=False
        )
        assert again.se == pytest.approx(made.se, rel=0.2)


def test_exams_of_one_woman_widen_the_interval() -> None:
    outcome, risk = data(6, 300)
    rows = np.repeat(np.arange(300), 3)
    as_if = Outcome(time=outcome.time[rows], event=outcome.event[rows])
    honest = Outcome(time=outcome.time[rows], event=outcome.event[rows], cluster=rows)
    single = cumulative_dynamic_auc(outcome, risk, 3)
    assert cumulative_dynamic_auc(honest, risk[rows], 3).se == pytest.approx(single.se, rel=0.01)
    assert cumulative_dynamic_auc(as_if, risk[rows], 3).se < 0.65 * single.se


def test_intervals_cover_as_often_as_they_say() -> None:
    large = data(99, 60_000)
    truth = cumulative_dynamic_auc(*large, 3).value
    covered = []
    for seed in range(300):
        made = cumulative_dynamic_auc(*data(seed, 250), 3)
        covered.append(made.lower <= truth <= made.upper)
    assert 0.91 < np.mean(covered) < 0.98


def test_multiplier_bootstrap_agrees_with_normal_intervals() -> None:
    outcome, risk = data(8, 1000)
    estimates = [cumulative_dynamic_auc(outcome, risk, year) for year in (1, 2, 3)]
    for made, (low, high) in zip(
        estimates, multiplier_intervals(estimates, outcome, resamples=2000), strict=True
    ):
        assert made.influence is not None
        half = 1.96 * standard_error(made.influence, outcome)
        assert (high - low) / 2 == pytest.approx(half, rel=0.06)
    wide = multiplier_intervals(estimates, outcome, resamples=2000, simultaneous=True)
    assert all(
        band[1] - band[0] > single[1] - single[0]
        for band, single in zip(wide, multiplier_intervals(estimates, outcome), strict=True)
    )


@pytest.mark.parametrize("method", ["pseudo", "ipcw", "cox"])
def test_true_risks_have_a_slope_of_one(method: str) -> None:
    rng = np.random.default_rng(11)
    n = 20_000
    hazard = 0.03 * np.exp(rng.normal(size=n))
    cancer, lost = rng.exponential(1 / hazard), rng.uniform(0, 12, n)
    outcome = Outcome(time=np.minimum(cancer, lost), event=cancer <= lost)
    risk = -np.expm1(-5 * hazard)
    slope = calibration_slope(outcome, risk, 5, method=method)  # type: ignore[arg-type]
    assert slope.lower < 1 < slope.upper
    assert slope.se < 0.06
    flat = calibration_slope(outcome, -np.expm1(-0.15 * (hazard / 0.03) ** 2), 5, method=method)  # type: ignore[arg-type]
    assert flat.value == pytest.approx(0.5, abs=0.05)
    if method != "cox":
        shifted = calibration_intercept(outcome, -np.expm1(-10 * hazard), 5, method=method)  # type: ignore[arg-type]
        assert shifted.value == pytest.approx(-np.log(2), abs=0.08)


@pytest.mark.parametrize("kind", ["plain", "weight", "entry", "cluster", "binary"])
def test_rows_of_an_outcome_are_an_outcome(kind: str) -> None:
    """Taking rows skips the checks of new values and gives what checking them would."""
    rng = np.random.default_rng(0)
    options = {
        "weight": {"weight": rng.uniform(0.1, 2, 50)},
        "entry": {"entry": rng.uniform(0, 0.5, 50)},
        "cluster": {"cluster": np.arange(50) // 3},
    }.get(kind, {})
    whole = Outcome(time=rng.uniform(1, 9, 50), event=rng.integers(0, 3, 50), **options)
    if kind == "binary":
        whole = Outcome.binary(rng.integers(0, 2, 50))
    for rows in (np.arange(10), rng.integers(0, 50, 80), whole.time > 1.5, [3, 4]):
        part = whole.take(rows)
        cluster = whole.cluster[rows] if whole.is_clustered else None
        again = Outcome(
            time=whole.time[rows], event=whole.event[rows], weight=whole.weight[rows],
            entry=whole.entry[rows], cluster=cluster,
        )  # fmt: skip
        for name in ("time", "event", "weight", "entry", "cluster"):
            np.testing.assert_array_equal(getattr(part, name), getattr(again, name))
            assert not getattr(part, name).flags.writeable
        for name in ("is_weighted", "is_clustered", "has_entry"):
            assert getattr(part, name) == getattr(again, name)
        assert part.is_binary == whole.is_binary
    with pytest.raises(EvaluationError, match="no rows"):
        whole.take([])
    with pytest.raises(EvaluationError, match="every weight is zero"):
        whole.with_weight(np.arange(50) == 7).take([1, 2])
