"""predict(): from an exam, a questionnaire or a cohort to absolute risks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from mammorisk._version import __version__
from mammorisk.base import (
    DEFAULT_HORIZONS,
    Horizon,
    ImageModel,
    RiskModel,
    Scores,
    as_frame,
    check_horizons,
    risk_table,
)
from mammorisk.clinical import CLINICAL_MODELS, load_clinical
from mammorisk.errors import HorizonError, QuestionnaireError
from mammorisk.models.registry import load_model
from mammorisk.prediction.cohort_rows import predict_rows
from mammorisk.prediction.default_model import WITH_DENSITY, default_name, score
from mammorisk.prediction.measure import measure_exam
from mammorisk.prediction.prediction import Prediction
from mammorisk.records.cohort import Cohort
from mammorisk.records.exam import Exam
from mammorisk.records.questionnaire import Questionnaire

if TYPE_CHECKING:
    import pandas as pd

#: Header and questionnaire ages further apart than this are flagged, years.
AGE_TOLERANCE_YEARS = 1.0


@overload
def predict(
    data: Exam | Questionnaire | str | Path,
    woman: Questionnaire | None = None,
    *,
    model: str | Path | RiskModel | None = None,
    horizons: Sequence[Horizon] = DEFAULT_HORIZONS,
    progress: bool = False,
) -> Prediction: ...
@overload
def predict(
    data: Cohort | pd.DataFrame,
    woman: None = None,
    *,
    model: str | Path | RiskModel | None = None,
    horizons: Sequence[Horizon] = DEFAULT_HORIZONS,
    progress: bool = False,
) -> pd.DataFrame: ...
def predict(
    data: Exam | Questionnaire | Cohort | pd.DataFrame | str | Path,
    woman: Questionnaire | None = None,
    *,
    model: str | Path | RiskModel | None = None,
    horizons: Sequence[Horizon] = DEFAULT_HORIZONS,
    progress: bool = False,
) -> Prediction | pd.DataFrame:
    """Absolute risk of breast cancer for one woman or a cohort.

    Parameters
    ----------
    data : Exam, Questionnaire, Cohort, DataFrame or path
        An exam (or the folder it lies in), with ``woman``; a questionnaire alone; a cohort; or a
        table of questionnaires.
    woman : Questionnaire, optional
        With an exam: what is known of her. Without it her age is taken from the image header.
    model : str, path or RiskModel, optional
        Default with images: ``hybrid``. Without: ``bcsc-2008`` where breast density is known, else
        ``icare-lit``; ``icare-lit`` too where ``bcsc-2008`` does not apply. For horizons that
        ``hybrid`` does not answer the default is the published one. The result names the model
        used.
    horizons : sequence of float or "lifetime"
        Years from the exam.
    progress : bool
        Show a progress bar for a cohort with images.

    Returns
    -------
    Prediction
        For one woman.
    DataFrame
        For a cohort or table: ``patient_id``, ``exam_id``, ``model``, ``risk_1y`` ...
        ``risk_5y``, ``flags``; one row an exam, in order. A row that cannot be scored has NaN
        and the reason in ``flags``.

    Raises
    ------
    QuestionnaireError
        Her age is not known.
    HorizonError
        The model answers none of the horizons.
    ExamError
        ``data`` is a path and the exam cannot be read.
    """
    horizons = check_horizons(horizons)
    if isinstance(data, (str, Path)):
        from mammorisk.io import read_exam

        data = read_exam(data)
    if model is None:
        model = default_name(_has_images(data), horizons)
    chosen = load_model(model) if isinstance(model, (str, Path)) else model
    if isinstance(data, Exam):
        return _predict_woman(data, woman, chosen, horizons)
    if isinstance(data, Questionnaire):
        return _predict_woman(None, data, chosen, horizons)
    if isinstance(data, Cohort):
        return predict_rows(data, range(len(data)), chosen, horizons, progress=progress)
    frame = as_frame(data)
    return risk_table(frame, *score(frame, chosen, horizons), horizons)


def _has_images(data: object) -> bool:
    return isinstance(data, Exam) or (isinstance(data, Cohort) and data.has_images)


def _predict_woman(
    exam: Exam | None,
    woman: Questionnaire | None,
    model: RiskModel | None,
    horizons: tuple[Horizon, ...],
) -> Prediction:
    import pandas as pd

    flags: list[str] = []
    if woman is None:
        woman = _from_header(exam)
        flags.append("no questionnaire: age from the image header, all else unknown")
    elif (
        exam is not None
        and exam.age_years is not None
        and abs(exam.age_years - woman.age) > AGE_TOLERANCE_YEARS
    ):
        flags.append("age in the image header and in the questionnaire differ")
    density, frame = _density_of(exam, woman, flags)
    explainer = None
    if isinstance(model, ImageModel) and model.uses_images and exam is not None:
        # As she answered: a density estimated by us is kept from the network.
        answers, read = woman.to_frame(), model.read_exam(exam)
        scores = model.score_read(answers, read, horizons)
        explainer, name = model.explainer(answers, read, scores), model.name
    else:
        scores, names = score(frame, model, horizons)
        name = names[0]
    if exam is not None:
        flags.extend(exam.all_flags())
        flags.extend(f"{item.source} set aside: {item.reason}" for item in exam.set_aside)
    own = _split(scores.flags.iloc[0])
    baselines, notes = _baselines(frame, name, horizons)
    contributions = (
        scores.contributions.iloc[0].dropna()
        if scores.contributions is not None
        else pd.Series(dtype=float)
    )
    return Prediction(
        model=name,
        risk=scores.risk.iloc[0].rename("risk"),
        baselines=baselines,
        contributions=contributions.rename("log relative risk"),
        density=density,
        flags=[*own, *flags],
        provenance=_provenance(name, exam, woman, model) | {"baseline_flags": notes},
        interval=_interval(scores),
        explainer=explainer,
    )


def _interval(scores: Scores) -> pd.DataFrame | None:
    import pandas as pd

    if scores.lower is None or scores.upper is None:
        return None
    return pd.DataFrame({"lower": scores.lower.iloc[0], "upper": scores.upper.iloc[0]})


def _baselines(
    frame: pd.DataFrame, name: str, horizons: tuple[Horizon, ...]
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Risks of every other published model, and what each says of them."""
    import pandas as pd

    risks, notes = {}, {}
    for other in CLINICAL_MODELS:
        if other == name:
            continue
        try:
            scores = load_clinical(other).score(frame, horizons)
        except HorizonError as error:
            notes[other] = error.what
            continue
        risks[other] = scores.risk.iloc[0]
        notes[other] = scores.flags.iloc[0]
    return pd.DataFrame.from_dict(risks, orient="index", columns=list(horizons)), notes


