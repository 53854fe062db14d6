"""Observed over expected cancers, by year of the exam, from 50 cancers on."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pandas as pd

from mammorisk.errors import EvaluationError
from mammorisk.metrics.expected_observed import expected_observed_ratio
from mammorisk.monitoring.charts import Alarm
from mammorisk.records.outcome import Outcome
from mammorisk.service.arrived_exam import digest_of

#: Cancers from which on a ratio is given.
FEWEST_CANCERS = 50
#: The interval of a ratio gives an alarm if all of it lies outside.
ACCEPTABLE = (0.8, 1.25)
_COLUMNS = [
    *("year", "model", "horizon", "exams", "cancers", "observed_expected", "lower", "upper"),
    *("reason",),
]


def observed_over_expected(
    rows: pd.DataFrame, outcomes: pd.DataFrame
) -> tuple[pd.DataFrame, list[Alarm]]:
    """Compare the risks of a log with what happened.

    Parameters
    ----------
    rows : DataFrame
        Observations.
    outcomes : DataFrame
        ``study`` (StudyInstanceUID) or ``exam`` (its digest in the log), ``time`` (years to the
        event or the last follow-up) and ``event`` (0 none, 1 breast cancer, 2 competing).

    Returns
    -------
    table : DataFrame
        A row for all years and for each calendar year of exams, by model and horizon: ``exams``,
        ``cancers``, ``observed_expected`` with its 95% interval, and ``reason``, why there is none.
    alarms : list of Alarm

    Raises
    ------
    EvaluationError
        Columns are missing, an exam is there twice, or no exam is in the log.
    """
    known = _with_outcomes(rows, outcomes)
    made: list[dict[str, Any]] = []
    for model, of_model in known.groupby("model", sort=True):
        years = of_model["at"].map(lambda at: str(datetime.fromtimestamp(at, UTC).year))
        groups = [("all", of_model), *of_model.groupby(years, sort=True)]
        for year, group in groups:
            for horizon in sorted({h for risk in group["risk"] for h in risk if h != "lifetime"}):
                row = {"year": str(year), "model": str(model), "horizon": float(horizon)}
                made.append(row | _ratio(group, horizon))
    table = pd.DataFrame(made, columns=_COLUMNS)
    return table, _alarms(table, float(known["at"].max()))


def _with_outcomes(rows: pd.DataFrame, outcomes: pd.DataFrame) -> pd.DataFrame:
    names = {"study", "exam"} & set(outcomes.columns)
    if not names or not {"time", "event"} <= set(outcomes.columns):
        raise EvaluationError(
            "the table of outcomes needs the columns study (or exam), time and event",
            where="outcomes",
            remedy="study is the StudyInstanceUID; exam is its digest in the event log.",
        )
    told = outcomes[["time", "event"]].copy()
    told["exam"] = (
        outcomes["exam"].astype(str)
        if "exam" in names
        else [digest_of(str(one).strip()) for one in outcomes["study"]]
    )
    if told["exam"].duplicated().any():
        raise EvaluationError(
            f"{int(told['exam'].duplicated().sum())} exams have several rows",
            where="outcomes",
            remedy="Give one row an exam.",
        )
    scored = rows[~rows["failed"].astype(bool)]
    known = scored.merge(told, on="exam")
    if known.empty:
        raise EvaluationError(
            "no exam of the table of outcomes is in the event log",
            where="outcomes",
            remedy="study is the StudyInstanceUID as in the images.",
        )
    return known


def _ratio(group: pd.DataFrame, horizon: str) -> dict[str, Any]:
    risk = pd.to_numeric(group["risk"].map(lambda one: one.get(horizon)), errors="coerce")
    used = group[risk.notna()]
    if used.empty:
        return {"exams": 0, "cancers": 0, "reason": "no exam has a risk"}
    outcome = Outcome(time=used["time"], event=used["event"])
    cancers = int(outcome.is_case(float(horizon)).sum())
    told: dict[str, Any] = {"exams": len(used), "cancers": cancers, "reason": ""}
    if cancers < FEWEST_CANCERS:
        return told | {"reason": f"fewer than {FEWEST_CANCERS} cancers"}
    found = expected_observed_ratio(
        outcome, risk[risk.notna()].to_numpy(dtype=float), float(horizon), ratio="O/E"
    )
    return told | {
        "observed_expected": found.value,
        "lower": found.lower,
        "upper": found.upper,
        "reason": found.reason or "",
    }


def _alarms(table: pd.DataFrame, at: float) -> list[Alarm]:
    low, high = ACCEPTABLE
    outside = table[(table["lower"] > high) | (table["upper"] < low)]
    return [
        Alarm(
            chart="observed_expected",
            device=f"{row.model}, exams of {row.year}, {row.horizon:g} years",
            exam=int(row.exams),  # type: ignore[arg-type]
            since=1,
            at=at,
            text=f"observed/expected {row.observed_expected:.2f} "
            f"({row.lower:.2f} to {row.upper:.2f}), {row.cancers} cancers",
        )
        for row in outside.itertuples()
    ]
