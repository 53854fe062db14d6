"""Definitions that can be chosen: controls, scales of an interval, rows written out, loess."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtri
from statsmodels.nonparametric.smoothers_lowess import lowess

from mammorisk.errors import EvaluationError
from mammorisk.metrics import (
    calibration_curve,
    classification_measure,
    cumulative_dynamic_auc,
    cumulative_incidence,
    example_risks,
    fit_censoring,
    operating_point,
    roc_curve,
)
from mammorisk.metrics.resampling import resampling_weights
from mammorisk.metrics.roc import largest_at
from mammorisk.metrics.roc_resampling import resampled_curves
from mammorisk.metrics.smoothers import loess
from mammorisk.records.outcome import Outcome
from tests.metrics.conftest import Oracle

Z = float(ndtri(0.975))


def test_specificity_and_npv_against_event_free_controls_by_counting() -> None:
    """Known for all: the definitions of Blanche 2013 are counts."""
    rng = np.random.default_rng(2)
    kind, score = rng.integers(0, 3, 400), rng.normal(size=400)
    outcome = Outcome(time=np.where(kind == 0, 9.0, rng.uniform(0.5, 5, 400)), event=kind)
    negative, free = score < 0.3, kind == 0
    expected = {
        "specificity": (negative & free).sum() / free.sum(),
        "false-positive rate": (~negative & free).sum() / free.sum(),
        "negative predictive value": (negative & free).sum() / negative.sum(),
        "sensitivity": (~negative & (kind == 1)).sum() / (kind == 1).sum(),
        "positive predictive value": (~negative & (kind == 1)).sum() / (~negative).sum(),
    }
    for measure, value in expected.items():
        made = classification_measure(
            outcome, score, 0.3, measure, 5, controls="event_free"  # type: ignore[arg-type]
        )  # fmt: skip
        assert made.value == pytest.approx(value, abs=1e-12), measure
    with pytest.raises(EvaluationError, match="controls"):
        classification_measure(outcome, score, 0.3, "specificity", 5, controls="all")  # type: ignore[arg-type]


def test_event_free_controls_under_censoring() -> None:
    """The specificity of each definition is a point of the ROC curve of that definition."""
    outcome, risk, _ = example_risks()
    for controls in ("not_case", "event_free"):
        curve = roc_curve(outcome, risk, 5, controls=controls)  # type: ignore[arg-type]
        assert curve is not None
        made = classification_measure(outcome, risk, 0.1, "specificity", 5, controls=controls)  # type: ignore[arg-type]
        at = np.flatnonzero(curve.threshold >= 0.1)[-1]
        assert made.value == pytest.approx(curve.specificity[at], abs=1e-12)
        area = np.trapezoid(curve.sensitivity, 1 - curve.specificity)
        auc = cumulative_dynamic_auc(outcome, risk, 5, controls=controls)  # type: ignore[arg-type]
        assert area == pytest.approx(auc.value, abs=1e-12)
    # Influence is the derivative in the weights.
    made = classification_measure(
        outcome, risk, 0.1, "negative predictive value", 5, controls="event_free"
    )
    assert made.influence is not None
    for i in range(0, 1000, 90):
        found = []
        for share in (1e-4, -1e-4):
            weight = outcome.weight.copy()
            weight[i] *= 1 + share
            found.append(
                classification_measure(
                    outcome.with_weight(weight), risk, 0.1, "negative predictive value", 5,
                    controls="event_free",
                ).value
            )  # fmt: skip
        slope = (found[0] - found[1]) / 2e-4
        assert made.influence[i] == pytest.approx(slope, abs=5e-3 * np.abs(made.influence).max())


def test_scales_of_a_risk(competing: Oracle) -> None:
    """R's formulas: survfit of one event acts on the survival, of several on the risk."""
    made = {
        scale: cumulative_incidence(competing.outcome, 5, scale=scale)  # type: ignore[arg-type]
        for scale in ("cloglog", "log", "logit", "identity", "log-risk", "loglog-risk")
    }
    p, se = made["identity"].value, made["identity"].se
    s = 1 - p
    low_s = np.exp(-np.exp(np.log(-np.log(s)) + np.array([1, -1]) * Z * se / (s * np.log(s))))
    logit = np.log(p / s) + np.array([-1, 1]) * Z * se / (p * s)
    expected = {
        "identity": (p - Z * se, p + Z * se),
        "log": (1 - s * np.exp(Z * se / s), 1 - s * np.exp(-Z * se / s)),
        "log-risk": (p * np.exp(-Z * se / p), p * np.exp(Z * se / p)),
        "cloglog": tuple(sorted(1 - low_s)),
        "logit": tuple(1 / (1 + np.exp(-logit))),
        "loglog-risk": tuple(
            np.exp(-np.exp(np.log(-np.log(p)) + np.array([-1, 1]) * Z * se / (p * np.log(p))))
        ),
    }
    for scale, limits in expected.items():
        assert (made[scale].lower, made[scale].upper) == pytest.approx(sorted(limits), abs=1e-12)
        assert made[scale].lower < p < made[scale].upper
    with pytest.raises(EvaluationError, match="scale"):
        cumulative_incidence(competing.outcome, 5, scale="probit")  # type: ignore[arg-type]


