"""Random changes of standardised views that do not change the risk."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as transform

from mammorisk.inputs.standard_exam import to_float
from mammorisk.risk_models.augment_options import AugmentOptions


def augment_view(
    pixels: NDArray[np.uint8], options: AugmentOptions, rng: np.random.Generator
) -> Tensor:
    """Change one view at random: flip, rotation, zoom, shift, grey, noise, JPEG, cut-out.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (rows, columns)
        Chest wall at the left; 0 outside the breast.
    options : AugmentOptions
    rng : Generator
        All random numbers come from it.

    Returns
    -------
    Tensor, shape (1, rows, columns)
        Grey on the standardised scale; 0 outside the breast.
    """
    rows, columns = pixels.shape
    if rng.random() < options.jpeg_share:
        pixels = _compressed(pixels, int(rng.integers(options.jpeg_quality, 96)))
    grey = torch.from_numpy(to_float(pixels))[None]
    if rng.random() < options.flip_share:
        grey = transform.vertical_flip(grey)
    turn, zoom, across, down, contrast, brightness = 2 * rng.random(6) - 1
    # The chest wall stays at the edge: tissue at the wall may be cut off, but no gap opens.
    shift = [-round(abs(across) * options.shift * columns), round(down * options.shift * rows)]
    moved = transform.affine(
        grey,
        angle=float(turn * options.turn_deg),
        translate=shift,
        scale=float(1 + zoom * options.zoom),
        shear=[0.0, 0.0],
        center=[0.0, rows / 2],
        interpolation=InterpolationMode.BILINEAR,
    )
    inside = moved != 0
    moved = moved * (1 + contrast * options.contrast) + brightness * options.brightness
    if options.noise_sd > 0:
        seed = torch.Generator().manual_seed(int(rng.integers(2**62)))
        moved = moved + options.noise_sd * torch.randn(moved.shape, generator=seed)
    if rng.random() < options.cut_out_share:
        high, wide = round(options.cut_out_size * rows), round(options.cut_out_size * columns)
        top = int(rng.integers(0, max(rows - high, 0) + 1))
        left = int(rng.integers(0, max(columns - wide, 0) + 1))
        moved = transform.erase(moved, top, left, high, wide, torch.zeros(()))
    return torch.where(inside, moved, 0.0)


def _compressed(pixels: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """Compress as JPEG and decode. The outline of the breast stays."""
    _, coded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE))
    return np.where(pixels > 0, np.maximum(decoded, 1), 0).astype(np.uint8)


def drop_views(
    present: NDArray[np.bool_], share: float, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Remove each view with a probability. At least one of the present views is kept."""
    if share == 0:
        return present
    kept = present & (rng.random(len(present)) >= share)
    if present.any() and not kept.any():
        kept[rng.choice(np.flatnonzero(present))] = True
    return kept
