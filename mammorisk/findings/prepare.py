"""PreparedView: what the search for lesions keeps of a view."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from mammorisk.errors import ExamError
from mammorisk.findings.anatomy import ViewAnatomy, find_anatomy
from mammorisk.findings.base import Detector, ViewInput
from mammorisk.findings.findings import FoundView
from mammorisk.findings.plot import small_picture
from mammorisk.imaging.quality import check_view
from mammorisk.imaging.segmented_view import SegmentedView
from mammorisk.records.exam import Exam
from mammorisk.warnings import Warnings, make_warning

#: Quality findings of views that are not searched.
_NO_BREAST = {"no-breast", "not-a-breast"}
#: Quality findings that one view alone does not decide.
_OF_THE_EXAM = {"view-doubtful"}


@dataclass(frozen=True, kw_only=True)
class PreparedView:
    """What the search keeps of a view. The full pixels are not part of it.

    Attributes
    ----------
    seen : FoundView
    pixels : ViewInput or None
        None if the view shows no breast.
    anatomy : ViewAnatomy or None
    warnings : tuple of ResultWarning
    pixel_digest : str or None
    """

    seen: FoundView
    pixels: ViewInput | None = field(repr=False)
    anatomy: ViewAnatomy | None = field(repr=False)
    warnings: Warnings = ()
    pixel_digest: str | None = None

    @property
    def calcifications_searched(self) -> bool:
        """Whether there is an input for the search of calcifications."""
        return self.pixels is not None and self.pixels.calcifications_searched


def check_exam(exam: Exam) -> None:
    """Raise an error for an exam that is not to be searched.

    Raises
    ------
    ExamError
        The header states a man.
    """
    if exam.patient_sex == "M":
        raise ExamError(
            "PatientSex (0010,0040) is M: the detectors are for women",
            remedy="Correct the header if it is wrong.",
        )


def prepare(
    seen: SegmentedView, detector: Detector, quality: Warnings | None = None
) -> PreparedView:
    """Prepare a segmented view for the search.

    Parameters
    ----------
    seen : SegmentedView
    detector : Detector
    quality : tuple of ResultWarning, optional
        What :func:`mammorisk.imaging.quality.check_view` finds, if it is known.

    Returns
    -------
    PreparedView
    """
    view = seen.view
    quality = tuple(check_view(seen)) if quality is None else quality
    told = [one for one in quality if one.code not in _OF_THE_EXAM]
    unusable = any(one.code in _NO_BREAST for one in told)
    pixels: ViewInput | None = None if unusable else detector.prepare(seen)
    if pixels is not None:
        # What the detector says of a fact is more specific.
        own = {one.code for one in pixels.warnings}
        told = [*(one for one in told if one.code not in own), *pixels.warnings]
    elif not unusable:
        text = "pixel spacing unknown: the view was not searched"
        told = [one for one in told if one.code != "spacing-unknown"]
        told.append(make_warning("spacing-unknown", text))
    rows, columns = view.rows, view.columns
    if seen.turn.quarters % 2:
        rows, columns = columns, rows
    return PreparedView(
        seen=FoundView(
            name=view.name,
            laterality=view.laterality.value,
            position=view.position,
            rows=rows,
            columns=columns,
            pixel_mm=view.pixel_mm,
            dicom=view.dicom,
            turn=seen.turn,
            picture=small_picture(seen.image, seen.mask.breast),
            chest_wall=seen.mask.chest_wall,
        ),
        pixels=pixels,
        anatomy=None if pixels is None else find_anatomy(seen),
        warnings=tuple(replace(one, view=view.name) for one in told),
        pixel_digest=seen.pixel_digest,
    )
