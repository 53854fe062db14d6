"""Fit of a survival model of scikit-survival, with nested cross-validation by woman."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mammorisk._utils.optional import require
from mammorisk._utils.progress import progress_bar
from mammorisk._utils.typing import Floats, Rows
from mammorisk.clinical.exclusions import exclusions
from mammorisk.embeddings.embeddings import Embeddings
from mammorisk.errors import TrainingError
from mammorisk.inputs.batches import ALL_AGES
from mammorisk.inputs.feature_set import FeatureSet
from mammorisk.metrics.concordance import concordance_index
from mammorisk.metrics.time_dependent_auc import cumulative_dynamic_auc
from mammorisk.records.frequency import COLUMN
from mammorisk.records.questionnaire_table import check_frame
from mammorisk.records.split_words import FIT_WORDS, split_words
from mammorisk.risk_models.hybrid.domain_guard import DomainGuard
from mammorisk.risk_models.hybrid.guard_features import guard_features
from mammorisk.risk_models.hybrid.training_origin import TrainingOrigin
from mammorisk.risk_models.on_embeddings.encoder_record import EncoderRecord
from mammorisk.risk_models.recipe import Recipe, SurvivalOptions
from mammorisk.risk_models.survival.adverse_answers import highest_below
from mammorisk.risk_models.survival.design import Design, answer_table
from mammorisk.risk_models.survival.model import SurvivalModel
from mammorisk.risk_models.survival.predictors import YEARS, Predictor
from mammorisk.training.card import card_of
from mammorisk.training.embedding_inputs import embedding_inputs
from mammorisk.training.exclusions import Exclusions
from mammorisk.training.folds import folds_by_woman
from mammorisk.training.objectives import censoring_weights
from mammorisk.training.outcomes import Outcomes, read_outcomes
from mammorisk.training.part_record import part_record
from mammorisk.training.problem import check_cancers
from mammorisk.training.recalibrate import fit_all_horizons
from mammorisk.training.scikit_survival import SURVIVAL
from mammorisk.training.survival_learners import Learner, Sample, learner_of

if TYPE_CHECKING:
    from mammorisk.records.cohort import Cohort

#: Fewest exams on both sides for a domain guard, and share of the exams for its limits.
_FEWEST_EXAMS, _HELD_OUT = 20, 0.2
_SMALLEST_RISK = 1e-9


@dataclass(frozen=True, kw_only=True)
class _Data:
    """Everything of a fit. Rows that are not used have no meaning."""

    recipe: Recipe
    options: SurvivalOptions
    exams_table: pd.DataFrame
    frame: pd.DataFrame
    features: FeatureSet | None
    outcomes: Outcomes
    event: NDArray[np.bool_]
    time: Floats
    weight: Floats
    #: Weight of the log score at the last year: censoring and sampling.
    scored: Floats
    case: NDArray[np.bool_]

    def design(self, rows: Rows, learner: Learner) -> Design:
        return Design.fit(
            self.frame,
            self.features,
            rows,
            self.weight,
            modalities=self.recipe.modalities,
            components=self.options.components,
            indicators=learner.indicators,
        )

    def sample(self, design: Design, rows: Rows) -> Sample:
        frame = self.frame.iloc[rows].reset_index(drop=True)
        features = None if self.features is None else self.features.take(rows)
        return Sample(
            design=design,
            matrix=design.matrix(frame, features),
            answers=answer_table(frame)[list(design.adverse())].to_numpy(dtype=float),
            event=self.event[rows],
            time=self.time[rows],
            weight=self.weight[rows],
        )

    def folds(self, rows: Rows, folds: int, seed: int) -> list[Rows]:
        return folds_by_woman(self.exams_table, rows, self.case, folds, seed)


@dataclass(frozen=True, kw_only=True)
class _Learned:
    design: Design
    predictor: Predictor
    value: float
    scores: dict[float, float]


def fit_survival(
    cohort: Cohort,
    recipe: Recipe,
    embeddings: Embeddings | str | Path | None,
    *,
    progress: bool = False,
) -> SurvivalModel:
    """Fit a penalised Cox regression, a survival forest or gradient boosting.

    The tuning parameter is chosen by cross-validation by woman. All of this, including the choice,
    is repeated in outer folds. The model is recalibrated with the risks of women in the outer
    folds, who had no part in them.

    Parameters
    ----------
    cohort : Cohort
    recipe : Recipe
        Of one of the kinds of scikit-survival.
    embeddings : Embeddings or path, optional
        Without them no images and no acquisition are used.
    progress : bool

    Returns
    -------
    SurvivalModel

    Raises
    ------
    TrainingError
        There are no outcomes, too few cancers, late entries, or embeddings that do not fit.
    EmbeddingError
        The embeddings belong to another cohort, or are not finite.
    MissingDependency
        scikit-survival is not installed.
    """
    require("sksurv", SURVIVAL, what=f"the recipe {recipe.name}")
    options = recipe.survival
    if options is None:
        raise TrainingError(
            f"the recipe {recipe.name} has no part survival",
            where="recipe",
            remedy="Start from coxnet, survival-forest or gradient-boosting.",
        )
    record, left_out_views = None, 0
    features = None
    if embeddings is None:
        recipe = recipe.model_copy(update={"modalities": ("questionnaire",)})
    else:
        given = embedding_inputs(cohort, recipe, embeddings)
        features, record, left_out_views = given.exams, given.record, given.left_out
    data, rows, left_out = _pose(cohort, recipe, features)
    learner = learner_of(recipe)
    held_out = np.full((len(cohort), YEARS), np.nan)
    outer = data.folds(rows, options.folds, recipe.seed)
    values = []
    with progress_bar("folds", options.folds + 1, show=progress) as tell:
        for number, fold in enumerate(outer):
            learned = _learn(data, learner, np.setdiff1d(rows, fold))
            held_out[fold] = _risk(data, learned, fold)
            values.append(learned.value)
            if tell is not None:
                tell(number + 1, options.folds + 1)
        learned = _learn(data, learner, rows)
        if tell is not None:
            tell(options.folds + 1, options.folds + 1)
    outcome = data.outcomes.as_record()
    maps = fit_all_horizons(held_out, outcome, rows)
    ages = data.frame["age"].to_numpy(dtype=float)[rows]
    training = {
        "train": part_record(data.exams_table, rows, data.outcomes),
        "excluded": left_out,
        "ages": [float(ages.min()), float(ages.max())],
        "tuning": {
            "parameter": learner.parameter,
            "value": learned.value,
            "log_score": {
                f"{value:.4g}": round(score, 7) for value, score in learned.scores.items()
            },
            "values_in_outer_folds": values,
        },
        "cross_validated": _performance(held_out, outcome, rows),
        "folds": options.folds,
        "inner_folds": options.inner_folds,
        "weights": _WEIGHTS[recipe.kind],
        "software": f"scikit-survival {version('scikit-survival')}",
        "embeddings": None if record is None else record.to_dict(),
        "incomplete_exams_without_images": left_out_views,
        "seed": recipe.seed,
    }
    return SurvivalModel(
        recipe=recipe,
        card=_card(recipe, learned.design, record, (float(ages.min()), float(ages.max()))),
        design=learned.design,
        predictor=learned.predictor,
        recalibration={int(year): found for year, found in maps.items() if found.method != "none"},
        embeddings=record,
        guard=_guard(data, rows),
        origin=(
            TrainingOrigin.of(features, rows.tolist())
            if features is not None and features.acquisitions
            else None
        ),
        training=training,
    )


#: How sampling weights are used.
_WEIGHTS = {
    "coxnet": "not used for the coefficients, because CoxnetSurvivalAnalysis has no weights; used "
    "for the baseline hazard, the choice of the penalty and the recalibration",
    "survival-forest": "used in all steps",
    "gradient-boosting": "not used for the trees, because the partial likelihood of "
    "GradientBoostingSurvivalAnalysis has no weights; used for the baseline hazard, the choice of "
    "the number of trees and the recalibration",
}
#: Limits that a card states.
_LIMITS = {
    "coxnet": "An unknown answer counts as the average one. Coefficients of adverse answers are "
    "not negative, so that an adverse fact never lowers a risk.",
    "survival-forest": "Unknown answers have their own columns. The risk is the highest of those "
    "with and without each adverse fact, so that an adverse fact never lowers a risk. Risks change "
    "in steps, also with age.",
}
_LIMITS["gradient-boosting"] = _LIMITS["survival-forest"]


def _pose(
    cohort: Cohort, recipe: Recipe, features: FeatureSet | None
) -> tuple[_Data, Rows, dict[str, int]]:
    """Prepare the data, and the rows that are used."""
    read_outcomes(cohort.exams)
    if COLUMN in cohort.exams.columns:
        raise TrainingError(
            f"{recipe.name} does not read frequency weights",
            where=COLUMN,
            remedy="Write out a row for each woman.",
        )
    clean, problems = check_frame(cohort.questionnaires)
    clean, problems = clean.reset_index(drop=True), problems.reset_index(drop=True)
    left_out = Exclusions(len(clean))
    left_out.add_rows_of(cohort)
    if features is not None:
        left_out.add_men(features.male)
    left_out.add_refusals(exclusions(clean, problems, ALL_AGES))
    if features is not None:
        left_out.add(np.asarray(~features.present.any(axis=1)), "no embeddings")
    outcomes = read_outcomes(cohort.exams, left_out.rows)
    weight = outcomes.weight.double().numpy()
    left_out.add(weight <= 0, "weight 0")
    left_out.add((outcomes.time <= 0).numpy(), "no follow-up")
    used = ~left_out.rows
    words = split_words(cohort.exams)
    if words is not None:
        used &= words.isin(FIT_WORDS).to_numpy()
    if (outcomes.entry.numpy()[used] > 0).any():
        raise TrainingError(
            f"{int((outcomes.entry.numpy()[used] > 0).sum())} women enter after their exam, and "
            "scikit-survival does not take late entry into account",
            where="entry",
            remedy="Use hybrid-embeddings, or women who are followed from their exam on.",
        )
    event = (outcomes.event == 1).numpy()
    case = event & (outcomes.time <= YEARS).numpy()
    rows = np.flatnonzero(used)
    check_cancers("training", int(case[rows].sum()), len(rows))
    died = (outcomes.event == 2).numpy()
    # A woman who died stays at risk without cancer, as in the other recipes, so that the risk is
    # one in the presence of death.
    planned = np.where(died, outcomes.planned_time.numpy(), outcomes.time.numpy())
    data = _Data(
        recipe=recipe,
        options=recipe.survival or SurvivalOptions(),
        exams_table=cohort.exams,
        frame=clean,
        features=features,
        outcomes=outcomes,
        event=event,
        time=np.maximum(planned.astype(np.float64), 1e-6),
        weight=weight,
        scored=censoring_weights(outcomes).double().numpy() * weight,
        case=case,
    )
    return data, rows, left_out.counts


def _learn(data: _Data, learner: Learner, rows: Rows) -> _Learned:
    """Choose the tuning parameter in inner folds, and fit."""
    design = data.design(rows, learner)
    sample = data.sample(design, rows)
    values = learner.candidates(sample)
    total = np.zeros(len(values))
    if len(values) > 1:
        for fold in data.folds(rows, data.options.inner_folds, data.recipe.seed + 1):
            rest = np.setdiff1d(rows, fold)
            inner = data.design(rest, learner)
            tested = data.sample(inner, fold)
            for i, predictor in enumerate(learner.predictors(data.sample(inner, rest), values)):
                risk = _risk_of(predictor, tested)[:, -1]
                total[i] += _log_score(risk, data.case[fold], data.scored[fold])
    # The first of the best is the simplest.
    best = int(np.argmin(total))
    (predictor,) = learner.predictors(sample, values[best : best + 1])
    scores = total / max(float(data.scored[rows].sum()), 1e-12)
    return _Learned(
        design=design,
        predictor=predictor,
        value=values[best],
        scores={value: float(score) for value, score in zip(values, scores, strict=True)},
    )


def _risk(data: _Data, learned: _Learned, rows: Rows) -> Floats:
    return _risk_of(learned.predictor, data.sample(learned.design, rows))


def _risk_of(predictor: Predictor, sample: Sample) -> Floats:
    """Risk by the end of each year, shape (n, years)."""
    if predictor.monotone:
        hazard = predictor.cumulative_hazard(sample.matrix)
    else:
        hazard = highest_below(
            predictor.cumulative_hazard, sample.design, sample.matrix, sample.answers
        )
    return -np.expm1(-hazard)


def _log_score(risk: Floats, case: NDArray[np.bool_], weight: Floats) -> float:
    """Weighted negative log likelihood of cancer within five years, summed."""
    safe = np.clip(risk, _SMALLEST_RISK, 1 - _SMALLEST_RISK)
    return float((weight * -np.where(case, np.log(safe), np.log1p(-safe))).sum())


def _performance(held_out: Floats, outcome: Any, rows: Rows) -> dict[str, Any]:
    """Discrimination of the risks from the outer folds."""
    some, risk = outcome.take(rows), held_out[rows, -1]
    found = {
        "AUC at 5 years": cumulative_dynamic_auc(some, risk, YEARS),
        "C index": concordance_index(some, risk),
    }
    return {
        name: [float(one.value), float(one.lower), float(one.upper)] for name, one in found.items()
    }


def _guard(data: _Data, rows: Rows) -> DomainGuard | None:
    if data.features is None:
        return None
    some = data.features.take(rows)
    seen = guard_features(some, some.features)
    held = np.random.default_rng(data.recipe.seed).random(len(rows)) < _HELD_OUT
    if min(held.sum(), (~held).sum()) < _FEWEST_EXAMS:
        return None
    return DomainGuard.fit(seen[~held], seen[held])


def _card(
    recipe: Recipe, design: Design, record: EncoderRecord | None, ages: tuple[float, float]
) -> Any:
    card = card_of(recipe, ages)
    data = f"{card.training_data}; fitted with scikit-survival"
    if record is not None:
        data += f"; {record.in_words}"
    return replace(
        card,
        inputs=(*(("images",) if design.uses_images else ()), *_in_order(design.fields)),
        required=("images", "age") if design.uses_images else ("age",),
        family="hybrid" if design.uses_images else "questionnaire",
        competing_mortality=True,
        training_data=data,
        limits=f"{_LIMITS[recipe.kind]} Sampling weights: {_WEIGHTS[recipe.kind]}. {card.limits}",
    )


def _in_order(fields: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(fields))
