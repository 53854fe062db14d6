"""Reading a snapshot in a child process with limits on memory and time."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mammorisk.errors import ModelError

#: Limits of the child process.
MEMORY_BYTES, SECONDS = 6 * 2**30, 300

Arrays = dict[str, NDArray[Any]]


def read_in_child(script: str, file: Path, folder: Path, *, of: str) -> tuple[Arrays, Any]:
    """Read the arrays and metadata of one snapshot in a child process.

    Parameters
    ----------
    script : str
        Module that the child runs; it calls :func:`mammorisk._utils.snapshots.child.run`.
    file : Path
        The snapshot.
    folder : Path
        Folder for what the child writes.
    of : str
        Name of the published model, for the messages.

    Returns
    -------
    arrays : dict of str to ndarray
    facts : dict
        Plain JSON types.

    Raises
    ------
    ModelError
        The file is damaged, or names a class or function that is not allowed (the message gives
        its name).
    """
    out = folder / f"read-{hashlib.sha256(str(file).encode()).hexdigest()[:16]}"
    remedy = f"Fetch the file again from the release of {of}."
    try:
        child = subprocess.run(
            [sys.executable, "-P", "-m", script, str(file), str(out), str(MEMORY_BYTES)],
            capture_output=True,
            timeout=SECONDS,
            check=False,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        )
    except subprocess.TimeoutExpired:
        raise ModelError(
            f"reading the snapshot took longer than {SECONDS} s", where=file.name
        ) from None
    if child.returncode != 0:
        try:
            answer = json.loads(child.stdout.decode() or "{}")
        except ValueError:
            answer = {}
        if "refused" in answer:
            raise ModelError(
                f"the snapshot refers to {answer['refused']}, which no snapshot of {of} needs; "
                "nothing in it was executed",
                where=file.name,
                remedy=remedy,
            )
        raise ModelError(
            f"the snapshot cannot be read ({answer.get('damaged', 'the reader stopped')})",
            where=file.name,
            remedy=remedy,
        )
    facts = json.loads(out.with_suffix(".json").read_text())
    with np.load(out.with_suffix(".npz"), allow_pickle=False) as arrays:
        return dict(arrays), facts


def file_sha256(file: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
