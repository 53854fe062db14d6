"""The folder of a saved model, as safetensors and JSON: atomic writing, and reading."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mammorisk._utils.atomic_write import atomic_write
from mammorisk._version import __version__
from mammorisk.errors import ModelError, OutputError

#: Format of a saved model folder. A folder of a later format is not read.
FORMAT_VERSION = 1
CONFIG, WEIGHTS = "config.json", "model.safetensors"


@dataclass(frozen=True, kw_only=True)
class ModelState:
    """Content of the folder of a saved model.

    Attributes
    ----------
    config : mapping
        Plain JSON types. Written to ``config.json`` with the versions of the format and software.
    tensors : mapping of str to ndarray
        Written to ``model.safetensors``. Without tensors there is no such file.
    texts : mapping of str to str
        Content of further text files, by file name.
    parts : mapping of str to ModelState
        Models within the model, each in its own subfolder.
    """

    config: Mapping[str, Any]
    tensors: Mapping[str, np.ndarray] = field(default_factory=dict, repr=False)
    texts: Mapping[str, str] = field(default_factory=dict, repr=False)
    parts: Mapping[str, ModelState] = field(default_factory=dict, repr=False)


def weights_digest(state: ModelState) -> str | None:
    """SHA-256 of all arrays and texts of a model, in hexadecimal; None if it has no arrays.

    The digest depends on names, shapes, types and values, not on how they are stored.
    """
    digest = hashlib.sha256()
    return digest.hexdigest() if _add_to(digest, state, "") else None


def _add_to(digest: hashlib._Hash, state: ModelState, place: str) -> bool:
    """Add the content of a model and of the models within it; whether there are arrays."""
    for name in sorted(state.tensors):
        array = np.ascontiguousarray(state.tensors[name])
        digest.update(f"{place}{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.tobytes())
    for name in sorted(state.texts):
        digest.update(f"{place}{name} {state.texts[name]}".encode())
    found = [_add_to(digest, part, f"{place}{name}/") for name, part in sorted(state.parts.items())]
    return bool(state.tensors) or any(found)


def write_model_folder(state: ModelState, folder: Path) -> Path:
    """Write a model folder.

    Parameters
    ----------
    state : ModelState
    folder : Path
        An existing model is replaced after the new one is complete.

    Returns
    -------
    Path
        ``folder``.

    Raises
    ------
    OutputError
        The folder contains other files, or cannot be written.
    """
    temporary = folder.with_name(f"{folder.name}.{os.getpid()}.new")
    earlier = folder.with_name(f"{folder.name}.{os.getpid()}.old")
    try:
        if folder.exists() and not folder.is_dir():
            raise OutputError(
                "a file of this name exists; a folder is needed",
                where=folder.name,
                remedy="Choose another name.",
            )
        if folder.exists() and any(folder.iterdir()) and not (folder / CONFIG).exists():
            raise OutputError(
                "the folder contains files that are not a model",
                where=folder.name,
                remedy="Choose another folder.",
            )
        _write(state, temporary)
        if folder.exists():
            os.replace(folder, earlier)
        try:
            os.replace(temporary, folder)
        except OSError:
            if earlier.exists():
                os.replace(earlier, folder)
            raise
    except OSError as error:
        raise OutputError(
            f"the model cannot be written ({error.strerror or type(error).__name__})",
            where=folder.name,
            remedy="Choose a folder that can be written to, with enough free space.",
        ) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if folder.exists():
            shutil.rmtree(earlier, ignore_errors=True)
    return folder


def _write(state: ModelState, folder: Path) -> None:
    folder.mkdir(parents=True)
    config = {
        "format_version": FORMAT_VERSION,
        "software": f"mammorisk {__version__}",
        **state.config,
    }
    files = {CONFIG: json.dumps(config, indent=1, default=plain) + "\n", **state.texts}
    for name, text in files.items():
        _write_text(folder / name, text)
    if state.tensors:
        from safetensors.numpy import save_file

        tensors = {k: np.ascontiguousarray(v) for k, v in state.tensors.items()}
        atomic_write(folder / WEIGHTS, lambda path: save_file(tensors, path))
    for name, part in state.parts.items():
        _write(part, folder / name)


def _write_text(path: Path, text: str) -> None:
    with open(path, "w", encoding="utf-8") as handle:
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())


def plain(value: object) -> object:
    """Convert a NumPy scalar to a Python number, for JSON."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} is not a JSON type")


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


def damaged(folder: Path, error: Exception) -> ModelError:
    """Create the error for a folder with inconsistent content."""
    return ModelError(
        f"the model is damaged ({type(error).__name__})",
        where=folder.name,
        remedy="Save, convert or download it again.",
    )
