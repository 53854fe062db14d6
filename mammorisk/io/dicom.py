"""Conversion of a DICOM header to a View, or to the reason why the image cannot be used."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydicom.dataset import Dataset

from mammorisk._utils.atomic_write import content_digest
from mammorisk.errors import PixelError, UnknownView, UnreadableDicom
from mammorisk.io.acquisition import read_acquisition
from mammorisk.io.dataset import items, quiet_pydicom, text, whole, yes_no
from mammorisk.io.greyscale import read_greyscale
from mammorisk.io.image_kind import (
    doubts_of_origin,
    has_contrast,
    intent_of,
    kind_of,
    modified,
    not_a_view,
)
from mammorisk.io.limits import Limits
from mammorisk.io.named_errors import call_named
from mammorisk.io.orientation import contradicts_side, read_field_of_view, read_orientation
from mammorisk.io.parsing import read_dataset
from mammorisk.io.patient import PatientFacts, read_patient
from mammorisk.io.pixels import (
    PixelPlace,
    check_pixel_data,
    check_size,
    check_syntax,
    load_pixels,
    syntax_of,
)
from mammorisk.io.source_header import read_source
from mammorisk.io.spacing import read_spacing
from mammorisk.io.syntaxes import is_lossy
from mammorisk.io.views import ViewName, view_of
from mammorisk.records.exam import ImageKind, Laterality, View
from mammorisk.warnings import ResultWarning, make_warning


@dataclass(frozen=True, kw_only=True)
class ReadImage:
    """An image that can be used for a view, and its links to other images. Never shown to a user.

    Attributes
    ----------
    view : View
    patient : PatientFacts
    instance : str
        SOPInstanceUID (0008,0018); empty for pictures.
    made_from : frozenset of str
        ReferencedSOPInstanceUID of SourceImageSequence (0008,2112).
    is_picture : bool
        Not a DICOM file.
    bits : int
        Bits of a grey level.
    """

    view: View
    patient: PatientFacts
    instance: str = ""
    made_from: frozenset[str] = field(default=frozenset(), repr=False)
    is_picture: bool = False
    bits: int = 16

    def __repr__(self) -> str:
        return f"<ReadImage {self.view.name}>"


def read_dicom(
    path: Path,
    source: str,
    limits: Limits,
    told: tuple[Laterality, str] | None = None,
) -> ReadImage | str:
    """Read the header of one file.

    Parameters
    ----------
    path : Path
    source : str
        Name of the file, for the view.
    limits : Limits
    told : tuple of (Laterality, str), optional
        Side and view as given by the user. Used if the header does not state them.

    Returns
    -------
    ReadImage
        An image that can be used for a view.
    str
        Reason why another image cannot be used.

    Raises
    ------
    UnreadableDicom, UnknownView, PixelError, UnsupportedSyntax, TooLarge
    """
    with quiet_pydicom():
        dataset, pixel_start = read_dataset(path, limits)
        # Read once here, because pydicom converts values and warns about them at the first access.
        named = text(dataset, "SOPClassUID") or text(dataset, "Modality")
        if not named and not _is_image(dataset):
            raise UnreadableDicom(
                "the file has no SOPClassUID, no Modality and no image: truncated, or not DICOM",
                remedy="Fetch the file again from the archive.",
            )
        reason = not_a_view(dataset)
        if reason is not None:
            return reason
        name = view_of(dataset)
        if told is not None:
            name = _completed(name, *told)
        if name.bilateral:
            return "laterality is B: both sides or a specimen"
        reason = modified(dataset, name)
        if reason is not None:
            return reason
        if name.position not in ("CC", "MLO", None):
            return f"{name.position} view, not one of the four"
        image = _image(dataset, name, path, source, limits, pixel_start)
        if pixel_start is not None:
            check_pixel_data(path, pixel_start, dataset)
        return image


def _is_image(dataset: Dataset) -> bool:
    return bool(whole(dataset, "Rows") and whole(dataset, "Columns"))


def _completed(name: ViewName, laterality: Laterality, position: str) -> ViewName:
    """Complete side and view of the header with those given by the user."""
    if name.bilateral or (name.laterality is not None and name.position is not None):
        return name
    return replace(
        name,
        laterality=name.laterality or laterality,
        position=name.position or position,
        warnings=(
            *name.warnings,
            make_warning(
                "view-as-given", "side or view as given by the user: the header does not state it"
            ),
        ),
    )


def _image(
    dataset: Dataset,
    name: ViewName,
    path: Path,
    source: str,
    limits: Limits,
    pixel_start: int | None,
) -> ReadImage:
    if name.laterality is None or name.position is None:
        lacking = [
            attribute
            for attribute, value in (
                ("ImageLaterality (0020,0062)", name.laterality),
                ("ViewCodeSequence (0054,0220) or ViewPosition (0018,5101)", name.position),
            )
            if value is None
        ]
        raise UnknownView(
            f"side and view cannot be determined: no usable {' and no usable '.join(lacking)}",
            remedy='Pass a mapping: read_exam({"L-CC": path, ...}).',
        )
    rows, columns = check_size(whole(dataset, "Rows"), whole(dataset, "Columns"), limits)
    syntax = syntax_of(dataset)
    check_syntax(syntax)
    photometric = (text(dataset, "PhotometricInterpretation") or "MONOCHROME2").upper()
    grey = photometric in ("MONOCHROME1", "MONOCHROME2")
    if not grey or whole(dataset, "SamplesPerPixel") not in (None, 1):
        raise PixelError(
            "PhotometricInterpretation (0028,0004) and SamplesPerPixel (0028,0002) are not those "
            "of a grey image",
            remedy="Export the image in greyscale.",
        )
    greyscale, grey_warnings = read_greyscale(dataset)
    kind = kind_of(dataset)
    pixel_mm, spacing_warning = read_spacing(dataset)
    orientation = read_orientation(dataset)
    turned = (
        None
        if orientation is None
        else contradicts_side(orientation, name.laterality, name.position)
    )
    patient = read_patient(dataset, is_film=kind is ImageKind.FILM)
    facts = [*grey_warnings, *_facts(dataset, name, kind, greyscale.bits_stored, syntax)]
    facts += [one for one in (spacing_warning, turned) if one is not None]
    full_name = f"{name.laterality.value}-{name.position}"
    place = PixelPlace.of(path, pixel_start, dataset)
    view = View(
        laterality=name.laterality,
        position=name.position,
        # partial instead of closures, because views are sent to other processes.
        load=functools.partial(
            call_named,
            full_name,
            source,
            functools.partial(load_pixels, path, greyscale, limits, place),
        ),
        source=source,
        rows=rows,
        columns=columns,
        kind=kind,
        intent=intent_of(dataset),
        pixel_mm=pixel_mm,
        modifiers=name.modifiers,
        implant=yes_no(dataset, "BreastImplantPresent"),
        partial=yes_no(dataset, "PartialView"),
        orientation=orientation,
        field_of_view=read_field_of_view(dataset),
        contrast=has_contrast(dataset),
        burned_in=yes_no(dataset, "BurnedInAnnotation"),
        acquisition=read_acquisition(dataset),
        acquired_at=_when(dataset),
        warnings=(*name.warnings, *facts, *patient.warnings),
        digest=functools.partial(
            call_named, full_name, source, functools.partial(content_digest, path)
        ),
        dicom=read_source(dataset, patient.day),
    )
    return ReadImage(
        view=view,
        patient=patient,
        instance=text(dataset, "SOPInstanceUID") or "",
        made_from=frozenset(
            uid
            for item in items(dataset, "SourceImageSequence")
            if (uid := text(item, "ReferencedSOPInstanceUID"))
        ),
        bits=greyscale.bits_stored,
    )


def _facts(
    dataset: Dataset, name: ViewName, kind: ImageKind, bits: int, syntax: str
) -> list[ResultWarning]:
    """Return warnings about this image from its header."""
    told = [
        make_warning("view-modifier", f"view modifier: {modifier}") for modifier in name.modifiers
    ]
    if yes_no(dataset, "BreastImplantPresent"):
        told.append(make_warning("implant"))
    if yes_no(dataset, "PartialView"):
        told.append(make_warning("partial-view"))
    if yes_no(dataset, "BurnedInAnnotation"):
        told.append(make_warning("burned-in-text", "burned-in annotation"))
    if kind is ImageKind.SYNTHETIC:
        told.append(make_warning("synthetic"))
    if has_contrast(dataset):
        told.append(make_warning("contrast-agent"))
    if bits <= 8:
        told.append(make_warning("eight-bit"))
    if is_lossy(syntax) or text(dataset, "LossyImageCompression") == "01":
        told.append(make_warning("lossy-compression"))
    if _executable_preamble(dataset):
        said = "the preamble looks like an executable program: do not run this file"
        told.append(make_warning("suspicious-preamble", said))
    return [*told, *doubts_of_origin(dataset)]


def _when(dataset: Dataset) -> str | None:
    day = text(dataset, "AcquisitionDate") or text(dataset, "ContentDate")
    day = day or text(dataset, "StudyDate") or ""
    time = text(dataset, "AcquisitionTime") or text(dataset, "ContentTime") or ""
    return f"{day} {time}" if day or time else None


def _executable_preamble(dataset: Dataset) -> bool:
    """Whether the preamble is that of a Windows or Linux program (CVE-2019-11687)."""
    preamble = getattr(dataset, "preamble", None) or b""
    return preamble.startswith((b"MZ", b"\x7fELF", b"#!"))
