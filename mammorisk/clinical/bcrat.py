"""BCRAT, the Gail model: five-year and lifetime risk of invasive breast cancer from questionnaires.

Sources: Gail 1989, doi:10.1093/jnci/81.24.1879; Costantino 1999, doi:10.1093/jnci/91.18.1541;
Gail 2007, doi:10.1093/jnci/djm223 (black women); Matsuno 2011, doi:10.1093/jnci/djr154 (Asian and
Pacific Islander women); Banegas 2017, doi:10.1093/jnci/djw215 (Hispanic women).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache
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
from mammorisk.clinical.rated import DEFAULT, RatedModel, as_rates
from mammorisk.clinical.rates import EVERYONE, Rates
from mammorisk.clinical.tables import load_table
from mammorisk.errors import ModelError, QuestionnaireError
from mammorisk.records.frames import as_frame
from mammorisk.warnings import join_text

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

_FIRST_AGE, _SPLIT_AGE = 20, 50
_WHITE_RATED = ("white", "native_american_other")

#: Attributable risk of the factors under 50 and from 50.
AttributableRisk = tuple[float, float]


@cache
def model_rates() -> YearlyRates:
    """Return the hazards of a woman without risk factors, as in the tool.

    Returns
    -------
    YearlyRates
        Groups in the order of ``GROUPS``, ages 20 to 89.
    """
    yearly = _rates(white="default")
    return _unattributable(yearly, np.arange(len(GROUPS)), _published_shares())


@cache
def average_rates() -> YearlyRates:
    """Return incidence and competing mortality of the average woman of each group.

    White, native American and other women have the rates of 1992-1996, which the published software
    uses for its comparison.
    """
    return _rates(white="white_1992_1996")


@lru_cache(maxsize=64)
def replaced_rates(rates: Rates, attributable: AttributableRisk | None) -> YearlyRates:
    """Return the hazards of a woman without risk factors, from other incidence and mortality.

    Parameters
    ----------
    rates : Rates
    attributable : tuple of float, length 2, or None
        Attributable risk under 50 and from 50, for all groups; the published ones if None.

    Returns
    -------
    YearlyRates
        Row = (row of ``rates``, group of the relative risks in the order of ``GROUPS``).
    """
    shares = _published_shares()
    if attributable is not None:
        shares = np.broadcast_to(1 - np.array(attributable), shares.shape)
    yearly = rates.yearly
    n_rows = len(yearly.cause)
    both = YearlyRates(
        first_age=yearly.first_age,
        cause=np.repeat(yearly.cause, len(GROUPS), axis=0),
        other=np.repeat(yearly.other, len(GROUPS), axis=0),
    )
    return _unattributable(both, np.tile(np.arange(len(GROUPS)), n_rows), shares)


def _published_shares() -> Floats:
    """Share of the incidence that the factors do not explain, shape (n_groups, 2)."""
    groups = load_table("bcrat")["groups"].values()
    return np.array([group["unattributable_under_50_and_from_50"] for group in groups])


def _unattributable(yearly: YearlyRates, group: NDArray[np.int64], shares: Floats) -> YearlyRates:
    from_50 = yearly.first_age + np.arange(yearly.cause.shape[1]) >= _SPLIT_AGE
    factor = shares[group][:, from_50.astype(int)]
    return YearlyRates(first_age=yearly.first_age, cause=yearly.cause * factor, other=yearly.other)


def _rates(white: str) -> YearlyRates:
    table = load_table("bcrat")
    groups = []
    for name, group in table["groups"].items():
        replaced = white != "default" and name in _WHITE_RATED
        own = table["white_rates"][white] if replaced else group
        groups.append((own["incidence"], own["competing_mortality"]))
    cause, other = np.repeat(np.array(groups).transpose(1, 0, 2), 5, axis=2)
    return YearlyRates(first_age=_FIRST_AGE, cause=cause, other=other)


def from_codes(
    frame: pd.DataFrame,
    *,
    rates: Rates | str = DEFAULT,
    attributable_risk: AttributableRisk | None = None,
) -> pd.DataFrame:
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
    rates : Rates or str
    attributable_risk : tuple of float, length 2, optional
        As options of :class:`mammorisk.clinical.Bcrat`.

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
    other = as_rates(rates)
    attributable = _check_attributable(attributable_risk)
    # Text that is not a number becomes a missing code, which the reason of its row names.
    raw = {
        name: pd.to_numeric(frame[name], errors="coerce").to_numpy(np.float64, na_value=np.nan)
        for name in COLUMNS
    }
    categories = categorise(raw)
    under = np.exp(sum(log_relative_risk(categories, from_50=False).values()))
    over = np.exp(sum(log_relative_risk(categories, from_50=True).values()))
    error = categories.errors.any
    group, row = categories.group, categories.group
    covered = np.ones(len(group), dtype=bool)
    if other is not None:
        row = _rows_by_group(other)[group]
        covered = (row >= 0) & (raw["T1"] >= other.first_age) & (raw["T2"] <= other.end_age)
    scored = ~error & covered
    start = np.where(scored, raw["T1"], np.nan)
    end = np.where(scored, raw["T2"], np.nan)[:, None]
    hazards, place = _hazards(other, attributable, np.maximum(row, 0), group)
    risk = absolute_risk(
        start,
        end,
        hazards,
        group=place,
        multiplier=np.column_stack([under, over]),
        changes_at=_SPLIT_AGE,
    ).risk[:, 0]
    average = absolute_risk(
        start,
        end,
        average_rates() if other is None else other.yearly,
        group=np.maximum(row, 0),
        multiplier=np.ones((len(start), 1)),
    ).risk[:, 0]
    no_factor = ~error & np.isnan(under)
    texts = [join_text(found) for found in categories.errors.records()]
    reason = np.array(texts, dtype=object)
    reason[no_factor] = "HypPlas missing or not 0, 1 or 99 although there was a biopsy"
    reason[~error & ~covered] = "the rates do not cover her ages or group"
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


def _rows_by_group(rates: Rates) -> NDArray[np.int64]:
    """Row of ``rates`` for each of ``GROUPS``; -1 where there is none."""
    fallback = rates.groups.index(EVERYONE) if EVERYONE in rates.groups else -1
    return np.array(
        [rates.groups.index(name) if name in rates.groups else fallback for name in GROUPS]
    )


def _hazards(
    rates: Rates | None,
    attributable: AttributableRisk | None,
    row: NDArray[np.int64],
    group: NDArray[np.int64],
) -> tuple[YearlyRates, NDArray[np.int64]]:
    """Hazards without risk factors, and the row of each woman in them.

    ``row`` is her row of ``rates``, ``group`` that of her relative risks.
    """
    if rates is not None:
        return replaced_rates(rates, attributable), row * len(GROUPS) + group
    if attributable is None:
        return model_rates(), group
    shares = np.broadcast_to(1 - np.array(attributable), (len(GROUPS), 2))
    return _unattributable(_rates(white="default"), np.arange(len(GROUPS)), shares), group


def _check_attributable(value: object) -> AttributableRisk | None:
    if value is None:
        return None
    try:
        under, over = (float(one) for one in value)  # type: ignore[attr-defined]
        fits = 0 <= under < 1 and 0 <= over < 1
    except (TypeError, ValueError):
        fits = False
    if not fits:
        raise ModelError(
            f"{value!r} is no attributable risk",
            where="attributable_risk",
            remedy="Pass two fractions, under 50 and from 50, such as (0.42, 0.44).",
        )
    return under, over


#: Group of the model by race answer. The tool scores an unknown race as white.
RACE_GROUP: dict[str, int] = {
    "native_american": GROUPS.index("native_american_other"),
    "other": GROUPS.index("native_american_other"),
    **{name: i for i, name in enumerate(GROUPS) if name != "native_american_other"},
}


def race_group(women: Answers, notes: Notes, *, of: str = "rates") -> NDArray[np.int64]:
    """Position in ``GROUPS`` of each woman; adds a note if her group has no rates of its own.

    ``of`` names what is taken from white women then, in the note.
    """
    group = women.lookup("race_ethnicity", RACE_GROUP, GROUPS.index("white")).astype(np.int64)
    told = women.is_in("race_ethnicity", *RACE_GROUP)
    notes.add(~told, "race-assumed", f"race unknown: {of} of white women")
    notes.add(
        women.is_in("race_ethnicity", "native_american", "other"),
        "race-assumed",
        f"no {of} for her race group: {of} of white women",
    )
    return group


@dataclass(frozen=True, repr=False)
class Bcrat(RatedModel):
    """The Gail model, as in the tool of the US National Cancer Institute.

    Parameters
    ----------
    rates : Rates or str
        Incidence and mortality. The default is that of the tool (SEER 1983-87 for white women). The
        relative risks are those of her race group, with any rates.
    age_range : {"tool", "formula"}
        Ages for which the tool is intended, 35 to 85, or all ages of the formula, 20 to 89.
    attributable_risk : tuple of float, length 2, optional
        Share of the incidence that the risk factors explain, under 50 and from 50, in all groups:
        the incidence of a woman without risk factors is one minus this share. By default the
        published shares are used, which were estimated in the United States;
        :func:`mammorisk.clinical.attributable_risk` computes them for another population.

    See Also
    --------
    mammorisk.load_model : Loads a model by name.
    mammorisk.models : Lists the models.

    Examples
    --------
    >>> import pandas as pd
    >>> import mammorisk as mr
    >>> women = pd.DataFrame({"age": [54, 54], "biopsies": [0, 2]})
    >>> mr.load_model("bcrat").predict(women)["risk_5y"].round(4).tolist()
    [0.0075, 0.012]
    """

    age_range: Literal["tool", "formula"] = "tool"
    attributable_risk: AttributableRisk | None = None

    dated: ClassVar[str] = "rates of 1983-2004"

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
        attributable = _check_attributable(self.attributable_risk)
        object.__setattr__(self, "attributable_risk", attributable)
        self._check_option("age_range", ("tool", "formula"))
        super().__post_init__()

    @property
    def ages(self) -> tuple[float, float]:
        return self._covered(*(type(self).card.ages if self.age_range == "tool" else (20, 89)))

    def _card_with(self, rates: Rates) -> ModelCard:
        own = "published" if self.attributable_risk is None else "stated by the user"
        card = super()._card_with(rates)
        return replace(card, training_data=f"{card.training_data}; attributable risk {own}")

    def _assess(
        self, women: Answers, end: Floats, notes: Notes
    ) -> tuple[Floats, Mapping[str, Floats]]:
        categories = categorise(self._codes(women, notes))
        under = log_relative_risk(categories, from_50=False)
        over = log_relative_risk(categories, from_50=True)
        relative = np.column_stack([np.exp(sum(under.values())), np.exp(sum(over.values()))])
        rates, group = self.other_rates, categories.group
        row = group if rates is None else rates.rows_of(women)
        hazards, place = _hazards(rates, self.attributable_risk, row, group)
        risk = absolute_risk(
            women.age,
            end,
            hazards,
            group=place,
            multiplier=relative,
            changes_at=_SPLIT_AGE,
        ).risk
        self._note_rates(women, notes)
        if self.attributable_risk is not None:
            under_50, from_50 = self.attributable_risk
            text = f"attributable risk {under_50:.3g} under 50 and {from_50:.3g} from 50"
            notes.add(np.ones(len(women), dtype=bool), "rates-replaced", text)
        older = women.age >= _SPLIT_AGE
        return risk, {name: np.where(older, over[name], under[name]) for name in under}

    @property
    def _of(self) -> str:
        return "rates" if self.other_rates is None else "relative risks"

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
            "Race": race_group(women, notes, of=self._of) + 1.0,
        }
