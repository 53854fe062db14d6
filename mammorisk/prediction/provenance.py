"""Provenance of a result: what it was computed from, with a digest of every input."""

from __future__ import annotations

import math
import platform
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from mammorisk._utils.digests import config_digest, json_digest
from mammorisk._utils.model_folder import weights_digest
from mammorisk._utils.utc_time import utc_now
from mammorisk._version import __version__
from mammorisk.base import Horizon, ImageModel, RiskModel
from mammorisk.clinical.registry import load_clinical
from mammorisk.prediction.plain import plain_value
from mammorisk.records.questionnaire_fields import FIELDS

if TYPE_CHECKING:
    import pandas as pd

    from mammorisk.prediction.reading import ExamReading
    from mammorisk.prediction.rows import ScoredRows

#: Name and version of this software.
SOFTWARE = f"mammorisk {__version__}"
#: Version of the result schema, ``schemas/result-v1.json``.
SCHEMA_VERSION = "1.0"
#: Libraries whose versions can change a result.
_LIBRARIES = (
    *("numpy", "scipy", "pandas", "pydicom", "imagecodecs", "tifffile"),
    *("opencv-python-headless", "scikit-image", "torch", "timm", "openvino"),
)


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """What all results of one call have in common.

    Attributes
    ----------
    horizons : tuple of float or "lifetime"
    weights, config : str or None
        SHA-256 of the arrays of the model (None for a published model, whose coefficients are part
        of this package) and of its configuration.
    calibration : str
        :attr:`mammorisk.RiskModel.calibration_id`.
    backend : str or None
        Backend of the network.
    """

    horizons: tuple[Horizon, ...]
    weights: str | None
    config: str
    calibration: str
    backend: str | None


def run_record(model: RiskModel, horizons: tuple[Horizon, ...]) -> RunRecord:
    """Record a model. Its weights are read now, so that a change shows in the next result."""
    state = model.state()
    return RunRecord(
        horizons=horizons,
        weights=weights_digest(state),
        config=config_digest(state),
        calibration=model.calibration_id,
        backend=model.backend_used if isinstance(model, ImageModel) else None,
    )


def row_record(run: RunRecord, found: ScoredRows, row: int, model: RiskModel) -> dict[str, Any]:
    """Return the provenance of one scored row.

    Parameters
    ----------
    run : RunRecord
    found : ScoredRows
    row : int
        Position of the row in ``found``.
    model : RiskModel
        The model that scored the rows.

    Returns
    -------
    dict
        Plain JSON types; see ``schemas/result-v1.json``. Equal inputs, models and versions give
        equal keys.
    """
    scores, reading = found.scores, found.readings[row]
    name = model.name if scores.models is None else str(scores.models.iloc[row])
    card = load_clinical(name).card if name != model.name else model.card
    answers = known_answers(found.answers, row)
    record: dict[str, Any] = {
        "software": SOFTWARE,
        "libraries": dict(library_versions()),
        "model": card.name,
        "backend": run.backend,
        "calibration": run.calibration,
        "sha256": {
            "pixels": json_digest(reading.pixel_digests) if reading.pixel_digests else None,
            "acquisition": _acquisition_digest(reading),
            "questionnaire": json_digest(answers),
            "weights": run.weights,
            "config": run.config,
            "policy": None,
        },
        "guard": {
            "distance": _number(scores.guard_distance, row),
            "limit": _number(scores.guard_limit, row),
        },
        "source": card.source,
        "training_data": card.training_data,
        "outcome": card.outcome,
        "rates": None if model.other_rates is None else model.other_rates.describe(),
        "fields_known": sorted(answers),
    }
    codes = sorted({one.code for one in scores.warnings.iloc[row]})
    record["key"] = _result_key(record, run.horizons, codes)
    record["created_utc"] = utc_now()
    return record


def _result_key(
    record: dict[str, Any], horizons: tuple[Horizon, ...], warning_codes: list[str]
) -> str:
    """Return the SHA-256 that names a result: of its inputs, model, software and warnings.

    Inputs that were ignored, such as a prior exam, show only in the warnings.
    """
    parts = ("software", "model", "backend", "calibration", "sha256")
    told = {"horizons": list(horizons), "warnings": warning_codes}
    return json_digest(told | {name: record[name] for name in parts})


def known_answers(answers: pd.DataFrame, row: int) -> dict[str, Any]:
    """Return the known answers of a row as plain JSON types."""
    known = {}
    for name in answers.columns:
        if name in FIELDS and (value := plain_value(answers[name].iloc[row])) is not None:
            known[str(name)] = value
    return known


@cache
def library_versions() -> dict[str, str]:
    """Return the versions of Python and of the installed libraries that can change a result."""
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _acquisition_digest(reading: ExamReading) -> str | None:
    if reading.exam is None:
        return None
    return json_digest({view.name: view.acquisition.summary() for view in reading.exam})


def _number(values: pd.Series | None, row: int) -> float | None:
    if values is None or not math.isfinite(values.iloc[row]):
        return None
    return float(values.iloc[row])
