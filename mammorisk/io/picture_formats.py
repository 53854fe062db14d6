"""Formats of pictures, by their first bytes, and size and depth from their headers."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from pathlib import Path

from mammorisk.errors import PixelError, UnreadableFile

PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
TIFF_MAGICS = (b"II*\0", b"MM\0*")
_JPEG_MAGIC = b"\xff\xd8\xff"

#: First bytes of formats that are recognised but not supported.
_NOT_READ = (
    ("JPEG XL", (b"\xff\x0a", b"\0\0\0\x0cJXL ")),
    ("JPEG 2000", (b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51")),
    ("GIF", (b"GIF87a", b"GIF89a")),
    ("OpenEXR", (b"v/1\x01",)),
    ("NumPy", (b"\x93NUMPY",)),
    ("NRRD", (b"NRRD000",)),
    ("BigTIFF", (b"II+\0", b"MM\0+")),
    ("portable bitmap or pixmap", (b"P1", b"P3", b"P4", b"P6")),
)
_PNG_GREY, _PNG_PALETTE = (0, 2, 4, 6), 3
# TIFF 6.0, section 4: PhotometricInterpretation. RGB is accepted here, because grey images may be
# stored as RGB.
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB = 0, 1, 2
_TIFF_GREY = (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB)
#: Header of a PGM: three numbers separated by white space and comments, then one white space.
_PGM = re.compile(
    rb"P(?P<kind>[25])(?:\s+|\s*#[^\n]*\n)+(?P<columns>\d{1,9})(?:\s+|\s*#[^\n]*\n)+"
    rb"(?P<rows>\d{1,9})(?:\s+|\s*#[^\n]*\n)+(?P<most>\d{1,9})\s"
)
#: Largest size of the header of a PGM in bytes, including comments.
_PGM_HEADER = 4096


@dataclass(frozen=True, kw_only=True)
class PictureHeader:
    """Content of the header of a picture.

    Attributes
    ----------
    family : str
        ``"png"``, ``"tiff"``, ``"jpeg"``, ``"bmp"`` or ``"pgm"``.
    rows, columns : int
    bits : int
        Bits of a grey level, 8 or 16.
    is_inverted : bool
        Whether zero is white.
    is_lossy : bool
    """

    family: str
    rows: int
    columns: int
    bits: int
    is_inverted: bool = False
    is_lossy: bool = False


def picture_family(head: bytes) -> str | None:
    """Return the family of a supported picture; None for other files, including DICOM.

    Parameters
    ----------
    head : bytes
        The first 132 bytes.
    """
    # A DICOM file may begin like a TIFF: the DICOM prefix decides.
    if head[128:132] == b"DICM":
        return None
    for family, magics in (
        ("png", (PNG_MAGIC,)),
        ("tiff", TIFF_MAGICS),
        ("jpeg", (_JPEG_MAGIC,)),
        ("pgm", (b"P5", b"P2")),
    ):
        if head.startswith(magics):
            return family
    # Two letters are not enough to recognise a BMP: its reserved fields must also be 0.
    return "bmp" if head[:2] == b"BM" and head[6:10] == b"\0" * 4 else None


def unread_format(head: bytes) -> str | None:
    """Return the name of a picture format that is recognised but not supported."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP"
    if head[4:12] in (b"ftypheic", b"ftypavif", b"ftypmif1"):
        return "HEIF"
    return next((name for name, magics in _NOT_READ if head.startswith(magics)), None)


def picture_header(path: Path, family: str) -> PictureHeader:
    """Read size and depth of a picture.

    Raises
    ------
    UnreadableFile, PixelError
        The file is not of this format, or not grey.
    """
    if family == "tiff":
        return _tiff(path)
    with open(path, "rb") as handle:
        if family == "jpeg":
            return _jpeg(handle.read(2**20))
        head = handle.read(_PGM_HEADER)
    return {"png": _png, "bmp": _bmp, "pgm": _pgm}[family](head)


def _png(head: bytes) -> PictureHeader:
    if len(head) < 33 or head[12:16] != b"IHDR":
        raise UnreadableFile("the PNG has no header chunk", remedy="Export it again.")
    columns, rows, bits, colour = struct.unpack(">IIBB", head[16:26])
    if colour == _PNG_PALETTE or colour not in _PNG_GREY or bits not in (8, 16):
        raise PixelError(
            f"the PNG is not 8- or 16-bit grey (colour type {colour}, {bits} bits)",
            remedy="Export it as 16-bit greyscale.",
        )
    return PictureHeader(family="png", rows=rows, columns=columns, bits=bits)


