"""Exams, women, cancers and follow-up by site, vendor, calendar year and split."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mammorisk._utils.text import as_labels
from mammorisk.cohort_check.facts import UNKNOWN, Facts
from mammorisk.metrics.follow_up import median_follow_up
from mammorisk.metrics.incidence import cumulative_incidence
from mammorisk.records.follow_up import CANCER, COMPETING
from mammorisk.warnings import ResultWarning, make_warning

#: Columns of the manifest by which a cohort is divided, besides the year of ``exam_date``.
SOURCES = ("site", "vendor")
_ALL = "all"
#: Range of the usual incidence of breast cancer in women of screening age, per 1,000 years; rates
#: of US women from 40 to 74 lie between about 1.2 and 4.5 (those of BCRAT, from SEER).
_USUAL_INCIDENCE = (0.3, 12.0)
#: Smallest number of cancers, or of expected cancers, for a statement on rates.
_FEWEST = 10
#: Ratio of the share of cancers of a source to that of all from which on it is named.
_FAR = 5.0
#: Share of women with a known status at the horizon below which follow-up is short.
_SHORT = 0.5


def groups(table: pd.DataFrame, facts: Facts) -> Iterator[tuple[str, str, NDArray[np.bool_]]]:
    """Yield column, group and rows: all exams, then each site, vendor, year and split."""
    yield _ALL, "", np.ones(len(facts), dtype=bool)
    labels: dict[str, NDArray[np.object_]] = {
        name: as_labels(table[name], UNKNOWN).to_numpy(dtype=object)
        for name in SOURCES
        if name in table
    }
    if "exam_date" in table:
        year = pd.to_datetime(table["exam_date"], errors="coerce").dt.year
        labels["year"] = np.array(
            [UNKNOWN if np.isnan(one) else str(int(one)) for one in year.astype(float)],
            dtype=object,
        )
    if facts.splits is not None:
        labels["split"] = np.where(facts.splits == "", "not used", facts.splits)
    for column, own in labels.items():
        for group in sorted(set(own)):
            yield column, str(group), own == group


def group_table(table: pd.DataFrame, facts: Facts, horizon: float) -> pd.DataFrame:
    """Count exams, women and cancers in each group.

    Returns
    -------
    DataFrame
        ``column``, ``group``, ``exams``, ``women``, ``without_outcome`` (exams), ``cancers`` (exams
        followed by cancer), ``women_with_cancer``, ``cancers_by_horizon`` (exams), ``years`` (of
        follow-up, weighted), ``per_1000_years`` (cancers, weighted), ``median_follow_up`` (years,
        reverse Kaplan-Meier).
    """
    found = []
    for column, group, rows in groups(table, facts):
        known, cancer = facts.is_known & rows, facts.is_cancer & rows
        weight = facts.weight * facts.counts
        years = float((weight * np.maximum(facts.time - facts.entry, 0))[known].sum())
        outcome = facts.outcome(rows)
        found.append(
            {
                "column": column,
                "group": group,
                "exams": int(facts.counts[rows].sum()),
                "women": facts.n_women(rows),
                "without_outcome": int(facts.counts[rows & ~facts.is_known].sum()),
                "cancers": int(facts.counts[cancer].sum()),
                "women_with_cancer": facts.n_women(cancer) if cancer.any() else 0,
                "cancers_by_horizon": int(facts.counts[cancer & (facts.time <= horizon)].sum()),
                "years": years,
                "per_1000_years": 1000 * float(weight[cancer].sum()) / years if years else np.nan,
                "median_follow_up": np.nan if outcome is None else median_follow_up(outcome).value,
            }
        )
    return pd.DataFrame(found)


def follow_up_table(table: pd.DataFrame, facts: Facts, horizons: tuple[float, ...]) -> pd.DataFrame:
    """Completeness of follow-up at each horizon, in all and by source.

    Returns
    -------
    DataFrame
        ``column``, ``group``, ``horizon`` (years), ``cancers`` and ``competing`` (exams with the
        event by then), ``followed`` (without an event, seen until then), ``lost`` (followed for
        less), ``known_share`` (1 - lost / exams with an outcome), ``risk`` with ``lower`` and
        ``upper`` (observed risk of cancer, weighted).
    """
    rows_found = []
    for column, group, rows in groups(table, facts):
        if column in ("year", "split"):
            continue
        outcome = facts.outcome(rows)
        for year in horizons:
            if outcome is None:
                continue
            known = facts.is_known & rows
            early = known & (facts.time <= year)
            cancers = early & (facts.event == CANCER)
            competing = early & (facts.event == COMPETING)
            lost = known & (facts.time < year) & ~cancers & ~competing
            total = int(facts.counts[known].sum())
            risk = cumulative_incidence(outcome, year)
            counted = {
                name: int(facts.counts[part].sum())
                for name, part in (
                    ("cancers", cancers),
                    ("competing", competing),
                    ("followed", known & ~cancers & ~competing & ~lost),
                    ("lost", lost),
                )
            }
            rows_found.append(
                {"column": column, "group": group, "horizon": year}
                | counted
                | {
                    "known_share": 1 - counted["lost"] / total,
                    "risk": risk.value,
                    "lower": risk.lower,
                    "upper": risk.upper,
                }
            )
    names = ["column", "group", "horizon", "cancers", "competing", "followed", "lost"]
    return pd.DataFrame(rows_found, columns=[*names, "known_share", "risk", "lower", "upper"])


def doubt_counts(
    counted: pd.DataFrame, followed: pd.DataFrame, facts: Facts, horizon: float
) -> list[ResultWarning]:
    """Warn of missing or short follow-up, of unusual incidence, and of sources that differ."""
    whole = counted.iloc[0]
    if not facts.has_outcomes:
        text = "the cohort has no outcomes: add the columns time (years) and event (0, 1, 2)"
        return [make_warning("outcome-missing", text)]
    found = []
    if whole["without_outcome"]:
        text = f"{whole['without_outcome']:,} of {whole['exams']:,} exams have no outcome"
        found.append(make_warning("outcome-missing", text))
    found += _doubt_incidence(whole, facts)
    at = followed[(followed["column"] == _ALL) & (followed["horizon"] == horizon)]
    if len(at) and at["known_share"].iloc[0] < _SHORT:
        text = (
            f"{100 * at['known_share'].iloc[0]:.0f}% of the exams have a known status at "
            f"{horizon:g} years: risks at {horizon:g} years rest on few women"
        )
        found.append(make_warning("follow-up-short", text))
    return [*found, *_doubt_sources(counted)]


def _doubt_incidence(whole: pd.Series, facts: Facts) -> list[ResultWarning]:
    low, high = _USUAL_INCIDENCE
    rate = whole["per_1000_years"]
    expected = whole["years"] / 1000 * low
    if rate > high and whole["cancers"] >= _FEWEST:
        text = f"{rate:.1f} cancers per 1,000 years of follow-up"
        if facts.is_weighted:
            text += " after weighting: check weight, time and event"
            return [make_warning("incidence-implausible", text)]
        text += (
            ": cases were probably sampled more often than controls; give the column weight "
            "(the inverse of the probability of being sampled), or absolute risks will be too high"
        )
        return [make_warning("sampled-cohort", text)]
    if rate < low and expected >= _FEWEST:
        text = (
            f"{rate:.2f} cancers per 1,000 years of follow-up: cancers are probably missing, or "
            "time is not in years"
        )
        return [make_warning("incidence-implausible", text)]
    return []


def _doubt_sources(counted: pd.DataFrame) -> list[ResultWarning]:
    """Warn of sources with far more or fewer cancers, from which a network can learn the source."""
    whole = counted.iloc[0]
    known = whole["exams"] - whole["without_outcome"]
    found = []
    for column in SOURCES:
        for _, row in counted[counted["column"] == column].iterrows():
            own = row["exams"] - row["without_outcome"]
            expected = own * whole["cancers"] / known if known else 0.0
            few = expected >= _FEWEST and row["cancers"] * _FAR < expected
            many = row["cancers"] >= _FEWEST and row["cancers"] > _FAR * expected
            if few or many:
                text = (
                    f"{column} {row['group']!r}: {row['cancers']:,} of {own:,} exams are followed "
                    f"by cancer, and {whole['cancers']:,} of {known:,} of all: a network can learn "
                    f"the {column} instead of the breast"
                )
                found.append(make_warning("cancers-by-source", text))
    return found
