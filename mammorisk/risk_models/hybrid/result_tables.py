"""Tables of risks, contributions and warnings from the evaluation of a hybrid network."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mammorisk._utils.typing import Floats
from mammorisk.base import Horizon
from mammorisk.clinical.adverse_facts import add_unused_facts
from mammorisk.clinical.answers import Answers
from mammorisk.clinical.notes import Notes
from mammorisk.inputs.batches import Inputs
from mammorisk.metrics.recalibration import (
    Recalibration,
    log_hazard_change,
    recalibrated_risks,
)
from mammorisk.networks.hazards import YEARS
from mammorisk.records.exam import STANDARD_VIEWS
from mammorisk.risk_models.hybrid.risk_interval import RiskInterval
from mammorisk.warnings import ResultWarning, Warnings, make_warning


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Output of a network for n women, before recalibration.

    Attributes
    ----------
    risk : ndarray, shape (n, years)
    parts : dict of str to ndarray, shape (n,)
        Log hazard ratio of each modality.
    density, published : ndarray, shape (n,), or None
        Published log hazard ratios of the density category and of the questionnaire.
    learned : ndarray of bool, shape (n,)
        Women to whom the recalibration of the fit applies.
    seen : ndarray of bool, shape (n,)
        Women whose images were used.
    objections : list of ResultWarning or None, length n
        Reasons for not using the images.
    spread : ndarray, shape (n,)
        Standard deviation of the log hazard between the heads.
    half_width : ndarray, shape (n,), or None
        Half-width of the 95% interval on the log hazard scale.
    guard_distance, guard_limit : ndarray, shape (n,), or None
        As in :class:`mammorisk.base.Scores`.
    """

    risk: Floats
    parts: dict[str, Floats]
    density: Floats | None
    published: Floats | None
    learned: NDArray[np.bool_]
    seen: NDArray[np.bool_]
    objections: list[ResultWarning | None]
    spread: Floats
    half_width: Floats | None = None
    guard_distance: Floats | None = None
    guard_limit: Floats | None = None


def contribution_table(
    found: Evaluation, recalibration: Mapping[int, Recalibration], index: pd.Index
) -> pd.DataFrame:
    """Log hazard ratios by modality; their sum gives the five-year prediction."""
    columns: dict[str, Floats] = {}
    if found.density is not None and found.published is not None:
        columns |= {"density": found.density, "questionnaire (published)": found.published}
    columns |= found.parts
    if YEARS in recalibration:
        change = log_hazard_change(recalibration[YEARS], found.risk[:, YEARS - 1])
        columns["calibration"] = np.where(found.learned & np.isfinite(change), change, 0.0)
    return pd.DataFrame(columns, index=index)


def risk_table(
    found: Evaluation,
    recalibration: Mapping[int, Recalibration],
    wanted: tuple[Horizon, ...],
    index: pd.Index,
) -> pd.DataFrame:
    """Recalibrated risks at the requested horizons; NaN if a horizon is not a whole year."""
    mapped = recalibrated_risks(recalibration, found.risk, range(1, YEARS + 1))
    mapped = np.where(found.learned[:, None], mapped, found.risk)
    columns = {
        h: mapped[:, int(h) - 1] if h in range(1, YEARS + 1) else np.full(len(index), np.nan)
        for h in wanted
    }
    return pd.DataFrame(columns, index=index)


def limit_tables(
    risk: pd.DataFrame, half_width: Floats | None
) -> tuple[pd.DataFrame | None, pd.DataFrame | None]:
    """Limits of the interval, in the shape of the risks; None if the model has no intervals."""
    if half_width is None:
        return None, None
    low, high = RiskInterval.limits(risk.to_numpy(dtype=float), half_width)
    return tuple(  # type: ignore[return-value]
        pd.DataFrame(limit, index=risk.index, columns=risk.columns) for limit in (low, high)
    )


def warnings_of(
    inputs: Inputs,
    found: Evaluation,
    name: str,
    *,
    used: Collection[str],
    ages_seen: tuple[float, float] | None,
    simulated_text: str | None = None,
) -> list[Warnings]:
    """Collect the warnings of each woman: reasons for a refusal, or cautions about her risk.

    Parameters
    ----------
    inputs : Inputs
    found : Evaluation
    name : str
        Name of the model.
    used : collection of str
        Questionnaire fields that change a risk.
    ages_seen : tuple of (float, float) or None
        Range of ages in training, years.
    simulated_text : str, optional
        Warning of a model that was trained on simulated exams.
    """
    notes = Notes(len(inputs))
    add_unused_facts(Answers(inputs.frame), notes, used, images=found.seen)
    learned = np.any([part != 0 for part in found.parts.values()], axis=0)
    if simulated_text is not None:
        notes.add(learned, "trained-on-simulated", simulated_text)
    if ages_seen is not None:
        age = inputs.frame["age"].to_numpy(dtype=float)
        low, high = ages_seen
        text = f"what {name} learned is taken at the nearest age from {low:g} to {high:g}"
        notes.add(((age < low) | (age > high)) & learned, "age-carried", text)
    return [
        refusals or (*_of_published(inputs, i), *own, *_of_images(inputs, found, i, name))
        for i, (refusals, own) in enumerate(zip(inputs.refusals, notes.records(), strict=True))
    ]


def _of_published(inputs: Inputs, i: int) -> Warnings:
    if inputs.baseline is None:
        return ()
    told: Warnings = inputs.baseline.warnings.iloc[i]
    return told


def _of_images(inputs: Inputs, found: Evaluation, i: int, name: str) -> list[ResultWarning]:
    objection = found.objections[i]
    if objection is not None:
        return [objection, *_of_density(inputs, i)]
    if not found.seen[i]:
        return [make_warning("no-images")]
    exams = inputs.exams
    if exams is None:
        return []
    missing = [
        v for v, there in zip(STANDARD_VIEWS, exams.present[i, :4], strict=True) if not there
    ]
    text = f"missing views: {', '.join(missing)}"
    return [make_warning("views-missing", text)] if missing else []


def _of_density(inputs: Inputs, i: int) -> list[ResultWarning]:
    """Whether density measured in the images is part of a published risk."""
    exams = inputs.exams
    if exams is None or exams.density_probabilities is None or inputs.baseline is None:
        return []
    stated = "breast_density" in inputs.frame and pd.notna(inputs.frame["breast_density"].iloc[i])
    if stated or not np.isfinite(exams.density_probabilities[i]).all():
        return []
    text = "published effect of breast density, averaged over the categories measured in the images"
    return [make_warning("density-estimated", text)]
