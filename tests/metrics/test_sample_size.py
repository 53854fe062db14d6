"""Sample sizes of validation studies against published worked examples and by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import expit, ndtri

from mammorisk.errors import EvaluationError
from mammorisk.metrics import auc, calibration_slope, expected_observed_ratio
from mammorisk.metrics import validation_sample_size as size
from mammorisk.metrics.sample_size_simulation import cause_specific_rate
from mammorisk.records.outcome import Outcome

NORMAL = ndtri((np.arange(100_000) + 0.5) / 100_000)
Z = float(ndtri(0.975))


def _needed(table: object) -> dict[str, int]:
    return dict(zip(table["measure"], table["n"], strict=True))  # type: ignore[index]


def test_heart_valve_example_of_riley_2021() -> None:
    """Prevalence 0.018, C 0.8, logit normal (-5, 2.5), O/E interval of width 1.

    pmvalsampsize prints 905 (its search for the standard error stops at a multiple of 0.0001), 4544
    (from a million simulated women), 4252 and, for a threshold of 5%, 8070 (simulated as well).
    """
    needed = _needed(
        size(expit(-5 + 2.5 * NORMAL), mean_risk=0.018, auc=0.8, oe_width=1, threshold=0.05)
    )
    assert needed["O/E"] == pytest.approx(905, abs=1)
    assert needed["calibration slope"] == pytest.approx(4544, rel=0.005)
    assert needed["AUC"] == 4252
    assert needed["standardised net benefit"] == pytest.approx(8070, rel=0.005)


def test_example_of_a_share_of_one_fifth() -> None:
    """pmvalsampsize for prevalence 0.2, C 0.78, logit normal (-1.75, 1.22), threshold 10%."""
    needed = _needed(size(expit(-1.75 + 1.22 * NORMAL), mean_risk=0.2, auc=0.78, threshold=0.1))
    # A standard error rounded up to 0.0510 gives 1538; 0.05094 is what the width asks for.
    assert needed["O/E"] == pytest.approx(1538, rel=0.003)
    assert needed["calibration slope"] == pytest.approx(2958, rel=0.003)
    assert needed["AUC"] == 511
    assert needed["standardised net benefit"] == pytest.approx(349, abs=2)


@pytest.mark.parametrize(
    ("mean", "c", "se", "expected"),
    [
        # sampsizeval(p=0.057, c=0.77, se_c=0.025, se_cs=0.15, se_cl=0.15) of its own tests
        (0.057, 0.77, 0.15, {"AUC": 1599, "calibration slope": 934, "calibration intercept": 897}),
        # sampsizeval(p=0.1, c=0.75, se_c=0.025, se_cs=0.1, se_cl=0.1) of its README
        (0.1, 0.75, 0.1, {"calibration slope": 1536}),
    ],
)
def test_examples_of_pavlou_2021(mean: float, c: float, se: float, expected: dict) -> None:
    # Equations 7 and 8: the normal distribution of the logit of risk.
    within = math.sqrt(2) * float(ndtri(c))
    centre = 0.5 * (2 * mean - 1) * within**2 + math.log(mean / (1 - mean))
    spread = math.sqrt(within**2 * (1 + mean * (1 - mean) * within**2))
    needed = _needed(
        size(
            expit(centre + spread * NORMAL), mean_risk=mean, auc=c, auc_variance="binormal",
            slope_width=2 * Z * se, intercept_width=2 * Z * se, auc_width=2 * Z * 0.025,
        )
    )  # fmt: skip
    for name, n in expected.items():
        assert needed[name] == pytest.approx(n, abs=1)


@pytest.mark.parametrize(("n", "se"), [(5000, 0.08738), (4000, 0.09745)])
def test_venous_thromboembolism_example_of_riley_2022(n: int, se: float) -> None:
    """Standard error of the calibration slope in simulated studies of n, from the paper's script.

    Linear predictor normal (0, 0.699), baseline rate 0.052, lost at a rate of 0.418, three years.
    The script's own means are over 50 studies.
    """
    risk = -np.expm1(-0.052 * 3 * np.exp(0.699 * NORMAL))
    found = size(
        risk, horizon=3, censored=-math.expm1(-0.418 * 3), slope_width=2 * Z * se,
        oe_width=None, auc_width=None,
    )  # fmt: skip
    assert found["n"].item() == pytest.approx(n, rel=0.06)


def test_simulation_agrees_with_the_formulas_where_all_is_known() -> None:
    options = {"mean_risk": 0.2, "auc": 0.78, "threshold": 0.1, "auc_variance": "distribution"}
    formulas = size(**options, intercept_width=0.2)  # type: ignore[arg-type]
    simulated = size(**options, intercept_width=0.2, method="simulation")  # type: ignore[arg-type]
    assert formulas["measure"].tolist() == simulated["measure"].tolist()
    # The intercept and slope of the simulation are on the logit too, as nothing is censored.
    np.testing.assert_allclose(simulated["n"], formulas["n"], rtol=0.04)
    np.testing.assert_allclose(simulated["expected"], formulas["expected"], atol=0.02)


def test_a_study_of_the_size_has_intervals_of_the_width() -> None:
    risk = expit(-3 + 0.9 * NORMAL[::10])
    options = {"horizon": 5, "censored": 0.4, "competing": 0.05}
    table = size(risk, **options, oe_width=0.3, slope_width=0.5, auc_width=0.1)
    n = int(table["n"].max())
    rng = np.random.default_rng(3)
    widths: dict[str, list[float]] = {"O/E": [], "calibration slope": [], "AUC": []}
    for _ in range(20):
        drawn = rng.choice(risk, n)
        death = -math.log1p(-0.05) / 5
        cancer = rng.exponential(size=n) / cause_specific_rate(drawn, death, 5)
        times = np.column_stack([
            np.minimum(rng.exponential(size=n) / (-math.log1p(-0.4) / 5), 8),
            cancer,
            rng.exponential(size=n) / death,
        ])  # fmt: skip
        outcome = Outcome(time=times.min(axis=1), event=times.argmin(axis=1))
        for name, made in (
            ("O/E", expected_observed_ratio(outcome, drawn, 5, ratio="O/E")),
            ("calibration slope", calibration_slope(outcome, drawn, 5)),
            ("AUC", auc(outcome, drawn, 5)),
        ):
            widths[name].append(made.upper - made.lower)
    for row in table.itertuples():
        expected = row.width * math.sqrt(row.n / n)
        assert np.mean(widths[row.measure]) == pytest.approx(expected, rel=0.1)


def test_censoring_and_deaths_ask_for_more_women() -> None:
    risk = expit(-2 + NORMAL[::10])
    whole = size(risk, method="simulation", women=50_000)["n"]
    lost = size(risk, censored=0.5, women=50_000)
    assert (lost["n"] > 1.1 * whole).all()
    assert (lost["method"] == "simulation").all()
    # The risk by the horizon is the same beside deaths.
    rate = cause_specific_rate(risk, 0.03, 5)
    both = rate + 0.03
    np.testing.assert_allclose(rate / both * -np.expm1(-5 * both), risk, rtol=1e-10)


def test_the_assumed_distribution_has_the_mean_and_auc() -> None:
    table = size(mean_risk=0.015, auc=0.66, auc_variance="distribution")
    again = size(mean_risk=0.015, auc=0.66)
    row = table.set_index("measure").loc["AUC"]
    assert row["expected"] == 0.66
    # Newcombe's formula is close to that of a normal distribution.
    assert row["n"] == pytest.approx(again.set_index("measure").loc["AUC", "n"], rel=0.1)
    assert row["cancers"] == round(row["n"] * 0.015)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, "distribution of risks is missing"),
        ({"mean_risk": 0.1}, "distribution of risks is missing"),
        ({"mean_risk": 1.2, "auc": 0.7}, "mean_risk"),
        ({"mean_risk": 0.1, "auc": 0.4}, "auc"),
        ({"risk": [0.1, 1.7]}, "risks must be"),
        ({"risk": [0.1, 0.1]}, "same risk"),
        ({"risk": ["a", "b"]}, "not numbers"),
        ({"mean_risk": 0.1, "auc": 0.7, "censored": 1.0}, "not a share"),
        ({"mean_risk": 0.1, "auc": 0.7, "auc_width": 0.0}, "not a width"),
        ({"mean_risk": 0.1, "auc": 0.7, "threshold": 1.7}, "threshold"),
        ({"mean_risk": 0.1, "auc": 0.7, "censored": 0.2, "method": "closed-form"}, "formulas"),
        ({"mean_risk": 0.001, "auc": 0.7, "censored": 0.2, "women": 2000}, "fewer than 100"),
    ],
)
def test_what_is_refused(options: dict, told: str) -> None:
    with pytest.raises(EvaluationError, match=told):
        size(**options)
