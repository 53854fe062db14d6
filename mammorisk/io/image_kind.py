"""What a DICOM image is: one of the four views, or something that only looks like one."""

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
#: Tube voltage of the high-energy image of a contrast-enhanced exam starts here, kV.
_HIGH_ENERGY_KV = 40.0
#: CBIS-DDSM keeps lesions beside the films, under these descriptions.
_PARTS = re.compile(r"ROI MASK|CROPPED")


def class_of(dataset: Dataset) -> str:
    """SOPClassUID (0008,0016), else that of the file meta information (0002,0002)."""
    meta = getattr(dataset, "file_meta", None)
    in_meta = text(meta, "MediaStorageSOPClassUID") if meta else None
    return text(dataset, "SOPClassUID") or in_meta or ""


def not_a_view(dataset: Dataset) -> str | None:
    """Why an image is none of a breast, or none of a whole exposure; None if it may be."""
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
        return "a mask or a part cut out of an image (SeriesDescription)"
    return None


def modified(dataset: Dataset, name: ViewName) -> str | None:
    """Why an image does not show a whole breast in its standard projection; None if it does."""
    odd = [modifier for modifier in name.modifiers if modifier not in HARMLESS_MODIFIERS]
    if odd:
        return f"view modifier: {', '.join(odd)}"
    magnification = number(dataset, "EstimatedRadiographicMagnificationFactor")
    if magnification is not None and magnification > MAGNIFICATION_LIMIT:
        return f"magnification view (factor {magnification:.2f})"
    return None


def kind_of(dataset: Dataset) -> ImageKind:
    """How the image came about: synthetic, film or full-field."""
    if _is_synthetic(dataset):
        return ImageKind.SYNTHETIC
    if (text(dataset, "DetectorType") or "").upper() == "FILM":
        return ImageKind.FILM
    # The multi-frame classes of secondary capture have the same prefix.
    if class_of(dataset).startswith(SecondaryCaptureImageStorage):
        return ImageKind.FILM
    return ImageKind.FFDM


def intent_of(dataset: Dataset) -> Intent:
    """PresentationIntentType (0008,0068), else the SOP class."""
    stated = (text(dataset, "PresentationIntentType") or "").upper()
    sop_class = class_of(dataset)
    if stated == "FOR PROCESSING" or sop_class == DigitalMammographyXRayImageStorageForProcessing:
        return Intent.PROCESSING
    return Intent.PRESENTATION if stated == "FOR PRESENTATION" else Intent.UNKNOWN


def has_contrast(dataset: Dataset) -> bool:
    """Whether contrast agent was given, by its attributes or by words."""
    return _has_contrast(dataset) or is_contrast_name(_described(dataset))


def doubts_of_origin(dataset: Dataset) -> list[ResultWarning]:
    """Warnings where the header names another origin than a mammography system and a breast."""
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
    """Modalities are codes of two or three letters, longer ones in radiotherapy; else a name."""
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
    # One after another, so that no word is made of two.
    return " / ".join(words)


def _is_quality_control(dataset: Dataset) -> bool:
    if yes_no(dataset, "QualityControlImage") or yes_no(dataset, "CalibrationImage"):
        return True
    # A phantom is often its own patient.
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
    # Fuji's workstation derives them, and its mammograms are original.
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
