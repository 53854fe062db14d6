"""iCARE-Lit: risk from literature-based relative risks, one model under 50 and one from 50.

Sources: Pal Choudhury 2020, doi:10.1093/jnci/djz113 (iCARE-Lit) and
doi:10.1371/journal.pone.0228198 (iCARE).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from numbers import Real
from typing import TYPE_CHECKING, ClassVar, get_args

import numpy as np
from numpy.typing import NDArray

from mammorisk.base import ModelCard
from mammorisk.clinical.answers import Answers
from mammorisk.clinical.icare_submodel import (
    LAST_AGE,
    Covariates,
    Floats,
    Labels,
    Population,
    SubmodelName,
    Terms,
    load_submodel,
    reference_terms,
    submodel_risk,
)
from mammorisk.clinical.notes import Notes
from mammorisk.clinical.rated import DEFAULT, RatedModel, as_rates
from mammorisk.clinical.rates import Rates
from mammorisk.errors import HorizonError, ModelError, QuestionnaireError
from mammorisk.records.column_names import read_names

if TYPE_CHECKING:
    import pandas as pd

_SPLIT_AGE = 50

#: Accepted heights in decimetres; heights in centimetres or metres are refused.
_HEIGHT_DM = (10.0, 23.0)

#: Questionnaire field of each covariate, used in reports.
_FIELDS = {
    "age_at_menarche": "age_menarche",
    "parity": "parity",
    "age_first_birth": "age_first_birth",
    "alcohol_intake": "alcohol_g_per_day",
    "bmi_curc": "bmi",
    "oc_ever": "oral_contraceptive",
    "oc_current": "oral_contraceptive (current)",
    "bbd": "benign_breast_disease",
    "famhist": "first_degree_relatives",
    "height": "height_cm",
    "age_at_menopause": "age_menopause",
    "hrt": "hrt_use",
    "hrt_type": "hrt_type",
    "hrt:bmi_curc": "hrt_use x bmi",
    "hrt_type:bmi_curc": "hrt_type x bmi",
}


@dataclass(frozen=True, repr=False)
class IcareLit(RatedModel):
    """The model iCARE-Lit, for women of European ancestry.

    Parameters
    ----------
    rates : Rates or str
        Incidence and mortality. The baseline hazard is recomputed: the incidence at an age
        divided by the mean relative risk of the reference sample at that age. The sample itself,
        of US women, is kept.

    See Also
    --------
    mammorisk.load_model : Loads a model by name.
    mammorisk.models : Lists the models.

    Notes
    -----
    Unknown covariates are averaged over a reference sample. For a woman under 50, the risk after
    the 50th birthday is that of the model from 50, given that she is then alive and free of breast
    cancer.

    Examples
    --------
    >>> import pandas as pd
    >>> import mammorisk as mr
    >>> women = pd.DataFrame({"age": [54, 54], "alcohol_g_per_day": [0, 30]})
    >>> mr.load_model("icare-lit").predict(women)["risk_5y"].round(4).tolist()
    [0.0155, 0.0191]
    """

    carried: ClassVar[str] = (
        "relative risks and US reference sample as published, baseline hazard computed anew"
    )
    end_of_data: ClassVar[float] = float(LAST_AGE)
    excludes_lcis: ClassVar[bool] = True
    factors: ClassVar[tuple[str, ...]] = tuple(_FIELDS.values())
    card: ClassVar[ModelCard] = ModelCard(
        name="icare-lit",
        title="iCARE-Lit (literature-based risk factors)",
        family="questionnaire",
        inputs=(
            "age",
            "age_menarche",
            "menopausal_status",
            "age_menopause",
            "parity",
            "age_first_birth",
            "height_cm",
            "bmi",
            "hrt_use",
            "hrt_type",
            "oral_contraceptive",
            "alcohol_g_per_day",
            "benign_breast_disease",
            "atypical_hyperplasia",
            "first_degree_relatives",
        ),
        required=("age",),
        outcome="invasive",
        ages=(20, 79),
        horizons="any up to age 80, and lifetime (to 80)",
        competing_mortality=True,
        training_data="relative risks of the literature; US incidence and mortality of white "
        "women; a reference sample of risk factors",
        source="doi:10.1093/jnci/djz113, doi:10.1371/journal.pone.0228198, files of py-icare",
        licence="MIT (py-icare)",
        intended_use="women of 20-79 without breast cancer, LCIS or a BRCA1/2 mutation; validated "
        "in European ancestry",
        limits="no density, no biopsy results, one class of family history; race is not used",
    )

    def _assess(
        self, women: Answers, end: Floats, notes: Notes
    ) -> tuple[Floats, Mapping[str, Floats]]:
        age = women.age
        younger = age < _SPLIT_AGE
        rates = self.other_rates
        row = np.zeros(len(women), dtype=np.int64) if rates is None else rates.rows_of(women)
        population = Population(rates, row)
        risk = np.zeros(end.shape)
        alive = np.ones(end.shape)
        factors: dict[str, Floats] = {}
        race_known = ~women.unknown("race_ethnicity")
        notes.add(
            race_known & ~women.is_in("race_ethnicity", "white", "unknown"),
            "race-assumed",
            "validated in women of European ancestry",
        )
        no_menopause = women.is_in("menopausal_status", "pre", "peri") & ~younger
        notes.add(
            no_menopause,
            "answer-not-used",
            "premenopausal at 50 or later: age at menopause counted as unknown",
        )
        if younger.any():
            terms = load_submodel("lt50").terms(_covariates(women.take(younger), "lt50"))
            _report("lt50", terms, younger, younger, factors, notes)
            first = np.minimum(end[younger], _SPLIT_AGE)
            before = submodel_risk(
                "lt50", terms.values, age[younger], first, population.take(younger)
            )
            risk[younger], alive[younger] = before
        later = ~younger | (end > _SPLIT_AGE).any(axis=1)
        if later.any():
            terms = load_submodel("ge50").terms(_covariates(women.take(later), "ge50"))
            _report("ge50", terms, later, ~younger, factors, notes)
            start = np.maximum(age[later], _SPLIT_AGE)
            after = submodel_risk("ge50", terms.values, start, end[later], population.take(later))
            risk[later] += alive[later] * after.risk
        self._note_rates(women, notes)
        return risk, factors


def from_covariates(
    frame: pd.DataFrame,
    horizon: float,
    submodel: SubmodelName,
    *,
    rates: Rates | str = DEFAULT,
) -> pd.Series:
    """Compute the risk of one of the two models from covariates in the coding of iCARE.

    Parameters
    ----------
    frame : DataFrame
        ``age`` in years and the covariates of the submodel: ``age_at_menarche``, ``parity``,
        ``age_first_birth``, ``alcohol_intake``, ``bmi_curc``, ``age_at_menopause`` and ``hrt`` by
        level (text or number); ``oc_ever``, ``oc_current``, ``bbd``, ``famhist`` and ``hrt_type``
        0 or 1; ``height`` in decimetres. Every covariate of the submodel needs its column; an
        unknown value (None or NaN) is averaged over the reference sample.
    horizon : float
        Years.
    submodel : {"lt50", "ge50"}
        Model used for the whole interval, at any age.
    rates : Rates or str
        Incidence and mortality, as in :class:`mammorisk.clinical.IcareLit`; of one group.

    Returns
    -------
    Series
        Risk in [0, 1]; NaN where the interval is not within the ages of the rates (0 to 80 by
        default) or the age is missing.

    Raises
    ------
    HorizonError
        The horizon is not above 0.
    ModelError
        There is no such submodel.
    QuestionnaireError
        ``age`` or a covariate has no column, a value is not a level of its covariate, or a height
        is not in decimetres.
    """
    import pandas as pd

    if submodel not in get_args(SubmodelName):
        raise ModelError(f"iCARE-Lit has no submodel {submodel!r}", remedy="lt50 or ge50.")
    names = ("age", *load_submodel(submodel).covariates)
    frame = frame.rename(columns=read_names(frame.columns, names))
    if "age" not in frame.columns:
        raise QuestionnaireError("the table has no column age")
    if not horizon > 0:
        raise HorizonError(f"{horizon!r} is not a horizon", remedy="Give years above 0.")
    other = as_rates(rates)
    if other is not None and len(other.groups) > 1:
        raise ModelError(
            f"the rates of {other.name} have groups, the covariates of iCARE have none",
            where="rates",
            remedy="Give rates of one group.",
        )
    first, last = (0, LAST_AGE) if other is None else (other.first_age, other.end_age)
    model = load_submodel(submodel)
    if absent := [name for name in model.covariates if name not in frame.columns]:
        extra = [str(name) for name in frame.columns if name not in (*model.covariates, "age")]
        raise QuestionnaireError(
            f"the table has no column {', '.join(absent)}"
            + (f"; not read: {', '.join(extra)}" if extra else ""),
            remedy="Rename columns as iCARE does; give an unknown covariate as a column of None.",
        )
    covariates: Covariates = {}
    for name in model.covariates:
        column = frame[name]
        levels = model.factors.get(name)
        covariates[name] = _numbers(name, column) if levels is None else _levels(column, levels)
    start = pd.to_numeric(frame["age"], errors="coerce").to_numpy(np.float64, na_value=np.nan)
    end = start + horizon
    within = (start >= first) & (end <= last + 1e-9)
    end = np.where(within, np.minimum(end, last), np.nan)
    start = np.where(within, start, float(first))
    terms = model.terms(covariates).values
    population = Population(other, np.zeros(len(frame), dtype=np.int64))
    risk = submodel_risk(submodel, terms, start, end[:, None], population).risk[:, 0]
    return pd.Series(risk, index=frame.index, name=f"risk_{horizon:g}y")


def _levels(column: pd.Series, levels: Mapping[str, float]) -> Labels:
    """Levels as text, None where missing. Numbers of any type are converted to text."""
    known = column.notna()
    text = column[known].map(lambda v: f"{v:g}" if isinstance(v, Real) else str(v).strip())
    wrong = ~text.isin(list(levels))
    if wrong.any():
        raise QuestionnaireError(
            f"not a level of {column.name}",
            where=f"row {int(np.flatnonzero(known.to_numpy())[np.flatnonzero(wrong)[0]])}",
            remedy=f"Its levels: {', '.join(levels)}.",
        )
    out = np.full(len(column), None, dtype=object)
    out[known.to_numpy()] = text.to_numpy(dtype=object)
    return out


def _numbers(name: str, column: pd.Series) -> Floats:
    """Numbers of a covariate without levels. Heights must be in decimetres, others 0 or 1."""
    import pandas as pd

    values = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    known = column.notna().to_numpy()
    if name == "height":
        fits, expected = (values >= _HEIGHT_DM[0]) & (values <= _HEIGHT_DM[1]), "in decimetres"
        remedy = "Give 16.3 for 163 cm."
    else:
        fits, expected, remedy = np.isin(values, (0, 1)), "0 or 1", "Leave it empty if unknown."
    if (known & ~fits).any():
        row = int(np.flatnonzero(known & ~fits)[0])
        raise QuestionnaireError(f"{name} must be {expected}", where=f"row {row}", remedy=remedy)
    return values


# --- from questionnaires -----------------------------------------------------------------------


def _band(values: Floats, edges: list[float], labels: list[str]) -> Labels:
    """Label of the band of each value, lower edge inclusive; None for NaN."""
    table = np.array([*labels, None], dtype=object)
    band = np.searchsorted(edges, values, side="right")
    return np.asarray(table[np.where(np.isnan(values), len(labels), band)], dtype=object)


def _covariates(women: Answers, name: SubmodelName) -> Covariates:
    """Convert questionnaire answers to covariates of one model."""
    parity = women.number("parity")
    birth = np.where(parity == 0, 0.0, women.number("age_first_birth"))
    alcohol = women.number("alcohol_g_per_day")
    alcohol_band = _band(
        alcohol,
        [5, 15, 25, 35, 45],
        [">0-5", "5-15", "15-25", "25-35", "35-45", ">=45"],
    )
    alcohol_band[alcohol == 0] = "0"
    relatives = women.number("first_degree_relatives")
    # Atypical hyperplasia is a benign breast disease.
    benign = np.where(women.yes("atypical_hyperplasia"), 1.0, women.number("benign_breast_disease"))
    pill = women.lookup("oral_contraceptive", {"never": 0, "former": 1, "current": 2}, np.nan)
    menarche = np.floor(women.number("age_menarche"))
    shared: Covariates = {
        "age_at_menarche": _band(
            menarche,
            [11, 12, 13, 14, 15, 16],
            ["<=10", "11", "12", "13", "14", "15", ">=16"],
        ),
        "parity": _band(parity, [1, 2, 3], ["0", "1", "2", ">=3"]),
        # The model counts women without a birth in its lowest band.
        "age_first_birth": _band(birth, [20, 25, 30], ["<20", "20-25", "25-30", ">=30"]),
        "alcohol_intake": alcohol_band,
        "oc_ever": np.minimum(pill, 1.0),
        "bbd": benign,
        "famhist": np.where(np.isnan(relatives), np.nan, np.minimum(relatives, 1.0)),
        "height": women.number("height_cm") / 10.0,
    }
    bmi = women.number("bmi")
    if name == "lt50":
        return shared | {
            "oc_current": np.where(np.isnan(pill), np.nan, (pill == 2).astype(float)),
            "bmi_curc": _band(bmi, [18.5, 25, 30], ["<18.5", "18.5-25", "25-30", ">=30"]),
        }
    use = women.lookup("hrt_use", {c: c for c in ("never", "former", "current")}, None)
    kind = women.lookup("hrt_type", {"combined": 0.0, "estrogen": 1.0}, np.nan)
    # In the reference sample only current users have a type other than 0.
    kind[women.is_in("hrt_use", "never", "former")] = 0.0
    kind[women.unknown("hrt_use")] = np.nan
    menopause = women.number("age_menopause")
    return shared | {
        "bmi_curc": _band(bmi, [25, 30], ["<25", "25-30", ">=30"]),
        "age_at_menopause": _band(
            menopause, [40, 45, 50, 55], ["<40", "40-45", "45-50", "50-55", ">=55"]
        ),
        "hrt": use,
        "hrt_type": kind,
    }


@cache
def _mean_height_term(name: SubmodelName) -> float:
    terms = reference_terms(name)
    return float(terms.values[:, terms.names.index("height")].mean())


def _report(
    name: SubmodelName,
    terms: Terms,
    rows: NDArray[np.bool_],
    told: NDArray[np.bool_],
    factors: dict[str, Floats],
    notes: Notes,
) -> None:
    """Add contributions and unknown answers, by the model of each woman's present age.

    ``terms`` has a row for each woman of ``rows``. Only the women in ``told`` are reported.
    """
    among = told[rows]
    for j, term in enumerate(terms.names):
        field = _FIELDS[term]
        values = terms.values[among, j]
        if term == "height":
            # The reference woman has the mean height of the sample, since 0 dm is not a height.
            values = values - _mean_height_term(name)
        factors.setdefault(field, np.full(len(rows), np.nan))[told] = values
        if ":" not in term and term != "oc_current":
            unknown = np.zeros(len(rows), dtype=bool)
            unknown[told] = np.isnan(values)
            notes.add(
                unknown,
                "unknown-averaged",
                field,
                under="unknown, averaged over a reference sample",
            )
