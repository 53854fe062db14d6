"""Censoring weights that depend on covariates and strata."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from lifelines import CoxPHFitter

from mammorisk.errors import EvaluationError
from mammorisk.metrics import (
    brier_score,
    calibration_intercept,
    calibration_slope,
    cumulative_dynamic_auc,
    cumulative_incidence,
    expected_observed_ratio,
    fit_censoring,
    index_of_prediction_accuracy,
    null_brier_score,
    share_of_cancers,
)
from mammorisk.metrics.conditional_censoring import CoxCensoring
from mammorisk.records.outcome import Outcome


def _women(n: int, seed: int, *, dependence: float = 0.8) -> tuple[Outcome, Outcome, np.ndarray]:
    """Follow-up with censoring that depends on the score, the same without it, and the score."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    lost = rng.exponential(8 / np.exp(dependence * x)).clip(0, 60)
    cancer, death = rng.exponential(12 / np.exp(0.8 * x)), rng.exponential(30, n)
    times = np.column_stack([lost, cancer, death])
    whole = np.column_stack([np.full(n, 20.0), cancer, death])
    return (
        Outcome(time=times.min(axis=1), event=times.argmin(axis=1)),
        Outcome(time=whole.min(axis=1), event=whole.argmin(axis=1)),
        x,
    )


def _risk(x: np.ndarray) -> np.ndarray:
    rate, death = np.exp(0.8 * x) / 12, 1 / 30
    return rate / (rate + death) * -np.expm1(-4 * (rate + death))


@pytest.mark.parametrize("kind", ["covariates", "strata", "both"])
def test_influence_is_the_derivative_in_the_weights(kind: str) -> None:
    outcome, _, x = _women(240, 3)
    # Times in tenths: events and censorings tie.
    outcome = Outcome(time=np.ceil(outcome.time * 10) / 10, event=outcome.event)
    stratum = (np.arange(len(x)) % 3).astype(str)
    options: dict[str, Any] = {
        "covariates": {"covariates": np.column_stack([x, x**2])},
        "strata": {"strata": stratum},
        "both": {"covariates": x, "strata": stratum},
    }[kind]
    risk = _risk(x)

    def auc(of: Outcome) -> Any:
        return cumulative_dynamic_auc(of, risk, 4, censoring=fit_censoring(of, **options))

    def brier(of: Outcome) -> Any:
        return brier_score(of, risk, 4, censoring=fit_censoring(of, **options))

    for compute in (auc, brier):
        made = compute(outcome)
        scale = np.abs(made.influence).max()
        # The product limit has the Nelson-Aalen form of riskRegression, exact without ties only.
        close = 2e-2 * scale if kind == "strata" else 1e-7 * scale
        for i in range(0, len(outcome), 12):
            found = []
            for share in (1e-4, -1e-4):
                weight = outcome.weight.copy()
                weight[i] *= 1 + share
                found.append(compute(outcome.with_weight(weight)).value)
            assert made.influence[i] == pytest.approx((found[0] - found[1]) / 2e-4, abs=close)


def test_cox_model_of_censoring_is_that_of_lifelines() -> None:
    import pandas as pd

    outcome, _, x = _women(400, 4)
    fitted = fit_censoring(outcome, covariates=x)
    assert isinstance(fitted, CoxCensoring)
    table = pd.DataFrame({"x": x, "time": outcome.time, "lost": outcome.event == 0})
    peer = CoxPHFitter().fit(table, "time", "lost", fit_options={"precision": 1e-11})
    hazard = np.exp((x - x.mean()) * peer.params_["x"])
    np.testing.assert_allclose(fitted.hazard, hazard, rtol=1e-6)
    # Breslow's baseline of centred covariates, just before each event and at the horizon.
    baseline = peer.baseline_cumulative_hazard_["baseline cumulative hazard"]
    weights = fitted.weights(4)
    assert weights is not None
    for i in np.flatnonzero((outcome.event > 0) & (outcome.time <= 4))[:20]:
        before = baseline[baseline.index < outcome.time[i]]
        spent = before.iloc[-1] if len(before) else 0.0
        assert weights[i] == pytest.approx(np.exp(spent * hazard[i]), rel=1e-6)
    beyond = int(np.flatnonzero(outcome.time > 4)[0])
    spent = baseline[baseline.index <= 4].iloc[-1]
    assert weights[beyond] == pytest.approx(np.exp(spent * hazard[beyond]), rel=1e-6)


