"""Binary outcomes, readers and tests against pROC, rms, Hmisc, survey, vcd, psych and base R."""

from __future__ import annotations

import numpy as np
import pytest

from mammorisk.evaluation.subgroups import calibration_heterogeneity, subgroup_table
from mammorisk.metrics.agreement import cohen_kappa, prevalence_adjusted_kappa
from mammorisk.metrics.brier import brier_score, null_brier_score
from mammorisk.metrics.calibration import calibration_intercept, calibration_slope
from mammorisk.metrics.calibration_tests import (
    hosmer_lemeshow_test,
    recalibration_test,
    spiegelhalter_z,
)
from mammorisk.metrics.decision_analysis import net_benefit
from mammorisk.metrics.delong import auc, delong_auc, delong_paired, delong_unpaired
from mammorisk.metrics.effect_size import odds_ratio_per_sd, ratios_by_group
from mammorisk.metrics.expected_observed import expected_observed_ratio
from mammorisk.metrics.integrated_discrimination import (
    discrimination_slope,
    integrated_discrimination_improvement,
)
from mammorisk.metrics.intraclass import intraclass_correlation
from mammorisk.metrics.links import logit
from mammorisk.metrics.logarithmic_score import log_score
from mammorisk.metrics.matched_sets import matched_concordance, matched_odds_ratio
from mammorisk.metrics.proportions import adjust_p_values, mcnemar_test, poisson_ratio, proportion
from mammorisk.metrics.reading_time import reading_time_difference, signed_rank_test
from mammorisk.metrics.reclassification import net_reclassification_improvement, pencina_z
from mammorisk.metrics.roc import operating_point, roc_curve, standardised_partial_auc
from mammorisk.metrics.smooth_calibration import calibration_curve
from mammorisk.metrics.thresholds import classification_measure, likelihood_ratios
from mammorisk.metrics.validation_indices import val_prob
from mammorisk.records.outcome import Outcome
from tests.metrics.conftest import Oracle, error, point


def risk(oracle: Oracle, model: str) -> np.ndarray:
    return oracle.data[f"p{model}"].to_numpy(dtype=float)


def test_delong(casecontrol: Oracle) -> None:
    outcome, r = casecontrol.outcome, casecontrol.r
    for model in "AB":
        made = delong_auc(outcome, risk(casecontrol, model))
        point(made.value, r["auc_delong"][model]["auc"])
        error(made.se, r["auc_delong"][model]["se"])
        point(made.lower, r["auc_delong"][model]["lower"])
    paired = delong_paired(outcome, risk(casecontrol, "A"), risk(casecontrol, "B"))
    point(paired.value / paired.se, r["delong_paired"]["z"])
    error(paired.p, r["delong_paired"]["p"])
    point(paired.upper, r["delong_paired"]["upper"])
    dense = casecontrol.data["density"].isin(["c", "d"]).to_numpy()
    parts = [(outcome.take(rows), risk(casecontrol, "A")[rows]) for rows in (dense, ~dense)]
    unpaired = delong_unpaired(*parts)
    point(unpaired.value / unpaired.se, r["delong_unpaired"]["D"])
    error(unpaired.p, r["delong_unpaired"]["p"])


def test_curve(casecontrol: Oracle) -> None:
    r = casecontrol.r
    for model in "AB":
        curve = roc_curve(casecontrol.outcome, risk(casecontrol, model))
        assert curve is not None
        for row in r["sens_at_spec"]:
            point(curve.sensitivity_at(row["spec"]), row[f"sens{model}"])
        for row in r["spec_at_sens"]:
            point(curve.specificity_at(row["sens"]), row[f"spec{model}"])
        area = curve.partial_area(0.9, 1, focus="specificity")
        point(area, r["pauc_spec_90_100"][f"{model}_raw"])
        if model == "A":
            point(standardised_partial_auc(area, 0.9, 1), r["pauc_spec_90_100"]["A_mcclish"])
            point(
                curve.partial_area(0.8, 1, focus="sensitivity"),
                r["pauc_spec_90_100"]["A_sens80"],
            )
            best = r["youden"]
            found = curve.youden()
            assert found == pytest.approx(
                (best["threshold"], best["sensitivity"], best["specificity"])
            )
    made = operating_point(
        casecontrol.outcome, risk(casecontrol, "A"), specificity=0.9, resamples=2000
    )
    assert made.value == pytest.approx(0.46)
    assert (made.lower, made.upper) == pytest.approx((0.33, 0.6), abs=0.03)


