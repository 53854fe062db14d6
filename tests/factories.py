"""Small DICOM mammograms for tests, in any transfer syntax; the pictures are simulated."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import UID, generate_uid

IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
RLE = "1.2.840.10008.1.2.5"
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
JPEG_EXTENDED = "1.2.840.10008.1.2.4.51"
JPEG_LOSSLESS = "1.2.840.10008.1.2.4.57"
JPEG_LOSSLESS_SV1 = "1.2.840.10008.1.2.4.70"
JPEG_LS = "1.2.840.10008.1.2.4.80"
JPEG_LS_NEAR = "1.2.840.10008.1.2.4.81"
JPEG_2000_LOSSLESS = "1.2.840.10008.1.2.4.90"
JPEG_2000 = "1.2.840.10008.1.2.4.91"
HTJ2K_LOSSLESS = "1.2.840.10008.1.2.4.201"
HTJ2K_RPCL = "1.2.840.10008.1.2.4.202"
HTJ2K = "1.2.840.10008.1.2.4.203"
DEFLATED_FRAME = "1.2.840.10008.1.2.8.1"

MAMMO_PRESENTATION = "1.2.840.10008.5.1.4.1.1.1.2"
MAMMO_PROCESSING = "1.2.840.10008.5.1.4.1.1.1.2.1"
TOMOSYNTHESIS = "1.2.840.10008.5.1.4.1.1.13.1.3"

#: SNOMED CT codes of CID 4014.
VIEW_CODES = {"CC": "399162004", "MLO": "399368009", "ML": "399260004", "LM": "399352003"}

#: (syntax, largest absolute error its encoder here may make) for every syntax that is read.
SYNTAXES = {
    IMPLICIT: 0,
    EXPLICIT: 0,
    BIG_ENDIAN: 0,
    DEFLATED: 0,
    DEFLATED_FRAME: 0,
    RLE: 0,
    JPEG_BASELINE: 8,
    JPEG_EXTENDED: 60,
    JPEG_LOSSLESS: 0,
    JPEG_LOSSLESS_SV1: 0,
    JPEG_LS: 0,
    JPEG_LS_NEAR: 3,
    JPEG_2000_LOSSLESS: 0,
    JPEG_2000: 400,
    HTJ2K_LOSSLESS: 0,
    HTJ2K_RPCL: 0,
    HTJ2K: 200,
}


def breast_picture(
    laterality: str = "L",
    view: str = "CC",
    shape: tuple[int, int] = (96, 64),
    *,
    bits: int = 12,
    seed: int = 0,
) -> np.ndarray:
    """A bright half-ellipse at the chest wall with noise, and a pectoral triangle in MLO.

    Parameters
    ----------
    laterality : {"L", "R"}
        The chest wall lies at the left edge for L, at the right edge for R.
    view : str
    shape : tuple of int
        Rows, columns.
    bits : int
        Values lie in 0 ... 2**bits - 1.
    seed : int

    Returns
    -------
    ndarray of uint8 (bits <= 8) or uint16, shape ``shape``
        Background exactly 0, breast about 40-60 % of the range, muscle brighter.
    """
    rows, columns = shape
    rng = np.random.default_rng(seed)
    y = (np.arange(rows)[:, None] + 0.5) / rows
    x = (np.arange(columns)[None, :] + 0.5) / columns
    radius = np.sqrt(((y - 0.5) / 0.42) ** 2 + (x / 0.75) ** 2)
    top = 2**bits - 1
    glandular = 0.12 * np.exp(-(((y - 0.5) / 0.15) ** 2) - ((x - 0.3) / 0.2) ** 2)
    level = 0.42 + glandular + 0.02 * rng.standard_normal(shape)
    picture = np.where(radius < 1, level, 0.0)
    if view.startswith("M"):
        picture = np.where(
            x / 0.35 + y / 0.55 < 1, 0.8 + 0.02 * rng.standard_normal(shape), picture
        )
    picture = np.clip(np.rint(picture * top), 0, top)
    if laterality == "R":
        picture = picture[:, ::-1]
    return np.ascontiguousarray(picture.astype(np.uint8 if bits <= 8 else np.uint16))


def mammogram(
    laterality: str | None = "L",
    view: str | None = "CC",
    pixels: np.ndarray | None = None,
    *,
    bits: int = 12,
    seed: int = 0,
    **attributes: Any,
) -> FileDataset:
    """A for-presentation mammogram with a full acquisition header, uncompressed, in memory.

    Parameters
    ----------
    laterality, view : str or None
        None leaves the attributes out.
    pixels : ndarray, optional
        Default :func:`breast_picture`.
    bits : int
        BitsStored of the default picture or of ``pixels``.
    attributes
        DICOM keywords to set; None deletes the element.
    """
    if pixels is None:
        pixels = breast_picture(laterality or "L", view or "CC", bits=bits, seed=seed)
    meta = FileMetaDataset()
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SOPClassUID = MAMMO_PRESENTATION
    ds.SOPInstanceUID = generate_uid()
    # Fixed, so that views written one by one are of one exam.
    ds.StudyInstanceUID = "1.2.826.0.1.3680043.8.498.1"
    ds.SeriesInstanceUID = generate_uid()
    ds.PatientID = "TEST"
    ds.PatientName = "Phantom^Test"
    ds.PatientAge = "054Y"
    ds.StudyDate = ds.AcquisitionDate = "20200102"
    ds.StudyTime = ds.AcquisitionTime = "101500"
    ds.Modality = "MG"
    ds.ImageType = ["DERIVED", "PRIMARY"]
    ds.PresentationIntentType = "FOR PRESENTATION"
    ds.Manufacturer = "HOLOGIC, Inc."
    ds.ManufacturerModelName = "Selenia Dimensions"
    ds.SoftwareVersions = "1.0"
    ds.BodyPartThickness = "58"
    ds.CompressionForce = "98.5"
    ds.KVP = "29"
    ds.XRayTubeCurrent = "120"
    ds.ExposureTime = "700"
    ds.Exposure = "84"
    ds.ExposureInuAs = "84210"
    ds.AnodeTargetMaterial = "TUNGSTEN"
    ds.FilterMaterial = "RHODIUM"
    ds.FilterThicknessMinimum = ds.FilterThicknessMaximum = "0.05"
    ds.HalfValueLayer = "0.55"
    ds.OrganDose = "0.0152"
    ds.EntranceDoseInmGy = "6.1"
    ds.Grid = ["RECIPROCATING", "FOCUSED"]
    ds.DistanceSourceToDetector = "700"
    ds.EstimatedRadiographicMagnificationFactor = "1.05"
    ds.PositionerPrimaryAngle = "0" if view == "CC" else "45"
    ds.DetectorTemperature = "30.1"
    ds.ImagerPixelSpacing = ["0.07", "0.07"]
    ds.BreastImplantPresent = "NO"
    ds.PartialView = "NO"
    ds.QualityControlImage = "NO"
    ds.BurnedInAnnotation = "NO"
    if laterality is not None:
        ds.ImageLaterality = laterality
        ds.PatientOrientation = ["A", "R"] if laterality == "L" else ["P", "L"]
    if view is not None:
        ds.ViewPosition = view
        if view in VIEW_CODES:
            ds.ViewCodeSequence = [code(VIEW_CODES[view])]
            ds.ViewCodeSequence[0].ViewModifierCodeSequence = Sequence([])
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.Rows, ds.Columns = pixels.shape
    ds.BitsAllocated = 8 * pixels.dtype.itemsize
    ds.BitsStored = min(bits, ds.BitsAllocated)
    ds.HighBit = ds.BitsStored - 1
    ds.PixelRepresentation = int(pixels.dtype.kind == "i")
    ds.RescaleSlope, ds.RescaleIntercept = "1", "0"
    ds.WindowCenter, ds.WindowWidth = "2048", "4096"
    ds.PixelData = pixels.tobytes()
    ds["PixelData"].VR = "OW" if ds.BitsAllocated == 16 else "OB"
    for keyword, value in attributes.items():
        if value is None:
            if keyword in ds:
                delattr(ds, keyword)
        else:
            setattr(ds, keyword, value)
    return ds


def code(value: str, scheme: str = "SCT", meaning: str = "") -> Dataset:
    """An item of a code sequence."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def write_view(
    path: str | Path,
    laterality: str | None = "L",
    view: str | None = "CC",
    pixels: np.ndarray | None = None,
    *,
    syntax: str = EXPLICIT,
    bits: int | None = None,
    seed: int = 0,
    **attributes: Any,
) -> np.ndarray:
    """Write one DICOM mammogram.

    Parameters
    ----------
    path : path
    laterality, view, pixels, seed, attributes
        As for :func:`mammogram`.
    syntax : str
        UID of the transfer syntax, one of :data:`SYNTAXES`.
    bits : int, optional
        BitsStored; default 12, or 8 for 8-bit baseline JPEG.

    Returns
    -------
    ndarray, shape (rows, columns)
        The pixels before encoding.
    """
    if bits is None:
        bits = 8 if syntax == JPEG_BASELINE else 12
    ds = mammogram(laterality, view, pixels, bits=bits, seed=seed, **attributes)
    dtype = np.dtype({8: "u1", 16: "<u2"}[ds.BitsAllocated])
    if ds.PixelRepresentation:
        dtype = np.dtype(dtype.str.replace("u", "i"))
    stored = np.frombuffer(ds.PixelData, dtype)[: ds.Rows * ds.Columns]
    save(ds, path, syntax=syntax)
    return stored.reshape(ds.Rows, ds.Columns) if stored.size == ds.Rows * ds.Columns else stored


