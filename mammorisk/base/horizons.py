"""Horizons of a risk: the type, the default and the check."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from numbers import Real
from typing import Literal

from mammorisk.errors import HorizonError

#: A horizon in years, or ``"lifetime"`` (to age 90, or to the last age the model's data reach).
Horizon = float | Literal["lifetime"]

#: The years at which fitted models answer.
YEARS: tuple[int, ...] = (1, 2, 3, 4, 5)
DEFAULT_HORIZONS: tuple[Horizon, ...] = YEARS


def check_horizons(horizons: Sequence[Horizon] | Horizon) -> tuple[Horizon, ...]:
    """Check horizons and return them as a tuple.

    Parameters
    ----------
    horizons : float, "lifetime" or sequence of them
        Years above 0.

    Returns
    -------
    tuple of float or "lifetime"

    Raises
    ------
    HorizonError
        A value is neither a number of years nor ``"lifetime"``, a value appears twice, or there
        is no value.

    Examples
    --------
    >>> from mammorisk.base import check_horizons
    >>> check_horizons(5), check_horizons([1, "lifetime"])
    ((5,), (1, 'lifetime'))
    """
    several = isinstance(horizons, Iterable) and not isinstance(horizons, str)
    wanted: tuple[Horizon, ...] = tuple(horizons) if several else (horizons,)  # type: ignore[arg-type, assignment]
    for horizon in wanted:
        if isinstance(horizon, str) and horizon == "lifetime":
            continue
        is_number = isinstance(horizon, Real) and not isinstance(horizon, bool)
        if not is_number or not 0 < horizon < 130:
            raise HorizonError(
                f"{horizon!r} is not a horizon",
                remedy='Give years above 0, or "lifetime".',
            )
    if not wanted:
        raise HorizonError("no horizon was given", remedy="Give at least one, in years.")
    if len(set(wanted)) < len(wanted):
        raise HorizonError("a horizon appears twice", remedy="Give each horizon once.")
    return wanted
