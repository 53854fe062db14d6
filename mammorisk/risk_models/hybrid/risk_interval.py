"""RiskInterval: limits for the best risk that can be computed from the inputs that were used."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mammorisk._utils.typing import Floats
from mammorisk.inputs.batches import Inputs
from mammorisk.networks.head_ensemble import view_set
from mammorisk.networks.hybrid import Batch

#: Normal quantile of the 95% interval.
NORMAL_975 = 1.959964

#: Answers that do not apply to every woman: field, field that decides, values where it applies.
_APPLIES: dict[str, tuple[str, frozenset[str]]] = {
    "age_menopause": ("menopausal_status", frozenset({"post"})),
    "menopause_type": ("menopausal_status", frozenset({"post"})),
    "hrt_type": ("hrt_use", frozenset({"current"})),
}


@dataclass(frozen=True, kw_only=True)
class RiskInterval:
    """The spread of a model's log hazard around the best one from the same inputs.

    The estimand is the risk given the inputs that were used: the risk that an ideal model would
    compute from the same images, acquisition and answers. It is known only in simulated data. The
    squared standard deviation of the log hazard has three terms: the variance between the heads of
    the ensemble for this woman, the squared approximation gap of the network for this pattern of
    inputs, and a term for each answer that is not known.

    Attributes
    ----------
    gap : dict of str to float
        Standard deviation by pattern, see :func:`pattern_of`. A pattern that is not in it has no
        interval.
    answer_gap : dict of str to float
        Additional standard deviation by Questionnaire field, where its answer is unknown.
    """

    gap: dict[str, float]
    answer_gap: dict[str, float] = field(default_factory=dict)

    def half_widths(
        self, pattern: NDArray[np.object_], spread: Floats, frame: pd.DataFrame
    ) -> Floats:
        """Half-width of the 95% interval on the log hazard scale, shape (n,); NaN without one.

        Parameters
        ----------
        pattern : ndarray of str, shape (n,)
        spread : ndarray, shape (n,)
            Standard deviation between the heads of the ensemble.
        frame : DataFrame, n rows
            Checked questionnaires.
        """
        gap = np.array([self.gap.get(one, np.nan) for one in pattern], dtype=float)
        squared = gap**2 + spread**2
        answered = np.array(["q" in one for one in pattern], dtype=bool)
        for name, extra in self.answer_gap.items():
            squared = squared + np.where(answered & unknown_answer(frame, name), extra**2, 0.0)
        return np.asarray(NORMAL_975 * np.sqrt(squared))

    @staticmethod
    def limits(risk: Floats, half: Floats) -> tuple[Floats, Floats]:
        """Lower and upper limits of risks of shape (n, horizons)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            hazard = -np.log1p(-risk)
            low = -np.expm1(-hazard * np.exp(-half)[:, None])
            high = -np.expm1(-hazard * np.exp(half)[:, None])
        return low, high

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes as JSON types."""
        return {"gap": self.gap, "answer_gap": self.answer_gap}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> RiskInterval:
        """The inverse of :meth:`to_dict`."""
        return cls(
            gap={str(name): float(value) for name, value in data["gap"].items()},
            answer_gap={str(name): float(value) for name, value in data["answer_gap"].items()},
        )


def pattern_of(inputs: Inputs, batch: Batch) -> NDArray[np.object_]:
    """Pattern of the inputs of each woman, shape (n,).

    The number of the set of views, followed by ``a`` if the acquisition is known, ``q`` if any
    question is answered, and ``d`` if there are no images but a density category.
    """
    frame = inputs.frame
    stated = (
        frame["breast_density"].notna().to_numpy()
        if "breast_density" in frame.columns
        else np.zeros(len(frame), dtype=bool)
    )
    told = (batch.given & batch.mask).any(dim=1).numpy()
    rows = zip(view_set(batch.mask).tolist(), told, batch.answered.numpy(), stated, strict=True)
    return np.array(
        [f"{v}{'a' * bool(a)}{'q' * bool(q)}{'d' * bool(d and not v)}" for v, a, q, d in rows],
        dtype=object,
    )


def unknown_answer(frame: pd.DataFrame, name: str) -> NDArray[np.bool_]:
    """Women to whom a question applies and whose answer is not known, shape (n,)."""
    unknown = (
        frame[name].isna().to_numpy() if name in frame.columns else np.ones(len(frame), dtype=bool)
    )
    if name == "age_first_birth" and "parity" in frame.columns:
        return np.asarray(unknown & ~(frame["parity"] == 0).to_numpy(dtype=bool))
    if name in _APPLIES:
        decides, values = _APPLIES[name]
        if decides in frame.columns:
            told = frame[decides].astype(object)
            return np.asarray(unknown & (told.isna() | told.isin(values)).to_numpy(dtype=bool))
    return np.asarray(unknown)
