"""TrainingOrigin: manufacturers and implants of the training exams, by their headers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mammorisk.inputs.exam_set import TOKENS_PER_EXAM, ExamSet
from mammorisk.warnings import ResultWarning, make_warning


@dataclass(frozen=True, kw_only=True)
class TrainingOrigin:
    """Header information of the exams on which a model was trained.

    An exam from a manufacturer that was not in the training is outside the domain, whatever its
    pixels look like. An exam without a manufacturer (a picture, a digitised film) is also outside
    if every training exam named one.

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
        """Collect the origin of the exams in some rows of a set."""
        named = [_manufacturers(exams, row) for row in rows if exams.present[row].any()]
        return cls(
            manufacturers=tuple(sorted({name for names in named for name in names})),
            has_unnamed=any(not names for names in named),
            has_implants=bool(exams.implant[list(rows)].any()),
        )

    def objection(self, exams: ExamSet, row: int, model: str) -> ResultWarning | None:
        """Return the reason in the header for not using the images of an exam.

        Parameters
        ----------
        exams : ExamSet
        row : int
        model : str
            Name of the model, for the text.
        """
        names = _manufacturers(exams, row)
        strange = sorted(names - set(self.manufacturers))
        reason = None
        if strange:
            reason = f"the manufacturer {', '.join(strange)} is not in the training data"
        elif not names and not self.has_unnamed:
            reason = "they do not name a manufacturer, as those of the training did"
        elif exams.implant[row] and not self.has_implants:
            reason = "there is an implant, and none is in the training data"
        if reason is None:
            return None
        return make_warning("outside-domain", f"the images were not used by {model}: {reason}")

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes as JSON types."""
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
    """Manufacturers of the views of an exam, without the prior exam."""
    start = row * exams.tokens
    own = exams.acquisitions[start : start + min(exams.tokens, TOKENS_PER_EXAM)]
    return {one.manufacturer for one in own if one is not None and one.manufacturer}
