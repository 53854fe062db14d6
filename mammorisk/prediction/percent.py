"""Text of risks and horizons, the same in every output."""

from __future__ import annotations

#: Shown where there is no risk.
NO_RISK = "–"


def percent_digits(risk: float) -> str:
    """Return a risk in percent with two decimals, without the sign.

    Examples
    --------
    >>> from mammorisk.prediction.percent import percent_digits
    >>> percent_digits(0.018)
    '1.80'
    """
    return f"{100 * risk:.2f}"


def percent(risk: float) -> str:
    """Return a risk in percent with two decimals and the sign; a dash if it is NaN."""
    return NO_RISK if risk != risk else f"{percent_digits(risk)}%"


def horizon_name(horizon: object) -> str:
    """Return the short name of a horizon: ``"5 y"`` or ``"lifetime"``."""
    return f"{horizon:g} y" if isinstance(horizon, (int, float)) else str(horizon)
