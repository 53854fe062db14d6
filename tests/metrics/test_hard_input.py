"""Hard input gives a clear error or an estimate with a stated reason, never a silent number."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import numpy as np
import pytest

from mammorisk.errors import EvaluationError
from mammorisk.metrics.brier import brier_score
from mammorisk.metrics.calibration import calibration_intercept, calibration_slope
from mammorisk.metrics.calibration_tests import greenwood_nam_dagostino_test
from mammorisk.metrics.cancer_share import share_of_cancers
from mammorisk.metrics.censoring import fit_censoring
from mammorisk.metrics.concordance import concordance_index
from mammorisk.metrics.decision_analysis import net_benefit
from mammorisk.metrics.delong import delong_auc, delong_paired, delong_unpaired
from mammorisk.metrics.effect_size import hazard_ratio_per_sd
from mammorisk.metrics.estimate import Estimate
from mammorisk.metrics.example import example_risks
from mammorisk.metrics.expected_observed import expected_observed_ratio
from mammorisk.metrics.incidence import cumulative_incidence
from mammorisk.metrics.integrated_discrimination import discrimination_slope
from mammorisk.metrics.logarithmic_score import log_score
from mammorisk.metrics.prediction_accuracy import index_of_prediction_accuracy
from mammorisk.metrics.reclassification import net_reclassification_improvement
from mammorisk.metrics.smooth_calibration import calibration_curve
from mammorisk.metrics.subdistribution import subdistribution_hazard_ratio
from mammorisk.metrics.thresholds import classification_measure, likelihood_ratios
from mammorisk.metrics.time_dependent_auc import cumulative_dynamic_auc
from mammorisk.records.outcome import Outcome

Measure = Callable[[Outcome, np.ndarray, float], Estimate]
MEASURES: dict[str, Measure] = {
    "auc": lambda o, r, h: cumulative_dynamic_auc(o, r, h),
    "c": lambda o, r, h: concordance_index(o, r, weighting="uno", truncation=h),
    "brier": lambda o, r, h: brier_score(o, r, h),
    "ipa": lambda o, r, h: index_of_prediction_accuracy(o, r, h),
    "log": lambda o, r, h: log_score(o, r, h),
    "incidence": lambda o, r, h: cumulative_incidence(o, h),
    "e/o": lambda o, r, h: expected_observed_ratio(o, r, h),
    "intercept": lambda o, r, h: calibration_intercept(o, r, h),
    "slope": lambda o, r, h: calibration_slope(o, r, h),
    "gnd": lambda o, r, h: greenwood_nam_dagostino_test(o, r, h, groups=4),
    "sensitivity": lambda o, r, h: classification_measure(o, r, 0.03, "sensitivity", h),
    "ppv": lambda o, r, h: classification_measure(o, r, 0.03, "positive predictive value", h),
    "top": lambda o, r, h: share_of_cancers(o, r, 0.1, h),
    "net benefit": lambda o, r, h: net_benefit(o, r, 0.03, h),
    "slope of discrimination": lambda o, r, h: discrimination_slope(o, r, h),
    "hr": lambda o, r, h: hazard_ratio_per_sd(o, r),
    "subdistribution hr": lambda o, r, h: subdistribution_hazard_ratio(o, r, horizon=h),
    "npv, event-free": lambda o, r, h: classification_measure(
        o, r, 0.03, "negative predictive value", h, controls="event_free"
    ),
    "risk by strata": lambda o, r, h: cumulative_incidence(
        o, h, censoring=fit_censoring(o, strata=np.arange(len(o)) % 2)
    ),
}


def cohort(n: int = 200, **changes: object) -> dict:
    rng = np.random.default_rng(1)
    made = {
        "time": np.round(rng.uniform(0.1, 8, n), 1),
        "event": rng.choice([0, 1, 2], n, p=[0.7, 0.2, 0.1]),
    }
    return made | changes


def risks(n: int = 200) -> np.ndarray:
    return np.random.default_rng(2).uniform(0.001, 0.1, n)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize(
    "case",
    ["no events", "all events", "constant", "one time", "beyond follow-up", "one row", "ties"],
)
def test_a_number_or_a_reason(measure: str, case: str) -> None:
    data, risk, horizon = cohort(), risks(), 5.0
    if case == "no events":
        data["event"] = np.zeros(200, dtype=int)
    elif case == "all events":
        data["event"] = np.ones(200, dtype=int)
    elif case == "constant":
        risk = np.full(200, 0.02)
    elif case == "one time":
        data["time"] = np.full(200, 3.0)
    elif case == "beyond follow-up":
        horizon = 50.0
    elif case == "one row":
        data, risk = {"time": [3.0], "event": [1]}, np.array([0.02])
    else:
        data["time"], risk = np.ceil(data["time"]), np.round(risk, 2)
    made = MEASURES[measure](Outcome(**data), risk, horizon)
    assert isinstance(made, Estimate)
    if math.isnan(made.value):
        assert made.reason
        assert math.isnan(made.lower)
        assert math.isnan(made.upper)
    else:
        assert np.isfinite(made.value)
        assert not made.lower > made.value + 1e-12
        assert not made.upper < made.value - 1e-12


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"time": -1.0}, "negative"),
        ({"time": np.nan}, "missing"),
        ({"time": np.inf}, "infinite"),
        ({"event": 3}, "not 0, 1 or 2"),
        ({"event": np.nan}, "missing"),
        ({"weight": -1.0}, "negative"),
        ({"weight": np.nan}, "missing"),
        ({"entry": 99.0}, "not before"),
    ],
)
def test_faulty_outcomes_name_the_row(wrong: dict, message: str) -> None:
    data = cohort()
    data |= {"weight": np.ones(200), "entry": np.zeros(200)}
    name, value = next(iter(wrong.items()))
    column = np.array(data[name], dtype=float)
    column[7] = value
    data[name] = column
    with pytest.raises(EvaluationError, match=f"{message}.*position 7"):
        Outcome(**data)
    with pytest.raises(EvaluationError, match="every weight is zero"):
        Outcome(**cohort(weight=np.zeros(200)))


@pytest.mark.parametrize("value", [np.nan, np.inf, -0.1, 1.2, 1.7])
def test_faulty_risks_are_refused(value: float) -> None:
    outcome, risk = Outcome(**cohort()), risks()
    risk[3] = value
    for measure in ("brier", "e/o", "net benefit"):
        with pytest.raises(EvaluationError):
            MEASURES[measure](outcome, risk, 5.0)
    with pytest.raises(EvaluationError, match="shape"):
        brier_score(outcome, risks(10), 5)


@pytest.mark.parametrize("horizon", [[5], 0, -1, np.nan, np.inf, "5"])
def test_horizons_are_years(horizon: object) -> None:
    with pytest.raises(EvaluationError, match="horizon"):
        cumulative_dynamic_auc(Outcome(**cohort()), risks(), horizon)  # type: ignore[arg-type]


@pytest.mark.parametrize("cut", ["1.7%", 1.7, 0, [], [0.02, 0.02], ["a"], True])
def test_cuts_are_ascending_fractions(cut: object) -> None:
    outcome, risk, other = example_risks()
    with pytest.raises(EvaluationError, match="cuts"):
        net_reclassification_improvement(outcome, risk, other, 5, cuts=cut)  # type: ignore[arg-type]


def test_one_cut_needs_no_list() -> None:
    outcome, risk, other = example_risks()
    one = net_reclassification_improvement(outcome, risk, other, 5, cuts=0.1)
    several = net_reclassification_improvement(outcome, risk, other, 5, cuts=[0.1])
    assert one.nri.value == several.nri.value


@pytest.mark.parametrize("share", ["10%", 10, [0.1], None, True])
def test_shares_are_fractions(share: object) -> None:
    outcome, risk, _ = example_risks()
    for wrong in (
        lambda: net_benefit(outcome, risk, share, 5),  # type: ignore[arg-type]
        lambda: share_of_cancers(outcome, risk, share, 5),  # type: ignore[arg-type]
    ):
        with pytest.raises(EvaluationError, match="not between 0 and 1"):
            wrong()


def test_regressions_without_a_solution_are_silent() -> None:
    # One cancer, with the highest risk: the design is separated.
    outcome = Outcome(time=[6.0] * 99 + [1.0], event=[0] * 99 + [1])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert math.isnan(calibration_slope(outcome, np.linspace(0.01, 0.02, 100), 5).value)


def test_zero_weights_count_nowhere() -> None:
    data, risk = cohort(), risks()
    weight = np.ones(200)
    weight[:60] = 0
    whole = Outcome(**data, weight=weight)
    part = Outcome(time=data["time"][60:], event=data["event"][60:])
    # The standard deviation of a score weighs all rows or none; strata are cut elsewhere.
    for name in set(MEASURES) - {"hr", "subdistribution hr", "risk by strata"}:
        a, b = MEASURES[name](whole, risk, 5.0), MEASURES[name](part, risk[60:], 5.0)
        assert a.value == pytest.approx(b.value, rel=1e-7, nan_ok=True), name


def test_curves_without_a_solution_say_why() -> None:
    constant = calibration_curve(Outcome(**cohort()), np.full(200, 0.1), 5)
    assert math.isnan(constant.ici)
    assert constant.reason
    nothing = calibration_curve(Outcome(**cohort(event=np.zeros(200))), risks(), 5)
    assert nothing.reason == "no cancers by the horizon"


def test_no_silent_horizon() -> None:
    """Only outcomes without times may do without a horizon; parts of them too."""
    outcome, risk = Outcome(**cohort()), risks()
    with pytest.raises(EvaluationError, match="the horizon is missing"):
        cumulative_dynamic_auc(outcome, risk)
    with pytest.raises(EvaluationError, match="the horizon is missing"):
        brier_score(outcome, risk)
    binary = Outcome.binary(outcome.event == 1)
    whole = cumulative_dynamic_auc(binary, risk)
    assert whole.value == cumulative_dynamic_auc(binary, risk, 1).value
    assert brier_score(binary.take(np.arange(150)), risk[:150]).n == 150
    assert brier_score(binary.with_weight(np.arange(200)), risk).n == 199


@pytest.mark.parametrize("events", [0, 1, 2, 5, 9, 12])
@pytest.mark.parametrize("kind", ["plain", "weighted", "late entry", "clustered"])
def test_few_cancers(kind: str, events: int) -> None:
    """Under ten: exact limits or none with a reason; under two: no p value. Limits never cross."""
    rng = np.random.default_rng(events)
    time, event, risk = rng.uniform(1, 9, 200), np.zeros(200, dtype=int), risks()
    event[:events], time[:events] = 1, rng.uniform(1, 4.9, events)
    event[20:25] = 2
    # Perfect separation is what few cancers easily give.
    risk[:events] = 0.09
    options: dict[str, object] = {
        "plain": {},
        "weighted": {"weight": rng.uniform(0.5, 20, 200)},
        "late entry": {"entry": rng.uniform(0, 0.9, 200)},
        "clustered": {"cluster": np.arange(200) // 2},
    }[kind]
    outcome = Outcome(time=time, event=event, **options)  # type: ignore[arg-type]
    exact = {"incidence", "e/o"}
    for name, measure in MEASURES.items():
        made = measure(outcome, risk, 5.0)
        if math.isnan(made.value) or math.isnan(made.lower):
            assert made.reason or name == "gnd", name
            assert math.isnan(made.upper), name
        else:
            assert made.lower <= made.value + 1e-12, name
            assert made.value <= made.upper + 1e-12, name
            assert math.isfinite(made.lower), name
            assert math.isfinite(made.upper), name
            assert events >= 10 or name in exact, name
        if events < 2:
            assert math.isnan(made.p), name


def test_one_class_and_few_cases_known_for_all() -> None:
    risk = risks()
    nobody = Outcome.binary(np.zeros(200))
    for made in (
        delong_auc(nobody, risk),
        delong_paired(nobody, risk, risk[::-1]),
        delong_unpaired((nobody, risk), (nobody, risk)),
    ):
        assert math.isnan(made.value)
        assert made.reason == "there are no cases"
    few, many = (Outcome.binary(np.arange(200) < k) for k in (4, 40))
    apart = delong_unpaired((few, risk), (many, risk))
    assert math.isfinite(apart.value)
    assert math.isnan(apart.lower)
    assert math.isnan(apart.p)
    for ratio in likelihood_ratios(few, risk, 0.05):
        assert math.isnan(ratio.lower)
        assert ratio.reason is not None
    assert all(math.isfinite(ratio.lower) for ratio in likelihood_ratios(many, risk, 0.05))
