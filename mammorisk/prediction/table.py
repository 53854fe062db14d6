"""Conversion of scores to the table that is returned to users."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mammorisk._utils.text import TEXT, text_array
from mammorisk.base import Horizon, Scores
from mammorisk.records.alignment import risk_column
from mammorisk.records.cohort import KEYS
from mammorisk.warnings import join_codes, join_text

if TYPE_CHECKING:
    import pandas as pd


def risk_table(
    keys: pd.DataFrame, scores: Scores, model: str, horizons: Sequence[Horizon]
) -> pd.DataFrame:
    """Build the table of risks, with one row per woman.

    Parameters
    ----------
    keys : DataFrame, n rows
        Columns ``patient_id`` and ``exam_id`` are copied where present.
    scores : Scores
    model : str
        Name of the model. Not used if ``scores.models`` names the model of each row.
    horizons : sequence of float or "lifetime"

    Returns
    -------
    DataFrame
        Keys, ``model``, ``risk_1y`` ... with ``_lower`` and ``_upper`` where there is an interval,
        ``images_used``, ``warnings`` (text) and ``warning_codes`` (separated by commas).
    """
    table = scores.risk.set_axis([risk_column(h) for h in horizons], axis=1)
    for name, limits in (("lower", scores.lower), ("upper", scores.upper)):
        if limits is not None:
            names = [f"{risk_column(h)}_{name}" for h in horizons]
            table = table.join(limits.set_axis(names, axis=1))
    table.insert(0, "model", model if scores.models is None else scores.models)
    for position, key in enumerate(key for key in KEYS if key in keys.columns):
        table.insert(position, key, keys[key])
    table["images_used"] = False if scores.images_used is None else scores.images_used.astype(bool)
    texts, codes = {}, {}
    for told in scores.warnings:
        # Many rows share the same few tuples.
        if told not in texts:
            texts[told], codes[told] = join_text(told), join_codes(told)
    for name, spelled in (("warnings", texts), ("warning_codes", codes)):
        # Under pandas 2, Series.map interprets a dictionary of tuples as a MultiIndex.
        table[name] = text_array(spelled[told] for told in scores.warnings)
    table["model"] = table["model"].astype(TEXT)
    return table
