"""Estimate: a number with its uncertainty, and inference from influence values."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from mammorisk._utils.typing import Floats
from mammorisk.errors import EvaluationError
from mammorisk.records.outcome import Outcome

if TYPE_CHECKING:
    import pandas as pd

#: Scale on which a normal interval is computed before it is transformed back.
Scale = Literal["identity", "log", "logit", "cloglog"]
NAN = float("nan")
#: Normal approximations are not reliable with fewer cancers.
FEWEST_EVENTS = 10


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """One estimand.

    Attributes
    ----------
    name : str
        Name of the estimand, as in the literature.
    value, se, lower, upper : float
        Estimate, standard error and interval; NaN where there is none, see ``reason``.
    n : int
        Number of rows used.
    events : int or None
        Number of cancers among them that count for the estimand.
    p : float
        Two-sided p value where there is a null value; NaN otherwise.
    influence : ndarray, shape (n_rows,), or None
        Contribution of each row to the error of the estimate. The sum over women of the squares of
        their sums is the squared standard error.
    reason : str or None
        Why there is no value, or a limitation of the value.
    ddof : int
        Degrees of freedom of the standard error from influence values; see :func:`standard_error`.
    null : float
        Value that ``p`` tests against; NaN where there is none.

    See Also
    --------
    difference : Difference of two estimates of the same women.
    estimates_table : Several estimates as a table.

    Examples
    --------
    >>> from mammorisk.metrics import example_risks, brier_score
    >>> outcome, risk, other = example_risks()
    >>> made = brier_score(outcome, risk, 5)
    >>> round(made.value, 3), made.events
    (0.086, 93)
    """

    name: str
    value: float
    se: float = NAN
    lower: float = NAN
    upper: float = NAN
    n: int
    events: int | None = None
    p: float = NAN
    influence: Floats | None = field(default=None, repr=False, compare=False)
    reason: str | None = None
    ddof: int = field(default=1, repr=False)
    null: float = NAN

    def row(self) -> dict[str, Any]:
        """The estimate as a row of a table, without its influence values."""
        return {
            "measure": self.name,
            "value": self.value,
            "se": self.se,
            "lower": self.lower,
            "upper": self.upper,
            "p": self.p,
            "null": NAN if math.isnan(self.p) else self.null,
            "n": self.n,
            "events": self.events,
            "reason": self.reason,
        }

    def __str__(self) -> str:
        if math.isnan(self.value):
            return f"{self.name}: none, {self.reason}"
        return f"{self.name}: {self.value:.4g} ({self.lower:.4g} to {self.upper:.4g})"


def estimates_table(estimates: Iterable[Estimate]) -> pd.DataFrame:
    """Estimates as a table.

    Parameters
    ----------
    estimates : iterable of Estimate

    Returns
    -------
    DataFrame
        One row for each, columns ``measure``, ``value``, ``se``, ``lower``, ``upper``, ``p``,
        ``n``, ``events``, ``reason``.

    See Also
    --------
    difference : Difference of two estimates on the same rows, with their covariance.

    Examples
    --------
    >>> from mammorisk.metrics import brier_score, estimates_table, example_risks, null_brier_score
    >>> outcome, risk, other = example_risks()
    >>> found = [brier_score(outcome, risk, 5), null_brier_score(outcome, 5)]
    >>> print(estimates_table(found)[["measure", "value", "n", "events"]].round(4).to_string())
                  measure   value     n  events
    0  Brier score at 5 y  0.0860  1000      93
    1  Brier score at 5 y  0.0887  1000      93
    """
    import pandas as pd

    return pd.DataFrame([estimate.row() for estimate in estimates])


def unavailable(name: str, reason: str, *, n: int, events: int | None = None) -> Estimate:
    """An estimate that is not available, with the reason."""
    return Estimate(name=name, value=NAN, n=n, events=events, reason=reason)


def few_events(events: int, kind: str = "cancer") -> str:
    """Why there is no interval where there are few events."""
    return (
        f"{events} {kind}{'' if events == 1 else 's'}: under {FEWEST_EVENTS} there is no "
        "reliable interval"
    )


def normal_quantile(level: float) -> float:
    """Half-width of a two-sided normal interval, in standard errors.

    Raises
    ------
    EvaluationError
        ``level`` is not between 0 and 1.
    """
    if not 0 < level < 1:
        raise EvaluationError(f"{level!r} is not a confidence level", where="level")
    return float(ndtri(0.5 + level / 2))


def two_sided_p(z: float) -> float:
    return float(2 * ndtr(-abs(z)))


def cluster_sums(influence: Floats, outcome: Outcome) -> Floats:
    """Influence values summed by woman, shape (n_women,) or (n_women, k)."""
    if not outcome.is_clustered:
        return influence
    if influence.ndim == 1:
        return np.asarray(np.bincount(outcome.cluster, influence), dtype=np.float64)
    return np.column_stack([np.bincount(outcome.cluster, column) for column in influence.T])


def standard_error(influence: Floats, outcome: Outcome, *, ddof: int = 1) -> float:
    """Standard error from influence values, by woman where rows are clustered.

    With ``ddof=1`` the influence values are centred and the variance is multiplied by m / (m - 1),
    where m is the number of women with positive weight, as in riskRegression and survey. With
    ``ddof=0`` neither is done, as in survival.
    """
    sums = cluster_sums(influence, outcome)
    m = outcome.n_independent
    if m <= ddof:
        return NAN
    squares = float(sums @ sums)
    if ddof:
        squares = max(squares - float(sums.sum()) ** 2 / m, 0.0)
    return math.sqrt(squares * m / (m - ddof))


def covariance(first: Floats, second: Floats, outcome: Outcome, *, ddof: int = 1) -> float:
    """Covariance of two estimates on the same rows, from their influence values."""
    a, b = cluster_sums(first, outcome), cluster_sums(second, outcome)
    m = outcome.n_independent
    products = float(a @ b) - ddof * float(a.sum()) * float(b.sum()) / m
    return products * m / (m - ddof)


def interval(
    value: float,
    se: float,
    *,
    level: float = 0.95,
    scale: Scale = "identity",
    bounds: tuple[float, float] = (-math.inf, math.inf),
) -> tuple[float, float]:
    """Normal interval on ``scale`` by the delta method, limited to ``bounds``."""
    z = normal_quantile(level)
    if scale == "identity" or not value > 0 or (scale != "log" and not value < 1):
        low, high = value - z * se, value + z * se
    elif scale == "log":
        factor = math.exp(z * se / value)
        low, high = value / factor, value * factor
    elif scale == "logit":
        centre, half = math.log(value / (1 - value)), z * se / (value * (1 - value))
        low, high = (1 / (1 + math.exp(-centre - side)) for side in (-half, half))
    else:
        survival = 1 - value
        half = z * se / abs(survival * math.log(survival))
        low, high = (1 - survival ** math.exp(side) for side in (-half, half))
    return max(low, bounds[0]), min(high, bounds[1])


def from_influence(
    name: str,
    value: float,
    influence: Floats,
    outcome: Outcome,
    *,
    events: int | None = None,
    null: float | None = None,
    level: float = 0.95,
    scale: Scale = "identity",
    bounds: tuple[float, float] = (-math.inf, math.inf),
    ddof: int = 1,
    reason: str | None = None,
) -> Estimate:
    """Estimate with standard error, interval and p value against ``null``.

    If the standard error is zero, the p value is NaN. With fewer than ten events there is no
    standard error, interval or p value, because they depend on a normal approximation.
    """
    normal_quantile(level)
    se = standard_error(influence, outcome, ddof=ddof)
    if events is not None and events < FEWEST_EVENTS:
        reason = few_events(events) if reason is None else f"{few_events(events)}; {reason}"
        se = low = high = p = NAN
    else:
        low, high = interval(value, se, level=level, scale=scale, bounds=bounds)
        p = NAN if null is None or not se > 0 else two_sided_p((value - null) / se)
    return Estimate(
        name=name,
        value=float(value),
        se=se,
        lower=low,
        upper=high,
        n=int((outcome.weight > 0).sum()),
        events=events,
        p=p,
        influence=influence,
        reason=reason,
        ddof=ddof,
        null=NAN if null is None else null,
    )


def difference(
    first: Estimate, second: Estimate, outcome: Outcome, *, level: float = 0.95
) -> Estimate:
    """Difference of two estimates on the same rows, with their covariance.

    Parameters
    ----------
    first, second : Estimate
        With influence values over the rows of ``outcome``.
    outcome : Outcome
    level : float
        Confidence level of the interval.

    Returns
    -------
    Estimate
        ``first`` minus ``second``; p against 0. NaN with a reason where one of them is not
        available.

    See Also
    --------
    delong_paired : Difference of the AUC of two scores of the same women.

    Examples
    --------
    >>> from mammorisk.metrics import cumulative_dynamic_auc, difference, example_risks
    >>> outcome, risk, other = example_risks()
    >>> own = cumulative_dynamic_auc(outcome, risk, 5)
    >>> theirs = cumulative_dynamic_auc(outcome, other, 5)
    >>> print(difference(own, theirs, outcome))
    difference of AUC at 5 y: 0.0268 (-0.01317 to 0.06676)
    """
    name = f"difference of {first.name}"
    if first.influence is None or second.influence is None:
        reason = first.reason if first.influence is None else second.reason
        return unavailable(name, reason or "no influence values", n=first.n, events=first.events)
    made = from_influence(
        name,
        first.value - second.value,
        first.influence - second.influence,
        outcome,
        events=first.events,
        null=0.0,
        level=level,
        ddof=first.ddof,
    )
    if made.se == 0:
        return replace(made, reason="the scores order all women alike")
    return made


def check_risk(outcome: Outcome, risk: Any, *, probability: bool = False) -> Floats:
    """Check scores and return them as an array with one value for each row of the outcome.

    Parameters
    ----------
    risk : array_like of float, shape (n,)
        Any score that orders the rows, higher for more risk; with ``probability`` in [0, 1].

    Raises
    ------
    EvaluationError
        The shape is another one, values are missing or infinite, or probabilities are outside [0,
        1].
    """
    try:
        values: NDArray[np.float64] = np.asarray(risk, dtype=np.float64)
    except (TypeError, ValueError):
        raise EvaluationError("the values are not numbers", where="risk") from None
    # If rows represent several women, there may be one score for each row.
    values = outcome.written_out(values)
    if values.shape != (len(outcome),):
        raise EvaluationError(
            f"risks of shape {values.shape} for {len(outcome)} rows of outcome", where="risk"
        )
    faulty = ~np.isfinite(values)
    if faulty.any():
        raise EvaluationError(
            f"{int(faulty.sum())} risks are missing or infinite, the first at position "
            f"{int(np.argmax(faulty))}",
            where="risk",
            remedy="Leave these rows out (Outcome.take) and report how many.",
        )
    if probability and ((values < 0) | (values > 1)).any():
        raise EvaluationError(
            f"{int(((values < 0) | (values > 1)).sum())} risks are outside [0, 1]",
            where="risk",
            remedy="This measure needs probabilities; divide percentages by 100.",
        )
    return values


def check_horizon(horizon: float | None, outcome: Outcome | None = None) -> float:
    """Check the horizon and return it in years; the default for binary outcomes is 1.

    Raises
    ------
    EvaluationError
        The horizon is not a positive finite number, or is missing for an outcome with times.
    """
    if horizon is None:
        if outcome is not None and outcome.is_binary:
            return 1.0
        raise EvaluationError(
            "the horizon is missing",
            where="horizon",
            remedy="Give it in years; only outcomes of Outcome.binary need none.",
        )
    if (
        isinstance(horizon, bool)
        or not isinstance(horizon, (int, float, np.number))
        or not 0 < horizon < math.inf
    ):
        raise EvaluationError(
            f"{horizon!r} is not a horizon in years",
            where="horizon",
            remedy="Give one number of years, such as 5.",
        )
    return float(horizon)


def check_fraction(value: float, name: str) -> float:
    """Check a share, probability or threshold in (0, 1) and return it.

    Raises
    ------
    EvaluationError
        The value is not a number between 0 and 1, such as 1.7 for 1.7%.
    """
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float, np.number))
        or not 0 < value < 1
    ):
        raise EvaluationError(
            f"{value!r} is not between 0 and 1",
            where=name,
            remedy="Give a fraction: 1.7% is 0.017.",
        )
    return float(value)
