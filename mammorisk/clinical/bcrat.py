"""BCRAT, the Gail model: five-year and lifetime risk of invasive breast cancer from questionnaires.

Sources: Gail 1989, doi:10.1093/jnci/81.24.1879; Costantino 1999, doi:10.1093/jnci/91.18.1541;
Gail 2007, doi:10.1093/jnci/djm223 (black women); Matsuno 2011, doi:10.1093/jnci/djr154 (Asian and
Pacific Islander women); Banegas 2017, doi:10.1093/jnci/djw215 (Hispanic women).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from mammorisk.base import ModelCard
from mammorisk.clinical.answers import Answers
from mammorisk.clinical.bcrat_codes import (
    COLUMNS,
    FACTORS,
    GROUPS,
    NO_BIRTH,
    UNKNOWN,
    categorise,
    log_relative_risk,
)
from mammorisk.clinical.competing_risks import YearlyRates, absolute_risk
from mammorisk.clinical.notes import Notes
from mammorisk.clinical.scoring import ClinicalModel
from mammorisk.clinical.tables import load_table
from mammorisk.errors import ModelError, QuestionnaireError
from mammorisk.records.frames import as_frame
from mammorisk.warnings import join_text

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

RateSet = Literal["default", "white_1992_1996", "white_1995_2003"]
RATE_SETS: tuple[RateSet, ...] = ("default", "white_1992_1996", "white_1995_2003")

_FIRST_AGE, _SPLIT_AGE = 20, 50
_WHITE_RATED = ("white", "native_american_other")


@cache
def model_rates(rates: RateSet = "default") -> YearlyRates:
    """Return the hazards of a woman without risk factors.

    Parameters
    ----------
    rates : {"default", "white_1992_1996", "white_1995_2003"}
        Rates of white, native American and other women. Other groups keep their own rates.

    Returns
    -------
    YearlyRates
        Groups in the order of ``GROUPS``, ages 20 to 89.
    """
    yearly = _rates(rates, white=None if rates == "default" else rates)
    share = np.array(
        [g["unattributable_under_50_and_from_50"] for g in load_table("bcrat")["groups"].values()]
    )
    n_under = _SPLIT_AGE - _FIRST_AGE
    n_from = yearly.cause.shape[1] - n_under
    factor = np.repeat(share, [n_under, n_from], axis=1)
    return YearlyRates(first_age=_FIRST_AGE, cause=yearly.cause * factor, other=yearly.other)


@cache
def average_rates(rates: RateSet = "default") -> YearlyRates:
    """Return incidence and competing mortality of the average woman of each group.

    The default for white, native American and other women is the rates of 1992-1996, which the
    published software uses for its comparison. Other values of ``rates`` are those of
    :func:`model_rates`.
    """
    return _rates(rates, white="white_1992_1996" if rates == "default" else rates)


def _rates(rates: RateSet, white: RateSet | None) -> YearlyRates:
    table = load_table("bcrat")
    groups = []
    for name, group in table["groups"].items():
        own = group if white is None or name not in _WHITE_RATED else table["white_rates"][white]
        groups.append((own["incidence"], own["competing_mortality"]))
    cause, other = np.repeat(np.array(groups).transpose(1, 0, 2), 5, axis=2)
    return YearlyRates(first_age=_FIRST_AGE, cause=cause, other=other)


def _check_rates(rates: str) -> None:
    if rates not in RATE_SETS:
        raise ModelError(f"BCRAT has no rates {rates!r}", remedy=f"One of: {', '.join(RATE_SETS)}.")


def from_codes(frame: pd.DataFrame, *, rates: RateSet = "default") -> pd.DataFrame:
    """Risk from the raw codes of the published software.

    Parameters
    ----------
    frame : DataFrame
        ``T1`` present age and ``T2`` end age (years, may be fractional); ``N_Biop`` biopsies
        (99 unknown); ``HypPlas`` atypical hyperplasia (0, 1, 99 unknown or not applicable);
        ``AgeMen`` (99 unknown); ``Age1st`` (98 no birth, 99 unknown); ``N_Rels`` first-degree
        relatives (99 unknown); ``Race`` 1 white, 2 black, 3 US-born Hispanic, 4 native American
        and other, 5 foreign-born Hispanic, 6 Chinese, 7 Japanese, 8 Filipino, 9 Hawaiian,
        10 other Pacific Islander, 11 other Asian.
    rates : {"default", "white_1992_1996", "white_1995_2003"}
        See :func:`model_rates`.

    Returns
    -------
    DataFrame
        Same index; ``error`` (bool, as in the published software), ``rr_under_50``,
        ``rr_50_plus`` (NaN without categories), ``absolute_risk``, ``average_risk`` (fractions,
        NaN in error) and ``reason`` (empty where there is a risk).

    Raises
    ------
    QuestionnaireError
        ``frame`` is not a table, or a column is missing or appears twice.
    ModelError
        There is no such set of rates.
    """
    import pandas as pd

    given = as_frame(frame)
    if given is None:
        raise QuestionnaireError(
            f"a {type(frame).__name__} is not a table of codes",
            remedy="Pass a DataFrame, for example pd.DataFrame(codes).",
        )
    frame = given
    twice = [name for name in COLUMNS if (frame.columns == name).sum() > 1]
    if twice:
        raise QuestionnaireError(f"columns appear twice: {', '.join(twice)}")
    absent = [name for name in COLUMNS if name not in frame.columns]
    if absent:
        raise QuestionnaireError(
            f"columns are missing: {', '.join(absent)}",
            remedy=f"BCRAT codes have the columns {', '.join(COLUMNS)}.",
        )
    _check_rates(rates)
    # Text that is not a number becomes a missing code, which the reason of its row names.
    raw = {
        name: pd.to_numeric(frame[name], errors="coerce").to_numpy(np.float64, na_value=np.nan)
        for name in COLUMNS
    }
    categories = categorise(raw)
    under = np.exp(sum(log_relative_risk(categories, from_50=False).values()))
    over = np.exp(sum(log_relative_risk(categories, from_50=True).values()))
    error = categories.errors.any
    start = np.where(error, np.nan, raw["T1"])
    end = np.where(error, np.nan, raw["T2"])[:, None]
    multiplier = np.column_stack([under, over])
    risk = absolute_risk(
        start,
        end,
        model_rates(rates),
        group=categories.group,
        multiplier=multiplier,
        changes_at=_SPLIT_AGE,
    ).risk[:, 0]
    average = absolute_risk(
        start,
        end,
        average_rates(rates),
        group=categories.group,
        multiplier=np.ones((len(start), 1)),
    ).risk[:, 0]
    no_factor = ~error & np.isnan(under)
    texts = [join_text(found) for found in categories.errors.records()]
    reason = np.array(texts, dtype=object)
    reason[no_factor] = "HypPlas missing or not 0, 1 or 99 although there was a biopsy"
    return pd.DataFrame(
        {
            "error": error,
            "rr_under_50": under,
            "rr_50_plus": over,
            "absolute_risk": risk,
            "average_risk": np.where(no_factor, np.nan, average),
            "reason": reason,
        },
        index=frame.index,
    )


#: Group of the model by race answer. The tool scores an unknown race as white.
RACE_GROUP: dict[str, int] = {
    "native_american": GROUPS.index("native_american_other"),
    "other": GROUPS.index("native_american_other"),
    **{name: i for i, name in enumerate(GROUPS) if name != "native_american_other"},
}


def race_group(women: Answers, notes: Notes) -> NDArray[np.int64]:
    """Position in ``GROUPS`` of each woman; adds a note if her group has no rates of its own."""
    group = women.lookup("race_ethnicity", RACE_GROUP, GROUPS.index("white")).astype(np.int64)
    told = women.is_in("race_ethnicity", *RACE_GROUP)
    notes.add(~told, "race-assumed", "race unknown: rates of white women")
    notes.add(
        women.is_in("race_ethnicity", "native_american", "other"),
        "race-assumed",
        "no rates for her race group: rates of white women",
    )
    return group


@dataclass(frozen=True, repr=False)
class Bcrat(ClinicalModel):
    """The Gail model, as in the tool of the US National Cancer Institute.

    Parameters
    ----------
    rates : {"default", "white_1992_1996", "white_1995_2003"}
        Incidence and mortality of white, native American and other women. The default is that of
        the tool (SEER 1983-87). Other groups keep their own rates.
    age_range : {"tool", "formula"}
        Ages for which the tool is intended, 35 to 85, or all ages of the formula, 20 to 89.
    """

    rates: RateSet = "default"
    age_range: Literal["tool", "formula"] = "tool"

    excludes_lcis: ClassVar[bool] = True
    factors: ClassVar[tuple[str, ...]] = FACTORS
    card: ClassVar[ModelCard] = ModelCard(
        name="bcrat",
        title="Breast Cancer Risk Assessment Tool (Gail model)",
        family="questionnaire",
        inputs=(
            "age",
            "race_ethnicity",
            "age_menarche",
            "parity",
            "age_first_birth",
            "first_degree_relatives",
            "biopsies",
            "atypical_hyperplasia",
        ),
        required=("age",),
        outcome="invasive",
        ages=(35, 85),
        horizons="any up to age 90, and lifetime (to 90)",
        competing_mortality=True,
        training_data="BCDDP case-control study, SEER rates; CARE, AABCS, SFBCS for other groups",
        source="doi:10.1093/jnci/81.24.1879, 10.1093/jnci/djm223, 10.1093/jnci/djr154, "
        "10.1093/jnci/djw215",
        licence="published constants",
        intended_use="women of 35-85 without breast cancer, LCIS or a BRCA1/2 mutation",
        limits="no density, no second-degree relatives; rates of 1983-2004; unknown answers count "
        "as the lowest risk",
    )

    def __post_init__(self) -> None:
        self._check_option("rates", RATE_SETS)
        self._check_option("age_range", ("tool", "formula"))

    @property
    def ages(self) -> tuple[float, float]:
        return self.card.ages if self.age_range == "tool" else (20, 89)

    def _assess(
        self, women: Answers, end: Floats, notes: Notes
    ) -> tuple[Floats, Mapping[str, Floats]]:
        categories = categorise(self._codes(women, notes))
        under = log_relative_risk(categories, from_50=False)
        over = log_relative_risk(categories, from_50=True)
        relative = np.column_stack([np.exp(sum(under.values())), np.exp(sum(over.values()))])
        risk = absolute_risk(
            women.age,
            end,
            model_rates(self.rates),
            group=categories.group,
            multiplier=relative,
            changes_at=_SPLIT_AGE,
        ).risk
        older = women.age >= _SPLIT_AGE
        return risk, {name: np.where(older, over[name], under[name]) for name in under}

    def _codes(self, women: Answers, notes: Notes) -> dict[str, Floats]:
        """Convert questionnaire answers to raw codes, with unknown answers as in the tool."""
        lowest = "unknown, counted as the lowest risk"
        biopsies = women.number("biopsies")
        atypia = women.number("atypical_hyperplasia")
        inferred = np.isnan(biopsies) & (atypia == 1)
        notes.add(
            inferred,
            "answer-assumed",
            "number of biopsies unknown with atypical hyperplasia: counted as one",
        )
        notes.add(np.isnan(biopsies) & ~inferred, "unknown-as-lowest", "biopsies", under=lowest)
        biopsies = np.where(inferred, 1, biopsies)
        had_one = biopsies > 0
        no_result = "atypical hyperplasia unknown: counted as neither present nor absent"
        notes.add(had_one & np.isnan(atypia), "answer-assumed", no_result)

        menarche, relatives = women.number("age_menarche"), women.number("first_degree_relatives")
        birth = np.where(women.number("parity") == 0, NO_BIRTH, women.number("age_first_birth"))
        notes.add(np.isnan(menarche), "unknown-as-lowest", "age_menarche", under=lowest)
        notes.add(np.isnan(birth), "unknown-as-lowest", "age_first_birth", under=lowest)
        notes.add(np.isnan(relatives), "unknown-as-lowest", "first_degree_relatives", under=lowest)

        def coded(values: Floats) -> Floats:
            return np.where(np.isnan(values), UNKNOWN, values)

        return {
            "T1": women.age,
            # The interval was already checked with the horizons.
            "T2": np.full(len(women), 90.0),
            "N_Biop": coded(biopsies),
            "HypPlas": np.where(had_one, coded(atypia), UNKNOWN),
            "AgeMen": coded(menarche),
            "Age1st": coded(birth),
            "N_Rels": coded(relatives),
            "Race": race_group(women, notes) + 1.0,
        }
