"""The interface of every model: RiskModel and ImageModel, with ModelCard and Scores."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

# For RiskModel.predict: a convenience that calls the public function of the same name.
import mammorisk
from mammorisk._utils.model_folder import ModelState, write_model_folder
from mammorisk.errors import HorizonError, ModelError
from mammorisk.warnings import join_text

if TYPE_CHECKING:
    import pandas as pd

    from mammorisk.imaging.segmented_view import SegmentedView
    from mammorisk.records.cohort import Cohort
    from mammorisk.records.exam import Exam
    from mammorisk.warnings import Warnings

#: A horizon in years, or ``"lifetime"`` (to age 90, or to the last age the model's data reach).
Horizon = float | Literal["lifetime"]

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

    @property
    def needs_pixels(self) -> bool:
        """Whether a risk depends on the pixels, by the network or by measured density."""
        return bool({"images", "breast_density"} & set(self.inputs))


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Risks of many women under one model; every table has one row a woman, in order.

    Attributes
    ----------
    risk : DataFrame, shape (n_women, n_horizons)
        Absolute risk in [0, 1]; columns are the horizons asked for. NaN where none can be given.
    warnings : Series of tuple of ResultWarning
        Why a risk is missing and what was assumed.
    contributions : DataFrame, shape (n_women, n_factors), or None
        Log relative risk by factor against the model's reference woman.
    lower, upper : DataFrame, shape of ``risk``, or None
        Limits of the 95% interval, where the model has one.
    images_used : Series of bool or None
        Whether the network used the images; None for a model that never does.
    models : Series of str or None
        The model that answered, where it differs between women.
    """

    risk: pd.DataFrame
    warnings: pd.Series
    contributions: pd.DataFrame | None = None
    lower: pd.DataFrame | None = None
    upper: pd.DataFrame | None = None
    images_used: pd.Series | None = None
    models: pd.Series | None = None

    @property
    def warning_texts(self) -> pd.Series:
        """The warnings of each woman as one string, as in a table of risks."""
        from mammorisk._utils.text import TEXT

        return self.warnings.map(join_text).astype(TEXT)


class RiskModel(ABC):
    """Everything that predicts.

    A subclass states its :class:`ModelCard` as ``card``, scores a questionnaire table in
    :meth:`score`, and gives what is saved in :meth:`state`.
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

    @abstractmethod
    def state(self) -> ModelState:
        """What :meth:`save` writes and :func:`mammorisk.load_model` reads."""

    def predict(self, data: Any, woman: Any = None, **options: Any) -> Any:
        """Absolute risks by this model: ``mammorisk.predict(data, woman, model=self, ...)``.

        See Also
        --------
        mammorisk.predict : Takes the same arguments and returns the same result.

        Examples
        --------
        >>> import mammorisk as mr
        >>> model = mr.load_model("bcrat")
        >>> woman = mr.Questionnaire(age=54, race_ethnicity="white")
        >>> round(model.predict(woman).five_year, 4)
        0.0097
        """
        return mammorisk.predict(data, woman, model=self, **options)

    def recalibrate(self, cohort: Cohort, **options: Any) -> RiskModel:
        """The model recalibrated to a local cohort: ``mammorisk.recalibrate(self, cohort, ...)``.

        See Also
        --------
        mammorisk.recalibrate : Takes the same options and returns the same model.
        """
        return mammorisk.recalibrate(self, cohort, **options)

    def save(self, folder: str | Path) -> Path:
        """Write the model to a folder: JSON, and safetensors for weights. No pickle.

        Parameters
        ----------
        folder : str or path
            Appears whole or not at all. A model that lies there is replaced once the new one is
            complete.

        Returns
        -------
        Path
            The folder.

        Raises
        ------
        OutputError
            The folder holds something else, or cannot be written.
        """
        return write_model_folder(self.state(), Path(folder))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}: {self.card.title}>"


@dataclass(frozen=True, kw_only=True)
class PreparedView:
    """One view as an image model takes it.

    Attributes
    ----------
    content : object
        None where the model does not use this view.
    warnings : tuple of ResultWarning
    """

    content: Any
    warnings: Warnings = ()


@dataclass(frozen=True, kw_only=True)
class PreparedExam:
    """The views of one exam, and of its prior exam, as an image model takes them.

    Attributes
    ----------
    exam : Exam
    views, prior_views : dict of str to object
        Content of :class:`PreparedView` by name of the view.
    """

    exam: Exam
    views: Mapping[str, Any] = field(repr=False)
    prior_views: Mapping[str, Any] = field(default_factory=dict, repr=False)


class ImageModel(RiskModel):
    """A model that reads pixels.

    Views are segmented once, outside of the model. The model prepares each of them, and scores
    prepared exams; reading and scoring can overlap.
    """

    #: Exams in memory at a time, while as many others are read.
    exams_at_once: ClassVar[int]
    #: What the user asked to run the encoder.
    backend: str

    @property
    def uses_images(self) -> bool:
        return True

    @property
    def uses_priors(self) -> bool:
        """Whether the prior exam is read."""
        return False

    @property
    @abstractmethod
    def backend_used(self) -> str | None:
        """Backend that runs the encoder; None for a model without one."""

    @abstractmethod
    def on_backend(self, backend: str) -> ImageModel:
        """The same model, its encoder run by another backend."""

    def check_exam(self, exam: Exam) -> None:
        """Refuse an exam that the model cannot use.

        Raises
        ------
        ModelError
            A view that the model needs is missing.
        """

    @abstractmethod
    def prepare_view(self, seen: SegmentedView) -> PreparedView:
        """One view as the model takes it."""

    @abstractmethod
    def score_exams(
        self,
        frame: pd.DataFrame,
        exams: Sequence[PreparedExam | None],
        horizons: Sequence[Horizon] = DEFAULT_HORIZONS,
    ) -> Scores:
        """Score women with their exams.

        Parameters
        ----------
        frame : DataFrame, n rows
            Questionnaires.
        exams : sequence of PreparedExam or None, length n
            None for a woman without images.
        horizons : sequence of float
        """

    def explain_exam(self, frame: pd.DataFrame, exam: PreparedExam, method: str) -> Any:
        """Saliency of one exam.

        Raises
        ------
        ModelError
            The model has none, or did not use the images.
        """
        raise ModelError(
            f"{self.name} has no saliency maps", remedy="Predict an exam with model='hybrid'."
        )


def check_horizons(horizons: Sequence[Horizon] | Horizon) -> tuple[Horizon, ...]:
    """The horizons as a tuple of positive finite years or ``"lifetime"``.

    Raises
    ------
    HorizonError
        Any other value, a duplicate, or none at all.
    """
    several = isinstance(horizons, Iterable) and not isinstance(horizons, str)
    wanted: tuple[Horizon, ...] = tuple(horizons) if several else (horizons,)  # type: ignore[arg-type, assignment]
    for horizon in wanted:
        if isinstance(horizon, str) and horizon == "lifetime":
            continue
        is_number = isinstance(horizon, Real) and not isinstance(horizon, bool)
        if not is_number or not 0 < horizon < 130:
            raise HorizonError(
                f"{horizon!r} is not a horizon",
                remedy='Give years above 0, or "lifetime".',
            )
    if not wanted:
        raise HorizonError("no horizon was asked for", remedy="Give at least one, in years.")
    if len(set(wanted)) < len(wanted):
        raise HorizonError("a horizon appears twice", remedy="Give each horizon once.")
    return wanted
