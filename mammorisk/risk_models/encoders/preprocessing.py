"""Preprocessing of a view for an encoder. Every encoder carries its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from mammorisk.base import PreparedView
from mammorisk.imaging.mirai_pixels import (
    COLUMNS,
    MEAN,
    ROWS,
    SD,
    aligned_counts,
    mirai_counts,
    normalise,
)
from mammorisk.imaging.standardize import standardize
from mammorisk.inputs.standard_exam import ImageSettings, to_bytes, to_float
from mammorisk.records.exam import Intent
from mammorisk.risk_models.encoders.mammo_clip.preprocessing import MammoClipPreprocessing
from mammorisk.risk_models.encoders.whole_image import Pixels, WholeImagePreprocessing, not_used
from mammorisk.warnings import Warnings, make_warning

if TYPE_CHECKING:
    from mammorisk.imaging.segmented_view import SegmentedView


#: Least grey of the breast where it has to differ from the background: less than the second of the
#: grey levels between 0 and 1 (1/254).
_LEAST_GREY = 1 / 512


class StandardPreprocessing(ImageSettings):
    """The standardised view of this package, then a normalisation.

    The view is cropped to the breast, brought to one pixel spacing, and placed with the chest wall
    at the left. The 5th and 95th percentile of the breast become 0 and 1; pixels outside the breast
    are 0. Views for processing are not used.

    Attributes
    ----------
    spacing_mm : float
        Pixel spacing.
    rows, columns : int
        Size in pixels.
    grey : {"standardised", "unit"}
        Limits of the grey levels: -0.5 and 1.5 (``"standardised"``) or 0 and 1 (``"unit"``).
    mean, sd : tuple of float
        The input of the network is (grey - mean) / sd, with one channel for each value.

    See Also
    --------
    mammorisk.embeddings.MiraiPreprocessing : The preprocessing of Mirai.

    Examples
    --------
    >>> from mammorisk.embeddings import StandardPreprocessing
    >>> one = StandardPreprocessing(spacing_mm=0.5, rows=480, columns=320, grey="unit")
    >>> one.channels, one.grey
    (1, 'unit')
    """

    kind: Literal["standard"] = "standard"
    grey: Literal["standardised", "unit"] = "standardised"
    mean: tuple[float, ...] = (0.0,)
    sd: tuple[float, ...] = (1.0,)

    @model_validator(mode="after")
    def _check_channels(self) -> StandardPreprocessing:
        if len(self.mean) != len(self.sd) or len(self.mean) not in (1, 3):
            raise ValueError("mean and sd must both have 1 or 3 values")
        if min(self.sd) <= 0:
            raise ValueError("sd must be positive")
        return self

    @property
    def channels(self) -> int:
        """Number of channels of the input."""
        return len(self.mean)

    @property
    def background(self) -> list[float]:
        """Value of a pixel outside the breast in the input of the network, one a channel."""
        blank = self.to_input([np.zeros((1, 1), dtype=np.uint8)])
        return [float(value) for value in blank[0, :, 0, 0]]

    def prepare(self, seen: SegmentedView) -> PreparedView:
        """Standardise a segmented view.

        Returns
        -------
        PreparedView
            ``content`` is an ndarray of uint8, shape (rows, columns). None for a view for
            processing.
        """
        if seen.view.intent is Intent.PROCESSING:
            return not_used()
        shape = (self.rows, self.columns)
        made = standardize(seen, spacing_mm=self.spacing_mm, shape=shape)
        return PreparedView(content=to_bytes(made.pixels, made.breast), warnings=made.warnings)

    def to_input(
        self, contents: Sequence[NDArray[Any]], *, breast_apart: bool = False
    ) -> NDArray[np.float32]:
        """Convert prepared views to the input, shape (n, channels, rows, columns).

        Parameters
        ----------
        contents : sequence of ndarray
            From :meth:`prepare`.
        breast_apart : bool
            Give no pixel of the breast the value of the background, as statistics pooling needs.
            With the limits 0 and 1 the darkest pixels of the breast otherwise have it.
        """
        content = np.stack(contents)
        grey = to_float(content)[:, None]
        if self.grey == "unit":
            grey = np.clip(grey, 0.0, 1.0)
            if breast_apart:
                grey = np.maximum(grey, np.float32(_LEAST_GREY) * (content > 0)[:, None])
        if self.mean == (0.0,) and self.sd == (1.0,):
            return grey
        mean, sd = (np.array(one, dtype=np.float32)[:, None, None] for one in (self.mean, self.sd))
        return np.asarray((grey - mean) / sd, dtype=np.float32)


class MiraiPreprocessing(WholeImagePreprocessing):
    """The preprocessing of Mirai: the whole image as 16-bit counts, resized to one size.

    Attributes
    ----------
    rows, columns : int
        Size in pixels. The spacing depends on the image.
    mean, sd : float
        Mean and standard deviation of the counts of Mirai's training data.

    See Also
    --------
    mammorisk.embeddings.StandardPreprocessing : The preprocessing of this package.

    Examples
    --------
    >>> from mammorisk.embeddings import MiraiPreprocessing
    >>> MiraiPreprocessing().rows
    2048
    """

    kind: Literal["mirai"] = "mirai"
    rows: Pixels = ROWS
    columns: Pixels = COLUMNS
    mean: float = MEAN
    sd: float = SD

    @property
    def channels(self) -> int:
        """Number of channels of the input."""
        return 1

    def prepare(self, seen: SegmentedView) -> PreparedView:
        """Convert a segmented view to aligned counts, uint16 of shape (rows, columns)."""
        counts = aligned_counts(mirai_counts(seen.view, seen.raw), (self.rows, self.columns))
        warnings: Warnings = ()
        if seen.view.intent is Intent.PROCESSING:
            text = "image for processing: Mirai was trained on images for presentation"
            warnings = (make_warning("for-processing", text),)
        return PreparedView(content=counts, warnings=warnings)

    def to_input(self, contents: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        """Convert prepared views to the input of the network, shape (n, 1, rows, columns)."""
        return np.stack([normalise(one) for one in contents])[:, None]


#: The preprocessing of an encoder, as read from its configuration.
Preprocessing = Annotated[
    StandardPreprocessing | MiraiPreprocessing | MammoClipPreprocessing, Field(discriminator="kind")
]
