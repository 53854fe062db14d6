"""A DICOM header as a View, or the reason why its image is not one."""

from __future__ import annotations

import functools
import math
import re
from dataclasses import dataclass, replace
from pathlib import Path

from pydicom.dataset import Dataset

from mammorisk._utils.atomic_write import content_digest
from mammorisk.errors import PixelError, UnknownView, UnreadableDicom
from mammorisk.io.acquisition import read_acquisition
from mammorisk.io.dataset import items, numbers, quiet_pydicom, text, texts, whole
from mammorisk.io.dataset import yes_no as stated
from mammorisk.io.greyscale import read_greyscale
from mammorisk.io.limits import Limits
from mammorisk.io.parsing import read_dataset
from mammorisk.io.pixels import (
    check_pixel_data,
    check_size,
    check_syntax,
    load_pixels,
    syntax_of,
)
from mammorisk.io.views import (
    HARMLESS_MODIFIERS,
    ViewName,
    is_synthetic_name,
    view_of,
)
from mammorisk.records.exam import ImageKind, Intent, Laterality, SetAside, View
from mammorisk.warnings import ResultWarning, make_warning

_PROCESSING_CLASS = "1.2.840.10008.5.1.4.1.1.1.2.1"
_TOMOSYNTHESIS_CLASSES = (
    "1.2.840.10008.5.1.4.1.1.13.1.3",
    "1.2.840.10008.5.1.4.1.1.13.1.4",
    "1.2.840.10008.5.1.4.1.1.13.1.5",
)
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"

#: Above this estimated magnification an image is a magnification view.
MAGNIFICATION_LIMIT = 1.3

#: Ages outside this range are marks of de-identification, not ages at screening.
_PLAUSIBLE_AGES = (18.0, 110.0)


@dataclass(frozen=True, kw_only=True)
class DicomImage:
    """One DICOM file: its view, and what links it to others. Never shown to a user.

    Attributes
    ----------
    view : View
    patient, study : str
        PatientID (0010,0020), StudyInstanceUID (0020,000D); empty when not stated.
    instance : str
        SOPInstanceUID (0008,0018).
    made_from : frozenset of str
        ReferencedSOPInstanceUID of SourceImageSequence (0008,2112).
    age_years : float or None
    patient_sex : {"F", "M", "O"} or None
        PatientSex (0010,0040).
    """

    view: View
    patient: str
    study: str
    instance: str
    made_from: frozenset[str]
    age_years: float | None
    patient_sex: str | None

    def __repr__(self) -> str:
        return f"<DicomImage {self.view.source}>"


def read_dicom(
    path: Path,
    source: str,
    limits: Limits,
    told: tuple[Laterality, str] | None = None,
) -> DicomImage | SetAside:
    """Read the header of one file.

    Parameters
    ----------
    path : Path
    source : str
        Name for errors.
    limits : Limits
    told : tuple of (Laterality, str), optional
        Side and view as the user says; used where the header is silent.

    Returns
    -------
    DicomImage
        An image that can stand for a view.
    SetAside
        An image of another kind, with the reason.

    Raises
    ------
    UnreadableDicom, UnknownView, PixelError, UnsupportedSyntax, TooLarge
    """
    with quiet_pydicom():
        dataset, pixel_start = read_dataset(path, limits)
        # Read here once: pydicom converts values, and warns with them, on first sight.
        if not text(dataset, "SOPClassUID") and not text(dataset, "Modality"):
            raise UnreadableDicom(
                "the file has no SOPClassUID and no Modality: truncated, or not DICOM",
                where=source,
                remedy="Fetch the file again from the archive.",
            )
        reason = _not_a_view(dataset)
        if reason is not None:
            return SetAside(source=source, reason=reason)
        name = view_of(dataset)
        if told is not None:
            name = _completed(name, *told)
        if name.bilateral:
            return SetAside(source=source, reason="laterality is B: both sides or a specimen")
        modified = _modified(dataset, name)
        if modified is not None:
            return SetAside(source=source, reason=modified)
        if name.position not in ("CC", "MLO", None):
            return SetAside(source=source, reason=f"{name.position} view, not one of the four")
        image = _image(dataset, name, path, source, limits)
        if pixel_start is not None:
            check_pixel_data(path, pixel_start, dataset, source)
        return image


def _completed(name: ViewName, laterality: Laterality, position: str) -> ViewName:
    """What the header leaves open, as the user says."""
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


