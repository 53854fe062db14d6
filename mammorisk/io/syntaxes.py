"""Transfer syntaxes (DICOM PS3.6 A) that can be read."""

from __future__ import annotations

from pydicom import uid

#: Deflated Image Frame Compression. pydicom 3.0 has no constant for it.
_DEFLATED_FRAMES = "1.2.840.10008.1.2.8.1"

#: Byte order of uncompressed syntaxes. pydicom inflates the deflated one while parsing.
NATIVE: dict[str, str] = {
    uid.ImplicitVRLittleEndian: "<",
    uid.ExplicitVRLittleEndian: "<",
    uid.DeflatedExplicitVRLittleEndian: "<",
    uid.ExplicitVRBigEndian: ">",
}

#: Family of codecs of compressed syntaxes.
FAMILIES: dict[str, str] = {
    uid.RLELossless: "rle",
    _DEFLATED_FRAMES: "deflate",
    uid.JPEGBaseline8Bit: "jpeg",
    uid.JPEGExtended12Bit: "jpeg",
    uid.JPEGLossless: "jpeg",
    uid.JPEGLosslessSV1: "jpeg",
    uid.JPEGLSLossless: "jpeg-ls",
    uid.JPEGLSNearLossless: "jpeg-ls",
    uid.JPEG2000Lossless: "jpeg 2000",
    uid.JPEG2000: "jpeg 2000",
    uid.HTJ2KLossless: "jpeg 2000",
    uid.HTJ2KLosslessRPCL: "jpeg 2000",
    uid.HTJ2K: "jpeg 2000",
}

#: Name of known compressed syntaxes that cannot be read.
NOT_READ: dict[str, str] = {
    # pydicom 3.0 has no constants for these three.
    "1.2.840.10008.1.2.4.110": "JPEG XL",
    "1.2.840.10008.1.2.4.111": "JPEG XL",
    "1.2.840.10008.1.2.4.112": "JPEG XL",
    uid.JPEG2000MCLossless: "JPEG 2000 Part 2",
    uid.JPEG2000MC: "JPEG 2000 Part 2",
}

#: Syntaxes with lossy compression only. JPEG 2000 and HTJ2K may be lossy or lossless.
_LOSSY = frozenset({uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit, uid.JPEGLSNearLossless})


def is_lossy(syntax: str) -> bool:
    """Whether the compression of a transfer syntax is always lossy.

    Examples
    --------
    >>> from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit
    >>> is_lossy(JPEGBaseline8Bit), is_lossy(JPEG2000Lossless)
    (True, False)
    """
    return syntax in _LOSSY
