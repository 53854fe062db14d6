"""PublishedBaseline: published incidence, and published factors as log hazard ratios against it.

The incidence is that of the average woman of the same age and race. The factor of a published model
is the ratio of two of its own cumulative hazards: for the woman's answers, and for a woman of whom
only the age is known. A model averages over unknown answers, so a woman of whom only the age is
known has factors of exactly 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mammorisk._utils.typing import Floats
from mammorisk.clinical.notes import Notes, as_object_array
from mammorisk.clinical.rated import as_rates
from mammorisk.clinical.rates import Rates
from mammorisk.clinical.registry import load_clinical
from mammorisk.clinical.scoring import ClinicalModel
from mammorisk.warnings import is_refused

if TYPE_CHECKING:
    import pandas as pd

#: Horizon at which two curves are compared, years.
_RATIO_HORIZON = 5
#: Facts that raise the risk, by the fields in which they are given.
_ADVERSE = (("first_degree_relatives",), ("benign_breast_disease", "atypical_hyperplasia"))
#: The composite model, which knows all parts, adds this warning itself.
_NOT_OF_A_PART = "adverse-fact-not-used"


@dataclass(frozen=True, kw_only=True)
class BaselineScores:
    """The published baseline of n women.

    Attributes
    ----------
    risk, cumulative_hazard : ndarray, shape (n, n_horizons)
        Risk of the average woman of the same age and race, and ``-log(1 - risk)``. NaN where there
        is no risk, and for a woman whom any part refuses.
    density, questionnaire : ndarray, shape (n,)
        Log hazard ratios of the published factors; 0 where nothing is known.
    warnings : Series of tuple of ResultWarning
        Reasons of all parts that refuse a woman, else the assumptions.

    See Also
    --------
    PublishedBaseline : Computes them.
    """

    risk: Floats
    cumulative_hazard: Floats
    density: Floats
    questionnaire: Floats
    warnings: pd.Series


@dataclass(frozen=True, kw_only=True)
class PublishedBaseline:
    """The published models on which a composite model is based.

    Attributes
    ----------
    incidence : str
        A model that needs only the age, such as ``"average"``.
    density : str or None
        A model whose ratio to the incidence is the effect of the density category.
    questionnaire : str or None
        A questionnaire model. It does not receive breast density.
    rates : Rates or None
        Incidence and mortality in place of those of the parts; None for their own. Also the name of
        a set, or anything else that is an option ``rates`` of a model.

    See Also
    --------
    mammorisk.clinical.load_clinical : The published models by name.

    Notes
    -----
    The baseline follows three rules:

    - If one part *refuses* a woman (prior breast cancer, a BRCA1/2 mutation, LCIS, impossible
      answers), the baseline refuses her, with the reason of that part.
    - A factor is a ratio over five years, within the ages of its model: 35 to 85 for
      ``density-only`` and 20 to 75 for ``icare-lit``, whose data end at 80. At other ages the ratio
      of the nearest of these ages is used, with a warning ``"age-carried"``. The incidence is not
      extended in this way: outside its ages there is no risk.
    - An adverse fact never lowers the questionnaire factor. If the averaging of ``icare-lit`` over
      unknown answers would lower it, the factor without the fact is used.

    Examples
    --------
    >>> import pandas as pd
    >>> from mammorisk.clinical import PublishedBaseline
    >>> women = pd.DataFrame({"age": [50, 75, 78, 54], "first_degree_relatives": 1})
    >>> women["brca"] = [None, None, None, "brca1"]
    >>> scores = PublishedBaseline().score(women, (5,))
    >>> scores.risk[:, 0].round(4)
    array([0.0129, 0.0223, 0.0215,    nan])
    >>> scores.questionnaire.round(3)
    array([0.391, 0.392, 0.392, 0.   ])
    >>> str(scores.warnings.iloc[3][0])
    'not for BRCA1/2 carriers'
    """

    incidence: str = "average"
    density: str | None = "density-only"
    questionnaire: str | None = "icare-lit"
    rates: Rates | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "rates", as_rates(self.rates))

    @property
    def parts(self) -> tuple[ClinicalModel, ...]:
        """The models; the incidence is first."""
        names = (self.incidence, self.density, self.questionnaire)
        return tuple(self._load(name) for name in names if name is not None)

    def _load(self, name: str) -> ClinicalModel:
        return load_clinical(name) if self.rates is None else load_clinical(name, rates=self.rates)

    @property
    def fields(self) -> frozenset[str]:
        """Questionnaire fields that any of the models uses."""
        return frozenset(field for part in self.parts for field in part.card.inputs)

    def score(self, frame: pd.DataFrame, horizons: tuple[float, ...]) -> BaselineScores:
        """Score a questionnaire table.

        Parameters
        ----------
        frame : DataFrame, n rows
            Columns are Questionnaire fields.
        horizons : tuple of float
            Years.

        Returns
        -------
        BaselineScores

        Raises
        ------
        QuestionnaireError
            There is no column ``age``.
        HorizonError
            The incidence model supports none of the horizons.
        """
        import pandas as pd

        average = self._load(self.incidence)
        base = average.score(frame, horizons)
        carried = Notes(len(frame))
        reasons = [tuple(one for one in own if one.code != _NOT_OF_A_PART) for own in base.warnings]
        density, questionnaire = np.zeros(len(frame)), np.zeros(len(frame))
        for name, answers_of in ((self.density, _density), (self.questionnaire, _questionnaire)):
            if name is None:
                continue
            model = self._load(name)
            within, beyond = _within_ages(frame, model)
            for i, found in enumerate(model.refusals(within)):
                if found:
                    reasons[i] = tuple(dict.fromkeys((*reasons[i], *found)))
            ratio, known = answers_of(model, within, average)
            if name == self.density:
                density = ratio
            else:
                questionnaire = ratio
            carried.add(beyond & known, "age-carried", _carried_text(model))
        refused = np.array([is_refused(own) for own in reasons], dtype=bool)
        warnings = [
            tuple(one for one in own if one.severity == "refusal") if out else (*own, *more)
            for own, more, out in zip(reasons, carried.records(), refused, strict=True)
        ]
        risk = base.risk.to_numpy(dtype=float)
        risk = np.where(refused[:, None], np.nan, risk)
        return BaselineScores(
            risk=risk,
            cumulative_hazard=-np.log1p(-risk),
            density=np.where(refused, 0.0, density),
            questionnaire=np.where(refused, 0.0, questionnaire),
            warnings=pd.Series(as_object_array(warnings), index=frame.index, dtype=object),
        )

    def density_ratio(self, frame: pd.DataFrame) -> Floats:
        """Return the part ``density`` of the scores alone, for women who are not refused.

        Parameters
        ----------
        frame : DataFrame, n rows
            Columns are Questionnaire fields.

        Returns
        -------
        ndarray of float, shape (n,)
            Log hazard ratio of the density category; 0 if the density model refuses a woman, or
            there is none.
        """
        if self.density is None:
            return np.zeros(len(frame))
        model = self._load(self.density)
        within, _ = _within_ages(frame, model)
        ratio, _ = _density(model, within, self._load(self.incidence))
        refused = np.array([is_refused(found) for found in model.refusals(within)], dtype=bool)
        return np.where(refused, 0.0, ratio)


def _edges(model: ClinicalModel) -> tuple[float, float]:
    """Ages at which a ratio over five years can be computed."""
    low, high = model.ages
    return low, min(high, model.last_age - _RATIO_HORIZON)


def _within_ages(
    frame: pd.DataFrame, model: ClinicalModel
) -> tuple[pd.DataFrame, NDArray[np.bool_]]:
    """Return the table with ages clipped to those of the model, and the rows that were changed."""
    import pandas as pd

    age = pd.to_numeric(frame["age"], errors="coerce").to_numpy(dtype=float)
    moved = np.clip(age, *_edges(model))
    return frame.assign(age=moved), np.isfinite(age) & (moved != age)


def _carried_text(model: ClinicalModel) -> str:
    low, high = _edges(model)
    return f"the effect by {model.name} is that of the nearest age from {low:g} to {high:g}"


def _density(
    model: ClinicalModel, frame: pd.DataFrame, incidence: ClinicalModel
) -> tuple[Floats, NDArray[np.bool_]]:
    """Log ratio of the density category to the incidence at this age; rows where it is known."""
    if "breast_density" not in frame.columns:
        return np.zeros(len(frame)), np.zeros(len(frame), dtype=bool)
    risk = model.score(frame, (_RATIO_HORIZON,)).risk.to_numpy()[:, 0]
    average = incidence.score(frame, (_RATIO_HORIZON,)).risk.to_numpy()[:, 0]
    return _log_ratio(risk, average), np.isfinite(risk)


def _questionnaire(
    model: ClinicalModel, frame: pd.DataFrame, incidence: ClinicalModel
) -> tuple[Floats, NDArray[np.bool_]]:
    """Log ratio of the answers to a woman of whom only the age is known; rows with any answer.

    The ratio of a woman of whom only the age is known is exactly 1.
    """
    known = frame.drop(columns=["breast_density"], errors="ignore")
    answers = [name for name in known.columns if name in model.card.inputs and name != "age"]
    told = known[answers].notna().any(axis=1).to_numpy()
    if not told.any():
        return np.zeros(len(frame)), told
    full = _never_lowered(model, known)
    # Rates by group make her group part of what is known of every woman.
    rates = model.other_rates
    by_group = rates is not None and len(rates.groups) > 1 and "race_ethnicity" in known
    keys = known[["age", "race_ethnicity"] if by_group else ["age"]]
    position = keys.groupby(list(keys), dropna=False, observed=True, sort=False).ngroup()
    first = ~position.duplicated().to_numpy()
    alone = model.score(keys[first], (_RATIO_HORIZON,)).risk.to_numpy()[:, 0]
    return np.where(told, _log_ratio(full, alone[position.to_numpy()]), 0.0), told


def _never_lowered(model: ClinicalModel, frame: pd.DataFrame) -> Floats:
    """Five-year risk: the highest of those with and without each adverse fact, shape (n,).

    iCARE averages unknown answers over women in the same percentile of the known part. Near the
    ends of the distribution an additional adverse fact can move a woman to a bin with a lower mean
    risk.
    """
    risk = model.score(frame, (_RATIO_HORIZON,)).risk.to_numpy(dtype=float)[:, 0].copy()
    options: list[list[dict[str, float]]] = [[{}]]
    for fields in _ADVERSE:
        names = [name for name in fields if name in frame.columns and name in model.card.inputs]
        if names:
            options.append([{}, *(dict.fromkeys(names, value) for value in (0.0, np.nan))])
    for chosen in list(product(*options))[1:]:
        changes = {name: value for one in chosen for name, value in one.items()}
        rows = np.ones(len(frame), dtype=bool)
        for one in chosen:
            if one:
                rows &= (frame[list(one)] > 0).any(axis=1).to_numpy()
        if rows.any():
            other = model.score(frame[rows].assign(**changes), (_RATIO_HORIZON,)).risk
            risk[rows] = np.fmax(risk[rows], other.to_numpy(dtype=float)[:, 0])
    return risk


def _log_ratio(risk: Floats, reference: Floats) -> Floats:
    """Log ratio of cumulative hazards; 0 where either model gives no risk."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log(np.log1p(-risk.astype(float)) / np.log1p(-reference.astype(float)))
    return np.where(np.isfinite(ratio), ratio, 0.0)