def _written_out(data: pd.DataFrame, pieces: int) -> pd.DataFrame:
    """Each row cut into pieces of follow-up, of which the last has the event."""
    rows = []
    for i, row in enumerate(data.itertuples()):
        start = getattr(row, "entry", 0.0)
        cuts = np.linspace(start, row.time, pieces + 1)
        for k in range(pieces):
            last = k == pieces - 1
            rows.append((cuts[k], cuts[k + 1], row.event if last else 0, row.weight, i))
    return pd.DataFrame(rows, columns=["entry", "time", "event", "weight", "woman"])


@pytest.mark.parametrize("weighted", [False, True])
def test_limits_of_rows_cut_into_pieces(competing: Oracle, weighted: bool) -> None:
    """A woman written as several rows (start, stop] is one woman, whatever the scale."""
    data = competing.data[["time", "event", "weight"]]
    if not weighted:
        data = data.assign(weight=1.0)
    cut = _written_out(data, 3)
    whole = Outcome(
        time=data["time"], event=data["event"], weight=data["weight"], cluster=np.arange(len(data))
    )
    pieces = Outcome(
        time=cut["time"], event=cut["event"], weight=cut["weight"], entry=cut["entry"],
        cluster=cut["woman"],
    )  # fmt: skip
    for scale in ("log-risk", "loglog-risk", "cloglog"):
        first = cumulative_incidence(whole, 4, scale=scale)  # type: ignore[arg-type]
        again = cumulative_incidence(pieces, 4, scale=scale)  # type: ignore[arg-type]
        assert again.value == pytest.approx(first.value, abs=1e-12)
        # Greenwood's error of independent rows and the robust one differ by a little.
        close = 1e-10 if weighted else 5e-3
        assert (again.lower, again.upper) == pytest.approx((first.lower, first.upper), rel=close)


def test_weights_are_the_rows_written_out_by_woman(competing: Oracle) -> None:
    """Three equal rows of one woman weigh as one row of weight three."""
    data = competing.data
    times = 1 + np.arange(len(data)) % 3
    weighted = Outcome(time=data["time"], event=data["event"], weight=times)
    rows = np.repeat(np.arange(len(data)), times)
    written = Outcome(
        time=data["time"].to_numpy()[rows], event=data["event"].to_numpy()[rows], cluster=rows
    )
    for scale in ("log-risk", "cloglog"):
        first = cumulative_incidence(weighted, 4, scale=scale)  # type: ignore[arg-type]
        again = cumulative_incidence(written, 4, scale=scale)  # type: ignore[arg-type]
        assert (again.value, again.lower, again.upper) == pytest.approx(
            (first.value, first.lower, first.upper), abs=1e-12
        )


