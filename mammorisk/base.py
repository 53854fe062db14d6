"""The interface of every model: RiskModel and ImageModel, with ModelCard and Scores."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

# RiskModel.predict and RiskModel.recalibrate call the public functions of the same names.
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
    """Description of a model: its inputs, its outcome, its training data and its limits.

    Attributes
    ----------
    name : str
        Name for :func:`mammorisk.load_model`.
    title : str
        Full name of the model.
    family : str
        ``"questionnaire"``, ``"density"``, ``"family history"``, ``"average"``, ``"image"`` or
        ``"hybrid"``: policies are written for a family of models.
    inputs : tuple of str
        Questionnaire fields (and ``"images"``) that the model reads.
    required : tuple of str
        Inputs without which the model gives no risk.
    outcome : str
        ``"invasive"`` or ``"invasive or in situ"`` breast cancer.
    ages : tuple of (float, float)
        Lowest and highest age in years at which the model applies; both are included.
    horizons : str
        Horizons that the model answers, in words, e.g. ``"1 year to age 90"``.
    competing_mortality : bool
        Whether death from other causes is taken into account.
    training_data : str
        Data from which the model was estimated.
    source : str
        Publication.
    licence : str
        Licence of the coefficients or weights.
    intended_use : str
        Use for which the model was made.
    limits : str
        Known limits.

    See Also
    --------
    mammorisk.models : Cards of all models as a table.

    Examples
    --------
    >>> import mammorisk as mr
    >>> card = mr.load_model("bcrat").card
    >>> card.family, card.required, card.ages
    ('questionnaire', ('age',), (35, 85))
    >>> card.needs_pixels
    False
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
        """Whether the risk depends on pixels, through a network or through measured density."""
        return bool({"images", "breast_density"} & set(self.inputs))


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Risks of many women under one model. Every table has one row per woman, in input order.

    Attributes
    ----------
    risk : DataFrame, shape (n_women, n_horizons)
        Absolute risk in [0, 1]. Columns are the requested horizons. NaN where the model gives no
        risk.
    warnings : Series of tuple of ResultWarning
        Why a risk is missing and what was assumed.
    contributions : DataFrame, shape (n_women, n_factors), or None
        Log relative risk of each factor, relative to the reference woman of the model.
    lower, upper : DataFrame, shape of ``risk``, or None
        Limits of the 95% interval, where the model has one.
    images_used : Series of bool or None
        Whether the network used the images. None for a model without a network.
    models : Series of str or None
        Name of the model that gave each risk. None where one model gave all of them.
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
        """Warnings of each woman as one string, as in the column ``warnings`` of a result."""
        from mammorisk._utils.text import TEXT

        return self.warnings.map(join_text).astype(TEXT)


class RiskModel(ABC):
    """Base class of all models.

    A subclass defines its :class:`ModelCard` as ``card``, computes risks in :meth:`score`, and
    returns the content of its saved folder from :meth:`state`.

    See Also
    --------
    mammorisk.load_model : Returns a model by its name or folder.
    mammorisk.ImageModel : Base class of models that read pixels.

    Examples
    --------
    >>> import mammorisk as mr
    >>> model = mr.load_model("bcrat")
    >>> model
    <Bcrat bcrat: Breast Cancer Risk Assessment Tool (Gail model)>
    >>> isinstance(model, mr.RiskModel)
    True
    """

    card: ClassVar[ModelCard]

    @property
    def name(self) -> str:
        """Name of the model, as on its card."""
        return self.card.name

    @property
    def uses_images(self) -> bool:
        """Whether the model itself reads pixels."""
        return False

    @abstractmethod
    def score(self, frame: pd.DataFrame, horizons: Sequence[Horizon] = DEFAULT_HORIZONS) -> Scores:
        """Compute the risks of a questionnaire table.

        Parameters
        ----------
        frame : DataFrame, n rows
            Columns are fields of :class:`mammorisk.Questionnaire`.
        horizons : sequence of float or "lifetime"
            Years from the age at the exam.

        Returns
        -------
        Scores
            One row per woman, in input order. A row without a risk has NaN, and a warning with
            the reason.

        Raises
        ------
        HorizonError
            The model answers none of the horizons.

        Examples
        --------
        >>> import pandas as pd
        >>> import mammorisk as mr
        >>> women = pd.DataFrame({"age": [54, 61], "race_ethnicity": ["white", "black"]})
        >>> mr.load_model("bcrat").score(women, (5,)).risk.round(4)
                5
        0  0.0075
        1  0.0114
        """

    @abstractmethod
    def state(self) -> ModelState:
        """Return the content that :meth:`save` writes and :func:`mammorisk.load_model` reads."""

    def predict(self, data: Any, woman: Any = None, **options: Any) -> Any:
        """Predict absolute risks with this model.

        Short for ``mammorisk.predict(data, woman, model=self, **options)``.

        Parameters
        ----------
        data, woman, **options
            As in :func:`mammorisk.predict`.

        Returns
        -------
        Prediction or DataFrame
            As :func:`mammorisk.predict` returns it.

        See Also
        --------
        mammorisk.predict : The same as a function.

        Examples
        --------
        >>> import mammorisk as mr
        >>> model = mr.load_model("bcrat")
        >>> woman = mr.Questionnaire(age=54, race_ethnicity="white")
        >>> round(model.predict(woman).five_year, 4)
        0.0075
        """
        return mammorisk.predict(data, woman, model=self, **options)

    def recalibrate(self, cohort: Cohort, **options: Any) -> RiskModel:
        """Recalibrate the model to a local cohort.

        Short for ``mammorisk.recalibrate(self, cohort, **options)``.

        Parameters
        ----------
        cohort : Cohort
            With outcomes.
        **options
            As in :func:`mammorisk.recalibrate`.

        Returns
        -------
        RiskModel
            A new model; this one is not changed.

        See Also
        --------
        mammorisk.recalibrate : The same as a function.
        """
        return mammorisk.recalibrate(self, cohort, **options)

    def save(self, folder: str | Path) -> Path:
        """Write the model to a folder as JSON, and its weights as safetensors. No pickle.

        Parameters
        ----------
        folder : str or path
            An existing model in this folder is replaced after the new one is complete. After an
            error there is no incomplete folder.

        Returns
        -------
        Path
            The folder.

        Raises
        ------
        OutputError
            The folder contains other files, or cannot be written.

        See Also
        --------
        mammorisk.load_model : Reads the folder.

        Examples
        --------
        >>> import tempfile
        >>> from pathlib import Path
        >>> import mammorisk as mr
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     saved = mr.load_model("bcrat").save(Path(folder) / "model")
        ...     mr.load_model(saved).name
        'bcrat'
        """
        return write_model_folder(self.state(), Path(folder))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}: {self.card.title}>"


