"""Risk of the average woman of an age and race, as a reference for other risks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mammorisk.base import ModelCard
from mammorisk.clinical.answers import Answers
from mammorisk.clinical.bcrat import RATE_SETS, RateSet, average_rates, race_group
from mammorisk.clinical.competing_risks import absolute_risk
from mammorisk.clinical.notes import Notes
from mammorisk.clinical.scoring import ClinicalModel

Floats = NDArray[np.float64]


@dataclass(frozen=True, repr=False)
class Average(ClinicalModel):
    """Risk of the average woman of her age and race, the comparison that BCRAT prints.

    Parameters
    ----------
    rates : {"default", "white_1992_1996", "white_1995_2003"}
        See :func:`mammorisk.clinical.bcrat.average_rates`.
    """

    rates: RateSet = "default"

    excludes_carriers: ClassVar[bool] = False
    card: ClassVar[ModelCard] = ModelCard(
        name="average",
        title="Average woman of her age and race",
        family="average",
        inputs=("age", "race_ethnicity"),
        required=("age",),
        outcome="invasive",
        ages=(20, 89),
        horizons="any up to age 90, and lifetime (to 90)",
        competing_mortality=True,
        training_data="US incidence and mortality (SEER, NCHS) by race, 1988-2004",
        source="rates of BCRAT: doi:10.1093/jnci/91.18.1541, 10.1093/jnci/djm223, "
        "10.1093/jnci/djr154, 10.1093/jnci/djw215",
        licence="published constants",
        intended_use="a comparison for other models",
        limits="no risk factor but age and race; US rates that are two decades old",
    )

    def __post_init__(self) -> None:
        self._check_option("rates", RATE_SETS)

    def _assess(
        self, women: Answers, end: Floats, notes: Notes
    ) -> tuple[Floats, Mapping[str, Floats]]:
        risk = absolute_risk(
            women.age,
            end,
            average_rates(self.rates),
            group=race_group(women, notes),
            multiplier=np.ones((len(women), 1)),
        ).risk
        return risk, {}
