"""Inputs of women as tensors: images, acquisition, questionnaire, baseline."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from mammorisk.clinical.baseline import BaselineScores, PublishedBaseline
from mammorisk.clinical.exclusions import exclusions
from mammorisk.inputs.acquisition_table import CATEGORIES as ACQUISITION_CATEGORIES
from mammorisk.inputs.acquisition_table import NUMBERS as ACQUISITION_NUMBERS
from mammorisk.inputs.exam_set import TOKENS_PER_EXAM, ExamSet
from mammorisk.inputs.scaling import Scaling
from mammorisk.networks.hazards import YEARS
from mammorisk.networks.hybrid import Batch
from mammorisk.records.questionnaire_fields import BOOLEANS, CATEGORIES, NUMBERS
from mammorisk.records.questionnaire_table import check_frame
from mammorisk.warnings import is_refused

#: Log of the published questionnaire ratio, an additional input of the learned correction.
PUBLISHED_RATIO = "published_log_ratio"
QUESTIONNAIRE_NUMBERS = [name for name in NUMBERS if name != "age"] + list(BOOLEANS)
#: Answers of which a higher value is never protective.
ADVERSE = ("biopsies", "first_degree_relatives", "atypical_hyperplasia", "benign_breast_disease")
#: Ages of a model without limits.
ALL_AGES = (0.0, np.inf)
#: Density is an effect of the image, and race of the rates of the baseline.
QUESTIONNAIRE_CATEGORIES = [c for c in CATEGORIES if c not in ("breast_density", "race_ethnicity")]


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """All data of n women except the outcome, unscaled.

    Attributes
    ----------
    frame : DataFrame, n rows
        Checked questionnaires, with numbers as float.
    exams : ExamSet or None
    baseline : BaselineScores or None
    refusals : Series of tuple of ResultWarning, n rows
        Reasons for which the model does not apply; empty where it applies.
    """

    frame: pd.DataFrame
    exams: ExamSet | None
    baseline: BaselineScores | None
    refusals: pd.Series

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def refused(self) -> NDArray[np.bool_]:
        """Women who get no risk and are excluded from a fit."""
        return np.array([bool(found) for found in self.refusals], dtype=bool)


def gather_inputs(
    frame: pd.DataFrame,
    exams: ExamSet | None,
    baseline: PublishedBaseline | None,
    ages: tuple[float, float] = ALL_AGES,
) -> Inputs:
    """Check questionnaires, apply the exclusions and score the published baseline.

    Parameters
    ----------
    frame : DataFrame, n rows
        Columns are Questionnaire fields.
    exams : ExamSet, n rows, or None
    baseline : PublishedBaseline or None
    ages : tuple of (float, float)
        Ages in completed years to which the model applies, both inclusive.

    Returns
    -------
    Inputs
        The refusals contain the reasons of
        :func:`mammorisk.clinical.exclusions.exclusions` and of all parts of the baseline.

    Raises
    ------
    QuestionnaireError
        There is no column ``age``.
    """
    clean, problems = check_frame(frame)
    clean, problems = clean.reset_index(drop=True), problems.reset_index(drop=True)
    found = exclusions(clean, problems, ages)
    horizons = tuple(float(year) for year in range(1, YEARS + 1))
    scores = baseline.score(clean, horizons) if baseline is not None else None
    if scores is not None and baseline is not None:
        measured = None if exams is None else exams.density_probabilities
        if measured is not None:
            scores = with_measured_density(scores, baseline, clean, measured)
        clean[PUBLISHED_RATIO] = scores.questionnaire
        for i, told in enumerate(scores.warnings):
            if is_refused(told):
                known = {one.code for one in found[i]}
                found[i] = (*found[i], *(one for one in told if one.code not in known))
    refusals = pd.Series(found, index=clean.index, dtype=object)
    return Inputs(frame=clean, exams=exams, baseline=scores, refusals=refusals)


def with_measured_density(
    scores: BaselineScores,
    baseline: PublishedBaseline,
    frame: pd.DataFrame,
    probabilities: NDArray[np.float64],
) -> BaselineScores:
    """Average the published density effect over measured categories where none is stated.

    Parameters
    ----------
    scores : BaselineScores, n rows
    baseline : PublishedBaseline
    frame : DataFrame, n rows
        Checked questionnaires.
    probabilities : ndarray of float, shape (n, 4)
        Probabilities of categories a-d; NaN where density could not be measured.

    Returns
    -------
    BaselineScores
        ``density`` is the log of the mean hazard ratio over the categories. A network replaces it
        where it uses the images.
    """
    stated = (
        frame["breast_density"].notna().to_numpy()
        if "breast_density" in frame.columns
        else np.zeros(len(frame), dtype=bool)
    )
    rows = ~stated & np.isfinite(probabilities).all(axis=1) & np.isfinite(scores.risk).any(axis=1)
    if baseline.density is None or not rows.any():
        return scores
    some = frame.loc[rows]
    logs = np.stack([baseline.density_ratio(some.assign(breast_density=c)) for c in "abcd"], axis=1)
    density = scores.density.copy()
    density[rows] = np.log((probabilities[rows] * np.exp(logs)).sum(axis=1))
    return replace(scores, density=density)


def fit_scalings(
    inputs: Inputs, rows: NDArray[np.int64], weights: NDArray[np.float64]
) -> dict[str, Scaling]:
    """Fit the scalings of questionnaire and acquisition to training rows.

    Parameters
    ----------
    inputs : Inputs, n rows
    rows : ndarray of int
    weights : ndarray, shape (n,)
        Sampling weights. Answers are centred at their means among all women, so that an unknown
        answer counts as an average one.
    """
    part = inputs.frame.iloc[rows]
    numbers = [*QUESTIONNAIRE_NUMBERS, PUBLISHED_RATIO]
    answers = Scaling.fit(part, numbers, QUESTIONNAIRE_CATEGORIES, weights[rows])
    if PUBLISHED_RATIO in answers.mean:
        # The published log ratio of a woman without answers is 0.
        answers.mean[PUBLISHED_RATIO] = 0.0
    scalings = {
        "questionnaire": answers,
        "acquisition": Scaling(mean={}, sd={}, categories={}),
    }
    if inputs.exams is not None:
        tokens = inputs.exams.tokens
        views = (rows[:, None] * tokens + np.arange(tokens)).ravel()
        there = inputs.exams.present[rows].ravel()
        table = inputs.exams.acquisition.iloc[views[there]]
        scalings["acquisition"] = Scaling.fit(table, ACQUISITION_NUMBERS, ACQUISITION_CATEGORIES)
    return scalings


def lowest_weights(scaling: Scaling) -> tuple[float | None, ...]:
    """Lower bounds of the learned weights of the columns of a questionnaire scaling.

    The learned part cannot lower the risk for an adverse fact: the weights of adverse answers are
    not negative, and at least half of a published effect remains.
    """
    bounds: dict[str, float] = dict.fromkeys(ADVERSE, 0.0)
    if PUBLISHED_RATIO in scaling.sd:
        bounds[PUBLISHED_RATIO] = -0.5 * scaling.sd[PUBLISHED_RATIO]
    return tuple(bounds.get(name) for name in scaling.columns)


def questionnaire_answered(frame: pd.DataFrame) -> NDArray[np.bool_]:
    """Rows with any answer other than age, race and density."""
    names = [
        name
        for name in (*QUESTIONNAIRE_NUMBERS, *QUESTIONNAIRE_CATEGORIES)
        if name in frame.columns
    ]
    return np.array(frame[names].notna().any(axis=1))


def make_batch(
    inputs: Inputs,
    features: Tensor | None,
    scalings: dict[str, Scaling],
    *,
    modalities: tuple[str, ...],
    trusted: NDArray[np.bool_] | None = None,
    ages_seen: tuple[float, float] | None = None,
) -> Batch:
    """Create the tensors of all women. Features of views come from an encoder.

    Parameters
    ----------
    inputs : Inputs
    features : Tensor, shape (n, tokens, n_features), or None
        None without images, or if an encoder adds them later.
    scalings : dict of Scaling
    modalities : tuple of str
        Modalities to use; the others count as not given.
    trusted : ndarray of bool, shape (n,), optional
        Exams inside the domain. The images of the others are not used.
    ages_seen : tuple of (float, float), optional
        Range of ages in training, years. Learned parts use the nearest age in this range.

    Returns
    -------
    Batch
        The published density factor is not used where the image is used, which shows density.
    """
    n = len(inputs)
    age = inputs.frame["age"].to_numpy(dtype=np.float64)
    if ages_seen is not None:
        age = np.clip(age, *ages_seen)
    exams = inputs.exams if "image" in modalities else None
    tokens = exams.tokens if exams is not None else TOKENS_PER_EXAM
    mask = torch.zeros(n, tokens, dtype=torch.bool)
    years_before = torch.zeros(n, tokens)
    n_acquisition = len(scalings["acquisition"].columns)
    acquisition = torch.zeros(n, tokens, n_acquisition)
    given = torch.zeros(n, tokens, dtype=torch.bool)
    if exams is not None:
        mask = torch.from_numpy(exams.present.copy())
        if trusted is not None:
            mask &= torch.from_numpy(trusted.copy())[:, None]
        years_before = torch.from_numpy(exams.years_before.copy()).float()
        if "acquisition" in modalities and n_acquisition:
            scaled = scalings["acquisition"].transform(exams.acquisition)
            acquisition = torch.from_numpy(scaled).reshape(n, tokens, n_acquisition)
            told = exams.acquisition[ACQUISITION_NUMBERS].notna().any(axis=1).to_numpy()
            given = torch.from_numpy(told.reshape(n, tokens).copy()) & mask
    view, side = _places(tokens)
    if features is None:
        features = torch.zeros(n, tokens, 0)
    questionnaire = torch.from_numpy(scalings["questionnaire"].transform(inputs.frame))
    answered = torch.zeros(n, dtype=torch.bool)
    if "questionnaire" in modalities:
        answered = torch.from_numpy(questionnaire_answered(inputs.frame))
    return Batch(
        features=features,
        mask=mask,
        view=view.expand(n, tokens),
        side=side.expand(n, tokens),
        years_before=years_before,
        acquisition=acquisition,
        given=given,
        questionnaire=questionnaire,
        answered=answered,
        age=torch.from_numpy(age.astype(np.float32)),
        offset=baseline_offset(inputs, mask.any(dim=1).numpy(), answered.numpy()),
    )


def baseline_offset(inputs: Inputs, seen: NDArray[np.bool_], answered: NDArray[np.bool_]) -> Tensor:
    """Log hazard per year of the baseline, shape (n, years)."""
    if inputs.baseline is None:
        return torch.zeros(len(inputs), YEARS)
    cumulative = inputs.baseline.cumulative_hazard
    yearly = np.diff(cumulative, axis=1, prepend=0.0)
    factor = np.where(seen, 0.0, inputs.baseline.density)
    factor = factor + np.where(answered, inputs.baseline.questionnaire, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return torch.from_numpy(np.log(yearly) + factor[:, None]).float()


def _places(tokens: int) -> tuple[Tensor, Tensor]:
    """View (0 CC, 1 MLO) and side (0 R, 1 L) of each token, in the order of the standard views."""
    place = torch.arange(tokens) % TOKENS_PER_EXAM
    return place // 2, place % 2
