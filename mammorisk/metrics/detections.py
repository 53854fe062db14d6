"""Detections: marks of a detector compared with the lesions of the same views."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from mammorisk._utils.typing import Floats
from mammorisk.errors import EvaluationError

if TYPE_CHECKING:
    import pandas as pd

#: When a mark counts as a hit.
Hit = Literal["centre", "iou"]
#: What a mark on a lesion that is not among the targets counts as.
Elsewhere = Literal["false_positive", "ignore"]
#: Unit in which lesions are counted.
Per = Literal["view", "lesion"]

_VIEW = ["patient_id", "exam_id", "view"]
_CENTRE = ["row_mm", "col_mm"]
_BOX = ["row_min_px", "row_max_px", "col_min_px", "col_max_px"]


@dataclass(frozen=True, kw_only=True)
class HitRule:
    """When a mark hits a lesion.

    Attributes
    ----------
    hit : {"centre", "iou"}
    minimum_radius_mm : float
    minimum_iou : float
    elsewhere : {"false_positive", "ignore"}
    """

    hit: Hit = "centre"
    minimum_radius_mm: float = 5.0
    minimum_iou: float = 0.2
    elsewhere: Elsewhere = "false_positive"


@dataclass(frozen=True, kw_only=True, eq=False)
class Detections:
    """Marks of a detector compared with lesions. :func:`match_detections` makes it.

    Attributes
    ----------
    views : DataFrame
        The views given, with ``breast`` (laterality), ``score`` (highest mark, minus infinity
        without a mark) and ``has_lesion`` (any lesion, target or not).
    lesions : DataFrame
        Target lesions, one row per lesion and view, with ``at`` (row of ``views``) and ``score``
        (highest mark on the lesion, minus infinity if it was missed).
    false_positives : DataFrame
        Marks that hit no lesion: ``at`` and ``score``.
    rule : HitRule

    See Also
    --------
    match_detections
    froc_table : Measures of detection by type, size or density.
    """

    views: pd.DataFrame = field(repr=False)
    lesions: pd.DataFrame = field(repr=False)
    false_positives: pd.DataFrame = field(repr=False)
    rule: HitRule
    _all_lesions: pd.DataFrame = field(repr=False)
    _marks: pd.DataFrame = field(repr=False)

    def of_type(self, name: str) -> Detections:
        """Compare the marks of one type with the lesions of that type."""
        marks = self._marks[_typed(self._marks, "found") == name]
        is_type = _typed(self._all_lesions, "lesions") == name
        lesions = self._all_lesions.assign(is_target=self._all_lesions["is_target"] & is_type)
        return replace(_matched(self.views, lesions, marks, self.rule), _marks=self._marks)

    def take_lesions(self, kept: NDArray[np.bool_]) -> Detections:
        """Keep some of the target lesions. Marks on the others are neither hits nor false."""
        return replace(self, lesions=self.lesions[np.asarray(kept, dtype=bool)])

    def take_views(self, kept: NDArray[np.bool_]) -> Detections:
        """Keep some of the views, with their lesions and marks."""
        inside = np.asarray(kept, dtype=bool)
        place = np.cumsum(inside) - 1

        def taken(table: pd.DataFrame) -> pd.DataFrame:
            there: pd.DataFrame = table[inside[table["at"].to_numpy()]]
            moved: pd.DataFrame = there.assign(at=place[there["at"].to_numpy()])
            return moved

        return replace(
            self,
            views=self.views[inside].reset_index(drop=True),
            lesions=taken(self.lesions),
            false_positives=taken(self.false_positives),
            _all_lesions=taken(self._all_lesions),
            _marks=taken(self._marks),
        )

    @property
    def is_target(self) -> NDArray[np.bool_]:
        """Whether each view shows a target lesion."""
        found = np.zeros(len(self.views), dtype=bool)
        found[self.lesions["at"].to_numpy()] = True
        return found

    def breast_scores(self) -> pd.DataFrame:
        """One row per breast of an exam, for the metrics of reader studies.

        Returns
        -------
        DataFrame
            ``patient_id``, ``exam_id``, ``laterality``, ``score`` (highest mark; below all marks
            without one), ``has_target``, ``has_lesion``.
        """
        table = self.views[["patient_id", "exam_id", "breast", "score", "has_lesion"]]
        table = table.assign(has_target=self.is_target)
        made = table.groupby(["patient_id", "exam_id", "breast"], sort=False, as_index=False).max()
        made["score"] = below_all(made["score"].to_numpy())
        renamed: pd.DataFrame = made.rename(columns={"breast": "laterality"})
        return renamed

    def __repr__(self) -> str:
        women = self.views["patient_id"].nunique()
        return (
            f"<Detections: {len(self.views)} views of {women} women, {len(self.lesions)} lesions "
            f"in views, {int(np.isfinite(self.lesions['score']).sum())} marked, "
            f"{len(self.false_positives)} false positives>"
        )


def match_detections(
    views: pd.DataFrame,
    lesions: pd.DataFrame,
    found: pd.DataFrame,
    *,
    type: str | None = None,
    targets: NDArray[np.bool_] | None = None,
    hit: Hit = "centre",
    minimum_radius_mm: float = 5.0,
    minimum_iou: float = 0.2,
    elsewhere: Elsewhere = "false_positive",
) -> Detections:
    """Compare the marks of a detector with the lesions of the same views.

    Parameters
    ----------
    views : DataFrame
        Every view that was searched: ``patient_id``, ``exam_id``, ``view`` (such as ``"L-CC"``).
        Further columns (density, vendor) can define groups.
    lesions : DataFrame
        One row per lesion and view: the columns of a view, and ``row_mm``, ``col_mm``,
        ``radius_mm``, or the box ``row_min_px``, ``row_max_px``, ``col_min_px``, ``col_max_px``
        with ``hit="iou"``. A table with ``laterality`` may have ``view`` as ``"CC"``.
        ``lesion_id`` is needed to count lesions instead of lesions in views; ``type``,
        ``size_mm`` and further columns can define groups.
    found : DataFrame
        Marks: the columns of a view, ``score``, and ``row_mm``, ``col_mm`` or the box.
    type : str, optional
        Compare only marks and lesions of this ``type``. By default the type is not considered.
    targets : array_like of bool, shape (n_lesions,), optional
        The lesions to be found, such as the malignant ones. By default all.
    hit : {"centre", "iou"}
        ``"centre"``: the centre of the mark is not farther from the centre of the lesion than its
        radius. ``"iou"``: intersection over union of the boxes.
    minimum_radius_mm : float
        Smaller lesions are hit up to this distance.
    minimum_iou : float
    elsewhere : {"false_positive", "ignore"}
        What a mark on a lesion of another type, or on one that is no target, counts as.

    Returns
    -------
    Detections

    Raises
    ------
    EvaluationError
        Columns are missing, lengths or scores are not finite, a view is given twice, or a lesion
        or mark is in a view that was not searched.

    See Also
    --------
    froc_curve : Sensitivity over false positives.
    froc_table : Measures of detection by type, size or density.

    Notes
    -----
    A mark belongs to one lesion, the nearest one that it hits; targets come first. A lesion has the
    highest score of its marks. Further marks on it are not false positives.

    References
    ----------
    Bunch 1978, doi 10.1117/12.955926 (free-response); Chakraborty 2013, doi
    10.1016/j.acra.2013.03.001.

    Examples
    --------
    >>> from mammorisk.metrics import example_findings, match_detections
    >>> views, lesions, found = example_findings()
    >>> match_detections(views, lesions, found)
    <Detections: 800 views of 200 women, 160 lesions in views, 148 marked, 1156 false positives>
    """
    if hit not in ("centre", "iou"):
        raise EvaluationError(f"{hit!r} is not a known kind of hit", where="hit")
    if elsewhere not in ("false_positive", "ignore"):
        raise EvaluationError(f"{elsewhere!r} is not a known choice", where="elsewhere")
    rule = HitRule(
        hit=hit,
        minimum_radius_mm=minimum_radius_mm,
        minimum_iou=minimum_iou,
        elsewhere=elsewhere,
    )
    places = _CENTRE if hit == "centre" else _BOX
    radius = ["radius_mm"] if hit == "centre" else []
    seen = _with_names(views, "views", [])
    if seen.duplicated(subset=_VIEW).any():
        raise EvaluationError("a view is given twice", where="views")
    searched = _with_names(lesions, "lesions", [*places, *radius])
    marks = _with_names(found, "found", ["score", *places])
    seen["breast"] = seen["view"].astype(str).str.partition("-")[0]
    for name, table in (("lesions", searched), ("found", marks)):
        table["at"] = _rows_of(table, seen, name)
    seen["has_lesion"] = np.bincount(searched["at"], minlength=len(seen)) > 0
    wanted = np.ones(len(searched), dtype=bool) if targets is None else np.asarray(targets)
    if wanted.shape != (len(searched),) or wanted.dtype != bool:
        raise EvaluationError(
            f"there must be one boolean for each of the {len(searched)} lesions", where="targets"
        )
    searched["is_target"] = wanted
    made = _matched(seen, searched, marks, rule)
    return made if type is None else made.of_type(type)


def below_all(score: Floats) -> Floats:
    """Scores with minus infinity replaced by a number below all others."""
    finite = score[np.isfinite(score)]
    lowest = float(finite.min()) - 1.0 if finite.size else 0.0
    return np.where(np.isfinite(score), score, lowest)


def _matched(
    views: pd.DataFrame,
    lesions: pd.DataFrame,
    marks: pd.DataFrame,
    rule: HitRule,
) -> Detections:
    score = marks["score"].to_numpy(dtype=np.float64)
    target = lesions["is_target"].to_numpy(dtype=bool)
    owner = _owners(lesions, marks, rule, target)
    best = np.full(len(lesions), -np.inf)
    np.maximum.at(best, owner[owner >= 0], score[owner >= 0])
    is_false = owner < 0
    if rule.elsewhere == "false_positive":
        is_false[~is_false] = ~target[owner[~is_false]]
    highest = np.full(len(views), -np.inf)
    np.maximum.at(highest, marks["at"].to_numpy(), score)
    return Detections(
        views=views.assign(score=highest),
        lesions=lesions.assign(score=best)[target],
        false_positives=marks.loc[is_false, ["at", "score"]].reset_index(drop=True),
        rule=rule,
        _all_lesions=lesions,
        _marks=marks,
    )


def _owners(
    lesions: pd.DataFrame, marks: pd.DataFrame, rule: HitRule, target: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Position of the lesion that each mark belongs to, or -1."""
    import pandas as pd

    owner = np.full(len(marks), -1, dtype=np.int64)
    pairs = pd.DataFrame({"at": marks["at"].to_numpy(), "mark": np.arange(len(marks))}).merge(
        pd.DataFrame({"at": lesions["at"].to_numpy(), "lesion": np.arange(len(lesions))}), on="at"
    )
    mark, lesion = pairs["mark"].to_numpy(), pairs["lesion"].to_numpy()
    if rule.hit == "centre":
        a = marks[_CENTRE].to_numpy(dtype=np.float64)[mark]
        b = lesions[_CENTRE].to_numpy(dtype=np.float64)[lesion]
        radius = lesions["radius_mm"].to_numpy(dtype=np.float64)[lesion]
        allowed = np.maximum(radius, rule.minimum_radius_mm)
        apart = np.hypot(*(a - b).T) / allowed
        is_hit = apart <= 1.0
    else:
        overlap = _iou(
            marks[_BOX].to_numpy(dtype=np.float64)[mark],
            lesions[_BOX].to_numpy(dtype=np.float64)[lesion],
        )
        apart = 1.0 - overlap
        is_hit = overlap >= rule.minimum_iou
    mark, lesion, apart = mark[is_hit], lesion[is_hit], apart[is_hit]
    # The last assignment remains: the nearest target, or else the nearest other lesion.
    order = np.lexsort((-apart, target[lesion]))
    owner[mark[order]] = lesion[order]
    return owner


