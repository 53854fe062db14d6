"""Encoders in torch: unchanged, in bfloat16, compiled, or on a GPU."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from mammorisk.errors import BackendError

Floats = NDArray[np.float32]


def torch_encoder(
    module: nn.Module, *, dtype: torch.dtype = torch.float32, device: str = "cpu"
) -> Callable[[Floats], Floats]:
    """Run a module unchanged. Another precision or device uses a copy of it."""
    if dtype != torch.float32 or device != "cpu":
        module = copy.deepcopy(module).to(device=device, dtype=dtype)
        module = module.to(memory_format=torch.channels_last)
    module.eval()

    def encode(pixels: Floats) -> Floats:
        with torch.inference_mode():
            moved = torch.from_numpy(pixels).to(device=device, dtype=dtype)
            features: Floats = module(moved).float().cpu().numpy()
        return features

    return encode


def compiled_encoder(module: nn.Module) -> Callable[[Floats], Floats]:
    """Run a module with torch.compile, which needs a C++ compiler."""
    from torch._dynamo.exc import TorchDynamoException

    compiled = torch.compile(copy.deepcopy(module).eval(), dynamic=False)

    def encode(pixels: Floats) -> Floats:
        try:
            # Views are run one by one, because each other number would need a new compilation.
            with torch.no_grad():
                parts = [compiled(torch.from_numpy(one)) for one in np.split(pixels, len(pixels))]
        except (TorchDynamoException, RuntimeError) as error:
            raise BackendError(
                f"torch.compile cannot run this network ({type(error).__name__})",
                remedy='Install a C++ compiler, or use backend="auto".',
            ) from None
        found: Floats = torch.cat(parts).numpy()
        return found

    return encode
