"""The folder of a saved network: safetensors and JSON, whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mammorisk._version import __version__
from mammorisk.base import FORMAT_VERSION, ModelCard
from mammorisk.errors import OutputError

if TYPE_CHECKING:
    from torch import Tensor

CONFIG, WEIGHTS = "config.json", "model.safetensors"
#: Fields of a card that JSON gives back as lists.
_TUPLES = ("inputs", "required", "ages")


def write_model_folder(
    folder: Path,
    config: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    *,
    texts: Mapping[str, str] | None = None,
) -> Path:
    """Write a model folder; an earlier model there is replaced.

    Parameters
    ----------
    folder : Path
    config : mapping
        Becomes ``config.json``, with the format and version of the software.
    tensors : mapping of str to Tensor
    texts : mapping of str to str, optional
        Further files by name.

    Raises
    ------
    OutputError
        The folder holds something else, or cannot be written.
    """
    from safetensors.torch import save_file

    told = {"format_version": FORMAT_VERSION, "software": f"mammorisk {__version__}", **config}
    if folder.exists() and any(folder.iterdir()) and not (folder / CONFIG).exists():
        raise OutputError("the folder holds something else", where=folder.name)
    temporary = folder.with_name(f"{folder.name}.{os.getpid()}.new")
    try:
        temporary.mkdir(parents=True)
        # Tensors that share memory are not written: each gets its own.
        save_file({k: v.contiguous().clone() for k, v in tensors.items()}, temporary / WEIGHTS)
        files = {CONFIG: json.dumps(told, indent=1, default=plain), **(texts or {})}
        for name, text in files.items():
            (temporary / name).write_text(text, encoding="utf-8")
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(temporary, folder)
    except OSError as error:
        raise OutputError(
            f"the model cannot be written ({error.strerror})", where=folder.name
        ) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def card_from(told: Mapping[str, Any]) -> ModelCard:
    """The card of a configuration.

    Raises
    ------
    KeyError, TypeError
        It is none.
    """
    return ModelCard(**{**told, **{name: tuple(told[name]) for name in _TUPLES}})


def under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with a prefix, without it."""
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def plain(value: object) -> object:
    """A number of numpy as one of Python, for JSON."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} is not plain")
