"""read_risks(): read the risks of another tool as a table like the result of predict()."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from mammorisk._utils.typing import Floats
from mammorisk.errors import EvaluationError, ManifestError
from mammorisk.io.canrisk_service import read_canrisk_service
from mammorisk.io.risk_formats import FORMATS, RiskFormat, Unit, plain_name
from mammorisk.io.table_files import id_text, read_table_file
from mammorisk.records.alignment import risk_column
from mammorisk.records.follow_up import as_numbers
from mammorisk.records.follow_up_doubts import read_years
from mammorisk.records.match_ids import id_columns, match_ids
from mammorisk.records.risk_doubts import doubt_risks
from mammorisk.warnings import join_codes, join_text, make_warning

if TYPE_CHECKING:
    from mammorisk.records.cohort import Cohort
    from mammorisk.warnings import ResultWarning

#: Largest difference between an interval of BCRA and a whole number of years, in years. BCRA
#: projects to any age.
_YEARS_TOLERANCE = 0.005


def read_risks(
    path: str | Path,
    format: str = "mammorisk",
    *,
    unit: Unit | None = None,
    horizon: float | Literal["lifetime"] | None = None,
    cohort: Cohort | None = None,
    ids: Sequence[object] | None = None,
    model: str | None = None,
) -> pd.DataFrame:
    """Read risks that another tool has written.

    Parameters
    ----------
    path : path
        A file in a format of :func:`mammorisk.read_cohort`.
    format : str
        The tool: ``"mammorisk"``, ``"mirai"``, ``"bcra"`` (R package BCRA), ``"brest-ai"``,
        ``"ibis"`` (Tyrer-Cuzick), ``"canrisk-service"`` (BOADICEA, file of CanRisk's script for its
        web service), ``"canrisk"`` (BOADICEA, another table) or ``"bcsc"``.
    unit : {"fraction", "percent"}, optional
        Unit of the risks in the file. Required for formats whose exports differ (``"canrisk"``,
        ``"bcsc"``). Default: the unit of the tool.
    horizon : float or "lifetime", optional
        Years. Required if the file does not state it (``"ibis"``).
    cohort : Cohort, optional
        Cohort whose ids must match those of the file.
    ids : sequence, optional
        ``patient_id`` by row, for a file without ids, such as that of ``"brest-ai"``.
    model : str, optional
        Name for the column ``model``. Default: the name of the tool.

    Returns
    -------
    DataFrame
        ``patient_id``, ``exam_id`` (if the file has it), ``model``, ``risk_5y`` ... as fractions of
        1 (years as in the file, or ``risk_lifetime``), ``warnings`` and ``warning_codes``. For the
        format ``"mammorisk"`` also the limits of intervals and the other columns. Its ``attrs``
        contain ``format``, ``unit`` (of the file), ``source`` and ``verified``.

    Raises
    ------
    ManifestError
        The file cannot be read, has no column of ids or risks, or has an id twice; the unit or the
        horizon is not given; the ids do not match those of ``cohort``.
    EvaluationError
        A risk is not a number, or is outside [0, 1] in the given unit.

    See Also
    --------
    mammorisk.evaluate : Compares risks with outcomes.
    mammorisk.predict_to_file : Writes risks in the format ``"mammorisk"``.

    Notes
    -----
    Formats of ``"mirai"``, ``"bcra"``, ``"brest-ai"`` and ``"canrisk-service"`` follow the
    published code of these tools.
    Those of ``"ibis"``, ``"canrisk"`` and ``"bcsc"`` could not be checked against a file of the
    tool, and every row has a warning. Scores of BREST-AI are not absolute risks: they rank women
    and are not calibrated.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import mammorisk as mr
    >>> path = Path(tempfile.mkdtemp()) / "risk_summary.csv"
    >>> _ = path.write_text("ID,T1,T2,AbsRisk\\n007,50,55,1.31\\n008,61,66,2.04\\n")
    >>> mr.read_risks(path, format="bcra")["risk_5y"].round(4).tolist()
    [0.0131, 0.0204]
    """
    path = Path(path)
    chosen = FORMATS.get(format)
    if chosen is None:
        raise ManifestError(
            f"{format!r} is not a format of risks",
            where="format",
            remedy=f"One of: {', '.join(FORMATS)}.",
        )
    if not path.is_file():
        raise ManifestError("there is no such file", where=path.name)
    scale = _scale(chosen, unit)
    table = _read(chosen, path)
    found = _ids(chosen, table, ids, path.name)
    risks = (
        _bcra(table, path.name) if chosen.name == "bcra" else _risks(chosen, table, horizon, path)
    )
    for name, values in risks.items():
        found[name] = _fractions(values, scale, name)
    _refuse_repeated(found, path.name)
    if cohort is not None:
        keys = [key for key in ("patient_id", "exam_id") if key in found.columns]
        match = match_ids(id_columns(found, keys), id_columns(cohort.exams, keys))
        if match.problem is not None:
            raise ManifestError(match.problem, where=path.name, remedy=match.remedy)
    return _finished(chosen, table, found, list(risks), scale, model)


def _scale(chosen: RiskFormat, unit: Unit | None) -> Unit:
    if unit not in (None, "fraction", "percent"):
        raise ManifestError(
            f"{unit!r} is not a unit",
            where="unit",
            remedy='Pass unit="fraction" or unit="percent".',
        )
    scale = unit or chosen.unit
    if scale is None:
        raise ManifestError(
            f"exports of {chosen.name} contain fractions or percent and do not state which",
            where="unit",
            remedy='Pass unit="fraction" or unit="percent".',
        )
    return scale


def _read(chosen: RiskFormat, path: Path) -> pd.DataFrame:
    if chosen.name == "canrisk-service":
        return read_canrisk_service(path)
    if chosen.separator is None:
        ids = {*chosen.patient, *chosen.exam}
        return read_table_file(path, sorted(ids)).table
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ManifestError(
            "the table is not UTF-8 text", where=path.name, remedy="Save it as UTF-8."
        ) from None
    rows = [line.split() for line in text.splitlines() if line.strip()]
    width = len(chosen.columns)
    short = [i for i, row in enumerate(rows) if len(row) < width]
    if short or not rows:
        raise ManifestError(
            f"{len(short)} of {len(rows)} lines have fewer than {width} fields", where=path.name
        )
    return pd.DataFrame([row[:width] for row in rows], columns=list(chosen.columns))


def _ids(
    chosen: RiskFormat, table: pd.DataFrame, ids: Sequence[object] | None, where: str
) -> pd.DataFrame:
    by_name = {plain_name(str(name)): name for name in reversed(table.columns)}

    def column(names: tuple[str, ...]) -> pd.Series | None:
        there = [by_name[plain_name(name)] for name in names if plain_name(name) in by_name]
        return id_text(table[there[0]]) if there else None

    patient, exam = column(chosen.patient), column(chosen.exam)
    if ids is not None:
        if len(ids) != len(table):
            raise ManifestError(f"{len(ids)} ids for {len(table)} rows", where="ids")
        patient = id_text(pd.Series(list(ids), dtype=object))
    if patient is None:
        raise ManifestError(
            "the file has no column of ids",
            where=where,
            remedy=f"Name it {chosen.patient[0]}, or pass ids= in the order of the rows.",
        )
    if patient.isna().any():
        raise ManifestError(f"{int(patient.isna().sum())} rows have no id", where=where)
    found = pd.DataFrame({"patient_id": patient})
    if chosen.name == "mirai" and patient.str.contains("\t").all():
        parts = patient.str.split("\t", n=1, expand=True)
        found["patient_id"], exam = parts[0].str.strip(), parts[1].str.strip()
    if exam is not None:
        found["exam_id"] = exam
    return found


def _risks(
    chosen: RiskFormat, table: pd.DataFrame, horizon: float | str | None, path: Path
) -> dict[str, pd.Series]:
    if chosen.horizon_needed:
        if horizon is None:
            raise ManifestError(
                f"files of {chosen.name} do not state the horizon",
                where="horizon",
                remedy='Pass, for example, horizon=10, or horizon="lifetime".',
            )
        return {risk_column(_checked(horizon)): table["risk"]}
    years = {name: chosen.horizon_of(str(name)) for name in table.columns}
    wanted = {name: year for name, year in years.items() if year is not None}
    if horizon is not None:
        wanted = {name: year for name, year in wanted.items() if year == horizon}
    if not wanted:
        raise ManifestError(
            f"the file has no column of a risk{'' if horizon is None else f' over {horizon}'}",
            where=path.name,
            remedy=f"Expected: {chosen.source}. Rename columns to risk_5y and so on, and read them "
            'with format="mammorisk".',
        )
    names = [risk_column(year) for year in wanted.values()]
    if len(set(names)) < len(names):
        raise ManifestError(
            f"several columns are risks over one horizon: {', '.join(map(str, wanted))}",
            where=path.name,
            remedy="Keep only one of them.",
        )
    return {risk_column(year): table[name] for name, year in wanted.items()}


def _checked(horizon: float | str) -> float | str:
    is_years = isinstance(horizon, (int, float)) and 0 < horizon < 130
    if horizon != "lifetime" and not is_years:
        raise ManifestError(f"{horizon!r} is not a horizon", where="horizon")
    return horizon


def _bcra(table: pd.DataFrame, where: str) -> dict[str, pd.Series]:
    """Create columns by the interval T1 to T2, which differs between rows."""
    by_name = {plain_name(str(name)): name for name in table.columns}
    if absent := [name for name in ("T1", "T2", "AbsRisk") if plain_name(name) not in by_name]:
        raise ManifestError(
            f"the file has no column {', '.join(absent)}",
            where=where,
            remedy="Write the table that risk.summary of BCRA returns.",
        )
    start, end = (as_numbers(table[by_name[name]])[0] for name in ("t1", "t2"))
    interval = end - start
    years = np.round(interval)
    odd = ~(np.abs(interval - years) <= _YEARS_TOLERANCE) | ~(years > 0)
    if odd.any():
        raise ManifestError(
            f"T2 - T1 is not a whole number of years in {int(odd.sum())} rows",
            where=where,
            remedy="Project to T1 plus the horizon.",
        )
    risk = table[by_name["absrisk"]]
    return {risk_column(float(year)): risk.where(years == year) for year in np.unique(years)}


def _fractions(values: pd.Series, scale: Unit, name: str) -> Floats:
    numbers, wrong = as_numbers(read_years(values))
    if wrong.any():
        raise EvaluationError(
            f"{int(wrong.sum())} values are not numbers, the first at position "
            f"{int(np.argmax(wrong))}",
            where=name,
            remedy="Leave cells without a risk empty.",
        )
    risk = numbers / 100 if scale == "percent" else numbers
    outside = (risk < 0) | (risk > 1)
    if outside.any():
        raise EvaluationError(
            f"{int(outside.sum())} risks are outside 0 to 1, read as {scale}",
            where=name,
            remedy='Pass unit="percent" if 1.7 means 1.7%.',
        )
    return risk


def _refuse_repeated(found: pd.DataFrame, where: str) -> None:
    keys = [key for key in ("patient_id", "exam_id") if key in found.columns]
    if (twice := found.duplicated(keys)).any():
        raise ManifestError(
            f"{int(twice.sum())} rows repeat a {' and '.join(keys)}",
            where=where,
            remedy="Keep one row per exam.",
        )


def _finished(
    chosen: RiskFormat,
    table: pd.DataFrame,
    found: pd.DataFrame,
    names: list[str],
    scale: Unit,
    model: str | None,
) -> pd.DataFrame:
    told: list[ResultWarning] = []
    if not chosen.verified:
        text = f"the format {chosen.name} was not checked against a file of the tool"
        told.append(make_warning("format-unverified", text))
    if chosen.name == "brest-ai":
        text = "scores of BREST-AI rank women; they are not calibrated risks"
        told.append(make_warning("uncalibrated", text))
    if "risk_lifetime" in names and chosen.lifetime_to is not None:
        text = f"lifetime ends at age {chosen.lifetime_to:g}"
        told.append(make_warning("lifetime-end", text))
    if "age" in table.columns:
        age: Floats | None = as_numbers(table["age"])[0]
    else:
        age = None
    for name in names:
        if name != "risk_lifetime" and chosen.name != "brest-ai":
            text = doubt_risks(found[name].to_numpy(dtype=float), float(name[5:-1]), age) or ""
            if text:
                told.append(make_warning("units-suspected", f"{name}: {text}"))
                break
    is_ours = chosen.name == "mammorisk"
    kept_name = table["model"] if is_ours and "model" in table else chosen.model
    found.insert(len(found.columns) - len(names), "model", kept_name if model is None else model)
    result = found.copy()
    result["warnings"], result["warning_codes"] = join_text(told), join_codes(told)
    if is_ours:
        result = _with_the_rest(result, table, names, scale)
    result.attrs = {
        "format": chosen.name,
        "unit": scale,
        "source": chosen.source,
        "verified": chosen.verified,
    }
    return result


def _with_the_rest(
    result: pd.DataFrame, table: pd.DataFrame, names: list[str], scale: Unit
) -> pd.DataFrame:
    """Add the other columns of a table of this package: limits, earlier warnings, features."""
    for name in table.columns:
        if name in ("warnings", "warning_codes"):
            separator = "; " if name == "warnings" else ","
            both = table[name].fillna("").astype(str) + separator + result[name]
            result[name] = both.str.strip(separator)
        elif any(name in (f"{one}_lower", f"{one}_upper") for one in names):
            result[name] = _fractions(table[name], scale, name)
        elif name not in result.columns:
            result[name] = table[name]
    return result
