"""Scorers for the child process of a server, which must be importable there."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path

from mammorisk.errors import ServiceError
from mammorisk.service.result_files import RESULT, SR
from mammorisk.service.scoring import Scorer


def hostile() -> Scorer:
    """A scorer that does what the name of the file says."""

    def score(files: Sequence[Path], predecessor: Path | None) -> dict[str, bytes]:
        word = files[0].name
        if word == "crash":
            os.abort()
        if word == "hang":
            time.sleep(60)
        if word == "bomb":
            bytearray(3 * 2**30)
        if word == "refuse":
            raise ServiceError("it is refused", where="here", remedy="Go.")
        return {"pid": str(os.getpid()).encode()}

    return score


def without_a_model() -> Scorer:
    raise ServiceError("there is no such model", remedy="Name another.")


def slow_to_load() -> Scorer:
    time.sleep(60)
    return hostile()


def counting() -> Scorer:
    """A scorer that copies a header into a report, so that its number of images can be seen."""

    import pydicom

    def score(files: Sequence[Path], predecessor: Path | None) -> dict[str, bytes]:
        beside = sorted(file.name for file in files[0].parent.iterdir())
        told = {
            **{"status": "done", "key": "k", "model": "fake", "risk": {"5": 0.01}},
            **{"images": len(files), "beside": [name for name in beside if "quest" in name]},
        }
        image = pydicom.dcmread(files[0], stop_before_pixels=True)
        return {RESULT: json.dumps(told).encode(), SR: str(image.StudyInstanceUID).encode()}

    return score
