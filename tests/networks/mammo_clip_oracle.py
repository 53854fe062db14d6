"""Weights and pixels of the comparison with efficientnet_pytorch, by a rule.

``python -m tests.networks.mammo_clip_oracle OUT`` writes tests/data/mammo_clip/oracle.json. It
needs efficientnet_pytorch 0.7.1, which is not a dependency.
"""

from __future__ import annotations

import hashlib
import json
import sys
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Three times the variance of the weights of a convolution times its number of inputs: large enough
#: that the features depend on the pixels, and too small for chaos in the deeper network.
GAINS = {"mammo-clip-b5": 5.1, "mammo-clip-b2": 6.0}
#: Rows and columns for which fixed and "same" padding differ in both networks.
SIZE = (96, 64)


def filled(shapes: Mapping[str, tuple[int, ...]], architecture: str) -> dict[str, NDArray[Any]]:
    """Weights by a hash of their published names."""
    return {name: _fill(name, shape, GAINS[architecture]) for name, shape in shapes.items()}


def _fill(name: str, shape: tuple[int, ...], gain: float) -> NDArray[Any]:
    if name.endswith("num_batches_tracked"):
        return np.array(3, dtype=np.int64)
    values = np.random.default_rng(zlib.crc32(name.encode())).uniform(-1, 1, shape)
    if name.endswith("running_var"):
        values = 1 + 0.5 * values
    elif name.endswith(("bias", "running_mean")):
        values *= 0.2
    elif "_bn" in name:
        values = 1 + 0.3 * values
    else:
        values *= np.sqrt(gain / max(np.prod(shape[1:]), 1))
    return np.asarray(values, dtype=np.float32)


def pixels() -> NDArray[np.float32]:
    rows, columns = SIZE
    z, y, x = np.meshgrid(np.arange(3), np.arange(rows), np.arange(columns), indexing="ij")
    values = ((31 * z + 7 * x + 13 * y + (x * y) // 5) % 97) / 24.0 - 2
    return np.asarray(values, dtype=np.float32)[None]


def digest(shapes: Mapping[str, tuple[int, ...]]) -> str:
    """SHA-256 of the names and shapes of weights."""
    text = "\n".join(f"{name} {tuple(shape)}" for name, shape in sorted(shapes.items()))
    return hashlib.sha256(text.encode()).hexdigest()


def _oracle() -> dict[str, Any]:
    import efficientnet_pytorch
    import torch

    found: dict[str, Any] = {
        "source": f"efficientnet_pytorch {efficientnet_pytorch.__version__}, float64",
        "size": SIZE,
    }
    for architecture in GAINS:
        name = architecture.replace("mammo-clip", "efficientnet")
        network = efficientnet_pytorch.EfficientNet.from_name(name).eval()
        # The published network has no classifier.
        shapes = {k: tuple(v.shape) for k, v in network.state_dict().items() if k[:3] != "_fc"}
        state = {k: torch.from_numpy(v) for k, v in filled(shapes, architecture).items()}
        network.load_state_dict(state, strict=False)
        network.set_swish(memory_efficient=False)
        with torch.inference_mode():
            maps = network.double().extract_features(torch.from_numpy(pixels()).double())
        features = maps.mean(dim=(2, 3))[0].numpy()
        found[architecture] = {
            "weights": len(shapes),
            "names_sha256": digest(shapes),
            "n_features": len(features),
            "mean": float(features.mean()),
            "sd": float(features.std()),
            "every_16th": [float(f"{one:.9g}") for one in features[::16]],
        }
    return found


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(_oracle(), indent=1) + "\n", encoding="utf-8")