def test_loess_of_degree_one(casecontrol: Oracle) -> None:
    x, y = casecontrol.data["pA"].to_numpy(), casecontrol.data["y"].to_numpy(dtype=float)
    # Cleveland's own routines (netlib dloess, by scikit-misc 0.5.3), surface="direct".
    first = [0.0847134066, 0.0771522271, 0.0922558849, 0.0680552359, 0.7552306094, 0.1326700747]
    np.testing.assert_allclose(loess(x, y, 0.75, degree=1)[:6], first, atol=1e-9)
    peer = lowess(y, x, frac=0.5, it=0, delta=0.0, return_sorted=False)
    np.testing.assert_allclose(loess(x, y, 0.5, degree=1), peer, atol=1e-9)
    # Lines are kept by degree 1, parabolas by degree 2 only.
    np.testing.assert_allclose(loess(x, 3 - 2 * x, 0.3, degree=1), 3 - 2 * x, atol=1e-10)
    assert np.abs(loess(x, x**2, 0.75, degree=1) - x**2).max() > 1e-3
    np.testing.assert_allclose(loess(x, x**2, 0.75, degree=2), x**2, atol=1e-10)
    curve = calibration_curve(casecontrol.outcome, x, method="loess", degree=1)
    assert curve.ici == pytest.approx(np.abs(loess(x, y, degree=1) - x).mean(), abs=1e-12)
    with pytest.raises(EvaluationError, match="degree"):
        loess(x, y, degree=3)


@pytest.mark.parametrize("ties", [False, True])
def test_collapsed_curves_are_those_of_all_rows(ties: bool) -> None:
    """Sensitivity and specificity at a point need the curve at the scores of cases only."""
    outcome, risk, _ = example_risks(400)
    score = np.round(risk, 2) if ties else risk
    women = Outcome(time=outcome.time, event=outcome.event, cluster=np.arange(400) // 2)
    weights = fit_censoring(women).weights(5)
    assert weights is not None
    case, order = women.is_case(5), np.argsort(-score, kind="stable")
    last = np.append(np.flatnonzero(np.diff(score[order])), 399)
    collapsed = resampled_curves(women, score, 5, weights, 20, 3)
    for times, (true, false) in zip(
        resampling_weights(women, 5, 20, 3), collapsed, strict=True
    ):  # fmt: skip
        whole_true = np.r_[0.0, np.cumsum(np.where(case, weights * times, 0)[order])[last]]
        whole_false = np.r_[0.0, np.cumsum(np.where(case, 0, weights * times)[order])[last]]
        assert len(true) < len(whole_true)
        for wanted in (0.05, 0.3, 0.77):
            first = largest_at(false / false[-1], true / true[-1], wanted)
            again = largest_at(whole_false / whole_false[-1], whole_true / whole_true[-1], wanted)
            assert first == pytest.approx(again, abs=1e-12)
            turned = [1 - part[::-1] / part[-1] for part in (true, false, whole_true, whole_false)]
            assert largest_at(turned[0], turned[1], wanted) == pytest.approx(
                largest_at(turned[2], turned[3], wanted), abs=1e-12
            )


def test_drawing_numbers_of_controls_is_drawing_controls() -> None:
    """The bootstrap of grouped rows has the spread of that of single rows."""
    outcome, risk, _ = example_risks(1500)
    grouped = operating_point(outcome, risk, 5, specificity=0.9, resamples=1500)
    # Weights that differ a little in every row leave nothing to group.
    rng = np.random.default_rng(1)
    apart = outcome.with_weight(1 + 1e-6 * rng.uniform(size=1500))
    single = operating_point(apart, risk, 5, specificity=0.9, resamples=1500)
    assert grouped.value == pytest.approx(single.value, abs=1e-3)
    assert grouped.se == pytest.approx(single.se, rel=0.08)
    assert (grouped.lower, grouped.upper) == pytest.approx((single.lower, single.upper), abs=0.02)
