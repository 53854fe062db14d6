"""Measures of lesion detection by type, size or density."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TypedDict

import numpy as np

from mammorisk.errors import EvaluationError
from mammorisk.metrics.detections import Detections, Per
from mammorisk.metrics.estimate import Estimate
from mammorisk.metrics.froc import (
    froc_curve,
    froc_sensitivity,
    mean_froc_sensitivity,
    normal_false_positives,
)
from mammorisk.metrics.localisation import breast_auc, localisation_auc

if TYPE_CHECKING:
    import pandas as pd

_COLUMNS = ("group", "measure", "value", "se", "lower", "upper", "n", "events", "reason")


class _Bootstrap(TypedDict):
    """Options of the intervals."""

    resamples: int
    seed: int
    level: float


def froc_table(
    detections: Detections,
    by: str | None = None,
    *,
    bins: Sequence[float] | None = None,
    false_positives: Sequence[float] = (0.5,),
    per: Per = "view",
    resamples: int = 500,
    seed: int = 1,
    level: float = 0.95,
) -> pd.DataFrame:
    """Measures of detection, for all lesions or by type, size or density.

    Parameters
    ----------
    detections : Detections
    by : str, optional
        ``"type"``: each type with the marks of that type. Another column of the lesions, such as
        ``"size_mm"``: the lesions of a group, with the false positives of all views. A column of
        the views, such as ``"density"``: the lesions and false positives of a group of views.
    bins : sequence of float, optional
        Edges of the groups of a column of numbers; the lower edge belongs to a group.
    false_positives : sequence of float
        Numbers of false positives per view at which sensitivity is given.
    per : {"view", "lesion"}
        As in :func:`froc_curve`.
    resamples, seed : int
        Bootstrap samples of women.
    level : float
        Confidence level of the intervals.

    Returns
    -------
    DataFrame
        Columns ``group`` ("all" without ``by``), ``measure``, ``value``, ``se``, ``lower``,
        ``upper``, ``n``, ``events`` (lesions, or breasts with a lesion), ``reason``. The measures
        are the sensitivities, the mean sensitivity, the lesion localisation AUC, the breast AUC
        and the false positives per normal exam at the first of ``false_positives``.

    Raises
    ------
    EvaluationError
        There are no lesions, or there is no such column.

    See Also
    --------
    match_detections : Compares the marks of a detector with lesions.

    Examples
    --------
    >>> from mammorisk.metrics import example_findings, froc_table, match_detections
    >>> found = match_detections(*example_findings())
    >>> table = froc_table(found, by="size_mm", bins=[0, 10, 20, 100], resamples=50)
    >>> chosen = table[table["measure"].str.startswith("sensitivity")]
    >>> print(chosen[["group", "value", "events"]].round(2).to_string(index=False))
       group  value  events
      0 - 10   0.69      42
     10 - 20   0.84      96
    20 - 100   0.86      22
    """
    import pandas as pd

    options: _Bootstrap = {"resamples": resamples, "seed": seed, "level": level}
    rows = []
    for group, part in _groups(detections, by, bins):
        for estimate in _measures(part, list(false_positives), per, options):
            rows.append({"group": group, **estimate.row()})
    if not rows:
        raise EvaluationError("there are no lesions", where="lesions")
    return pd.DataFrame(rows)[list(_COLUMNS)].astype({"events": "Int64"})


def _measures(
    part: Detections, rates: list[float], per: Per, options: _Bootstrap
) -> Iterator[Estimate]:
    for rate in rates:
        yield froc_sensitivity(part, rate, per=per, **options)
    yield mean_froc_sensitivity(part, per=per, **options)
    yield localisation_auc(part, per=per, **options)
    yield breast_auc(part, **options)
    threshold = froc_curve(part, per=per).threshold_at(rates[0])
    yield normal_false_positives(part, threshold, **options)


def _groups(
    detections: Detections, by: str | None, bins: Sequence[float] | None
) -> Iterator[tuple[str, Detections]]:
    lesions, views = detections.lesions, detections.views
    if by is None:
        yield "all", detections
    elif by == "type":
        for name in sorted(lesions["type"].dropna().unique()):
            yield str(name), detections.of_type(str(name))
    elif by in lesions.columns:
        for name, inside in _divided(lesions[by], bins):
            yield name, detections.take_lesions(inside)
    elif by in views.columns:
        for name, inside in _divided(views[by], bins):
            part = detections.take_views(inside)
            if len(part.lesions):
                yield name, part
    else:
        raise EvaluationError(f"neither lesions nor views have a column {by}", where="by")


def _divided(values: pd.Series, bins: Sequence[float] | None) -> Iterator[tuple[str, np.ndarray]]:
    if bins is None:
        for name in sorted(values.dropna().unique()):
            yield str(name), (values == name).to_numpy()
        return
    numbers = values.to_numpy(dtype=np.float64)
    for low, high in itertools.pairwise(bins):
        inside = (numbers >= low) & (numbers < high)
        if inside.any():
            yield f"{low:g} - {high:g}", inside
