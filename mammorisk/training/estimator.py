"""RiskEstimator: a recipe as an estimator in the style of scikit-learn."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from mammorisk.base import YEARS, RiskModel
from mammorisk.embeddings.columns import ACQUISITION, FEATURE, POOLED, feature_columns
from mammorisk.embeddings.embeddings import Embeddings
from mammorisk.embeddings.read import read_embeddings
from mammorisk.errors import TrainingError
from mammorisk.metrics.concordance import concordance_index
from mammorisk.prediction.api import predict
from mammorisk.records.alignment import risk_column
from mammorisk.records.cohort import KEYS, Cohort
from mammorisk.records.frames import as_frame
from mammorisk.records.outcome import Outcome
from mammorisk.records.read_answers import read_answers
from mammorisk.risk_models.recipe import load_recipe
from mammorisk.training.fit import CohortWarning, fit

if TYPE_CHECKING:
    from mammorisk.risk_models.recipe import Recipe
    from mammorisk.warnings import ResultWarning


class RiskEstimator(BaseEstimator):  # type: ignore[misc]
    """A recipe as an estimator in the style of scikit-learn and scikit-survival.

    Parameters
    ----------
    recipe : str, path or Recipe
        A recipe without images, or one on embeddings.
    changes : dict, optional
        Changes of fields of the recipe, such as ``{"survival__trees": 50}``.
    encoder : str
        Name of the encoder that made the features.

    Attributes
    ----------
    model_ : RiskModel
        The fitted model. It can be saved and loaded as any other.
    feature_names_in_ : ndarray of str
    n_features_in_ : int

    See Also
    --------
    mammorisk.fit : Fits a recipe to a cohort, also with images.
    mammorisk.compare_recipes : Compares recipes by cross-validation.

    Notes
    -----
    ``X`` is a table with named columns: Questionnaire fields (``age`` is needed),
    ``feature_0``, ``feature_1`` ... for the features of an exam, with them the acquisition as in
    :func:`mammorisk.read_embeddings`, and optionally ``patient_id``: exams of one woman are then
    never on both sides of a split. Other columns are not read.

    ``y`` is a structured array as for scikit-survival: the first field is the event, the second
    the time in years. The event is a boolean, or 0, 1 (cancer) and 2 (death from another cause).

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> import mammorisk as mr
    >>> rng = np.random.default_rng(1)
    >>> X = pd.DataFrame(
    ...     {"age": rng.uniform(45, 70, 2000), "breast_density": rng.choice(list("abcd"), 2000)}
    ... )
    >>> y = np.empty(2000, dtype=[("event", bool), ("time", float)])
    >>> y["event"], y["time"] = rng.random(2000) < 0.2, rng.uniform(1, 8, 2000)
    >>> model = mr.RiskEstimator("density-fit").fit(X, y)
    >>> model.predict_cumulative_risk(X.head(2), [1, 5]).shape
    (2, 2)
    >>> model.get_params()["recipe"]
    'density-fit'
    """

    def __init__(
        self,
        recipe: str | Recipe = "coxnet",
        changes: Mapping[str, Any] | None = None,
        encoder: str = "features",
    ) -> None:
        self.recipe = recipe
        self.changes = changes
        self.encoder = encoder

    @classmethod
    def of(cls, model: RiskModel) -> RiskEstimator:
        """Return a fitted model as a fitted estimator.

        Parameters
        ----------
        model : RiskModel
            Fitted by :func:`mammorisk.fit` with a recipe that an estimator can have.

        Returns
        -------
        RiskEstimator
            Its clone is fitted with the same recipe.

        Raises
        ------
        TrainingError
            The model has no recipe, or is fitted on images or on features of views.
        """
        record = getattr(model, "embeddings", None)
        recipe: Any = getattr(model, "recipe", None)
        if recipe is None and model.name == "density-fit":
            recipe = "density-fit"
        reads_views = model.uses_images and (record is None or record.pool is None)
        if recipe is None or reads_views:
            raise TrainingError(
                f"{model.name} is not a model of a table of women",
                remedy="Fit a recipe without images, or on pooled embeddings.",
            )
        made = cls(recipe, encoder="features" if record is None else record.identity)
        made.model_ = model
        return made

    def fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the recipe.

        Parameters
        ----------
        X : DataFrame, n rows
        y : structured array, shape (n,)
        sample_weight : array_like, shape (n,), optional
            Sampling weights.

        Returns
        -------
        RiskEstimator
            This object.

        Raises
        ------
        TrainingError
            ``X`` or ``y`` is not as described in the notes, or the recipe needs images.
        """
        recipe = load_recipe(self.recipe, **dict(self.changes or {}))
        if recipe.kind in ("network", "mirai") and "image" in recipe.modalities:
            raise TrainingError(
                f"the recipe {recipe.name} trains on images, which a table does not have",
                remedy="Use mr.fit with a cohort, or a recipe on embeddings.",
            )
        frame = _table(X)
        event, time = _outcome(y, len(frame))
        exams = frame.assign(time=time, event=event)
        if sample_weight is not None:
            exams = exams.assign(weight=np.asarray(sample_weight, dtype=float))
        cohort = _cohort(exams)
        self.model_: RiskModel = fit(
            cohort,
            recipe,
            embeddings=_embeddings(cohort.exams, frame, self.encoder, recipe),
            on_warning=_warn,
        )
        self.feature_names_in_ = np.array([str(name) for name in frame.columns], dtype=object)
        self.n_features_in_ = len(frame.columns)
        return self

    def predict_cumulative_risk(
        self, X: Any, horizons: Sequence[float] = YEARS
    ) -> NDArray[np.float64]:
        """Predict absolute risks.

        Parameters
        ----------
        X : DataFrame, n rows
        horizons : sequence of int
            Whole years from 1 to 5.

        Returns
        -------
        ndarray of float, shape (n, len(horizons))
            NaN for a woman whom the model refuses.

        Raises
        ------
        NotFittedError
            The estimator is not fitted.
        """
        check_is_fitted(self, "model_")
        frame = _table(X)
        cohort = _cohort(frame)
        record = getattr(self.model_, "embeddings", None)
        given = None
        if record is not None:
            given = _embeddings(cohort.exams, frame, self.encoder, None)
            if given is not None:
                # A table does not say how its rows were pooled.
                given = replace(given, provenance={"pool": record.pool})
            if given is None:
                raise TrainingError(
                    f"the table has no columns {FEATURE}0 ..., on which the model was fitted",
                    where="X",
                )
        risks = predict(cohort, model=self.model_, horizons=tuple(horizons), embeddings=given)
        return risks[[risk_column(h) for h in horizons]].to_numpy(dtype=float)

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Predict the risk over five years, shape (n,); NaN for a woman who is refused."""
        return self.predict_cumulative_risk(X, (YEARS[-1],))[:, 0]

    def score(self, X: Any, y: Any) -> float:
        """Harrell's C index of the risk over five years, of women who have a risk."""
        risk = self.predict(X)
        event, time = _outcome(y, len(risk))
        rows = np.flatnonzero(np.isfinite(risk))
        outcome = Outcome(time=time[rows], event=event[rows])
        return float(concordance_index(outcome, risk[rows]).value)


