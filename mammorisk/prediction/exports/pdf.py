"""A result as one page of PDF (A4), also within a DICOM file."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydicom.dataset import Dataset

from mammorisk._utils.style import BLUE, NOTICE
from mammorisk.io.dicom_document import (
    MANUFACTURER,
    check_sources,
    image_reference,
    patient_and_study,
)
from mammorisk.prediction.exports.content import (
    interval_words,
    model_words,
    notes,
    outcome_words,
    stated_risks,
)
from mammorisk.prediction.exports.document_uids import document_uid, series_uid
from mammorisk.prediction.exports.page import NO_RISK
from mammorisk.prediction.policy_result import marks
from mammorisk.prediction.prediction_html import density_text
from mammorisk.records.dicom_source import DicomSource

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ENCAPSULATED_PDF = "1.2.840.10008.5.1.4.1.1.104.1"
_SERIES_NUMBER = 9017
_A4_INCHES = (8.27, 11.69)
_LEFT, _TOP, _BOTTOM = 0.09, 0.94, 0.06
#: Sizes of the notes in points, from the largest that fits the page.
_NOTE_SIZES = (9.0, 8.0, 7.0, 6.0, 5.0)


def pdf_bytes(result: Mapping[str, Any]) -> bytes:
    """Return the page as a PDF file: the same bytes for the same result."""
    buffer = io.BytesIO()
    # Without a date of its own, so that the same result has the same bytes.
    about = {"Title": "Breast cancer risk", "Creator": MANUFACTURER, "CreationDate": None}
    result_figure(result).savefig(buffer, format="pdf", metadata=about)
    return buffer.getvalue()


def result_figure(result: Mapping[str, Any]) -> Figure:
    """Draw the page. Without a risk it has the reason, and no number.

    Parameters
    ----------
    result : mapping
        As :meth:`mammorisk.Prediction.to_dict` returns it.
    """
    from matplotlib.backends.backend_pdf import FigureCanvasPdf
    from matplotlib.figure import Figure

    figure = Figure(figsize=_A4_INCHES)
    FigureCanvasPdf(figure)
    page = _Page(figure)
    page.line("Breast cancer risk", size=20, weight="bold", gap=1.6)
    page.box(NOTICE)
    page.heading(f"Risk of {outcome_words(result)}")
    page.text(model_words(result), size=10)
    page.text(density_text(result["density"]), size=10)
    risks = stated_risks(result)
    if risks:
        page.table(
            ["from the exam", "absolute risk", "interval" if result["interval"] else ""],
            [
                (
                    risk.period,
                    f"{risk.digits}%",
                    "" if risk.lower is None else f"{risk.lower}% to {risk.upper}%",
                )
                for risk in risks
            ],
        )
    else:
        page.heading(NO_RISK)
    _policy(page, result["policy"])
    interval = [f"{interval_words(result)}."] if result["interval"] else []
    page.notes([*notes(result), *interval, *_provenance(result)])
    return figure


def encapsulated_pdf(
    result: Mapping[str, Any], sources: Sequence[DicomSource], *, identity: bool = False
) -> Dataset:
    """Build the page as a DICOM Encapsulated PDF.

    Parameters
    ----------
    result, sources, identity
        As in :func:`mammorisk.prediction.exports.sr.sr_dataset`.

    Raises
    ------
    OutputError
        There are no DICOM images, or they are of several studies.
    """
    check_sources(sources)
    content = pdf_bytes(result)
    dataset = patient_and_study(sources, identity)
    dataset.SOPClassUID = ENCAPSULATED_PDF
    dataset.SOPInstanceUID = document_uid("pdf", result, sources, identity)
    dataset.SeriesInstanceUID = series_uid("pdf", result, sources)
    dataset.SeriesNumber, dataset.InstanceNumber = _SERIES_NUMBER, 1
    dataset.Modality, dataset.ConversionType = "DOC", "WSD"
    dataset.Manufacturer, dataset.ManufacturerModelName = MANUFACTURER, result["model"][:64]
    dataset.SoftwareVersions = result["provenance"]["software"]
    dataset.ContentDate = result["created_utc"][:10].replace("-", "")
    dataset.ContentTime = result["created_utc"][11:19].replace(":", "")
    dataset.TimezoneOffsetFromUTC = "+0000"
    dataset.AcquisitionDateTime = ""
    dataset.BurnedInAnnotation = "NO"
    dataset.DocumentTitle = "Breast cancer risk"
    dataset.ConceptNameCodeSequence = []
    dataset.SourceInstanceSequence = [image_reference(source) for source in sources]
    dataset.MIMETypeOfEncapsulatedDocument = "application/pdf"
    dataset.EncapsulatedDocumentLength = len(content)
    dataset.EncapsulatedDocument = content + b"\0" * (len(content) % 2)
    return dataset


def _policy(page: _Page, policy: Mapping[str, Any] | None) -> None:
    if policy is None:
        return
    page.heading(policy["title"])
    page.text(f"{policy['label']} ({policy['category']}): {policy['modality'] or 'no action'}.")
    page.text(f"Reason: {policy['reason']}. {policy['notice']}")
    for mark in marks(policy):
        page.text(f"! {mark}")


def _provenance(result: Mapping[str, Any]) -> list[str]:
    digests = result["provenance"]["sha256"]
    return [
        f"Computed {result['created_utc']}. Result key {result['key']}.",
        *(f"SHA-256 of {name}: {digests[name]}" for name in ("weights", "config") if digests[name]),
        f"Calibration {result['provenance']['calibration']}. "
        f"Training data: {result['provenance']['training_data']}.",
        "Preliminary: not verified by a physician.",
    ]


class _Page:
    """Text from the top of a page to its bottom."""

    def __init__(self, figure: Any) -> None:
        self.figure = figure
        self.y = _TOP

    def _write(self, place: float, text: str, **look: Any) -> None:
        # Texts of warnings and policies can contain "$", which would start a formula.
        self.figure.text(place, self.y, text, va="top", parse_math=False, **look)

    def line(
        self, text: str, *, size: float = 10, weight: str = "normal", gap: float = 1.4
    ) -> None:
        self._write(_LEFT, text, size=size, weight=weight)
        self.y -= gap * _height(size)

    def heading(self, text: str) -> None:
        self.y -= 0.9 * _height(12)
        for part in textwrap.wrap(text, _characters(13)):
            self.line(part, size=12, weight="bold", gap=1.6)

    def text(self, text: str, *, size: float = 10) -> None:
        for part in textwrap.wrap(text, _characters(size)):
            self.line(part, size=size)

    def box(self, text: str) -> None:
        look = {"facecolor": "#fff3cd", "edgecolor": "none", "pad": 5}
        self._write(_LEFT, text, size=11, bbox=look)
        self.y -= 2.2 * _height(11)

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        places = (_LEFT, 0.30, 0.47)
        self.y -= 0.4 * _height(11)
        for place, text in zip(places, head, strict=True):
            self._write(place, text, size=9, color="#444444")
        self.y -= 1.5 * _height(9)
        from matplotlib.lines import Line2D

        self.figure.add_artist(Line2D([_LEFT, 0.91], [self.y] * 2, color=BLUE, linewidth=1.5))
        self.y -= 0.4 * _height(11)
        for row in rows:
            for place, text in zip(places, row, strict=True):
                self._write(place, text, size=12)
            self.y -= 1.6 * _height(12)

    def notes(self, texts: Sequence[str]) -> None:
        """Write notes in the largest size in which all of them fit the page."""
        self.heading("Notes")
        for size in _NOTE_SIZES:
            lines = [
                part
                for text in texts
                for part in textwrap.wrap(f"- {text}", _characters(size), subsequent_indent="  ")
            ]
            if self.y - 1.4 * _height(size) * len(lines) >= _BOTTOM:
                break
        for part in lines:
            self.line(part, size=size)


def _height(size: float) -> float:
    """Height of a font as a share of the page."""
    return size / 72 / _A4_INCHES[1]


def _characters(size: float) -> int:
    """Number of characters of a font that fit the width of the page."""
    return int((1 - 2 * _LEFT) * _A4_INCHES[0] * 72 / (0.52 * size))
