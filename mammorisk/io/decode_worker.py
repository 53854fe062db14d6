"""Decoder process: reads frames from standard input and writes arrays to standard output.

:mod:`mammorisk.io.decoding` starts it as a script, so that a codec that crashes, hangs or needs too
much memory affects only this process. It imports no other module of the package, so that it starts
quickly.

Each message is a 4-byte length, JSON of this length, and as many bytes of data as the JSON states.
"""

from __future__ import annotations

import json
import struct
import sys
import zlib
from typing import Any, BinaryIO

import imagecodecs
import numpy as np

#: Exceptions of codecs on bad data. Any other exception ends this process, and the parent reports
#: it.
CODEC_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)

#: Names of decoders, so that the library of a codec is loaded only when it is used.
_CODECS = {
    # libjpeg-turbo: sequential of 8 and 12 bits, lossless of 2 to 16 with any predictor.
    "jpeg": "jpeg8_decode",
    "jpeg-ls": "jpegls_decode",
    # OpenJPEG, high-throughput streams included.
    "jpeg 2000": "jpeg2k_decode",
    "png": "png_decode",
    "bmp": "bmp_decode",
}


def decode(data: bytes, family: str, rows: int, columns: int, bytes_per_pixel: int) -> np.ndarray:
    """Decode one frame.

    Parameters
    ----------
    data : bytes
        One compressed frame, or a whole picture file.
    family : str
        A value of :data:`mammorisk.io.syntaxes.FAMILIES`, ``"png"``, ``"tiff"`` or ``"bmp"``.
    rows, columns, bytes_per_pixel : int
        Values in the header.

    Returns
    -------
    ndarray of int
        The caller checks its shape.

    Raises
    ------
    Exception
        One of ``CODEC_ERRORS``.
    """
    if family in ("rle", "deflate"):
        dtype = np.dtype(f"<u{bytes_per_pixel}")
        if family == "rle":
            flat = imagecodecs.dicomrle_decode(data, dtype)
        else:
            flat = zlib.decompressobj(-zlib.MAX_WBITS).decompress(
                data, rows * columns * dtype.itemsize
            )
        return np.frombuffer(flat, dtype=dtype, count=rows * columns).reshape(rows, columns)
    if family == "tiff":
        import io

        import tifffile

        return np.asarray(tifffile.imread(io.BytesIO(data), key=0))
    decoded: np.ndarray = getattr(imagecodecs, _CODECS[family])(data)
    return decoded


def send(stream: BinaryIO, head: dict[str, Any], payload: bytes | memoryview = b"") -> None:
    """Write one message."""
    text = json.dumps({**head, "bytes": len(payload)}).encode()
    stream.write(struct.pack("<I", len(text)) + text)
    stream.write(payload)
    stream.flush()


def receive(stream: BinaryIO) -> tuple[dict[str, Any], bytes]:
    """Read one message.

    Raises
    ------
    EOFError
        The other process has ended.
    """
    head = json.loads(_exactly(stream, struct.unpack("<I", _exactly(stream, 4))[0]))
    return head, _exactly(stream, head["bytes"])


def _exactly(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) != size:
        raise EOFError
    return data


def _limit_memory(size: int) -> None:
    try:
        import resource
    except ImportError:
        # Windows has no such limit. The time limit and the separate process still protect the
        # caller.
        return
    resource.setrlimit(resource.RLIMIT_AS, (size, size))


def main() -> None:
    """Decode frames until standard input closes."""
    _limit_memory(int(sys.argv[1]))
    incoming, outgoing = sys.stdin.buffer, sys.stdout.buffer
    while True:
        try:
            job, data = receive(incoming)
        except EOFError:
            return
        try:
            array = decode(data, **job["job"])
            if array.ndim not in (2, 3) or array.dtype.kind not in "iu":
                raise TypeError("not a plain image")
            if array.size > job["most"]:
                raise OverflowError("larger than in the header")
            contiguous = array.copy() if not array.flags.c_contiguous else array
            head = {"shape": contiguous.shape, "dtype": contiguous.dtype.str}
            send(outgoing, head, contiguous.data.cast("B"))
        except CODEC_ERRORS as error:
            send(outgoing, {"error": type(error).__name__})


if __name__ == "__main__":
    main()
