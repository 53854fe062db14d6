"""Small files for tests: mammograms of any transfer syntax, made up and written here."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels.encoders import RLELosslessEncoder
from pydicom.uid import UID

from mammorisk.records.exam import Exam, View
from mammorisk.records.stored_image import RawImage

PRESENTATION = "1.2.840.10008.5.1.4.1.1.1.2"
PROCESSING = "1.2.840.10008.5.1.4.1.1.1.2.1"
TOMOSYNTHESIS = "1.2.840.10008.5.1.4.1.1.13.1.3"

IMPLICIT, EXPLICIT, DEFLATED, BIG_ENDIAN = (
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2.1.99",
    "1.2.840.10008.1.2.2",
)
RLE = "1.2.840.10008.1.2.5"
JPEG_8, JPEG_12 = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"
JPEG_LOSSLESS, JPEG_LOSSLESS_SV1 = "1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70"
JPEG_LS, JPEG_LS_NEAR = "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"
JPEG_2000, JPEG_2000_LOSSY = "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"
HTJ2K, HTJ2K_RPCL = "1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.202"
HTJ2K_LOSSY = "1.2.840.10008.1.2.4.203"
DEFLATED_FRAME = "1.2.840.10008.1.2.8.1"

VIEW_CODES = {"CC": "399162004", "MLO": "399368009", "ML": "399260004", "XCCL": "399192008"}

ENCODERS: dict[str, Callable[[np.ndarray, int], bytes]] = {
    RLE: lambda a, bits: RLELosslessEncoder.encode(
        a,
        encoding_plugin="pydicom",
        rows=a.shape[0],
        columns=a.shape[1],
        samples_per_pixel=1,
        bits_allocated=8 * a.dtype.itemsize,
        bits_stored=8 * a.dtype.itemsize,
        pixel_representation=0,
        photometric_interpretation="MONOCHROME2",
        number_of_frames=1,
    ),
    JPEG_8: lambda a, bits: imagecodecs.jpeg_encode(a.astype(np.uint8), level=95),
    JPEG_12: lambda a, bits: imagecodecs.jpeg_encode(a, level=98, bitspersample=12),
    JPEG_LOSSLESS: lambda a, bits: imagecodecs.ljpeg_encode(a, bitspersample=bits),
    JPEG_LOSSLESS_SV1: lambda a, bits: imagecodecs.ljpeg_encode(a, bitspersample=bits),
    JPEG_LS: lambda a, bits: imagecodecs.jpegls_encode(a),
    JPEG_LS_NEAR: lambda a, bits: imagecodecs.jpegls_encode(a, level=2),
    JPEG_2000: lambda a, bits: imagecodecs.jpeg2k_encode(
        a, level=0, reversible=True, codecformat="j2k", bitspersample=bits
    ),
    JPEG_2000_LOSSY: lambda a, bits: imagecodecs.jpeg2k_encode(
        a, level=60, codecformat="j2k", bitspersample=bits
    ),
    HTJ2K: lambda a, bits: imagecodecs.htj2k_encode(a, reversible=True),
    HTJ2K_RPCL: lambda a, bits: imagecodecs.htj2k_encode(a, reversible=True),
    HTJ2K_LOSSY: lambda a, bits: imagecodecs.htj2k_encode(a, level=0.001, reversible=False),
    DEFLATED_FRAME: lambda a, bits: _deflated(a.tobytes()),
}


def _deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def breast_pixels(
    laterality: str = "L",
    view: str = "CC",
    *,
    rows: int = 300,
    columns: int = 240,
    bits: int = 12,
    density: float = 0.3,
    seed: int = 0,
) -> np.ndarray:
    """A breast-shaped picture, chest wall at the left edge for the left breast.

    A bright half-ellipse with denser tissue in the middle, noise, and a pectoral triangle in MLO.

    Returns
    -------
    ndarray of uint16 (uint8 for 8 bits), shape (rows, columns)
    """
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:rows, :columns].astype(float)
    y = (y - rows / 2) / (0.42 * rows)
    x = x / (0.75 * columns)
    radius = np.sqrt(x**2 + y**2)
    image = np.where(radius < 1, 0.35 + 0.25 * np.sqrt(np.clip(1 - radius**2, 0, 1)), 0.0)
    dense = ((x - 0.45) ** 2 / 0.35**2 + y**2 / 0.5**2) < density / 0.3
    image += np.where(dense & (radius < 0.95), 0.22, 0.0)
    if view == "MLO":
        muscle = (x + 0.55 * (y + 1)) < 0.45
        image = np.where(muscle, 0.85, image)
    noise = rng.normal(0, 0.015, image.shape)
    image = np.where(image > 0, np.clip(image + noise, 0.05, 0.98), 0.0)
    pixels = (image * (2**bits - 1)).astype(np.uint8 if bits == 8 else np.uint16)
    return pixels if laterality == "L" else np.ascontiguousarray(pixels[:, ::-1])


def code(value: str, meaning: str = "code", scheme: str = "SCT") -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def mammogram(
    laterality: str = "L",
    view: str = "CC",
    *,
    pixels: np.ndarray | None = None,
    syntax: str = EXPLICIT,
    bits: int = 12,
    modifiers: tuple[str, ...] = (),
    **attributes: Any,
) -> FileDataset:
    """A DICOM mammogram for presentation; keyword attributes override, None removes."""
    if pixels is None:
        pixels = breast_pixels(laterality, view, bits=bits)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = UID(syntax)
    meta.MediaStorageSOPClassUID = UID(attributes.get("SOPClassUID") or PRESENTATION)
    uid = pydicom.uid.generate_uid(
        entropy_srcs=[laterality, view, str(sorted(attributes)), str(pixels.sum())]
    )
    meta.MediaStorageSOPInstanceUID = uid
    dataset = FileDataset(
        None,
        {},
        file_meta=meta,
        preamble=b"\0" * 128,
        is_implicit_VR=syntax == IMPLICIT,
        is_little_endian=syntax != BIG_ENDIAN,
    )
    dataset.SOPClassUID, dataset.SOPInstanceUID = meta.MediaStorageSOPClassUID, uid
    dataset.Modality, dataset.PresentationIntentType = "MG", "FOR PRESENTATION"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", ""]
    dataset.PatientID, dataset.PatientName = "P1", "Simulated^Woman"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2.3.4", "1.2.3.4.5"
    dataset.StudyDate = dataset.AcquisitionDate = "20250101"
    dataset.AcquisitionTime = "120000"
    dataset.Manufacturer, dataset.ManufacturerModelName = "HOLOGIC, Inc.", "Selenia Dimensions"
    dataset.ImageLaterality, dataset.ViewPosition = laterality, view
    if view in VIEW_CODES:
        item = code(VIEW_CODES[view], view)
        item.ViewModifierCodeSequence = [code(value) for value in modifiers]
        dataset.ViewCodeSequence = [item]
    dataset.PatientOrientation = ["A", "R"] if laterality == "L" else ["P", "L"]
    dataset.CompressionForce, dataset.BodyPartThickness = "110", "58"
    dataset.KVP, dataset.ExposureInuAs = "29", "85000"
    dataset.AnodeTargetMaterial, dataset.FilterMaterial = "TUNGSTEN", "RHODIUM"
    dataset.ImagerPixelSpacing = ["0.7", "0.7"]
    dataset.BreastImplantPresent, dataset.BurnedInAnnotation = "NO", "NO"
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.BitsAllocated = 8 * pixels.dtype.itemsize
    dataset.BitsStored = min(bits, dataset.BitsAllocated)
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    dataset.WindowCenter, dataset.WindowWidth = 2 ** (bits - 1), 2**bits
    for keyword, value in attributes.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    if syntax in ENCODERS:
        frame = ENCODERS[syntax](pixels, dataset.BitsStored)
        dataset.PixelData = encapsulate([frame])
        dataset["PixelData"].is_undefined_length = True
        dataset["PixelData"].VR = "OB"
    else:
        order = ">" if syntax == BIG_ENDIAN else "<"
        native = pixels.astype(pixels.dtype.newbyteorder(order))
        dataset.PixelData = native.tobytes() + b"\0" * (native.nbytes % 2)
        dataset["PixelData"].VR = "OW"
    return dataset


def save(dataset: FileDataset, path: Path) -> Path:
    """Write with the file meta information that every DICOM file has."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if dataset.file_meta.TransferSyntaxUID == DEFLATED_FRAME:
        # pydicom 3.0 does not know this syntax yet.
        dataset.file_meta.FileMetaInformationGroupLength = 0
        dataset.file_meta.FileMetaInformationVersion = b"\0\1"
        pydicom.dcmwrite(path, dataset, implicit_vr=False, little_endian=True, force_encoding=True)
        return path
    dataset.save_as(path, enforce_file_format=True)
    return path


