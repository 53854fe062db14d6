"""Compressed frames to arrays. Runs in the decoder process only: a codec may die on bad data."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

#: Transfer syntax UID (PS3.6 A) -> name of the family of codecs.
FAMILIES = {
    "1.2.840.10008.1.2.5": "rle",
    "1.2.840.10008.1.2.4.50": "jpeg",
    "1.2.840.10008.1.2.4.51": "jpeg",
    "1.2.840.10008.1.2.4.57": "jpeg lossless",
    "1.2.840.10008.1.2.4.70": "jpeg lossless",
    "1.2.840.10008.1.2.4.80": "jpeg-ls",
    "1.2.840.10008.1.2.4.81": "jpeg-ls",
    "1.2.840.10008.1.2.4.90": "jpeg 2000",
    "1.2.840.10008.1.2.4.91": "jpeg 2000",
    "1.2.840.10008.1.2.4.201": "jpeg 2000",
    "1.2.840.10008.1.2.4.202": "jpeg 2000",
    "1.2.840.10008.1.2.4.203": "jpeg 2000",
}


def decode(data: bytes, family: str, rows: int, columns: int, bytes_per_pixel: int) -> np.ndarray:
    """Decode one frame.

    Parameters
    ----------
    data : bytes
        One compressed frame, or a whole PNG or TIFF file.
    family : str
        A value of ``FAMILIES``, ``"png"`` or ``"tiff"``.
    rows, columns, bytes_per_pixel : int
        What the header promises.

    Returns
    -------
    ndarray of int
        As decoded; the caller checks its shape.

    Raises
    ------
    Exception
        Whatever the codec raises; the decoder process reports its class.
    """
    import imagecodecs

    if family == "rle":
        dtype = np.dtype(f"<u{bytes_per_pixel}")
        flat = imagecodecs.dicomrle_decode(data, dtype)
        return np.frombuffer(flat, dtype=dtype)[: rows * columns].reshape(rows, columns)
    if family == "tiff":
        import io

        import tifffile

        return tifffile.imread(io.BytesIO(data), key=0)
    codecs: dict[str, Callable[[bytes], np.ndarray]] = {
        "jpeg": imagecodecs.jpeg_decode,
        "jpeg lossless": imagecodecs.ljpeg_decode,
        "jpeg-ls": imagecodecs.jpegls_decode,
        "jpeg 2000": imagecodecs.jpeg2k_decode,
        "png": imagecodecs.png_decode,
    }
    return codecs[family](data)
