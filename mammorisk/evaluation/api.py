"""evaluate(): evaluation of predicted risks, with published models for comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from mammorisk._utils.parallel import imap_processes
from mammorisk._utils.progress import progress_bar
from mammorisk.clinical.rated import as_rates
from mammorisk.clinical.rates import Rates
from mammorisk.clinical.registry import RATED_MODELS, load_clinical
from mammorisk.errors import EvaluationError
from mammorisk.evaluation.build import THRESHOLDS, evaluate_risks
from mammorisk.evaluation.imputation import cohorts_of, is_imputed, pooled_report
from mammorisk.evaluation.model_tables import RECORD, record_of
from mammorisk.metrics.censoring import Ties
from mammorisk.records.alignment import (
    by_model,
    check_evaluation_horizons,
    check_thresholds,
    risk_column,
    risk_columns,
)
from mammorisk.records.cohort import KEYS, Cohort
from mammorisk.records.frames import as_frame
from mammorisk.records.questionnaire_fields import FIELDS
from mammorisk.records.read_answers import read_answers
from mammorisk.warnings import join_codes

if TYPE_CHECKING:
    from mammorisk.evaluation.report import Report

#: Published models that a report also evaluates, in this order.
PUBLISHED = ("density-only", "icare-lit", "bcsc-2008", "bcrat")


def evaluate(
    risks: object,
    cohort: Cohort | pd.DataFrame | Sequence[Cohort | pd.DataFrame],
    by: str | Sequence[str] = (),
    *,
    horizons: float | Sequence[float] | None = None,
    published: str | Sequence[str] | None = None,
    rates: Rates | str | Path | pd.DataFrame | None = None,
    thresholds: float | Sequence[float] = THRESHOLDS,
    bins: Mapping[str, float | Sequence[float]] | None = None,
    characteristics: Sequence[str] | Mapping[str, str] | None = None,
    cluster: str | None = None,
    recalibrated: bool = False,
    same_exam: str | Sequence[str] = (),
    censoring: Ties = "riskregression",
    fewest_cancers: int = 20,
    level: float = 0.95,
    seed: int = 1,
    title: str = "Evaluation of breast cancer risk",
    data: str = "",
    simulated: bool | None = None,
    workers: int = 1,
    progress: bool = False,
) -> Report:
    """Evaluate predicted risks against outcomes.

    The estimates take right censoring, competing deaths, sampling weights, late entry and several
    exams of one woman into account, if the cohort has them.

    Parameters
    ----------
    risks : DataFrame, Series, array or dict, or a list of these
        Result of :func:`mammorisk.predict` for a cohort; any table with columns ``risk_1y`` ...
        ``risk_5y`` in [0, 1]; one number per row, with ``horizons=5``; or a dict of these by model
        name. The first model of a dict is evaluated, and the others are compared with it. Tables
        are matched on ``patient_id`` and ``exam_id`` if both have them, else on the index. A list
        contains the risks of several imputed cohorts; estimates are pooled by Rubin's rules, see
        :func:`mammorisk.metrics.pool_rubin`.
    cohort : Cohort or DataFrame, or a list of these
        Columns ``time`` (years to the event or last follow-up) and ``event`` (0 censored, 1 breast
        cancer, 2 competing event); optionally ``weight``, ``entry`` (years), ``patient_id`` and
        features. A list contains the imputed cohorts, one for each element of ``risks``.
    by : str or sequence of str
        Columns whose groups are also evaluated separately, for every model.
    horizons : float or sequence of float, optional
        Years. Default: the horizons of the risks.
    published : str or sequence of str, optional
        Published models that are also evaluated, with risks from the questionnaires of the cohort.
        Default: density-only, icare-lit, bcsc-2008 and bcrat, if the cohort has ages. ``()`` for
        none. A model that is among ``risks`` is not evaluated again.
    rates : Rates, str, path or DataFrame, optional
        Incidence and mortality for the published models: rates of :func:`mammorisk.read_rates`, a
        table that states its own units, or the name of a set. Default: those with which each model
        was published. Risks that were given are not changed.
    thresholds : float or sequence of float
        Decision thresholds: risks at the last horizon. Default: 0.017 and 0.03.
    bins : dict of str to float or list of float, optional
        Inner cut points of groups, ascending, for numeric columns of ``by``. Default: quartiles.
    characteristics : sequence of str, or dict of str to str, optional
        Columns of Table 1, or columns with their labels. Default: numbers, and categories of up to
        twelve levels.
    cluster : str, optional
        Column of sites. Performance is estimated at each, and summarised by random-effects
        meta-analysis.
    recalibrated : bool
        Also evaluate the risks of every model after recalibration to this cohort, in ten-fold
        cross-validation.
    same_exam : str or sequence of str
        Models whose values are scores for cancer in the exam itself, not risks of later years.
        Triage is shown for these only.
    censoring : {"riskregression", "scikit-survival", "kaplan-meier"}
        See :func:`mammorisk.metrics.fit_censoring`.
    fewest_cancers : int
        Groups with fewer cancers are listed but not evaluated.
    level : float
        Confidence level of the intervals.
    seed : int
        Seed of the bootstrap and of cross-validation.
    title : str
        Title of the page.
    data : str
        Description of the data for the methods paragraph: source, setting, dates.
    simulated : bool, optional
        Whether the women are simulated; if so, every table and figure says so. By default this is
        detected from the identifiers of :func:`mammorisk.simulate`.
    workers : int
        Number of processes. The numbers do not depend on it. In a script, several processes need
        ``if __name__ == "__main__":`` around the call.
    progress : bool
        Show progress on standard error.

    Returns
    -------
    Report
        Tables of estimates, and ``notes``.

    Raises
    ------
    EvaluationError
        Risks or thresholds are outside [0, 1], ids do not match, times are negative or missing,
        rows do not match, or a column of ``by``, ``cluster`` or ``characteristics`` does not
        exist.
    RatesError
        The rates cannot be read.

    See Also
    --------
    mammorisk.Report : The result, with its tables and figures.
    mammorisk.predict : Predicts the risks of a cohort.
    mammorisk.read_rates : Reads the incidence and mortality of your region.
    mammorisk.metrics : Estimators for a single metric.

    Examples
    --------
    >>> import pandas as pd
    >>> import mammorisk as mr
    >>> from mammorisk.metrics import example_risks
    >>> outcome, risk, other = example_risks()
    >>> cohort = pd.DataFrame({"time": outcome.time, "event": outcome.event})
    >>> report = mr.evaluate({"first": risk, "second": other}, cohort, horizons=5)
    >>> report
    <Report: first, second; 5 years; 3 notes>
    >>> auc = report.discrimination.query("measure == 'AUC'")
    >>> auc[["model", "value", "lower", "upper"]].round(3)
        model  value  lower  upper
    0   first  0.671  0.612  0.730
    4  second  0.644  0.582  0.706
    """
    if not isinstance(workers, int) or workers < 1:
        raise EvaluationError(
            f"{workers!r} is not a number of processes", where="workers", remedy="Give 1 or more."
        )
    other_rates = as_rates(rates)
    if is_imputed(risks):
        # One report for each imputed cohort, pooled.
        sets: list[object] = list(risks)  # type: ignore[call-overload]
        cohorts = [_without_images(one) for one in cohorts_of(cohort, len(sets))]
        options = {
            "by": by,
            "horizons": horizons,
            "published": published,
            "rates": other_rates,
            "thresholds": thresholds,
            "bins": bins,
            "characteristics": characteristics,
            "cluster": cluster,
            "recalibrated": recalibrated,
            "same_exam": same_exam,
            "censoring": censoring,
            "fewest_cancers": fewest_cancers,
            "level": level,
            "seed": seed,
            "title": title,
            "data": data,
            "simulated": simulated,
            # In one process the progress of each report is shown.
            "progress": progress and workers == 1,
        }
        made = []
        items = list(zip(sets, cohorts, strict=True))
        with progress_bar("imputed cohorts", len(items), show=progress and workers > 1) as tell:
            for one in imap_processes(_evaluate_one, items, workers, shared=options):
                made.append(one)
                if tell is not None:
                    tell(len(made), len(items))
        return pooled_report(made)
    wanted = check_evaluation_horizons(horizons)
    points = check_thresholds(thresholds)
    table = cohort.exams if isinstance(cohort, Cohort) else as_frame(cohort)
    if table is None:
        raise EvaluationError(
            f"a {type(cohort).__name__} is neither a table nor a cohort", where="cohort"
        )
    if isinstance(cohort, Cohort):
        _refuse_without_follow_up(cohort)
    else:
        cohort = table
    named = by_model(risks)
    first = next(iter(named.values()))
    if wanted is not None:
        years = sorted(wanted)
    else:
        years = list(risk_columns(first).values()) if isinstance(first, pd.DataFrame) else []
    return evaluate_risks(
        named | _published(named, table, published, years, other_rates),
        cohort,
        by,
        horizons=wanted,
        thresholds=points,
        bins=bins,
        characteristics_of=characteristics,
        cluster=cluster,
        recalibrated=recalibrated,
        same_exam=same_exam,
        censoring=censoring,
        fewest_cancers=fewest_cancers,
        level=level,
        seed=seed,
        title=title,
        data=data,
        simulated=simulated,
        rates=other_rates,
        workers=workers,
        progress=progress,
    )


def _evaluate_one(options: dict[str, Any], one: tuple[object, Any]) -> Report:
    """Evaluate one imputed cohort, in any process."""
    return evaluate(*one, **options)


def _without_images(cohort: Any) -> Any:
    """A cohort that can be sent to another process: without the functions that open its images."""
    if not isinstance(cohort, Cohort):
        return cohort
    return replace(cohort, open_exam=None, open_prior=None, has_prior=None)


def _refuse_without_follow_up(cohort: Cohort) -> None:
    """Refuse a cohort without follow-up: a risk describes the time after an exam."""
    if cohort.outcome_kind == "cross-sectional":
        raise EvaluationError(
            "the cancers of this cohort were found at the exam itself: comparing a score with them "
            "tests detection, not risk",
            where="cohort",
            remedy="For detection use metrics with mr.Outcome.binary(cohort.exams['cancer']). For "
            "risk use a cohort with follow-up.",
        )
    if cohort.outcome_kind == "none":
        raise EvaluationError(
            "this cohort has no outcome", where="cohort", remedy="Use a cohort with follow-up."
        )
    if cohort.outcome_kind == "interval-censored" and "time" not in cohort.exams:
        raise EvaluationError(
            "the times of this cohort are known as intervals only (time_lower, time_upper)",
            where="cohort",
            remedy='Read the cohort with times="midpoint".',
        )


def _published(
    named: dict[str, object],
    table: pd.DataFrame,
    published: str | Sequence[str] | None,
    years: list[float],
    rates: Rates | None,
) -> dict[str, pd.DataFrame]:
    """Compute the risks of published models for the women of the table."""
    # Already done if the table is that of a cohort.
    answers, _ = read_answers(table)
    columns = [name for name in answers.columns if name in FIELDS]
    if "age" not in columns or not years:
        return {}
    women = answers[columns].reset_index(drop=True)
    found = {}
    names = [published] if isinstance(published, str) else published
    for name in PUBLISHED if names is None else names:
        if name in named:
            continue
        other = {"rates": rates} if rates is not None and name in RATED_MODELS else {}
        model = load_clinical(name, **other)
        scores = model.score(women, tuple(years))
        risks = scores.risk[years].set_axis([risk_column(year) for year in years], axis=1)
        risks["warning_codes"] = scores.warnings.map(join_codes)
        risks["model"] = name
        keys = [key for key in KEYS if key in table.columns]
        for key in keys:
            risks.insert(0, key, table[key].to_numpy())
        if not keys:
            risks.index = table.index
        risks.attrs[RECORD] = {name: record_of(model)}
        found[name] = risks
    return found
