"""Data of the figures of a report, as tidy tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mammorisk._utils.typing import Floats
from mammorisk.evaluation.calibration_tables import tenths
from mammorisk.evaluation.comparison_tables import category_names
from mammorisk.evaluation.interval_methods import NORMAL
from mammorisk.evaluation.rows import count
from mammorisk.metrics.calibration_groups import risk_groups
from mammorisk.metrics.censoring import Ties
from mammorisk.metrics.decision_analysis import decision_curve
from mammorisk.metrics.incidence import cumulative_incidence
from mammorisk.metrics.roc import RocCurve, roc_curve
from mammorisk.metrics.smooth_calibration import CalibrationCurve, calibration_curve
from mammorisk.records.outcome import Outcome

#: Largest number of points that can be distinguished in a figure.
MOST_POINTS = 400
#: Quantile of risk at which histograms end, so that one large risk does not compress them.
LAST_QUANTILE = 0.995
BINS = 40
#: Times of a curve of cumulative incidence.
TIMES = 24
ALL_WOMEN = "all women"


@dataclass(frozen=True, kw_only=True, eq=False)
class PlotSource:
    """The risks and outcomes of a report, from which the data of its figures are computed.

    Attributes
    ----------
    outcome : Outcome
    risks : mapping of str to DataFrame
        By model; columns are horizons in years, NaN where a model has no risk.
    thresholds : tuple of float
        Decision thresholds: risks at the last horizon.
    censoring : str
        See :func:`mammorisk.metrics.fit_censoring`.
    level : float
        Confidence level of the intervals.
    """

    outcome: Outcome
    risks: Mapping[str, pd.DataFrame]
    thresholds: tuple[float, ...]
    censoring: Ties
    level: float
    _kept: dict[tuple[object, ...], pd.DataFrame] = field(default_factory=dict, repr=False)

    @property
    def last(self) -> float:
        """The last horizon of the first model, in years."""
        return float(next(iter(self.risks.values())).columns[-1])

    def has(self, model: str, year: float) -> bool:
        """Whether the model has any risk at the horizon."""
        risks = self.risks[model]
        return year in risks.columns and bool(risks[year].notna().any())

    def cuts(self, year: float) -> tuple[float, ...]:
        """Thresholds for a horizon; they apply to the last horizon only."""
        return self.thresholds if year == self.last else ()

    def roc(self, models: Sequence[str], year: float) -> pd.DataFrame:
        """Operating points; see :func:`roc_points`."""
        return self._of_models("roc", models, year, self._roc)

    def calibration(self, models: Sequence[str], year: float) -> pd.DataFrame:
        """Smooth curve, tenths and histogram of every model; see :func:`calibration_points`."""
        return self._of_models("calibration", models, year, self._calibration)

    def distribution(self, models: Sequence[str], year: float) -> pd.DataFrame:
        """Histograms by outcome; see :func:`risk_histogram`."""

        def histogram(model: str, year: float) -> pd.DataFrame:
            table = risk_histogram(*self._rows(model, year), year)
            return _headed(table, model, year)

        return self._of_models("distribution", models, year, histogram)

    def decision(self, models: Sequence[str], year: float) -> pd.DataFrame:
        """Net benefit by threshold, for the exams with a risk from all these models."""
        key = ("decision", tuple(models), year)
        if key not in self._kept:
            values = {name: self.risks[name][year].to_numpy(dtype=float) for name in models}
            there = np.all([np.isfinite(one) for one in values.values()], axis=0)
            rows = np.flatnonzero(there)
            risks = {name: one[rows] for name, one in values.items()}
            table = decision_curve(
                self.outcome.take(rows),
                risks,
                decision_grid(risks, self.cuts(year)),
                year,
                level=self.level,
            )
            table.insert(1, "horizon", year)
            n, events, weight = count(self.outcome.take(rows), year)
            nobody = table["model"] == "none"
            table.loc[nobody, ["lower", "upper"]] = np.nan
            table.loc[nobody, "reason"] = "0 by definition"
            limits = table["lower"].notna()
            table["interval"] = limits.map({True: NORMAL, False: None})
            self._kept[key] = table.assign(n=n, events=events, weight=weight)
        return self._kept[key]

    def incidence(self, models: Sequence[str], year: float) -> pd.DataFrame:
        """Cumulative incidence by category of risk; see :func:`incidence_by_category`."""

        def curves(model: str, year: float) -> pd.DataFrame:
            outcome, values = self._rows(model, year)
            table = incidence_by_category(outcome, values, year, self.cuts(year), level=self.level)
            return _headed(table, model, year)

        return self._of_models("incidence", models, year, curves)

    def curve(self, model: str, year: float) -> CalibrationCurve:
        """The smooth calibration curve of a model."""
        return calibration_curve(*self._rows(model, year), year, level=self.level)

    def _roc(self, model: str, year: float) -> pd.DataFrame:
        found = roc_curve(*self._rows(model, year), year, censoring=self.censoring)
        return _headed(roc_points(found), model, year)

    def _calibration(self, model: str, year: float) -> pd.DataFrame:
        outcome, values = self._rows(model, year)
        table = calibration_points(
            self.curve(model, year),
            tenths(model, outcome, values, year, self.level),
            risk_histogram(outcome, values, year),
        )
        return _headed(table, model, year)

    def _rows(self, model: str, year: float) -> tuple[Outcome, Floats]:
        values = self.risks[model][year].to_numpy(dtype=float)
        rows = np.flatnonzero(np.isfinite(values))
        if len(rows) == len(values):
            return self.outcome, values
        return self.outcome.take(rows), values[rows]

    def _of_models(
        self,
        kind: str,
        models: Sequence[str],
        year: float,
        compute: Callable[[str, float], pd.DataFrame],
    ) -> pd.DataFrame:
        parts = []
        for model in models:
            key = (kind, model, year)
            if key not in self._kept:
                self._kept[key] = compute(model, year)
            parts.append(self._kept[key])
        return pd.concat(parts, ignore_index=True)


def _headed(table: pd.DataFrame, model: str, year: float) -> pd.DataFrame:
    table = table.drop(columns=["model", "horizon"], errors="ignore")
    table.insert(0, "model", model)
    table.insert(1, "horizon", year)
    return table


def calibration_points(
    curve: CalibrationCurve, groups: pd.DataFrame, histogram: pd.DataFrame
) -> pd.DataFrame:
    """Points of a calibration plot.

    Returns
    -------
    DataFrame
        ``part``: ``"curve"`` (at most 400 points, ascending; none without a curve), ``"tenth"`` or
        ``"histogram"``; ``predicted`` and ``observed`` risk, ``lower``, ``upper``; ``n`` and
        ``events`` of a tenth; ``left``, ``right`` and ``share`` of a bin.
    """
    parts = []
    if curve.reason is None:
        order = np.argsort(curve.predicted)
        rows = order[_thinned(len(order))]
        nothing = np.full(len(rows), np.nan)
        parts.append(
            pd.DataFrame(
                {
                    "part": "curve",
                    "predicted": curve.predicted[rows],
                    "observed": curve.observed[rows],
                    "lower": nothing if curve.lower is None else curve.lower[rows],
                    "upper": nothing if curve.upper is None else curve.upper[rows],
                }
            )
        )
    groups = groups.rename(columns={"expected": "predicted"})
    parts.append(
        groups[["predicted", "observed", "lower", "upper", "n", "events"]].assign(part="tenth")
    )
    bins = histogram[histogram["women"] == "all"]
    parts.append(bins[["left", "right", "share"]].assign(part="histogram"))
    columns = ["part", "predicted", "observed", "lower", "upper", "n", "events", "left", "right"]
    return pd.concat(parts, ignore_index=True)[
        [name for name in columns if any(name in part for part in parts)] + ["share"]
    ]


def roc_points(curve: RocCurve | None) -> pd.DataFrame:
    """Operating points: ``threshold``, ``sensitivity``, ``specificity``; none without a curve."""
    columns = ["threshold", "sensitivity", "specificity"]
    if curve is None:
        return pd.DataFrame(columns=columns, dtype=float)
    rows = _thinned(len(curve.threshold), 5 * MOST_POINTS)
    return pd.DataFrame({name: getattr(curve, name)[rows] for name in columns})


def risk_histogram(outcome: Outcome, risk: Floats, year: float) -> pd.DataFrame:
    """Weighted histograms of predicted risk: all women, and by outcome at the horizon.

    Returns
    -------
    DataFrame
        ``women`` (``"all"``, ``"cancer"``, ``"no cancer"``), ``n`` of them, ``left`` and ``right``
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
        mass, _ = np.histogram(
            np.minimum(risk[rows], edges[-1]), edges, weights=outcome.weight[rows]
        )
        parts.append(
            pd.DataFrame(
                {
                    "women": women,
                    "n": int(rows.sum()),
                    "left": edges[:-1],
                    "right": edges[1:],
                    "share": mass / total,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def decision_grid(risks: Mapping[str, Floats], cuts: Sequence[float]) -> list[float]:
    """Thresholds of a decision curve.

    Around the decision thresholds, from half the lowest to one and a half times the highest;
    without them up to the risk that one woman in a hundred exceeds.
    """
    if len(cuts):
        low, high = min(cuts) / 2, min(1.5 * max(cuts), (1 + max(cuts)) / 2)
    else:
        high = max(max(float(np.quantile(risk, 0.99)) for risk in risks.values()), 1e-4)
        low = high / 40
    grid = np.unique(np.r_[np.linspace(low, high, 40), np.asarray(cuts, dtype=float)])
    return [float(threshold) for threshold in grid.clip(1e-6, 0.99)]


def incidence_by_category(
    outcome: Outcome, risk: Floats, year: float, cuts: Sequence[float], *, level: float
) -> pd.DataFrame:
    """Cumulative incidence over time by category of predicted risk.

    Categories are divided by the cuts, or are thirds without cuts.

    Returns
    -------
    DataFrame
        ``group``, ``time`` (years, up to the horizon), ``observed`` with ``lower`` and ``upper``,
        ``at_risk`` (exams under observation just before that time), ``events`` so far, and
        ``predicted``: the mean risk of the group at the horizon, NaN before it.
    """
    if len(cuts):
        code = np.digitize(risk, sorted(cuts))
        names = category_names(sorted(cuts))
    else:
        code = risk_groups(risk, outcome.weight, 3)
        names = ["lowest third", "middle third", "highest third"]
    groups: list[tuple[str, NDArray[np.bool_]]] = [(ALL_WOMEN, outcome.weight > 0)]
    groups += [(name, (code == k) & (outcome.weight > 0)) for k, name in enumerate(names)]
    times = np.unique(np.r_[np.linspace(0, year, TIMES + 1), np.arange(0, year)])
    rows = []
    for name, inside in groups:
        if not inside.any():
            continue
        own = outcome.take(np.flatnonzero(inside))
        for time in times:
            head = {
                "group": name,
                "time": float(time),
                "at_risk": int(((own.entry <= time) & (own.time >= time)).sum()),
                "events": int(own.is_case(float(time)).sum()),
                "predicted": (
                    float(np.average(risk[inside], weights=own.weight)) if time == year else np.nan
                ),
            }
            if time == 0:
                rows.append(head | {"observed": 0.0, "lower": 0.0, "upper": 0.0})
                continue
            made = cumulative_incidence(own, float(time), level=level)
            rows.append(head | {"observed": made.value, "lower": made.lower, "upper": made.upper})
    columns = ["group", "time", "observed", "lower", "upper", "at_risk", "events", "predicted"]
    return pd.DataFrame(rows)[columns]


def category_shares(
    model: str, outcome: Outcome, risk: Floats, year: float, cuts: Sequence[float]
) -> pd.DataFrame:
    """Women and cancers by category of risk: ``group``, ``n``, ``events``, and shares of both."""
    case, weight = outcome.is_case(year), outcome.weight
    code = np.digitize(risk, sorted(cuts))
    rows = []
    cancers = float(weight[case].sum())
    for k, label in enumerate(category_names(sorted(cuts))):
        inside = code == k
        rows.append(
            {
                "model": model,
                "horizon": year,
                "group": label,
                "n": int(inside.sum()),
                "share_of_women": float(weight[inside].sum() / weight.sum()),
                "events": int((inside & case).sum()),
                "share_of_cancers": float(weight[inside & case].sum()) / cancers
                if cancers > 0
                else np.nan,
            }
        )
    return pd.DataFrame(rows)


def _thinned(n: int, most: int = MOST_POINTS) -> NDArray[np.int64]:
    """Evenly spaced positions, including the first and the last."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(np.int64))
