"""predict(): from an exam, a questionnaire or a cohort to absolute risks.

Images are read here only to measure breast density, and only where a reader's is not known.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mammorisk._version import __version__
from mammorisk.clinical import CLINICAL_MODELS, load_clinical
from mammorisk.cohort import Cohort
from mammorisk.errors import ExamError, HorizonError, MammoriskError, QuestionnaireError
from mammorisk.exam import Exam
from mammorisk.model import load_model
from mammorisk.prediction import Prediction
from mammorisk.questionnaire import Questionnaire, check_frame
from mammorisk.risk_model import (
    DEFAULT_HORIZONS,
    Horizon,
    RiskModel,
    Scores,
    as_frame,
    check_horizons,
    risk_table,
)

if TYPE_CHECKING:
    import pandas as pd

    from mammorisk.imaging.density import DensityEstimate

#: The default models: with a known or measured density, and without.
WITH_DENSITY, WITHOUT_DENSITY = "bcsc-2008", "icare-lit"

#: Header and questionnaire ages further apart than this are flagged, years.
AGE_TOLERANCE_YEARS = 1.0


def predict(
    data: Exam | Questionnaire | Cohort | pd.DataFrame | str | Path,
    woman: Questionnaire | None = None,
    *,
    model: str | Path | RiskModel | None = None,
    horizons: Sequence[Horizon] = DEFAULT_HORIZONS,
    progress: bool = False,
) -> Any:
    """Absolute risk of breast cancer for one woman or a cohort.

    Parameters
    ----------
    data : Exam, Questionnaire, Cohort, DataFrame or path
        An exam (or the folder it lies in), with ``woman``; a questionnaire alone; a cohort; or a
        table of questionnaires.
    woman : Questionnaire, optional
        With an exam: what is known of her. Without it her age is taken from the image header.
    model : str, path or RiskModel, optional
        Default: ``bcsc-2008`` where breast density is given by a reader or measured from the
        images, else ``icare-lit``; ``icare-lit`` too where ``bcsc-2008`` does not apply, or for
        horizons over five years. The result names the model used.
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
    chosen = load_model(model) if isinstance(model, (str, Path)) else model
    if isinstance(data, (str, Path)):
        from mammorisk.io import read_exam

        data = read_exam(data)
    if isinstance(data, Exam):
        return _predict_woman(data, woman, chosen, horizons)
    if isinstance(data, Questionnaire):
        return _predict_woman(None, data, chosen, horizons)
    if isinstance(data, Cohort):
        return predict_rows(data, range(len(data)), chosen, horizons, progress=progress)
    frame = as_frame(data)
    return risk_table(frame, *_score(frame, chosen, horizons), horizons)


# --- one woman ---------------------------------------------------------------------------------


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
    scores, names = _score(frame, model, horizons)
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
    )


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
        estimate, findings = _measure(exam)
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


def _measure(exam: Exam) -> tuple[DensityEstimate, list[str]]:
    """Density, and quality findings that the headers did not already tell."""
    from mammorisk.imaging.density import measure_density
    from mammorisk.imaging.look import look_at_exam
    from mammorisk.imaging.quality import check_exam

    images = look_at_exam(exam)
    known = {flag.lower() for flag in exam.all_flags()}
    findings = [str(finding) for finding in check_exam(exam, images)]
    return measure_density(exam, images), [
        text for text in findings if text.lower() not in known and not text.startswith("no ")
    ]


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


# --- many --------------------------------------------------------------------------------------


def predict_rows(
    cohort: Cohort,
    rows: Iterable[int],
    model: RiskModel | None,
    horizons: tuple[Horizon, ...],
    *,
    progress: bool = False,
) -> pd.DataFrame:
    """Predict some rows of a cohort, in order; used whole by predict and in parts by batches.

    Parameters
    ----------
    cohort : Cohort
    rows : iterable of int
        Positions in ``cohort.exams``.
    model, horizons, progress
        As in :func:`predict`.

    Returns
    -------
    DataFrame
        As :func:`predict` returns for a cohort.
    """
    import pandas as pd

    rows = list(rows)
    frame = cohort.questionnaires.iloc[rows].copy()
    faults = cohort.errors.iloc[rows].astype(object).copy()
    notes = pd.Series("", index=frame.index, dtype=object)
    if "age" not in frame.columns:
        frame["age"] = float("nan")
    wants_density = model is None or "breast_density" in model.card.inputs
    if cohort.has_images and (wants_density or frame["age"].isna().any()):
        _add_from_images(cohort, frame, faults, notes, wants_density, progress)
    sound = faults == ""
    scores, names = _score(frame, model, horizons)
    risk = scores.risk.where(sound)
    flags = _join(scores.flags.where(sound, faults), notes)
    return risk_table(frame, Scores(risk=risk, flags=flags), names, horizons)


