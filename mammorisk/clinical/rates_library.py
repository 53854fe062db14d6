"""The sets of rates in the package, by name."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mammorisk._utils.typing import Floats
from mammorisk.clinical.rates import EVERYONE, Rates
from mammorisk.clinical.tables import load_table
from mammorisk.errors import RatesError
from mammorisk.records.questionnaire_fields import CATEGORIES

if TYPE_CHECKING:
    import pandas as pd


class _About(NamedTuple):
    """Description of a set; the numbers are in the constants of the models."""

    years: str
    used_by: str
    source: str
    licence: str


_BCRAT_OTHERS = (
    "other groups as in BCRAT: doi:10.1093/jnci/djm223, 10.1093/jnci/djr154, 10.1093/jnci/djw215"
)
_US = "US government statistics (SEER, NCHS), public domain; published constants"
_SETS: dict[str, _About] = {
    "bcrat": _About(
        "1983-1987 (white), 1988-2004 (others)",
        "bcrat",
        f"SEER and NCHS, doi:10.1093/jnci/91.18.1541; {_BCRAT_OTHERS}",
        _US,
    ),
    "white_1992_1996": _About(
        "1992-1996 (white), 1988-2004 (others)",
        "average, density-only",
        f"SEER and NCHS, average rates of BCRAT (R package BCRA 2.1.2); {_BCRAT_OTHERS}",
        _US,
    ),
    "white_1995_2003": _About(
        "1995-2003 (white), 1988-2004 (others)",
        "",
        f"SEER and NCHS, in the R package BCRA 2.1.2 and not used by it; {_BCRAT_OTHERS}",
        _US,
    ),
    "icare_lit": _About(
        "not stated by the source",
        "icare-lit",
        "US white women, files of iCARE-Lit distributed with py-icare, doi:10.1093/jnci/djz113",
        "MIT (py-icare)",
    ),
    "bcsc_2008": _About(
        "see the paper of 2008",
        "bcsc-2008",
        "US incidence and mortality as curves, doi:10.7326/0003-4819-148-5-200803040-00004; Asian "
        "mortality corrected",
        _US,
    ),
}
#: Names of the sets.
RATE_SETS: tuple[str, ...] = tuple(_SETS)

#: Groups of BCRAT whose white rates the named sets replace.
_WHITE_RATED = ("white", "native_american_other")
_BAND_YEARS, _BCRAT_FROM = 5, 20


def rates() -> pd.DataFrame:
    """List the sets of rates in the package.

    Returns
    -------
    DataFrame
        Indexed by name: ``years``, ``ages`` (first to last birthday), ``groups`` (number),
        ``deaths`` (that the mortality counts), ``used_by`` (models whose default they are),
        ``source`` and ``licence``.

    See Also
    --------
    mammorisk.read_rates : Reads your own rates.
    mammorisk.clinical.load_rates : Loads a set by name.

    Notes
    -----
    All sets are of women in the United States. Every set can be used with every model that takes
    rates, for example ``mr.load_model("icare-lit", rates="white_1995_2003")``.

    Examples
    --------
    >>> import mammorisk as mr
    >>> mr.rates().loc["icare_lit", ["ages", "deaths"]].tolist()
    ['1-81', 'all causes']
    """
    import pandas as pd

    rows = []
    for name, about in _SETS.items():
        found = load_rates(name)
        rows.append(
            {
                "name": name,
                "years": about.years,
                "ages": f"{found.first_age}-{found.end_age}",
                "groups": len(found.groups),
                "deaths": found.deaths,
                "used_by": about.used_by,
                "source": about.source,
                "licence": about.licence,
            }
        )
    return pd.DataFrame(rows).set_index("name")


@cache
def load_rates(name: str) -> Rates:
    """Load a set of rates by name.

    Parameters
    ----------
    name : str
        A name listed by :func:`mammorisk.rates`.

    Returns
    -------
    Rates

    Raises
    ------
    RatesError
        There is no such set.

    See Also
    --------
    mammorisk.rates : Lists the sets.
    mammorisk.read_rates : Reads your own.

    Examples
    --------
    >>> from mammorisk.clinical import load_rates
    >>> load_rates("icare_lit")
    <Rates icare_lit (not stated by the source); mortality of all causes: ages 1 to 81, one group>
      source: US white women, files of iCARE-Lit distributed with py-icare, doi:10.1093/jnci/djz113
      licence: MIT (py-icare)
    """
    if name not in _SETS:
        raise RatesError(
            f"there are no rates {name!r}",
            remedy=f"One of: {', '.join(RATE_SETS)}; or your own, from mr.read_rates.",
        )
    about = _SETS[name]
    if name == "icare_lit":
        table = load_table("icare_lit")
        return Rates(
            name=name,
            incidence=(tuple(table["incidence"]),),
            mortality=(tuple(table["mortality"]),),
            incidence_from=table["incidence_from_age"],
            mortality_from=table["mortality_from_age"],
            deaths="all causes",
            source=about.source,
            years=about.years,
            licence=about.licence,
        )
    groups, incidence, mortality = _bcsc() if name == "bcsc_2008" else _bcrat(name)
    first = _BCSC_AGES[0] if name == "bcsc_2008" else _BCRAT_FROM
    return Rates(
        name=name,
        incidence=_rows(incidence),
        mortality=_rows(mortality),
        incidence_from=first,
        mortality_from=first,
        groups=groups,
        rest="white women",
        source=about.source,
        years=about.years,
        licence=about.licence,
    )


def _rows(values: list[Floats]) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(float(value) for value in row) for row in values)


def _bcrat(name: str) -> tuple[tuple[str, ...], list[Floats], list[Floats]]:
    """Rates of the groups of BCRAT by race answer; native American and other women, and women of
    unknown race, have those of white women."""
    table = load_table("bcrat")
    known = table["groups"]
    incidence, mortality = [], []
    groups = (*(one for one in CATEGORIES["race_ethnicity"] if one in known), EVERYONE)
    for group in groups:
        own = "native_american_other" if group == EVERYONE else group
        source = known[own]
        if name != "bcrat" and own in _WHITE_RATED:
            source = table["white_rates"][name]
        incidence.append(np.repeat(source["incidence"], _BAND_YEARS))
        mortality.append(np.repeat(source["competing_mortality"], _BAND_YEARS))
    return groups, incidence, mortality


#: Ages from which and to which the published curves are used: entry from 35 to 79, and five years.
_BCSC_AGES = (35, 85)
_BCSC_GROUPS = {
    "white": ("white", EVERYONE),
    "black": ("black",),
    "asian": (
        *("chinese", "japanese", "filipino", "hawaiian", "pacific_islander"),
        "other_asian",
    ),
    "hispanic": ("hispanic_us_born", "hispanic_foreign_born"),
}


def _bcsc() -> tuple[tuple[str, ...], list[Floats], list[Floats]]:
    """The curves of Tice 2008 at whole ages, as yearly hazards."""
    table = load_table("bcsc2008")
    ages = np.arange(*_BCSC_AGES, dtype=float)
    groups: list[str] = []
    incidence, mortality = [], []
    for own, names in _BCSC_GROUPS.items():
        deaths = table["mortality_exponential"][own]
        if own == "asian":
            deaths = table["asian_mortality_corrected"]
        for name in names:
            groups.append(name)
            incidence.append(np.polyval(table["incidence_cubic"][own], ages) / 100)
            mortality.append(deaths[0] * np.exp(deaths[1] * ages) / 100)
    return tuple(groups), incidence, mortality
