"""leave_one_out(): fit without one site, or vendor, and evaluate on it, for each of them."""

from __future__ import annotations

import hashlib
import inspect
import json
import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mammorisk._utils.atomic_write import atomic_write
from mammorisk._utils.text import as_labels
from mammorisk.base import RiskModel
from mammorisk.cohort_check.facts import UNKNOWN, Facts, read_facts
from mammorisk.errors import EvaluationError, OutputError, TrainingError
from mammorisk.evaluation.heterogeneity import heterogeneity_table
from mammorisk.evaluation.left_out import LeaveOneOut, add_measures, summary_of
from mammorisk.prediction.api import predict
from mammorisk.records.alignment import risk_column
from mammorisk.records.frequency import COLUMN
from mammorisk.records.outcome import Outcome
from mammorisk.records.simulated_ids import are_simulated
from mammorisk.risk_models.recipe import Recipe
from mammorisk.risk_models.registry import load_model
from mammorisk.training.embedding_inputs import as_embeddings
from mammorisk.training.fit import fit
from mammorisk.training.initial_model import chosen_recipe, initial_model
from mammorisk.training.work_folder import digest_of

if TYPE_CHECKING:
    from mammorisk.records.cohort import Cohort

#: Makes a model from the women who are not left out. The folder is for its own files, and is kept
#: after an interruption.
Fitter = Callable[["Cohort", Path], RiskModel]

_KEYS = ["patient_id", "exam_id"]
#: Arguments of fit() that make no sense for several fits to parts of a cohort.
_NOT_FOR_SEVERAL = frozenset({"exams", "dry_run"})


def leave_one_out(
    cohort: Cohort,
    recipe: str | Path | Recipe | Fitter | None = None,
    *,
    by: str = "site",
    out: str | Path | None = None,
    horizon: float = 5.0,
    fewest_cancers: int = 20,
    level: float = 0.95,
    cache: str | Path | None = None,
    progress: bool = False,
    **options: Any,
) -> LeaveOneOut:
    """Fit without one group of women and evaluate on it, for each group in turn.

    Parameters
    ----------
    cohort : Cohort
        With outcomes and the column ``by``.
    recipe : str, path, Recipe or callable, optional
        What to fit, as in :func:`mammorisk.fit`, with its default; or a function that gets the
        cohort without the group and a folder, and returns a model.
    by : str
        Column of the groups, such as ``"site"`` or ``"vendor"``.
    out : path, optional
        Folder of the models and risks. After an interruption the same call continues: groups that
        are done are not fitted again, and a fit goes on from its last epoch.
    horizon : float
        Years.
    fewest_cancers : int
        Groups with fewer cancers by the horizon are listed, not estimated: no model is fitted
        without them, and their women are in the training of the others.
    level : float
        Confidence level of the intervals.
    cache : path, optional
        Folder for standardised images. Default: one for all fits, in ``out``; temporary without it.
    progress : bool
        Show progress.
    **options
        Other arguments of :func:`mammorisk.fit`, such as ``init``, ``embeddings`` (those of all
        women of the cohort) and fields of the recipe; not ``exams`` and ``dry_run``.

    Returns
    -------
    LeaveOneOut
        One row a group with AUC, E/O and calibration slope; their random-effects means with the
        intervals for another group; a forest plot; the risks.

    Raises
    ------
    TrainingError
        There is no such column or outcome, there are fewer than two groups, no group has enough
        cancers, or a fit is refused.
    OutputError
        The folder has results of another cohort or recipe, or cannot be written.

    See Also
    --------
    mammorisk.LeaveOneOut : The result.
    mammorisk.fit : Fits one model.
    mammorisk.check_cohort : Numbers of cancers by site and vendor.

    Notes
    -----
    A woman with exams in the left-out group and in others is in none of the trainings without the
    group. Rows without a value in the column are a group, ``"unknown"``. The summary has the
    variance between groups of Paule and Mandel and the interval of Hartung, Knapp, Sidik and
    Jonkman, on the logit of AUC and the log of E/O (Snell 2018, doi:10.1177/0962280217705678); it
    needs three groups. Groups share most of their training women, so their estimates are not quite
    independent.

    Examples
    --------
    >>> import mammorisk as mr
    >>> study = mr.simulate(30_000, seed=1)
    >>> def local(train, folder):
    ...     return mr.recalibrate("bcrat", train, method="intercept", horizons=[5])
    >>> mr.leave_one_out(study.cohort, local, by="site")
    <LeaveOneOut: local by site, 4 left out, 4 estimated>
      AUC: 0.621 (0.613 to 0.629), another site 0.610 to 0.631
      E/O: 0.997 (0.807 to 1.233), another site 0.615 to 1.617
      calibration slope: 0.745 (0.594 to 0.895), another site 0.541 to 0.948

    A network, on images, with every fit in a folder (needs ``mammorisk[networks]``):

    >>> cohort = mr.read_cohort("manifest.csv")  # doctest: +SKIP
    >>> found = mr.leave_one_out(cohort, "hybrid", by="vendor", out="vendors")  # doctest: +SKIP
    >>> ax = found.plot("E/O")  # doctest: +SKIP
    """
    plan = _plan(cohort, by, horizon, fewest_cancers)
    embeddings = options.get("embeddings")
    if embeddings is not None:
        # Read once for all fits.
        options["embeddings"] = embeddings = as_embeddings(embeddings)
    fitter, name, key = _fitter(recipe, cohort, cache, progress, options)
    with tempfile.TemporaryDirectory() if out is None else nullcontext(str(out)) as folder:
        work = Path(folder)
        _claim(work, _key(cohort, plan, key))
        risks = [
            _held_out(cohort, plan, row, fitter, work, progress, embeddings) for row in plan.fitted
        ]
    column = risk_column(horizon)
    table = cohort.exams[[one for one in _KEYS if one in cohort.exams]].assign(**{by: plan.labels})
    table = table.assign(model=name)
    risk = np.full(len(table), np.nan)
    for row, found in zip(plan.fitted, risks, strict=True):
        risk[plan.labels == plan.groups.loc[row, "group"]] = found
    table[column] = risk
    return _result(cohort, plan, table, name, level)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Plan:
    """The groups, and which of them are left out.

    Attributes
    ----------
    by : str
    labels : ndarray of object, shape (n,)
    groups : DataFrame
    fitted : list of int
        Rows of ``groups`` for which a model is fitted.
    facts : Facts
    horizon : float
    fewest_cancers : int
    """

    by: str
    labels: NDArray[np.object_]
    groups: pd.DataFrame
    fitted: list[int]
    facts: Facts
    horizon: float
    fewest_cancers: int

    def training(self, group: str) -> NDArray[np.bool_]:
        """Rows of women who have no exam in a group."""
        inside = self.labels == group
        return ~np.isin(self.facts.women, np.unique(self.facts.women[inside]))


