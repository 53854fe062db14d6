"""TrainingOrigin: where the exams of the training came from, by their headers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mammorisk.inputs.exam_set import ExamSet


@dataclass(frozen=True, kw_only=True)
class TrainingOrigin:
    """What headers said of the exams that a model was trained on.

    An exam from a manufacturer that was not in the training is outside the domain, whatever its
    pixels look like. So is one without a manufacturer (a picture, a digitised film) where every
    exam of the training named one.

    Attributes
    ----------
    manufacturers : tuple of str
        As in :class:`~mammorisk.Acquisition`.
    has_unnamed : bool
        Whether some exams of the training did not name a manufacturer.
    has_implants : bool
        Whether some exams of the training showed an implant.
    """

    manufacturers: tuple[str, ...]
    has_unnamed: bool = False
    has_implants: bool = False

    @classmethod
    def of(cls, exams: ExamSet, rows: Sequence[int]) -> TrainingOrigin:
        """The origin of some exams of a set."""
        named = [_manufacturers(exams, row) for row in rows if exams.present[row].any()]
        return cls(
            manufacturers=tuple(sorted({name for names in named for name in names})),
            has_unnamed=any(not names for names in named),
            has_implants=bool(exams.implant[list(rows)].any()),
        )

    def objection(self, exams: ExamSet, row: int) -> str:
        """Why an exam is outside by its header; empty where there is no reason."""
        names = _manufacturers(exams, row)
        if not names and not self.has_unnamed:
            return "the images do not name a manufacturer, as those of the training did"
        strange = sorted(names - set(self.manufacturers))
        if strange:
            return f"the manufacturer {', '.join(strange)} is not in the training data"
        if exams.implant[row] and not self.has_implants:
            return "there is an implant, and none is in the training data"
        return ""

    def to_dict(self) -> dict[str, Any]:
        """The attributes as plain JSON types."""
        return {
            "manufacturers": list(self.manufacturers),
            "has_unnamed": self.has_unnamed,
            "has_implants": self.has_implants,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> TrainingOrigin:
        """The inverse of :meth:`to_dict`."""
        return cls(
            manufacturers=tuple(str(name) for name in data["manufacturers"]),
            has_unnamed=bool(data["has_unnamed"]),
            has_implants=bool(data["has_implants"]),
        )


def _manufacturers(exams: ExamSet, row: int) -> set[str]:
    """Manufacturers of the views of an exam; the prior exam is left out."""
    start = row * exams.tokens
    own = exams.acquisitions[start : start + min(exams.tokens, 4)]
    return {one.manufacturer for one in own if one is not None and one.manufacturer}
