"""Pooling of the reports of several imputed cohorts by Rubin's rules."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from mammorisk.errors import EvaluationError
from mammorisk.evaluation.report import Report
from mammorisk.evaluation.rows import NO_DIFFERENCE, null_value
from mammorisk.metrics.estimate import NAN, Estimate, normal_quantile
from mammorisk.metrics.proportions import adjust_p_values
from mammorisk.metrics.rubin import PoolingScale, pool_rubin

#: Tables of estimates, and the scale of those whose measure does not tell it.
_POOLED: dict[str, PoolingScale | None] = {
    "discrimination": None,
    "overall": None,
    "calibration": None,
    "thresholds": None,
    "effect_size": None,
    "comparison": "identity",
    "reclassification": "identity",
    "subgroups": None,
}
_METHOD = "t on the scale of the measure (Rubin)"
#: Columns that identify the rows of a table.
_KEYS = (
    "model", "first", "second", "from", "to", "column", "group", "measure", "horizon", "threshold",
)  # fmt: skip


def is_imputed(risks: object) -> bool:
    """Whether risks are a sequence of the risks of several imputed cohorts."""
    return (
        isinstance(risks, (list, tuple))
        and len(risks) > 0
        and all(isinstance(one, (pd.DataFrame, pd.Series, np.ndarray, dict)) for one in risks)
    )


def cohorts_of(cohort: object, imputations: int) -> list[Any]:
    """The cohort of each imputation; a single cohort is used for all.

    Raises
    ------
    EvaluationError
        The number of cohorts is not that of imputations, or there are fewer than two imputations.
    """
    if imputations < 2:
        raise EvaluationError(
            "there are fewer than two imputed sets of risks to pool",
            where="risks",
            remedy="Give the risks themselves, not in a list.",
        )
    if not isinstance(cohort, (list, tuple)):
        return [cohort] * imputations
    if len(cohort) != imputations:
        raise EvaluationError(
            f"{len(cohort)} cohorts for {imputations} imputed sets of risks", where="cohort"
        )
    return list(cohort)


def pooled_report(reports: Sequence[Report]) -> Report:
    """Pool the reports of several imputed cohorts.

    Estimates with a standard error are pooled by Rubin's rules on the scale of their measure (see
    :func:`mammorisk.metrics.pool_rubin`), which adds the columns ``df`` and
    ``missing_information``. Estimates without one are averaged. All other tables and the data of
    figures are those of the first imputed cohort, which is stated in ``notes``.

    Raises
    ------
    EvaluationError
        Reports of different models or horizons.
    """
    first = reports[0]
    for other in reports[1:]:
        if (other.models, other.horizons) != (first.models, first.horizons):
            raise EvaluationError(
                "the imputed sets of risks have different models or horizons", where="risks"
            )
    m = len(reports)
    tables: dict[str, Any] = {
        name: pool_table([getattr(one, name) for one in reports], scale=scale, level=first.level)
        for name, scale in _POOLED.items()
    }
    note = (
        f"{m} imputed cohorts: estimates are pooled by Rubin's rules with the degrees of freedom "
        "of Barnard and Rubin; flow, characteristics, missing values, decision curves, groups of "
        "risk, sites, recalibration, triage and the data of figures are those of the first"
    )
    methods = first.methods | {
        "missing answers": f"multiple imputation, {m} imputed cohorts, pooled by Rubin's rules"
    }
    return replace(
        first,
        **tables,
        notes=[note, *first.notes],
        methods=methods,
        methods_paragraph=f"{first.methods_paragraph} Missing answers were imputed {m} times, and "
        "estimates pooled by Rubin's rules.",
    )


def pool_table(
    tables: Sequence[pd.DataFrame], *, scale: PoolingScale | None = None, level: float = 0.95
) -> pd.DataFrame:
    """Pool the rows that all tables have, by Rubin's rules.

    Parameters
    ----------
    tables : sequence of DataFrame
        With columns ``measure``, ``value``, ``se``, ``lower``, ``upper`` and, where present, ``p``,
        ``null``, ``n``, ``events``, ``reason``.
    scale : str, optional
        Default: the scale of each measure.
    level : float
    """
    if any(len(table) == 0 or "measure" not in table.columns for table in tables):
        return tables[0]
    keys = [key for key in _KEYS if key in tables[0].columns]
    parts = [_by_key(table, keys) for table in tables]
    rows = []
    for key, own in parts[0].items():
        others = [part.get(key) for part in parts]
        if any(other is None for other in others):
            continue
        rows.append(_pool_rows(own, [o for o in others if o is not None], scale, level))
    found = pd.DataFrame(rows)
    if "p_adjusted" in found:
        for _, part in found.groupby(["model", "column", "measure"]):
            found.loc[part.index, "p_adjusted"] = adjust_p_values(part["p"].to_numpy(dtype=float))
    return found


def _by_key(table: pd.DataFrame, keys: list[str]) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Rows by their keys, with a number if keys are equal."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    seen: Counter[tuple[Any, ...]] = Counter()
    for record in table.to_dict("records"):
        # NaN is not equal to itself.
        key = tuple(None if pd.isna(record[name]) else record[name] for name in keys)
        found[(*key, seen[key])] = {str(name): value for name, value in record.items()}
        seen[key] += 1
    return found


def _number(value: object) -> float:
    return NAN if value is None or pd.isna(value) else float(value)  # type: ignore[arg-type,call-overload]


def _pool_rows(
    own: dict[str, Any], rows: list[dict[str, Any]], scale: PoolingScale | None, level: float
) -> dict[str, Any]:
    measure = str(own["measure"])
    null = NAN if "difference" in own else null_value(own.get("null"))
    pooled = pool_rubin([_estimate(measure, row, null) for row in rows], scale=scale, level=level)
    made = dict(own)
    made |= {"value": pooled.value, "se": pooled.se, "lower": pooled.lower, "upper": pooled.upper}
    for name in ("n", "events", "weight", "first_value", "second_value"):
        if name in own:
            counts = [_number(row[name]) for row in rows]
            mean = float(np.mean(counts))
            whole = name in ("n", "events") and not math.isnan(mean)
            made[name] = round(mean) if whole else mean
    made["interval"] = None if math.isnan(pooled.lower) else _METHOD
    if "difference" in own:
        made |= _pool_difference(rows, level)
    elif "p" in own:
        made["p"] = pooled.p
    if "null" in own:
        tested = not math.isnan(made["p"])
        made["null"] = own["null"] or (NO_DIFFERENCE if "difference" in own else None)
        made["null"] = made["null"] if tested else None
    made["df"], made["missing_information"] = pooled.df, pooled.missing_information
    made["reason"] = pooled.reason or (
        "no interval is computed" if math.isnan(pooled.lower) else None
    )
    return made


def _estimate(measure: str, row: dict[str, Any], null: float) -> Estimate:
    reason = row.get("reason")
    return Estimate(
        name=measure,
        value=_number(row["value"]),
        se=_number(row["se"]),
        n=int(_count(row.get("n"))),
        events=None if "events" not in row else int(_count(row["events"])),
        null=null,
        reason=None if reason is None or pd.isna(reason) else str(reason),
    )


def _count(value: object) -> float:
    number = _number(value)
    return 0.0 if math.isnan(number) else number


def _pool_difference(rows: list[dict[str, Any]], level: float) -> dict[str, Any]:
    """Pool the differences of subgroups, whose standard errors follow from their limits."""
    z = normal_quantile(level)
    pooled = pool_rubin(
        [
            Estimate(
                name="difference",
                value=_number(row["difference"]),
                se=(_number(row["difference_upper"]) - _number(row["difference_lower"])) / (2 * z),
                n=int(_count(row.get("n"))),
                null=0.0,
            )
            for row in rows
        ],
        level=level,
    )
    return {
        "difference": pooled.value,
        "difference_lower": pooled.lower,
        "difference_upper": pooled.upper,
        "p": pooled.p,
    }
