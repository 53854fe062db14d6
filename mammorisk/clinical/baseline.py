"""PublishedBaseline: published incidence, and published factors as log hazard ratios against it.

The baseline is the average woman of her age and race. A published model is turned into a factor by
comparing it with itself: its cumulative hazard for her answers over that for a woman of whom only
the age is known. What a model does not know it averages over, so that a woman of whom only the age
is known has factors of exactly 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mammorisk.clinical import load_clinical

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

#: Horizon at which two curves are compared, years.
_RATIO_HORIZON = 5


@dataclass(frozen=True, kw_only=True)
class BaselineScores:
    """The published baseline of many women.

    Attributes
    ----------
    risk, cumulative_hazard : ndarray, shape (n, n_horizons)
        Of the baseline, the latter ``-log(1 - risk)``; NaN where it does not apply.
    density, questionnaire : ndarray, shape (n,)
        Log hazard ratios of the published factors; 0 where nothing is known.
    warnings : Series of tuple of ResultWarning
    """

    risk: Floats
    cumulative_hazard: Floats
    density: Floats
    questionnaire: Floats
    warnings: pd.Series


@dataclass(frozen=True, kw_only=True)
class PublishedBaseline:
    """Which published models make the baseline.

    Attributes
    ----------
    incidence : str
        A model that needs an age only, as ``"average"``.
    density : str or None
        A model whose ratio to the baseline is the effect of the density category.
    questionnaire : str or None
        A questionnaire model; breast density is kept from it.
    """

    incidence: str = "average"
    density: str | None = "density-only"
    questionnaire: str | None = "icare-lit"

    def score(self, frame: pd.DataFrame, horizons: tuple[float, ...]) -> BaselineScores:
        """Baseline of a questionnaire table.

        Parameters
        ----------
        frame : DataFrame
            Columns are Questionnaire fields.
        horizons : tuple of float
            Years.

        Returns
        -------
        BaselineScores
        """
        base = load_clinical(self.incidence).score(frame, horizons)
        five = load_clinical(self.incidence).score(frame, (_RATIO_HORIZON,))
        density = np.zeros(len(frame))
        if self.density is not None and "breast_density" in frame.columns:
            with_density = load_clinical(self.density).score(frame, (_RATIO_HORIZON,))
            density = _log_ratio(with_density.risk.to_numpy()[:, 0], five.risk.to_numpy()[:, 0])
        questionnaire = np.zeros(len(frame))
        if self.questionnaire is not None:
            questionnaire = self._questionnaire(frame)
        risk = base.risk.to_numpy(dtype=float)
        return BaselineScores(
            risk=risk,
            cumulative_hazard=-np.log1p(-risk),
            density=density,
            questionnaire=questionnaire,
            warnings=base.warnings,
        )

    def _questionnaire(self, frame: pd.DataFrame) -> Floats:
        import pandas as pd

        assert self.questionnaire is not None
        model = load_clinical(self.questionnaire)
        known = frame.drop(columns=["breast_density"], errors="ignore")
        answers = [name for name in known.columns if name in model.card.inputs and name != "age"]
        if not known[answers].notna().any(axis=None):
            return np.zeros(len(frame))
        full = model.score(known, (_RATIO_HORIZON,)).risk.to_numpy()[:, 0]
        ages, position = np.unique(
            pd.to_numeric(frame["age"], errors="coerce").to_numpy(dtype=float), return_inverse=True
        )
        alone = model.score(pd.DataFrame({"age": ages}), (_RATIO_HORIZON,)).risk.to_numpy()[:, 0]
        ratio = _log_ratio(full, alone[position])
        # A woman of whom nothing but her age is known stands exactly at the baseline.
        return np.where(known[answers].notna().any(axis=1), ratio, 0.0)


def _log_ratio(risk: Floats, reference: Floats) -> Floats:
    """Log ratio of cumulative hazards; 0 where either model gives none."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log(np.log1p(-risk.astype(float)) / np.log1p(-reference.astype(float)))
    return np.where(np.isfinite(ratio), ratio, 0.0)
