"""The card of a fitted model."""

from __future__ import annotations

from dataclasses import replace
from math import floor

from mammorisk.base import ModelCard
from mammorisk.records.questionnaire_fields import FIELDS
from mammorisk.risk_models.recipe import Recipe


def card_of(recipe: Recipe, ages: tuple[float, float]) -> ModelCard:
    """Create the card of a model fitted with a recipe.

    Parameters
    ----------
    recipe : Recipe
    ages : tuple of (float, float)
        Youngest and oldest age of the women in the fit, years. In completed years they are the
        ages of the card. The model refuses women outside these ages.
    """
    images = "image" in recipe.modalities
    density_only = recipe.kind == "density-fit"
    answers: tuple[str, ...] = ("age", "breast_density")
    if not density_only:
        answers = tuple(name for name in FIELDS if not name.startswith("onset_"))
    published = recipe.baseline is not None
    rates = None if recipe.baseline is None else recipe.baseline.rates
    training_data = "a local cohort; see the record of its training"
    if rates is not None:
        training_data += (
            f"; incidence and mortality of the baseline: {rates.summary}, {rates.source}"
        )
    return ModelCard(
        name=recipe.name,
        title=recipe.title or recipe.name,
        family="hybrid" if images and published else "image" if images else "questionnaire",
        inputs=(*(("images",) if images else ()), *answers),
        required=answers if density_only else ("age",),
        outcome="as in the cohort it was fitted on",
        ages=(float(floor(ages[0])), float(floor(ages[1]))),
        horizons="1, 2, 3, 4, 5 years",
        competing_mortality=published or density_only or recipe.head.competing_death,
        training_data=training_data,
        source=recipe.source or "fitted with mammorisk",
        licence="that of its training data",
        intended_use="Research on cohorts like the one it was fitted on.",
        limits="Not validated beyond its own held-out data. Not for care.",
    )


def simulated_card(card: ModelCard) -> ModelCard:
    """Return the card of a model that was fitted on simulated women."""
    data = card.training_data.replace("a local cohort", "a SIMULATED cohort")
    if "SIMULATED" not in data:
        data = f"SIMULATED: {data}"
    return replace(card, simulated=True, training_data=data)