def _not_a_view(dataset: Dataset) -> str | None:
    modality = text(dataset, "Modality")
    if modality is not None and modality != "MG":
        # Modalities are codes of two or three letters, longer ones in radiotherapy; any other text
        # may be a name.
        shown = modality if re.fullmatch(r"[A-Z]{2,3}|RT[A-Z]{4,6}", modality) else "another"
        return f"Modality (0008,0060) is {shown}, not MG"
    image_class = text(dataset, "SOPClassUID") or ""
    frames = whole(dataset, "NumberOfFrames") or 1
    if image_class in _TOMOSYNTHESIS_CLASSES or frames > 1:
        return "tomosynthesis, not a 2-D view"
    words = [word.upper() for word in texts(dataset, "ImageType")]
    if any("STEREO" in word for word in words):
        return "stereo or biopsy image (ImageType)"
    if stated(dataset, "QualityControlImage"):
        return "quality-control image"
    if (text(dataset, "ViewPosition") or "").upper() == "FLATFIELD":
        return "quality-control image"
    return None


def _modified(dataset: Dataset, name: ViewName) -> str | None:
    """Why an image does not show a whole breast in its standard projection."""
    odd = [modifier for modifier in name.modifiers if modifier not in HARMLESS_MODIFIERS]
    if odd:
        return f"view modifier: {', '.join(odd)}"
    magnification = _first_number(dataset, "EstimatedRadiographicMagnificationFactor")
    if magnification is not None and magnification > MAGNIFICATION_LIMIT:
        return f"magnification view (factor {magnification:.2f})"
    return None


def _image(dataset: Dataset, name: ViewName, path: Path, source: str, limits: Limits) -> DicomImage:
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
            f"side and view cannot be told: no usable {' and no usable '.join(lacking)}",
            where=source,
            remedy='Say it yourself: read_exam({"L-CC": path, ...}).',
        )
    rows, columns = whole(dataset, "Rows"), whole(dataset, "Columns")
    check_size(rows, columns, source, limits)
    assert rows is not None
    assert columns is not None
    check_syntax(syntax_of(dataset), source)
    photometric = (text(dataset, "PhotometricInterpretation") or "MONOCHROME2").upper()
    grey = photometric in ("MONOCHROME1", "MONOCHROME2")
    if not grey or whole(dataset, "SamplesPerPixel") not in (None, 1):
        raise PixelError(
            "PhotometricInterpretation (0028,0004) and SamplesPerPixel (0028,0002) are not those "
            "of a grey image",
            where=source,
            remedy="Export the image in greyscale.",
        )
    greyscale, grey_warnings = read_greyscale(dataset)
    warnings = [*name.warnings, *grey_warnings]
    for modifier in name.modifiers:
        warnings.append(make_warning("view-modifier", f"view modifier: {modifier}"))
    implant, partial = stated(dataset, "BreastImplantPresent"), stated(dataset, "PartialView")
    burned_in = stated(dataset, "BurnedInAnnotation")
    kind = _kind(dataset)
    if implant:
        warnings.append(make_warning("implant"))
    if partial:
        warnings.append(make_warning("partial-view"))
    if burned_in:
        warnings.append(make_warning("burned-in-text", "burned-in annotation"))
    if kind is ImageKind.SYNTHETIC:
        warnings.append(make_warning("synthetic"))
    if _executable_preamble(dataset):
        said = "the preamble looks like a program: do not run this file"
        warnings.append(make_warning("suspicious-preamble", said))
    pixel_mm, spacing_warning = _spacing(dataset)
    if spacing_warning is not None:
        warnings.append(spacing_warning)
    acquisition = read_acquisition(dataset)

    view = View(
        laterality=name.laterality,
        position=name.position,
        # Not a closure: views must travel to other processes.
        load=functools.partial(load_pixels, path, greyscale, source, limits),
        source=source,
        rows=rows,
        columns=columns,
        kind=kind,
        intent=_intent(dataset),
        pixel_mm=pixel_mm,
        modifiers=name.modifiers,
        implant=implant,
        partial=partial,
        chest_wall=_chest_wall(dataset),
        burned_in=burned_in,
        acquisition=acquisition,
        acquired_at=_when(dataset),
        warnings=tuple(warnings),
        digest=functools.partial(content_digest, path),
    )
    return DicomImage(
        view=view,
        patient=text(dataset, "PatientID") or "",
        study=text(dataset, "StudyInstanceUID") or "",
        instance=text(dataset, "SOPInstanceUID") or "",
        made_from=frozenset(
            uid
            for item in items(dataset, "SourceImageSequence")
            if (uid := text(item, "ReferencedSOPInstanceUID"))
        ),
        age_years=_age(dataset),
        patient_sex=_sex(dataset),
    )


def _sex(dataset: Dataset) -> str | None:
    """PatientSex (0010,0040); None for any other value."""
    written = (text(dataset, "PatientSex") or "").strip().upper()
    return written if written in ("F", "M", "O") else None


def _first_number(dataset: Dataset, keyword: str) -> float | None:
    try:
        return next(iter(numbers(dataset, keyword)), None)
    except ValueError:
        return None


