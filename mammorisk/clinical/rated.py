"""RatedModel: base class of published models whose incidence and mortality can be replaced."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from mammorisk.base import ModelCard
from mammorisk.clinical.answers import Answers
from mammorisk.clinical.notes import Notes
from mammorisk.clinical.rates import UNSTATED, Rates
from mammorisk.clinical.rates_library import RATE_SETS, load_rates
from mammorisk.clinical.rates_table import read_rates
from mammorisk.clinical.scoring import ClinicalModel
from mammorisk.errors import RatesError
from mammorisk.records.frames import as_frame

#: The rates with which a model was published.
DEFAULT = "default"
#: Age up to which the formulas are used with other rates, years.
_OLDEST = 90


def as_rates(value: object) -> Rates | None:
    """Read the option ``rates`` of a model.

    Parameters
    ----------
    value : Rates, str, path, DataFrame, dict or None
        Rates, the name of a set, a table that states its own units (:func:`mammorisk.read_rates`),
        the result of ``Rates.to_dict``, or ``"default"``.

    Returns
    -------
    Rates or None
        None for the model's own rates.

    Raises
    ------
    RatesError
        There is no such set, the table cannot be read, or the value is of another type.
    """
    if value is None or (isinstance(value, str) and value == DEFAULT):
        return None
    if isinstance(value, Rates):
        return value
    if isinstance(value, Mapping):
        return Rates.from_dict(value)
    if isinstance(value, str) and value in RATE_SETS:
        return load_rates(value)
    if (isinstance(value, (str, Path)) and Path(value).suffix) or as_frame(value) is not None:
        return read_rates(value)  # type: ignore[arg-type]
    raise RatesError(
        f"there are no rates {value!r}",
        where="rates",
        remedy=f"One of: {', '.join((DEFAULT, *RATE_SETS))}; or your own, from mr.read_rates.",
    )


def stored_rates(rates: Rates) -> str | dict[str, Any]:
    """Rates as JSON types: the name of a set of the package, otherwise all fields."""
    known = rates.name in RATE_SETS and rates == load_rates(rates.name)
    return rates.name if known else rates.to_dict()


@dataclass(frozen=True, repr=False)
class RatedModel(ClinicalModel):
    """Base class of the models whose incidence and mortality can be replaced.

    Parameters
    ----------
    rates : Rates or str
        Incidence and mortality: ``"default"`` for those with which the model was published, the
        name of a set (:func:`mammorisk.rates`), or a table of your own
        (:func:`mammorisk.read_rates`).

    See Also
    --------
    mammorisk.load_model : Loads a model by name.
    mammorisk.models : Lists the models.

    Examples
    --------
    >>> import mammorisk as mr
    >>> model = mr.load_model("bcsc-2008")
    >>> model.other_rates is None
    True
    >>> model.with_options(rates="bcsc_2008").other_rates.name
    'bcsc_2008'
    """

    rates: Rates | str = DEFAULT

    #: Parts of the publication that are kept when the rates are replaced, for the card.
    carried: ClassVar[str] = "relative risks as published"
    #: Limitations of the published rates, for the card.
    dated: ClassVar[str] = ""

    def __post_init__(self) -> None:
        found = as_rates(self.rates)
        # The dataclass is frozen; this runs before the instance is used.
        object.__setattr__(self, "rates", DEFAULT if found is None else found)
        if found is not None:
            object.__setattr__(self, "card", self._card_with(found))

    def _card_with(self, rates: Rates) -> ModelCard:
        card = type(self).card
        low, high = self._covered(*card.ages)
        if high < low:
            raise RatesError(
                f"the rates of {rates.name} cover ages {rates.first_age} to {rates.end_age}, "
                f"{card.name} is for {card.ages[0]:g} to {card.ages[1]:g}",
                where="rates",
            )
        end = self.last_age
        return replace(
            card,
            ages=(low, high),
            horizons=card.horizons
            if self.longest < _OLDEST
            else f"any up to age {end:g}, and lifetime (to {end:g})",
            training_data=f"{card.training_data}; incidence and mortality replaced by those of "
            f"{rates.summary}: {rates.source}; {self.carried}",
            licence=card.licence
            if rates.licence == UNSTATED
            else f"{card.licence}; rates: {rates.licence}",
            limits="rates other than published, not validated by that; "
            + "; ".join(part for part in card.limits.split("; ") if part != self.dated),
        )

    @property
    def other_rates(self) -> Rates | None:
        """The rates that replace those of the model; None for its own."""
        return self.rates if isinstance(self.rates, Rates) else None

    def with_options(self, **options: Any) -> RatedModel:
        """Return the same model with other options, such as ``rates``.

        Parameters
        ----------
        **options
            Options of the class.

        Returns
        -------
        RatedModel
        """
        return replace(self, **options)

    @property
    def options(self) -> dict[str, Any]:
        found = {one.name: getattr(self, one.name) for one in fields(self)}
        rates = self.other_rates
        if rates is not None:
            found["rates"] = stored_rates(rates)
        return found

    @property
    def last_age(self) -> float:
        rates = self.other_rates
        if rates is None:
            return self.end_of_data
        return min(_OLDEST, rates.end_age)

    def _covered(self, low: float, high: float) -> tuple[float, float]:
        """Completed years from ``low`` to ``high`` at which there are rates."""
        rates = self.other_rates
        if rates is None:
            return low, high
        return max(low, rates.first_age), min(high, self.last_age - 1)

    @property
    def ages(self) -> tuple[float, float]:
        return self._covered(*type(self).card.ages)

    def _refuse(self, women: Answers, refusals: Notes) -> None:
        super()._refuse(women, refusals)
        rates = self.other_rates
        if rates is not None:
            without = rates.rows_of(women) < 0
            text = f"no rates for her race group in {rates.name}"
            refusals.add(without, "answer-missing", text)

    def _note_rates(self, women: Answers, notes: Notes) -> None:
        """Add notes on other rates: their name, doubts, and groups without rates."""
        rates = self.other_rates
        if rates is None:
            return
        rates.note_fallback(women, notes)
        everyone = np.ones(len(women), dtype=bool)
        notes.add(everyone, "rates-replaced", f"rates of {rates.summary}")
        for text in rates.doubts:
            notes.add(everyone, "rates-doubtful", text, under=f"rates of {rates.name}")
