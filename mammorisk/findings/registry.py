"""Detectors by name or folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mammorisk._utils.model_folder import read_config
from mammorisk._utils.optional import NETWORKS, require
from mammorisk.errors import UnknownModel

if TYPE_CHECKING:
    from mammorisk.findings.base import Detector

#: Detectors included in the package.
BUNDLED = {"findings-sim": Path(__file__).parent / "weights" / "findings-sim"}


def open_detector(model: str | Path | Detector) -> Detector:
    """Load a detector by name, or from the folder to which it was saved.

    Parameters
    ----------
    model : str, path or Detector
        A detector is returned as it is.

    Raises
    ------
    UnknownModel
        There is no such name or folder.
    ModelError
        The folder is damaged or is not that of a detector.
    MissingDependency
        torch is not installed.
    """
    if not isinstance(model, (str, Path)):
        return model
    folder = BUNDLED[model] if isinstance(model, str) and model in BUNDLED else Path(model)
    if not folder.is_dir():
        raise UnknownModel(
            f"there is no detector {str(model)!r}",
            remedy=f"Known: {', '.join(BUNDLED)}; or pass the folder of a fitted detector.",
        )
    read_config(folder)
    require("torch", NETWORKS, what="the detection of lesions")
    from mammorisk.findings.storage import load_detector

    return load_detector(folder)