def write_view(path: Path, laterality: str = "L", view: str = "CC", **options: Any) -> Path:
    """Write one mammogram; options as :func:`mammogram` takes them."""
    return save(mammogram(laterality, view, **options), path)


def write_exam(folder: Path, **options: Any) -> Path:
    """Write the four standard views of one woman into a folder."""
    for laterality in "RL":
        for view in ("CC", "MLO"):
            write_view(folder / f"{laterality}{view}.dcm", laterality, view, **options)
    return folder


def simulated_exam(folder: Path, *, woman: int = 0, seed: int = 1, pixel_mm: float = 0.3) -> Path:
    """The folder of a four-view exam from the simulation."""
    from mammorisk.simulation.exam_folders import write_exam_of
    from mammorisk.simulation.options import check_options

    options = check_options(n=1000, seed=seed, pixel_mm=pixel_mm)
    return write_exam_of(options, woman, folder)


def counted_loads(exam: Exam) -> tuple[Exam, list[str]]:
    """The exam, and a list to which the name of each view is added when its pixels are read."""
    loads: list[str] = []

    def counted(view: View) -> View:
        def load() -> RawImage:
            loads.append(view.name)
            return view.load()

        return replace(view, load=load)

    watched = replace(exam, views={name: counted(view) for name, view in exam.views.items()})
    return watched, loads
