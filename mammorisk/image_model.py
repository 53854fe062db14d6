"""ImageModel: the one shape of every model that reads pixels."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from mammorisk.acquisition import Acquisition
from mammorisk.exam import Exam
from mammorisk.risk_model import DEFAULT_HORIZONS, Horizon, RiskModel, Scores

if TYPE_CHECKING:
    import pandas as pd

#: Opens the exam of a row, or tells that there is none (None).
Opener = Callable[[int], Exam | None]


@dataclass(frozen=True, kw_only=True)
class ReadExams:
    """Exams, decoded and prepared for one model.

    Attributes
    ----------
    content : object
        What the model made of them.
    errors, flags : list of str
        By exam: why it cannot be read, and what a reader of its risk should know.
    ages_years : list of float or None
        From the image headers.
    acquisitions : list of list of Acquisition
        Of each exam's views, where the model uses them.
    """

    content: Any
    errors: list[str]
    flags: list[str]
    ages_years: list[float | None]
    acquisitions: list[list[Acquisition]]


class ImageModel(RiskModel):
    """A model that reads pixels: first exams are read, then scored, so that the two can overlap."""

    #: Exams in memory at a time, while as many others are read.
    exams_at_once: ClassVar[int]
    #: What the user asked to run the encoder.
    backend: str

    @property
    @abstractmethod
    def backend_used(self) -> str | None:
        """Backend that runs the encoder; None for a model without one."""

    @abstractmethod
    def on_backend(self, backend: str) -> ImageModel:
        """The same model, its encoder run by another backend."""

    @abstractmethod
    def save(self, folder: str | Path) -> Path:
        """Write the model folder: safetensors and JSON.

        Raises
        ------
        OutputError
            The folder holds something else, or cannot be written.
        """

    @abstractmethod
    def read_exam(self, exam: Exam) -> ReadExams:
        """Read one exam.

        Raises
        ------
        ExamError, ModelError
            It cannot be read, or lacks what the model needs.
        """

    @abstractmethod
    def read_rows(
        self,
        rows: Sequence[int],
        open_exam: Opener,
        *,
        open_prior: Opener | None = None,
        on_exam: Callable[[int, int], None] | None = None,
    ) -> ReadExams:
        """Read the exams of some rows on all cores; a bad one leaves its error and stops nothing.

        Parameters
        ----------
        rows : sequence of int
            Given to the openers.
        open_exam, open_prior : callable
        on_exam : callable, optional
            Called with the number of exams done and in all.
        """

    @abstractmethod
    def score_read(
        self,
        frame: pd.DataFrame,
        read: ReadExams,
        horizons: Sequence[Horizon] = DEFAULT_HORIZONS,
    ) -> Scores:
        """Score women with their exams, one row of ``frame`` each."""

    def explainer(
        self, frame: pd.DataFrame, read: ReadExams, scores: Scores
    ) -> Callable[[str], Any] | None:
        """What explains the score of one exam by a method's name; None where nothing does."""
        return None
