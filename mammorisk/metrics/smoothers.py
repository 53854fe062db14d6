"""Regression splines and local regression."""

from __future__ import annotations

import numpy as np

from mammorisk._utils.typing import Floats
from mammorisk.errors import EvaluationError

#: Quantiles of the knots of a restricted cubic spline (Harrell 2015, table 2.3).
_KNOTS = {
    3: (0.1, 0.5, 0.9),
    4: (0.05, 0.35, 0.65, 0.95),
    5: (0.05, 0.275, 0.5, 0.725, 0.95),
    6: (0.05, 0.23, 0.41, 0.59, 0.77, 0.95),
    7: (0.025, 0.1833, 0.3417, 0.5, 0.6583, 0.8167, 0.975),
}


def spline_basis(x: Floats, knots: Floats) -> Floats:
    """Restricted cubic spline: x and k - 2 terms, scaled by the range of the knots squared."""
    last, before = knots[-1], knots[-2]
    scale = (last - knots[0]) ** 2

    def cubic(values: Floats) -> Floats:
        return np.asarray(np.maximum(values, 0.0) ** 3)

    terms = [x]
    for knot in knots[:-2]:
        term = cubic(x - knot)
        term = term - cubic(x - before) * (last - knot) / (last - before)
        term = term + cubic(x - last) * (before - knot) / (last - before)
        terms.append(term / scale)
    return np.column_stack(terms)


def place_knots(x: Floats, count: int) -> Floats:
    """Knots at Harrell's quantiles; fewer if some of them are equal."""
    if count not in _KNOTS:
        raise EvaluationError("a spline has 3 to 7 knots", where="knots")
    return np.unique(np.quantile(x, _KNOTS[count]))


def loess(
    x: Floats, y: Floats, span: float = 0.75, *, degree: int = 2, at: Floats | None = None
) -> Floats:
    """Local regression with tricube weights: R's loess with ``surface="direct"``.

    Parameters
    ----------
    x, y : ndarray, shape (n,)
    span : float
        Share of rows in a window; above 1 the window is wider than the data.
    degree : {1, 2}
        Local lines or parabolas.
    at : ndarray, optional
        Values at which the curve is computed; the default is ``x``.

    References
    ----------
    Cleveland 1979, doi 10.1080/01621459.1979.10481038.
    """
    if degree not in (1, 2):
        raise EvaluationError(
            f"{degree!r} is not a degree of loess", where="degree", remedy="Use 1 or 2."
        )
    n = len(x)
    count = min(n, int(np.floor(n * span + 1e-5)))
    points, place = np.unique(x if at is None else at, return_inverse=True)
    fitted = np.empty(len(points))
    for i, point in enumerate(points):
        distance = np.abs(x - point)
        reach = np.partition(distance, count - 1)[count - 1] * max(span, 1.0)
        near = distance < reach if reach > 0 else distance == 0
        u = distance[near] / reach if reach > 0 else np.zeros(near.sum())
        root = np.sqrt((1 - u**3) ** 3)
        centred = x[near] - point
        scale = max(np.abs(centred).max(), 1e-300)
        design = np.vander(centred / scale, degree + 1, increasing=True)
        fitted[i] = np.linalg.lstsq(design * root[:, None], y[near] * root, rcond=1e-10)[0][0]
    return np.asarray(fitted[place])


def lowess(x: Floats, y: Floats) -> Floats:
    from statsmodels.nonparametric.smoothers_lowess import lowess

    return np.asarray(lowess(y, x, frac=2 / 3, it=0, delta=0.01 * np.ptp(x), return_sorted=False))
