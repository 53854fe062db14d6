"""Extraction of the image encoder from a checkpoint of Mammo-CLIP.

``convert`` runs this module in a child process:

    python -m mammorisk.risk_models.encoders.mammo_clip.checkpoint FILE OUT

writes ``OUT.npz`` and ``OUT.json``.
"""

from __future__ import annotations

import sys
from typing import Any

from numpy.typing import NDArray

from mammorisk._utils.snapshots.child import run
from mammorisk._utils.snapshots.restricted_unpickler import Damaged, Tensor

#: Start of the names of the weights of the image encoder.
PREFIX = "image_encoder."


def describe(whole: Any) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Return the weights of the image encoder without their prefix, and the epoch."""
    state = whole.get("model") if isinstance(whole, dict) else None
    if not isinstance(state, dict):
        raise Damaged("the file has no weights under the key model")
    arrays = {
        name.removeprefix(PREFIX): value.array()
        for name, value in state.items()
        if isinstance(name, str) and name.startswith(PREFIX) and isinstance(value, Tensor)
    }
    if not arrays:
        raise Damaged(f"the file has no weights whose names start with {PREFIX}")
    epoch = whole.get("epoch")
    return arrays, {"epoch": epoch if isinstance(epoch, int) else None}


if __name__ == "__main__":
    sys.exit(run(describe))
