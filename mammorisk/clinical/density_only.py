"""Density-only: risk from age, race and breast density. Derived here, not published.

The hazard is the average incidence of BCRAT by race, times the age-race adjustment and density
ratio of Tice 2008 (doi:10.7326/0003-4819-148-5-200803040-00004) or the density ratio of another
study.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from mammorisk.base import ModelCard
from mammorisk.clinical.answers import Answers
from mammorisk.clinical.bcrat import average_rates, race_group
from mammorisk.clinical.bcsc2008 import age_race_adjustment, density_ratio
from mammorisk.clinical.competing_risks import YearlyRates, absolute_risk
from mammorisk.clinical.density_race import GROUPS, density_race_group
from mammorisk.clinical.notes import Notes
from mammorisk.clinical.rated import RatedModel
from mammorisk.clinical.rates import Rates
from mammorisk.clinical.tables import load_table

Floats = NDArray[np.float64]

RatioTable = Literal["tice_2008", "cummings_2009", "brentnall_2023"]
RATIO_TABLES: tuple[RatioTable, ...] = ("tice_2008", "cummings_2009", "brentnall_2023")

_N_DENSITY = 4


@cache
def other_ratio(table: RatioTable) -> Floats:
    """Ratio of BI-RADS a-d to the average woman, from a table without ages.

    The average uses the prevalence of the categories in Brentnall 2023 (PMC10668455). This is an
    assumption of this package.
    """
    source = load_table("density_ratios")
    ratio = np.array(source["tables"][table]["ratio"])
    prevalence = np.array(source["prevalence"]["values"])
    return np.asarray(ratio * prevalence.sum() / (ratio @ prevalence))


@lru_cache(maxsize=64)
def _tice_rates(rates: Rates | None) -> YearlyRates:
    """Average rates times Tice's factors; row = (row of the rates, Tice race group, density)."""
    average = average_rates() if rates is None else rates.yearly
    n_ages = average.cause.shape[1]
    ages = average.first_age + np.arange(n_ages, dtype=np.float64)
    factor = np.stack(
        [
            [
                age_race_adjustment(ages, np.full(n_ages, race))
                * density_ratio(ages, np.full(n_ages, density))
                for density in range(_N_DENSITY)
            ]
            for race in range(len(GROUPS))
        ]
    )
    cause = average.cause[:, None, None, :] * factor
    other = np.broadcast_to(average.other[:, None, None, :], cause.shape)
    return YearlyRates(
        first_age=average.first_age,
        cause=cause.reshape(-1, n_ages),
        other=other.reshape(-1, n_ages),
    )


@dataclass(frozen=True, repr=False)
class DensityOnly(RatedModel):
    """Risk from age, race and BI-RADS density alone.

    Parameters
    ----------
    rates : Rates or str
        Average incidence and mortality, to which the density ratios are relative. The default is
        that of :class:`mammorisk.clinical.Average`. The ratio of each category to the average woman
        is that of the US women of Tice 2008, or of the assumed prevalence of the categories.
    ratios : {"tice_2008", "cummings_2009", "brentnall_2023"}
        Relative risks of the density categories.
    at_entry : bool
        Keep the adjustment and ratio of the present age. By default they change with age (only
        those of Tice depend on age).

    See Also
    --------
    mammorisk.load_model : Loads a model by name.
    mammorisk.models : Lists the models.

    Examples
    --------
    >>> import pandas as pd
    >>> import mammorisk as mr
    >>> women = pd.DataFrame({"age": [54, 54], "breast_density": ["b", "d"]})
    >>> mr.load_model("density-only").predict(women)["risk_5y"].round(4).tolist()
    [0.0118, 0.0235]
    """

    ratios: RatioTable = "tice_2008"
    at_entry: bool = False

    carried: ClassVar[str] = "density ratios as published, relative to the average US woman"
    excludes_lcis: ClassVar[bool] = True
    factors: ClassVar[tuple[str, ...]] = ("breast_density",)
    card: ClassVar[ModelCard] = ModelCard(
        name="density-only",
        title="Age, race and breast density (derived by mammorisk, not a published model)",
        family="density",
        inputs=("age", "race_ethnicity", "breast_density"),
        required=("age", "breast_density"),
        outcome="invasive",
        ages=(35, 89),
        horizons="any up to age 90, and lifetime (to 90)",
        competing_mortality=True,
        training_data="none of its own: BCRAT average rates, density ratios of Tice 2008",
        source="derived; doi:10.7326/0003-4819-148-5-200803040-00004, doi:10.1093/jnci/91.18.1541",
        licence="published constants",
        intended_use="comparison: the effect of density alone",
        limits="not published, not validated; no other risk factor; the effect of density drops "
        "at the 65th birthday",
    )

    def __post_init__(self) -> None:
        self._check_option("ratios", RATIO_TABLES)
        super().__post_init__()

    def _refuse(self, women: Answers, refusals: Notes) -> None:
        super()._refuse(women, refusals)
        refusals.add(women.unknown("breast_density"), "answer-missing", "breast density unknown")

    def _assess(
        self, women: Answers, end: Floats, notes: Notes
    ) -> tuple[Floats, Mapping[str, Floats]]:
        age, density = women.age, women.codes("breast_density")
        own = self.other_rates
        group = race_group(women, notes) if own is None else own.rows_of(women)
        rates = average_rates() if own is None else own.yearly
        multiplier = np.ones(len(women))
        if self.ratios != "tice_2008":
            ratio = multiplier = other_ratio(self.ratios)[density]
        else:
            # With other rates the race counts for the factors of Tice alone, so a note is due.
            race = density_race_group(women, None if own is None else notes)
            ratio = age_race_adjustment(age, race) * density_ratio(age, density)
            if self.at_entry:
                multiplier = ratio
            else:
                rates = _tice_rates(own)
                group = (group * len(GROUPS) + race) * _N_DENSITY + density
        risk = absolute_risk(age, end, rates, group=group, multiplier=multiplier[:, None]).risk
        self._note_rates(women, notes)
        return risk, {"breast_density": np.log(ratio)}
