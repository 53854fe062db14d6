"""Weights of an encoder that its features do not depend on."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def freeze_unused_weights(encoder: nn.Module, shape: tuple[int, int, int]) -> None:
    """Stop the training of weights without effect, which several processes would wait for.

    With statistics pooling these are the layers after the last stage, such as a normalisation
    before the classifier. Nothing is computed: the operations run on tensors without data.

    Parameters
    ----------
    encoder : Module
    shape : tuple of int
        Channels, rows and columns of a view.
    """
    trained = [name for name, value in encoder.named_parameters() if value.requires_grad]
    weights: dict[str, Tensor] = {
        name: value.detach().to("meta")
        for name, value in [*encoder.named_parameters(), *encoder.named_buffers()]
    }
    for name in trained:
        weights[name].requires_grad_()
    pixels = torch.empty(2, *shape, device="meta")
    features = torch.func.functional_call(encoder, weights, (pixels,))
    found = torch.autograd.grad(
        features.sum(), [weights[name] for name in trained], allow_unused=True
    )
    for name, gradient in zip(trained, found, strict=True):
        if gradient is None:
            encoder.get_parameter(name).requires_grad = False
