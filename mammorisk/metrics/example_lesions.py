"""Simulated lesions with the marks of a detector, for the examples in the documentation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

if TYPE_CHECKING:
    import pandas as pd

_VIEWS = ("L-CC", "L-MLO", "R-CC", "R-MLO")


def example_findings(
    n: int = 200, *, seed: int = 0
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Views, lesions and marks of a detector, drawn from a simple model.

    Parameters
    ----------
    n : int
        Number of women, with one exam of four views. Two in five have a lesion in two views.
    seed : int
        Seed of the random numbers.

    Returns
    -------
    views : DataFrame
        As :func:`match_detections` takes them, with ``density`` (A-D).
    lesions : DataFrame
        With ``type`` (mass, calcification) and ``size_mm``.
    found : DataFrame
        Marks, with ``type``.

    See Also
    --------
    example_risks : Simulated risks with outcomes.

    Examples
    --------
    >>> from mammorisk.metrics import example_findings
    >>> views, lesions, found = example_findings()
    >>> len(views), len(lesions), len(found)
    (800, 160, 1305)
    """
    import pandas as pd

    rng = np.random.default_rng(seed)
    density = rng.choice(list("ABCD"), n, p=[0.1, 0.4, 0.4, 0.1])
    views = pd.DataFrame(
        {
            "patient_id": np.repeat([f"p{i}" for i in range(n)], 4),
            "exam_id": np.repeat([f"e{i}" for i in range(n)], 4),
            "view": np.tile(_VIEWS, n),
            "density": np.repeat(density, 4),
        }
    )
    lesions = _lesions(views, rng)
    hidden = views["density"].reindex(lesions.index)
    # Small lesions and dense breasts are harder.
    ease = 0.15 * (lesions["size_mm"] - 14) - 0.5 * (hidden == "D") + 0.9
    is_marked = rng.random(len(lesions)) < 0.92
    hits = lesions.loc[is_marked, ["patient_id", "exam_id", "view", "type", "row_mm", "col_mm"]]
    hits["score"] = _logistic(ease[is_marked] + rng.normal(size=len(hits)))
    hits[["row_mm", "col_mm"]] += rng.normal(scale=1.0, size=(len(hits), 2))
    at = np.repeat(np.arange(len(views)), rng.poisson(1.5, len(views)))
    false = views.loc[at, ["patient_id", "exam_id", "view"]].reset_index(drop=True)
    false["type"] = rng.choice(["mass", "calcification"], len(false))
    false["row_mm"], false["col_mm"] = (
        rng.uniform(0, 200, len(false)),
        rng.uniform(0, 80, len(false)),
    )
    false["score"] = _logistic(rng.normal(-1.2, 1.0, len(false)))
    found = pd.concat([hits, false], ignore_index=True)
    return views, lesions.reset_index(drop=True), found


def _lesions(views: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Two rows for each lesion, with the index of their view."""
    n = len(views) // 4
    women = np.flatnonzero(np.arange(n) % 5 < 2)
    side = rng.integers(0, 2, len(women))
    size = np.exp(rng.normal(np.log(14), 0.4, len(women)))
    kind = rng.choice(["mass", "calcification"], len(women))
    at = (4 * women + 2 * side)[:, None] + np.arange(2)
    lesions = views.loc[at.ravel(), ["patient_id", "exam_id", "view"]].copy()
    lesions["lesion_id"] = np.repeat([f"l{i}" for i in women], 2)
    lesions["type"] = np.repeat(kind, 2)
    lesions["size_mm"] = np.repeat(size, 2)
    lesions["radius_mm"] = lesions["size_mm"] / 2
    lesions["row_mm"] = rng.uniform(40, 160, len(lesions))
    lesions["col_mm"] = rng.uniform(10, 60, len(lesions))
    return lesions


def _logistic(x: ArrayLike) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-np.asarray(x))))