def test_threshold_tables(casecontrol: Oracle) -> None:
    words = {
        "sens": "sensitivity",
        "spec": "specificity",
        "fnr": "false-negative rate",
        "fpr": "false-positive rate",
        "ppv": "positive predictive value",
        "npv": "negative predictive value",
    }
    outcome, score = casecontrol.outcome, risk(casecontrol, "A")
    for r in casecontrol.r["threshold_table_A"]:
        cut = r["threshold"]
        for short, measure in words.items():
            wilson = classification_measure(outcome, score, cut, measure)  # type: ignore[arg-type]
            exact = classification_measure(outcome, score, cut, measure, ci="exact")  # type: ignore[arg-type]
            point(wilson.value, r[short]["est"])
            assert (wilson.lower, wilson.upper) == pytest.approx(r[short]["wilson"])
            assert (exact.lower, exact.upper) == pytest.approx(r[short]["clopper_pearson"])
        up, down = likelihood_ratios(outcome, score, cut)
        assert (up.value, up.lower, up.upper) == pytest.approx(r["LRpos"])
        assert (down.value, down.lower, down.upper) == pytest.approx(r["LRneg"])
    r = casecontrol.r["fnr_weighted"]
    weighted = Outcome.binary(casecontrol.data["y"], weight=casecontrol.data["w"])
    for short, measure in (
        ("ppv_w", "positive predictive value"),
        ("npv_w", "negative predictive value"),
        ("spec_w", "specificity"),
        ("fraction_flagged_w", "share positive"),
    ):
        point(classification_measure(weighted, score, r["threshold"], measure).value, r[short])  # type: ignore[arg-type]


@pytest.mark.parametrize("model", ["A", "B"])
def test_calibration(casecontrol: Oracle, model: str) -> None:
    outcome, values = casecontrol.outcome, risk(casecontrol, model)
    r = casecontrol.r["citl_slope_recalibration"][model]
    intercept, slope = calibration_intercept(outcome, values), calibration_slope(outcome, values)
    point(intercept.value, r["citl"])
    error(intercept.se, r["citl_se"])
    point(slope.value, r["slope"])
    error(slope.se, r["slope_se"])
    tests = recalibration_test(outcome, values)
    point(tests["chi2"], r["LR_a0_b1_chi2"])
    error(tests["p"], r["LR_p"])
    for key, method in (
        ("ici_loess_direct", "loess"),
        ("ici_lowess", "lowess"),
        ("ici_rcs_logistic", "logistic-spline"),
    ):
        curve, expected = (
            calibration_curve(outcome, values, method=method),
            casecontrol.r[key][model],
        )  # type: ignore[arg-type]
        for found, name in zip(
            (curve.ici, curve.e50, curve.e90, curve.emax),
            ("ICI", "E50", "E90", "Emax"),
            strict=True,
        ):
            point(found, expected[name])
    indices = val_prob(outcome, values)
    for name, expected in casecontrol.r[f"val_prob_{model}"].items():
        ours = "C" if name == "C (ROC)" else name
        if ours in indices:
            point(indices[ours], expected)
    r = casecontrol.r["hosmer_lemeshow"][model]
    for development, name in ((True, "p_df_g_minus_2"), (False, "p_df_g")):
        test = hosmer_lemeshow_test(outcome, values, development=development)
        point(test.value, r["chi2"])
        error(test.p, r[name])
    z = spiegelhalter_z(outcome, values)
    point(z.value, casecontrol.r["spiegelhalter_z"][model]["z"])
    r = casecontrol.r["OE_binary"][model]
    made = expected_observed_ratio(outcome, values, ratio="O/E")
    assert (made.lower, made.upper) == pytest.approx(r["log_ci"])
    exact = poisson_ratio(r["O"], r["E"])
    assert (exact.lower, exact.upper) == pytest.approx((r["pois_lower"], r["pois_upper"]))


