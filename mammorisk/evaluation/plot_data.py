"""Data of the figures of a report, as tidy tables."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from mammorisk._utils.typing import Floats
from mammorisk.metrics.roc import RocCurve
from mammorisk.metrics.smooth_calibration import CalibrationCurve
from mammorisk.records.outcome import Outcome

#: Largest number of points that can be distinguished in a figure.
MOST_POINTS = 400
#: Quantile of risk at which histograms end, so that one large risk does not compress them.
LAST_QUANTILE = 0.995
BINS = 40


def calibration_lines(curves: Mapping[str, CalibrationCurve]) -> pd.DataFrame:
    """Smooth calibration curves.

    Returns
    -------
    DataFrame
        ``model``, ``predicted`` (ascending within a model), ``observed``, ``lower``, ``upper``: at
        most 400 points for each model, none for a model without a curve.
    """
    parts = []
    for model, curve in curves.items():
        if curve.reason is not None:
            continue
        order = np.argsort(curve.predicted)
        rows = order[_thinned(len(order))]
        nothing = np.full(len(rows), np.nan)
        parts.append(
            pd.DataFrame(
                {
                    "model": model,
                    "predicted": curve.predicted[rows],
                    "observed": curve.observed[rows],
                    "lower": nothing if curve.lower is None else curve.lower[rows],
                    "upper": nothing if curve.upper is None else curve.upper[rows],
                }
            )
        )
    columns = ["model", "predicted", "observed", "lower", "upper"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def roc_points(curves: Mapping[float, RocCurve | None]) -> pd.DataFrame:
    """Operating points by horizon: ``horizon``, ``threshold``, ``sensitivity``, ``specificity``."""
    parts = []
    for year, curve in curves.items():
        if curve is None:
            continue
        rows = _thinned(len(curve.threshold), 5 * MOST_POINTS)
        parts.append(
            pd.DataFrame(
                {
                    "horizon": year,
                    "threshold": curve.threshold[rows],
                    "sensitivity": curve.sensitivity[rows],
                    "specificity": curve.specificity[rows],
                }
            )
        )
    columns = ["horizon", "threshold", "sensitivity", "specificity"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def risk_histogram(model: str, outcome: Outcome, risk: Floats, year: float) -> pd.DataFrame:
    """Weighted histograms of predicted risk: all women, and by outcome at the horizon.

    Returns
    -------
    DataFrame
        ``model``, ``women`` (``"all"``, ``"cancer"``, ``"no cancer"``), ``left`` and ``right``
        border of the bin (risk), ``share`` of these women. Risks beyond the 99.5th percentile
        count in the last bin.
    """
    top = float(np.quantile(risk, LAST_QUANTILE))
    edges = np.linspace(0, top if top > 0 else 1.0, BINS + 1)
    case = outcome.is_case(year)
    parts = []
    for women, rows in (("all", np.ones(len(case), bool)), ("cancer", case), ("no cancer", ~case)):
        total = float(outcome.weight[rows].sum())
        if not total > 0:
            continue
        mass, _ = np.histogram(np.minimum(risk[rows], top), edges, weights=outcome.weight[rows])
        parts.append(
            pd.DataFrame(
                {
                    "model": model,
                    "women": women,
                    "left": edges[:-1],
                    "right": edges[1:],
                    "share": mass / total,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def risk_groups(outcome: Outcome, risk: Floats, year: float) -> pd.DataFrame:
    """Numbers of women and cancers with a risk under 1.7%, from 1.7 to 3%, and of 3% and over."""
    case, weight = outcome.is_case(year), outcome.weight
    code = np.digitize(risk, [0.017, 0.03])
    rows = []
    for k, label in enumerate(("under 1.7%", "1.7 to 3%", "3% and over")):
        inside = code == k
        cancers = float(weight[case].sum())
        rows.append(
            {
                "group": label,
                "n": int(inside.sum()),
                "share_of_women": float(weight[inside].sum() / weight.sum()),
                "cancers": int((inside & case).sum()),
                "share_of_cancers": float(weight[inside & case].sum()) / cancers
                if cancers > 0
                else np.nan,
            }
        )
    return pd.DataFrame(rows)


def _thinned(n: int, most: int = MOST_POINTS) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return evenly spaced positions, including the first and the last."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(np.int64))
