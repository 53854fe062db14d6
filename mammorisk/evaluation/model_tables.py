"""The models of a report, and the warnings of their risks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from mammorisk._utils.model_folder import weights_digest
from mammorisk._version import __version__
from mammorisk.base import RiskModel
from mammorisk.clinical.registry import CLINICAL_MODELS, load_clinical
from mammorisk.records.cohort import KEYS
from mammorisk.records.match_ids import id_columns
from mammorisk.warnings import CODES

#: Key of the record of models in ``DataFrame.attrs`` of a table of risks.
RECORD = "mammorisk_models"
_NOT_TOLD = "the risks were given without a record of their model"


def model_table(risks: Mapping[str, object]) -> pd.DataFrame:
    """Title, version and training data of every model.

    Parameters
    ----------
    risks : mapping of str to DataFrame or other
        Tables of :func:`mammorisk.predict` carry a record of their models.

    Returns
    -------
    DataFrame
        ``model``, ``title``, ``version``, ``weights_sha256``, ``outcome``, ``training_data``,
        ``source``, and ``reason`` (why the other columns are empty).
    """
    return pd.DataFrame([_model_row(name, one) for name, one in risks.items()])


def _model_row(name: str, risks: object) -> dict[str, Any]:
    columns = ("title", "version", "weights_sha256", "outcome", "training_data", "source")
    found: dict[str, Any] = {}
    if isinstance(risks, pd.DataFrame):
        record = risks.attrs.get(RECORD, {})
        names = list(risks["model"].dropna().unique()) if "model" in risks.columns else []
        found = record.get(name) or (record.get(names[0], {}) if len(names) == 1 else {})
        if not found and len(names) == 1 and str(names[0]) in CLINICAL_MODELS:
            found = card_record(str(names[0]))
    row: dict[str, Any] = {"model": name, **{column: found.get(column) for column in columns}}
    row["reason"] = None if found else _NOT_TOLD
    return row


def card_record(name: str) -> dict[str, Any]:
    """The record of a published model, whose coefficients are part of this package."""
    return record_of(load_clinical(name))


def record_of(model: RiskModel) -> dict[str, Any]:
    """Record of the model that a table of risks keeps.

    Returns
    -------
    dict
        ``title``, ``version`` (of this package), ``weights_sha256`` (None for a published model),
        ``outcome``, ``training_data`` and ``source``.
    """
    card = model.card
    return {
        "title": card.title,
        "version": f"mammorisk {__version__}",
        "weights_sha256": weights_digest(model.state()),
        "outcome": card.outcome,
        "training_data": card.training_data,
        "source": card.source,
    }


def warning_table(risks: Mapping[str, object], exams: pd.DataFrame) -> pd.DataFrame:
    """Number of evaluated exams with each warning, by model.

    Parameters
    ----------
    risks : mapping of str to DataFrame or other
        Tables with a column ``warning_codes``; other risks have no warnings.
    exams : DataFrame
        The exams of the evaluation, in the order of the cohort.

    Returns
    -------
    DataFrame
        ``model``, ``code``, ``severity``, ``meaning``, ``n`` (exams with it), ``of`` (exams) and
        ``share``.
    """
    rows: list[dict[str, Any]] = []
    for model, one in risks.items():
        if not isinstance(one, pd.DataFrame) or "warning_codes" not in one.columns:
            continue
        told = _of_exams(one, exams)["warning_codes"].fillna("").astype(str)
        codes = told.str.split(",").explode().str.strip()
        counts = codes[codes != ""].value_counts()
        for code, n in counts.items():
            known = CODES.get(str(code))
            rows.append(
                {
                    "model": model,
                    "code": code,
                    "severity": None if known is None else known.severity,
                    "meaning": None if known is None else known.meaning,
                    "n": int(n),
                    "of": len(told),
                    "share": n / len(told),
                }
            )
    columns = ["model", "code", "severity", "meaning", "n", "of", "share"]
    return pd.DataFrame(rows, columns=columns)


def _of_exams(risks: pd.DataFrame, exams: pd.DataFrame) -> pd.DataFrame:
    keys = [key for key in KEYS if key in risks.columns and key in exams.columns]
    if not keys:
        return risks
    wanted = id_columns(exams, keys).drop_duplicates()
    ids = id_columns(risks, keys)
    text = risks[["warning_codes"]].reset_index(drop=True).join(ids.reset_index(drop=True))
    return wanted.merge(text, on=keys, how="inner")
