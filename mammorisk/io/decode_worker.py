"""The decoder process: frames in on standard input, arrays out on standard output.

Started by :mod:`mammorisk.io.decoding` as ``python -m``, so that a codec which crashes, hangs or
eats memory takes this process along and nothing else.

Each message is a 4-byte length, that many bytes of JSON, and the number of payload bytes it names.
"""

from __future__ import annotations

import json
import struct
import sys
from typing import Any, BinaryIO

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
)


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
    from mammorisk.io.codecs import decode

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
            send(outgoing, head, memoryview(contiguous).cast("B"))
        except CODEC_ERRORS as error:
            send(outgoing, {"error": type(error).__name__})


if __name__ == "__main__":
    main()
