"""The options of a report, and a paragraph for the methods section of a paper."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version

import pandas as pd

from mammorisk._version import __version__
from mammorisk.evaluation.captions import N_AND_EVENTS
from mammorisk.evaluation.classification_tables import RESAMPLES
from mammorisk.evaluation.rounding import RULE
from mammorisk.metrics.estimate import FEWEST_EVENTS
from mammorisk.metrics.recalibration import RULE as RECALIBRATION_RULE

_PACKAGES = ("numpy", "pandas", "scipy", "statsmodels")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Options of an evaluation.

    Attributes
    ----------
    title, data : str
        Title of the page; description of the data by the user, or empty.
    censoring : str
    level : float
    thresholds : tuple of float
    fewest_cancers : int
    by : tuple of str
    cluster : str or None
    recalibrated : bool
    seed : int
    simulated : bool
    rates : str or None
        Incidence and mortality of the published models, if replaced.
    """

    title: str
    data: str
    censoring: str
    level: float
    thresholds: tuple[float, ...]
    fewest_cancers: int
    by: tuple[str, ...]
    cluster: str | None
    recalibrated: bool
    seed: int
    simulated: bool
    rates: str | None = None


def methods(settings: Settings) -> dict[str, str]:
    """Options and conventions by name."""
    level = f"{100 * settings.level:g}%"
    found = {
        "title": settings.title,
        "date": datetime.now(UTC).date().isoformat(),
        "data": _data(settings),
        "software": f"mammorisk {__version__}",
        "versions": ", ".join(
            [f"Python {platform.python_version()}"] + [f"{p} {version(p)}" for p in _PACKAGES]
        ),
        "seed": str(settings.seed),
        "bootstrap": f"{RESAMPLES} resamples of women, for sensitivity at fixed specificity",
        "censoring weights": f"marginal Kaplan-Meier, ties as {settings.censoring}",
        "n and events": N_AND_EVENTS,
        "standard errors": "influence functions, summed by woman",
        "intervals": (
            f"{level}; the method of each is in the column interval; exact or none under "
            f"{FEWEST_EVENTS} cancers"
        ),
        "p": "two-sided, against what the column null names",
        "multiplicity": "p values are not adjusted, except in columns named p_adjusted",
        "tied risks": "count one half",
        "thresholds": ", ".join(f"{100 * t:g}%" for t in settings.thresholds) or "none",
        "suppressed": f"groups with fewer than {settings.fewest_cancers} cancers",
        "subgroups": ", ".join(settings.by) or "none",
        "rounding": RULE,
    }
    if settings.rates is not None:
        found["rates"] = f"published models with an incidence: {settings.rates}"
    if settings.cluster is not None:
        found["heterogeneity"] = (
            f"by {settings.cluster}: random effects, variance by Paule and Mandel, interval by "
            "Hartung, Knapp, Sidik and Jonkman; on the logit of AUC and the log of E/O"
        )
    if settings.recalibrated:
        found["recalibration"] = f"{RECALIBRATION_RULE}; evaluated in ten-fold cross-validation"
    return found


def _data(settings: Settings) -> str:
    told = settings.data or "not described"
    return f"{told} (simulated women)" if settings.simulated else told


def paragraph(
    settings: Settings,
    told: dict[str, str],
    models: pd.DataFrame,
    flow: pd.DataFrame,
    horizons: Sequence[float],
    marks: dict[str, bool],
) -> str:
    """A paragraph for the methods section.

    Parameters
    ----------
    settings : Settings
    told : dict of str to str
        Result of :func:`methods`.
    models : DataFrame
        Of :func:`mammorisk.evaluation.model_tables.model_table`.
    flow : DataFrame
    horizons : sequence of float
        Years.
    marks : dict of str to bool
        Whether the cohort is ``weighted``, ``clustered``, has ``competing`` events or late
        ``entry``.

    Returns
    -------
    str
        Plain text. Text in square brackets must be completed by the authors.
    """
    value = flow.set_index("item")["value"]
    n = int(value["with a risk of the first model"])
    women = int(value["women"])
    cancers = next(int(value[item]) for item in value.index if item.startswith("cancers within"))
    years = f"{horizons[-1]:g}"
    data = settings.data or "[data: source, setting, dates of accrual and end of follow-up]"
    simulated = " The women are simulated." if settings.simulated else ""
    sentences = [
        f"We evaluated {_models(models)} with {data}: {n:,} exams of {women:,} women, of whom "
        f"{cancers:,} had breast cancer within {years} years.{simulated}",
        f"Risks over {_join([f'{year:g}' for year in horizons])} years were compared with "
        "outcomes. Censoring was handled by inverse probability weights from the marginal "
        "Kaplan-Meier estimate"
        + (
            ", and observed risks by the Aalen-Johansen estimator, with death from other causes as "
            "competing event."
            if marks["competing"]
            else ", and observed risks by the Kaplan-Meier estimator."
        ),
        "Discrimination was measured by the time-dependent AUC and the C index; calibration by the "
        "ratio of expected to observed risk, calibration in the large, the calibration slope and "
        "smooth curves; overall accuracy by the Brier score and the index of prediction accuracy; "
        "clinical utility by net benefit.",
    ]
    extra = []
    if settings.rates is not None:
        extra.append(
            f"The incidence and mortality of the published models were those of {settings.rates}."
        )
    if marks["weighted"]:
        extra.append("Sampling weights were applied.")
    if marks["entry"]:
        extra.append("Late entry was taken into account.")
    if marks["clustered"]:
        extra.append("Standard errors allow for several exams of one woman.")
    if settings.by:
        extra.append(
            f"Performance was also estimated in groups by {_join(list(settings.by))}; groups with "
            f"fewer than {settings.fewest_cancers} cancers were suppressed."
        )
    if settings.cluster:
        extra.append(
            f"Heterogeneity between values of {settings.cluster} was summarised by random-effects "
            "meta-analysis (Paule-Mandel, Hartung-Knapp-Sidik-Jonkman)."
        )
    if settings.recalibrated:
        extra.append(
            f"Risks were recalibrated ({RECALIBRATION_RULE}), and evaluated in ten-fold "
            "cross-validation."
        )
    sentences += extra
    sentences.append(
        f"Intervals have a level of {100 * settings.level:g}%; they rest on influence functions "
        f"unless stated, and on {RESAMPLES} bootstrap resamples (seed {settings.seed}) for "
        f"sensitivity at fixed specificity. The analysis was done with mammorisk {__version__} "
        f"({told['versions']}) on {told['date']}."
    )
    return " ".join(sentences)


def _models(models: pd.DataFrame) -> str:
    names = []
    for _, one in models.iterrows():
        parts = [
            str(one["title"]) if _is_told(one["title"]) else "",
            str(one["version"]) if _is_told(one["version"]) else "[version not on record]",
            f"weights sha256 {str(one['weights_sha256'])[:16]}"
            if _is_told(one["weights_sha256"])
            else "",
        ]
        names.append(f"{one['model']} ({'; '.join(part for part in parts if part)})")
    return _join(names)


def _is_told(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _join(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
