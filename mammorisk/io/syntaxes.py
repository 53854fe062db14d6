"""The transfer syntaxes (DICOM PS3.6 A) that are read."""

from __future__ import annotations

#: Uncompressed syntaxes -> byte order; pydicom inflates the deflated one while parsing.
NATIVE = {
    "1.2.840.10008.1.2": "<",
    "1.2.840.10008.1.2.1": "<",
    "1.2.840.10008.1.2.1.99": "<",
    "1.2.840.10008.1.2.2": ">",
}

#: Compressed syntaxes -> family of codecs.
FAMILIES = {
    "1.2.840.10008.1.2.5": "rle",
    "1.2.840.10008.1.2.8.1": "deflate",
    "1.2.840.10008.1.2.4.50": "jpeg",
    "1.2.840.10008.1.2.4.51": "jpeg",
    "1.2.840.10008.1.2.4.57": "jpeg",
    "1.2.840.10008.1.2.4.70": "jpeg",
    "1.2.840.10008.1.2.4.80": "jpeg-ls",
    "1.2.840.10008.1.2.4.81": "jpeg-ls",
    "1.2.840.10008.1.2.4.90": "jpeg 2000",
    "1.2.840.10008.1.2.4.91": "jpeg 2000",
    "1.2.840.10008.1.2.4.201": "jpeg 2000",
    "1.2.840.10008.1.2.4.202": "jpeg 2000",
    "1.2.840.10008.1.2.4.203": "jpeg 2000",
}

#: Compressed syntaxes that are met and not read -> name.
NOT_READ = {
    "1.2.840.10008.1.2.4.110": "JPEG XL",
    "1.2.840.10008.1.2.4.111": "JPEG XL",
    "1.2.840.10008.1.2.4.112": "JPEG XL",
    "1.2.840.10008.1.2.4.92": "JPEG 2000 Part 2",
    "1.2.840.10008.1.2.4.93": "JPEG 2000 Part 2",
}

#: Syntaxes whose compression is not reversible. JPEG 2000 and HTJ2K in general may be either.
_LOSSY = frozenset({"1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.81"})


def is_lossy(syntax: str) -> bool:
    """Whether a transfer syntax loses grey levels whatever the file.

    Examples
    --------
    >>> is_lossy("1.2.840.10008.1.2.4.50"), is_lossy("1.2.840.10008.1.2.4.90")
    (True, False)
    """
    return syntax in _LOSSY