def _kind(dataset: Dataset) -> ImageKind:
    described = " ".join(
        [*texts(dataset, "ImageType")[2:], text(dataset, "SeriesDescription") or ""]
    )
    if is_synthetic_name(described):
        return ImageKind.SYNTHETIC
    if (text(dataset, "DetectorType") or "").upper() == "FILM":
        return ImageKind.FILM
    if (text(dataset, "SOPClassUID") or "").startswith(_SECONDARY_CAPTURE):
        return ImageKind.FILM
    return ImageKind.FFDM


def _intent(dataset: Dataset) -> Intent:
    said = (text(dataset, "PresentationIntentType") or "").upper()
    if said == "FOR PROCESSING" or text(dataset, "SOPClassUID") == _PROCESSING_CLASS:
        return Intent.PROCESSING
    return Intent.PRESENTATION if said == "FOR PRESENTATION" else Intent.UNKNOWN


def _chest_wall(dataset: Dataset) -> str | None:
    """PatientOrientation (0020,0020): rows running towards posterior end at the chest wall."""
    first = (texts(dataset, "PatientOrientation") or [""])[0].upper()
    return {"P": "right", "A": "left"}.get(first[:1])


def _when(dataset: Dataset) -> str | None:
    day = text(dataset, "AcquisitionDate") or text(dataset, "ContentDate")
    day = day or text(dataset, "StudyDate") or ""
    time = text(dataset, "AcquisitionTime") or text(dataset, "ContentTime") or ""
    return f"{day} {time}" if day or time else None


def _spacing(dataset: Dataset) -> tuple[float | None, ResultWarning | None]:
    """Pixel spacing in the breast in mm, and a warning.

    PixelSpacing (0028,0030) counts where PixelSpacingCalibrationType (0028,0A02) says it is
    calibrated, or where it stands alone; else ImagerPixelSpacing (0018,1164) over the estimated
    magnification (PS3.3 10.7.1.3). A PixelSpacing that is not used is doubtful unless it repeats
    one of the two.
    """
    imager = _pair(dataset, "ImagerPixelSpacing")
    spacing = _pair(dataset, "PixelSpacing")
    calibrated = (text(dataset, "PixelSpacingCalibrationType") or "").upper()
    if spacing is not None and (calibrated in ("GEOMETRY", "FIDUCIAL") or imager is None):
        return spacing, None
    if imager is None:
        return None, make_warning("spacing-unknown")
    magnification = _first_number(dataset, "EstimatedRadiographicMagnificationFactor")
    if magnification is None or not 1 <= magnification <= MAGNIFICATION_LIMIT:
        magnification = 1.0
    in_breast = imager / magnification
    said = None
    if spacing is None and text(dataset, "PixelSpacing"):
        said = "PixelSpacing is implausible: ImagerPixelSpacing was used"
    elif spacing is not None and not any(
        math.isclose(spacing, known, rel_tol=0.01) for known in (imager, in_breast)
    ):
        said = (
            "PixelSpacing differs from ImagerPixelSpacing and is not said to be calibrated: "
            "ImagerPixelSpacing was used"
        )
    return in_breast, None if said is None else make_warning("spacing-doubtful", said)


def _pair(dataset: Dataset, keyword: str) -> float | None:
    try:
        pair = numbers(dataset, keyword)
    except ValueError:
        return None
    # Square pixels of a mammogram, digitised film included.
    if len(pair) != 2 or abs(pair[0] - pair[1]) > 0.01 * max(pair) or not 0.02 <= pair[0] <= 2:
        return None
    return pair[0]


def _age(dataset: Dataset) -> float | None:
    """PatientAge (0010,1010), else acquisition minus birth date; None when implausible."""
    match = re.fullmatch(r"(\d{3})([DWMY])", text(dataset, "PatientAge") or "")
    low, high = _PLAUSIBLE_AGES
    if match:
        per_year = {"D": 365.25, "W": 52.18, "M": 12.0, "Y": 1.0}[match.group(2)]
        age = int(match.group(1)) / per_year
        if low <= age <= high:
            return age
    born = _day(text(dataset, "PatientBirthDate"))
    seen = _day(text(dataset, "AcquisitionDate") or text(dataset, "StudyDate"))
    if born is None or seen is None:
        return None
    age = seen - born
    return round(age, 2) if low <= age <= high else None


def _day(written: str | None) -> float | None:
    """A DICOM date as a year with its fraction."""
    match = re.fullmatch(r"(\d{4})\.?(\d{2})\.?(\d{2})", written or "")
    if not match:
        return None
    year, month, day = (int(part) for part in match.groups())
    if not (1850 <= year <= 2200 and 1 <= month <= 12 and 1 <= day <= 31):
        return None
    return year + (month - 1 + (day - 1) / 31) / 12


def _executable_preamble(dataset: Dataset) -> bool:
    """CVE-2019-11687: the 128 free bytes in front may hold a Windows or Linux program header."""
    preamble = getattr(dataset, "preamble", None) or b""
    return preamble.startswith((b"MZ", b"\x7fELF", b"#!"))