def _bmp(head: bytes) -> PictureHeader:
    if len(head) < 34:
        raise UnreadableFile("the BMP has no header", remedy="Export it again.")
    columns, rows, _, bits, compression = struct.unpack("<iiHHI", head[18:34])
    if bits not in (8, 24, 32) or compression not in (0, 3):
        raise PixelError(
            f"the BMP is compressed or not grey ({bits} bits a pixel)",
            remedy="Export it as 16-bit greyscale PNG.",
        )
    # A negative height means that rows are stored from the top.
    return PictureHeader(family="bmp", rows=abs(rows), columns=columns, bits=8)


def _pgm(head: bytes) -> PictureHeader:
    found = _PGM.match(head)
    most = 0 if found is None else int(found["most"])
    if found is None or not 1 <= most <= 65_535:
        raise UnreadableFile("the PGM has no usable header", remedy="Export it again.")
    if found["kind"] == b"2":
        raise PixelError("the PGM is plain text", remedy="Export it as a binary PGM or as PNG.")
    return PictureHeader(
        family="pgm",
        rows=int(found["rows"]),
        columns=int(found["columns"]),
        bits=8 if most < 256 else 16,
    )


def pgm_start(head: bytes) -> int:
    """Return the offset of the pixels of a PGM."""
    found = _PGM.match(head)
    if found is None:
        raise UnreadableFile("the PGM has no usable header", remedy="Export it again.")
    return found.end()


def _jpeg(data: bytes) -> PictureHeader:
    """Read the size from the start-of-frame marker (ITU-T T.81, B.2.2)."""
    at = 2
    while at + 9 < len(data):
        if data[at] != 0xFF:
            break
        marker, (length,) = data[at + 1], struct.unpack(">H", data[at + 2 : at + 4])
        # C4, C8 and CC are tables, not frames.
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            bits, rows, columns, channels = struct.unpack(">BHHB", data[at + 4 : at + 10])
            if bits not in (8, 12) or channels not in (1, 3):
                raise PixelError(
                    f"the JPEG is not 8- or 12-bit grey ({bits} bits, {channels} channels)",
                    remedy="Export it as 16-bit greyscale PNG.",
                )
            return PictureHeader(
                family="jpeg",
                rows=rows,
                columns=columns,
                bits=8 if bits == 8 else 16,
                is_lossy=marker != 0xC3,
            )
        at += 2 + length
    raise UnreadableFile("the JPEG has no frame header", remedy="Export it again.")


def _tiff(path: Path) -> PictureHeader:
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            # Do not count the pages: reading a long chain of empty pages would take minutes.
            several = file.pages.is_multipage
            page = file.pages.first
            axes, dtype, photometric = len(page.shape), page.dtype, int(page.photometric)
            lossy = int(page.compression) in _LOSSY_TIFF
            # A damaged entry may be a tuple.
            rows, columns = (int(size) for size in page.shape[:2])
    except (
        tifffile.TiffFileError,
        ValueError,
        OSError,
        LookupError,
        TypeError,
        struct.error,
        MemoryError,
        AttributeError,
        ArithmeticError,
        RecursionError,
    ) as error:
        raise UnreadableFile(
            f"the TIFF cannot be read ({type(error).__name__})", remedy="Export it again."
        ) from None
    if several:
        raise PixelError("the TIFF contains several images", remedy="Give one file a view.")
    if photometric not in _TIFF_GREY:
        raise PixelError(
            "the TIFF is not in grey (PhotometricInterpretation)",
            remedy="Export it as unsigned 16-bit greyscale.",
        )
    if dtype is None or dtype.kind != "u" or dtype.itemsize > 2 or axes not in (2, 3):
        raise PixelError(
            f"the TIFF is not 8- or 16-bit grey ({dtype})",
            remedy="Export it as unsigned 16-bit greyscale.",
        )
    return PictureHeader(
        family="tiff",
        rows=rows,
        columns=columns,
        bits=8 * dtype.itemsize,
        is_inverted=photometric == _WHITE_IS_ZERO,
        is_lossy=lossy,
    )


#: Compression of a TIFF: old and new JPEG.
_LOSSY_TIFF = (6, 7)
