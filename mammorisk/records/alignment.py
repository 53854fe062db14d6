"""Matching of risks and outcomes by row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mammorisk._utils.typing import Floats
from mammorisk.errors import EvaluationError
from mammorisk.records.cohort import KEYS, OUTCOME_COLUMNS
from mammorisk.records.column_names import match_columns
from mammorisk.records.follow_up import CANCER, CheckedFollowUp, as_numbers, check_follow_up
from mammorisk.records.follow_up_doubts import doubt_follow_up, read_events, read_years
from mammorisk.records.frames import as_frame
from mammorisk.records.frequency import COLUMN as FREQUENCY
from mammorisk.records.frequency import copies, read_counts
from mammorisk.records.match_ids import id_columns, match_ids
from mammorisk.records.outcome import Outcome, refuse_faults
from mammorisk.records.read_answers import read_answers
from mammorisk.records.risk_doubts import SUSPECT_RATIO, doubt_risks

#: Fall of a risk with the horizon that rounding explains.
_ROUNDING = 1e-6


@dataclass(frozen=True, kw_only=True, eq=False)
class Aligned:
    """Rows of an evaluation.

    Attributes
    ----------
    outcome : Outcome
    table : DataFrame
        Rows of the cohort, in the order of ``outcome``.
    risks : dict of str to DataFrame
        Risks by model. Columns are horizons in years; NaN if a model has no risk.
    flow : list of (str, int)
        Number of remaining rows after each step.
    notes : list of str
        Doubts about the cohort and the risks, and ids without a match.
    """

    outcome: Outcome
    table: pd.DataFrame
    risks: dict[str, pd.DataFrame]
    flow: list[tuple[str, int]]
    notes: list[str] = field(default_factory=list)


def align(risks: object, cohort: object, horizons: tuple[float, ...] | None) -> Aligned:
    """Match risks with a cohort.

    Parameters
    ----------
    risks : DataFrame, Series, array or dict of them
        See :func:`mammorisk.evaluate`.
    cohort : Cohort or DataFrame
    horizons : tuple of float, optional
        Years. Default: the horizons of the columns of the first table.

    Raises
    ------
    EvaluationError
        There is nothing to match on, ids do not match, a key appears twice, there is no column of
        risks or no outcome, or risks are not numbers.

    Notes
    -----
    A column ``frequency_weight`` of the cohort is the number of equal women that a row represents.
    The row is repeated that many times, each time as another woman.
    """
    table = as_frame(cohort)
    if table is None:
        table = getattr(cohort, "exams", None)
    else:
        cohort = table
    if not isinstance(table, pd.DataFrame):
        raise EvaluationError(
            f"a {type(cohort).__name__} is neither a table nor a cohort",
            where="cohort",
            remedy="Pass a Cohort, or a table with columns time and event.",
        )
    missing = [name for name in ("time", "event") if name not in table.columns]
    if missing:
        raise EvaluationError(
            f"the cohort has no column {' or '.join(missing)}",
            where="cohort",
            remedy="Give years to the event or last follow-up as time, and event 0, 1 or 2."
            + _look_alikes(table, missing),
        )
    table = table.reset_index(drop=True)
    notes = _cohort_notes(cohort, table)
    read = {"event": read_events, "time": read_years, "entry": read_years}
    table = table.assign(**{n: f(table[n]) for n, f in read.items() if n in table.columns})
    found = {
        name: _one_model(one, table, cohort, horizons, notes)
        for name, one in by_model(risks).items()
    }
    flow = [("exams in the cohort", len(table))]
    checked = check_follow_up({name: table[name] for name in OUTCOME_COLUMNS if name in table})
    refuse_faults(checked)
    notes += _doubtful_risks(found, table, checked)
    known = checked.is_known
    flow.append(("with an outcome", int(known.sum())))
    first = next(iter(found.values()))
    scored = first.notna().any(axis=1).to_numpy()
    flow.append(("with a risk of the first model", int((known & scored).sum())))
    kept = np.flatnonzero(known & scored)
    if len(kept) == 0:
        raise EvaluationError(
            f"no row has both a risk and an outcome: {int(known.sum()):,} of {len(table):,} rows "
            f"have an outcome, and {int(scored.sum()):,} a risk",
            where="risks",
            remedy=_first_fault(cohort) or "Check time, event and the columns of risks.",
        )
    if FREQUENCY in table.columns:
        counts = read_counts(checked.values[FREQUENCY][kept])
        kept = np.repeat(kept, counts)
        flow.append((f"written out: {counts.min():,} to {counts.max():,} women a row", len(kept)))
    part = table.iloc[kept].reset_index(drop=True)
    if FREQUENCY in table.columns:
        part = _as_other_women(part, kept).drop(columns=FREQUENCY)
    return Aligned(
        outcome=Outcome.from_table(part),
        table=part,
        risks={name: one.iloc[kept].reset_index(drop=True) for name, one in found.items()},
        flow=flow,
        notes=list(dict.fromkeys(notes)),
    )


def _first_fault(cohort: object) -> str | None:
    """The first fault of the rows of a cohort, as a remedy."""
    errors = getattr(cohort, "errors", None)
    if errors is None or not (faulty := errors[errors != ""]).size:
        return None
    return f"{len(faulty):,} rows of the cohort are in error; the first: {faulty.iloc[0]}."


def _look_alikes(table: pd.DataFrame, missing: list[str]) -> str:
    match = match_columns(table.columns)
    like = [
        name for name, found in {**match.renamed, **match.look_alikes}.items() if found in missing
    ]
    return f" These look like it: {', '.join(map(repr, like))}." if like else ""


def _cohort_notes(cohort: object, table: pd.DataFrame) -> list[str]:
    """Return the warnings of the cohort; for a table, those that reading it would give."""
    told = getattr(cohort, "warnings", None)
    if told is None:
        # Names and answers matter only if published models are scored from them.
        has_answers = "age" in (*table.columns, *match_columns(table.columns).renamed.values())
        doubts = read_answers(table)[1] if has_answers else doubt_follow_up(table)
        return [one.warning.text for one in doubts]
    return [one.text for one in told]


def _doubtful_risks(
    found: Mapping[str, pd.DataFrame], table: pd.DataFrame, checked: CheckedFollowUp
) -> list[str]:
    """Warn about risks that fall with the horizon, and about those that are probably in percent.

    The latter are far above those of average women and the observed risk. Comparing with the
    observed risk avoids a warning for samples with many cancers.
    """
    age = as_numbers(table["age"])[0] if "age" in table.columns else None
    time, event, known = checked.values["time"], checked.values["event"], checked.is_known
    notes = []
    for name, risks in found.items():
        for first, second in pairwise(risks.columns):
            falls = int((risks[second] < risks[first] - _ROUNDING).sum())
            if falls:
                notes.append(
                    f"{name}: the {second:g}-year risk is lower than the {first:g}-year risk in "
                    f"{falls:,} rows: risks must be cumulative, and not those of single years"
                )
        for year in risks.columns:
            risk = np.where(known, risks[year].to_numpy(dtype=float), np.nan)
            text = doubt_risks(risk, float(year), age)
            scored = np.isfinite(risk)
            cancer = (event == CANCER) & (time <= float(year))
            observed = float(cancer[scored].mean()) if scored.any() else 0.0
            if text is not None and np.nanmean(risk) > SUSPECT_RATIO * observed:
                notes.append(f"{name}: {text}")
                break
    return notes


def _as_other_women(part: pd.DataFrame, kept: NDArray[np.int64]) -> pd.DataFrame:
    """Ids of copies made distinct: a frequency counts women, not exams of one woman."""
    copy = copies(kept)
    again = copy > 0
    for key in KEYS:
        if key in part.columns:
            ids = part[key].astype(str).to_numpy(dtype=object)
            ids[again] = [f"{one} #{i}" for one, i in zip(ids[again], copy[again], strict=True)]
            part = part.assign(**{key: ids})
    return part


def by_model(risks: object) -> dict[str, object]:
    """Return the risks by the name of their model.

    A table takes its name from its column ``model`` where that holds one name. A table with the
    rows of several models, each exam once for each, is divided by model.
    """
    if isinstance(risks, Mapping):
        if not risks:
            raise EvaluationError("there are no risks to evaluate", where="risks")
        frames = {str(name): as_frame(one) for name, one in risks.items()}
        return {
            str(name): one if frames[str(name)] is None else frames[str(name)]
            for name, one in risks.items()
        }
    name = "model"
    if (frame := as_frame(risks)) is not None:
        risks = frame
    if isinstance(risks, pd.DataFrame) and "model" in risks.columns:
        names = risks["model"].dropna().unique()
        if len(names) > 1 and _repeats(risks):
            return {
                str(one): risks[(risks["model"] == one).to_numpy(dtype=bool, na_value=False)]
                for one in names
            }
        name = str(names[0]) if len(names) == 1 else "models by row"
    elif isinstance(risks, pd.Series) and risks.name is not None:
        name = str(risks.name)
    return {name: risks}


def _repeats(risks: pd.DataFrame) -> bool:
    """Whether exams repeat in a table of several models."""
    keys = [key for key in KEYS if key in risks.columns]
    twice = risks.duplicated(keys) if keys else pd.Series(risks.index.duplicated())
    return bool(twice.any())


def _one_model(
    risks: object,
    table: pd.DataFrame,
    cohort: object,
    horizons: tuple[float, ...] | None,
    notes: list[str],
) -> pd.DataFrame:
    """Return the risks of a model in the rows of the cohort, with columns by horizon."""
    frame = as_frame(risks)
    if frame is not None:
        risks = frame
        there = risk_columns(risks)
        columns = {c: year for c, year in there.items() if horizons is None or year in horizons}
        if not columns:
            wanted = "" if horizons is None else f" of {', '.join(f'{h:g}' for h in horizons)} y"
            raise EvaluationError(
                f"the risks have no column of a horizon{wanted if there else ''}",
                where="risks",
                remedy=f"They have {', '.join(there)}."
                if there
                else "Name the columns risk_1y to risk_5y, as mammorisk.predict does; the columns "
                f"are {', '.join(map(str, risks.columns))}.",
            )
        rows = _matched(risks, table, cohort, notes)
        return pd.DataFrame(
            {year: _risk_numbers(rows[column], column) for column, year in columns.items()}
        )
    if horizons is None or len(horizons) != 1:
        raise EvaluationError(
            "one risk per row needs one horizon",
            where="horizons",
            remedy="Pass horizons=(5,), or a table with columns risk_1y to risk_5y.",
        )
    if isinstance(risks, pd.Series):
        same = isinstance(cohort, pd.DataFrame) and risks.index.equals(cohort.index)
        if not same and not (
            len(risks) == len(table) and risks.index.equals(pd.RangeIndex(len(table)))
        ):
            raise EvaluationError("the risks and the cohort have different rows", where="risks")
        array = _risk_numbers(risks, "risks")
    else:
        try:
            array = np.asarray(risks)
        except (TypeError, ValueError):
            raise EvaluationError("the risks are not numbers", where="risks") from None
        if array.ndim == 1:
            array = _risk_numbers(pd.Series(array), "risks")
    if array.shape != (len(table),):
        raise EvaluationError(f"risks of shape {array.shape} for {len(table)} rows", where="risks")
    return pd.DataFrame({float(horizons[0]): array})


def _risk_numbers(column: pd.Series, name: str) -> Floats:
    """Convert risks to numbers; NaN if there is no risk.

    Raises
    ------
    EvaluationError
        Text such as ``"1.7%"``, dates, or infinite values.
    """
    values, wrong = as_numbers(read_years(column))
    for rows, what in ((wrong, "not numbers"), (np.isinf(values), "infinite")):
        if rows.any():
            raise EvaluationError(
                f"{int(rows.sum())} risks are {what}, the first at position {int(np.argmax(rows))}",
                where=name,
                remedy="Risks are fractions: 1.7% is 0.017. Leave unknown cells empty.",
            )
    return values


def risk_columns(risks: pd.DataFrame) -> dict[str, float]:
    """Return the columns such as ``risk_5y`` with their horizons in years, ascending."""
    found = {}
    for column in map(str, risks.columns):
        if column.startswith("risk_") and column.endswith("y"):
            try:
                found[column] = float(column[5:-1])
            except ValueError:
                # Another column with this prefix, such as a percentile.
                continue
    return dict(sorted(found.items(), key=lambda item: item[1]))


def _matched(
    risks: pd.DataFrame, table: pd.DataFrame, cohort: object, notes: list[str]
) -> pd.DataFrame:
    """Return the rows of the risks in the order of the cohort."""
    keys = [key for key in KEYS if key in risks.columns and key in table.columns]
    if keys:
        ids, wanted = id_columns(risks, keys), id_columns(table, keys)
        known = ids.notna().all(axis=1)
        if (twice := ids[known].duplicated()).any():
            raise EvaluationError(
                f"{int(twice.sum())} rows of the risks repeat a {' and '.join(keys)}",
                where="risks",
                remedy="Keep one row per exam, with exam_id in both tables.",
            )
        match = match_ids(ids, wanted)
        if match.problem is not None:
            raise EvaluationError(match.problem, where="risks", remedy=match.remedy)
        if match.note is not None:
            notes.append(match.note)
        text = risks.drop(columns=keys).join(ids)[known.to_numpy()]
        return wanted.merge(text, on=keys, how="left")
    index = cohort.index if isinstance(cohort, pd.DataFrame) else table.index
    if len(risks) == len(table) and risks.index.equals(index):
        return risks.reset_index(drop=True)
    raise EvaluationError(
        "the risks and the cohort have no key in common",
        where="risks",
        remedy="Keep patient_id and exam_id in both, or the same index.",
    )


def check_evaluation_horizons(horizons: object) -> tuple[float, ...] | None:
    """Return the horizons of an evaluation as a tuple of years; None stays None.

    Raises
    ------
    EvaluationError
        A horizon is not a number of years above 0, or appears twice.
    """
    if horizons is None:
        return None
    years = _as_floats(horizons, "horizons", "Give years, such as horizons=5 or horizons=(1, 5).")
    if not years or not all(0 < year < 130 for year in years):
        raise EvaluationError(
            "horizons must be years above 0", where="horizons", remedy="Give horizons=(1, 5)."
        )
    if len(set(years)) < len(years):
        raise EvaluationError(
            "a horizon appears twice", where="horizons", remedy="Give each horizon once."
        )
    return years


def check_thresholds(thresholds: object, name: str = "thresholds") -> tuple[float, ...]:
    """Return thresholds of risk, or a single one, as a tuple of fractions.

    Raises
    ------
    EvaluationError
        A value is outside (0, 1), such as 1.7 for 1.7%.
    """
    points = _as_floats(thresholds, name, "Thresholds are fractions: 1.7% is 0.017.")
    wrong = [point for point in points if not 0 < point < 1]
    if wrong:
        raise EvaluationError(
            f"{wrong[0]:g} is not between 0 and 1",
            where=name,
            remedy="Thresholds are fractions: 1.7% is 0.017.",
        )
    return points


def _as_floats(values: object, name: str, remedy: str) -> tuple[float, ...]:
    several: Any = (
        values if isinstance(values, Iterable) and not isinstance(values, str) else [values]
    )
    try:
        return tuple(float(one) for one in several)
    except (TypeError, ValueError):
        raise EvaluationError("not a number", where=name, remedy=remedy) from None


def risk_column(horizon: float | str) -> str:
    """Return the column of a horizon: 5 -> ``"risk_5y"``, "lifetime" -> ``"risk_lifetime"``."""
    return "risk_lifetime" if horizon == "lifetime" else f"risk_{horizon:g}y"
