"""Conversion of one scored row to a Prediction."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from mammorisk.base import Horizon, ImageModel, RiskModel, Scores
from mammorisk.clinical.rates import Rates
from mammorisk.clinical.registry import CLINICAL_MODELS, RATED_MODELS, load_clinical
from mammorisk.clinical.scoring import ClinicalModel
from mammorisk.errors import HorizonError, MammoriskError, RatesError
from mammorisk.prediction.default_model import WITH_DENSITY
from mammorisk.prediction.prediction import Prediction
from mammorisk.prediction.provenance import known_answers, row_record, run_record
from mammorisk.prediction.rows import ScoredRows
from mammorisk.warnings import Warnings

if TYPE_CHECKING:
    import pandas as pd

    from mammorisk.prediction.reading import ExamReading


def as_prediction(found: ScoredRows, model: RiskModel, horizons: tuple[Horizon, ...]) -> Prediction:
    """Convert a single scored row to a Prediction.

    Parameters
    ----------
    found : ScoredRows, 1 row
    model : RiskModel
    horizons : tuple of float or "lifetime"

    Returns
    -------
    Prediction
    """
    import pandas as pd

    scores, reading = found.scores, found.readings[0]
    name = model.name if scores.models is None else str(scores.models.iloc[0])
    rates: Rates | None = model.other_rates
    baselines, notes = _baselines(found.with_density, name, horizons, rates)
    density = _density(found, rates)
    if found.refused[0]:
        # The exam is refused, and with it every risk, whichever model would give one.
        baselines = baselines * float("nan")
        notes = dict.fromkeys(notes, scores.warnings.iloc[0])
        density.pop("five_year_by_category", None)
    found_lesions = None if isinstance(reading.findings, MammoriskError) else reading.findings
    contributions = (
        scores.contributions.iloc[0].dropna()
        if scores.contributions is not None
        else pd.Series(dtype=float)
    )
    explainer = None
    if isinstance(model, ImageModel) and reading.prepared is not None:
        explainer = partial(model.explain_exam, found.answers, reading.prepared)
    return Prediction(
        model=name,
        risk=scores.risk.iloc[0].rename("risk"),
        baselines=baselines,
        contributions=contributions.rename("log relative risk"),
        density=density,
        warnings=scores.warnings.iloc[0],
        images_used=bool(scores.images_used is not None and scores.images_used.iloc[0]),
        provenance=row_record(run_record(model, horizons), found, 0, model)
        | {
            "views": _views(reading),
            "header_age_years": None if reading.exam is None else reading.exam.age_years,
            "baseline_warnings": {
                other: [one.to_dict() for one in told] for other, told in notes.items()
            },
        },
        interval=_interval(scores),
        answers=known_answers(found.answers, 0),
        findings=found_lesions,
        sources=tuple(view.dicom for view in reading.exam or () if view.dicom is not None),
        explainer=explainer,
        scorer=model.score,
    )


def _interval(scores: Scores) -> pd.DataFrame | None:
    import pandas as pd

    if scores.lower is None or scores.upper is None or scores.lower.iloc[0].isna().all():
        return None
    return pd.DataFrame({"lower": scores.lower.iloc[0], "upper": scores.upper.iloc[0]})


def _published(name: str, rates: Rates | None) -> ClinicalModel:
    """A published model, with the rates of the model that it stands beside where it takes rates."""
    if rates is None or name not in RATED_MODELS:
        return load_clinical(name)
    return load_clinical(name, rates=rates)


def _baselines(
    frame: pd.DataFrame, name: str, horizons: tuple[Horizon, ...], rates: Rates | None
) -> tuple[pd.DataFrame, dict[str, Warnings]]:
    """Return the risks and warnings of all other published models."""
    import pandas as pd

    from mammorisk.warnings import make_warning

    risks: dict[str, pd.Series] = {}
    notes: dict[str, Warnings] = {}
    for other in CLINICAL_MODELS:
        if other == name:
            continue
        try:
            scores = _published(other, rates).score(frame, horizons)
        except HorizonError as error:
            notes[other] = (make_warning("horizon-not-answered", error.what),)
            continue
        except RatesError as error:
            notes[other] = (make_warning("age-out-of-range", error.what),)
            continue
        risks[other] = scores.risk.iloc[0]
        notes[other] = scores.warnings.iloc[0]
    return pd.DataFrame.from_dict(risks, orient="index", columns=list(horizons)), notes


def _density(found: ScoredRows, rates: Rates | None) -> dict[str, Any]:
    """Return the density that is used, and its source."""
    reader = found.answers.get("breast_density")
    stated = None if reader is None else reader.iloc[0]
    estimate = found.readings[0].density
    told: dict[str, Any] = {"category": None, "source": "unknown"}
    if estimate is not None:
        told["percent_density"] = estimate.percent_density
        told["estimated_category"] = estimate.category
        told["probabilities"] = dict(estimate.probabilities)
    if isinstance(stated, str):
        told |= {"category": stated, "source": "reader"}
    elif estimate is not None and estimate.category is not None:
        told |= {"category": estimate.category, "source": "estimated from the image"}
        told["five_year_by_category"] = _by_category(found.with_density, rates)
    return told


def _by_category(frame: pd.DataFrame, rates: Rates | None) -> dict[str, float | None]:
    """Five-year risk for each density category, which shows how much the estimate matters."""
    import pandas as pd

    four = pd.concat([frame.assign(breast_density=c) for c in "abcd"], ignore_index=True)
    risk = _published(WITH_DENSITY, rates).score(four, (5,)).risk[5]
    return {
        c: None if pd.isna(value) else float(value) for c, value in zip("abcd", risk, strict=True)
    }


def _views(reading: ExamReading) -> list[dict[str, Any]]:
    return [
        {
            "view": view.name,
            "kind": view.kind.value,
            "rows": view.rows,
            "columns": view.columns,
            "pixel_mm": view.pixel_mm,
            "acquisition": view.acquisition.summary(),
            # What is not stated has no key.
            "acquisition_values": view.acquisition.model_dump(
                mode="json", exclude={"warnings"}, exclude_none=True
            ),
        }
        for view in reading.exam or ()
    ]