def _plan(cohort: Cohort, by: str, horizon: float, fewest_cancers: int) -> _Plan:
    if by not in cohort.exams.columns:
        raise TrainingError(
            f"the cohort has no column {by}", where="by", remedy="Name a column of the manifest."
        )
    facts = read_facts(cohort)
    if not facts.has_outcomes:
        raise TrainingError(
            "the cohort has no outcomes", remedy="Add the columns time (years) and event (0, 1, 2)."
        )
    labels = as_labels(cohort.exams[by], UNKNOWN).to_numpy(dtype=object)
    rows = []
    early = facts.is_cancer & (facts.time <= horizon)
    for group in sorted(set(labels)):
        inside = labels == group
        others = ~np.isin(facts.women, np.unique(facts.women[inside]))
        rows.append(
            {
                "group": str(group),
                "exams": int(facts.counts[inside].sum()),
                "women": facts.n_women(inside),
                "cancers": int(facts.counts[inside & early].sum()),
                "training_exams": int(facts.counts[others].sum()),
                "training_cancers": int(facts.counts[others & early].sum()),
            }
        )
    groups = pd.DataFrame(rows)
    if len(groups) < 2:
        raise TrainingError(
            f"all women have the same value in the column {by}", where="by", remedy="Use mr.fit."
        )
    fitted = groups.index[groups["cancers"] >= fewest_cancers].tolist()
    if not fitted:
        raise TrainingError(
            f"no {by} has {fewest_cancers} cancers within {horizon:g} years; the most are "
            f"{groups['cancers'].max()}",
            where="fewest_cancers",
            remedy="Lower fewest_cancers, join groups, or use a longer horizon.",
        )
    return _Plan(
        by=by,
        labels=labels,
        groups=groups,
        fitted=fitted,
        facts=facts,
        horizon=horizon,
        fewest_cancers=fewest_cancers,
    )


def _fitter(
    recipe: str | Path | Recipe | Fitter | None,
    cohort: Cohort,
    cache: str | Path | None,
    progress: bool,
    options: dict[str, Any],
) -> tuple[Fitter, str, str]:
    """The function that fits, its name, and a text by which a folder of results is recognised."""
    if callable(recipe):
        if options:
            raise TrainingError(
                f"a function takes no options: {', '.join(options)}",
                where="recipe",
                remedy="Set them inside.",
            )
        name = getattr(recipe, "__name__", "function")
        return recipe, name, f"function {name}"
    told = {name for name, value in options.items() if value is not None and value is not False}
    if wrong := sorted(told & _NOT_FOR_SEVERAL):
        raise TrainingError(
            f"leave_one_out does not use {', '.join(wrong)}",
            where=wrong[0],
            remedy="Leave it out. With cache= every exam is read once for all fits.",
        )
    own = options.keys() & inspect.signature(fit).parameters.keys()
    changes = {name: value for name, value in options.items() if name not in own}
    begin = initial_model(options.get("init"))
    chosen = chosen_recipe(recipe, begin, changes)
    # The model is loaded once for all fits.
    given = {name: options[name] for name in own} | {"init": begin}

    def run(train: Cohort, folder: Path) -> RiskModel:
        views = cache if cache is not None else folder.parent / "views"
        fitted: RiskModel = fit(
            train,
            recipe,
            out=folder,
            cache=views if chosen.reads_images else None,
            progress=progress,
            **given,
            **changes,
        )
        return fitted

    parts = [chosen.model_dump_json(), digest_of(begin), str(options.get("fresh_head", False))]
    if (embeddings := options.get("embeddings")) is not None:
        found = embeddings.feature_set(cohort)
        parts.append(f"{found.encoder} {found.pool} {found.digest()}")
    return run, chosen.name, " ".join(parts)


