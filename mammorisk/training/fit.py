"""fit(): fit a model to a cohort with a recipe."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast, overload

from mammorisk._utils.optional import NETWORKS, require
from mammorisk.errors import TrainingError
from mammorisk.findings.annotated import AnnotatedCohort
from mammorisk.findings.base import Detector
from mammorisk.findings.recipe import FindingsRecipe
from mammorisk.records.cohort import Cohort
from mammorisk.records.follow_up import as_numbers
from mammorisk.records.follow_up_doubts import doubt_censoring
from mammorisk.records.simulated_ids import are_simulated
from mammorisk.risk_models.recipe import SURVIVAL_KINDS, Recipe
from mammorisk.training.card import simulated_card
from mammorisk.training.initial_model import check_start, chosen_recipe, initial_model
from mammorisk.training.unused_arguments import refuse_for_detectors, refuse_unused
from mammorisk.warnings import ResultWarning

if TYPE_CHECKING:
    from mammorisk.embeddings.embeddings import Embeddings
    from mammorisk.inputs.exam_set import ExamSet
    from mammorisk.risk_models.density_fit import DensityFit
    from mammorisk.risk_models.hybrid.model import HybridModel
    from mammorisk.risk_models.mirai.model import MiraiModel
    from mammorisk.risk_models.on_embeddings.hybrid import EmbeddingModel
    from mammorisk.risk_models.survival.model import SurvivalModel
    from mammorisk.training.fit_plan import FitPlan


#: Time between checkpoints within an epoch, minutes.
_CHECKPOINT_MINUTES = 5.0

Fitted = TypeVar("Fitted", bound="HybridModel | DensityFit | MiraiModel | SurvivalModel")


class CohortWarning(UserWarning):
    """A doubt about the cohort of a fit, told before the fit begins."""


@overload
def fit(
    cohort: AnnotatedCohort,
    recipe: str | Path | FindingsRecipe | None = ...,
    **options: Any,
) -> Detector: ...


@overload
def fit(
    cohort: Cohort,
    recipe: str | Path | Recipe | None = ...,
    *,
    dry_run: Literal[True],
    **options: Any,
) -> FitPlan: ...


@overload
def fit(
    cohort: Cohort,
    recipe: str | Path | Recipe | None = ...,
    *,
    dry_run: Literal[False] = ...,
    **options: Any,
) -> HybridModel | DensityFit | MiraiModel | SurvivalModel: ...


def fit(
    cohort: Cohort | AnnotatedCohort,
    recipe: str | Path | Recipe | FindingsRecipe | None = None,
    *,
    init: str | Path | HybridModel | MiraiModel | Detector | None = None,
    fresh_head: bool = False,
    out: str | Path | None = None,
    cache: str | Path | None = None,
    exams: ExamSet | None = None,
    embeddings: Embeddings | str | Path | None = None,
    progress: bool = False,
    workers: int | None = None,
    loggers: Sequence[str] = (),
    checkpoint_minutes: float = _CHECKPOINT_MINUTES,
    dry_run: bool = False,
    devices: str | int = "auto",
    strategy: str = "auto",
    accelerator: str = "auto",
    on_warning: Callable[[ResultWarning], None] | None = None,
    **changes: Any,
) -> HybridModel | DensityFit | MiraiModel | SurvivalModel | Detector | FitPlan:
    """Fit a model to a cohort, or fine-tune one.

    Parameters
    ----------
    cohort : Cohort
        Cohort with outcomes (``time``, ``event``; optionally ``weight`` and ``entry``), and with
        images if the recipe uses them. Or an :class:`~mammorisk.findings.AnnotatedCohort`, for a
        detector of lesions.
    recipe : str, path or Recipe, optional
        A name from :func:`~mammorisk.risk_models.recipe.recipes`, or a YAML file. The default is
        ``"hybrid"``, and with ``init`` the recipe of that model; another one is then refused. For
        annotated exams a name from :func:`~mammorisk.findings.findings_recipes`; the default is
        ``"findings-sim"``.
    init : str, path, HybridModel or MiraiModel, optional
        A saved network to start from, with its encoder, head and scalings. With ``"mirai"`` the
        transformer is trained further, and also the encoder if ``mirai__encoder_epochs`` is given.
    fresh_head : bool
        With ``init``: use only its encoder.
    out : path, optional
        Folder of the model. Checkpoints are stored beside it (``<out>.work``) until the fit is
        done. After an interruption the same call continues from the last checkpoint, also within
        an epoch. Logs and a picture of the training stay there.
    cache : path, optional
        Folder for standardised images, shared by any number of runs. They are read from there when
        they are used, so that the memory does not grow with the number of exams.
    exams : ExamSet, optional
        The exams of the cohort, if they are already read. An interrupted fit goes on with the same
        exams only.
    embeddings : Embeddings or path, optional
        Features of the cohort by a frozen encoder, from :func:`mammorisk.embed` or
        :func:`mammorisk.read_embeddings`, for the recipes ``"hybrid-mirai"`` and
        ``"hybrid-embeddings"`` (needed), and ``"coxnet"``, ``"survival-forest"`` and
        ``"gradient-boosting"`` (which use no images without them).
    progress : bool
        Show progress on standard error, with rate, loss and time left.
    workers : int, optional
        Number of processes that read and augment exams. They do not change the result. By default
        none for small images, else half of the usable cores. The recipe ``"mirai"`` has none.
    loggers : sequence of str
        Any of ``"tensorboard"``, ``"wandb"`` and ``"mlflow"``, besides the CSV files in the work
        folder. They must be installed. Only for a fit that trains an encoder.
    checkpoint_minutes : float
        Time between checkpoints within an epoch. Only for a fit of a network: not for
        ``"density-fit"`` and the recipes of scikit-survival.
    dry_run : bool
        Only estimate the size of the cache, the memory and the time.
    devices, strategy, accelerator : str or int
        Arguments of Lightning's Trainer, for several GPUs or nodes. Only for a fit that trains an
        encoder (of detectors only ``accelerator``): heads are trained on one processor.
    on_warning : callable, optional
        Called with each warning about the cohort before anything is read or trained: few cancers
        for the recipe, batches with few cancers, exams listed several times. Default: a
        :class:`~mammorisk.training.fit.CohortWarning` of Python. The record of the training has
        them too.
    **changes
        Fields of the recipe. Nested fields use double underscores: ``training__epochs=3``.

    Returns
    -------
    HybridModel, DensityFit, MiraiModel, SurvivalModel or FitPlan
        With ``dry_run`` a :class:`~mammorisk.training.fit_plan.FitPlan`. Otherwise
        :class:`~mammorisk.risk_models.density_fit.DensityFit` for the recipe ``"density-fit"``,
        :class:`~mammorisk.risk_models.mirai.model.MiraiModel` for the recipe ``"mirai"``,
        :class:`~mammorisk.risk_models.survival.model.SurvivalModel` for the recipes of
        scikit-survival. For annotated exams a detector, which :func:`mammorisk.find` takes.

    Raises
    ------
    RecipeError
        The recipe is unknown, or a field is unknown or out of range.
    TrainingError
        There are no outcomes, nobody is censored, there are too few cancers or too many unreadable
        exams, a part of the split has no cancers, a woman or a file is in several splits, a file
        belongs to several women, or the loss is not a number; embeddings are missing, not
        complete, or not those of the recipe; the recipe is not that of ``init``; or the recipe does
        not use an argument that is given.
    EmbeddingError
        The embeddings belong to another cohort, or are not finite.
    OutputError
        ``out`` cannot be written.
    MissingDependency
        torch, lightning or, for its recipes, scikit-survival is not installed.

    See Also
    --------
    mammorisk.embed : Computes embeddings.
    mammorisk.Recipe : What to fit and how.
    mammorisk.check_cohort : Checks what a cohort can teach before it is used.
    mammorisk.recalibrate : Recalibrates a model, which needs fewer women than a fit.
    mammorisk.predict : Predicts with the fitted model.

    Examples
    --------
    A fit and a fine-tuning (both need ``mammorisk[networks]``):

    >>> import mammorisk as mr
    >>> cohort = mr.read_cohort("manifest.csv")  # doctest: +SKIP
    >>> model = mr.fit(cohort, "hybrid", out="model", training__epochs=3)  # doctest: +SKIP
    >>> tuned = mr.fit(cohort, init="model", out="tuned")  # doctest: +SKIP

    A fit on embeddings, in seconds:

    >>> emb = mr.embed(cohort, "mirai", out="mirai.parquet")  # doctest: +SKIP
    >>> head = mr.fit(cohort, "hybrid-mirai", embeddings=emb)  # doctest: +SKIP

    A detector of lesions, on exams with marked lesions:

    >>> annotated = mr.findings.AnnotatedCohort(cohort=cohort, lesions=boxes)  # doctest: +SKIP
    >>> tuned = mr.fit(annotated, init="findings-sim", out="detector")  # doctest: +SKIP
    """
    given = {
        "fresh_head": fresh_head,
        "cache": cache is not None,
        "exams": exams is not None,
        "embeddings": embeddings is not None,
        "workers": workers is not None,
        "loggers": bool(loggers),
        "checkpoint_minutes": checkpoint_minutes != _CHECKPOINT_MINUTES,
        "dry_run": dry_run,
        "devices": devices != "auto",
        "strategy": strategy != "auto",
        "accelerator": accelerator != "auto",
        "on_warning": on_warning is not None,
    }
    if isinstance(cohort, AnnotatedCohort):
        refuse_for_detectors(given)
        require("torch", NETWORKS, what="fit()")
        from mammorisk.training.findings.fit_detector import fit_detector

        return fit_detector(
            cohort,
            "findings-sim" if recipe is None else recipe,  # type: ignore[arg-type]
            init=init,  # type: ignore[arg-type]
            out=out,
            progress=progress,
            accelerator=accelerator,
            **changes,
        )
    if isinstance(recipe, FindingsRecipe) or isinstance(init, Detector):
        raise TrainingError(
            "a detector of lesions needs annotated exams",
            where="cohort",
            remedy="Pass mr.findings.AnnotatedCohort(cohort=..., lesions=...).",
        )
    # Imported here, so that ``mammorisk.fit`` is available without torch.
    for module in ("torch", "lightning"):
        require(module, NETWORKS, what="fit()")
    from mammorisk.training.cohort_doubts import check_before_fit
    from mammorisk.training.density_fit import fit_density
    from mammorisk.training.embedding_fit import fit_embeddings
    from mammorisk.training.fit_plan import plan_fit
    from mammorisk.training.hybrid_fit import fit_hybrid
    from mammorisk.training.mirai_fit import fit_mirai
    from mammorisk.training.problem import check_outcomes, pose
    from mammorisk.training.processes import wait_for_processes
    from mammorisk.training.read_exams import default_workers, read_exams
    from mammorisk.training.survival_fit import fit_survival
    from mammorisk.training.trainer import StageOptions
    from mammorisk.training.work_folder import WorkFolder, digest_of

    if not isinstance(cohort, Cohort):
        raise TrainingError(
            f"a {type(cohort).__name__} is not a cohort",
            where="cohort",
            remedy="Pass mr.read_cohort(...), which takes the path of a manifest or a table.",
        )
    begin = initial_model(init)
    chosen = chosen_recipe(recipe, begin, changes)
    check_start(begin, chosen, fresh_head)
    refuse_unused(chosen, given)
    _refuse_uncensored(cohort)
    # Missing and impossible outcomes are errors of their own, raised by the fit at once.
    doubts: tuple[ResultWarning, ...] = ()
    if {"time", "event"} <= set(cohort.exams.columns):
        doubts = check_before_fit(cohort, chosen)
    for one in doubts:
        if on_warning is None:
            warnings.warn(CohortWarning(one.text), stacklevel=2)
        else:
            on_warning(one)
    readers = default_workers(chosen) if workers is None else workers
    if dry_run:
        folders = [None if one is None else Path(one) for one in (cache, out)]
        return plan_fit(cohort, chosen, folders[0], folders[1], readers)
    if chosen.kind in SURVIVAL_KINDS:
        learned = fit_survival(cohort, chosen, embeddings, progress=progress)
        return _finished(learned, cohort, doubts, out)
    if chosen.kind == "embeddings":
        if embeddings is None:
            name = (chosen.embeddings.encoder if chosen.embeddings else None) or "hybrid"
            raise TrainingError(
                f"the recipe {chosen.name} needs embeddings",
                where="embeddings",
                remedy=f'Pass embeddings=mr.embed(cohort, "{name}", out="emb.parquet").',
            )
        quick = StageOptions(progress=progress, checkpoint_minutes=checkpoint_minutes)
        head = fit_embeddings(
            cohort, chosen, embeddings, cast("EmbeddingModel | None", begin), out, stage=quick
        )
        return _finished(head, cohort, doubts, out)
    if chosen.kind == "density-fit":
        fitted = fit_density(cohort, chosen)
        return _finished(fitted, cohort, doubts, out)
    stage = StageOptions(
        progress=progress,
        workers=readers,
        loggers=tuple(loggers),
        checkpoint_minutes=checkpoint_minutes,
        devices=devices,
        strategy=strategy,
        accelerator=accelerator,
    )
    inputs = digest_of(begin) + (" fresh head" if fresh_head else "")
    if exams is not None:
        inputs += f" exams {exams.digest()}"
    made = WorkFolder(out, chosen, cohort, inputs)
    stage = replace(stage, key=made.key)
    model: HybridModel | MiraiModel
    if chosen.kind == "mirai":
        views = None if cache is None else Path(cache)
        with made as work:
            model = fit_mirai(
                cohort,
                chosen,
                cast("MiraiModel | None", begin),
                work,
                cache=views,
                stage=stage,
                check_exams=made.check_exams,
            )
    else:
        check_outcomes(cohort, chosen)
        with made as work:
            if exams is None and chosen.reads_images:
                exams = read_exams(
                    cohort, chosen, cache, progress, scratch=work / "images", workers=workers
                )
                made.check_exams(exams.digest())
            problem = pose(cohort, chosen, exams)
            model = fit_hybrid(
                problem,
                chosen,
                cast("HybridModel | None", begin),
                work,
                stage=stage,
                fresh_head=fresh_head,
            )
            wait_for_processes()
    return _finished(model, cohort, doubts, out)


def _finished(
    model: Fitted, cohort: Cohort, doubts: tuple[ResultWarning, ...], out: str | Path | None
) -> Fitted:
    """Complete the record and the card of a fitted model, and save it."""
    from mammorisk.risk_models.mirai.model import MiraiModel
    from mammorisk.training.processes import process_place

    training = model.record["training"] if isinstance(model, MiraiModel) else model.training
    if doubts:
        training["warnings"] = [one.to_dict() for one in doubts]
    if are_simulated(cohort.exams):
        model = replace(model, card=simulated_card(model.card))
    if out is not None and process_place()[0] == 0:
        model.save(out)
    return model


def _refuse_uncensored(cohort: Cohort) -> None:
    """Refuse a cohort in which nobody is censored: the risks would be wrong by a factor."""
    if "event" not in cohort.exams.columns:
        return
    text = doubt_censoring(as_numbers(cohort.exams["event"])[0])
    if text is not None:
        raise TrainingError(text, where="event", remedy="Recode event.")
