"""View and Exam: the records of a mammographic examination."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from mammorisk.errors import ViewMissing
from mammorisk.records.acquisition import Acquisition
from mammorisk.warnings import ResultWarning, Warnings, make_warning, merge_views

if TYPE_CHECKING:
    from mammorisk.records.stored_image import RawImage


class Laterality(StrEnum):
    """Side of the breast; DICOM ImageLaterality (0020,0062)."""

    LEFT = "L"
    RIGHT = "R"


class ImageKind(StrEnum):
    """How an image came about."""

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


#: The four views of a screening exam, in the order used wherever an order is needed.
STANDARD_VIEWS: tuple[str, ...] = ("R-CC", "L-CC", "R-MLO", "L-MLO")


@dataclass(frozen=True, kw_only=True)
class View:
    """One mammographic image: what its header says, and how to get its pixels.

    Attributes
    ----------
    laterality : Laterality
    position : str
        View name after DICOM CID 4014: ``"CC"``, ``"MLO"``, ``"ML"``, ``"LM"``, ``"XCCL"`` ...
    kind : ImageKind
    intent : Intent
    source : str
        Name of the file, relative to the folder or list the user gave.
    rows, columns : int
        Size of the stored image in pixels.
    pixel_mm : float or None
        Pixel spacing in the breast in mm; None when the file does not tell.
    modifiers : tuple of str
        View modifiers after DICOM CID 4015 (``"spot compression"`` ...).
    implant, partial : bool or None
        BreastImplantPresent (0028,1300), PartialView (0028,1350); None = not stated.
    chest_wall : {"left", "right"} or None
        Image edge at which the chest wall lies according to PatientOrientation (0020,0020).
    burned_in : bool or None
        BurnedInAnnotation (0028,0301).
    acquisition : Acquisition
    acquired_at : str or None
        Opaque sortable key (AcquisitionDate and time), used only to find the latest of several
        images of a view; never printed.
    warnings : tuple of ResultWarning
        What a reader of the result should know about this image.
    load : callable
        Returns the stored pixels and how to turn them into display grey levels.
    digest : callable or None
        Returns a digest of the file's content, by which results of work on it can be kept.
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
    chest_wall: str | None = None
    burned_in: bool | None = None
    acquisition: Acquisition = field(default_factory=Acquisition)
    acquired_at: str | None = field(default=None, repr=False)
    warnings: Warnings = ()
    digest: Callable[[], str] | None = field(default=None, repr=False, compare=False)

    @property
    def name(self) -> str:
        """Side and view, as in ``"L-MLO"``."""
        return f"{self.laterality.value}-{self.position}"

    def with_warnings(self, *warnings: ResultWarning) -> View:
        """The same view with further warnings."""
        return replace(self, warnings=(*self.warnings, *warnings))


@dataclass(frozen=True, kw_only=True)
class SetAside:
    """A file that was read but not used, and why.

    Attributes
    ----------
    source : str
        Name of the file as the user gave it.
    reason : str
        Holds no name of a file.
    is_image : bool
        False for files that are no images at all; these make no warning.
    """

    source: str
    reason: str
    is_image: bool = True


@dataclass(frozen=True, kw_only=True, repr=False)
class Exam:
    """The views of one examination, at most one of each name.

    Attributes
    ----------
    views : dict of str to View
        Keyed by ``"R-CC"``, ``"L-CC"``, ``"R-MLO"``, ``"L-MLO"``.
    set_aside : tuple of SetAside
        Images that were found but not used, with the reason.
    age_years : float or None
        PatientAge (0010,1010) at the exam, when plausible.
    patient_sex : {"F", "M", "O"} or None
        PatientSex (0010,0040).
    warnings : tuple of ResultWarning
        About the exam as a whole; those of a view stand in the view.
    """

    views: dict[str, View]
    set_aside: tuple[SetAside, ...] = ()
    age_years: float | None = None
    patient_sex: str | None = None
    warnings: Warnings = ()

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
        """Warnings of the exam, of its views and of images that were set aside, each fact once."""
        return merge_views(self.single_warnings(), len(self))

    def single_warnings(self) -> list[ResultWarning]:
        """The same with one record for each view."""
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
