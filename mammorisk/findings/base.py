"""Detector: the interface of detectors of lesions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from mammorisk._utils.model_folder import ModelState, write_model_folder
from mammorisk.findings.candidate import Candidate
from mammorisk.findings.card import DetectorCard
from mammorisk.findings.fusion import Fusion
from mammorisk.imaging.segmented_view import SegmentedView
from mammorisk.warnings import Warnings


class ViewInput(Protocol):
    """Input of a detector for one view.

    Attributes
    ----------
    warnings : tuple of ResultWarning
    calcifications_searched : bool
    """

    @property
    def warnings(self) -> Warnings: ...

    @property
    def calcifications_searched(self) -> bool: ...


@dataclass(kw_only=True)
class Detector(ABC):
    """Base class of detectors.

    Attributes
    ----------
    card : DetectorCard
    fusion : Fusion
        Change of the scores by the other view of the breast.
    operating_points : mapping of str to float
        Lowest score of a finding that is shown, for each type.
    training : mapping
        Record of the training.
    """

    card: DetectorCard
    fusion: Fusion = field(default_factory=Fusion)
    operating_points: Mapping[str, float] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)

    @abstractmethod
    def prepare(self, seen: SegmentedView) -> Any:
        """Prepare a segmented view: a :class:`ViewInput`, or None if there is no breast."""

    @abstractmethod
    def find(self, views: Mapping[str, Any]) -> dict[str, list[Candidate]]:
        """Find candidates in the prepared views of an exam, before fusion of CC and MLO.

        Parameters
        ----------
        views : mapping of str to ViewInput
            By name, such as ``"L-CC"``.

        Returns
        -------
        dict of str to list of Candidate
            In decreasing order of the score.
        """

    @abstractmethod
    def state(self) -> ModelState:
        """Return what is written to the folder of the detector; weights in half precision."""

    def save(self, folder: str | Path) -> Path:
        """Write the detector to a folder, as safetensors and JSON.

        Raises
        ------
        OutputError
            The folder holds other files or cannot be written.
        """
        return write_model_folder(self.state(), Path(folder))

    def config(self) -> dict[str, Any]:
        """Return the part of the configuration that all kinds of detectors have."""
        return {
            "name": self.card.name,
            "card": {**vars(self.card), "types": list(self.card.types)},
            "fusion": self.fusion.to_dict(),
            "operating_points": dict(self.operating_points),
            "training": dict(self.training),
        }


def common_fields(config: Mapping[str, Any]) -> dict[str, Any]:
    """Read what :meth:`Detector.config` gave, as arguments of a detector.

    Raises
    ------
    KeyError, TypeError, ValueError
        A field is missing or has a wrong type.
    """
    card = dict(config["card"])
    return {
        "card": DetectorCard(**(card | {"types": tuple(card["types"])})),
        "fusion": Fusion.from_dict(config["fusion"]),
        "operating_points": {k: float(v) for k, v in config["operating_points"].items()},
        "training": dict(config["training"]),
    }
