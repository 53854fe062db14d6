"""The card of a fitted model."""

from __future__ import annotations

from mammorisk.base import ModelCard
from mammorisk.records.questionnaire_fields import FIELDS
from mammorisk.risk_models.recipe import Recipe


def card_of(recipe: Recipe) -> ModelCard:
    """A card for a model fitted by a recipe; what only its maker knows is said to be unknown."""
    images = "image" in recipe.modalities
    answers = tuple(name for name in FIELDS if not name.startswith("onset_"))
    published = recipe.baseline is not None
    return ModelCard(
        name=recipe.name,
        title=recipe.title or recipe.name,
        family="hybrid" if images and published else "image" if images else "questionnaire",
        inputs=(*(("images",) if images else ()), *answers),
        required=("age",),
        outcome="as in the cohort it was fitted on",
        ages=(35.0, 89.0) if published else (18.0, 100.0),
        horizons="1, 2, 3, 4, 5 years",
        competing_mortality=published or recipe.head.competing_death,
        training_data="a local cohort; see the record of its training",
        source=recipe.source or "fitted with mammorisk",
        licence="that of its training data",
        intended_use="Research on cohorts like the one it was fitted on.",
        limits="Not validated beyond its own held-out data. Not for care.",
    )