def _add_from_images(
    cohort: Cohort,
    frame: pd.DataFrame,
    faults: pd.Series,
    notes: pd.Series,
    wants_density: bool,
    progress: bool,
) -> None:
    """Fill unknown densities and ages from the images, row by row; a bad exam marks its row."""
    if "breast_density" not in frame.columns:
        frame["breast_density"] = None
    # As the models will read them: an answer may be "unknown" in words.
    clean, _ = check_frame(frame)
    unknown_age = clean["age"].isna()
    unknown_density = clean["breast_density"].isna() & wants_density
    density = frame["breast_density"].astype(object)
    wanted = (faults == "") & (unknown_density | unknown_age)
    positions = [row for row, want in zip(frame.index, wanted, strict=True) if want]

    def look(row: int) -> tuple[float | None, DensityEstimate | None, list[str]] | MammoriskError:
        assert cohort.open_exam is not None
        try:
            exam = cohort.open_exam(row)
            told = exam.all_flags()
            if not wants_density:
                return exam.age_years, None, told
            estimate, findings = _measure(exam)
            return exam.age_years, estimate, told + findings
        except MammoriskError as error:
            return error
        except MemoryError:
            return ExamError("not enough memory to read the exam")

    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        found = pool.map(look, positions)
        shown = _with_progress(found, len(positions), progress)
        for row, result in zip(positions, shown, strict=True):
            if isinstance(result, MammoriskError):
                faults[row] = str(result)
                continue
            age, estimate, told = result
            if unknown_age[row] and age is not None:
                frame.loc[row, "age"] = age
                told.append("age from the image header")
            if estimate is not None:
                told.extend(estimate.flags)
                if unknown_density[row] and estimate.category is not None:
                    density[row] = estimate.category
                    told.append(
                        f"breast density {estimate.category} estimated from the image, "
                        "not calibrated"
                    )
            notes[row] = "; ".join(told)
    frame["breast_density"] = density


def _with_progress(items: Iterable[Any], total: int, show: bool) -> Iterable[Any]:
    if not show:
        return items
    from rich.progress import track

    return track(items, total=total, description="exams")


# --- scoring -----------------------------------------------------------------------------------


def _score(
    frame: pd.DataFrame, model: RiskModel | None, horizons: tuple[Horizon, ...]
) -> tuple[Scores, list[str]]:
    """Scores and the name of the model behind each row."""
    if model is not None:
        return model.score(frame, horizons), [model.name] * len(frame)
    return _score_default(frame, horizons)


def _score_default(frame: pd.DataFrame, horizons: tuple[Horizon, ...]) -> tuple[Scores, list[str]]:
    import numpy as np
    import pandas as pd

    fallback = load_clinical(WITHOUT_DENSITY)
    beyond = any(h == "lifetime" or h > 5 for h in horizons)
    if "breast_density" not in frame.columns or beyond:
        return fallback.score(frame, horizons), [WITHOUT_DENSITY] * len(frame)
    first = load_clinical(WITH_DENSITY).score(frame, horizons)
    known = frame["breast_density"].notna().to_numpy()
    answered = first.risk.notna().all(axis=1).to_numpy() & known
    if answered.all():
        return first, [WITH_DENSITY] * len(frame)
    rest = ~answered
    second = fallback.score(frame[rest], horizons)
    risk = first.risk.copy()
    risk[rest] = second.risk.to_numpy()
    # Only a woman whose density is known needs to be told why it was not used.
    skipped = first.flags[rest].where(known[rest], "")
    note = skipped.map(lambda why: f"{WITH_DENSITY} does not apply ({why})" if why else "")
    same = second.flags == skipped
    flags = first.flags.copy()
    flags[rest] = _join(second.flags, note.mask(same, ""))
    parts = [s.contributions for s in (first, second) if s.contributions is not None]
    contributions = (
        pd.concat([parts[0][answered], parts[1]]).loc[frame.index]
        if len(parts) == 2 and frame.index.is_unique
        else None
    )
    names = np.where(answered, WITH_DENSITY, WITHOUT_DENSITY).tolist()
    return Scores(risk=risk, flags=flags, contributions=contributions), names


def _join(first: pd.Series, second: pd.Series) -> pd.Series:
    both = (first != "") & (second != "")
    return first.str.cat(second, sep="; ").where(both, first + second)


def _split(flags: str) -> list[str]:
    return [part for part in flags.split("; ") if part]
