"""ViewSets: the sets of views for which a fitted model may use the images of an exam."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mammorisk.inputs.exam_set import TOKENS_PER_EXAM, ExamSet
from mammorisk.records.exam import STANDARD_VIEWS
from mammorisk.warnings import ResultWarning, make_warning

#: Range of the median ratio of the risk from some views to the risk from all views. In other women
#: it should lie within 0.95 to 1.05; the margin is for the error in the validation part.
MEDIAN_RANGE = (0.96, 1.04)
#: Range of the ratio of the mean risks; in other women within 0.93 to 1.07.
MEAN_RANGE = (0.94, 1.06)
#: Range that must contain the ratio of most women if one view is missing, and this share.
ONE_MISSING_RANGE, ONE_MISSING_SHARE = (0.75, 1.33), 0.9


@dataclass(frozen=True, kw_only=True)
class ViewSets:
    """How well the risk from some views of an exam agrees with the risk from all views.

    Attributes
    ----------
    usable : tuple of int
        Sets of views with which the images are used. Bit k stands for standard view k.
    agreement : dict of int to dict
        By set: ``median`` ratio of the five-year risks, ratio of the ``mean`` risks, and ``share``
        of women with a ratio from 0.75 to 1.33.
    """

    usable: tuple[int, ...]
    agreement: dict[int, dict[str, float]]

    @classmethod
    def measure(
        cls,
        risks: dict[int, NDArray[np.float64]],
        whole: NDArray[np.float64],
        weight: NDArray[np.float64],
        common: tuple[int, ...],
    ) -> ViewSets:
        """Compare the risks from sets of views with those from all views.

        Parameters
        ----------
        risks : dict of int to ndarray of shape (n,)
            Five-year risk of the same women from each set of views.
        whole : ndarray, shape (n,)
            Five-year risk from all views.
        weight : ndarray, shape (n,)
            Sampling weights.
        common : tuple of int
            Sets that are frequent among the training exams. They are usable in any case.
        """
        agreement: dict[int, dict[str, float]] = {}
        agreeing = set()
        for views, risk in risks.items():
            ratio = risk / whole
            inside = (ratio >= ONE_MISSING_RANGE[0]) & (ratio <= ONE_MISSING_RANGE[1])
            found = {
                "median": _weighted_median(ratio, weight),
                "mean": float((weight * risk).sum() / (weight * whole).sum()),
                "share": float(np.average(inside, weights=weight)),
            }
            agreement[views] = found
            one_missing = views.bit_count() == TOKENS_PER_EXAM - 1
            if (
                MEDIAN_RANGE[0] <= found["median"] <= MEDIAN_RANGE[1]
                and MEAN_RANGE[0] <= found["mean"] <= MEAN_RANGE[1]
                and (found["share"] >= ONE_MISSING_SHARE or not one_missing)
            ):
                agreeing.add(views)
        # The two breasts are alike: a set is usable only if its mirror image agrees too.
        usable = {v for v in agreeing if _mirrored(v) in agreeing or _mirrored(v) not in risks}
        return cls(usable=tuple(sorted(usable | set(common))), agreement=agreement)

    def objection(self, exams: ExamSet, row: int, model: str) -> ResultWarning | None:
        """Return the reason for not using the images of an exam that lacks views."""
        there = exams.present[row, :TOKENS_PER_EXAM]
        views = int((there * 2 ** np.arange(TOKENS_PER_EXAM)).sum())
        if not views or views in self.usable:
            return None
        names = [name for name, one in zip(STANDARD_VIEWS, there, strict=True) if one]
        text = (
            f"the images were not used by {model}: the risk from {', '.join(names)} alone was not "
            "shown to agree with the risk from all views"
        )
        return make_warning("incomplete-exam", text)

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes as JSON types."""
        return {
            "usable": list(self.usable),
            "agreement": {str(views): found for views, found in self.agreement.items()},
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> ViewSets:
        """The inverse of :meth:`to_dict`."""
        return cls(
            usable=tuple(int(views) for views in data["usable"]),
            agreement={int(views): dict(found) for views, found in data["agreement"].items()},
        )


def _mirrored(views: int) -> int:
    """The same views of the other breast."""
    right, left = views & 0b0101, views & 0b1010
    return right << 1 | left >> 1


def _weighted_median(values: NDArray[np.float64], weight: NDArray[np.float64]) -> float:
    order = np.argsort(values)
    cumulative = np.cumsum(weight[order])
    return float(values[order][np.searchsorted(cumulative, cumulative[-1] / 2)])
