"""Kind of a DICOM image: a mammographic view, or another image that must not be used as one."""

from __future__ import annotations

import re

from pydicom.dataset import Dataset
from pydicom.uid import (
    BreastProjectionXRayImageStorageForPresentation,
    BreastProjectionXRayImageStorageForProcessing,
    BreastTomosynthesisImageStorage,
    DigitalMammographyXRayImageStorageForPresentation,
    DigitalMammographyXRayImageStorageForProcessing,
    SecondaryCaptureImageStorage,
)

from mammorisk.io.dataset import items, number, text, texts, whole, yes_no
from mammorisk.io.spacing import MAGNIFICATION_LIMIT
from mammorisk.io.views import HARMLESS_MODIFIERS, ViewName
from mammorisk.io.words import (
    is_contrast_name,
    is_quality_control_name,
    is_recombined_name,
    is_synthetic_name,
    spaced,
)
from mammorisk.records.exam import ImageKind, Intent
from mammorisk.warnings import ResultWarning, make_warning

_TOMOSYNTHESIS_CLASSES = (
    BreastTomosynthesisImageStorage,
    BreastProjectionXRayImageStorageForPresentation,
    BreastProjectionXRayImageStorageForProcessing,
)
#: Other modalities of mammograms in some archives. They are accepted only with a mammography SOP
#: class.
_OTHER_MODALITIES = ("CR", "DX", "RG", "OT", "SC")
#: AnatomicRegionSequence (0008,2218): breast in SNOMED CT, SNOMED-RT and the older SNM3.
_BREAST_CODES = frozenset({"76752008", "T-04000", "T-D3000"})
#: Lowest tube voltage of the high-energy image of a contrast-enhanced exam, kV.
_HIGH_ENERGY_KV = 40.0
#: Series descriptions of lesion masks and crops in CBIS-DDSM.
_PARTS = re.compile(r"ROI MASK|CROPPED")


def class_of(dataset: Dataset) -> str:
    """SOPClassUID (0008,0016), else that of the file meta information (0002,0002)."""
    meta = getattr(dataset, "file_meta", None)
    in_meta = text(meta, "MediaStorageSOPClassUID") if meta else None
    return text(dataset, "SOPClassUID") or in_meta or ""


def not_a_view(dataset: Dataset) -> str | None:
    """Return the reason why an image is not a mammographic view; None if it may be one."""
    image_class = class_of(dataset)
    modality = text(dataset, "Modality")
    mammography = image_class in (
        DigitalMammographyXRayImageStorageForPresentation,
        DigitalMammographyXRayImageStorageForProcessing,
    )
    if modality not in (None, "MG", *(_OTHER_MODALITIES if mammography else ())):
        return f"Modality (0008,0060) is {_shown(modality)}, not MG"
    frames = whole(dataset, "NumberOfFrames") or 1
    if image_class in _TOMOSYNTHESIS_CLASSES or frames > 1:
        return "tomosynthesis, not a 2-D view"
    types = texts(dataset, "ImageType")
    if any("STEREO" in word.upper() for word in types):
        return "stereo or biopsy image (ImageType)"
    if _is_quality_control(dataset):
        return "quality-control image or phantom"
    described = _described(dataset)
    if is_recombined_name(described):
        return "recombined or high-energy image of a contrast-enhanced exam"
    tube = number(dataset, "KVP")
    if _has_contrast(dataset) and tube is not None and tube >= _HIGH_ENERGY_KV:
        return f"high-energy image of a contrast-enhanced exam ({tube:g} kV)"
    if _PARTS.search((text(dataset, "SeriesDescription") or "").upper()):
        return "a mask or a crop of an image (SeriesDescription)"
    return None


def modified(dataset: Dataset, name: ViewName) -> str | None:
    """Return why an image does not show a whole breast in a standard projection, else None."""
    odd = [modifier for modifier in name.modifiers if modifier not in HARMLESS_MODIFIERS]
    if odd:
        return f"view modifier: {', '.join(odd)}"
    magnification = number(dataset, "EstimatedRadiographicMagnificationFactor")
    if magnification is not None and magnification > MAGNIFICATION_LIMIT:
        return f"magnification view (factor {magnification:.2f})"
    return None


