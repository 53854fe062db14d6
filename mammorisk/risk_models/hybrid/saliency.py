"""Explanation of a prediction: saliency of each view, and the contributions."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mammorisk.errors import ModelError
from mammorisk.inputs.exam_set import TOKENS_PER_EXAM, ExamSet
from mammorisk.inputs.standard_exam import VIEWS, to_float
from mammorisk.networks.head_ensemble import HeadEnsemble
from mammorisk.networks.hybrid import Batch
from mammorisk.networks.statistics_pooling import StatisticsPooling

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

METHODS = ("grad-cam", "integrated-gradients")


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """Explanation of the image contribution of one exam.

    Attributes
    ----------
    method : str
    views : dict of str to ndarray, shape (rows, columns)
        Standardised views with the chest wall at the left.
    saliency : dict of str to ndarray, shape (rows, columns)
        Positive where the view raises the log hazard, negative where it lowers it. Scaled so that
        the largest absolute value over the views is 1.
    contributions : Series
        Log hazard ratio by modality.

    See Also
    --------
    mammorisk.Prediction : ``explain`` computes it.
    """

    method: str
    views: dict[str, NDArray[np.float32]] = field(repr=False)
    saliency: dict[str, NDArray[np.float32]] = field(repr=False)
    contributions: pd.Series | None

    def plot(self) -> Figure:
        """Plot the maps in the clinical hanging, and the contributions as bars."""
        from mammorisk.imaging.plot_saliency import plot_explanation

        return plot_explanation(self.views, self.saliency, self.contributions, self.method)


def explain_views(
    encoder: nn.Module,
    head: HeadEnsemble,
    batch: Batch,
    exams: ExamSet,
    contributions: pd.Series | None,
    method: str = "grad-cam",
) -> Explanation:
    """Compute the saliency of the log hazard over the pixels of one exam.

    Parameters
    ----------
    encoder : Module
    head : HeadEnsemble
    batch : Batch, 1 row
        All inputs except the features of the views.
    exams : ExamSet, 1 row
    contributions : Series or None
    method : {"grad-cam", "integrated-gradients"}
        Grad-CAM (Selvaraju 2017, doi:10.1109/ICCV.2017.74) of the encoder's last feature maps, with
        integrated gradients (Sattarzadeh 2021, doi:10.1109/ICASSP39728.2021.9415064), or integrated
        gradients of the pixels (Sundararajan 2017, arXiv:1703.01365). The reference image of both
        is a breast of uniform grey.

    Returns
    -------
    Explanation

    Raises
    ------
    ModelError
        The method is unknown, or Grad-CAM does not apply: the encoder has no feature maps, or its
        features come from several stages.
    """
    if method not in METHODS:
        raise ModelError(f"there is no method {method!r}", remedy=f"Known: {', '.join(METHODS)}.")
    views = np.flatnonzero(exams.present[0, :TOKENS_PER_EXAM])
    pixels = torch.from_numpy(to_float(exams.pixels[0, views]))[:, None]
    score = _LogHazard(encoder, head, batch, views)
    maps = _grad_cam(score, pixels) if method == "grad-cam" else _gradients(score, pixels)
    inside = pixels[:, 0].detach().numpy() != 0
    maps = np.where(inside, maps, 0.0)
    maps = maps / max(float(np.abs(maps).max()), 1e-12)
    return Explanation(
        method=method,
        views={VIEWS[v]: pixels[i, 0].detach().numpy() for i, v in enumerate(views)},
        saliency={VIEWS[v]: maps[i].astype(np.float32) for i, v in enumerate(views)},
        contributions=contributions,
    )


class _LogHazard(nn.Module):
    """Map the pixels of one exam's views to its image and acquisition contribution."""

    def __init__(
        self, encoder: nn.Module, head: HeadEnsemble, batch: Batch, views: NDArray[np.int64]
    ) -> None:
        super().__init__()
        self.encoder, self.head, self.batch = encoder.eval(), head.eval(), batch
        self.views = torch.from_numpy(views)

    def forward(self, pixels: Tensor) -> Tensor:
        """Map pixels (views, 1, rows, columns) to one equal share of the sum per view."""
        features = self.encoder(pixels)
        whole = features.new_zeros(1, self.batch.mask.shape[1], features.shape[-1])
        whole = whole.index_copy(1, self.views, features[None])
        parts = self.head.contributions(replace(self.batch, features=whole))
        total = parts["image"] + parts.get("acquisition", torch.zeros(1))
        return total.expand(len(pixels)) / len(pixels)


def _grad_cam(score: _LogHazard, pixels: Tensor) -> NDArray[np.float32]:
    attr = _captum()

    # The head is invariant to a common scale of the features, so the sum of gradient times features
    # is 0 at any single point. Gradients are therefore integrated from a blank view.
    found = attr.LayerIntegratedGradients(score, _last_maps(score.encoder, pixels)).attribute(
        pixels, baselines=_blank(pixels), n_steps=24, internal_batch_size=len(pixels)
    )
    maps = found.sum(dim=1, keepdim=True).detach()
    size = tuple(pixels.shape[2:])
    array: NDArray[np.float32] = attr.LayerAttribution.interpolate(
        maps, size, interpolate_mode="bilinear"
    )[:, 0].numpy()
    return array


def _captum() -> Any:
    """Import Captum's attribution without its warning about progress bars in notebooks."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="IProgress not found")
        import captum.attr

    return captum.attr


def _blank(pixels: Tensor) -> Tensor:
    """Replace the inside of each breast by its mean grey."""
    return torch.stack([torch.where(one != 0, one[one != 0].mean(), 0.0) for one in pixels])


def _last_maps(encoder: nn.Module, pixels: Tensor) -> nn.Module:
    """Find the module whose feature maps are pooled into features."""
    if isinstance(encoder, StatisticsPooling):
        raise ModelError(
            "Grad-CAM does not apply to an encoder whose features come from several stages",
            remedy='Use "integrated-gradients".',
        )
    last: list[nn.Module] = []

    def keep(module: nn.Module, _: object, output: object) -> None:
        if isinstance(output, Tensor) and output.ndim == 4 and min(output.shape[2:]) > 1:
            last[:] = [module]

    handles = [module.register_forward_hook(keep) for module in encoder.modules()]
    with torch.no_grad():
        encoder(pixels)
    for handle in handles:
        handle.remove()
    if not last or not any(isinstance(layer, nn.Conv2d) for layer in encoder.modules()):
        raise ModelError(
            "the encoder has no feature maps for Grad-CAM", remedy='Use "integrated-gradients".'
        )
    return last[0]


def _gradients(score: _LogHazard, pixels: Tensor) -> NDArray[np.float32]:
    import cv2

    found = (
        _captum()
        .IntegratedGradients(score)
        .attribute(pixels, baselines=_blank(pixels), n_steps=24, internal_batch_size=len(pixels))
    )
    maps: NDArray[np.float32] = found[:, 0].detach().numpy().astype(np.float32)
    # Single pixels are noise to a reader, so the map is smoothed over about 4 mm.
    return np.stack([cv2.GaussianBlur(one, (0, 0), 3.0) for one in maps])
