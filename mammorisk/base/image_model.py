"""ImageModel: the interface of models that read pixels."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from mammorisk.base.horizons import DEFAULT_HORIZONS, Horizon
from mammorisk.base.risk_model import RiskModel
from mammorisk.base.scores import Scores
from mammorisk.errors import ModelError

if TYPE_CHECKING:
    import pandas as pd

    from mammorisk.imaging.segmented_view import SegmentedView
    from mammorisk.records.exam import Exam
    from mammorisk.warnings import Warnings


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
    def is_light(self) -> bool:
        """Whether the network takes much less time than reading an exam.

        It then uses few threads while other processes read the next exams.
        """
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
