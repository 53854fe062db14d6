"""Censored outcomes against survival, riskRegression, timeROC, prodlim, dcurves and nricens."""

from __future__ import annotations

import numpy as np
import pytest

from mammorisk.metrics.brier import brier_score, integrated_brier_score, null_brier_score
from mammorisk.metrics.calibration import calibration_slope, poisson_calibration
from mammorisk.metrics.calibration_groups import calibration_by_group, risk_groups
from mammorisk.metrics.calibration_tests import greenwood_nam_dagostino_test
from mammorisk.metrics.concordance import concordance_index, paired_concordance
from mammorisk.metrics.decision_analysis import net_benefit
from mammorisk.metrics.effect_size import hazard_ratio_per_sd, ratios_by_group
from mammorisk.metrics.estimate import difference
from mammorisk.metrics.expected_observed import expected_observed_ratio
from mammorisk.metrics.follow_up import follow_up_quantiles, median_follow_up
from mammorisk.metrics.incidence import cumulative_incidence
from mammorisk.metrics.incidence_ratio import standardised_incidence_ratio
from mammorisk.metrics.integrated_discrimination import integrated_discrimination_improvement
from mammorisk.metrics.log_rank import log_rank_test
from mammorisk.metrics.prediction_accuracy import index_of_prediction_accuracy
from mammorisk.metrics.pseudo_observations import pseudo_values
from mammorisk.metrics.reclassification import net_reclassification_improvement
from mammorisk.metrics.roc import roc_curve
from mammorisk.metrics.royston import royston_d
from mammorisk.metrics.smooth_calibration import calibration_curve
from mammorisk.metrics.thresholds import classification_measure
from mammorisk.metrics.time_dependent_auc import cumulative_dynamic_auc
from tests.metrics.conftest import Oracle, error, point

YEARS = (1, 2, 3, 4, 5)


@pytest.mark.parametrize("scale", ["log", "cloglog"])
def test_kaplan_meier(rotterdam: Oracle, scale: str) -> None:
    r, word = rotterdam.r["km_1to5"], {"log": "log", "cloglog": "loglog"}[scale]
    for i, year in enumerate(YEARS):
        made = cumulative_incidence(rotterdam.outcome, year, scale=scale)  # type: ignore[arg-type]
        point(1 - made.value, r["surv"][i])
        error(made.se, r["se"][i])
        point(1 - made.upper, r[f"lower_{word}"][i])
        point(1 - made.lower, r[f"upper_{word}"][i])


def test_follow_up(rotterdam: Oracle) -> None:
    r = rotterdam.r["followup_reverse_km_median"]
    made = median_follow_up(rotterdam.outcome)
    point(made.value, r["quantile"][1])
    point(made.lower, r["lower"][1])
    point(made.upper, r["upper"][1])
    np.testing.assert_allclose(follow_up_quantiles(rotterdam.outcome), r["quantile"], atol=1e-6)


def test_auc_and_paired_differences(rotterdam: Oracle) -> None:
    r, contrasts = (rotterdam.r["score_auc_brier_ipa_ibs"][k] for k in ("AUC", "AUC_contrasts"))
    made = {}
    for i, (model, year) in enumerate(zip(r["model"], r["times"], strict=True)):
        risk = rotterdam.risk(model, year)
        made[model, year] = cumulative_dynamic_auc(rotterdam.outcome, risk, year)
        point(made[model, year].value, r["AUC"][i])
        error(made[model, year].se, r["se"][i])
        point(made[model, year].lower, r["lower"][i])
        known = cumulative_dynamic_auc(rotterdam.outcome, risk, year, censoring_known=True)
        error(known.se, rotterdam.r["score_conservative_se"]["AUC"]["se"][i])
    for i, year in enumerate(contrasts["times"]):
        apart = difference(made["B", year], made["A", year], rotterdam.outcome)
        point(apart.value, contrasts["delta.AUC"][i])
        error(apart.se, contrasts["se"][i])
        error(apart.p, contrasts["p"][i])


def test_three_rules_for_ties_by_name(rotterdam: Oracle) -> None:
    found = [
        cumulative_dynamic_auc(rotterdam.outcome, rotterdam.risk("A", 5), 5, censoring=ties).value  # type: ignore[arg-type]
        for ties in ("riskregression", "scikit-survival", "kaplan-meier")
    ]
    assert np.round(found, 8).tolist() == [0.73528423, 0.73528417, 0.73528432]