@dataclass(frozen=True, kw_only=True)
class PreparedView:
    """One view, prepared for an image model.

    Attributes
    ----------
    content : object
        Input of the model. None where the model does not use this view.
    warnings : tuple of ResultWarning
        Warnings about the preparation.
    """

    content: Any
    warnings: Warnings = ()


@dataclass(frozen=True, kw_only=True)
class PreparedExam:
    """The views of one exam and of its prior exam, prepared for an image model.

    Attributes
    ----------
    exam : Exam
        The exam to predict from.
    views, prior_views : dict of str to object
        ``content`` of each :class:`PreparedView`, by view name.
    density_probabilities : dict of str to float
        Probability of each category a-d, measured in the images. Empty if it was not measured.
    """

    exam: Exam
    views: Mapping[str, Any] = field(repr=False)
    prior_views: Mapping[str, Any] = field(default_factory=dict, repr=False)
    density_probabilities: Mapping[str, float] = field(default_factory=dict)


class ImageModel(RiskModel):
    """Base class of models that read pixels.

    Each view is segmented once, outside of the model. The model prepares the segmented views and
    scores the prepared exams, so that reading and scoring can overlap.

    See Also
    --------
    mammorisk.RiskModel : Base class of all models.
    mammorisk.load_model : Returns a model by its name or folder.

    Examples
    --------
    Predict an exam with the hybrid model (needs ``mammorisk[networks]``):

    >>> import mammorisk as mr
    >>> model = mr.load_model("hybrid")  # doctest: +SKIP
    >>> isinstance(model, mr.ImageModel)  # doctest: +SKIP
    True
    >>> prediction = model.predict("exam_folder")  # doctest: +SKIP
    """

    #: Number of exams scored together; the next ones are read at the same time.
    exams_at_once: ClassVar[int]
    #: Backend that the user requested for the encoder.
    backend: str

    @property
    def uses_images(self) -> bool:
        """Whether the model itself reads pixels."""
        return True

    @property
    def uses_priors(self) -> bool:
        """Whether the model uses the prior exam."""
        return False

    @property
    @abstractmethod
    def backend_used(self) -> str | None:
        """Backend that runs the encoder. None for a model without an encoder."""

    @abstractmethod
    def on_backend(self, backend: str) -> ImageModel:
        """Return the same model with another backend for its encoder."""

    def check_exam(self, exam: Exam) -> None:
        """Raise an error for an exam that the model cannot use.

        Parameters
        ----------
        exam : Exam

        Raises
        ------
        ModelError
            A view that the model needs is missing.
        """

    @abstractmethod
    def prepare_view(self, seen: SegmentedView) -> PreparedView:
        """Prepare one segmented view for the model."""

    @abstractmethod
    def score_exams(
        self,
        frame: pd.DataFrame,
        exams: Sequence[PreparedExam | None],
        horizons: Sequence[Horizon] = DEFAULT_HORIZONS,
    ) -> Scores:
        """Compute the risks of women with exams.

        Parameters
        ----------
        frame : DataFrame, n rows
            Questionnaires.
        exams : sequence of PreparedExam or None, length n
            None for a woman without images.
        horizons : sequence of float
            Years from the exam.

        Returns
        -------
        Scores
            One row per woman, in input order.
        """

    def explain_exam(self, frame: pd.DataFrame, exam: PreparedExam, method: str) -> Any:
        """Compute saliency maps of one exam.

        Parameters
        ----------
        frame : DataFrame, 1 row
            Questionnaire.
        exam : PreparedExam
        method : str
            ``"grad-cam"`` or ``"integrated-gradients"``.

        Returns
        -------
        Explanation

        Raises
        ------
        ModelError
            The model has no saliency maps, or did not use the images.
        """
        raise ModelError(
            f"{self.name} has no saliency maps", remedy="Predict an exam with model='hybrid'."
        )


def check_horizons(horizons: Sequence[Horizon] | Horizon) -> tuple[Horizon, ...]:
    """Check horizons and return them as a tuple.

    Parameters
    ----------
    horizons : float, "lifetime" or sequence of them
        Years above 0.

    Returns
    -------
    tuple of float or "lifetime"

    Raises
    ------
    HorizonError
        A value is neither a number of years nor ``"lifetime"``, a value appears twice, or there
        is no value.

    Examples
    --------
    >>> from mammorisk.base import check_horizons
    >>> check_horizons(5), check_horizons([1, "lifetime"])
    ((5,), (1, 'lifetime'))
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
        raise HorizonError("no horizon was given", remedy="Give at least one, in years.")
    if len(set(wanted)) < len(wanted):
        raise HorizonError("a horizon appears twice", remedy="Give each horizon once.")
    return wanted
