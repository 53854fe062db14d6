"""BCSC 2008: five-year risk of invasive breast cancer with BI-RADS density.

Source: Tice JA et al. Ann Intern Med 2008;148:337-47,
doi:10.7326/0003-4819-148-5-200803040-00004 (PMC2674327). Some software calls it version 2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from mammorisk.base import ModelCard
from mammorisk.clinical.answers import Answers, any_biopsy
from mammorisk.clinical.density_race import GROUPS, density_race_group
from mammorisk.clinical.notes import Notes
from mammorisk.clinical.rated import RatedModel
from mammorisk.clinical.rates import Rates
from mammorisk.clinical.tables import load_table

Floats = NDArray[np.float64]

YEARS = 5
_LATER_RATIO_AGE = 65


def density_ratio(age: Floats, density: NDArray[np.int64]) -> Floats:
    """Relative risk of BI-RADS a-d (0-3) compared with b; it changes at age 65 (Tice 2008)."""
    table = load_table("bcsc2008")["density_ratio"]
    by_age = np.array([table["under_65"], table["from_65"]])
    return np.asarray(by_age[(age >= _LATER_RATIO_AGE).astype(int), density])


def age_race_adjustment(age: Floats, race: NDArray[np.int64]) -> Floats:
    """Risk of BI-RADS b relative to the average woman of her age and race (Tice 2008).

    Parameters
    ----------
    age : ndarray
        Years. Ages under 35 use the first band.
    race : ndarray of int
        Position in ``density_race.GROUPS``.
    """
    table = load_table("bcsc2008")
    factors = np.array([table["adjustment"][name] for name in GROUPS])
    band = np.searchsorted(table["adjustment_bands_from"][1:], age, side="right")
    return np.asarray(factors[race, band])


@dataclass(frozen=True, repr=False)
class Bcsc2008(RatedModel):
    """The Breast Cancer Surveillance Consortium model of 2008 (Tice).

    Parameters
    ----------
    rates : Rates or str
        Incidence and mortality in place of the published curves. The recursion and the adjustment
        for age, race and density are kept; the adjustment relates a woman of density b to the
        average woman of the US consortium.
    asian_mortality : {"corrected", "printed"}
        The printed coefficient of Asian mortality is very probably ten times too large
        (0.01333534 for 0.001333534), which lowers the risk of Asian women.

    See Also
    --------
    mammorisk.load_model : Loads a model by name.
    mammorisk.models : Lists the models.

    Examples
    --------
    >>> import pandas as pd
    >>> import mammorisk as mr
    >>> women = pd.DataFrame({"age": [54, 54], "breast_density": ["b", "d"]})
    >>> mr.load_model("bcsc-2008").predict(women)["risk_5y"].round(4).tolist()
    [0.0115, 0.0232]
    """

    asian_mortality: Literal["corrected", "printed"] = "corrected"

    carried: ClassVar[str] = "adjustment and ratios as published, relative to the average US woman"
    end_of_data: ClassVar[float] = np.inf
    results_as_biopsy: ClassVar[bool] = True
    longest: ClassVar[float] = YEARS
    factors: ClassVar[tuple[str, ...]] = ("breast_density", "first_degree_relatives", "biopsies")
    card: ClassVar[ModelCard] = ModelCard(
        name="bcsc-2008",
        title="BCSC five-year model with breast density (Tice 2008)",
        family="density",
        inputs=(
            "age",
            "race_ethnicity",
            "breast_density",
            "first_degree_relatives",
            "biopsies",
            "atypical_hyperplasia",
            "lcis",
        ),
        required=("age", "breast_density"),
        outcome="invasive",
        ages=(35, 79),
        horizons="up to 5 years (published for 5)",
        competing_mortality=True,
        training_data="1,095,484 women of the US Breast Cancer Surveillance Consortium",
        source="doi:10.7326/0003-4819-148-5-200803040-00004",
        licence="published constants",
        intended_use="women of 35-79 without breast cancer, with a BI-RADS density",
        limits="four race groups; number of relatives and result of biopsies ignored; the effect "
        "of density drops at the 65th birthday",
    )

    def __post_init__(self) -> None:
        self._check_option("asian_mortality", ("corrected", "printed"))
        super().__post_init__()

    def _refuse(self, women: Answers, refusals: Notes) -> None:
        super()._refuse(women, refusals)
        refusals.add(women.unknown("breast_density"), "answer-missing", "breast density unknown")

    def _assess(
        self, women: Answers, end: Floats, notes: Notes
    ) -> tuple[Floats, Mapping[str, Floats]]:
        years = end - women.age[:, None]
        shorter = np.any(years < YEARS - 1e-9, axis=1)
        text = "horizon under five years: the first years of the published five-year formula"
        notes.add(shorter, "short-horizon", text)
        race = density_race_group(women, notes)
        curve = self._population_risk(women, race)
        lower = np.clip(np.floor(years + 1e-9), 0, YEARS - 1)
        # A horizon that was not requested is NaN. Its index is arbitrary, since its share is NaN.
        at = np.nan_to_num(lower).astype(int)
        rows = np.arange(len(women))[:, None]
        share = years - lower
        base = curve[rows, at] + share * (curve[rows, at + 1] - curve[rows, at])
        base = base * age_race_adjustment(women.age, race)[:, None]
        factors = self._ratios(women, notes)
        self._note_rates(women, notes)
        relative = np.prod(np.column_stack(list(factors.values())), axis=1)
        return base * relative[:, None], {name: np.log(r) for name, r in factors.items()}

    def _ratios(self, women: Answers, notes: Notes) -> dict[str, Floats]:
        table = load_table("bcsc2008")
        relatives, biopsy = women.number("first_degree_relatives"), any_biopsy(women)
        own = "unknown, counted with a ratio of 1 as the model does"
        notes.add(np.isnan(relatives), "unknown-category", "first_degree_relatives", under=own)
        notes.add(np.isnan(biopsy), "unknown-category", "biopsies", under=own)
        return {
            "breast_density": density_ratio(women.age, women.codes("breast_density")),
            "first_degree_relatives": _yes_no_unknown(relatives, table["family_history"]),
            "biopsies": _yes_no_unknown(biopsy, table["biopsy"]),
        }

    def _population_risk(self, women: Answers, race: NDArray[np.int64]) -> Floats:
        """Cumulative risk of the average woman after 0, 1 ... 5 years, shape (n, 6)."""
        alive, risk = np.ones(len(women)), np.zeros(len(women))
        curve = [risk]
        for year in range(YEARS):
            incidence, deaths = self._hazards(women, race, year)
            risk = risk + incidence * alive
            # The published recursion subtracts the rates themselves.
            alive = alive - incidence - deaths
            curve.append(risk)
        return np.column_stack(curve)

    def _hazards(self, women: Answers, race: NDArray[np.int64], year: int) -> tuple[Floats, Floats]:
        """Incidence and mortality over one year from ``year`` years after her age."""
        age = women.age + year
        rates = self.other_rates
        if rates is not None:
            return _yearly_average(rates, rates.rows_of(women), age)
        table = load_table("bcsc2008")
        cubic = np.array([table["incidence_cubic"][name] for name in GROUPS])[race].T
        mortality = dict(table["mortality_exponential"])
        if self.asian_mortality == "corrected":
            mortality["asian"] = table["asian_mortality_corrected"]
        scale, growth = np.array([mortality[name] for name in GROUPS])[race].T
        percent = 0.01
        incidence = percent * (((cubic[0] * age + cubic[1]) * age + cubic[2]) * age + cubic[3])
        return incidence, percent * scale * np.exp(growth * age)


def _yearly_average(rates: Rates, row: NDArray[np.int64], age: Floats) -> tuple[Floats, Floats]:
    """Mean hazards over the year from a (fractional) age.

    Beyond the last year of the rates, its values are used: no horizon ends there, but the last year
    of the recursion can.
    """
    yearly = rates.yearly
    birthday = np.floor(age)
    share = age - birthday
    last = yearly.cause.shape[1] - 1
    column = birthday.astype(np.int64) - yearly.first_age
    this, following = np.minimum(column, last), np.minimum(column + 1, last)
    incidence, deaths = (
        (1 - share) * table[row, this] + share * table[row, following]
        for table in (yearly.cause, yearly.other)
    )
    return incidence, deaths


def _yes_no_unknown(answer: Floats, ratios: dict[str, float]) -> Floats:
    yes_or_no = np.where(answer > 0, ratios["yes"], ratios["no"])
    return np.where(np.isnan(answer), ratios["unknown"], yes_or_no)