def kind_of(dataset: Dataset) -> ImageKind:
    """Return the kind of the image: synthetic, film or full-field."""
    if _is_synthetic(dataset):
        return ImageKind.SYNTHETIC
    if (text(dataset, "DetectorType") or "").upper() == "FILM":
        return ImageKind.FILM
    # The multi-frame classes of secondary capture have the same prefix.
    if class_of(dataset).startswith(SecondaryCaptureImageStorage):
        return ImageKind.FILM
    return ImageKind.FFDM


def intent_of(dataset: Dataset) -> Intent:
    """Return the intent by PresentationIntentType (0008,0068), else by the SOP class."""
    stated = (text(dataset, "PresentationIntentType") or "").upper()
    sop_class = class_of(dataset)
    if stated == "FOR PROCESSING" or sop_class == DigitalMammographyXRayImageStorageForProcessing:
        return Intent.PROCESSING
    return Intent.PRESENTATION if stated == "FOR PRESENTATION" else Intent.UNKNOWN


def has_contrast(dataset: Dataset) -> bool:
    """Whether contrast agent was given, according to attributes or descriptions."""
    return _has_contrast(dataset) or is_contrast_name(_described(dataset))


def doubts_of_origin(dataset: Dataset) -> list[ResultWarning]:
    """Return warnings if the header states another modality or another part of the body."""
    found = []
    modality = text(dataset, "Modality")
    if modality is not None and modality != "MG":
        said = f"Modality (0008,0060) is {_shown(modality)}, the SOP class is that of mammography"
        found.append(make_warning("not-mammography", said))
    part = (text(dataset, "BodyPartExamined") or "BREAST").upper()
    codes = {
        code
        for item in items(dataset, "AnatomicRegionSequence")
        if (code := text(item, "CodeValue"))
    }
    if part not in ("BREAST", "MAMMO", "BREASTS") or (codes and not codes & _BREAST_CODES):
        found.append(make_warning("not-breast"))
    return found


def _shown(modality: str | None) -> str:
    """Return the modality if it looks like a code. Other text may be a name and is not shown."""
    is_code = modality is not None and re.fullmatch(r"[A-Z]{2,3}|RT[A-Z]{4,6}", modality)
    return modality if modality is not None and is_code else "another"


def _described(dataset: Dataset) -> str:
    words = [
        *texts(dataset, "ImageType")[2:],
        *(
            text(dataset, keyword) or ""
            for keyword in (
                "SeriesDescription",
                "ProtocolName",
                "AcquisitionDeviceProcessingDescription",
                "DerivationDescription",
            )
        ),
    ]
    # With a separator, so that two descriptions never form a new word.
    return " / ".join(words)


def _is_quality_control(dataset: Dataset) -> bool:
    if yes_no(dataset, "QualityControlImage") or yes_no(dataset, "CalibrationImage"):
        return True
    # Phantoms are often stored as a patient of this name.
    named = spaced(f"{text(dataset, 'PatientName')} / {text(dataset, 'PatientID')}")
    if re.search(r"\bPHANTOM\b|\bQC\b|\bFLAT ?FIELD\b", named):
        return True
    keywords = (
        "ViewPosition",
        "BodyPartExamined",
        "SeriesDescription",
        "StudyDescription",
        "ProtocolName",
        "PaddleDescription",
    )
    return is_quality_control_name(" / ".join(text(dataset, word) or "" for word in keywords))


def _is_synthetic(dataset: Dataset) -> bool:
    model = text(dataset, "ManufacturerModelName") or ""
    if is_synthetic_name(f"{_described(dataset)} / {model}"):
        return True
    types = [word.upper() for word in texts(dataset, "ImageType")]
    # On this Fuji workstation synthetic images are DERIVED and mammograms are ORIGINAL.
    if "FDR-3000AWS" in model.upper() and types[:2] == ["DERIVED", "PRIMARY"]:
        return True
    return any(
        text(item, "ReferencedSOPClassUID") in _TOMOSYNTHESIS_CLASSES
        for item in items(dataset, "SourceImageSequence")
    )


def _has_contrast(dataset: Dataset) -> bool:
    agent = (text(dataset, "ContrastBolusAgent") or "").upper()
    coded = items(dataset, "ContrastBolusAgentSequence")
    return agent not in ("", "NONE", "NO") or bool(coded)
