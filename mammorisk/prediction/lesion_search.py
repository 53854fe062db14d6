"""Search for lesions in the views that are read for a prediction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from mammorisk.errors import CohortError, MammoriskError
from mammorisk.findings.api import DEFAULT
from mammorisk.findings.registry import open_detector
from mammorisk.findings.search_error import search_error
from mammorisk.warnings import Warnings, make_warning

if TYPE_CHECKING:
    from pathlib import Path

    from mammorisk.findings.base import Detector
    from mammorisk.findings.prepare import PreparedView
    from mammorisk.imaging.segmented_view import SegmentedView
    from mammorisk.prediction.reading import ExamReading
    from mammorisk.records.cohort import Cohort
    from mammorisk.records.exam import View


def choose_detector(findings: bool | str | Path | Detector, cohort: Cohort) -> Detector | None:
    """The detector that was asked for. None if no search was.

    Parameters
    ----------
    findings : bool, str, path or Detector
        As in :func:`mammorisk.predict`.
    cohort : Cohort

    Raises
    ------
    CohortError
        The cohort has no images.
    UnknownModel, ModelError
        There is no such detector.
    """
    if findings is False:
        return None
    if not cohort.has_images:
        raise CohortError(
            "there are no images in which findings could be searched",
            where="findings",
            remedy="Pass an exam or a cohort with images, and no embeddings.",
        )
    return open_detector(DEFAULT if findings is True else findings)


def prepare_lesions(
    seen: SegmentedView, detector: Detector, quality: Warnings | None = None
) -> PreparedView | MammoriskError:
    """Prepare a segmented view for the search.

    Parameters
    ----------
    seen : SegmentedView
    detector : Detector
    quality : tuple of ResultWarning, optional
        Quality findings of the view, if they are known.

    Returns
    -------
    PreparedView or MammoriskError
        An error is returned and not raised, because it does not concern the risk.
    """
    from mammorisk.findings.prepare import prepare

    try:
        return prepare(seen, detector, quality)
    except Exception as error:  # noqa: BLE001
        return search_error(error)


def read_lesions(view: View, detector: Detector) -> PreparedView | MammoriskError:
    """Read a view for the search alone. An error is returned and not raised."""
    from mammorisk.imaging.segmented_view import segment_view

    try:
        seen = segment_view(view, digest=True)
    except Exception as error:  # noqa: BLE001
        return search_error(error)
    return prepare_lesions(seen, detector)


def with_findings(reading: ExamReading, detector: Detector) -> ExamReading:
    """Search the prepared views of an exam, and replace them by its findings.

    Parameters
    ----------
    reading : ExamReading
    detector : Detector

    Returns
    -------
    ExamReading
        With findings, or the error that prevented them. Neither if there is no exam.
    """
    from mammorisk.findings.prepare import check_exam
    from mammorisk.findings.search import search

    exam = reading.searched if reading.exam is None else reading.exam
    if exam is None:
        return replace(reading, findings=reading.error)
    try:
        check_exam(exam)
        found = search(_usable(reading.lesion_views), detector, warnings=exam.single_warnings())
    except Exception as error:  # noqa: BLE001
        return replace(reading, lesion_views={}, findings=search_error(error))
    return replace(reading, lesion_views={}, findings=found)


def unsearched_warnings(reading: ExamReading) -> Warnings:
    """Why an exam was not searched. Empty if it was, without a search, and without an exam.

    Parameters
    ----------
    reading : ExamReading

    Returns
    -------
    tuple of ResultWarning
    """
    error = reading.findings
    exam = reading.searched if reading.exam is None else reading.exam
    # An exam that cannot be opened has a warning of its own.
    if exam is None or not isinstance(error, MammoriskError):
        return ()
    view = error.where if error.where in exam.views else None
    return (make_warning("lesions-not-searched", f"lesions not searched: {error.what}", view=view),)


def _usable(views: Mapping[str, PreparedView | MammoriskError]) -> dict[str, PreparedView]:
    usable = {}
    for name, one in views.items():
        if isinstance(one, MammoriskError):
            raise one
        usable[name] = one
    return usable
