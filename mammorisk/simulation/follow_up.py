"""Follow-up of simulated women: events, competing death, loss, end of study, sites, priors."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd

from mammorisk._utils.typing import Floats
from mammorisk.simulation.hazard import LAST_YEAR
from mammorisk.simulation.options import StudyOptions
from mammorisk.simulation.random_streams import uniforms
from mammorisk.simulation.truth import Hazards

#: Years between an exam and the prior exam.
PRIOR_YEARS = 2.0
#: First day of the simulated calendar.
FIRST_DAY = date(2012, 1, 2)
_DAYS_PER_YEAR = 365.25

#: Purpose of each random number of a woman. New ones are added at the end.
_DRAWS = ("cancer", "death", "loss", "entry", "prior", "site", "subcohort", "image")


def follow(women: pd.DataFrame, everything: Hazards, options: StudyOptions) -> pd.DataFrame:
    """Simulate the follow-up of consecutive women of the population.

    Parameters
    ----------
    women : DataFrame
        Consecutive women, as returned by
        :func:`~mammorisk.simulation.population.draw_population`.
    everything : Hazards
        Hazards of these women, given all their variables.
    options : StudyOptions

    Returns
    -------
    DataFrame
        Same index. ``time`` (years from the exam to the event or last follow-up), ``event``
        (0 censored, 1 breast cancer, 2 death from another cause), ``years_to_cancer`` and
        ``years_to_death`` (latent times without the other events; NaN beyond ten years),
        ``prior`` (whether there is a prior exam), ``site``, ``vendor``, ``exam_date``, and the
        uniform numbers ``subcohort`` and ``image``, which are used for sampling.

    Notes
    -----
    The times of cancers follow from the hazard alone. There is no model of detection, and therefore
    no peak of cancers at the exam itself.
    """
    u = _uniforms(options, int(women.index[0]), len(women))
    cancer = _event_time(u["cancer"], everything.relative[:, None] * everything.baseline)
    death = _event_time(u["death"], everything.death)
    end = options.follow_up_years - options.recruitment_years * u["entry"]
    visits = visit(options, int(women.index[0]), len(women))
    if options.site_loss:
        rate = by_site(options.site_loss, options.sites)[visits["site"].cat.codes.to_numpy()]
        with np.errstate(divide="ignore"):
            end = np.minimum(end, -np.log(u["loss"]) / rate)
    elif options.loss_per_year > 0:
        end = np.minimum(end, -np.log(u["loss"]) / options.loss_per_year)
    time = np.minimum(np.minimum(cancer, death), end)
    event = np.where(time == cancer, 1, np.where(time == death, 2, 0))
    old_enough = women["age"].to_numpy() - PRIOR_YEARS >= 40
    return pd.DataFrame(
        {
            "time": time,
            "event": event.astype(np.int8),
            "years_to_cancer": np.where(np.isfinite(cancer), cancer, np.nan),
            "years_to_death": np.where(np.isfinite(death), death, np.nan),
            "prior": old_enough & (u["prior"] < options.prior_share),
            "site": visits["site"].array,
            "vendor": visits["vendor"].array,
            "exam_date": visits["exam_date"].array,
            "subcohort": u["subcohort"],
            "image": u["image"],
        },
        index=women.index,
    )


def by_site(values: tuple[float, ...], sites: int) -> Floats:
    """Values of the sites in turn."""
    return np.array([values[i % len(values)] for i in range(sites)])


def _uniforms(options: StudyOptions, first: int, n: int) -> dict[str, Floats]:
    draws = uniforms(options.seed, "follow-up", first, n, len(_DRAWS))
    return {name: draws[:, i] for i, name in enumerate(_DRAWS)}


def visit(options: StudyOptions, first: int, n: int) -> pd.DataFrame:
    """Return site, vendor and date of the exams of consecutive women.

    Returns
    -------
    DataFrame
        ``site``, ``vendor`` (categories), ``exam_date`` (of the simulated calendar).
    """
    u = _uniforms(options, first, n)
    site = np.floor(u["site"] * options.sites).astype(np.int8)
    vendors = options.vendors
    system = np.array([i % len(vendors) for i in range(options.sites)], dtype=np.int8)
    days = np.floor(options.recruitment_years * u["entry"] * _DAYS_PER_YEAR).astype(np.int64)
    return pd.DataFrame(
        {
            "site": pd.Categorical.from_codes(
                site, dtype=pd.CategoricalDtype([f"site-{i + 1}" for i in range(options.sites)])
            ),
            "vendor": pd.Categorical.from_codes(
                system[site], dtype=pd.CategoricalDtype(list(vendors))
            ),
            "exam_date": np.datetime64(FIRST_DAY, "s") + days * np.timedelta64(86_400, "s"),
        },
        index=pd.RangeIndex(first, first + n),
    )


def _event_time(u: Floats, cumulative: Floats) -> Floats:
    """Return the time at which a cumulative hazard, linear within years, reaches an exponential."""
    threshold = -np.log(u)
    year = (cumulative <= threshold[:, None]).sum(axis=1) - 1
    inside = year < LAST_YEAR
    row = np.flatnonzero(inside)
    begin = cumulative[row, year[row]]
    time = np.full(len(u), np.inf)
    time[row] = year[row] + (threshold[row] - begin) / (cumulative[row, year[row] + 1] - begin)
    return time
