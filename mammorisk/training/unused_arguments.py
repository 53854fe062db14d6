"""Refusal of arguments of fit() that a fit would ignore."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mammorisk.errors import TrainingError
from mammorisk.risk_models.recipe import SURVIVAL_KINDS, Recipe

#: How an encoder is trained. Heads are always trained on one processor.
_OF_AN_ENCODER = frozenset({"loggers", "devices", "strategy", "accelerator"})
_OF_EXAMS = frozenset({"cache", "exams", "workers"})
#: All that is used for detectors besides recipe, init, out, progress and changes.
_OF_DETECTORS = frozenset({"accelerator"})


def refuse_unused(recipe: Recipe, given: Mapping[str, bool]) -> None:
    """Refuse arguments that a fit with a recipe would ignore.

    Parameters
    ----------
    recipe : Recipe
    given : mapping of str to bool
        Whether each argument differs from its default.

    Raises
    ------
    TrainingError
    """
    if given["embeddings"] and not recipe.takes_embeddings:
        raise TrainingError(
            f"the recipe {recipe.name} does not use embeddings",
            where="embeddings",
            remedy="Use hybrid-embeddings, hybrid-mirai, coxnet, survival-forest or "
            "gradient-boosting, with the modality image.",
        )
    unused = _unused(recipe) | ({"cache"} if given["exams"] else set())
    _refuse(f"a fit with the recipe {recipe.name}", unused, given)


def refuse_for_detectors(given: Mapping[str, bool]) -> None:
    """Refuse arguments that a fit of a detector would ignore.

    Parameters
    ----------
    given : mapping of str to bool
        Whether each argument differs from its default.

    Raises
    ------
    TrainingError
    """
    _refuse("a fit of a detector", given.keys() - _OF_DETECTORS, given)


def _unused(recipe: Recipe) -> frozenset[str]:
    if recipe.kind == "density-fit" or recipe.kind in SURVIVAL_KINDS:
        return _OF_EXAMS | _OF_AN_ENCODER | {"checkpoint_minutes"}
    if recipe.kind == "mirai":
        return frozenset({"exams", "workers"})
    if not recipe.reads_images:
        return _OF_EXAMS | _OF_AN_ENCODER
    return _OF_AN_ENCODER if recipe.encoder.frozen else frozenset()


def _refuse(fit: str, unused: Iterable[str], given: Mapping[str, bool]) -> None:
    if wrong := sorted(name for name in unused if given[name]):
        raise TrainingError(
            f"{fit} does not use {', '.join(wrong)}",
            where=wrong[0],
            remedy=f"Leave {'it' if len(wrong) == 1 else 'them'} out.",
        )