def test_brier(rotterdam: Oracle) -> None:
    whole = rotterdam.r["score_auc_brier_ipa_ibs"]
    r, contrasts = whole["Brier"], whole["Brier_contrasts"]
    made = {}
    for i, (model, year) in enumerate(zip(r["model"], r["times"], strict=True)):
        if model == "Null model":
            made[model, year] = null_brier_score(rotterdam.outcome, year)
        else:
            risk = rotterdam.risk(model, year)
            made[model, year] = brier_score(rotterdam.outcome, risk, year)
            point(index_of_prediction_accuracy(rotterdam.outcome, risk, year).value, r["IPA"][i])
            table = rotterdam.data[[f"risk{model}_{k}" for k in range(1, year + 1)]]
            years = range(1, year + 1)
            integral = integrated_brier_score(
                rotterdam.outcome, table.to_numpy(), list(years), rule="riskregression"
            )
            point(integral.value, r["IBS"][i])
        point(made[model, year].value, r["Brier"][i])
        error(made[model, year].se, r["se"][i])
    for i, year in enumerate(contrasts["times"]):
        first, second = contrasts["model"][i], contrasts["reference"][i]
        apart = difference(made[first, year], made[second, year], rotterdam.outcome)
        point(apart.value, contrasts["delta.Brier"][i])
        error(apart.se, contrasts["se"][i])


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("harrell_c", {}),
        ("harrell_c_tau5", {"truncation": 5}),
        ("uno_c_tau5", {"weighting": "uno", "truncation": 5}),
        ("uno_c_full", {"weighting": "uno"}),
        ("c_timewt_S", {"weighting": "S"}),
    ],
)
def test_concordance(rotterdam: Oracle, name: str, options: dict) -> None:
    r = rotterdam.r[name]
    a = concordance_index(rotterdam.outcome, rotterdam.risk("A", 5), **options)
    b = concordance_index(rotterdam.outcome, rotterdam.risk("B", 5), **options)
    for made, value, se in zip((a, b), r["concordance"], r["se"], strict=True):
        point(made.value, value)
        error(made.se, se)
    error(difference(a, b, rotterdam.outcome).se, r["diff_se"])


def test_paired_concordance(rotterdam: Oracle) -> None:
    r = rotterdam.r["rcorrp_cens"]
    made = paired_concordance(rotterdam.outcome, rotterdam.risk("A", 5), rotterdam.risk("B", 5))
    point(2 * made.value - 1, r["Dxy"])
    error(2 * made.se, r["S.D."])


def test_thresholds(rotterdam: Oracle) -> None:
    words = {
        "sens": "sensitivity",
        "spec": "specificity",
        "ppv": "positive predictive value",
        "npv": "negative predictive value",
    }
    risk = rotterdam.risk("A", 5)
    for r in rotterdam.r["sens_spec_ppv_npv_5y"]:
        for short, measure in words.items():
            made = classification_measure(
                rotterdam.outcome, risk, r["cut"], measure, 5, strict=True
            )  # type: ignore[arg-type]
            point(made.value, r[short])
            error(made.se, r[f"se_{short}"])
    curve = roc_curve(rotterdam.outcome, risk, 5)
    assert curve is not None
    for r in rotterdam.r["sens_at_fixed_spec_5y"]:
        point(curve.sensitivity_at(r["spec"], between="none"), r["sens_no_interp"])
        point(curve.sensitivity_at(r["spec"], between="upper"), r["sens_linear"])


@pytest.mark.parametrize("model", ["A", "B"])
def test_calibration_in_the_large(rotterdam: Oracle, model: str) -> None:
    outcome, risk = rotterdam.outcome, rotterdam.risk(model, 5)
    r = rotterdam.r["OE_km_5y"][model]
    made = expected_observed_ratio(outcome, risk, 5, ratio="O/E")
    for found, expected in zip(
        (made.value, made.lower, made.upper), (r["OE"], r["lower"], r["upper"]), strict=True
    ):
        point(found, expected)
    point(expected_observed_ratio(outcome, risk, 5).value, r["EO"])
    counts = rotterdam.data[f"exp{model}"].to_numpy()
    r = rotterdam.r["OE_poisson_exact"][model]
    made = standardised_incidence_ratio(outcome, counts, 5)
    point(made.value, r["OE"])
    point(made.lower, r["lower"])
    point(made.upper, r["upper"])
    error(made.p, r["p"])
    r = rotterdam.r["CITL_slope_poisson"][model]
    made = poisson_calibration(outcome, counts, 5)
    point(made.value, r["citl"])
    error(made.se, r["se"])