def save(ds: FileDataset, path: str | Path, *, syntax: str = EXPLICIT) -> None:
    """Encode an uncompressed dataset of :func:`mammogram` in a syntax and write it."""
    if syntax in _ENCODERS:
        dtype = np.dtype(f"<{'i' if ds.PixelRepresentation else 'u'}{ds.BitsAllocated // 8}")
        pixels = np.frombuffer(ds.PixelData, dtype).reshape(ds.Rows, ds.Columns)
        data = bytes(_ENCODERS[syntax](pixels, ds))
        ds.PixelData = encapsulate([data + b"\0" * (len(data) % 2)])
        ds["PixelData"].VR = "OB"
        ds["PixelData"].is_undefined_length = True
    elif syntax == BIG_ENDIAN and ds.BitsAllocated == 16:
        ds.PixelData = np.frombuffer(ds.PixelData, "<u2").astype(">u2").tobytes()
    ds.file_meta.FileMetaInformationGroupLength = 0  # counted when written
    ds.file_meta.FileMetaInformationVersion = b"\0\1"
    ds.file_meta.ImplementationClassUID = pydicom.uid.PYDICOM_IMPLEMENTATION_UID
    ds.file_meta.TransferSyntaxUID = UID(syntax)
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    # Forced, since pydicom knows no deflated frames and converts no byte order by itself.
    pydicom.dcmwrite(
        path,
        ds,
        implicit_vr=syntax == IMPLICIT,
        little_endian=syntax != BIG_ENDIAN,
        force_encoding=True,
    )


