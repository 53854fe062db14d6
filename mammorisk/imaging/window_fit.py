"""Display grey levels, where the window of the header may not fit the pixels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mammorisk.imaging.windowing import to_display
from mammorisk.records.stored_image import RawImage
from mammorisk.warnings import make_warning

#: A window does not fit where this share of what is not black is white although its stored values
#: spread over this share of their range, or where the brightest grey stays below this.
_WHITE_SHARE, _SPREAD, _LEAST_WHITE = 0.3, 0.15, 0.15

#: Pixels that are looked at, about.
_SAMPLE = 200_000


def fitting_display(raw: RawImage) -> tuple[np.ndarray, RawImage]:
    """Display grey levels by the header's window, or by the range of values where it does not fit.

    Parameters
    ----------
    raw : RawImage

    Returns
    -------
    image : ndarray of float32, shape (rows, columns)
        As :func:`mammorisk.imaging.windowing.to_display` gives.
    raw : RawImage
        Without the window, and with a warning, where it does not fit.

    Examples
    --------
    >>> from mammorisk.records.stored_image import Greyscale, Window
    >>> pixels = np.tile(np.arange(0, 4000, 10, dtype=np.uint16), (50, 1))
    >>> eight_bit = Greyscale(bits_stored=12, windows=(Window(center=128, width=256),))
    >>> image, raw = fitting_display(RawImage(pixels=pixels, greyscale=eight_bit))
    >>> [one.code for one in raw.warnings], round(float(np.median(image)), 2)
    (['window-misfit'], 0.5)
    """
    image = to_display(raw)
    grey = raw.greyscale
    if not (grey.windows or grey.voi_luts) or not image.size or _fits(image, raw):
        return image, raw
    said = "the window does not fit the pixels: their whole range is displayed"
    raw = replace(
        raw,
        greyscale=replace(grey, windows=(), voi_luts=()),
        warnings=(*raw.warnings, make_warning("window-misfit", said)),
    )
    return to_display(raw), raw


def _fits(image: np.ndarray, raw: RawImage) -> bool:
    step = max(1, round((image.size / _SAMPLE) ** 0.5))
    few, values = image[::step, ::step], raw.pixels[::step, ::step].astype(np.int64)
    low, high = (float(v) for v in np.percentile(values, [0.5, 99.5]))
    if high <= low:
        return True
    if float(np.percentile(few, 99.5)) < _LEAST_WHITE:
        return False
    white = few >= 0.999
    if white.sum() <= _WHITE_SHARE * (few > 0.02).sum():
        return True
    # Air that is white has one value; tissue that is cut off at white has many.
    spread = float(np.subtract(*np.percentile(values[white], [95, 5])))
    return spread < _SPREAD * (high - low)
