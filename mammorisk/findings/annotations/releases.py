"""Annotations of public releases, as :mod:`mammorisk.datasets` reads them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mammorisk.errors import CohortError
from mammorisk.findings.annotated import AnnotatedCohort
from mammorisk.findings.annotations.coco import NAMES
from mammorisk.findings.annotations.marked import VIEW, annotated_cohort, box_of
from mammorisk.records.cohort import Cohort

_VINDR = {**NAMES, "suspicious calcification": "calcification"}
_CBIS = {"mass": "mass", "calc": "calcification", "distortion": "distortion",
         "asymmetry": "asymmetry"}  # fmt: skip
_INBREAST = {
    "mass": "mass",
    "cluster": "calcification",
    "distortion": "distortion",
    "asymmetry": "asymmetry",
    # As it is spelled in some files of the release.
    "assymetry": "asymmetry",
}
#: Names of single specks in INbreast.
_SPECKS = ("calcification", "calcifications")


def read_vindr(cohort: Cohort, annotations: pd.DataFrame) -> AnnotatedCohort:
    """Read the lesions of VinDr-Mammo.

    Parameters
    ----------
    cohort : Cohort
        ``mr.datasets.vindr_mammo(root)``.
    annotations : DataFrame
        ``mr.datasets.vindr_mammo.annotations(root)``.

    Returns
    -------
    AnnotatedCohort
        A finding of several categories has a row for each type. The release has no women: each
        exam counts as one.

    Raises
    ------
    CohortError
        The cohort has no images, or no exam is left.

    See Also
    --------
    read_cbis_ddsm, read_inbreast, read_coco
    mammorisk.fit : Fits a detector to the result.

    Examples
    --------
    >>> import mammorisk as mr
    >>> root = "vindr-mammo-1.0.0"
    >>> cohort = mr.datasets.vindr_mammo(root)  # doctest: +SKIP
    >>> marks = mr.datasets.vindr_mammo.annotations(root)  # doctest: +SKIP
    >>> mr.findings.read_vindr(cohort, marks)  # doctest: +SKIP
    """
    table = _table(annotations, ("categories", "x_min", "x_max", "y_min", "y_max"))
    unread = table.loc[table["categories"].isna(), VIEW]
    found = table[table["categories"].notna()].explode("categories")
    found = found[found["categories"].notna()]
    marks = found[VIEW].assign(
        finding=found["categories"].astype(str),
        birads=found["birads"] if "birads" in found.columns else None,
        **box_of(found["y_min"], found["y_max"], found["x_min"], found["x_max"]),
    )
    # Two kinds of asymmetry of one box are one finding.
    kinds = marks["finding"].str.lower().map(_VINDR).fillna(marks["finding"])
    marks = marks[~marks.assign(finding=kinds).drop(columns="birads").duplicated()]
    return annotated_cohort(cohort, marks, types=_VINDR, unread=_tuples(unread))


def read_cbis_ddsm(cohort: Cohort, annotations: pd.DataFrame) -> AnnotatedCohort:
    """Read the lesions of CBIS-DDSM.

    Parameters
    ----------
    cohort : Cohort
        ``mr.datasets.cbis_ddsm(root)``.
    annotations : DataFrame
        ``mr.datasets.cbis_ddsm.annotations(root, boxes=True)``: the boxes are those of the masks.

    Returns
    -------
    AnnotatedCohort
        With the pathology of each lesion. A "mass" whose shape is an architectural distortion or
        an asymmetry alone has that type.

    Raises
    ------
    CohortError
        The cohort has no images, a woman is in both parts of the split, or no exam is left.

    See Also
    --------
    read_vindr, read_inbreast, read_coco
    mammorisk.fit : Fits a detector to the result.

    Examples
    --------
    >>> import mammorisk as mr
    >>> root = "CBIS-DDSM"
    >>> cohort = mr.datasets.cbis_ddsm(root)  # doctest: +SKIP
    >>> marks = mr.datasets.cbis_ddsm.annotations(root, boxes=True)  # doctest: +SKIP
    >>> mr.findings.read_cbis_ddsm(cohort, marks)  # doctest: +SKIP
    """
    lacking = [name for name in ("row_min_px", "pathology") if name not in annotations.columns]
    if lacking:
        raise CohortError(
            f"the annotations have no column {', '.join(lacking)}",
            where="annotations",
            remedy="Read them with mr.datasets.cbis_ddsm.annotations(root, boxes=True).",
        )
    table = annotations.assign(exam_id=annotations["patient_id"] + "-" + annotations["split"])
    shape = table["shape"].fillna("").str.upper()
    kind = table["abnormality_type"].str.strip().str.lower().str.partition("ific")[0]
    is_mass = kind == "mass"
    kind = kind.mask(is_mass & (shape == "ARCHITECTURAL_DISTORTION"), "distortion")
    asymmetric = ("ASYMMETRIC_BREAST_TISSUE", "FOCAL_ASYMMETRIC_DENSITY")
    kind = kind.mask(is_mass & shape.isin(asymmetric), "asymmetry")
    marks = table[[*VIEW, "row_min_px", "row_max_px", "col_min_px", "col_max_px"]].assign(
        finding=kind,
        pathology=np.where(table["cancer"] == 1, "malignant", "benign"),
        birads=table["assessment"],
        shape=_words(table["shape"]),
        margin=_words(table["margins"]),
        morphology=_words(table["calc_type"]),
        distribution=_words(table["calc_distribution"]),
    )
    return annotated_cohort(cohort, marks, types=_CBIS)


def read_inbreast(cohort: Cohort, annotations: pd.DataFrame) -> AnnotatedCohort:
    """Read the lesions of INbreast.

    Parameters
    ----------
    cohort : Cohort
        ``mr.datasets.inbreast(root)``.
    annotations : DataFrame
        ``mr.datasets.inbreast.annotations(root)``.

    Returns
    -------
    AnnotatedCohort
        Clusters have the specks that were outlined within them. Specks outside of a cluster are
        left out. An image without a file of outlines has no lesion.

    Raises
    ------
    CohortError
        The cohort has no images, or no exam is left.

    See Also
    --------
    read_vindr, read_cbis_ddsm, read_coco
    mammorisk.fit : Fits a detector to the result.

    Notes
    -----
    The names of findings are not verified on the release. Unknown names are left out with a
    warning that lists them.

    Examples
    --------
    >>> import mammorisk as mr
    >>> root = "INbreast Release 1.0"
    >>> cohort = mr.datasets.inbreast(root)  # doctest: +SKIP
    >>> marks = mr.datasets.inbreast.annotations(root)  # doctest: +SKIP
    >>> mr.findings.read_inbreast(cohort, marks)  # doctest: +SKIP
    """
    if cohort.views is None:
        raise CohortError("the cohort has no images", remedy="Read it with images=True.")
    numbers = cohort.views["file_path"].str.rpartition("/")[2].str.partition("_")[0]
    views = cohort.views[VIEW].assign(file_name=numbers.astype(str))
    given = annotations[["file_name", "finding", "points", "problem"]]
    table = given.astype({"file_name": str}).merge(views, on="file_name", how="inner")
    unread = table.loc[table["problem"].notna(), VIEW]
    table = table[table["problem"].isna()].reset_index(drop=True)
    names = table["finding"].astype(str).str.strip().str.lower()
    corners = pd.DataFrame(
        [_corners(points) for points in table["points"]],
        columns=["x_min", "x_max", "y_min", "y_max"],
    )
    # A point is within its pixel: the box ends after it.
    box = box_of(
        corners["y_min"],
        np.floor(corners["y_max"]) + 1,
        corners["x_min"],
        np.floor(corners["x_max"]) + 1,
    )
    marks = table[VIEW].assign(finding=table["finding"].astype(str), **box)
    is_speck = names.isin(_SPECKS)
    specks = marks[is_speck].assign(
        row=(corners["y_min"] + corners["y_max"]) / 2, col=(corners["x_min"] + corners["x_max"]) / 2
    )
    inside = [_inside(row, specks) for row in marks[~is_speck].itertuples(index=False)]
    clustered = marks[~is_speck].copy()
    for name, axis in (("speck_rows_px", "row"), ("speck_cols_px", "col")):
        lists = [one[axis].tolist() for one in inside]
        clustered[name] = pd.Series(lists, index=clustered.index, dtype=object)
    return annotated_cohort(cohort, clustered, types=_INBREAST, unread=_tuples(unread))


def _table(annotations: pd.DataFrame, columns: tuple[str, ...]) -> pd.DataFrame:
    lacking = [name for name in (*VIEW, *columns) if name not in annotations.columns]
    if lacking:
        raise CohortError(
            f"the annotations have no column {', '.join(lacking)}",
            where="annotations",
            remedy="Read them with the annotations method of the release in mr.datasets.",
        )
    return annotations.reset_index(drop=True)


def _tuples(table: pd.DataFrame) -> list[tuple[str, ...]]:
    return [tuple(map(str, row)) for row in table.itertuples(index=False)]


def _words(column: pd.Series) -> pd.Series:
    return column.str.lower().str.replace("_", " ")


def _corners(points: tuple[tuple[float, float], ...] | None) -> tuple[float, ...]:
    if not points:
        return (np.nan,) * 4
    x, y = np.array(points, dtype=np.float64).T
    return float(x.min()), float(x.max()), float(y.min()), float(y.max())


def _inside(mark: object, specks: pd.DataFrame) -> pd.DataFrame:
    """Specks within the box of a cluster of the same view."""
    if str(getattr(mark, "finding", "")).strip().lower() != "cluster":
        return specks[:0]
    same = np.ones(len(specks), dtype=bool)
    for name in VIEW:
        same &= (specks[name] == getattr(mark, name)).to_numpy()
    top, bottom = getattr(mark, "row_min_px", 0), getattr(mark, "row_max_px", 0)
    left, right = getattr(mark, "col_min_px", 0), getattr(mark, "col_max_px", 0)
    within = specks["row"].between(top, bottom) & specks["col"].between(left, right)
    return specks[same & within.to_numpy()]
