"""The decoder process: frames in on standard input, arrays out on standard output.

Started by :mod:`mammorisk.io.decoding` as a script, so that a codec which crashes, hangs or eats
memory takes this process along and nothing else. It imports nothing of ours: it starts in the time
of numpy and imagecodecs.

Each message is a 4-byte length, that many bytes of JSON, and the number of payload bytes it names.
"""

from __future__ import annotations

import json
import struct
import sys
import zlib
from typing import Any, BinaryIO

import imagecodecs
import numpy as np

#: What codecs raise on bad data; anything else ends this process, and the parent says so.
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

#: Names, so that a codec's library is loaded where it is used: in this process.
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
        What the header promises.

    Returns
    -------
    ndarray of int
        As decoded; the caller checks its shape.

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
        The other side is gone.
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
        # Windows has no such limit; the time limit and the process boundary remain.
        return
    resource.setrlimit(resource.RLIMIT_AS, (size, size))


def main() -> None:
    """Serve until standard input closes."""
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
                raise OverflowError("larger than promised")
            contiguous = array.copy() if not array.flags.c_contiguous else array
            head = {"shape": contiguous.shape, "dtype": contiguous.dtype.str}
            send(outgoing, head, contiguous.data.cast("B"))
        except CODEC_ERRORS as error:
            send(outgoing, {"error": type(error).__name__})


if __name__ == "__main__":
    main()
