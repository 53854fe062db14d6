"""Tests of calibration."""

from __future__ import annotations

import numpy as np
from scipy import stats

from mammorisk._utils.typing import Floats
from mammorisk.errors import EvaluationError
from mammorisk.metrics.calibration import _fit
from mammorisk.metrics.calibration_groups import calibration_by_group, risk_groups
from mammorisk.metrics.estimate import (
    Estimate,
    check_horizon,
    check_risk,
    two_sided_p,
    unavailable,
)
from mammorisk.metrics.links import logit
from mammorisk.records.outcome import Outcome


def spiegelhalter_z(outcome: Outcome, risk: Floats, horizon: float | None = None) -> Estimate:
    """Spiegelhalter's z: test of whether the Brier score is that of calibrated risks.

    Parameters
    ----------
    outcome : Outcome
        Unweighted; the outcome by the horizon is known for all rows.
    risk : array_like, shape (n,)
        Predicted risk by the horizon, in [0, 1].
    horizon : float, optional
        Years; needed unless the outcome is from :meth:`Outcome.binary`.

    Returns
    -------
    Estimate
        z and its two-sided p value. NaN with a reason where the test does not apply.

    See Also
    --------
    recalibration_test : Likelihood-ratio tests of calibration intercept 0 and slope 1.
    brier_score

    References
    ----------
    Spiegelhalter 1986, doi 10.1002/sim.4780050506.

    Examples
    --------
    >>> from mammorisk.records.outcome import Outcome
    >>> from mammorisk.metrics import example_risks, spiegelhalter_z
    >>> outcome, risk, other = example_risks()
    >>> known = Outcome.binary(outcome.is_case(5))
    >>> made = spiegelhalter_z(known, risk)
    >>> print(round(made.value, 2), round(made.p, 3))
    -1.27 0.204
    """
    values = check_risk(outcome, risk, probability=True)
    year = check_horizon(horizon, outcome)
    n = len(outcome)
    if not outcome.is_complete(year) or outcome.is_weighted:
        return unavailable("Spiegelhalter z", "needs unweighted outcomes known for all", n=n)
    case = outcome.is_case(year)
    if case.sum() < 2:
        told = "no cancers" if not case.any() else "one cancer"
        return unavailable("Spiegelhalter z", told, n=n, events=int(case.sum()))
    top = float(((case - values) * (1 - 2 * values)).sum())
    below = float(((1 - 2 * values) ** 2 * values * (1 - values)).sum())
    if not below > 0:
        return unavailable("Spiegelhalter z", "risks are 0, 1/2 or 1 throughout", n=n)
    z = top / below**0.5
    return Estimate(name="Spiegelhalter z", value=z, n=n, events=int(case.sum()), p=two_sided_p(z))


def recalibration_test(
    outcome: Outcome, risk: Floats, horizon: float | None = None
) -> dict[str, float]:
    """Likelihood-ratio tests of calibration intercept 0 and slope 1.

    Parameters
    ----------
    outcome : Outcome
        Independent, unweighted rows whose outcome by the horizon is known.
    risk : array_like, shape (n,)
        Predicted risk by the horizon, in [0, 1].
    horizon : float, optional
        Years; needed unless the outcome is from :meth:`Outcome.binary`.

    Returns
    -------
    dict
        ``chi2`` and ``p`` of the joint test (2 degrees of freedom; "U" of val.prob in rms), and
        ``chi2_intercept`` and ``chi2_slope`` of the two tests in sequence.

    Raises
    ------
    EvaluationError
        Weighted, clustered or censored outcomes.

    See Also
    --------
    calibration_intercept
    calibration_slope
    spiegelhalter_z

    References
    ----------
    Miller 1991, doi 10.1002/sim.4780100805.

    Examples
    --------
    >>> from mammorisk.records.outcome import Outcome
    >>> from mammorisk.metrics import example_risks, recalibration_test
    >>> outcome, risk, other = example_risks()
    >>> known = Outcome.binary(outcome.is_case(5))
    >>> print({name: round(value, 3) for name, value in recalibration_test(known, risk).items()})
    {'chi2': 2.638, 'p': 0.267, 'chi2_intercept': 2.205, 'chi2_slope': 0.434}
    """
    values = check_risk(outcome, risk, probability=True)
    year = check_horizon(horizon, outcome)
    if not outcome.is_complete(year) or outcome.is_weighted or outcome.is_clustered:
        raise EvaluationError(
            "likelihood-ratio tests need independent, unweighted rows whose outcome is known",
            where="outcome",
        )
    case = outcome.is_case(year)
    predictor = logit(values)
    as_given = float(
        np.where(case, -np.logaddexp(0, -predictor), -np.logaddexp(0, predictor)).sum()
    )
    shifted = _fit(outcome, values, year, "logistic", None, slope=False).log_likelihood
    both = _fit(outcome, values, year, "logistic", None, slope=True).log_likelihood
    chi2 = 2 * (both - as_given)
    return {
        "chi2": chi2,
        "p": float(stats.chi2.sf(chi2, 2)),
        "chi2_intercept": 2 * (shifted - as_given),
        "chi2_slope": 2 * (both - shifted),
    }


