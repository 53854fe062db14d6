"""Design: the columns of a survival model, from questionnaire, acquisition and embeddings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mammorisk._utils.typing import Floats
from mammorisk.inputs.acquisition_table import CATEGORIES as ACQUISITION_CATEGORIES
from mammorisk.inputs.acquisition_table import NUMBERS as ACQUISITION_NUMBERS
from mammorisk.inputs.exam_set import TOKENS_PER_EXAM
from mammorisk.inputs.feature_set import FeatureSet
from mammorisk.inputs.scaling import Scaling
from mammorisk.records.questionnaire_fields import BOOLEANS, CATEGORIES, NUMBERS

#: Answers of which a higher value never lowers the risk. Density counts from 0 (a) to 3 (d).
ADVERSE = (
    "biopsies",
    "first_degree_relatives",
    "atypical_hyperplasia",
    "benign_breast_disease",
    "ashkenazi",
    "ovarian_cancer",
    "breast_density",
)
DENSITY = "breast_density"
#: Higher counts are taken as this one.
MOST_COUNTED = 5.0
#: Fields of women whom the model refuses.
_REFUSED = ("lcis", "prior_breast_cancer", "brca")
ANSWER_NUMBERS = [
    *(name for name in NUMBERS if name != "age"),
    *(name for name in BOOLEANS if name not in _REFUSED),
    DENSITY,
]
ANSWER_CATEGORIES = [name for name in CATEGORIES if name not in (*_REFUSED, DENSITY)]
#: Centre and unit of age, years.
_AGE_CENTRE, _AGE_UNIT = 55.0, 10.0
_LEAST_SD = 1e-6
#: Standardised features are clipped to this, so that one unusual value cannot dominate a risk.
_LIMIT = 4.0
#: Groups of columns.
AGE, ANSWERS, DENSITY_GROUP, ACQUISITION, IMAGE = (
    "age",
    "questionnaire",
    "density",
    "acquisition",
    "image",
)


@dataclass(frozen=True, kw_only=True)
class Design:
    """Conversion of women to the columns of a survival model, fitted to training data.

    Attributes
    ----------
    answers : Scaling
        Without indicators of unknown answers, an unknown answer counts as the average one.
    acquisition : Scaling or None
    feature_mean, feature_sd : ndarray, shape (n_features,), or None
        Standardisation of the mean features of an exam.
    components : ndarray, shape (k, n_features), or None
        Principal components of the standardised features, scaled to a standard deviation of 1.
    """

    answers: Scaling
    acquisition: Scaling | None = None
    feature_mean: Floats | None = field(default=None, repr=False)
    feature_sd: Floats | None = field(default=None, repr=False)
    components: Floats | None = field(default=None, repr=False)

    @classmethod
    def fit(
        cls,
        frame: pd.DataFrame,
        exams: FeatureSet | None,
        rows: NDArray[np.int64],
        weights: Floats,
        *,
        modalities: tuple[str, ...],
        components: int | None,
        indicators: bool,
    ) -> Design:
        """Fit means, standard deviations, categories and components.

        Parameters
        ----------
        frame : DataFrame, n rows
            Checked questionnaires.
        exams : FeatureSet, n rows, or None
        rows : ndarray of int
            Training rows.
        weights : ndarray, shape (n,)
            Sampling weights.
        modalities : tuple of str
        components : int or None
            Number of principal components; None for the features themselves.
        indicators : bool
            Add indicators of unknown answers.
        """
        part = answer_table(frame).iloc[rows]
        told = "questionnaire" in modalities
        answers = Scaling.fit(
            part,
            [name for name in ANSWER_NUMBERS if told and part[name].nunique() > 1],
            [name for name in ANSWER_CATEGORIES if told and part[name].nunique() > 1],
            None if indicators else weights[rows],
        )
        if exams is None or "image" not in modalities:
            return cls(answers=answers)
        acquisition = None
        if "acquisition" in modalities:
            table = acquisition_means(exams).iloc[rows]
            acquisition = Scaling.fit(
                table,
                [name for name in ACQUISITION_NUMBERS if table[name].nunique() > 1],
                [name for name in ACQUISITION_CATEGORIES if table[name].nunique() > 1],
                None if indicators else weights[rows],
            )
        seen = exams.means()[rows]
        there = np.isfinite(seen).all(axis=1)
        weight = weights[rows][there] / weights[rows][there].sum()
        mean = weight @ seen[there]
        sd = np.maximum(np.sqrt(weight @ (seen[there] - mean) ** 2), _LEAST_SD)
        directions = None
        if components is not None and components < seen.shape[1]:
            scaled = np.clip((seen[there] - mean) / sd, -_LIMIT, _LIMIT)
            _, spread, vectors = np.linalg.svd(
                scaled * np.sqrt(weight)[:, None], full_matrices=False
            )
            kept = min(components, int((spread > _LEAST_SD).sum()))
            # The largest loading of a component is positive, so that signs do not vary.
            sign = np.sign(vectors[np.arange(kept), np.abs(vectors[:kept]).argmax(axis=1)])
            directions = vectors[:kept] * (sign / spread[:kept])[:, None]
        return cls(
            answers=answers,
            acquisition=acquisition,
            feature_mean=mean,
            feature_sd=sd,
            components=directions,
        )

    @property
    def uses_images(self) -> bool:
        """Whether the embeddings of an exam are needed."""
        return self.feature_mean is not None

    @property
    def columns(self) -> list[str]:
        """Names of the columns of :meth:`matrix`."""
        names = [AGE, "age squared", *self.answers.columns]
        if self.acquisition is not None:
            names += [f"acquisition {name}" for name in self.acquisition.columns]
        if self.feature_mean is not None:
            what, n = "feature", len(self.feature_mean)
            if self.components is not None:
                what, n = "component", len(self.components)
            names += [f"{what} {i}" for i in range(n)]
        return names

    @property
    def groups(self) -> list[str]:
        """Group of every column: age, density, questionnaire, acquisition or image."""
        answers = [
            DENSITY_GROUP if name.startswith(DENSITY) else ANSWERS for name in self.answers.columns
        ]
        n_acquisition = 0 if self.acquisition is None else len(self.acquisition.columns)
        found = [AGE, AGE, *answers, *[ACQUISITION] * n_acquisition]
        return found + [IMAGE] * (len(self.columns) - len(found))

    def field_of(self, column: str) -> str:
        """Questionnaire field of a column of answers."""
        fields = (*self.answers.mean, *self.answers.categories)
        return next(name for name in fields if column == name or column.startswith(f"{name} "))

    @property
    def fields(self) -> list[str]:
        """Questionnaire fields of the columns."""
        return ["age", *self.answers.mean, *self.answers.categories]

    def adverse(self) -> dict[str, int]:
        """Position of the column of every adverse answer."""
        columns = self.columns
        return {name: columns.index(name) for name in ADVERSE if name in self.answers.mean}

    def unknown_column(self, name: str) -> int | None:
        """Position of the indicator that a number is unknown, or None."""
        return self.columns.index(f"{name} unknown") if self.answers.shares is None else None

    def scaled(self, name: str, values: Floats) -> Floats:
        """Values of a numeric answer as in its column; 0 for NaN."""
        found = self.answers.transform(pd.DataFrame({name: values}))
        return np.asarray(found[:, self.answers.columns.index(name)], dtype=np.float64)

    def matrix(self, frame: pd.DataFrame, exams: FeatureSet | None) -> Floats:
        """Columns of women, shape (n, len(columns)).

        Parameters
        ----------
        frame : DataFrame, n rows
            Checked questionnaires.
        exams : FeatureSet, n rows, or None
            Needed if :attr:`uses_images`. Rows without views are NaN in the columns of the image.
        """
        age = (frame["age"].to_numpy(dtype=float) - _AGE_CENTRE) / _AGE_UNIT
        parts: list[Floats] = [
            np.stack([age, age**2], axis=1),
            self.answers.transform(answer_table(frame)).astype(np.float64),
        ]
        if self.acquisition is not None and exams is not None:
            parts.append(self.acquisition.transform(acquisition_means(exams)).astype(np.float64))
        if self.feature_mean is not None and self.feature_sd is not None and exams is not None:
            seen = (exams.means() - self.feature_mean) / self.feature_sd
            seen = np.clip(seen, -_LIMIT, _LIMIT)
            parts.append(seen if self.components is None else seen @ self.components.T)
        return np.concatenate(parts, axis=1)

    def to_dict(self) -> dict[str, Any]:
        """Return the scalings as JSON types."""
        return {
            "answers": self.answers.to_dict(),
            "acquisition": None if self.acquisition is None else self.acquisition.to_dict(),
        }

    def arrays(self) -> dict[str, Floats]:
        """Arrays to save, by attribute."""
        found = {
            "feature_mean": self.feature_mean,
            "feature_sd": self.feature_sd,
            "components": self.components,
        }
        return {name: value for name, value in found.items() if value is not None}

    @classmethod
    def from_saved(cls, data: dict[str, Any], arrays: dict[str, Floats]) -> Design:
        """The inverse of :meth:`to_dict` and :meth:`arrays`."""
        acquisition = data["acquisition"]
        return cls(
            answers=Scaling.from_dict(data["answers"]),
            acquisition=None if acquisition is None else Scaling.from_dict(acquisition),
            **arrays,
        )


def answer_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Answers as numbers and categories. Density is a number, and high counts are cut.

    Parameters
    ----------
    frame : DataFrame, n rows
        Checked questionnaires.

    Returns
    -------
    DataFrame, n rows
        Index 0 ... n - 1. A field that is not in the table is unknown for every woman.
    """
    made: dict[str, Any] = {}
    for name in ANSWER_NUMBERS:
        if name not in frame.columns:
            values = np.full(len(frame), np.nan)
        elif name == DENSITY:
            words = frame[name].astype(object)
            values = words.map({"a": 0.0, "b": 1.0, "c": 2.0, "d": 3.0}).to_numpy(dtype=float)
        else:
            values = frame[name].to_numpy(dtype=float)
        made[name] = np.minimum(values, MOST_COUNTED) if name in ADVERSE else values
    for name in ANSWER_CATEGORIES:
        made[name] = (
            frame[name].astype(object).to_numpy()
            if name in frame.columns
            else np.full(len(frame), None, dtype=object)
        )
    return pd.DataFrame(made)


def acquisition_means(exams: FeatureSet) -> pd.DataFrame:
    """Acquisition of every exam: means of numbers, and the category of the first view."""
    exam = np.repeat(np.arange(len(exams)), TOKENS_PER_EXAM)
    there = exams.present[:, :TOKENS_PER_EXAM].ravel()
    grouped = exams.acquisition[there].groupby(exam[there])
    numbers = grouped[ACQUISITION_NUMBERS].mean()
    first = grouped[ACQUISITION_CATEGORIES].first()
    return numbers.join(first).reindex(range(len(exams)))