def _warn(doubt: ResultWarning) -> None:
    # The caller of RiskEstimator.fit, above mr.fit and this function.
    warnings.warn(CohortWarning(doubt.text), stacklevel=4)


def _table(data: Any) -> pd.DataFrame:
    frame = as_frame(data)
    if frame is None or "age" not in frame.columns:
        raise TrainingError(
            f"a {type(data).__name__} is not a table with a column age",
            where="X",
            remedy="Pass a DataFrame whose columns are Questionnaire fields and feature_0, "
            "feature_1 ...",
        )
    return frame.reset_index(drop=True)


def _outcome(y: Any, n: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    names = getattr(getattr(y, "dtype", None), "names", None)
    if names is None or len(names) != 2 or len(y) != n:
        raise TrainingError(
            "the outcome is not a structured array of event and time with a row for each woman",
            where="y",
            remedy="Make one with sksurv.util.Surv, or DataFrame.to_records(index=False).",
        )
    event, time = np.asarray(y[names[0]]), np.asarray(y[names[1]], dtype=np.float64)
    if event.dtype.kind not in "biu":
        raise TrainingError(
            "the first field of the outcome is not the event",
            where="y",
            remedy="Fields are the event (boolean, or 0, 1 and 2) and the time in years.",
        )
    return event.astype(np.int64), time


def _cohort(frame: pd.DataFrame) -> Cohort:
    numbers = np.arange(len(frame)).astype(str)
    exams, told = read_answers(frame)
    exams = exams.drop(columns=feature_columns(exams.columns))
    if KEYS[0] not in exams.columns:
        exams = exams.assign(**{KEYS[0]: numbers})
    # Rows are exams, whatever their ids.
    exams = exams.assign(**{KEYS[1]: numbers})
    errors = pd.Series([""] * len(exams), dtype=object)
    return Cohort(exams=exams, errors=errors, table_warnings=told)


def _embeddings(
    exams: pd.DataFrame, frame: pd.DataFrame, encoder: str, recipe: Recipe | None
) -> Embeddings | None:
    features = feature_columns(map(str, frame.columns))
    if not features or (recipe is not None and not recipe.takes_embeddings):
        return None
    told = [name for name in ACQUISITION if name in frame.columns]
    table = exams[list(KEYS)].assign(view=POOLED).join(frame[[*told, *features]])
    return read_embeddings(table, encoder=encoder)
