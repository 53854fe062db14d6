"""Backends of encoders: choose one and run it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from mammorisk.errors import BackendError
from mammorisk.runtime.openvino_encoder import openvino_encoder
from mammorisk.runtime.torch_encoder import compiled_encoder, torch_encoder

Pixels = NDArray[np.float32]
#: Pixels, shape (n, 1, rows, columns), to features, shape (n, width).
Encode = Callable[[Pixels], NDArray[np.float32]]

#: Functions that create the encoder of a backend from a module and the shape of its input.
_MAKE: dict[str, Callable[[nn.Module, tuple[int, ...]], Encode]] = {
    "torch": lambda module, _: torch_encoder(module),
    "torch-bfloat16": lambda module, _: torch_encoder(module, dtype=torch.bfloat16),
    "torch-compile": lambda module, _: compiled_encoder(module),
    "openvino": lambda module, shape: openvino_encoder(module, shape, "f32"),
    "openvino-bfloat16": lambda module, shape: openvino_encoder(module, shape, "bf16"),
    "cuda": lambda module, _: torch_encoder(module, device="cuda"),
}
BACKENDS = ("auto", *_MAKE)
#: Encoders with fewer parameters are not compiled, because compilation takes longer than it saves.
SMALL_ENCODER = 2_000_000
#: Flags in Linux of processors that multiply bfloat16.
_BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}


def choose_backend(name: str, module: nn.Module, *, may_reduce: bool) -> str:
    """Choose the backend: the one named, or with ``"auto"`` the best one that is available.

    Parameters
    ----------
    name : str
        One of :data:`BACKENDS`.
    module : Module
        The encoder. A small one runs in torch without compilation.
    may_reduce : bool
        Whether ``"auto"`` may use bfloat16 if the processor supports it.

    Returns
    -------
    str
        A name other than ``"auto"``: a GPU, else OpenVINO where it is installed
        (``pip install mammorisk[fast]``), else torch.

    Raises
    ------
    BackendError
        The name is unknown, or the backend is not available.

    See Also
    --------
    mammorisk.load_model : Takes the name as ``backend=``.

    Examples
    --------
    >>> import torch
    >>> from mammorisk.runtime.backend import choose_backend
    >>> choose_backend("torch", torch.nn.Identity(), may_reduce=False)
    'torch'
    """
    if name not in BACKENDS:
        raise BackendError(f"there is no backend {name!r}", remedy=f"Known: {', '.join(BACKENDS)}.")
    if name == "auto":
        return _automatic(module, may_reduce)
    if name == "cuda" and not torch.cuda.is_available():
        raise BackendError("torch does not find a GPU", remedy='Use backend="auto".')
    if name.startswith("openvino") and find_spec("openvino") is None:
        raise BackendError(
            "OpenVINO is not installed", remedy='pip install "mammorisk[fast]", or backend="auto".'
        )
    if name.endswith("bfloat16") and not has_bfloat16():
        raise BackendError(
            "this processor does not multiply bfloat16", remedy='Use backend="auto".'
        )
    return name


def _automatic(module: nn.Module, may_reduce: bool) -> str:
    if torch.cuda.is_available():
        return "cuda"
    if is_small(module):
        return "torch"
    library = "openvino" if find_spec("openvino") is not None else "torch"
    return f"{library}-bfloat16" if may_reduce and has_bfloat16() else library


def is_small(module: nn.Module) -> bool:
    """Whether an encoder has fewer parameters than :data:`SMALL_ENCODER`."""
    return sum(parameter.numel() for parameter in module.parameters()) < SMALL_ENCODER


def has_bfloat16() -> bool:
    """Whether the processor supports bfloat16; known on Linux only."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        told = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    lines = [line for line in told.splitlines() if line.lower().startswith(("flags", "features"))]
    return bool(lines) and bool(_BFLOAT16_FLAGS & set(lines[0].split()))


@dataclass
class Runner:
    """An encoder on its backend. It is prepared at the first exam.

    Attributes
    ----------
    module : Module
        Encoder in evaluation mode.
    backend : str
        A name of :func:`choose_backend`.
    """

    module: nn.Module = field(repr=False)
    backend: str
    _made: dict[tuple[int, ...], Encode] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __call__(self, pixels: Pixels) -> NDArray[np.float32]:
        """Compute features, shape (n, width), from pixels, shape (n, 1, rows, columns).

        Raises
        ------
        BackendError
            The backend cannot run this network.
        """
        shape = pixels.shape[1:]
        # A request owns its memory, so only one runs at a time.
        with self._lock:
            if shape not in self._made:
                self._made[shape] = _MAKE[self.backend](self.module, shape)
            return self._made[shape](pixels)