def test_overall(casecontrol: Oracle) -> None:
    r = casecontrol.r["score_binary"]["Brier"]
    for i, model in enumerate(r["model"]):
        made = (
            null_brier_score(casecontrol.outcome)
            if model == "Null model"
            else brier_score(casecontrol.outcome, risk(casecontrol, model))
        )
        point(made.value, r["Brier"][i])
        error(made.se, r["se"][i])
    for model in "AB":
        r = casecontrol.r["brier_logloss_R2"][model]
        point(log_score(casecontrol.outcome, risk(casecontrol, model)).value, r["logloss"])
        point(discrimination_slope(casecontrol.outcome, risk(casecontrol, model)).value, r["tjur"])


@pytest.mark.parametrize(
    ("name", "prevalence"), [("net_benefit", None), ("net_benefit_prevalence_2pct", 0.02)]
)
def test_net_benefit(casecontrol: Oracle, name: str, prevalence: float | None) -> None:
    r = casecontrol.r[name]
    for variable, cut, expected in zip(
        r["variable"], r["threshold"], r["net_benefit"], strict=True
    ):
        if variable != "none":
            values = None if variable == "all" else risk(casecontrol, variable[1])
            made = net_benefit(casecontrol.outcome, values, cut, prevalence=prevalence)
            point(made.value, expected)


def test_reclassification(casecontrol: Oracle) -> None:
    old, new = risk(casecontrol, "B"), risk(casecontrol, "A")
    r = casecontrol.r["NRI_categorical"]
    made = net_reclassification_improvement(casecontrol.outcome, old, new, cuts=[0.2, 0.35])
    point(made.nri.value, r["est"]["NRI"])
    error(made.nri.se, r["se_unrestricted"])
    se, z = pencina_z(made)
    error(se, r["se_pencina_null"])
    point(z, r["z"])
    assert made.table_cases.tolist() == r["table_case"]
    r = casecontrol.r["improveProb"]
    made = net_reclassification_improvement(casecontrol.outcome, old, new)
    idi = integrated_discrimination_improvement(casecontrol.outcome, old, new)
    point(made.nri.value, r["nri"])
    error(made.nri.se, r["se.nri"])
    error(made.of_cases.se, r["se.nri.ev"])
    error(made.of_controls.se, r["se.nri.ne"])
    point(idi.value, r["idi"])
    error(idi.se, r["se.idi"])


def test_odds_ratios(casecontrol: Oracle) -> None:
    outcome, data = casecontrol.outcome, casecontrol.data
    for model in "AB":
        r, score = casecontrol.r["OR_per_SD"][model], logit(risk(casecontrol, model))
        made = odds_ratio_per_sd(outcome, score)
        point(made.value, r["OR"])
        point(made.lower, r["lower"])
        adjusted = odds_ratio_per_sd(outcome, score, adjust=data["age"])
        point(adjusted.value, r["age_adj_OR"])
        error(adjusted.se / adjusted.value, r["age_adj_se"])
    for reference in (1, 3):
        r = casecontrol.r["OR_quintile"][f"ref{reference}"]
        found = ratios_by_group(outcome, data["pA"], scale="odds", reference=reference)
        np.testing.assert_allclose([e.value for e in found], r["OR"], rtol=1e-6)
        np.testing.assert_allclose([e.se / e.value for e in found], r["se"], rtol=1e-4)
    r = casecontrol.r["clogit"]
    score = logit(risk(casecontrol, "A")) / casecontrol.r["OR_per_SD"]["A"]["sd_controls"]
    made = matched_odds_ratio(data["y"], score, data["set"])
    point(made.value, r["OR"])
    point(made.lower, r["lower"])
    c = matched_concordance(data["y"], data["pA"], data["set"])
    point(c.value, casecontrol.r["matched_concordance"]["C"])


