"""View and Exam: records of a mammographic examination."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from mammorisk.errors import ViewMissing
from mammorisk.records.acquisition import Acquisition
from mammorisk.records.dicom_source import DicomSource
from mammorisk.warnings import ResultWarning, Warnings, make_warning, merge_views

if TYPE_CHECKING:
    from mammorisk.records.stored_image import RawImage


class Laterality(StrEnum):
    """Side of the breast: DICOM ImageLaterality (0020,0062)."""

    LEFT = "L"
    RIGHT = "R"


class ImageKind(StrEnum):
    """Kind of an image."""

    FFDM = "ffdm"
    SYNTHETIC = "synthetic"
    TOMOSYNTHESIS = "tomosynthesis"
    FILM = "film"
    UNKNOWN = "unknown"


class Intent(StrEnum):
    """DICOM PresentationIntentType (0008,0068)."""

    PRESENTATION = "for presentation"
    PROCESSING = "for processing"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class Orientation:
    """Directions of the rows and columns of a stored image: DICOM PatientOrientation (0020,0020).

    Attributes
    ----------
    rows, columns : str
        Letters of the direction from left to right, and from top to bottom: A anterior, P
        posterior, L left, R right, H head, F foot; the first letter counts most.

    Examples
    --------
    >>> from mammorisk.records.exam import Laterality, Orientation
    >>> stored = Orientation(rows="P", columns="HL")
    >>> stored.chest_wall, stored.turned(Laterality.LEFT, "MLO")
    ('right', 'half')
    """

    rows: str
    columns: str

    @property
    def chest_wall(self) -> str | None:
        """Image edge at which the chest wall lies; None if the directions do not determine it."""
        along_rows = {"P": "right", "A": "left"}.get(self.rows[:1])
        return along_rows or {"P": "bottom", "A": "top"}.get(self.columns[:1])

    def opposite(self) -> Orientation:
        """Return the directions after a rotation by 180 degrees."""
        swap = str.maketrans("APLRHF", "PARLFH")
        return Orientation(rows=self.rows.translate(swap), columns=self.columns.translate(swap))

    def turned(self, laterality: Laterality, position: str) -> str:
        """Return the rotation of the image relative to the usual display of a view.

        In the usual display the chest wall of a left breast is at the left edge and that of a right
        breast at the right edge. Lateral (CC) or cranial (MLO) parts are at the top.

        Returns
        -------
        str
            ``"not"``, ``"half"`` (by 180 degrees), ``"quarter"`` (by 90 degrees), ``"mirrored"``
            (no turn makes it fit the side), or ``"unknown"``.
        """
        if self.columns[:1] in ("A", "P"):
            return "quarter"
        if self.rows[:1] not in ("A", "P"):
            return "unknown"
        is_left = laterality is Laterality.LEFT
        has_its_wall = self.rows[:1] == ("A" if is_left else "P")
        medial, lateral = ("R", "L") if is_left else ("L", "R")
        down, across = self.columns[:1], self.columns[1:2]
        if down in ("F", "H"):
            # In an oblique view the direction towards the foot also leads to the middle of the
            # body.
            wanted = medial if down == "F" else lateral
            if position != "CC" and across in ("L", "R") and across != wanted:
                return "mirrored"
            is_upright = down == "F"
        elif down in ("L", "R"):
            is_upright = down == medial
        else:
            return "not" if has_its_wall else "unknown"
        if has_its_wall == is_upright:
            return "not" if is_upright else "half"
        return "mirrored"


@dataclass(frozen=True, kw_only=True)
class FieldOfView:
    """Rotation of a stored image relative to the detector.

    Attributes
    ----------
    rotation_deg : int
        FieldOfViewRotation (0018,7032): 0, 90, 180 or 270, clockwise.
    is_flipped : bool
        FieldOfViewHorizontalFlip (0018,7034), applied after the rotation.
    """

    rotation_deg: int
    is_flipped: bool

    def mirrors(self, other: FieldOfView) -> bool | None:
        """Whether left and right are exchanged between the two images; None if they differ by 90
        degrees."""
        apart = (self.rotation_deg - other.rotation_deg) % 360
        if apart in (90, 270):
            return None
        return (apart == 180) != (self.is_flipped != other.is_flipped)


#: The four views of a screening exam in their standard order.
STANDARD_VIEWS: tuple[str, ...] = ("R-CC", "L-CC", "R-MLO", "L-MLO")


@dataclass(frozen=True, kw_only=True)
class View:
    """One mammographic image: information from its header, and access to its pixels.

    Attributes
    ----------
    laterality : Laterality
    position : str
        View name by DICOM CID 4014: ``"CC"``, ``"MLO"``, ``"ML"``, ``"LM"``, ``"XCCL"`` ...
    kind : ImageKind
    intent : Intent
    source : str
        Name of the file, relative to the folder or list that the user gave. It may be an identity,
        so it is not part of any warning or message.
    rows, columns : int
        Size of the stored image in pixels.
    pixel_mm : float or None
        Pixel spacing in the breast in mm; None if the file does not state it.
    modifiers : tuple of str
        View modifiers by DICOM CID 4015 (``"spot compression"`` ...).
    implant, partial : bool or None
        BreastImplantPresent (0028,1300), PartialView (0028,1350); None = not stated.
    orientation : Orientation or None
        PatientOrientation (0020,0020).
    field_of_view : FieldOfView or None
    contrast : bool
        Whether contrast agent was given, by ContrastBolusAgent (0018,0010) or by descriptions.
    burned_in : bool or None
        BurnedInAnnotation (0028,0301).
    acquisition : Acquisition
    acquired_at : str or None
        Opaque sortable key (AcquisitionDate and time), used only to find the latest of several
        images of a view; never printed.
    warnings : tuple of ResultWarning
        Warnings about this image.
    load : callable
        Function that returns the stored pixels and their greyscale.
    digest : callable or None
        Function that returns a digest of the content of the file, used as a key of caches.
    dicom : DicomSource or None
        Identifiers to which a document about the image refers; None for a picture.

    See Also
    --------
    mammorisk.Exam : The views of one examination.
    mammorisk.Acquisition : The acquisition parameters of an image.

    Examples
    --------
    >>> import tempfile
    >>> import mammorisk as mr
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = mr.simulate(1, seed=1, out=f"{folder}/study", images="all", pixel_mm=1.0)
    ...     view = mr.read_cohort(f"{folder}/study").open_exam(0)["L-CC"]
    >>> view.rows, view.columns, view.pixel_mm
    (229, 191, 1.0)
    >>> view.laterality.value, view.position, view.chest_wall
    ('L', 'CC', 'left')
    """

    laterality: Laterality
    position: str
    load: Callable[[], RawImage] = field(repr=False, compare=False)
    source: str
    rows: int
    columns: int
    kind: ImageKind = ImageKind.UNKNOWN
    intent: Intent = Intent.UNKNOWN
    pixel_mm: float | None = None
    modifiers: tuple[str, ...] = ()
    implant: bool | None = None
    partial: bool | None = None
    orientation: Orientation | None = None
    field_of_view: FieldOfView | None = None
    contrast: bool = False
    burned_in: bool | None = None
    acquisition: Acquisition = field(default_factory=Acquisition)
    acquired_at: str | None = field(default=None, repr=False)
    warnings: Warnings = ()
    digest: Callable[[], str] | None = field(default=None, repr=False, compare=False)
    dicom: DicomSource | None = field(default=None, repr=False, compare=False)

    @property
    def name(self) -> str:
        """Side and view, as in ``"L-MLO"``."""
        return f"{self.laterality.value}-{self.position}"

    @property
    def chest_wall(self) -> str | None:
        """Image edge at which the chest wall lies according to the header; None if not stated."""
        return None if self.orientation is None else self.orientation.chest_wall


@dataclass(frozen=True, kw_only=True)
class SetAside:
    """A file that was read but not used, with the reason.

    Attributes
    ----------
    source : str
        Name of the file as the user gave it.
    reason : str
        Reason without the name of a file.
    is_image : bool
        False for files that are not images. They give no warning.
    """

    source: str
    reason: str
    is_image: bool = True


@dataclass(frozen=True, kw_only=True, repr=False)
class Exam:
    """Views of one examination, at most one of each name.

    Attributes
    ----------
    views : dict of str to View
        Keyed by ``"R-CC"``, ``"L-CC"``, ``"R-MLO"``, ``"L-MLO"``.
    set_aside : tuple of SetAside
        Images that were found but not used, with the reason.
    age_years : float or None
        PatientAge (0010,1010) at the exam, if plausible.
    patient_sex : {"F", "M", "O"} or None
        PatientSex (0010,0040).
    warnings : tuple of ResultWarning
        Warnings about the exam as a whole. Those about a view are in the view.
    prior : Exam or None
        An earlier exam of the woman among the given files.

    See Also
    --------
    mammorisk.read_exam : Reads an exam.
    mammorisk.View : One image of an exam.
    mammorisk.predict : Predicts the risk from an exam.

    Examples
    --------
    >>> import tempfile
    >>> import mammorisk as mr
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = mr.simulate(1, seed=1, out=f"{folder}/study", images="all", pixel_mm=1.0)
    ...     exam = mr.read_cohort(f"{folder}/study").open_exam(0)
    >>> [view.name for view in exam]
    ['R-CC', 'L-CC', 'R-MLO', 'L-MLO']
    >>> exam.age_years, exam.missing
    (44.0, ())
    """

    views: dict[str, View]
    set_aside: tuple[SetAside, ...] = ()
    age_years: float | None = None
    patient_sex: str | None = None
    warnings: Warnings = ()
    prior: Exam | None = None

    def __iter__(self) -> Iterator[View]:
        return (self.views[name] for name in STANDARD_VIEWS if name in self.views)

    def __len__(self) -> int:
        return len(self.views)

    def __getitem__(self, name: str) -> View:
        try:
            return self.views[name]
        except KeyError:
            raise ViewMissing(
                f"the exam has no {name} view; found {', '.join(self.views) or 'none'}",
                remedy=f"Views of an exam are {', '.join(STANDARD_VIEWS)}.",
            ) from None

    @property
    def missing(self) -> tuple[str, ...]:
        """Names of the standard views that are absent."""
        return tuple(name for name in STANDARD_VIEWS if name not in self.views)

    def __repr__(self) -> str:
        views = ", ".join(f"{view.name} {view.rows} x {view.columns}" for view in self)
        aside = f"; {len(self.set_aside)} set aside" if self.set_aside else ""
        return f"<Exam: {views or 'no views'}{aside}>"

    def all_warnings(self) -> Warnings:
        """Return the warnings of the exam, its views and images that were set aside, without
        duplicates."""
        return merge_views(self.single_warnings(), len(self))

    def single_warnings(self) -> list[ResultWarning]:
        """Return the same warnings with one record for each view."""
        aside = [
            make_warning("image-set-aside", f"an image was not used: {item.reason}")
            for item in self.set_aside
            if item.is_image
        ]
        of_views = [
            replace(one, view=view.name)
            for view in self
            for one in (*view.warnings, *view.acquisition.warnings)
        ]
        return [*self.warnings, *of_views, *aside]
