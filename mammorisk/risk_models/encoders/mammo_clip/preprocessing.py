"""The preprocessing of Mammo-CLIP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from mammorisk.base import PreparedView
from mammorisk.imaging.mammo_clip_pixels import (
    COLUMNS,
    MEAN,
    ROWS,
    SD,
    crop_to_breast,
    mammo_clip_bytes,
    normalise,
    resize,
)
from mammorisk.records.exam import Intent
from mammorisk.risk_models.encoders.whole_image import Pixels, WholeImagePreprocessing, not_used

if TYPE_CHECKING:
    from mammorisk.imaging.segmented_view import SegmentedView


class MammoClipPreprocessing(WholeImagePreprocessing):
    """The preprocessing of Mammo-CLIP: bytes over the range of the image, cropped and resized.

    Five pixels are cut off at each edge. The range of the stored values becomes 0 to 255, without
    a window; MONOCHROME1 is inverted. The image is cropped to its longest runs of columns and rows
    with values above 40 and resized, without keeping the aspect ratio or mirroring a side. The
    range of the result becomes 0 to 1, which is normalised and repeated in three channels. Views
    for processing are not used.

    Attributes
    ----------
    rows, columns : int
        Size in pixels. The spacing depends on the image.
    mean, sd : float
        Mean and standard deviation of the grey levels of Mammo-CLIP's training.

    See Also
    --------
    mammorisk.embeddings.StandardPreprocessing : The preprocessing of this package.

    Notes
    -----
    Steps and constants are those of the scripts and configuration of batmanlab/Mammo-CLIP (Ghosh
    2024, doi:10.1007/978-3-031-72390-2_59), which were published for RSNA and VinDr-Mammo. Images
    that are stored upside down or with the wrong polarity are corrected first, as for all encoders.

    Examples
    --------
    >>> from mammorisk.embeddings import MammoClipPreprocessing
    >>> one = MammoClipPreprocessing()
    >>> one.rows, one.columns, one.channels
    (1520, 912, 3)
    """

    kind: Literal["mammo-clip"] = "mammo-clip"
    rows: Pixels = ROWS
    columns: Pixels = COLUMNS
    mean: float = MEAN
    sd: float = SD

    @property
    def channels(self) -> int:
        """Number of channels of the input."""
        return 3

    def prepare(self, seen: SegmentedView) -> PreparedView:
        """Convert a segmented view to bytes, shape (rows, columns); None for one for processing."""
        if seen.view.intent is Intent.PROCESSING:
            return not_used()
        cropped = crop_to_breast(mammo_clip_bytes(seen.raw))
        return PreparedView(content=resize(cropped, (self.rows, self.columns)))

    def to_input(self, contents: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        """Convert prepared views to the input of the network, shape (n, 3, rows, columns)."""
        grey = np.stack([normalise(one) for one in contents])[:, None]
        return np.repeat(grey, self.channels, axis=1)
