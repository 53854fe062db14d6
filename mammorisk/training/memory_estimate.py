"""Memory of a step of the training, estimated without computing it."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

from mammorisk.risk_models.recipe import Precision

_AUTOCAST = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


def autocast(precision: Precision, device: str) -> AbstractContextManager[Any]:
    """Context manager of a precision of Lightning."""
    kind = _AUTOCAST.get(precision)
    return nullcontext() if kind is None else torch.autocast(device, dtype=kind)


class _LiveTensors(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of the tensors that operations make, until they are freed."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.live = self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        return tree_map_only(Tensor, self._count, func(*args, **(kwargs or {})))

    def _count(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key not in self._known:
            self._known.add(key)
            self.live += storage.nbytes()
            self.peak = max(self.peak, self.live)
            weakref.finalize(storage, self._free, key, storage.nbytes())
        return tensor

    def _free(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.live -= size


def step_bytes(
    encoder: nn.Module, shape: tuple[int, int, int, int], precision: Precision, *, train: bool
) -> int:
    """Bytes of the activations and gradients of an encoder in one batch, at their highest.

    The operations run on tensors without data, so this takes a second for any size.

    Parameters
    ----------
    encoder : Module
        Its channels_last and gradient checkpointing count.
    shape : tuple of int
        Views, channels, rows and columns of a batch.
    precision : str
        Of the training.
    train : bool
        With the backward pass; otherwise only the features are computed.

    Returns
    -------
    int
        Without the weights and the state of the optimizer, and without the workspace of libraries.
    """
    was_training = encoder.training
    encoder.train(train)
    trained = [one for one in encoder.parameters() if one.requires_grad]
    gradients = sum(one.numel() * one.element_size() for one in trained) if train else 0
    try:
        with FakeTensorMode(allow_non_fake_inputs=True) as fake:
            weights: dict[str, Tensor] = {
                name: fake.from_tensor(value)
                for name, value in [*encoder.named_parameters(), *encoder.named_buffers()]
            }
            pixels = torch.empty(shape)
            with _LiveTensors() as counted, torch.set_grad_enabled(train):
                with autocast(precision, "cpu"):
                    features = torch.func.functional_call(encoder, weights, (pixels,))
                if train:
                    features.float().square().mean().backward()
    finally:
        encoder.train(was_training)
    # Gradients of the weights are counted with the optimizer.
    activations: int = max(counted.peak - gradients, 0)
    return activations + 4 * pixels.numel()


def weight_bytes(module: nn.Module, *, averaged: bool) -> int:
    """Bytes of weights, gradients, the two moments of the optimizer, and averaged weights."""
    every = sum(one.numel() * one.element_size() for one in module.parameters())
    trained = sum(
        one.numel() * one.element_size() for one in module.parameters() if one.requires_grad
    )
    return every * (2 if averaged else 1) + 3 * trained
