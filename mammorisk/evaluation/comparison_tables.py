"""Comparison of the first model with each other model, in women who have a risk from all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from mammorisk._utils.typing import Floats
from mammorisk.metrics.brier import brier_score
from mammorisk.metrics.censoring import Ties, fit_censoring
from mammorisk.metrics.concordance import concordance_index
from mammorisk.metrics.decision_analysis import net_benefit
from mammorisk.metrics.estimate import Estimate, difference
from mammorisk.metrics.integrated_discrimination import integrated_discrimination_improvement
from mammorisk.metrics.reclassification import net_reclassification_improvement
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
    """Differences of the first model from each other: AUC, Brier score, C index, net benefit."""
    rows = []
    outcome = common.outcome
    fitted = fit_censoring(outcome, ties)

    def compare(measure: str, year: float | None, estimates: dict[str, Estimate]) -> None:
        own = estimates[first]
        for other, theirs in estimates.items():
            if other == first:
                continue
            made = difference(own, theirs, outcome, level=level)
            rows.append(
                {
                    "first": first,
                    "second": other,
                    "measure": measure,
                    "horizon": year,
                    "first_value": own.value,
                    "second_value": theirs.value,
                    "value": made.value,
                    "se": made.se,
                    "lower": made.lower,
                    "upper": made.upper,
                    "p": made.p,
                    "n": made.n,
                    "events": made.events,
                    "reason": made.reason,
                }
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
    """Net reclassification from each other model to the first, its parts, and the IDI."""
    rows = []
    outcome, new = common.outcome, common.risks.get(first)
    if new is None:
        return pd.DataFrame()
    for other, old in common.risks.items():
        if other == first:
            continue
        found = []
        if len(cuts):
            moved = net_reclassification_improvement(
                outcome, old, new, year, cuts=cuts, level=level
            )
            found += [moved.nri, moved.of_cases, moved.of_controls]
        free = net_reclassification_improvement(outcome, old, new, year, level=level)
        found += [free.nri, free.of_cases, free.of_controls]
        found.append(integrated_discrimination_improvement(outcome, old, new, year, level=level))
        for cut in cuts:
            a = net_benefit(outcome, new, cut, year, level=level)
            b = net_benefit(outcome, old, cut, year, level=level)
            found.append(difference(a, b, outcome, level=level))
        for made in found:
            rows.append({"from": other, "to": first, **made.row()})
    return pd.DataFrame(rows)
