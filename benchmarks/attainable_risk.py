"""The best risk that can be attained from some inputs of simulated women."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor

import mammorisk as mr
from mammorisk.records.questionnaire_fields import CATEGORIES as _CATEGORIES
from mammorisk.risk_models.hybrid.risk_interval import unknown_answer

Floats = NDArray[np.float64]

#: Answers that the simulation draws and that a model may use.
ANSWERS = (
    *("age_menarche", "age_menopause", "parity", "age_first_birth", "height_cm", "weight_kg"),
    *("alcohol_g_per_day", "biopsies", "first_degree_relatives", "atypical_hyperplasia"),
    *("benign_breast_disease", "menopausal_status", "menopause_type", "hrt_use", "hrt_type"),
    *("oral_contraceptive", "last_mammogram", "race_ethnicity"),
)


def truth_by_kinds(truth: pd.DataFrame) -> dict[str, Floats]:
    """Best attainable five-year risk by the kinds of inputs.

    ``i`` images, ``a`` acquisition, ``q`` answers, ``d`` density category. The truth has no column
    for images and answers without acquisition; there the acquisition is taken out of the risk given
    everything by the ratio of the hazards given the images with and without it.
    """
    columns = {
        "q": "risk_5y_questionnaire",
        "d": "risk_5y_density",
        "qd": "risk_5y_questionnaire_density",
        "i": "risk_5y_image",
        "ia": "risk_5y_image_acquisition",
        "iaq": "risk_5y",
    }
    found = {kinds: truth[column].to_numpy(dtype=float) for kinds, column in columns.items()}
    hazard = {kinds: -np.log1p(-risk) for kinds, risk in found.items()}
    found["iq"] = -np.expm1(-hazard["iaq"] * hazard["i"] / hazard["ia"])
    return found


@dataclass
class UnknownAnswers:
    """The mean true risk given all answers but one, by regression on many simulated women.

    Attributes
    ----------
    women : DataFrame
        Questionnaires without the density category.
    true : ndarray
        Five-year risk given all answers.
    density : Series
        Density category of each woman.
    truth : dict of str to ndarray
        Best attainable risk by the kinds of inputs; see :func:`truth_by_kinds`.
    """

    women: pd.DataFrame
    true: Floats
    density: pd.Series
    truth: dict[str, Floats]

    @classmethod
    def simulated(cls, options: dict[str, int]) -> UnknownAnswers:
        study = mr.simulate(**options)
        women = study.cohort.questionnaires
        return cls(
            women=women.drop(columns="breast_density"),
            true=study.truth["risk_5y_questionnaire"].to_numpy(dtype=float),
            density=women["breast_density"],
            truth=truth_by_kinds(study.truth),
        )

    def ratio(self, name: str, women: pd.DataFrame, true: Floats) -> tuple[Floats, float]:
        """Hazard without an answer over the hazard with it, and the error of the regression.

        The error is the standard deviation of the log of the ratio of two regressions on two
        halves of the women, over two.
        """
        affected = applies(self.women, name)
        if name == "age_first_birth":
            # Nulliparous women have no such age, so a hidden one must not look like theirs.
            affected &= (self.women["parity"] > 0).to_numpy()
        level = self.true.mean()
        halves = []
        rows = np.flatnonzero(affected)
        for half in (rows[::2], rows[1::2]):
            model = HistGradientBoostingRegressor(loss="poisson", max_iter=150, random_state=0)
            model.fit(_codes(self.women.iloc[half], name), self.true[half] / level)
            halves.append(model.predict(_codes(women, name)) * level)
        mean = (halves[0] + halves[1]) / 2
        error = float(np.std(np.log(halves[0] / halves[1])) / 2)
        return np.log1p(-mean) / np.log1p(-true), error


def applies(women: pd.DataFrame, name: str) -> NDArray[np.bool_]:
    """Women to whom a question applies, whether or not they answered it."""
    return unknown_answer(women.assign(**{name: np.nan}), name)


def _codes(women: pd.DataFrame, without: str) -> pd.DataFrame:
    """All answers but one as numbers; categories as their position in alphabetical order."""
    columns = {"age": women["age"]}
    for name in ANSWERS:
        if name == without:
            continue
        values = women[name]
        if pd.api.types.is_numeric_dtype(values.dtype) or pd.api.types.is_bool_dtype(values.dtype):
            columns[name] = values.astype(float)
        else:
            text = values.astype(object)
            order = {value: float(k) for k, value in enumerate(_CATEGORIES[name])}
            columns[name] = text.map(order).astype(float)
    return pd.DataFrame(columns)
