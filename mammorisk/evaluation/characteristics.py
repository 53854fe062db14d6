"""Characteristics of women with and without cancer: the numbers of Table 1."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mammorisk._utils.typing import Floats
from mammorisk.errors import EvaluationError
from mammorisk.records.alignment import Aligned
from mammorisk.records.questionnaire_fields import CATEGORIES

Mask = NDArray[np.bool_]

#: Columns that do not describe women.
_NOT_FEATURES = {
    *("patient_id", "exam_id", "prior_exam_id", "exam_date", "path", "prior_path", "time"),
    *("event", "entry", "weight", "frequency_weight", "split", "file_path", "matched_set"),
}
#: Categories of more levels than this are left out unless they are asked for.
_MOST_LEVELS = 12

#: Names of questionnaire fields in a table for readers.
LABELS: dict[str, str] = {
    "age": "Age, years",
    "race_ethnicity": "Race and ethnicity",
    "menopausal_status": "Menopausal status",
    "age_menarche": "Age at menarche, years",
    "age_menopause": "Age at menopause, years",
    "menopause_type": "Type of menopause",
    "parity": "Number of births",
    "age_first_birth": "Age at first birth, years",
    "height_cm": "Height, cm",
    "weight_kg": "Weight, kg",
    "bmi": "Body mass index, kg/m²",
    "hrt_use": "Menopausal hormone therapy",
    "hrt_type": "Type of hormone therapy",
    "oral_contraceptive": "Oral contraceptives",
    "alcohol_g_per_day": "Alcohol, g per day",
    "biopsies": "Number of breast biopsies",
    "atypical_hyperplasia": "Atypical hyperplasia",
    "lcis": "Lobular carcinoma in situ",
    "benign_breast_disease": "Benign breast disease",
    "first_degree_relatives": "First-degree relatives with breast cancer",
    "brca": "BRCA1/2",
    "ashkenazi": "Ashkenazi ancestry",
    "ovarian_cancer": "Ovarian cancer",
    "breast_density": "Breast density (BI-RADS)",
    "last_mammogram": "Last mammogram",
    "prior_breast_cancer": "Prior breast cancer",
    "site": "Site",
    "vendor": "Vendor",
}


@dataclass(frozen=True, kw_only=True)
class _Structural:
    """A field that does not apply to some women."""

    given_by: str
    absent_for: tuple[object, ...]


#: A woman without births has no age at first birth, and so on.
STRUCTURAL: dict[str, _Structural] = {
    "age_first_birth": _Structural(given_by="parity", absent_for=(0,)),
    "age_menopause": _Structural(given_by="menopausal_status", absent_for=("pre", "peri")),
    "menopause_type": _Structural(given_by="menopausal_status", absent_for=("pre", "peri")),
    "hrt_type": _Structural(given_by="hrt_use", absent_for=("never",)),
    "atypical_hyperplasia": _Structural(given_by="biopsies", absent_for=(0,)),
}


def not_applicable(table: pd.DataFrame, name: str) -> Mask:
    """Rows whose cell is empty because the question does not apply to the woman."""
    rule = STRUCTURAL.get(name)
    if rule is None or rule.given_by not in table.columns:
        return np.zeros(len(table), dtype=bool)
    empty = table[name].isna().to_numpy()
    return empty & table[rule.given_by].isin(rule.absent_for).to_numpy(dtype=bool)


def choose_features(
    table: pd.DataFrame, chosen: Sequence[str] | Mapping[str, str] | None
) -> dict[str, str]:
    """Columns of Table 1 with their labels.

    Parameters
    ----------
    table : DataFrame
    chosen : sequence of str, or dict of str to str, optional
        Columns, or columns with labels. Default: numbers, and categories of few levels.

    Raises
    ------
    EvaluationError
        A column does not exist.
    """
    if chosen is None:
        return {name: LABELS.get(name, name) for name in _features(table)}
    names = [chosen] if isinstance(chosen, str) else list(chosen)
    if unknown := [name for name in names if name not in table.columns]:
        raise EvaluationError(
            f"the cohort has no column {', '.join(map(repr, unknown))}",
            where="characteristics",
            remedy=f"It has: {', '.join(map(str, table.columns[:40]))}.",
        )
    own = chosen if isinstance(chosen, Mapping) else {}
    return {name: own.get(name) or LABELS.get(name, name) for name in names}


def _features(table: pd.DataFrame) -> list[str]:
    found = []
    for name in table.columns:
        if name in _NOT_FEATURES or not isinstance(name, str):
            continue
        values = table[name].dropna()
        if len(values) == 0:
            continue
        if is_number(values) or values.astype(str).nunique() <= _MOST_LEVELS:
            found.append(name)
    return found


def is_number(values: pd.Series) -> bool:
    """Whether a column is summarised by its mean: numbers with more than two distinct values."""
    numeric = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    return bool(numeric and values.nunique() > 2)


def characteristics_table(
    aligned: Aligned, year: float, features: Mapping[str, str]
) -> pd.DataFrame:
    """Features of all women, of those with cancer by the horizon, and of the others.

    Parameters
    ----------
    aligned : Aligned
    year : float
        Horizon.
    features : dict of str to str
        Columns with their labels.

    Returns
    -------
    DataFrame
        One row a feature, level and group: ``feature``, ``label``, ``level`` (of a category;
        ``"missing"``, ``"not applicable"``), ``group`` (``"all"``, ``"cancer"``, ``"no
        cancer"``), ``statistic`` (``"mean"`` or ``"share"``), ``value`` with sampling weights,
        ``sd``, ``n`` (exams with that level, or with a number), ``of`` (exams that the share is
        of) and ``standardised_difference`` between cancer and no cancer. Means and shares are of
        women to whom the question applies and whose answer is known; the share of missing is of
        women to whom it applies.
    """
    outcome, table = aligned.outcome, aligned.table
    case = outcome.is_case(year)
    groups = {"all": np.ones(len(case), bool), "cancer": case, "no cancer": ~case}
    rows: list[dict[str, object]] = []
    for name, label in features.items():
        values = table[name]
        absent = not_applicable(table, name)
        missing = values.isna().to_numpy() & ~absent
        known = ~(absent | missing)
        head: dict[str, object] = {"feature": name, "label": label}
        if is_number(values):
            numbers = values.to_numpy(dtype=float, na_value=np.nan)
            difference = _difference_of_means(numbers, outcome.weight, case & known, ~case & known)
            for group, inside in groups.items():
                there = inside & known
                mean, sd = _moments(numbers[there], outcome.weight[there])
                rows.append(
                    head
                    | {"level": "", "group": group, "statistic": "mean", "value": mean, "sd": sd}
                    | {"n": int(there.sum()), "of": int(there.sum())}
                    | {"standardised_difference": difference}
                )
        else:
            levels = _levels(name, values)
            codes = {
                level: (values == level).fillna(False).to_numpy(dtype=bool) for level in levels
            }
            shares = {
                group: np.array(
                    [_share(has, inside & known, outcome.weight) for has in codes.values()]
                )
                for group, inside in groups.items()
            }
            difference = _difference_of_shares(shares["cancer"], shares["no cancer"])
            for k, (level, has) in enumerate(codes.items()):
                for group, inside in groups.items():
                    rows.append(
                        head
                        | {"level": _words(level), "group": group, "statistic": "share"}
                        | {"value": float(shares[group][k]), "n": int((has & inside).sum())}
                        | {"of": int((inside & known).sum())}
                        | {"standardised_difference": difference}
                    )
        for level, which, among in (
            ("missing", missing, ~absent),
            ("not applicable", absent, np.ones(len(case), bool)),
        ):
            if not which.any():
                continue
            for group, inside in groups.items():
                rows.append(
                    head
                    | {"level": level, "group": group, "statistic": "share"}
                    | {"value": _share(which, inside & among, outcome.weight)}
                    | {"n": int((which & inside).sum()), "of": int((inside & among).sum())}
                )
    return pd.DataFrame(rows)


def _levels(name: str, values: pd.Series) -> list[object]:
    """Levels in the order of the field or the category, or sorted; for yes or no, only yes."""
    levels = list(values.dropna().unique())
    known = CATEGORIES.get(name, ())
    if isinstance(values.dtype, pd.CategoricalDtype) and values.dtype.ordered:
        levels = [one for one in values.dtype.categories if one in levels]
    else:
        levels = sorted(
            levels, key=lambda one: (known.index(one) if one in known else len(known), str(one))
        )
    if set(levels) <= {True, False} and True in levels:
        levels = [True]
    return levels


def _words(level: object) -> str:
    if isinstance(level, (bool, np.bool_)):
        return "yes" if level else "no"
    if isinstance(level, float) and level.is_integer():
        return str(int(level))
    return str(level).replace("_", " ")


def _moments(values: Floats, weights: Floats) -> tuple[float, float]:
    if not weights.sum() > 0:
        return math.nan, math.nan
    mean, n = float(np.average(values, weights=weights)), int((weights > 0).sum())
    if n < 2:
        return mean, math.nan
    variance = float(np.average((values - mean) ** 2, weights=weights))
    return mean, math.sqrt(variance * n / (n - 1))


def _share(has: Mask, among: Mask, weights: Floats) -> float:
    total = float(weights[among].sum())
    return float(weights[has & among].sum()) / total if total > 0 else math.nan


def _difference_of_means(values: Floats, weights: Floats, first: Mask, second: Mask) -> float:
    a, b = _moments(values[first], weights[first]), _moments(values[second], weights[second])
    spread = math.sqrt((a[1] ** 2 + b[1] ** 2) / 2)
    return (a[0] - b[0]) / spread if spread > 0 else math.nan


def _difference_of_shares(first: Floats, second: Floats) -> float:
    """Standardised difference of a category; for several levels that of Yang and Dalton 2012.

    For two levels it has the sign of the difference; for more it is a distance without a sign.
    """
    if not (np.isfinite(first).all() and np.isfinite(second).all()) or len(first) == 0:
        return math.nan
    if len(first) == 1 or (len(first) == 2 and np.isclose(first.sum(), 1)):
        one, other = float(first[-1]), float(second[-1])
        spread = math.sqrt((one * (1 - one) + other * (1 - other)) / 2)
        return (one - other) / spread if spread > 0 else math.nan
    # The last share is determined by the others.
    a, b = first[:-1], second[:-1]
    covariance = (np.diag(a) - np.outer(a, a) + np.diag(b) - np.outer(b, b)) / 2
    apart = a - b
    return math.sqrt(max(float(apart @ np.linalg.pinv(covariance) @ apart), 0.0))


def table_one(characteristics: pd.DataFrame, sizes: Mapping[str, int]) -> pd.DataFrame:
    """Table 1 as text: mean (SD) of numbers, n (%) of categories.

    Parameters
    ----------
    characteristics : DataFrame
        Result of :func:`characteristics_table`.
    sizes : dict of str to int
        Number of exams of each group.

    Returns
    -------
    DataFrame
        ``characteristic``, ``level``, ``all``, ``cancer``, ``no cancer`` and
        ``standardised difference``.
    """
    rows: list[dict[str, object]] = [
        {"characteristic": "Exams", "level": "", **{name: f"{n:,}" for name, n in sizes.items()}}
    ]
    if len(characteristics):
        grouped = characteristics.groupby(["feature", "level"], sort=False)
        told: set[str] = set()
        for (feature, level), part in grouped:
            first = part.iloc[0]
            head = str(first["label"])
            if first["statistic"] == "mean":
                head += ", mean (SD)"
            row: dict[str, object] = {
                "characteristic": "" if feature in told else head,
                "level": level if feature in told or first["statistic"] != "mean" else "",
            }
            for _, one in part.iterrows():
                row[one["group"]] = _cell(one)
            difference = first.get("standardised_difference")
            if feature not in told and difference is not None and not math.isnan(difference):
                row["standardised difference"] = f"{difference:.2f}"
            told.add(str(feature))
            rows.append(row)
    columns = ["characteristic", "level", *sizes, "standardised difference"]
    return pd.DataFrame(
        [{column: row.get(column, "") for column in columns} for row in rows], columns=columns
    )


def _cell(one: pd.Series) -> str:
    if one["statistic"] == "mean":
        if math.isnan(one["value"]):
            return ""
        sd = "" if math.isnan(one["sd"]) else f" ({one['sd']:.1f})"
        return f"{one['value']:.1f}{sd}"
    return f"{one['n']:,} ({100 * one['value']:.1f}%)" if one["of"] else "0"


def missing_table(aligned: Aligned, features: Mapping[str, str]) -> pd.DataFrame:
    """Missing values of features and risks.

    Returns
    -------
    DataFrame
        ``column``, ``missing``, ``not_applicable`` (exams) and ``share``: missing among exams to
        which the column applies.
    """
    rows = []
    for name in features:
        absent = int(not_applicable(aligned.table, name).sum())
        missing = int(aligned.table[name].isna().sum()) - absent
        rows.append(_missing_row(name, missing, absent, len(aligned.table)))
    for model, risks in aligned.risks.items():
        gone = int(risks.isna().all(axis=1).sum())
        rows.append(_missing_row(f"risk of {model}", gone, 0, len(risks)))
    return pd.DataFrame(rows)


def _missing_row(name: str, missing: int, absent: int, n: int) -> dict[str, object]:
    share = missing / (n - absent) if n > absent else math.nan
    return {"column": name, "missing": missing, "not_applicable": absent, "share": share}
