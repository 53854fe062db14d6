"""An exam as one array: the four standardised views, with information from their headers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from mammorisk.base import PreparedView
from mammorisk.imaging.dense_tissue import find_dense_tissue
from mammorisk.imaging.segmented_view import SegmentedView, segment_view
from mammorisk.imaging.standardize import standardize
from mammorisk.records.acquisition import Acquisition
from mammorisk.records.exam import STANDARD_VIEWS, Exam, Intent, View
from mammorisk.warnings import make_warning

#: Order of views in all arrays.
VIEWS = STANDARD_VIEWS
#: Version of the pixels and measurements of a standardised exam, part of the key of caches. It
#: is raised with every change of imaging that changes them.
PREPROCESSING_VERSION = 1
#: Limits of grey on the standardised scale; values are clipped before they are stored as bytes.
GREY_RANGE = (-0.5, 1.5)


class ImageSettings(BaseModel):
    """Settings of the standardised views of a network.

    Attributes
    ----------
    spacing_mm : float
        Pixel spacing.
    rows, columns : int
        Size of a view in pixels.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    spacing_mm: float = Field(default=1.25, gt=0, le=5)
    rows: int = Field(default=192, ge=16, le=4096)
    columns: int = Field(default=128, ge=16, le=4096)


@dataclass(frozen=True, kw_only=True)
class NetworkView:
    """The pixels of one view as input of a network.

    Attributes
    ----------
    pixels : ndarray of uint8, shape (rows, columns)
        Chest wall at the left; zero outside the breast.
    percent_density : float
        Measured share of dense area, percent; NaN if it was not or cannot be measured.
    acquisition : Acquisition
    implant : bool
        Whether the header states an implant.
    """

    pixels: NDArray[np.uint8] = field(repr=False)
    percent_density: float
    acquisition: Acquisition
    implant: bool = False


def network_view(
    seen: SegmentedView, settings: ImageSettings, *, density: bool = False
) -> PreparedView:
    """Standardise a segmented view. A view for processing is not used.

    Parameters
    ----------
    seen : SegmentedView
    settings : ImageSettings
    density : bool
        Whether to measure percent density too, the target of an auxiliary task of the training.
    """
    if seen.view.intent is Intent.PROCESSING:
        text = "only an image for processing, not used by the network"
        return PreparedView(content=None, warnings=(make_warning("for-processing", text),))
    shape = (settings.rows, settings.columns)
    made = standardize(seen, spacing_mm=settings.spacing_mm, shape=shape)
    tissue = find_dense_tissue(seen.image, seen.mask) if density else None
    content = NetworkView(
        pixels=to_bytes(made.pixels, made.breast),
        percent_density=float("nan") if tissue is None else tissue.area_percent,
        acquisition=seen.view.acquisition,
        implant=bool(seen.view.implant),
    )
    # Warnings of the mask are part of the quality findings.
    own = tuple(one for one in made.warnings if one not in seen.mask.warnings)
    return PreparedView(content=content, warnings=own)


@dataclass(frozen=True, kw_only=True)
class StandardExam:
    """The pixels of an exam as input of a network.

    Attributes
    ----------
    pixels : ndarray of uint8, shape (4, rows, columns)
        Views in the order of :data:`VIEWS`, chest wall at the left; zero outside the breast.
    present : ndarray of bool, shape (4,)
    percent_density : ndarray of float, shape (4,)
        Measured share of dense area, percent; NaN where it cannot be measured.
    acquisitions : tuple of Acquisition or None
        By view.
    implant : bool
        Whether the header of a view states an implant.
    """

    pixels: NDArray[np.uint8] = field(repr=False)
    present: NDArray[np.bool_]
    percent_density: NDArray[np.float64]
    acquisitions: tuple[Acquisition | None, ...]
    implant: bool = False


def standard_exam(exam: Exam, settings: ImageSettings) -> StandardExam:
    """Read, standardise and measure the standard views of an exam.

    Parameters
    ----------
    exam : Exam
    settings : ImageSettings

    Returns
    -------
    StandardExam

    Raises
    ------
    PixelError, TooLarge, UnsupportedSyntax
        The pixels of a view cannot be read.
    """
    views = {view.name: _content(view, settings) for view in exam}
    return stack_views(views, settings)


def _content(view: View, settings: ImageSettings) -> NetworkView | None:
    content: NetworkView | None = network_view(segment_view(view), settings, density=True).content
    return content


def stack_views(views: Mapping[str, NetworkView | None], settings: ImageSettings) -> StandardExam:
    """Stack the standard views of one exam. A missing view is blank."""
    pixels = np.zeros((len(VIEWS), settings.rows, settings.columns), dtype=np.uint8)
    present = np.zeros(len(VIEWS), dtype=bool)
    density = np.full(len(VIEWS), np.nan)
    acquisitions: list[Acquisition | None] = [None] * len(VIEWS)
    for i, name in enumerate(VIEWS):
        view = views.get(name)
        if view is None:
            continue
        pixels[i], present[i], density[i] = view.pixels, True, view.percent_density
        acquisitions[i] = view.acquisition
    return StandardExam(
        pixels=pixels,
        present=present,
        percent_density=density,
        acquisitions=tuple(acquisitions),
        implant=any(view is not None and view.implant for view in views.values()),
    )


def to_bytes(pixels: np.ndarray, breast: np.ndarray) -> NDArray[np.uint8]:
    """Convert grey to bytes: 1-255 inside the breast, 0 outside."""
    low, high = GREY_RANGE
    scaled = np.round((np.clip(pixels, low, high) - low) / (high - low) * 254) + 1
    return np.where(breast, scaled, 0).astype(np.uint8)


def _grey_of_bytes() -> NDArray[np.float32]:
    low, high = GREY_RANGE
    byte = np.arange(256, dtype=np.float32)
    return np.where(byte > 0, (byte - 1) / 254 * (high - low) + low, 0).astype(np.float32)


#: Input of a network for each byte: standardised grey from 1 on, and 0 for 0. A table is several
#: times faster than arithmetic on all pixels.
GREY_OF_BYTES = _grey_of_bytes()


def to_float(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Convert bytes to the input of a network: standardised grey inside the breast, 0 outside."""
    return np.take(GREY_OF_BYTES, pixels)
