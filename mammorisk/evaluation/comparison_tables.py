"""Comparison of the first model with each other model, in women who have a risk from all."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from mammorisk._utils.typing import Floats
from mammorisk.evaluation.interval_methods import BINOMIAL, NORMAL, is_plain
from mammorisk.evaluation.rows import NO_DIFFERENCE, row
from mammorisk.metrics.brier import brier_score
from mammorisk.metrics.censoring import Ties, fit_censoring
from mammorisk.metrics.concordance import concordance_index
from mammorisk.metrics.decision_analysis import net_benefit
from mammorisk.metrics.estimate import Estimate, difference
from mammorisk.metrics.integrated_discrimination import integrated_discrimination_improvement
from mammorisk.metrics.reclassification import (
    Reclassification,
    net_reclassification_improvement,
)
from mammorisk.metrics.time_dependent_auc import cumulative_dynamic_auc
from mammorisk.records.alignment import Aligned
from mammorisk.records.outcome import Outcome

#: Smallest share of the women of the first model for whom a compared model has a risk.
_LEAST_SHARE = 0.5


@dataclass(frozen=True, kw_only=True, eq=False)
class Common:
    """Rows and models that are compared.

    Attributes
    ----------
    outcome : Outcome
    tables : dict of str to DataFrame
        Risks by model, columns by horizon.
    risks : dict of str to ndarray
        At the last horizon.
    notes : list of str
    """

    outcome: Outcome
    tables: dict[str, pd.DataFrame]
    risks: dict[str, Floats]
    notes: list[str] = field(default_factory=list)


def common_rows(aligned: Aligned, year: float) -> Common:
    """Return the rows for which every compared model has a risk at the last horizon."""
    notes: list[str] = []
    kept: dict[str, pd.DataFrame] = {}
    n = len(aligned.outcome)
    for name, risks in aligned.risks.items():
        share = float(risks[year].notna().mean()) if year in risks.columns else 0.0
        if share >= _LEAST_SHARE or not kept:
            kept[name] = risks
        else:
            notes.append(
                f"{name} is not compared: it has a {year:g}-year risk for "
                f"{100 * share:.0f}% of exams"
            )
    there = np.ones(n, dtype=bool)
    for risks in kept.values():
        there &= risks[year].notna().to_numpy()
    rows = np.flatnonzero(there)
    if len(rows) < n and len(kept) > 1:
        notes.append(f"models are compared on the {len(rows)} of {n} exams with a risk from all")
    return Common(
        outcome=aligned.outcome if len(rows) == n else aligned.outcome.take(rows),
        tables={name: risks.iloc[rows].reset_index(drop=True) for name, risks in kept.items()},
        risks={name: risks[year].to_numpy(dtype=float)[rows] for name, risks in kept.items()},
        notes=notes,
    )


def comparison_table(
    common: Common, first: str, years: Sequence[float], ties: Ties, level: float
) -> pd.DataFrame:
    """First model minus each other model: AUC and Brier score by horizon, C index.

    ``first_value`` and ``second_value`` are those of the two models.
    """
    rows: list[dict[str, object]] = []
    outcome = common.outcome
    fitted = fit_censoring(outcome, ties)

    def compare(measure: str, year: float | None, estimates: dict[str, Estimate]) -> None:
        own = estimates[first]
        for other, theirs in estimates.items():
            if other == first:
                continue
            rows.append(
                row(
                    difference(own, theirs, outcome, level=level),
                    measure,
                    outcome=outcome,
                    horizon=year,
                    interval=NORMAL,
                    null=NO_DIFFERENCE,
                    first=first,
                    second=other,
                    first_value=own.value,
                    second_value=theirs.value,
                )
            )

    for year in sorted(years, reverse=True):
        values = {
            name: table[year].to_numpy(dtype=float)
            for name, table in common.tables.items()
            if year in table.columns and table[year].notna().all()
        }
        if first not in values or len(values) < 2:
            continue
        compare(
            "AUC",
            year,
            {
                name: cumulative_dynamic_auc(outcome, risk, year, censoring=fitted, level=level)
                for name, risk in values.items()
            },
        )
        compare(
            "Brier score",
            year,
            {
                name: brier_score(outcome, risk, year, censoring=fitted, level=level)
                for name, risk in values.items()
            },
        )
    if len(common.risks) > 1:
        compare(
            "C index",
            None,
            {
                name: concordance_index(outcome, risk, level=level)
                for name, risk in common.risks.items()
            },
        )
    return pd.DataFrame(rows)


def reclassification_table(
    common: Common, first: str, year: float, cuts: Sequence[float], level: float
) -> pd.DataFrame:
    """Net reclassification from each other model to the first, its parts, IDI and net benefit."""
    rows: list[dict[str, object]] = []
    outcome, new = common.outcome, common.risks.get(first)
    if new is None:
        return pd.DataFrame()
    method = BINOMIAL if is_plain(outcome, year) else NORMAL
    for other, old in common.risks.items():
        if other == first:
            continue
        found: list[tuple[str, float, Estimate, str]] = []
        if len(cuts):
            moved = net_reclassification_improvement(
                outcome, old, new, year, cuts=cuts, level=level
            )
            found += _parts(moved, "NRI", method)
        free = net_reclassification_improvement(outcome, old, new, year, level=level)
        found += _parts(free, "continuous NRI", method)
        made = integrated_discrimination_improvement(outcome, old, new, year, level=level)
        found.append(("IDI", float("nan"), made, NORMAL))
        for cut in cuts:
            a = net_benefit(outcome, new, cut, year, level=level)
            b = net_benefit(outcome, old, cut, year, level=level)
            made = difference(a, b, outcome, level=level)
            found.append(("difference of net benefit", cut, made, NORMAL))
        for name, cut, made, interval in found:
            rows.append(
                row(
                    made,
                    name,
                    outcome=outcome,
                    horizon=year,
                    interval=interval,
                    null=NO_DIFFERENCE,
                    threshold=cut,
                    **{"from": other, "to": first},
                )
            )
    return pd.DataFrame(rows)


def _parts(
    moved: Reclassification, name: str, method: str
) -> list[tuple[str, float, Estimate, str]]:
    parts = (("", moved.nri), (", cases", moved.of_cases), (", controls", moved.of_controls))
    return [(f"{name}{told}", float("nan"), made, method) for told, made in parts]


def category_names(cuts: Sequence[float]) -> list[str]:
    """Names of left-closed categories of risk, such as ``"1.7% to 3%"``."""
    shown = [f"{100 * cut:g}%" for cut in cuts]
    between = [f"{low} to {high}" for low, high in itertools.pairwise(shown)]
    return [f"under {shown[0]}", *between, f"{shown[-1]} and over"]


def reclassified_table(
    common: Common, first: str, year: float, cuts: Sequence[float]
) -> pd.DataFrame:
    """Exams by categories of two models and by outcome.

    Returns
    -------
    DataFrame
        ``from``, ``to`` (models), ``horizon``, ``outcome`` (``"all"``, ``"cancer"``, ``"no
        cancer"``: known to be free of it at the horizon), ``from_category``, ``to_category``,
        ``n`` and ``share`` of its row. Exams censored before the horizon are in ``"all"`` alone.
    """
    new = common.risks.get(first)
    if new is None or not len(cuts):
        return pd.DataFrame()
    names, rows = category_names(cuts), []
    for other, old in common.risks.items():
        if other == first:
            continue
        moved = net_reclassification_improvement(common.outcome, old, new, year, cuts=cuts)
        for outcome, table in (
            ("all", moved.table),
            ("cancer", moved.table_cases),
            ("no cancer", moved.table_controls),
        ):
            for i, j in itertools.product(range(len(names)), repeat=2):
                whole = int(table[i].sum())
                rows.append(
                    {
                        "from": other,
                        "to": first,
                        "horizon": year,
                        "outcome": outcome,
                        "from_category": names[i],
                        "to_category": names[j],
                        "n": int(table[i, j]),
                        "share": table[i, j] / whole if whole else np.nan,
                    }
                )
    return pd.DataFrame(rows)
