"""Risk of the average woman of an age and race, as a reference for other risks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mammorisk.base import ModelCard
from mammorisk.clinical.answers import Answers
from mammorisk.clinical.bcrat import average_rates, race_group
from mammorisk.clinical.competing_risks import absolute_risk
from mammorisk.clinical.notes import Notes
from mammorisk.clinical.rated import RatedModel

Floats = NDArray[np.float64]


@dataclass(frozen=True, repr=False)
class Average(RatedModel):
    """Risk of the average woman of her age and race, the comparison that BCRAT prints.

    Parameters
    ----------
    rates : Rates or str
        Incidence and mortality. The default is that of BCRAT's comparison: 1992-1996 for white,
        native American and other women. Nothing else is in the model.

    See Also
    --------
    mammorisk.load_model : Loads a model by name.
    mammorisk.models : Lists the models.

    Examples
    --------
    >>> import pandas as pd
    >>> import mammorisk as mr
    >>> women = pd.DataFrame({"age": [54, 70]})
    >>> mr.load_model("average").predict(women)["risk_5y"].round(4).tolist()
    [0.0144, 0.0221]
    """

    carried: ClassVar[str] = "nothing else is in the model"
    dated: ClassVar[str] = "US rates that are two decades old"
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

    def _assess(
        self, women: Answers, end: Floats, notes: Notes
    ) -> tuple[Floats, Mapping[str, Floats]]:
        rates = self.other_rates
        risk = absolute_risk(
            women.age,
            end,
            average_rates() if rates is None else rates.yearly,
            group=race_group(women, notes) if rates is None else rates.rows_of(women),
            multiplier=np.ones((len(women), 1)),
        ).risk
        self._note_rates(women, notes)
        return risk, {}