def test_readers(casecontrol: Oracle) -> None:
    data, r = casecontrol.data, casecontrol.r["kappa_birads"]
    for weights, name, ase in (
        ("none", "kappa", "ase"),
        ("linear", "linear", "linear_ase"),
        ("quadratic", "quadratic", "quadratic_ase"),
    ):
        made = cohen_kappa(data["birads1"], data["birads2"], weights=weights)  # type: ignore[arg-type]
        point(made.value, r[name])
        error(made.se, r[ase])
    recall = (data["birads1"] >= 4, data["birads2"] >= 4)
    point(cohen_kappa(*recall).value, casecontrol.r["kappa_binary_recall"]["kappa"])
    point(prevalence_adjusted_kappa(*recall), casecontrol.r["kappa_binary_recall"]["pabak"])
    r = casecontrol.r["icc_birads"]
    found = intraclass_correlation(data[["birads1", "birads2"]])
    for i, name in enumerate(r["type"]):
        point(found[name].value, r["ICC"][i])
        point(found[name].lower, r["lower.bound"][i])
        point(found[name].upper, r["upper.bound"][i])
    r = casecontrol.r["auc_birads_ordinal"]
    paired = delong_paired(casecontrol.outcome, data["birads1"], data["birads2"])
    point(paired.value / paired.se, r["z"])
    error(paired.p, r["p"])


def test_reading_times(casecontrol: Oracle) -> None:
    data, r = casecontrol.data, casecontrol.r["wilcoxon_reading_time"]
    made = reading_time_difference(data["time_noai"], data["time_ai"])
    assert made.value == pytest.approx(r["hodges_lehmann"], abs=1e-4)
    assert made.lower == pytest.approx(r["hl_lower"], abs=1e-4)
    assert made.upper == pytest.approx(r["hl_upper"], abs=1e-4)
    error(made.p, r["p_cc"])
    tests = signed_rank_test(data["time_noai"] - data["time_ai"])
    point(tests["v"], r["V"])
    error(tests["p_uncorrected"], r["p_nocc"])
    pratt = signed_rank_test(data["time_noai"] - data["time_ai"], zeros="pratt")
    point(pratt["z"], r["pratt_z"])


def test_subgroups(casecontrol: Oracle) -> None:
    data = casecontrol.data
    for column, rows in casecontrol.r["subgroup_auc"].items():
        table = subgroup_table(
            casecontrol.outcome,
            risk(casecontrol, "A"),
            data[column],
            threshold=0.25,
            fewest_cancers=1,
        ).set_index(["group", "measure"])["value"]
        for r in rows:
            point(table[r["level"], "AUC"], r["auc"])
            point(1 / table[r["level"], "E/O"], r["OE"])
            point(table[r["level"], "sensitivity"], r["tpr"])
            point(table[r["level"], "share positive"], r["flagged"])
    race = casecontrol.r["subgroup_auc"]["race"][0]
    rows = (data["race"] == race["level"]).to_numpy()
    made = auc(casecontrol.outcome.take(rows), risk(casecontrol, "A")[rows])
    error(made.se, race["se"])
    r = casecontrol.r["interaction_calibration_race"]
    tests = calibration_heterogeneity(casecontrol.outcome, risk(casecontrol, "A"), data["race"])
    np.testing.assert_allclose(tests["chi2"], [r["LR_intercept"], r["LR_slope"]], atol=1e-6)


def test_small_tests(casecontrol: Oracle) -> None:
    r = casecontrol.r["mcnemar_sens"]
    (_, b), (c, _) = r["table"]
    found = mcnemar_test(b, c)
    point(found["p"], r["p"])
    point(found["p_corrected"], r["p_cc"])
    point(found["p_exact"], r["p_exact"])
    r = casecontrol.r["p_adjust"]
    for method, name in (("holm", "holm"), ("bh", "BH"), ("bonferroni", "bonferroni")):
        np.testing.assert_allclose(adjust_p_values(r["p"], method), r[name])
    # The intervals Lang 2021 prints are Wald's.
    wald = proportion("cancers", 7, 68, ci="wald")
    assert (wald.lower, wald.upper) == pytest.approx((0.0307, 0.1752), abs=1e-4)
