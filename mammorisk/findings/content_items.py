"""Content items of DICOM structured reports, and references between them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pydicom.dataset import Dataset

from mammorisk.io.dicom_document import image_reference
from mammorisk.records.dicom_source import DicomSource


class Code(NamedTuple):
    """A coded concept: value, coding scheme and meaning."""

    value: str
    scheme: str
    meaning: str

    def item(self) -> Dataset:
        """The code as an item of a sequence."""
        made = Dataset()
        made.CodeValue = self.value
        made.CodingSchemeDesignator = self.scheme
        made.CodeMeaning = self.meaning
        return made


def container(
    name: Code, children: Iterable[Dataset], *, relationship: str | None = "CONTAINS"
) -> Dataset:
    """A CONTAINER; the root has no relationship."""
    made = _item("CONTAINER", relationship, name, children)
    made.ContinuityOfContent = "SEPARATE"
    return made


def code(relationship: str, name: Code, value: Code, children: Iterable[Dataset] = ()) -> Dataset:
    """A CODE."""
    made = _item("CODE", relationship, name, children)
    made.ConceptCodeSequence = [value.item()]
    return made


def text(relationship: str, name: Code, value: str) -> Dataset:
    """A TEXT."""
    made = _item("TEXT", relationship, name)
    made.TextValue = value
    return made


def number(relationship: str, name: Code, value: str, unit: Code) -> Dataset:
    """A NUM; the value is written as it is given."""
    made = _item("NUM", relationship, name)
    measured = Dataset()
    measured.NumericValue = value
    measured.MeasurementUnitsCodeSequence = [unit.item()]
    made.MeasuredValueSequence = [measured]
    return made


def date(relationship: str, name: Code, value: str) -> Dataset:
    """A DATE as ``YYYYMMDD``."""
    made = _item("DATE", relationship, name)
    made.Date = value
    return made


def image(source: DicomSource, children: Iterable[Dataset] = ()) -> Dataset:
    """An IMAGE without a concept name."""
    made = _item("IMAGE", "CONTAINS", None, children)
    made.ReferencedSOPSequence = [image_reference(source)]
    return made


def coordinates(
    relationship: str,
    name: Code,
    kind: str,
    points: Sequence[tuple[float, float]],
    children: Iterable[Dataset] = (),
) -> Dataset:
    """A SCOORD.

    Parameters
    ----------
    kind : {"POINT", "POLYLINE"}
    points : sequence of (float, float)
        Column and row; the upper left corner of the first pixel is (0, 0).
    """
    made = _item("SCOORD", relationship, name, children)
    made.GraphicType = kind
    made.GraphicData = [float(value) for point in points for value in point]
    return made


def reference(relationship: str, path: Sequence[int]) -> Dataset:
    """An item by reference: the numbers of an item and its ancestors, from the root, from 1."""
    made = Dataset()
    made.RelationshipType = relationship
    made.ReferencedContentItemIdentifier = list(path)
    return made


def _item(
    kind: str, relationship: str | None, name: Code | None, children: Iterable[Dataset] = ()
) -> Dataset:
    made = Dataset()
    if relationship is not None:
        made.RelationshipType = relationship
    made.ValueType = kind
    if name is not None:
        made.ConceptNameCodeSequence = [name.item()]
    below = list(children)
    if below:
        made.ContentSequence = below
    return made
