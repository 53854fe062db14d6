"""Conversion of a simulated view to a digital mammogram in DICOM.

Attributes follow the Digital Mammography X-Ray Image object (DICOM PS3.3 A.27). Names and
identifiers state that the image is simulated. Dates are those of the simulated calendar.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import (
    UID,
    DigitalMammographyXRayImageStorageForPresentation,
    DigitalMammographyXRayImageStorageForProcessing,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    generate_uid,
)

from mammorisk._version import __version__
from mammorisk.simulation.exposure import Exposure
from mammorisk.simulation.options import Compression
from mammorisk.simulation.vendors import Vendor

_VIEW: dict[str, Code] = {
    "CC": codes.cid4014.CranioCaudal,
    "MLO": codes.cid4014.MedioLateralObliqueProjection,
}
_ORIENTATION = {
    ("L", "CC"): ["A", "R"],
    ("L", "MLO"): ["A", "FR"],
    ("R", "CC"): ["P", "L"],
    ("R", "MLO"): ["P", "FL"],
}
_NUMBER = {("R", "CC"): 1, ("L", "CC"): 2, ("R", "MLO"): 3, ("L", "MLO"): 4}
_FILTER_MM = {"RHODIUM": 0.05, "SILVER": 0.05, "MOLYBDENUM": 0.03, "ALUMINUM": 0.7}


@dataclass(frozen=True, kw_only=True)
class Header:
    """Attributes of the exam in the file.

    Attributes
    ----------
    patient_id, exam_id : str
    study_seed : int
        Used with ``exam_id`` to generate UIDs.
    exam_date : date
    age : float
        Years.
    site : str
    """

    patient_id: str
    exam_id: str
    study_seed: int
    exam_date: date
    age: float
    site: str


def mammogram(
    pixels: NDArray[np.uint16],
    header: Header,
    exposure: Exposure,
    vendor: Vendor,
    *,
    side: str,
    view: str,
    pixel_mm: float,
    processing: bool = False,
    compression: Compression = "none",
) -> FileDataset:
    """Create the file of one view.

    Parameters
    ----------
    pixels : ndarray of uint16, shape (rows, columns)
        Pixels of a :class:`~mammorisk.simulation.rendering.Picture`: chest wall left, bright is
        dense for presentation, bright is air for processing.
    header : Header
    exposure : Exposure
    vendor : Vendor
    side : {"L", "R"}
    view : {"CC", "MLO"}
    pixel_mm : float
    processing : bool
        Whether the pixels are values for processing.
    compression : {"none", "jpeg2000"}
        JPEG 2000 is lossless.

    Returns
    -------
    FileDataset
    """
    intent = "FOR PROCESSING" if processing else "FOR PRESENTATION"
    name = "raw" if processing else "picture"
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = (
        DigitalMammographyXRayImageStorageForProcessing
        if processing
        else DigitalMammographyXRayImageStorageForPresentation
    )
    meta.MediaStorageSOPInstanceUID = _uid(header, side, view, name)
    image = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    image.SOPClassUID = meta.MediaStorageSOPClassUID
    image.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    image.SpecificCharacterSet = "ISO_IR 100"
    _add_study(image, header, vendor, side, view)
    image.SeriesInstanceUID = _uid(header, name)
    image.SeriesNumber = 2 if processing else 1
    image.PresentationIntentType = intent
    image.ImageType = ["ORIGINAL" if processing else "DERIVED", "PRIMARY", "", "SIMULATED"]
    image.InstanceNumber = _NUMBER[side, view]
    _add_view(image, side, view)
    _add_exposure(image, exposure, vendor, view)
    _add_pixels(image, pixels, vendor, side=side, pixel_mm=pixel_mm, processing=processing)
    if compression == "jpeg2000":
        _compress(image)
    return image


def _compress(image: FileDataset) -> None:
    """Replace the pixel data by lossless JPEG 2000.

    The encoder is imagecodecs, which also decodes images. ``Dataset.compress`` would need another
    library.
    """
    stored = np.frombuffer(image.PixelData, dtype="<u2").reshape(image.Rows, image.Columns)
    frame = imagecodecs.jpeg2k_encode(
        stored, level=0, reversible=True, codecformat="j2k", bitspersample=image.BitsStored
    )
    image.file_meta.TransferSyntaxUID = JPEG2000Lossless
    image.PixelData = encapsulate([bytes(frame)])
    image["PixelData"].VR = "OB"
    image["PixelData"].is_undefined_length = True


def _uid(header: Header, *parts: str) -> UID:
    return generate_uid(
        entropy_srcs=["mammorisk simulation", str(header.study_seed), header.exam_id, *parts]
    )


def _add_study(image: FileDataset, header: Header, vendor: Vendor, side: str, view: str) -> None:
    day = header.exam_date.strftime("%Y%m%d")
    image.StudyInstanceUID = _uid(header)
    image.StudyDate = image.SeriesDate = image.AcquisitionDate = image.ContentDate = day
    image.StudyTime = image.AcquisitionTime = image.ContentTime = "120000"
    image.StudyID, image.AccessionNumber = "1", ""
    image.StudyDescription = "SIMULATED screening mammography"
    image.ReferringPhysicianName = ""
    image.Modality = "MG"
    image.SeriesDescription = f"{side} {view} SIMULATED"
    image.Manufacturer = f"SIMULATED {vendor.name}"
    image.ManufacturerModelName = f"SIMULATED {vendor.name} 1"
    image.DeviceSerialNumber = header.site
    image.SoftwareVersions = f"mammorisk {__version__}"
    image.InstitutionName = f"SIMULATED {header.site}"
    image.PatientName = f"SIMULATED^{header.patient_id}"
    image.PatientID, image.PatientBirthDate, image.PatientSex = header.patient_id, "", "F"
    image.PatientAge = f"{int(header.age):03d}Y"
    image.PatientIdentityRemoved = "YES"
    image.DeidentificationMethod = "simulated: there is no patient"


def _code(code: Code) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodeMeaning = code.value, code.meaning
    item.CodingSchemeDesignator = code.scheme_designator
    return item


def _add_view(image: FileDataset, side: str, view: str) -> None:
    image.ImageLaterality, image.ViewPosition = side, view
    code = _code(_VIEW[view])
    code.ViewModifierCodeSequence = []
    image.ViewCodeSequence = [code]
    image.PatientOrientation = _ORIENTATION[side, view]
    image.AnatomicRegionSequence = [_code(codes.SCT.Breast)]
    image.OrganExposed = "BREAST"
    image.BodyPartExamined = "BREAST"
    image.BreastImplantPresent, image.PartialView = "NO", "NO"
    image.QualityControlImage, image.BurnedInAnnotation = "NO", "NO"
    image.AcquisitionContextSequence = []


def _add_exposure(image: FileDataset, exposure: Exposure, vendor: Vendor, view: str) -> None:
    image.BodyPartThickness = _text(exposure.thickness_mm)
    image.CompressionForce = _text(exposure.force_n)
    image.KVP = _text(exposure.kvp)
    image.Exposure = str(round(exposure.mas))
    image.ExposureInuAs = str(round(1000 * exposure.mas))
    image.AnodeTargetMaterial, image.FilterMaterial = exposure.anode, exposure.filter
    image.FilterThicknessMinimum = image.FilterThicknessMaximum = _text(_FILTER_MM[exposure.filter])
    # OrganDose is in dGy.
    image.OrganDose = _text(round(exposure.glandular_dose_mgy / 100, 6))
    image.EntranceDoseInmGy = _text(exposure.entrance_dose_mgy)
    image.ExposureControlMode = "AUTOMATIC"
    image.Grid = "RECIPROCATING"
    image.FocalSpots = "0.3"
    image.DistanceSourceToDetector = _text(vendor.source_detector_mm)
    image.PositionerType = "MAMMOGRAPHIC"
    image.PositionerPrimaryAngle = "0" if view == "CC" else "45"
    image.DetectorType = "DIRECT"
    image.DetectorConfiguration = "AREA"
    image.DetectorID = f"SIM-{vendor.name}"


def _add_pixels(
    image: FileDataset,
    pixels: NDArray[np.uint16],
    vendor: Vendor,
    *,
    side: str,
    pixel_mm: float,
    processing: bool,
) -> None:
    bits = 14 if processing else vendor.bits
    # Values for processing are the detector signal: air is bright, which is MONOCHROME1.
    inverted = processing or vendor.inverted
    if vendor.inverted and not processing:
        pixels = np.uint16(2**bits - 1) - pixels
    if side == "R":
        pixels = pixels[:, ::-1]
    image.ImagerPixelSpacing = [_text(pixel_mm)] * 2
    image.SamplesPerPixel = 1
    image.PhotometricInterpretation = "MONOCHROME1" if inverted else "MONOCHROME2"
    image.PresentationLUTShape = "INVERSE" if inverted else "IDENTITY"
    image.PixelIntensityRelationship = "LIN" if processing else "LOG"
    image.PixelIntensityRelationshipSign = 1 if inverted else -1
    image.RescaleIntercept, image.RescaleSlope, image.RescaleType = "0", "1", "US"
    image.LossyImageCompression = "00"
    image.Rows, image.Columns = pixels.shape
    image.BitsAllocated, image.BitsStored, image.HighBit = 16, bits, bits - 1
    image.PixelRepresentation = 0
    if not processing:
        image.WindowCenter, image.WindowWidth = str(2 ** (bits - 1)), str(2**bits)
    image.PixelData = np.ascontiguousarray(pixels).tobytes()
    image["PixelData"].VR = "OW"


def _text(value: float) -> str:
    return f"{value:.10g}"