def _key(cohort: Cohort, plan: _Plan, recipe: str) -> str:
    digest = hashlib.blake2b(digest_size=8)
    for text in (recipe, plan.by, f"{plan.horizon:g}", str(plan.fewest_cancers)):
        digest.update(f"{text}\n".encode())
    for column in (*_KEYS, plan.by, "time", "event", "entry", "weight", "frequency_weight"):
        if column in cohort.exams:
            digest.update("\n".join(cohort.exams[column].astype(str)).encode())
    answers = pd.util.hash_pandas_object(cohort.questionnaires.astype(str), index=False)
    digest.update(answers.to_numpy().tobytes())
    return digest.hexdigest()


def _claim(work: Path, key: str) -> None:
    """Make the folder, or check that it is of the same call."""
    note = work / "leave_one_out.json"
    try:
        work.mkdir(parents=True, exist_ok=True)
        if note.exists():
            if json.loads(note.read_text(encoding="utf-8")).get("key") != key:
                raise OutputError(
                    "the folder has results of another cohort, column or recipe",
                    where=work.name,
                    remedy="Remove that folder, or use another out.",
                )
            return
        text = json.dumps({"key": key})
        atomic_write(note, lambda path: path.write_text(text, encoding="utf-8"))
    except (OSError, ValueError) as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(
            f"the folder cannot be used ({type(error).__name__})", where=work.name
        ) from None


def _held_out(
    cohort: Cohort,
    plan: _Plan,
    row: int,
    fitter: Fitter,
    work: Path,
    progress: bool,
    embeddings: Any,
) -> NDArray[np.float64]:
    """Risks of the women of a group, from a model fitted without them."""
    # Names of sites may hold any character, so the files have numbers.
    file, folder = work / f"risks-{row + 1:03d}.parquet", work / f"model-{row + 1:03d}"
    column = risk_column(plan.horizon)
    if file.exists():
        return pd.read_parquet(file)[column].to_numpy(dtype=float)
    group = str(plan.groups.loc[row, "group"])
    train = cohort.select(plan.training(group))
    done = (folder / "config.json").exists()
    model = load_model(folder) if done else fitter(train, folder)
    left_out = cohort.select(plan.labels == group)
    given: dict[str, Any] = {} if embeddings is None else {"embeddings": embeddings}
    table = predict(left_out, model=model, horizons=plan.horizon, progress=progress, **given)
    risks = table[[column]]
    atomic_write(file, partial(risks.to_parquet, index=False))
    return np.asarray(risks[column], dtype=float)


def _result(
    cohort: Cohort, plan: _Plan, table: pd.DataFrame, name: str, level: float
) -> LeaveOneOut:
    risk = table[risk_column(plan.horizon)].to_numpy(dtype=float)
    few = plan.groups["cancers"] < plan.fewest_cancers
    # Groups without a model have no risk, and are still listed with their cancers.
    listed = np.isin(plan.labels, plan.groups.loc[few, "group"])
    use = np.flatnonzero((np.isfinite(risk) | listed) & plan.facts.is_known)
    try:
        outcome = Outcome.from_table(cohort.exams.iloc[use])
    except EvaluationError as error:
        raise TrainingError(error.what, where=error.where, remedy=error.remedy) from None
    # A row that stands for several women is written out as often.
    labels = pd.Series(plan.labels[use], name=plan.by)
    if COLUMN in cohort.exams:
        labels = labels.iloc[outcome.rows].reset_index(drop=True)
        risk_used = risk[use][outcome.rows]
    else:
        risk_used = risk[use]
    estimates = heterogeneity_table(
        outcome,
        risk_used,
        labels,
        plan.horizon,
        fewest_cancers=plan.fewest_cancers,
        level=level,
    )
    estimates["reason"] = estimates["reason"].str.replace(
        ": suppressed, not in the summary", ": not estimated, not in the summary", regex=False
    )
    lost = {
        group: int(plan.facts.counts[(plan.labels == group) & ~np.isfinite(risk)].sum())
        for group in plan.groups["group"]
    }
    groups = plan.groups.assign(without_risk=plan.groups["group"].map(lost))
    groups.loc[few, "without_risk"] = 0
    order = ["group", "exams", "women", "cancers", "without_risk"]
    groups = groups[[*order, "training_exams", "training_cancers"]]
    return LeaveOneOut(
        by=plan.by,
        recipe=name,
        horizon=plan.horizon,
        groups=add_measures(groups, estimates),
        summary=summary_of(estimates),
        estimates=estimates,
        risks=table[np.isfinite(risk)].reset_index(drop=True),
        simulated=are_simulated(cohort.exams),
    )
