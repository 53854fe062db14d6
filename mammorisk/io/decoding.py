"""Decoding in a child process with limits on time and memory. It is restarted if it dies."""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import threading
from functools import cache
from typing import Any, BinaryIO, cast

import numpy as np

from mammorisk._utils.parallel import usable_cores
from mammorisk.errors import PixelError
from mammorisk.io import decode_worker
from mammorisk.io.decode_worker import CODEC_ERRORS, decode, receive, send
from mammorisk.io.limits import Limits

_BROKEN = (EOFError, OSError, ValueError)
#: Time in seconds for an idle decoder to end by itself when the program ends.
_SECONDS_TO_END = 2.0


def decode_frame(
    data: bytes,
    *,
    family: str,
    rows: int,
    columns: int,
    bytes_per_pixel: int,
    limits: Limits,
) -> np.ndarray:
    """Decode one compressed frame in a child process.

    Parameters
    ----------
    data : bytes
    family : str
        See :func:`mammorisk.io.decode_worker.decode`.
    rows, columns, bytes_per_pixel : int
        Values in the header.
    limits : Limits

    Returns
    -------
    ndarray of int, shape (rows, columns) or (rows, columns, channels)

    Raises
    ------
    PixelError
        The data are damaged, have another size, or exceed the limits.
    """
    job: dict[str, int | str] = {
        "family": family,
        "rows": rows,
        "columns": columns,
        "bytes_per_pixel": bytes_per_pixel,
    }
    if limits.decode_in_process:
        try:
            array = decode(data, family, rows, columns, bytes_per_pixel)
        except CODEC_ERRORS as error:
            raise _undecodable(family, type(error).__name__) from None
    else:
        array = _decode_in_child(data, job, limits)
    if array.shape[:2] != (rows, columns):
        raise PixelError(
            f"the image is {array.shape[0]} x {array.shape[1]} pixels, its header says "
            f"{rows} x {columns}",
            remedy="Fetch the file again from the archive.",
        )
    return array


def _decode_in_child(data: bytes, job: dict[str, int | str], limits: Limits) -> np.ndarray:
    pool = _pool(os.getpid(), limits.decode_memory_bytes)
    decoder = pool.take()
    # Four channels at most: RGBA, which may turn out to be grey.
    most = 4 * int(job["rows"]) * int(job["columns"])
    try:
        head, payload = decoder.ask({"job": job, "most": most}, data, limits.decode_seconds)
    except _BROKEN:
        decoder.close()
        late = decoder.timed_out
        raise PixelError(
            f"decoding took longer than {limits.decode_seconds:g} s"
            if late
            else "the decoder stopped on these data",
            remedy="The file is damaged, or pass limits=mr.Limits(...) with higher limits.",
        ) from None
    pool.give_back(decoder)
    if "error" in head:
        raise _undecodable(str(job["family"]), head["error"])
    return np.frombuffer(payload, dtype=np.dtype(head["dtype"])).reshape(head["shape"])


def _undecodable(family: str, error: str) -> PixelError:
    return PixelError(
        f"the pixel data cannot be decoded ({family}: {error})",
        remedy="Fetch the file again from the archive.",
    )


class _Decoder:
    """One child process."""

    def __init__(self, memory_bytes: int) -> None:
        self._process = subprocess.Popen(
            # -P: a numpy.py that lies beside the script must not be imported.
            [sys.executable, "-P", str(decode_worker.__file__), str(memory_bytes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # Threads of numpy would take address space from the images.
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )
        # Popen types them as optional; with PIPE they are there.
        self._to = cast(BinaryIO, self._process.stdin)
        self._from = cast(BinaryIO, self._process.stdout)
        self.timed_out = False

    def ask(self, job: dict[str, Any], data: bytes, seconds: float) -> tuple[dict[str, Any], bytes]:
        watchdog = threading.Timer(seconds, self._stop)
        watchdog.start()
        try:
            send(self._to, job, data)
            return receive(self._from)
        finally:
            watchdog.cancel()

    def _stop(self) -> None:
        self.timed_out = True
        self._process.kill()

    def close(self) -> None:
        """End a decoder that is broken or not needed, at once."""
        self._process.kill()
        self._process.wait()
        self._close_streams()

    def finish(self) -> None:
        """Let an idle decoder end by itself: it stops when its input closes."""
        self._close_streams()
        try:
            self._process.wait(timeout=_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            self.close()

    def _close_streams(self) -> None:
        for stream in (self._to, self._from):
            try:
                stream.close()
            except OSError:
                # A half-written message to a dead process; nothing is left to save.
                continue


class _Pool:
    """Idle decoders, started when needed, at most one a core kept."""

    def __init__(self, memory_bytes: int) -> None:
        self._process = os.getpid()
        self._memory_bytes = memory_bytes
        self._idle: list[_Decoder] = []
        self._lock = threading.Lock()

    def take(self) -> _Decoder:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return _Decoder(self._memory_bytes)

    def give_back(self, decoder: _Decoder) -> None:
        with self._lock:
            if not decoder.timed_out and len(self._idle) < usable_cores():
                self._idle.append(decoder)
                return
        decoder.close()

    def close(self) -> None:
        if os.getpid() != self._process:
            return
        with self._lock:
            while self._idle:
                self._idle.pop().finish()


@cache
def _pool(process: int, memory_bytes: int) -> _Pool:
    """The pool of this process: a forked child must not share its parent's pipes."""
    pool = _Pool(memory_bytes)
    atexit.register(pool.close)
    return pool
