"""Tables in the layout of published studies of image-based risk."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from mammorisk.errors import EvaluationError

Tables = Mapping[str, pd.DataFrame]
_ESTIMATE = ["value", "lower", "upper"]


def published_table(tables: Tables, name: str, *, model: str, horizon: float) -> pd.DataFrame:
    """Return a table in the layout of a published study.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        Tables of a report, and its plot data.
    name : str
        ``"T1"`` to ``"T10"``; see :meth:`mammorisk.Report.published_table`.
    model : str
        The first model.
    horizon : float
        Years.

    Raises
    ------
    EvaluationError
        The name is unknown, or ``"T10"`` is requested without matched sets in the cohort.
    """
    if name not in _TABLES:
        raise EvaluationError(
            f"there is no table {name!r}", where="name", remedy=f"Known: {', '.join(_TABLES)}."
        )
    return _TABLES[name](tables, model, horizon).reset_index(drop=True)


def _measure(table: pd.DataFrame, starts: str) -> pd.DataFrame:
    return table[table["measure"].str.startswith(starts)] if len(table) else table


def _auc_by_model(tables: Tables, model: str, year: float) -> pd.DataFrame:
    own = tables["discrimination"]
    own = own[(own["measure"] == "AUC") & (own["horizon"] == year)]
    own = own[["model", *_ESTIMATE, "n", "events"]]
    if len(tables["comparison"]):
        apart = tables["comparison"]
        apart = apart[(apart["measure"] == "AUC") & (apart["horizon"] == year)]
        own = own.merge(
            apart[["second", "p"]].rename(columns={"second": "model"}), on="model", how="left"
        )
    return own


def _incidence(tables: Tables, model: str, year: float) -> pd.DataFrame:
    return tables["incidence"]


def _per_sd(tables: Tables, model: str, year: float) -> pd.DataFrame:
    own = _measure(tables["effect_size"], "HR per SD")[["model", "measure", *_ESTIMATE, "p"]]
    return pd.concat(
        [own, _auc_by_model(tables, model, year).assign(measure="AUC")], ignore_index=True
    )[["model", "measure", *_ESTIMATE]]


def _missed(tables: Tables, model: str, year: float) -> pd.DataFrame:
    return _measure(tables["thresholds"], "false-negative rate at")[
        ["model", "measure", *_ESTIMATE]
    ].dropna(subset=["value"])


def _by_group(tables: Tables, model: str, year: float) -> pd.DataFrame:
    own = tables["discrimination"]
    whole = own[own["measure"].isin(["AUC", "Harrell's C", "Uno's C"])]
    whole = whole[["model", "measure", "horizon", *_ESTIMATE, "n", "events"]].assign(group="all")
    if tables["subgroups"].empty:
        return whole
    parts = tables["subgroups"][tables["subgroups"]["measure"] == "AUC"].copy()
    parts["group"] = parts["column"] + ": " + parts["group"]
    return pd.concat([whole, parts[whole.columns]], ignore_index=True)


def _fixed(tables: Tables, model: str, year: float) -> pd.DataFrame:
    return _measure(tables["thresholds"], "sensitivity at specificity")[
        ["model", "measure", *_ESTIMATE]
    ]


def _triage(tables: Tables, model: str, year: float) -> pd.DataFrame:
    table = tables["triage"]
    if table.empty:
        raise EvaluationError(
            "triage is for scores of the same exam, and the report has none",
            where="T7",
            remedy="Name such scores: evaluate(..., same_exam=['model']).",
        )
    parts = []
    for _, own in table.groupby("model", sort=False):
        wanted = np.searchsorted(own["not_read"], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
        parts.append(own.iloc[np.unique(np.minimum(wanted, len(own) - 1))])
    return pd.concat(parts, ignore_index=True)


def _risk_groups(tables: Tables, model: str, year: float) -> pd.DataFrame:
    table = tables["risk_groups"]
    return table[table["model"] == model] if len(table) else table


def _expected_observed(tables: Tables, model: str, year: float) -> pd.DataFrame:
    whole = tables["calibration"]
    whole = whole[(whole["measure"] == "E/O") & (whole["horizon"] == year)][["model", *_ESTIMATE]]
    groups = tables["calibration_groups"]
    parts = groups.assign(value=groups["expected"] / groups["observed"])[
        ["model", "group", "value"]
    ]
    return pd.concat([whole.assign(group="all"), parts], ignore_index=True)


def _matched(tables: Tables, model: str, year: float) -> pd.DataFrame:
    table = tables["matched"]
    if table.empty:
        raise EvaluationError(
            "the cohort has no column matched_set",
            where="T10",
            remedy="Add a column matched_set with the set of each woman.",
        )
    return table


_TABLES: dict[str, Callable[[Tables, str, float], pd.DataFrame]] = {
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
