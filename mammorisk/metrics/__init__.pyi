from .agreement import (
    agreement_table as agreement_table,
)
from .agreement import (
    cohen_kappa as cohen_kappa,
)
from .agreement import (
    prevalence_adjusted_kappa as prevalence_adjusted_kappa,
)
from .brier import (
    brier_score as brier_score,
)
from .brier import (
    integrated_brier_score as integrated_brier_score,
)
from .brier import (
    null_brier_score as null_brier_score,
)
from .calibration import (
    calibration_intercept as calibration_intercept,
)
from .calibration import (
    calibration_slope as calibration_slope,
)
from .calibration import (
    poisson_calibration as poisson_calibration,
)
from .calibration_groups import calibration_by_group as calibration_by_group
from .calibration_tests import (
    greenwood_nam_dagostino_test as greenwood_nam_dagostino_test,
)
from .calibration_tests import (
    hosmer_lemeshow_test as hosmer_lemeshow_test,
)
from .calibration_tests import (
    recalibration_test as recalibration_test,
)
from .calibration_tests import (
    spiegelhalter_z as spiegelhalter_z,
)
from .cancer_share import (
    false_negative_rate_at_share as false_negative_rate_at_share,
)
from .cancer_share import (
    share_of_cancers as share_of_cancers,
)
from .censoring import (
    Censoring as Censoring,
)
from .censoring import (
    fit_censoring as fit_censoring,
)
from .concordance import (
    concordance_index as concordance_index,
)
from .concordance import (
    paired_concordance as paired_concordance,
)
from .decision_analysis import (
    decision_curve as decision_curve,
)
from .decision_analysis import (
    net_benefit as net_benefit,
)
from .decision_analysis import (
    number_per_cancer as number_per_cancer,
)
from .delong import (
    auc as auc,
)
from .delong import (
    delong_auc as delong_auc,
)
from .delong import (
    delong_paired as delong_paired,
)
from .delong import (
    delong_unpaired as delong_unpaired,
)
from .detections import (
    Detections as Detections,
)
from .detections import (
    match_detections as match_detections,
)
from .development_size import (
    development_sample_size as development_sample_size,
)
from .effect_size import (
    hazard_ratio_per_sd as hazard_ratio_per_sd,
)
from .effect_size import (
    odds_ratio_per_sd as odds_ratio_per_sd,
)
from .effect_size import (
    ratios_by_group as ratios_by_group,
)
from .estimate import (
    Estimate as Estimate,
)
from .estimate import (
    difference as difference,
)
from .estimate import (
    estimates_table as estimates_table,
)
from .example import example_risks as example_risks
from .example_lesions import example_findings as example_findings
from .expected_observed import expected_observed_ratio as expected_observed_ratio
from .follow_up import (
    follow_up_quantiles as follow_up_quantiles,
)
from .follow_up import (
    median_follow_up as median_follow_up,
)
from .froc import (
    FrocCurve as FrocCurve,
)
from .froc import (
    froc_curve as froc_curve,
)
from .froc import (
    froc_sensitivity as froc_sensitivity,
)
from .froc import (
    mean_froc_sensitivity as mean_froc_sensitivity,
)
from .froc import (
    normal_false_positives as normal_false_positives,
)
from .froc_groups import froc_table as froc_table
from .gray import gray_test as gray_test
from .incidence import (
    IncidenceCurve as IncidenceCurve,
)
from .incidence import (
    cumulative_incidence as cumulative_incidence,
)
from .incidence import (
    incidence_curve as incidence_curve,
)
from .incidence_groups import incidence_by_group as incidence_by_group
from .incidence_ratio import (
    expected_counts as expected_counts,
)
from .incidence_ratio import (
    standardised_incidence_ratio as standardised_incidence_ratio,
)
from .integrated_discrimination import (
    discrimination_slope as discrimination_slope,
)
from .integrated_discrimination import (
    integrated_discrimination_improvement as integrated_discrimination_improvement,
)
from .intraclass import intraclass_correlation as intraclass_correlation
from .localisation import (
    breast_auc as breast_auc,
)
from .localisation import (
    localisation_auc as localisation_auc,
)
from .log_rank import log_rank_test as log_rank_test
from .logarithmic_score import log_score as log_score
from .matched_sets import (
    matched_concordance as matched_concordance,
)
from .matched_sets import (
    matched_odds_ratio as matched_odds_ratio,
)
from .prediction_accuracy import index_of_prediction_accuracy as index_of_prediction_accuracy
from .proportions import (
    adjust_p_values as adjust_p_values,
)
from .proportions import (
    mcnemar_test as mcnemar_test,
)
from .proportions import (
    poisson_ratio as poisson_ratio,
)
from .proportions import (
    proportion as proportion,
)
from .pseudo_observations import pseudo_values as pseudo_values
from .reading_time import (
    reading_time_difference as reading_time_difference,
)
from .reading_time import (
    signed_rank_test as signed_rank_test,
)
from .recalibration import (
    Recalibration as Recalibration,
)
from .recalibration import (
    fit_recalibration as fit_recalibration,
)
from .reclassification import (
    Reclassification as Reclassification,
)
from .reclassification import (
    net_reclassification_improvement as net_reclassification_improvement,
)
from .reclassification import (
    pencina_z as pencina_z,
)
from .resampling import (
    bootstrap as bootstrap,
)
from .resampling import (
    multiplier_intervals as multiplier_intervals,
)
from .roc import (
    RocCurve as RocCurve,
)
from .roc import (
    operating_point as operating_point,
)
from .roc import (
    roc_curve as roc_curve,
)
from .roc import (
    standardised_partial_auc as standardised_partial_auc,
)
from .royston import royston_d as royston_d
from .rubin import (
    PooledEstimate as PooledEstimate,
)
from .rubin import (
    pool_rubin as pool_rubin,
)
from .sample_size import validation_sample_size as validation_sample_size
from .smooth_calibration import (
    CalibrationCurve as CalibrationCurve,
)
from .smooth_calibration import (
    calibration_curve as calibration_curve,
)
from .subdistribution import (
    subdistribution_hazard_ratio as subdistribution_hazard_ratio,
)
from .thresholds import (
    classification_measure as classification_measure,
)
from .thresholds import (
    likelihood_ratios as likelihood_ratios,
)
from .time_dependent_auc import cumulative_dynamic_auc as cumulative_dynamic_auc
from .triage import (
    PUBLISHED_TRIAGE_POINTS as PUBLISHED_TRIAGE_POINTS,
)
from .triage import (
    TriagePoint as TriagePoint,
)
from .triage import (
    triage_curve as triage_curve,
)
from .triage import (
    triage_point as triage_point,
)
from .validation_indices import val_prob as val_prob