@pytest.mark.parametrize("model", ["A", "B"])
def test_calibration_slope_curve_and_groups(rotterdam: Oracle, model: str) -> None:
    outcome, risk = rotterdam.outcome, rotterdam.risk(model, 5)
    r = rotterdam.r["calibration_slope_cox"][f"cll_p{model}_admin5"]
    made = calibration_slope(outcome, risk, 5, method="cox")
    point(made.value, r["slope"])
    error(made.se, r["se"])
    r = rotterdam.r["ICI_rcs3_cox_5y"][model]
    curve = calibration_curve(outcome, risk, 5, method="cox-spline")
    for found, expected in zip(
        (curve.ici, curve.e50, curve.e90, curve.emax),
        (r["ICI"], r["E50"], r["E90"], r["Emax"]),
        strict=True,
    ):
        point(found, expected)
    np.testing.assert_allclose(curve.observed[:10], r["obs_first10"], atol=1e-6)
    r = rotterdam.r["decile_calibration_GND"][model]
    table = calibration_by_group(outcome, risk, 5)
    pairs = (("n", "n"), ("expected", "pred"), ("observed", "obs"), ("se", "se"))
    for ours, theirs in (*pairs, ("lower", "lower"), ("upper", "upper")):
        np.testing.assert_allclose(table[ours], r[theirs], rtol=1e-6)
    test = greenwood_nam_dagostino_test(outcome, risk, 5)
    point(test.value, r["GND_chi2"])
    error(test.p, r["GND_p"])
    test = greenwood_nam_dagostino_test(outcome, risk, 5, variance="binomial")
    point(test.value, r["DN_chi2"])
    error(test.p, r["DN_p"])


def test_pseudo_values(rotterdam: Oracle) -> None:
    found = pseudo_values(rotterdam.outcome, 5)
    np.testing.assert_allclose(1 - found, rotterdam.data["pseudo_survival_5y"], atol=1e-9)


def test_net_benefit(rotterdam: Oracle) -> None:
    r = rotterdam.r["net_benefit_5y"]
    for variable, threshold, expected in zip(
        r["variable"], r["threshold"], r["net_benefit"], strict=True
    ):
        if variable == "none":
            continue
        risk = None if variable == "all" else rotterdam.risk(variable[1], 5)
        point(net_benefit(rotterdam.outcome, risk, threshold, 5).value, expected)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("NRI_km_cat", {"cuts": [0.3, 0.5]}),
        ("NRI_ipw_cat", {"cuts": [0.3, 0.5], "method": "ipcw"}),
        ("NRI_km_continuous", {}),
    ],
)
def test_reclassification(rotterdam: Oracle, name: str, options: dict) -> None:
    r = rotterdam.r[name]
    values = r.get("est", r)
    old, new = rotterdam.risk("B", 5), rotterdam.risk("A", 5)
    made = net_reclassification_improvement(rotterdam.outcome, old, new, 5, **options)
    point(made.nri.value, values["NRI"])
    point(made.of_cases.value, values["NRI+"])
    point(made.of_controls.value, values["NRI-"])
    if "table" in r:
        assert made.table.tolist() == r["table"]
        assert made.table_cases.tolist() == r["table_case"]
        assert made.table_controls.tolist() == r["table_ctrl"]
    idi = integrated_discrimination_improvement(rotterdam.outcome, old, new, 5)
    point(idi.value, rotterdam.r["IDI_ipcw_5y"]["IDI"])


@pytest.mark.parametrize("column", ["lpA", "lpB"])
def test_hazard_ratio_per_sd(rotterdam: Oracle, column: str) -> None:
    r = rotterdam.r["HR_per_SD"][column]
    made = hazard_ratio_per_sd(rotterdam.outcome, rotterdam.data[column])
    point(made.value, r["HR"])
    point(made.lower, r["lower"])
    point(made.upper, r["upper"])
    error(made.p, r["p"])


def test_fifths_and_explained_variation(rotterdam: Oracle) -> None:
    score = rotterdam.data["lpA"].to_numpy()
    for reference in (1, 3):
        found = ratios_by_group(rotterdam.outcome, score, 5, reference=reference)
        r = rotterdam.r["HR_quintile"][f"ref{reference}"]
        np.testing.assert_allclose([e.value for e in found], r["HR"], rtol=1e-6)
        np.testing.assert_allclose([e.lower for e in found], r["lower"], rtol=1e-6)
    group = risk_groups(score, np.ones(len(score)), 5)
    point(
        log_rank_test(rotterdam.outcome, group).value,
        rotterdam.r["KM_by_quintile_5y_logrank"]["logrank_chi2"],
    )
    d, explained = royston_d(rotterdam.outcome, score)
    point(d.value, rotterdam.r["royston_D_R2D"]["D"])
    error(d.se, rotterdam.r["royston_D_R2D"]["se"])
    point(explained, rotterdam.r["royston_D_R2D"]["R2D"])


def test_subgroups_refit_the_censoring(rotterdam: Oracle) -> None:
    for r in rotterdam.r["subgroup_meno"]:
        rows = np.flatnonzero(rotterdam.data["meno"] == r["meno"])
        some = rotterdam.outcome.take(rows)
        for i, model in enumerate(r["AUC"]["model"]):
            made = cumulative_dynamic_auc(some, rotterdam.risk(model, 5)[rows], 5)
            point(made.value, r["AUC"]["AUC"][i])
            error(made.se, r["AUC"]["se"][i])
        c = concordance_index(some, rotterdam.risk("A", 5)[rows])
        point(c.value, r["harrell"]["concordance"][0])
        error(c.se, r["harrell"]["se"])
