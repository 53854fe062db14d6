"""RiskModel and ImageModel: the interface of every model; ModelCard and Scores, its records."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from mammorisk.errors import HorizonError, ModelError
from mammorisk.records.acquisition import Acquisition
from mammorisk.records.cohort import KEYS
from mammorisk.records.exam import Exam
from mammorisk.records.questionnaire import Questionnaire

if TYPE_CHECKING:
    import pandas as pd

#: A horizon in years, or ``"lifetime"`` (to age 90, or to the last age the model's data reach).
Horizon = float | Literal["lifetime"]

#: Format of a saved model folder; a folder of a later format is refused.
FORMAT_VERSION = 1

DEFAULT_HORIZONS: tuple[Horizon, ...] = (1, 2, 3, 4, 5)


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """What a model needs, answers and was made from.

    Attributes
    ----------
    name, title : str
    family : str
        ``"questionnaire"``, ``"density"``, ``"family history"``, ``"average"``, ``"image"`` or
        ``"hybrid"``: policies are written for a family of models.
    inputs : tuple of str
        Questionnaire fields (and ``"images"``) the model reads.
    required : tuple of str
        Those without which it gives no risk.
    outcome : str
        ``"invasive"`` or ``"invasive or in situ"`` breast cancer.
    ages : tuple of (float, float)
        Ages in years at which it applies, both inclusive.
    horizons : str
        In words, e.g. ``"1 year to age 90"``.
    competing_mortality : bool
        Whether death from other causes is taken into account.
    training_data, source, licence, intended_use, limits : str
    """

    name: str
    title: str
    family: str
    inputs: tuple[str, ...]
    required: tuple[str, ...]
    outcome: str
    ages: tuple[float, float]
    horizons: str
    competing_mortality: bool
    training_data: str
    source: str
    licence: str
    intended_use: str
    limits: str


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Risks of many women under one model.

    Attributes
    ----------
    risk : DataFrame, shape (n_women, n_horizons)
        Absolute risk in [0, 1]; columns are the horizons asked for. NaN where none can be given.
    flags : Series of str
        Why a risk is missing and what was assumed, parts joined by ``"; "``; empty when nothing.
    contributions : DataFrame, shape (n_women, n_factors), or None
        Log relative risk by factor against the model's reference woman.
    lower, upper : DataFrame, shape of ``risk``, or None
        Limits of the 95% interval, where the model has one.
    """

    risk: pd.DataFrame
    flags: pd.Series
    contributions: pd.DataFrame | None = None
    lower: pd.DataFrame | None = None
    upper: pd.DataFrame | None = None


class RiskModel(ABC):
    """Everything that predicts.

    A subclass states its :class:`ModelCard` as ``card`` and scores a questionnaire table in
    :meth:`score`.
    """

    card: ClassVar[ModelCard]

    @property
    def name(self) -> str:
        return self.card.name

    @property
    def uses_images(self) -> bool:
        """Whether the model reads pixels itself."""
        return False

    @abstractmethod
    def score(self, frame: pd.DataFrame, horizons: Sequence[Horizon] = DEFAULT_HORIZONS) -> Scores:
        """Score a questionnaire table whole.

        Parameters
        ----------
        frame : DataFrame
            Columns are Questionnaire fields.
        horizons : sequence of float or "lifetime"
            Years from the age at the exam.

        Returns
        -------
        Scores
            One row a woman, in order; a row that cannot be scored has NaN and a reason.

        Raises
        ------
        HorizonError
            None of the horizons is one the model answers.
        """

    def predict(
        self,
        data: Questionnaire | Sequence[Questionnaire] | pd.DataFrame,
        horizons: Sequence[Horizon] = DEFAULT_HORIZONS,
    ) -> pd.DataFrame:
        """Absolute risks as a table.

        Parameters
        ----------
        data : Questionnaire, sequence of Questionnaire, DataFrame or Cohort
        horizons : sequence of float or "lifetime"
            Years.

        Returns
        -------
        DataFrame
            ``patient_id`` and ``exam_id`` where the input has them, ``model``, ``risk_1y`` ...
            and ``flags``; one row a woman, index of the input.
        """
        frame = as_frame(data)
        return risk_table(frame, self.score(frame, horizons), self.name, horizons)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}: {self.card.title}>"


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


def as_frame(data: object) -> pd.DataFrame:
    """Bring one woman, several, a table or a cohort to a questionnaire table.

    Raises
    ------
    ModelError
        For anything else.
    """
    import pandas as pd

    if isinstance(data, pd.DataFrame):
        return data
    if isinstance(data, Questionnaire):
        return data.to_frame()
    questionnaires = getattr(data, "questionnaires", None)
    if isinstance(questionnaires, pd.DataFrame):
        return questionnaires
    if isinstance(data, Sequence) and all(isinstance(item, Questionnaire) for item in data):
        return pd.concat([item.to_frame() for item in data], ignore_index=True)
    raise ModelError(
        f"a {type(data).__name__} is not something this model can score",
        remedy="Pass a Questionnaire, several, a table of them, or a Cohort; for an exam, "
        "mr.predict(exam, woman, model=...) measures its density first.",
    )


def risk_table(
    frame: pd.DataFrame, scores: Scores, model: str | Sequence[str], horizons: Sequence[Horizon]
) -> pd.DataFrame:
    """Scores as the table users get: keys of ``frame``, model, risks, flags; one row a woman."""
    table = scores.risk.set_axis([risk_column(h) for h in horizons], axis=1)
    for name, limits in (("lower", scores.lower), ("upper", scores.upper)):
        if limits is not None:
            names = [f"{risk_column(h)}_{name}" for h in horizons]
            table = table.join(limits.set_axis(names, axis=1))
    table.insert(0, "model", model)
    for position, key in enumerate(key for key in KEYS if key in frame.columns):
        table.insert(position, key, frame[key])
    table["flags"] = scores.flags.astype("str")
    return table


def risk_column(horizon: Horizon) -> str:
    """Column name of a horizon: 5 -> ``"risk_5y"``, "lifetime" -> ``"risk_lifetime"``."""
    return "risk_lifetime" if horizon == "lifetime" else f"risk_{horizon:g}y"


def check_horizons(horizons: Sequence[Horizon]) -> tuple[Horizon, ...]:
    """The horizons as a tuple of positive finite years or ``"lifetime"``.

    Raises
    ------
    HorizonError
        Any other value, or none at all.
    """
    wanted = tuple(horizons)
    for horizon in wanted:
        if horizon == "lifetime":
            continue
        if isinstance(horizon, str) or not 0 < horizon < 130:
            raise HorizonError(
                f"{horizon!r} is not a horizon",
                remedy='Give years above 0, or "lifetime".',
            )
    if not wanted:
        raise HorizonError("no horizon was asked for", remedy="Give at least one, in years.")
    return wanted
