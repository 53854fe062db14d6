"""DetectorFit: what a fit of a detector of any kind starts with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from mammorisk.errors import TrainingError
from mammorisk.findings.base import Detector
from mammorisk.findings.card import DetectorCard
from mammorisk.findings.recipe import FindingsRecipe
from mammorisk.records.exam import Exam
from mammorisk.training.findings.detector_problem import DetectorProblem, keep_views


@dataclass(frozen=True, kw_only=True)
class DetectorFit:
    """What a fit of a detector starts with.

    Attributes
    ----------
    problem : DetectorProblem
    recipe : FindingsRecipe
    begin : Detector or None
        Initial detector.
    work : Path
        Folder of views and checkpoints.
    check_exams : callable
        Called with the digest of the training exams. It refuses other images than those with which
        an unfinished fit in ``work`` began.
    progress : bool
    accelerator : {"auto", "cpu", "cuda"}
    """

    problem: DetectorProblem
    recipe: FindingsRecipe
    begin: Detector | None
    work: Path
    check_exams: Callable[[str], None] = lambda digest: None
    progress: bool = False
    accelerator: str = "auto"

    @property
    def device(self) -> torch.device:
        """Device of the fit.

        Raises
        ------
        TrainingError
            The device is unknown or absent.
        """
        wanted = self.accelerator
        if wanted not in ("auto", "cpu", "cuda", "gpu"):
            raise TrainingError(f"unknown accelerator {wanted!r}", remedy="Use auto, cpu or cuda.")
        has_gpu = torch.cuda.is_available()
        if wanted in ("cuda", "gpu") and not has_gpu:
            raise TrainingError("there is no GPU", where="accelerator", remedy='Use "cpu".')
        return torch.device("cuda" if has_gpu and wanted != "cpu" else "cpu")

    @property
    def draft_card(self) -> DetectorCard:
        """Card of a detector that is not finished."""
        return DetectorCard(
            name=self.recipe.name,
            title=self.recipe.title,
            types=self.recipe.types,
            training_data="",
            source=self.recipe.source,
            licence="",
            intended_use="",
            limits="",
        )

    def keep_views(self, write: Callable[[int, Exam, Path], None]) -> list[Path]:
        """Write the views of each training exam, as :func:`keep_views`, and return the files."""
        return keep_views(
            self.problem, self.work / "views", write, self.check_exams, progress=self.progress
        )

    def refuse_start(self, remedy: str) -> TrainingError:
        """Return the error for an initial detector of another kind."""
        name = "the initial detector" if self.begin is None else self.begin.card.name
        return TrainingError(
            f"{name} cannot be the start of a fit with the recipe {self.recipe.name}",
            where="init",
            remedy=remedy,
        )