def _from_header(exam: Exam | None) -> Questionnaire:
    if exam is None or exam.age_years is None:
        raise QuestionnaireError(
            "her age is not known: no questionnaire was given and the images do not state it",
            remedy="Pass mr.Questionnaire(age=...).",
        )
    return Questionnaire(age=exam.age_years)


def _density_of(
    exam: Exam | None, woman: Questionnaire, flags: list[str]
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Which density is used and where it comes from; the questionnaire table with it filled in."""
    frame = woman.to_frame()
    estimate = None
    if exam is not None:
        estimate, findings = measure_exam(exam)
        flags.extend(findings)
    told: dict[str, Any] = {"category": None, "source": "unknown"}
    if estimate is not None:
        told["percent_density"] = estimate.percent_density
        told["estimated_category"] = estimate.category
        told["probabilities"] = dict(estimate.probabilities)
        flags.extend(estimate.flags)
    if woman.breast_density is not None:
        told |= {"category": woman.breast_density, "source": "reader"}
    elif estimate is not None and estimate.category is not None:
        told |= {"category": estimate.category, "source": "estimated from the image"}
        flags.append(f"breast density {estimate.category} estimated from the image, not calibrated")
        frame["breast_density"] = estimate.category
        told["five_year_by_category"] = _by_category(frame)
    return told, frame


def _by_category(frame: pd.DataFrame) -> dict[str, float | None]:
    """Five-year risk under each density category: how much the estimate matters."""
    import pandas as pd

    four = pd.concat([frame.assign(breast_density=c) for c in "abcd"], ignore_index=True)
    risk = load_clinical(WITH_DENSITY).score(four, (5,)).risk[5]
    return {
        c: None if pd.isna(value) else float(value) for c, value in zip("abcd", risk, strict=True)
    }


def _provenance(
    name: str, exam: Exam | None, woman: Questionnaire, model: RiskModel | None
) -> dict[str, Any]:
    card = (model if model is not None else load_clinical(name)).card
    return {
        "software": f"mammorisk {__version__}",
        "model": card.name,
        "backend": model.backend_used if isinstance(model, ImageModel) else None,
        "source": card.source,
        "training_data": card.training_data,
        "outcome": card.outcome,
        "fields_known": sorted(field for field, value in woman if value is not None),
        "views": [
            {
                "view": view.name,
                "kind": view.kind.value,
                "rows": view.rows,
                "columns": view.columns,
                "pixel_mm": view.pixel_mm,
                "acquisition": view.acquisition.summary(),
            }
            for view in exam or ()
        ],
    }


def _split(flags: str) -> list[str]:
    return [part for part in flags.split("; ") if part]
