"""compare_recipes(): several recipes on one cohort, cross-validated by woman."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mammorisk._utils.progress import progress_bar
from mammorisk._utils.typing import Rows
from mammorisk.base import YEARS
from mammorisk.errors import HorizonError, MammoriskError, TrainingError
from mammorisk.prediction.api import predict
from mammorisk.records.outcome import Outcome
from mammorisk.records.split_words import FIT_WORDS, split_words
from mammorisk.risk_models.on_embeddings.embeds_views import EmbedsViews
from mammorisk.risk_models.recipe import Recipe, load_recipe
from mammorisk.training.embedding_inputs import as_embeddings
from mammorisk.training.fit import fit
from mammorisk.training.folds import folds_by_woman
from mammorisk.training.recipe_comparison import RecipeComparison, comparison_of

if TYPE_CHECKING:
    from mammorisk.embeddings.embeddings import Embeddings
    from mammorisk.records.cohort import Cohort
    from mammorisk.warnings import ResultWarning


def compare_recipes(
    cohort: Cohort,
    recipes: Sequence[str | Path | Recipe] | Mapping[str, str | Path | Recipe],
    *,
    embeddings: Embeddings | str | Path | None = None,
    published: str | Sequence[str] = (),
    folds: int = 5,
    horizon: float = 5,
    cache: str | Path | None = None,
    level: float = 0.95,
    seed: int = 1,
    progress: bool = False,
) -> RecipeComparison:
    """Compare recipes on a cohort by cross-validation.

    Every recipe is fitted to all folds but one, with everything that belongs to the fit (tuning,
    calibration), and predicts the women of that fold. All exams of a woman are in one fold, and all
    recipes have the same folds.

    Parameters
    ----------
    cohort : Cohort
        With outcomes. Exams that a column ``split`` gives to neither training nor validation are
        left out.
    recipes : sequence of str, path or Recipe, or dict of them by name
        As in :func:`mammorisk.fit`. A dict names several settings of one recipe.
    embeddings : Embeddings or path, optional
        For the recipes that use them.
    published : str or sequence of str
        Published models that are also compared. They are not fitted.
    folds : int
    horizon : int
        Years, 1 to 5, of the measures.
    cache : path, optional
        Folder for standardised images, for recipes that train an encoder. By default a temporary
        one.
    level : float
        Confidence level of the intervals.
    seed : int
        Of the folds.
    progress : bool
        Show progress on standard error.

    Returns
    -------
    RecipeComparison
        ``table`` has one row a recipe, ``differences`` the paired differences of all pairs, and
        ``risks`` the cross-validated risks, for :func:`mammorisk.evaluate`.

    Raises
    ------
    TrainingError
        A recipe cannot be fitted to a fold, two recipes have one name, or there are fewer women
        with cancer than folds.
    HorizonError
        ``horizon`` is not a whole year from 1 to 5.

    See Also
    --------
    mammorisk.check_cohort : Which recipes have enough cancers, before any is fitted.
    mammorisk.fit : Fits one recipe.

    Notes
    -----
    The intervals are those of the cross-validated risks as they are. They do not contain the
    variation between fits, so that small differences are less certain than they look.

    Examples
    --------
    >>> import mammorisk as mr
    >>> study = mr.simulate(2000, seed=1)
    >>> found = mr.compare_recipes(study.cohort, ["density-fit"], published="bcrat", folds=2)
    >>> sorted(found.table.index)
    ['bcrat', 'density-fit']
    >>> report = mr.evaluate(found.risks, found.cohort, horizons=5, published=())
    """
    chosen = _named(recipes)
    models = [published] if isinstance(published, str) else list(published)
    if horizon not in YEARS:
        raise HorizonError(f"{horizon!r} is not a whole year from 1 to 5", where="horizon")
    if clash := sorted(set(models) & set(chosen)):
        raise TrainingError(
            f"{clash[0]} is named as a recipe and as a published model",
            where="published",
            remedy="Pass recipes as a dict with other names.",
        )
    used = _used(cohort)
    outcome = Outcome.from_table(used.exams)
    divided = folds_by_woman(
        used.exams, np.arange(len(used)), outcome.is_case(horizon), folds, seed
    )
    given = None if embeddings is None else as_embeddings(embeddings)
    risks: dict[str, pd.DataFrame] = {}
    seconds: dict[str, float] = {}
    notes: list[str] = []
    total = len(chosen) * folds
    with (
        tempfile.TemporaryDirectory() as temporary,
        progress_bar("fits", total, show=progress) as tell,
    ):
        images = Path(temporary) if cache is None else Path(cache)
        done = 0
        for name, recipe in chosen.items():
            began = time.perf_counter()
            parts = []
            for fold in divided:
                parts.append(_held_out(used, fold, name, recipe, given, images, seed, notes))
                done += 1
                if tell is not None:
                    tell(done, total)
            table = pd.concat(parts)
            risks[name] = table.iloc[np.argsort(np.concatenate(divided))].reset_index(drop=True)
            seconds[name] = time.perf_counter() - began
    for name in models:
        risks[name] = predict(used, model=name, horizons=YEARS).reset_index(drop=True)
    return comparison_of(used, risks, seconds, horizon=float(horizon), level=level, notes=notes)


def _named(
    recipes: Sequence[str | Path | Recipe] | Mapping[str, str | Path | Recipe],
) -> dict[str, Recipe]:
    if isinstance(recipes, (str, Path, Recipe)):
        recipes = [recipes]
    pairs = (
        list(recipes.items()) if isinstance(recipes, Mapping) else [(None, one) for one in recipes]
    )
    found: dict[str, Recipe] = {}
    for given, one in pairs:
        recipe = load_recipe(one)
        name = given or recipe.name
        if name in found:
            raise TrainingError(
                f"two recipes have the name {name}", remedy="Pass a dict with a name for each."
            )
        found[name] = recipe
    if not found:
        raise TrainingError(
            "there is no recipe to compare",
            where="recipes",
            remedy='Pass at least one, such as ["density-fit", "coxnet"].',
        )
    return found


def _used(cohort: Cohort) -> Cohort:
    """The exams of training and validation, without the column that divides them."""
    words = split_words(cohort.exams)
    if words is None:
        return cohort.select(np.arange(len(cohort)))
    kept = cohort.select(words.isin(FIT_WORDS).to_numpy())
    return replace(kept, exams=kept.exams.drop(columns="split"))


def _validation(exams: pd.DataFrame, share: float, seed: int) -> Rows:
    """Rows of validation, with their share of the women with cancer within five years."""
    case = Outcome.from_table(exams).is_case(YEARS[-1])
    women = exams["patient_id"][case].nunique()
    parts = min(max(2, round(1 / share)), women)
    rows = np.arange(len(exams))
    # The fit refuses data with so few cancers, and says so.
    return folds_by_woman(exams, rows, case, parts, seed)[0] if parts > 1 else rows[:0]


def _held_out(
    cohort: Cohort,
    fold: Rows,
    name: str,
    recipe: Recipe,
    embeddings: Embeddings | None,
    cache: Path,
    seed: int,
    notes: list[str],
) -> pd.DataFrame:
    """Fit a recipe to all other exams, and predict those of the fold."""
    rest = np.setdiff1d(np.arange(len(cohort)), fold)
    train = cohort.select(rest)
    words = np.full(len(train), "train", dtype=object)
    words[_validation(train.exams, recipe.training.validation_share, seed)] = "validation"
    train = replace(train, exams=train.exams.assign(split=words))

    def note(warning: ResultWarning) -> None:
        text = f"{name}: {warning.text}"
        if text not in notes:
            notes.append(text)

    try:
        model = fit(
            train,
            recipe,
            embeddings=embeddings if recipe.takes_embeddings else None,
            cache=cache if recipe.reads_images else None,
            on_warning=note,
        )
    except MammoriskError as error:
        raise TrainingError(
            f"{name} cannot be fitted to a fold: {error.what}",
            where=error.where,
            remedy=error.remedy,
        ) from None
    on_table = isinstance(model, EmbedsViews) and model.embeddings is not None
    return predict(
        cohort.select(fold),
        model=model,
        horizons=YEARS,
        embeddings=embeddings if on_table else None,
    )
