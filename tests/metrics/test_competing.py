"""Competing events, ties, weights, clusters and late entry against R."""

from __future__ import annotations

import numpy as np
import pytest

from mammorisk.metrics.brier import brier_score, null_brier_score
from mammorisk.metrics.calibration import calibration_intercept, calibration_slope
from mammorisk.metrics.censoring import fit_censoring
from mammorisk.metrics.concordance import concordance_index
from mammorisk.metrics.cox import fit_cox
from mammorisk.metrics.decision_analysis import net_benefit
from mammorisk.metrics.estimate import difference
from mammorisk.metrics.incidence import cumulative_incidence
from mammorisk.metrics.pseudo_observations import pseudo_values
from mammorisk.metrics.time_dependent_auc import cumulative_dynamic_auc
from mammorisk.records.outcome import Outcome
from tests.metrics.conftest import Oracle, error, point

YEARS = (1, 2, 3, 4, 5)


def entered(oracle: Oracle) -> Outcome:
    data = oracle.data
    return Outcome(time=data["time"], event=data["event"], entry=data["entry"])


@pytest.mark.parametrize("name", ["aj", "aj_weighted_cluster", "aj_entry"])
def test_aalen_johansen(competing: Oracle, name: str) -> None:
    data, r = competing.data, competing.r[name]
    outcome = {
        "aj": competing.outcome,
        # survival's standard errors of this estimator do not take the clusters.
        "aj_weighted_cluster": Outcome(
            time=data["time"], event=data["event"], weight=data["weight"]
        ),
        "aj_entry": entered(competing),
    }[name]
    for i, year in enumerate(YEARS):
        made = cumulative_incidence(outcome, year)
        point(made.value, r["cancer"][i])
        error(made.se, r["se"][i])
    if name == "aj":
        point(cumulative_incidence(outcome, 5).value, competing.r["cuminc"]["est"][4])
        error(cumulative_incidence(outcome, 5).se, competing.r["prodlim"]["se"][4])


def test_kaplan_meier_with_weights_and_clusters(competing: Oracle, weighted: Outcome) -> None:
    for name, outcome in (
        ("km", competing.outcome),
        ("km_weighted_cluster", weighted),
        ("km_entry", entered(competing)),
    ):
        r = competing.r[name]
        for i, year in enumerate(YEARS):
            made = cumulative_incidence(outcome, year, competing="censor")
            point(1 - made.value, r["surv"][i])
            error(made.se, r["se"][i])


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("c", {}),
        ("c_weighted_cluster", {}),
        ("c_uno5", {"weighting": "uno", "truncation": 5}),
        ("c_uno5_weighted_cluster", {"weighting": "uno", "truncation": 5}),
        ("c_entry", {}),
    ],
)
def test_concordance(competing: Oracle, weighted: Outcome, name: str, options: dict) -> None:
    outcome = weighted if "weighted" in name else competing.outcome
    outcome = entered(competing) if "entry" in name else outcome
    made = concordance_index(outcome, competing.data["x"], competing="censor", **options)
    point(made.value, competing.r[name]["c"])
    error(made.se, competing.r[name]["se"])


@pytest.mark.parametrize("weighting", ["harrell", "uno"])
def test_concordance_of_wolbers_by_counting_pairs(competing: Oracle, weighting: str) -> None:
    rows = np.arange(0, 500, 2)
    outcome = competing.outcome.take(rows)
    x = competing.data["x"].to_numpy()[rows]
    fitted = fit_censoring(outcome)
    free = np.concatenate([[1.0], fitted.free])[:-1][fitted.life.position]
    free = free if weighting == "uno" else np.ones(len(x))
    top = below = 0.0
    for i in np.flatnonzero((outcome.event == 1) & (outcome.time <= 5)):
        for j in range(len(x)):
            later = outcome.time[j] > outcome.time[i] or (
                outcome.time[j] == outcome.time[i] and outcome.event[j] == 0
            )
            earlier = outcome.event[j] == 2 and outcome.time[j] <= outcome.time[i]
            weight = 1 / (free[i] * free[j]) if earlier else later / free[i] ** 2
            below += weight
            top += weight * ((x[i] > x[j]) + 0.5 * (x[i] == x[j]))
    made = concordance_index(outcome, x, weighting=weighting, truncation=5)  # type: ignore[arg-type]
    assert made.value == pytest.approx(top / below, abs=1e-12)


def test_auc_and_brier(competing: Oracle) -> None:
    score = competing.r["score"]
    for key, compute in (("AUC", cumulative_dynamic_auc), ("Brier", brier_score)):
        r, contrasts, made = score[key], score[f"{key}_contrasts"], {}
        for i, (model, year) in enumerate(zip(r["model"], r["times"], strict=True)):
            if model == "Null model":
                made[model, year] = null_brier_score(competing.outcome, year)
            else:
                made[model, year] = compute(competing.outcome, competing.risk(model, year), year)
            point(made[model, year].value, r[key][i])
            error(made[model, year].se, r["se"][i])
        for i, year in enumerate(contrasts["times"]):
            first, second = contrasts["model"][i], contrasts["reference"][i]
            apart = difference(made[first, year], made[second, year], competing.outcome)
            error(apart.se, contrasts["se"][i])
            error(apart.p, contrasts["p"][i])


def test_cox_with_robust_errors(competing: Oracle, weighted: Outcome) -> None:
    design = competing.data[["x"]].to_numpy()
    for name, outcome in (("cox", competing.outcome), ("cox_weighted_cluster", weighted)):
        made = fit_cox(outcome, design)
        point(made.coef[0], competing.r[name]["coef"])
        error(made.se[0], competing.r[name]["se"])


def test_pseudo_value_calibration(competing: Oracle) -> None:
    np.testing.assert_allclose(
        pseudo_values(competing.outcome, 5)[:20], competing.r["pseudo"], atol=1e-9
    )
    risk = competing.risk("A", 5)
    r = competing.r["gee_intercept"]
    made = calibration_intercept(competing.outcome, risk, 5)
    point(made.value, r["coef"])
    error(made.se, r["se"])
    r = competing.r["gee_slope"]
    made = calibration_slope(competing.outcome, risk, 5)
    # geepack stops short of its solution by some 1e-6.
    assert made.value == pytest.approx(1 + r["coef"][1], abs=1e-5)
    error(made.se, r["se"][1])


def test_net_benefit_with_competing_events(competing: Oracle) -> None:
    r = competing.r["nb15"]
    made = net_benefit(competing.outcome, competing.risk("A", 5), 0.15, 5)
    true = r["inc"] * r["pos"]
    point(made.value, true - 0.15 / 0.85 * (r["pos"] - true))


def test_pseudo_values_of_weighted_rows_give_back_the_risk(weighted: Outcome) -> None:
    values = pseudo_values(weighted, 4)
    mean = np.average(values, weights=weighted.weight)
    assert mean == pytest.approx(cumulative_incidence(weighted, 4).value, abs=1e-12)