__all__ = [
    "PUBLISHED_TRIAGE_POINTS",
    "CalibrationCurve",
    "Censoring",
    "Detections",
    "Estimate",
    "FrocCurve",
    "IncidenceCurve",
    "PooledEstimate",
    "Recalibration",
    "Reclassification",
    "RocCurve",
    "TriagePoint",
    "adjust_p_values",
    "agreement_table",
    "auc",
    "bootstrap",
    "breast_auc",
    "brier_score",
    "calibration_by_group",
    "calibration_curve",
    "calibration_intercept",
    "calibration_slope",
    "classification_measure",
    "cohen_kappa",
    "concordance_index",
    "cumulative_dynamic_auc",
    "cumulative_incidence",
    "decision_curve",
    "delong_auc",
    "delong_paired",
    "delong_unpaired",
    "development_sample_size",
    "difference",
    "discrimination_slope",
    "estimates_table",
    "example_findings",
    "example_risks",
    "expected_counts",
    "expected_observed_ratio",
    "false_negative_rate_at_share",
    "fit_censoring",
    "fit_recalibration",
    "follow_up_quantiles",
    "froc_curve",
    "froc_sensitivity",
    "froc_table",
    "gray_test",
    "greenwood_nam_dagostino_test",
    "hazard_ratio_per_sd",
    "hosmer_lemeshow_test",
    "incidence_by_group",
    "incidence_curve",
    "index_of_prediction_accuracy",
    "integrated_brier_score",
    "integrated_discrimination_improvement",
    "intraclass_correlation",
    "likelihood_ratios",
    "localisation_auc",
    "log_rank_test",
    "log_score",
    "match_detections",
    "matched_concordance",
    "matched_odds_ratio",
    "mcnemar_test",
    "mean_froc_sensitivity",
    "median_follow_up",
    "multiplier_intervals",
    "net_benefit",
    "net_reclassification_improvement",
    "normal_false_positives",
    "null_brier_score",
    "number_per_cancer",
    "odds_ratio_per_sd",
    "operating_point",
    "paired_concordance",
    "pencina_z",
    "poisson_calibration",
    "poisson_ratio",
    "pool_rubin",
    "prevalence_adjusted_kappa",
    "proportion",
    "pseudo_values",
    "ratios_by_group",
    "reading_time_difference",
    "recalibration_test",
    "roc_curve",
    "royston_d",
    "share_of_cancers",
    "signed_rank_test",
    "spiegelhalter_z",
    "standardised_incidence_ratio",
    "standardised_partial_auc",
    "subdistribution_hazard_ratio",
    "triage_curve",
    "triage_point",
    "val_prob",
    "validation_sample_size",
]
