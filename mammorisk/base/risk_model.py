"""RiskModel: the interface of every model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

# RiskModel.predict and RiskModel.recalibrate call the public functions of the same names.
import mammorisk
from mammorisk._utils.model_folder import ModelState, write_model_folder
from mammorisk.base.card import ModelCard
from mammorisk.base.horizons import DEFAULT_HORIZONS, Horizon
from mammorisk.base.scores import Scores

if TYPE_CHECKING:
    import pandas as pd

    from mammorisk.records.cohort import Cohort


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

    @property
    def other_rates(self) -> Any:
        """:class:`mammorisk.Rates` that replace those of the publication; None for its own."""
        return None

    @property
    def calibration_id(self) -> str:
        """Identifier of the calibration of the risks, for their provenance.

        ``"published"``; ``"none"`` for risks as a fit gave them; ``"fit-..."`` or ``"local-..."``
        with a digest of the recalibration in a fit or on a local cohort; ``"rates-..."`` with a
        digest of the incidence and mortality that replace those of the publication.
        """
        return "none"

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
