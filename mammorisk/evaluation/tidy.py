"""All estimates of a report as one tidy table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

COLUMNS = (
    *("table", "model", "group", "horizon", "threshold", "estimand", "estimate", "lower", "upper"),
    *("interval", "p", "null", "n", "events", "weight", "reason"),
)
_SAME = ("horizon", "threshold", "lower", "upper", "interval", "p", "null", "n", "events")


def tidy(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """All tables with one row per estimate.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        Of a report, with ``characteristics``.

    Returns
    -------
    DataFrame
        The columns of :data:`COLUMNS`.
    """
    parts = []
    for name, make in _TABLES.items():
        table = tables.get(name)
        if table is None or table.empty:
            continue
        for part in make(table):
            told = "table_one" if name == "characteristics" else name
            parts.append(part.assign(table=told).reindex(columns=list(COLUMNS)))
    if not parts:
        return pd.DataFrame(columns=list(COLUMNS))
    # An empty column of one part must not decide the type of the whole.
    made = pd.concat([part.astype(object) for part in parts], ignore_index=True)
    text = ("table", "model", "group", "estimand", "interval", "null", "reason")
    for column in made.columns:
        if column in text:
            made[column] = made[column].where(made[column].notna(), None)
        else:
            made[column] = pd.to_numeric(made[column])
    return made.assign(n=made["n"].astype("Int64"), events=made["events"].astype("Int64"))


def _estimates(table: pd.DataFrame, **columns: Any) -> pd.DataFrame:
    """Rows of estimates: ``measure`` and ``value`` under their tidy names."""
    names = [name for name in (*_SAME, "model", "group", "weight", "reason") if name in table]
    found = table[names].copy()
    if "measure" in table:
        found["estimand"] = table["measure"]
    if "value" in table:
        found["estimate"] = table["value"]
    for name, values in columns.items():
        found[name] = values
    return found


def _plain(table: pd.DataFrame) -> list[pd.DataFrame]:
    return [_estimates(table)]


def _comparison(table: pd.DataFrame) -> list[pd.DataFrame]:
    return [
        _estimates(
            table,
            model=table["first"] + " minus " + table["second"],
            estimand="difference of " + table["measure"],
        )
    ]


def _reclassification(table: pd.DataFrame) -> list[pd.DataFrame]:
    return [_estimates(table, model="from " + table["from"] + " to " + table["to"])]


def _subgroups(table: pd.DataFrame) -> list[pd.DataFrame]:
    group = table["column"].astype(str) + ": " + table["group"].astype(str)
    own = _estimates(table, group=group).assign(p=np.nan, null=None)
    if "difference" not in table:
        return [own]
    rows = table["difference"].notna()
    apart = _estimates(
        table[rows],
        group=group[rows],
        estimand=table["measure"][rows] + ", difference from the other groups",
        estimate=table["difference"][rows],
        lower=table["difference_lower"][rows],
        upper=table["difference_upper"][rows],
    )
    told = apart["lower"].notna()
    apart = apart.assign(
        interval=told.map({True: "normal", False: None}),
        reason=told.map({True: None, False: "no standard error of the difference"}),
    )
    return [own, apart]


def _heterogeneity(table: pd.DataFrame) -> list[pd.DataFrame]:
    group = table["column"].astype(str) + ": " + table["group"].astype(str)
    found = [_estimates(table, group=group)]
    if "tau" not in table:
        return found
    rows = table["tau"].notna()
    nothing = {"lower": np.nan, "upper": np.nan, "interval": None, "p": np.nan, "null": None}
    for column, word in (("tau", "tau"), ("i2", "I2")):
        found.append(
            _estimates(
                table[rows],
                group=group[rows],
                estimand=table["measure"][rows] + f", {word}",
                estimate=table[column][rows],
                **nothing,
            )
        )
    found.append(
        _estimates(
            table[rows],
            group=group[rows],
            estimand=table["measure"][rows] + ", prediction interval of another site",
            estimate=table["value"][rows],
            lower=table["prediction_lower"][rows],
            upper=table["prediction_upper"][rows],
            interval="t with k - 2 degrees of freedom",
            p=np.nan,
            null=None,
        )
    )
    return found


def _recalibration(table: pd.DataFrame) -> list[pd.DataFrame]:
    return [_estimates(table, group=table["stage"])]


def _tenths(table: pd.DataFrame) -> list[pd.DataFrame]:
    group = "tenth " + table["group"].astype(str)
    expected = _estimates(table, group=group, estimand="mean predicted risk")
    expected = expected.assign(
        estimate=table["expected"], lower=np.nan, upper=np.nan, interval=None, reason=None
    )
    observed = _estimates(table, group=group, estimand="observed risk", estimate=table["observed"])
    return [expected, observed]


def _incidence(table: pd.DataFrame) -> list[pd.DataFrame]:
    group = "tenth " + table["group"].astype(str)
    ratio = _estimates(
        table,
        group=group,
        estimand="observed risk over the mean",
        estimate=table["incidence_ratio"],
        lower=table["ratio_lower"],
        upper=table["ratio_upper"],
    )
    share = _estimates(
        table, group=group, estimand="share of cancers", estimate=table["share_of_cancers"]
    ).assign(interval=None)
    return [share, ratio]


def _utility(table: pd.DataFrame) -> list[pd.DataFrame]:
    return [_estimates(table, estimand="net benefit", estimate=table["net_benefit"])]


def _two_by_two(table: pd.DataFrame) -> list[pd.DataFrame]:
    group = table["test"] + ", " + table["outcome"]
    counts = _estimates(table, group=group, estimand="exams", estimate=table["n"])
    weighted = _estimates(table, group=group, estimand="exams, weighted")
    weighted = weighted.assign(estimate=table["weighted"])
    return [counts, weighted[weighted["estimate"].notna()]]


def _reclassified(table: pd.DataFrame) -> list[pd.DataFrame]:
    moved = table["from_category"] + " to " + table["to_category"]
    return [
        _estimates(
            table,
            model="from " + table["from"] + " to " + table["to"],
            group=table["outcome"] + ": " + moved,
            estimand="exams",
            estimate=table["n"],
        )
    ]


def _characteristics(table: pd.DataFrame) -> list[pd.DataFrame]:
    level = table["level"].where(table["level"] == "", ": " + table["level"])
    name = table["label"] + level
    told = np.where(table["statistic"] == "mean", "mean of ", "share of ")
    own = _estimates(table, estimand=told + name)
    own = own.assign(n=table["of"])
    apart = table[table["group"].eq("all") & table["standardised_difference"].notna()]
    apart = apart.drop_duplicates("feature")
    differences = pd.DataFrame(
        {
            "group": "cancer minus no cancer",
            "estimand": "standardised difference of " + apart["label"],
            "estimate": apart["standardised_difference"],
            "n": apart["of"],
        }
    )
    return [own, differences]


def _flow(table: pd.DataFrame) -> list[pd.DataFrame]:
    return [_estimates(table, estimand=table["item"])]


def _missing(table: pd.DataFrame) -> list[pd.DataFrame]:
    return [
        pd.DataFrame(
            {"estimand": name + " of " + table["column"].astype(str), "estimate": table[column]}
        )
        for column, name in (
            ("missing", "missing values"),
            ("not_applicable", "values that do not apply"),
            ("share", "share missing"),
        )
    ]


def _warnings(table: pd.DataFrame) -> list[pd.DataFrame]:
    return [
        _estimates(
            table,
            estimand="share of exams with warning " + table["code"].astype(str),
            estimate=table["share"],
            n=table["of"],
        )
    ]


_TABLES: dict[str, Callable[[pd.DataFrame], list[pd.DataFrame]]] = {
    "flow": _flow,
    "characteristics": _characteristics,
    "missing": _missing,
    "model_warnings": _warnings,
    "discrimination": _plain,
    "overall": _plain,
    "calibration": _plain,
    "calibration_groups": _tenths,
    "utility": _utility,
    "thresholds": _plain,
    "two_by_two": _two_by_two,
    "effect_size": _plain,
    "incidence": _incidence,
    "comparison": _comparison,
    "reclassification": _reclassification,
    "reclassified": _reclassified,
    "subgroups": _subgroups,
    "heterogeneity": _heterogeneity,
    "recalibration": _recalibration,
}
