"""Tables in the form in which published studies of image-based risk gave theirs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mammorisk.errors import EvaluationError

if TYPE_CHECKING:
    from mammorisk.evaluation.report import Report

_ESTIMATE = ["value", "lower", "upper"]


def published_table(report: Report, name: str) -> pd.DataFrame:
    """See :meth:`mammorisk.evaluation.report.Report.published_table`."""
    if name not in _TABLES:
        raise EvaluationError(
            f"there is no table {name!r}", where="name", remedy=f"Known: {', '.join(_TABLES)}."
        )
    return _TABLES[name](report).reset_index(drop=True)


def _measure(table: pd.DataFrame, starts: str) -> pd.DataFrame:
    return table[table["measure"].str.startswith(starts)] if len(table) else table


def _auc_by_model(report: Report) -> pd.DataFrame:
    year = report.horizons[-1]
    own = report.discrimination
    own = own[own["measure"] == f"AUC at {year:g} y"][["model", *_ESTIMATE, "n", "events"]]
    if len(report.comparison):
        apart = report.comparison
        apart = apart[(apart["measure"] == "AUC") & (apart["horizon"] == year)]
        own = own.merge(
            apart[["second", "p"]].rename(columns={"second": "model"}), on="model", how="left"
        )
    return own


def _incidence(report: Report) -> pd.DataFrame:
    return report.incidence


def _per_sd(report: Report) -> pd.DataFrame:
    own = _measure(report.effect_size, "HR per SD")[["model", "measure", *_ESTIMATE, "p"]]
    return pd.concat([own, _auc_by_model(report).assign(measure="AUC")], ignore_index=True)[
        ["model", "measure", *_ESTIMATE]
    ]


def _missed(report: Report) -> pd.DataFrame:
    return _measure(report.thresholds, "false-negative rate")[["model", "measure", *_ESTIMATE]]


def _by_group(report: Report) -> pd.DataFrame:
    own = report.discrimination
    whole = own[own["measure"].str.contains("C") & ~own["measure"].str.contains("controls")]
    whole = whole[["model", "measure", *_ESTIMATE, "n", "events"]].assign(group="all")
    if report.subgroups.empty:
        return whole
    parts = report.subgroups[report.subgroups["measure"] == "AUC"].copy()
    parts["group"] = parts["column"] + ": " + parts["group"]
    parts = parts.assign(model=report.models[0], events=parts["cancers"])
    return pd.concat([whole, parts[whole.columns]], ignore_index=True)


def _fixed(report: Report) -> pd.DataFrame:
    return _measure(report.thresholds, "sensitivity at specificity")[
        ["model", "measure", *_ESTIMATE]
    ]


def _triage(report: Report) -> pd.DataFrame:
    table = report.triage
    if len(table) < 2:
        return table
    wanted = np.searchsorted(table["not_read"], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    return table.iloc[np.unique(np.minimum(wanted, len(table) - 1))]


def _risk_groups(report: Report) -> pd.DataFrame:
    risk, case, weight = (report.curves[name] for name in ("risk", "case", "weight"))
    code = np.digitize(risk, [0.017, 0.03])
    rows = []
    for k, label in enumerate(("under 1.7%", "1.7 to 3%", "3% and over")):
        inside = code == k
        rows.append(
            {
                "group": label,
                "n": int(inside.sum()),
                "share_of_women": weight[inside].sum() / weight.sum(),
                "cancers": int((inside & case).sum()),
                "share_of_cancers": weight[inside & case].sum() / max(weight[case].sum(), 1e-300),
            }
        )
    return pd.DataFrame(rows)


def _expected_observed(report: Report) -> pd.DataFrame:
    year = report.horizons[-1]
    whole = report.calibration
    whole = whole[whole["measure"] == f"E/O at {year:g} y"][["model", *_ESTIMATE]]
    groups = report.calibration_groups
    parts = groups.assign(value=groups["expected"] / groups["observed"])[
        ["model", "group", "value"]
    ]
    return pd.concat([whole.assign(group="all"), parts], ignore_index=True)


def _matched(report: Report) -> pd.DataFrame:
    table = report.curves.get("matched")
    if table is None:
        raise EvaluationError(
            "the cohort has no column matched_set",
            where="T10",
            remedy="Name the set of each woman.",
        )
    return pd.DataFrame(table)


_TABLES: dict[str, Callable[[Report], pd.DataFrame]] = {
    "T1": _auc_by_model,
    "T2": _incidence,
    "T3": _per_sd,
    "T4": _missed,
    "T5": _by_group,
    "T6": _fixed,
    "T7": _triage,
    "T8": _risk_groups,
    "T9": _expected_observed,
    "T10": _matched,
}