def test_strata_are_the_curves_of_each_stratum() -> None:
    outcome, _, x = _women(500, 5)
    stratum = x > 0
    weights = fit_censoring(outcome, strata=stratum).weights(4)
    assert weights is not None
    for rows in (np.flatnonzero(stratum), np.flatnonzero(~stratum)):
        alone = fit_censoring(outcome.take(rows)).weights(4)
        np.testing.assert_array_equal(weights[rows], alone)
    one = fit_censoring(outcome, strata=np.zeros(len(x))).weights(4)
    np.testing.assert_allclose(one, fit_censoring(outcome).weights(4))


def test_stratified_cox_model_splits_where_strata_do_not_overlap() -> None:
    """A covariate that acts alike in two strata of very different follow-up."""
    rng = np.random.default_rng(9)
    n = 3000
    x, site = rng.normal(size=n), rng.integers(0, 2, n)
    lost = rng.exponential(np.where(site == 1, 2, 10) / np.exp(0.5 * x)).clip(0, 80)
    times = np.column_stack([lost, rng.exponential(20 / np.exp(0.5 * x)).clip(0, 90)])
    outcome = Outcome(time=times.min(axis=1), event=times.argmin(axis=1))
    fitted = fit_censoring(outcome, covariates=x, strata=site)
    assert isinstance(fitted, CoxCensoring)
    slope = np.polyfit(x, np.log(fitted.hazard), 1)[0]
    assert slope == pytest.approx(0.5, abs=0.06)
    weights = fitted.weights(2)
    assert weights is not None
    for value in (0, 1):
        # The weights stand for all women of each site.
        assert weights[site == value].sum() == pytest.approx((site == value).sum(), rel=0.05)


def test_dependent_censoring_is_corrected() -> None:
    """Means over simulated cohorts against the same women with full follow-up."""
    found: dict[str, list[list[float]]] = {"auc": [], "brier": [], "risk": [], "share": []}
    for seed in range(30):
        outcome, whole, x = _women(1500, 100 + seed)
        risk = _risk(x)
        fitted = fit_censoring(outcome, covariates=x)
        found["auc"].append([
            cumulative_dynamic_auc(whole, risk, 4).value,
            cumulative_dynamic_auc(outcome, risk, 4).value,
            cumulative_dynamic_auc(outcome, risk, 4, censoring=fitted).value,
        ])  # fmt: skip
        found["brier"].append([
            brier_score(whole, risk, 4).value,
            brier_score(outcome, risk, 4).value,
            brier_score(outcome, risk, 4, censoring=fitted).value,
        ])  # fmt: skip
        found["risk"].append([
            cumulative_incidence(whole, 4).value,
            cumulative_incidence(outcome, 4).value,
            cumulative_incidence(outcome, 4, censoring=fitted).value,
        ])  # fmt: skip
        found["share"].append([
            share_of_cancers(whole, risk, 0.2, 4).value,
            share_of_cancers(outcome, risk, 0.2, 4).value,
            share_of_cancers(outcome, risk, 0.2, 4, censoring=fitted).value,
        ])  # fmt: skip
    for name, table in found.items():
        truth, marginal, conditional = np.mean(table, axis=0)
        error = 4 * np.std(np.diff(np.array(table)[:, [0, 2]], axis=1)) / np.sqrt(30)
        assert abs(conditional - truth) < error, name
        assert abs(marginal - truth) > 2 * abs(conditional - truth), name


def test_standard_errors_are_those_of_repeated_samples() -> None:
    aucs, risks = [], []
    for seed in range(120):
        outcome, _, x = _women(600, 400 + seed)
        fitted = fit_censoring(outcome, covariates=x)
        aucs.append(cumulative_dynamic_auc(outcome, _risk(x), 4, censoring=fitted))
        risks.append(cumulative_incidence(outcome, 4, censoring=fitted))
    for made in (aucs, risks):
        spread = np.std([one.value for one in made])
        assert np.mean([one.se for one in made]) == pytest.approx(spread, rel=0.2)


