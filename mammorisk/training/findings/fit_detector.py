"""Fit of a detector of lesions on annotated exams."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mammorisk._utils.digests import array_digest
from mammorisk._version import __version__
from mammorisk.errors import TrainingError
from mammorisk.findings.annotated import AnnotatedCohort
from mammorisk.findings.base import Detector
from mammorisk.findings.card import DetectorCard
from mammorisk.findings.recipe import FindingsRecipe, load_findings_recipe
from mammorisk.findings.registry import open_detector
from mammorisk.records.simulated_ids import are_simulated
from mammorisk.training.exclusions import Exclusions
from mammorisk.training.findings.detector_fit import DetectorFit
from mammorisk.training.findings.detector_problem import DetectorProblem
from mammorisk.training.findings.fit_maps import fit_maps
from mammorisk.training.findings.fit_rcnn import fit_rcnn
from mammorisk.training.splits import split_rows
from mammorisk.training.work_folder import WorkFolder, digest_of


def fit_detector(
    annotated: AnnotatedCohort,
    recipe: str | Path | FindingsRecipe,
    *,
    init: str | Path | Detector | None = None,
    out: str | Path | None = None,
    progress: bool = False,
    accelerator: str = "auto",
    **changes: Any,
) -> Detector:
    """Fit a detector on annotated exams, split by woman.

    Parameters
    ----------
    annotated : AnnotatedCohort
    recipe : str, path or FindingsRecipe
    init : str, path or detector, optional
        Detector to start from, such as ``"findings-sim"``.
    out : path, optional
        Folder of the detector. An interrupted fit continues from ``<out>.work``.
    progress : bool
    accelerator : {"auto", "cpu", "cuda"}
    **changes
        Fields of the recipe.

    Returns
    -------
    LesionDetector or RcnnDetector

    Raises
    ------
    RecipeError
        The recipe or a field is not known.
    TrainingError
        The exams have no images or no women, a woman is on both sides of the split, there are no
        lesions of the types of the recipe, or more than 5% of the exams cannot be read.
    OutputError
        ``<out>.work`` has an unfinished fit of other exams, lesions or images.
    """
    chosen = load_findings_recipe(recipe, **changes)
    problem = _pose(annotated, chosen)
    begin = None if init is None else open_detector(init)
    inputs = pd.util.hash_pandas_object(annotated.lesions.astype(str), index=False)
    marks = array_digest(inputs.to_numpy())
    made = WorkFolder(out, chosen, annotated.cohort, f"{marks} {digest_of(begin)}")
    with made as work:
        fit = fit_maps if chosen.kind == "lesion-maps" else fit_rcnn
        detector = fit(
            DetectorFit(
                problem=problem,
                recipe=chosen,
                begin=begin,
                work=work,
                check_exams=made.check_exams,
                progress=progress,
                accelerator=accelerator,
            )
        )
        detector = replace(
            detector,
            card=_card(problem, chosen, begin),
            training={**detector.training, **_record(problem, chosen, begin)},
        )
        if out is not None:
            detector.save(out)
    return detector


def _pose(annotated: AnnotatedCohort, recipe: FindingsRecipe) -> DetectorProblem:
    cohort = annotated.cohort
    if not cohort.has_images:
        raise TrainingError(
            "the annotated cohort has no images",
            where="cohort",
            remedy="Add the column path or file_path to the manifest.",
        )
    if "patient_id" not in cohort.exams.columns or cohort.exams["patient_id"].isna().any():
        raise TrainingError(
            "exams have no patient_id: they cannot be split by woman",
            remedy="Add patient_id, the same for all exams of a woman.",
        )
    if not annotated.lesions["type"].isin(recipe.types).any():
        raise TrainingError(
            f"no lesion has a type of the recipe: {', '.join(recipe.types)}", where="lesions"
        )
    train, validation = split_rows(
        cohort.exams, by="patient", share=recipe.validation_share, seed=recipe.seed
    )
    left_out = Exclusions(len(cohort))
    left_out.add_rows_of(cohort)
    return DetectorProblem(
        annotated=annotated,
        train=train[~left_out.rows[train]],
        validation=validation[~left_out.rows[validation]],
        excluded=left_out.counts,
    )


def _is_simulated(annotated: AnnotatedCohort) -> bool:
    return annotated.simulated or are_simulated(annotated.cohort.exams)


def _card(problem: DetectorProblem, recipe: FindingsRecipe, begin: Detector | None) -> DetectorCard:
    annotated = problem.annotated
    rows = problem.used(np.concatenate([problem.train, problem.validation]))
    women = annotated.cohort.exams["patient_id"].iloc[rows].nunique()
    start = "" if begin is None else f"; started from {begin.card.name}"
    start_simulated = begin is not None and (begin.card.simulated or begin.card.start_simulated)
    if start_simulated:
        start += ", whose training began on simulated exams"
    simulated = "simulated " if _is_simulated(annotated) else ""
    return DetectorCard(
        name=recipe.name if begin is None else f"{recipe.name}-tuned",
        title=recipe.title,
        types=recipe.types,
        training_data=f"{len(rows)} {simulated}exams of {women} women{start}",
        source=recipe.source,
        licence="that of whoever fitted it",
        intended_use="research on the population on which it was fitted",
        limits="Not validated. Scores are not risks.",
        simulated=_is_simulated(annotated),
        start_simulated=start_simulated,
    )


def _record(
    problem: DetectorProblem, recipe: FindingsRecipe, begin: Detector | None
) -> Mapping[str, Any]:
    return {
        "software": f"mammorisk {__version__}",
        "recipe": recipe.model_dump(mode="json"),
        "exams": len(problem.used(problem.train)),
        "validation_exams": len(problem.used(problem.validation)),
        "excluded": problem.excluded,
        "lesions": problem.annotated.lesions["type"].value_counts().to_dict(),
        "init": None if begin is None else begin.card.name,
    }