def greenwood_nam_dagostino_test(
    outcome: Outcome,
    risk: Floats,
    horizon: float,
    *,
    groups: int = 10,
    variance: str = "greenwood",
) -> Estimate:
    """Test of calibration by groups under censoring.

    Parameters
    ----------
    outcome : Outcome
    risk : array_like, shape (n,)
        In [0, 1].
    horizon : float
        Years; needed unless the outcome is from :meth:`Outcome.binary`.
    groups : int
    variance : {"greenwood", "binomial"}
        ``"greenwood"``: Demler 2015. ``"binomial"``: D'Agostino and Nam 2003, n p (1 - p).

    Returns
    -------
    Estimate
        Chi-squared, its p value on groups - 1 degrees of freedom. NaN with a reason where a group
        has fewer than two cancers, or its risk cannot be estimated.

    See Also
    --------
    hosmer_lemeshow_test : Hosmer-Lemeshow test; kept for comparison with older tables only.
    calibration_by_group : Mean predicted and observed risk by groups of predicted risk.

    References
    ----------
    Demler, Paynter, Cook 2015, doi 10.1002/sim.6428.

    Examples
    --------
    >>> from mammorisk.metrics import example_risks, greenwood_nam_dagostino_test
    >>> outcome, risk, other = example_risks()
    >>> made = greenwood_nam_dagostino_test(outcome, risk, 5)
    >>> print(round(made.value, 2), round(made.p, 3))
    3.95 0.914
    """
    name = "Greenwood-Nam-D'Agostino chi2" if variance == "greenwood" else "Nam-D'Agostino chi2"
    table = calibration_by_group(outcome, risk, horizon, groups=groups)
    n, events = int(table["n"].sum()), int(table["cancers"].sum())
    if len(table) < 2:
        return unavailable(name, "risks do not form two groups", n=n, events=events)
    if table["observed"].isna().any():
        return unavailable(
            name, "the follow-up of a group ends before the horizon", n=n, events=events
        )
    if variance == "greenwood" and (table["cancers"] < 2).any():
        return unavailable(
            name, "a group has fewer than two cancers; use fewer groups", n=n, events=events
        )
    apart = (table["observed"] - table["expected"]) ** 2
    if variance == "greenwood":
        spread = table["se"] ** 2
    else:
        spread = table["expected"] * (1 - table["expected"]) / table["n"]
    chi2 = float((apart / spread).sum())
    return Estimate(
        name=name, value=chi2, n=n, events=events, p=float(stats.chi2.sf(chi2, len(table) - 1))
    )


def hosmer_lemeshow_test(
    outcome: Outcome,
    risk: Floats,
    horizon: float | None = None,
    *,
    groups: int = 10,
    development: bool = False,
) -> Estimate:
    """Hosmer-Lemeshow test; kept for comparison with older tables only.

    Its result depends on the groups and on the size of the sample: it does not show that risks are
    calibrated, or how they are miscalibrated (Van Calster 2019, doi 10.1186/s12916-019-1466-7).

    Parameters
    ----------
    outcome : Outcome
        Unweighted; the outcome by the horizon is known for all rows.
    risk : array_like, shape (n,)
        Predicted risk by the horizon, in [0, 1].
    horizon : float, optional
        Years; needed unless the outcome is from :meth:`Outcome.binary`.
    groups : int
        Number of groups.
    development : bool
        Subtract two degrees of freedom, for the data a model was fitted on.

    Returns
    -------
    Estimate
        Chi-squared and its p value. NaN with a reason where the test does not apply.

    See Also
    --------
    greenwood_nam_dagostino_test : Test of calibration by groups under censoring.
    calibration_curve : Smooth observed risk over predicted risk.

    References
    ----------
    Hosmer and Lemeshow 1980, doi 10.1080/03610928008827941.

    Examples
    --------
    >>> from mammorisk.records.outcome import Outcome
    >>> from mammorisk.metrics import example_risks, hosmer_lemeshow_test
    >>> outcome, risk, other = example_risks()
    >>> known = Outcome.binary(outcome.is_case(5))
    >>> made = hosmer_lemeshow_test(known, risk)
    >>> print(round(made.value, 2), round(made.p, 3))
    4.89 0.899
    """
    year = check_horizon(horizon, outcome)
    values = check_risk(outcome, risk, probability=True)
    n = len(outcome)
    if not outcome.is_complete(year) or outcome.is_weighted:
        return unavailable("Hosmer-Lemeshow chi2", "needs unweighted outcomes known for all", n=n)
    events = int(outcome.is_case(year).sum())
    if events < 2:
        told = "no cancers" if events == 0 else "one cancer"
        return unavailable("Hosmer-Lemeshow chi2", told, n=n, events=events)
    code = risk_groups(values, outcome.weight, groups)
    size = np.bincount(code, minlength=groups).astype(float)
    observed = np.bincount(code, outcome.is_case(year), minlength=groups)
    expected = np.bincount(code, values, minlength=groups)
    there = size > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = (observed - expected) ** 2 / (expected * (1 - expected / size))
    chi2, count = float(terms[there].sum()), int(there.sum())
    freedom = count - 2 if development else count
    if not np.isfinite(chi2) or freedom < 1:
        return unavailable("Hosmer-Lemeshow chi2", "a group expects nothing", n=n)
    return Estimate(
        name="Hosmer-Lemeshow chi2",
        value=chi2,
        n=n,
        events=int(observed.sum()),
        p=float(stats.chi2.sf(chi2, freedom)),
    )
