"""Reading the folder of a saved model; nothing is unpickled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from mammorisk._utils.model_folder import CONFIG, FORMAT_VERSION
from mammorisk.base import ModelCard
from mammorisk.errors import ModelError

Value = TypeVar("Value")

#: Fields of a card that are lists in JSON.
_TUPLES = ("inputs", "required", "ages")


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
    """Read the card of a configuration.

    Raises
    ------
    KeyError, TypeError
        A field is missing or unknown.
    """
    return ModelCard(**{**config, **{name: tuple(config[name]) for name in _TUPLES}})


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
