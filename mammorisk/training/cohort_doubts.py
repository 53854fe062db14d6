"""Checks of a cohort that need no images, made before a fit spends hours on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mammorisk.cohort_check.facts import Facts, lines_of, read_facts
from mammorisk.cohort_check.leaks import doubt_leaks, repeated_files
from mammorisk.cohort_check.recipes import (
    WITHOUT_VALIDATION,
    demand_of,
    five_year_risk,
    judge,
)
from mammorisk.errors import TrainingError
from mammorisk.risk_models.recipe import Recipe
from mammorisk.training.problem import check_cancers
from mammorisk.training.splits import split_rows
from mammorisk.warnings import ResultWarning, make_warning

if TYPE_CHECKING:
    from mammorisk.records.cohort import Cohort

#: Expected number of cancers in a batch below which the batches are said to be imbalanced.
_FEWEST_IN_A_BATCH = 0.5


def check_before_fit(cohort: Cohort, recipe: Recipe) -> tuple[ResultWarning, ...]:
    """Check splits, leaks and numbers of cancers.

    Parameters
    ----------
    cohort : Cohort
        With the columns ``time`` and ``event``.
    recipe : Recipe

    Returns
    -------
    tuple of ResultWarning
        Few cancers for the recipe, batches with few cancers, and exams that are in the table
        several times.

    Raises
    ------
    TrainingError
        A woman, or a file, is in several splits; a file belongs to several women; or a part of the
        split has too few cancers.
    """
    facts = read_facts(cohort)
    found = doubt_leaks(facts, repeated_files(cohort, facts), lines_of(cohort))
    leaks = [one for one in found if one.severity == "refusal"]
    if leaks:
        raise TrainingError(
            "the cohort leaks: " + "; ".join(one.text for one in leaks),
            remedy="Correct the manifest. mr.check_cohort lists every line.",
        )
    cancers, exams = int(facts.counts[facts.is_cancer].sum()), len(facts)
    if recipe.kind not in WITHOUT_VALIDATION:
        train, validation = split_rows(
            cohort.exams,
            by=recipe.training.split_by,
            share=recipe.training.validation_share,
            seed=recipe.seed,
        )
        early = facts.is_cancer & (facts.time <= 5)
        for name, rows in (("training", train), ("validation", validation)):
            check_cancers(name, int(early[rows].sum()), len(rows))
        cancers, exams = int(facts.counts[train][early[train]].sum()), len(train)
    found += _few_cancers(cohort, recipe, facts, cancers)
    return (*found, *_imbalanced(recipe, cancers, exams))


def _few_cancers(cohort: Cohort, recipe: Recipe, facts: Facts, cancers: int) -> list[ResultWarning]:
    risk = five_year_risk(facts)
    if not np.isfinite(risk):
        return []
    demand = demand_of(recipe, cohort, risk)
    verdict = judge(cancers, demand.cancers)
    if verdict == "reasonable":
        return []
    text = (
        f"{verdict}: {cancers:,} in training; the recipe {recipe.name} trains {demand.trains}, for "
        f"which {demand.cancers:,} are reasonable ({demand.basis}); mr.check_cohort compares the "
        "recipes"
    )
    return [make_warning("few-cancers", text)]


def _imbalanced(recipe: Recipe, cancers: int, exams: int) -> list[ResultWarning]:
    uses_images = recipe.kind == "network" and recipe.reads_images
    if not uses_images or recipe.training.balanced or recipe.encoder.frozen or not exams:
        return []
    in_a_batch = recipe.training.batch_size * cancers / exams
    if in_a_batch >= _FEWEST_IN_A_BATCH:
        return []
    text = (
        f"{cancers:,} of {exams:,} exams in training have cancer: a batch of "
        f"{recipe.training.batch_size} holds {in_a_batch:.2f} on average; training.balanced draws "
        "women with and without cancer equally often"
    )
    return [make_warning("imbalanced", text)]
