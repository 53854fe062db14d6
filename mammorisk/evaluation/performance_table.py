"""Table 2 of a validation paper: performance of every model at one horizon, as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from mammorisk.evaluation.table_text import readable

#: Tables of a report with the measures that are shown, in this order.
_MEASURES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("discrimination", ("AUC", "Uno's C")),
    ("calibration", ("E/O", "calibration in the large", "calibration intercept")),
    ("calibration", ("calibration slope", "ICI")),
    ("overall", ("Brier score", "IPA")),
    ("thresholds", ("sensitivity", "specificity", "positive predictive value")),
)


def performance_table(
    tables: Mapping[str, pd.DataFrame], models: Sequence[str], horizon: float
) -> pd.DataFrame:
    """One row per measure and one column per model; estimates with intervals, rounded.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        Of a report.
    models : sequence of str
        In this order.
    horizon : float
        Years.

    Returns
    -------
    DataFrame
        ``measure`` and the models. The first rows are exams and cancers within the horizon. A
        measure without a value for any model is left out.
    """
    sizes = tables["discrimination"]
    sizes = sizes[(sizes["measure"] == "AUC") & (sizes["horizon"] == horizon)].set_index("model")
    there = [model for model in models if model in sizes.index]
    rows: list[dict[str, str]] = [
        {"measure": name, **{model: f"{counts[model]:,}" for model in there}}
        for name, counts in (
            ("exams", sizes["n"].to_dict()),
            ("cancers", sizes["events"].to_dict()),
        )
    ]
    for table, measures in _MEASURES:
        own = tables[table]
        if own.empty:
            continue
        own = own[own["measure"].isin(measures) & (own["horizon"] == horizon)]
        cuts = own["threshold"] if "threshold" in own else pd.Series("", index=own.index)
        for cut in cuts.drop_duplicates():
            part = own[(cuts == cut).to_numpy()]
            shown = _values(part)
            for measure in measures:
                cells = {
                    str(model): text
                    for model, name, text in zip(part["model"], part["measure"], shown, strict=True)
                    if name == measure
                }
                if any(cells.values()):
                    name = measure if cut == "" else f"{measure} at {100 * cut:g}%"
                    rows.append({"measure": name, **cells})
    rows += _net_benefit(tables["utility"], there, horizon, tables["thresholds"])
    return pd.DataFrame(rows, columns=["measure", *there]).fillna("")


def _values(table: pd.DataFrame) -> list[str]:
    """Values with their intervals."""
    text = readable(table)
    return text["value"].tolist() if "value" in text else [""] * len(table)


def _net_benefit(
    table: pd.DataFrame, models: Sequence[str], horizon: float, thresholds: pd.DataFrame
) -> list[dict[str, str]]:
    """Net benefit per 1,000 women at each decision threshold."""
    if table.empty or thresholds.empty or not (table["horizon"] == horizon).all():
        return []
    scaled = table.copy()
    columns = ["net_benefit", "lower", "upper"]
    scaled[columns] = 1000 * scaled[columns]
    rows = []
    for cut in thresholds["threshold"].dropna().drop_duplicates():
        part = scaled[(scaled["threshold"] == cut) & scaled["model"].isin(models)]
        text = readable(part)
        if "net benefit" in text:
            cells = dict(zip(part["model"], text["net benefit"], strict=True))
            rows.append({"measure": f"net benefit per 1,000 at {100 * cut:g}%", **cells})
    return rows
