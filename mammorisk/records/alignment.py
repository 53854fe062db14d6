"""Risks and outcomes matched by row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mammorisk.errors import EvaluationError
from mammorisk.records.cohort import KEYS, OUTCOME_COLUMNS
from mammorisk.records.follow_up import check_follow_up
from mammorisk.records.outcome import Outcome, refuse_faults


@dataclass(frozen=True, kw_only=True, eq=False)
class Aligned:
    """The rows that are evaluated.

    Attributes
    ----------
    outcome : Outcome
    table : DataFrame
        The cohort's rows, in the order of ``outcome``.
    risks : dict of str to DataFrame
        By model; columns are horizons in years, NaN where a model has no risk.
    flow : list of (str, int)
        How many rows were left at each step.
    """

    outcome: Outcome
    table: pd.DataFrame
    risks: dict[str, pd.DataFrame]
    flow: list[tuple[str, int]]


def align(risks: object, cohort: object, horizons: tuple[float, ...] | None) -> Aligned:
    """Match risks with a cohort.

    Parameters
    ----------
    risks : DataFrame, Series, array or dict of them
        See :func:`mammorisk.evaluate`.
    cohort : Cohort or DataFrame
    horizons : tuple of float, optional
        Years; those of the columns of the first table unless given.

    Raises
    ------
    EvaluationError
        Nothing to match on, a key twice, no column of risks, or no outcome.
    """
    table = cohort if isinstance(cohort, pd.DataFrame) else getattr(cohort, "exams", None)
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
            remedy="Give years to the event or last follow-up as time, and event 0, 1 or 2.",
        )
    table = table.reset_index(drop=True)
    found = {
        name: _one_model(one, table, cohort, horizons) for name, one in by_model(risks).items()
    }
    flow = [("exams in the cohort", len(table))]
    checked = check_follow_up({name: table[name] for name in OUTCOME_COLUMNS if name in table})
    refuse_faults(checked)
    known = checked.is_known
    flow.append(("with an outcome", int(known.sum())))
    first = next(iter(found.values()))
    scored = first.notna().any(axis=1).to_numpy()
    flow.append(("with a risk of the first model", int((known & scored).sum())))
    kept = np.flatnonzero(known & scored)
    if len(kept) == 0:
        raise EvaluationError("no row has both a risk and an outcome", where="risks")
    part = table.iloc[kept].reset_index(drop=True)
    return Aligned(
        outcome=Outcome.from_table(part),
        table=part,
        risks={name: one.iloc[kept].reset_index(drop=True) for name, one in found.items()},
        flow=flow,
    )


def by_model(risks: object) -> dict[str, object]:
    """Risks by the name of their model.

    A table takes its name from its column ``model`` where that holds one name.
    """
    if isinstance(risks, Mapping):
        if not risks:
            raise EvaluationError("there are no risks to evaluate", where="risks")
        return {str(name): one for name, one in risks.items()}
    name = "model"
    if isinstance(risks, pd.DataFrame) and "model" in risks.columns:
        names = risks["model"].dropna().unique()
        name = str(names[0]) if len(names) == 1 else "models by row"
    elif isinstance(risks, pd.Series) and risks.name is not None:
        name = str(risks.name)
    return {name: risks}


def _one_model(
    risks: object,
    table: pd.DataFrame,
    cohort: object,
    horizons: tuple[float, ...] | None,
) -> pd.DataFrame:
    """Risks of a model in the rows of the cohort, columns by horizon."""
    if isinstance(risks, pd.DataFrame):
        columns = risk_columns(risks)
        if horizons is not None:
            columns = {column: year for column, year in columns.items() if year in horizons}
        if not columns:
            raise EvaluationError(
                "the risks have no column of a horizon",
                where="risks",
                remedy="Columns are called risk_1y to risk_5y; mammorisk.predict makes them.",
            )
        rows = _matched(risks, table, cohort)
        values = rows[list(columns)].set_axis(list(columns.values()), axis=1)
        return values.astype(float).reset_index(drop=True)
    if horizons is None or len(horizons) != 1:
        raise EvaluationError(
            "one risk a row needs one horizon",
            where="horizons",
            remedy="Pass horizons=(5,), or a table with columns risk_1y to risk_5y.",
        )
    if isinstance(risks, pd.Series):
        same = isinstance(cohort, pd.DataFrame) and risks.index.equals(cohort.index)
        if not same and not (
            len(risks) == len(table) and risks.index.equals(pd.RangeIndex(len(table)))
        ):
            raise EvaluationError("the risks and the cohort have different rows", where="risks")
        array = risks.to_numpy(dtype=float, na_value=np.nan)
    else:
        try:
            array = np.asarray(risks, dtype=float)
        except (TypeError, ValueError):
            raise EvaluationError("the risks are not numbers", where="risks") from None
    if array.shape != (len(table),):
        raise EvaluationError(f"risks of shape {array.shape} for {len(table)} rows", where="risks")
    return pd.DataFrame({float(horizons[0]): array})


def risk_columns(risks: pd.DataFrame) -> dict[str, float]:
    """Columns such as ``risk_5y`` with their horizons in years, ascending."""
    found = {}
    for column in map(str, risks.columns):
        if column.startswith("risk_") and column.endswith("y"):
            try:
                found[column] = float(column[5:-1])
            except ValueError:
                # Another column of that name, such as a percentile.
                continue
    return dict(sorted(found.items(), key=lambda item: item[1]))


def _matched(risks: pd.DataFrame, table: pd.DataFrame, cohort: object) -> pd.DataFrame:
    keys = [key for key in KEYS if key in risks.columns and key in table.columns]
    if keys:
        text = risks.assign(**{key: risks[key].astype(str) for key in keys})
        if (twice := text.duplicated(keys)).any():
            raise EvaluationError(
                f"{int(twice.sum())} rows of the risks repeat a {' and '.join(keys)}",
                where="risks",
                remedy="Keep one row an exam, with exam_id in both tables.",
            )
        wanted = table[keys].astype(str)
        return wanted.merge(text, on=keys, how="left")
    index = cohort.index if isinstance(cohort, pd.DataFrame) else table.index
    if len(risks) == len(table) and risks.index.equals(index):
        return risks
    raise EvaluationError(
        "the risks and the cohort have no key in common",
        where="risks",
        remedy="Keep patient_id and exam_id in both, or the same index.",
    )


def risk_column(horizon: float | str) -> str:
    """Column name of a horizon: 5 -> ``"risk_5y"``, "lifetime" -> ``"risk_lifetime"``."""
    return "risk_lifetime" if horizon == "lifetime" else f"risk_{horizon:g}y"
