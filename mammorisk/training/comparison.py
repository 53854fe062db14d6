"""Comparison of classifiers on the features of an encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mammorisk._utils.typing import Floats
from mammorisk.errors import TrainingError
from mammorisk.inputs.exam_set import ExamSet
from mammorisk.risk_models.hybrid.model import HybridModel
from mammorisk.training.objectives import censoring_weights
from mammorisk.training.outcomes import read_outcomes
from mammorisk.training.read_exams import read_exams
from mammorisk.training.splits import split_rows

if TYPE_CHECKING:
    from mammorisk.records.cohort import Cohort


def compare_classifiers(
    model: HybridModel, cohort: Cohort, *, exams: ExamSet | None = None
) -> pd.DataFrame:
    """Compare the model with a support vector machine, a decision tree and k nearest neighbours.

    All classifiers use the mean features of each exam from the model's encoder. They are fitted to
    its training rows and predict cancer within five years for its validation rows. Women whose
    outcome is not known are excluded. Sampling weights are not used.

    Parameters
    ----------
    model : HybridModel
    cohort : Cohort
        The cohort of the fit. The split is that of the recipe.
    exams : ExamSet, optional

    Returns
    -------
    DataFrame
        One row per classifier with ``auc``, ``accuracy``, ``precision``, ``recall`` and ``f1``.
        The threshold gives as many positives as there are cancers. Accuracy and F1 depend on the
        frequency of cancer in the sample. They are given because studies of classifiers report
        them.

    Raises
    ------
    TrainingError
        One side of the split has no cancers, or only cancers.

    See Also
    --------
    mammorisk.compare_recipes : Compares recipes in cross-validation.

    Examples
    --------
    >>> import mammorisk as mr
    >>> from mammorisk.training.comparison import compare_classifiers
    >>> cohort = mr.read_cohort("cohort.csv")  # doctest: +SKIP
    >>> compare_classifiers(mr.fit(cohort, "hybrid"), cohort)  # doctest: +SKIP
    """
    from sklearn.metrics import (
        accuracy_score,
        f1_score,
        precision_score,
        recall_score,
        roc_auc_score,
    )
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC
    from sklearn.tree import DecisionTreeClassifier

    if model.encoder is None:
        raise TrainingError(
            f"{model.name} has no encoder to compare classifiers on",
            where="model",
            remedy="Use a model that was fitted to images.",
        )
    exams = exams if exams is not None else read_exams(cohort, model.recipe)
    outcomes = read_outcomes(cohort.exams)
    known = (censoring_weights(outcomes) > 0).numpy() & exams.present.any(axis=1) & ~exams.male
    own = model.score_exam_set(cohort.questionnaires, exams, (5,)).risk[5].to_numpy(dtype=float)
    # Women whom the model refuses are excluded for all classifiers.
    known &= np.isfinite(own)
    case = ((outcomes.event == 1) & (outcomes.time <= 5)).numpy()
    train, validation = split_rows(
        cohort.exams,
        by=model.recipe.training.split_by,
        share=model.recipe.training.validation_share,
        seed=model.recipe.seed,
    )
    train, validation = train[known[train]], validation[known[validation]]
    for rows in (train, validation):
        if len(set(case[rows])) < 2:
            raise TrainingError(
                "each side of the split needs women with and without cancer",
                where="cohort",
                remedy="Use a larger cohort or another split.",
            )
    features = _mean_features(model, exams)
    scores = {model.name: own[validation]}
    seed = model.recipe.seed
    neighbours = min(15, len(train) - 1)
    for name, classifier in {
        "support vector machine": SVC(class_weight="balanced", random_state=seed),
        "decision tree": DecisionTreeClassifier(
            max_depth=4, class_weight="balanced", random_state=seed
        ),
        "k nearest neighbours": KNeighborsClassifier(neighbours, weights="distance"),
    }.items():
        fitted = make_pipeline(StandardScaler(), classifier).fit(features[train], case[train])
        scores[name] = (
            fitted.decision_function(features[validation])
            if name.startswith("support")
            else fitted.predict_proba(features[validation])[:, 1]
        )
    truth = case[validation]
    table: dict[str, dict[str, float]] = {}
    for name, score in scores.items():
        # As many positives as cancers, whatever the scale of the score.
        called = np.zeros(len(truth), dtype=bool)
        called[np.argsort(-score, kind="stable")[: truth.sum()]] = True
        table[name] = {
            "auc": roc_auc_score(truth, score),
            "accuracy": accuracy_score(truth, called),
            "precision": precision_score(truth, called, zero_division=0),
            "recall": recall_score(truth, called),
            "f1": f1_score(truth, called),
        }
    return pd.DataFrame.from_dict(table, orient="index")


def _mean_features(model: HybridModel, exams: ExamSet) -> Floats:
    features = model.features(exams).double().numpy()
    now = exams.present & (exams.years_before == 0)
    count = np.maximum(now.sum(axis=1, keepdims=True), 1)
    means: Floats = np.einsum("ntd,nt->nd", features, now.astype(float)) / count
    return means