def _iou(first: Floats, second: Floats) -> Floats:
    top, left = (np.maximum(first[:, k], second[:, k]) for k in (0, 2))
    bottom, right = (np.minimum(first[:, k], second[:, k]) for k in (1, 3))
    common = np.clip(bottom - top, 0, None) * np.clip(right - left, 0, None)
    areas = [(box[:, 1] - box[:, 0]) * (box[:, 3] - box[:, 2]) for box in (first, second)]
    total = areas[0] + areas[1] - common
    return np.asarray(common / np.where(total > 0, total, 1.0))


def _typed(table: pd.DataFrame, where: str) -> pd.Series:
    if "type" not in table.columns:
        raise EvaluationError("the table has no column type", where=where)
    return table["type"]


def _with_names(table: pd.DataFrame, where: str, numbers: list[str]) -> pd.DataFrame:
    """A copy with full names of views, whose numbers are finite."""
    lacking = [name for name in (*_VIEW, *numbers) if name not in table.columns]
    if lacking:
        raise EvaluationError(
            f"the table has no column {', '.join(lacking)}",
            where=where,
            remedy="Lengths in mm need the pixel spacing; without it use hit='iou'."
            if set(lacking) & {*_CENTRE, "radius_mm"}
            else None,
        )
    made = table.reset_index(drop=True)
    if "laterality" in made.columns:
        short = ~made["view"].astype(str).str.contains("-")
        full = made["laterality"].astype(str) + "-" + made["view"].astype(str)
        made["view"] = made["view"].where(~short, full)
    for name in numbers:
        values = made[name].to_numpy(dtype=np.float64)
        if not np.isfinite(values).all():
            raise EvaluationError(
                f"{int((~np.isfinite(values)).sum())} values of {name} are missing or infinite",
                where=where,
            )
    return made


def _rows_of(table: pd.DataFrame, views: pd.DataFrame, where: str) -> NDArray[np.int64]:
    import pandas as pd

    index = pd.MultiIndex.from_frame(views[_VIEW].astype(str))
    rows = index.get_indexer(pd.MultiIndex.from_frame(table[_VIEW].astype(str)))
    if (rows < 0).any():
        raise EvaluationError(
            f"{int((rows < 0).sum())} rows are in a view that is not among the views searched",
            where=where,
            remedy="Give every view that was searched, also those without lesions.",
        )
    return np.asarray(rows, dtype=np.int64)
