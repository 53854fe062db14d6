"""Random changes of standardised views that do not change the risk."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

#: Largest rotation in degrees, relative zoom, and shift as a share of the height or width.
_TURN_DEG, _ZOOM, _SHIFT = 6.0, 0.06, 0.03
#: Relative change of contrast, and of brightness on the standardised scale.
_CONTRAST, _BRIGHTNESS = 0.05, 0.02


def augment(pixels: Tensor) -> Tensor:
    """Flip vertically, rotate, zoom and shift each view, and change its grey.

    Parameters
    ----------
    pixels : Tensor, shape (n, 1, rows, columns)
        0 outside the breast.

    Returns
    -------
    Tensor, same shape
    """
    n, device = len(pixels), pixels.device
    turn = torch.deg2rad((2 * torch.rand(n, device=device) - 1) * _TURN_DEG)
    zoom = 1 + (2 * torch.rand(n, device=device) - 1) * _ZOOM
    flip = torch.where(torch.rand(n, device=device) < 0.5, -1.0, 1.0)
    aspect = pixels.shape[2] / pixels.shape[3]
    cos, sin = zoom * turn.cos(), zoom * turn.sin()
    move = (2 * torch.rand(n, 2, device=device) - 1) * 2 * _SHIFT
    # The chest wall stays at the edge, so views are not moved away from it.
    theta = torch.stack(
        [
            torch.stack([cos, -sin * aspect, move[:, 0].clamp(max=0)], dim=1),
            torch.stack([sin / aspect * flip, cos * flip, move[:, 1]], dim=1),
        ],
        dim=1,
    )
    grid = functional.affine_grid(theta, list(pixels.shape), align_corners=False)
    moved = functional.grid_sample(pixels, grid, align_corners=False)
    inside = moved != 0
    contrast = 1 + (2 * torch.rand(n, 1, 1, 1, device=device) - 1) * _CONTRAST
    brightness = (2 * torch.rand(n, 1, 1, 1, device=device) - 1) * _BRIGHTNESS
    return torch.where(inside, moved * contrast + brightness, 0.0)
