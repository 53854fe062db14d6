"""Encoders run by OpenVINO."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from mammorisk.errors import BackendError

Floats = NDArray[np.float32]
#: Largest number of views that an encoder processes at once.
_MOST_VIEWS = 4096


def openvino_encoder(
    module: nn.Module, shape: tuple[int, ...], precision: str
) -> Callable[[Floats], Floats]:
    """Compile a module for the processor.

    Parameters
    ----------
    module : Module
    shape : tuple of int
        Channels, rows and columns of the input.
    precision : {"f32", "bf16"}

    Raises
    ------
    BackendError
        The module cannot be compiled.
    """
    import openvino

    try:
        # The module is exported without running it, which needs no memory for images.
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.export.export(
                module.eval(),
                (torch.zeros(2, *shape),),
                dynamic_shapes=({0: torch.export.Dim("n", min=1, max=_MOST_VIEWS)},),
            )
            network = openvino.convert_model(program)
        network.reshape([-1, *shape])
        compiled = openvino.Core().compile_model(
            network,
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": precision,
                "PERFORMANCE_HINT": "LATENCY",
                # Both libraries use the same number of threads.
                "INFERENCE_NUM_THREADS": str(torch.get_num_threads()),
            },
        )
    except RuntimeError as error:
        raise BackendError(
            f"OpenVINO cannot run this network ({type(error).__name__})",
            remedy='Use backend="torch".',
        ) from None
    request = compiled.create_infer_request()

    def encode(pixels: Floats) -> Floats:
        request.infer({0: np.ascontiguousarray(pixels)})
        # A copy, because the next request overwrites the tensor.
        return np.array(request.get_output_tensor(0).data, dtype=np.float32)

    return encode
