"""Detection of implausible rates: another unit, another sex, or mixed-up columns.

Nothing is changed. Each doubt states its evidence.
"""

from __future__ import annotations

from mammorisk.clinical.rates import Rates, sum_of_hazards
from mammorisk.clinical.rates_library import load_rates

#: The set and group with which others are compared: white US women of 1992-1996.
_COMPARED_WITH, _GROUP = "white_1992_1996", "white"
#: Between these ages, years.
_FROM, _TO = 30, 75
#: Ratios of cumulative hazards beyond which a table is doubted. Assumptions, wide enough for
#: countries of low incidence and of high mortality, and narrow enough for a unit mistaken by 100.
_INCIDENCE_RATIO = (1 / 30, 3.0)
_MORTALITY_RATIO = (1 / 5, 12.0)
#: Between these two ages incidence and mortality rise in every population.
_YOUNGER, _OLDER = 35, 65


def doubt_rates(rates: Rates) -> tuple[str, ...]:
    """Find rates that are implausible in size or shape.

    Parameters
    ----------
    rates : Rates

    Returns
    -------
    tuple of str
        One sentence per doubt, with the evidence; empty if there is none.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from mammorisk.clinical import load_rates
    >>> from mammorisk.clinical.rates_checks import doubt_rates
    >>> rates = load_rates("icare_lit")
    >>> doubt_rates(rates)
    ()
    >>> tenth = tuple(tuple(one / 100 for one in row) for row in rates.incidence)
    >>> doubt_rates(replace(rates, incidence=tenth))[0][:58]
    'incidence from 30 to 75 adds up to 0.13%, 0.012 times that'
    """
    yearly = rates.yearly
    low, end = max(_FROM, rates.first_age), min(_TO, rates.end_age)
    found: list[str] = []
    if end > low:
        other = load_rates(_COMPARED_WITH)
        row = other.groups.index(_GROUP)
        low = max(low, other.first_age)
        theirs = [float(one[row]) for one in sum_of_hazards(other, low, end)]
        ours = sum_of_hazards(rates, low, end)
        for name, values, reference, (least, most) in (
            ("incidence", ours[0], theirs[0], _INCIDENCE_RATIO),
            ("mortality", ours[1], theirs[1], _MORTALITY_RATIO),
        ):
            for group, value in zip(rates.groups, values, strict=True):
                ratio = float(value) / reference
                if not least <= ratio <= most:
                    whose = "" if len(rates.groups) == 1 else f" of {group}"
                    found.append(
                        f"{name}{whose} from {low} to {end} adds up to {100 * value:.3g}%, "
                        f"{ratio:.2g} times that of US women in 1992-1996 ({100 * reference:.3g}%):"
                        " check per and kind"
                    )
    if rates.first_age <= _YOUNGER and rates.end_age > _OLDER:
        places = [age - yearly.first_age for age in (_YOUNGER, _OLDER)]
        for name, table in (("incidence", yearly.cause), ("mortality", yearly.other)):
            falls = table[:, places[1]] <= table[:, places[0]]
            if falls.any():
                group = rates.groups[int(falls.argmax())]
                whose = "" if len(rates.groups) == 1 else f" of {group}"
                found.append(
                    f"{name}{whose} is not higher at {_OLDER} than at {_YOUNGER}: "
                    "check the columns and the ages"
                )
    return tuple(found)
