"""Reading the folder of a saved model; nothing is unpickled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from mammorisk._utils.model_folder import CONFIG, FORMAT_VERSION
from mammorisk.base import ModelCard, card_faults
from mammorisk.errors import ModelError

Value = TypeVar("Value")

#: Fields of a card that are lists in JSON.
_TUPLES = ("inputs", "required", "ages")
#: Faults of a card that are named in an error.
_FAULTS_NAMED = 3
#: Fields that a recalibration cannot change.
_SHARED = ("family", "inputs", "required", "outcome", "ages", "simulated")


def read_config(folder: Path) -> dict[str, Any]:
    """Read the configuration of a model folder.

    Raises
    ------
    ModelError
        The folder is not a model folder, or has a later format than this version reads.
    """
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        version = config["format_version"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"not a model folder of mammorisk ({type(error).__name__})",
            where=f"{folder.name}/{CONFIG}",
            remedy="Pass a folder written by model.save.",
        ) from None
    if not isinstance(version, int) or version > FORMAT_VERSION:
        raise ModelError(
            f"the model has format {version!r}, this version reads up to {FORMAT_VERSION}",
            where=folder.name,
            remedy="Upgrade mammorisk.",
        )
    return dict(config)


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


def damaged(folder: Path, error: Exception) -> ModelError:
    """Create the error for a folder with inconsistent content."""
    return ModelError(
        f"the model is damaged ({type(error).__name__})",
        where=folder.name,
        remedy="Save, convert or download it again.",
    )
