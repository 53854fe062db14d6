"""Parts of the configuration and tensors of a saved model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from mammorisk._utils.model_folder import CONFIG
from mammorisk.base import ModelCard, card_faults
from mammorisk.errors import ModelError

Value = TypeVar("Value")

#: Fields of a card that are lists in JSON.
_TUPLES = ("inputs", "required", "ages")
#: Faults of a card that are named in an error.
_FAULTS_NAMED = 3
#: Fields that a recalibration cannot change.
_SHARED = ("family", "inputs", "required", "outcome", "ages", "simulated")


def card_from(config: Mapping[str, Any]) -> ModelCard:
    """Read and check the card of a configuration.

    Raises
    ------
    ModelError
        There is no card, or its fields are missing, unknown, empty or contradict each other.
    """
    found = config.get("card")
    card: Mapping[str, Any] = found if isinstance(found, Mapping) else {}
    faults = card_faults(card) if card else ["it is missing"]
    if not faults and card["name"] != config.get("name", card["name"]):
        faults = [f"its name is not that of the model, {config['name']!r}"]
    if faults:
        raise ModelError(
            f"the card of the model cannot be used: {'; '.join(faults[:_FAULTS_NAMED])}",
            where=CONFIG,
            remedy="Save the model again, or correct its card.",
        )
    return ModelCard(**{**card, **{name: tuple(card[name]) for name in _TUPLES}})


def check_same_card(card: ModelCard, inner: ModelCard) -> None:
    """Check that a model that changes the risks of another states the same women and inputs.

    Raises
    ------
    ModelError
    """
    names = [name for name in _SHARED if getattr(card, name) != getattr(inner, name)]
    if names:
        raise ModelError(
            f"the card contradicts that of the model inside in {', '.join(names)}",
            where=CONFIG,
            remedy="Recalibrate the model again with this version.",
        )


def under(tensors: Mapping[str, Value], prefix: str) -> dict[str, Value]:
    """Select the tensors whose names start with a prefix, and remove the prefix."""
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