def test_marginal_weights_give_back_aalen_johansen() -> None:
    outcome, _, x = _women(400, 6)
    plain = cumulative_incidence(outcome, 4)
    weighted = cumulative_incidence(outcome, 4, censoring=fit_censoring(outcome))
    assert weighted.value == pytest.approx(plain.value, abs=1e-12)
    assert weighted.se == pytest.approx(plain.se, rel=5e-3)
    fitted = fit_censoring(outcome, covariates=x)
    observed = cumulative_incidence(outcome, 4, censoring=fitted).value
    ratio = expected_observed_ratio(outcome, _risk(x), 4, censoring=fitted)
    assert ratio.value == pytest.approx(_risk(x).mean() / observed, rel=1e-12)
    null = null_brier_score(outcome, 4, censoring=fitted)
    assert null.value == pytest.approx(
        brier_score(outcome, np.full(len(x), observed), 4, censoring=fitted).value, abs=1e-12
    )
    ipa = index_of_prediction_accuracy(outcome, _risk(x), 4, censoring=fitted)
    own = brier_score(outcome, _risk(x), 4, censoring=fitted)
    assert ipa.value == pytest.approx(1 - own.value / null.value, abs=1e-12)


def test_calibration_with_censoring_weights() -> None:
    outcome, _, x = _women(20_000, 7)
    fitted = fit_censoring(outcome, covariates=x)
    risk = _risk(x)
    for method in ("in-the-large", "ipcw"):
        made = calibration_intercept(outcome, risk, 4, method=method, censoring=fitted)  # type: ignore[arg-type]
        assert made.value == pytest.approx(0, abs=4 * made.se)
    slope = calibration_slope(outcome, risk, 4, method="ipcw", censoring=fitted)
    assert slope.value == pytest.approx(1, abs=4 * slope.se)
    with pytest.raises(EvaluationError, match="does not use censoring weights"):
        calibration_slope(outcome, risk, 4, method="pseudo", censoring=fitted)


def test_what_is_refused() -> None:
    outcome, _, x = _women(60, 8)
    with pytest.raises(EvaluationError, match="shape"):
        fit_censoring(outcome, covariates=x[:-1])
    with pytest.raises(EvaluationError, match="missing"):
        fit_censoring(outcome, covariates=np.where(x > 1, np.nan, x))
    with pytest.raises(EvaluationError, match="not numbers"):
        fit_censoring(outcome, covariates=["site"] * 60)
    with pytest.raises(EvaluationError, match="no solution"):
        fit_censoring(outcome, covariates=np.column_stack([x, 2 * x]))
    with pytest.raises(EvaluationError, match="tied"):
        fit_censoring(outcome, "kaplan-meier", covariates=x)
    late = Outcome(time=outcome.time + 1, event=outcome.event, entry=np.full(60, 0.5))
    with pytest.raises(EvaluationError, match="late entry"):
        fit_censoring(late, covariates=x)
    together = fit_censoring(late, strata=x > 0).weights(2)
    for part in (x > 0, x <= 0):
        alone = fit_censoring(late.take(np.flatnonzero(part))).weights(2)
        np.testing.assert_allclose(together[part], alone)
    with pytest.raises(EvaluationError, match="nobody is censored"):
        fit_censoring(Outcome(time=[1, 2], event=[1, 2]), covariates=[0.1, 0.4])


def test_nobody_followed_to_the_horizon_in_a_stratum() -> None:
    outcome = Outcome(time=[1, 2, 3, 6, 7, 8], event=[0, 1, 0, 1, 0, 0])
    fitted = fit_censoring(outcome, strata=["a", "a", "a", "b", "b", "b"])
    assert fitted.weights(5) is None
    made = cumulative_dynamic_auc(outcome, [1, 2, 3, 4, 5, 6], 5, censoring=fitted)
    assert np.isnan(made.value)
    assert made.reason is not None