def write_exam(
    folder: str | Path,
    *,
    views: tuple[str, ...] = ("R-CC", "L-CC", "R-MLO", "L-MLO"),
    shape: tuple[int, int] = (96, 64),
    syntax: str = EXPLICIT,
    per_view: Mapping[str, Mapping[str, Any]] | None = None,
    **attributes: Any,
) -> dict[str, Path]:
    """Write an exam, one DICOM file a view, named ``0.dcm``, ``1.dcm`` ... in the order of views.

    Parameters
    ----------
    folder : path
        Made where it does not exist.
    views : tuple of str
    shape : tuple of int
        Rows, columns.
    syntax : str
    per_view : mapping of view name to mapping, optional
        DICOM attributes of single views, over ``attributes``.
    attributes
        DICOM attributes of all views.

    Returns
    -------
    dict of str to Path
        By view name.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = {}
    for number, name in enumerate(views):
        laterality, view = name.split("-")
        paths[name] = folder / f"{number}.dcm"
        bits = 8 if syntax == JPEG_BASELINE else 12
        write_view(
            paths[name],
            laterality,
            view,
            breast_picture(laterality, view, shape, bits=bits, seed=number),
            syntax=syntax,
            **{**attributes, **(per_view or {}).get(name, {})},
        )
    return paths


def write_png(path: str | Path, pixels: np.ndarray) -> None:
    """Write a grey or colour PNG of 8 or 16 bits."""
    Path(path).write_bytes(imagecodecs.png_encode(pixels))


def write_tiff(path: str | Path, pixels: np.ndarray, **options: Any) -> None:
    """Write a TIFF; options are those of tifffile.imwrite."""
    import tifffile

    tifffile.imwrite(path, pixels, **options)


# --- encoders ----------------------------------------------------------------------------------


def _rle(pixels: np.ndarray, ds: Dataset) -> bytes:
    """PS3.5 G: one PackBits segment for each byte of a sample, most significant first."""
    planes = pixels.reshape(-1).view(np.uint8).reshape(-1, pixels.dtype.itemsize)[:, ::-1]
    segments = []
    for plane in planes.T:
        # PackBits proper, row by row: no run may cross a row.
        rows = np.ascontiguousarray(plane).reshape(pixels.shape)
        packed = b"".join(imagecodecs.packbits_encode(row.tobytes()) for row in rows)
        segments.append(packed + b"\0" * (len(packed) % 2))
    offsets = np.cumsum([64, *(len(segment) for segment in segments[:-1])]).tolist()
    header = struct.pack("<16I", len(segments), *offsets, *[0] * (15 - len(offsets)))
    return header + b"".join(segments)


def _deflate(pixels: np.ndarray, ds: Dataset) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(pixels.tobytes()) + packer.flush()


def _jpeg(**options: Any) -> Callable[[np.ndarray, Dataset], bytes]:
    def encode(pixels: np.ndarray, ds: Dataset) -> bytes:
        return imagecodecs.jpeg8_encode(pixels, bitspersample=int(ds.BitsStored), **options)

    return encode


def _jpeg_ls(level: int) -> Callable[[np.ndarray, Dataset], bytes]:
    return lambda pixels, ds: imagecodecs.jpegls_encode(pixels, level=level)


def _jpeg_2000(pixels: np.ndarray, ds: Dataset) -> bytes:
    return imagecodecs.jpeg2k_encode(pixels, level=0, codecformat="j2k", reversible=True)


def _jpeg_2000_lossy(pixels: np.ndarray, ds: Dataset) -> bytes:
    return imagecodecs.jpeg2k_encode(pixels, level=60, codecformat="j2k", reversible=False)


def _htj2k(pixels: np.ndarray, ds: Dataset) -> bytes:
    return imagecodecs.htj2k_encode(pixels, reversible=True)


def _htj2k_lossy(pixels: np.ndarray, ds: Dataset) -> bytes:
    return imagecodecs.htj2k_encode(pixels, level=0.001, reversible=False)


_ENCODERS: dict[str, Callable[[np.ndarray, Dataset], bytes]] = {
    RLE: _rle,
    DEFLATED_FRAME: _deflate,
    JPEG_BASELINE: _jpeg(level=95),
    JPEG_EXTENDED: _jpeg(level=95),
    JPEG_LOSSLESS: _jpeg(lossless=True, predictor=6),
    JPEG_LOSSLESS_SV1: _jpeg(lossless=True, predictor=1),
    JPEG_LS: _jpeg_ls(0),
    JPEG_LS_NEAR: _jpeg_ls(3),
    JPEG_2000_LOSSLESS: _jpeg_2000,
    JPEG_2000: _jpeg_2000_lossy,
    HTJ2K_LOSSLESS: _htj2k,
    HTJ2K_RPCL: _htj2k,
    HTJ2K: _htj2k_lossy,
}
