"""Grey statistics of standardised exams, used by a domain guard with the encoder's features."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mammorisk.imaging.percentiles import percentiles
from mammorisk.inputs.exam_set import TOKENS_PER_EXAM, ExamSet
from mammorisk.inputs.standard_exam import to_float

_PERCENTS = (10, 25, 50, 75, 90)


def grey_statistics(exams: ExamSet) -> NDArray[np.float64]:
    """Compute breast area, grey quantiles, fine and coarse contrast of each view of the exam.

    Returns
    -------
    ndarray, shape (n, 4, 9)
        NaN where a view is missing.
    """
    out = np.full((len(exams), TOKENS_PER_EXAM, len(_PERCENTS) + 4), np.nan)
    for i, j in np.argwhere(exams.present[:, :TOKENS_PER_EXAM]):
        out[i, j] = _of_view(to_float(exams.pixels[i, j]))
    return out


def _of_view(pixels: NDArray[np.float32]) -> NDArray[np.float64]:
    inside = pixels != 0
    if inside.sum() < 16:
        return np.zeros(len(_PERCENTS) + 4)
    values = pixels[inside]
    contrasts = []
    for step in (1, 4, 16):
        # Differences over one, four and sixteen pixels, with both pixels inside the breast.
        both = inside[step:] & inside[:-step]
        apart = (pixels[step:] - pixels[:-step])[both]
        contrasts.append(np.log(apart.std() + 1e-3) if apart.size > 1 else 0.0)
    return np.array([inside.mean(), *percentiles(values, _PERCENTS), *contrasts])
