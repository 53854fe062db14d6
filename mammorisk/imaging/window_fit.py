"""Display grey levels, with a check that the window of the header fits the pixels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mammorisk.imaging.percentiles import percentile, percentiles
from mammorisk.imaging.windowing import to_display
from mammorisk.records.stored_image import RawImage
from mammorisk.warnings import make_warning

#: A window does not fit if more than the first share of the pixels that are not black is white
#: although their stored values vary by more than the second share of the range, or if the
#: brightest grey is below the third number.
_WHITE_SHARE, _SPREAD, _LEAST_WHITE = 0.3, 0.15, 0.15

#: Approximate number of pixels that are checked.
_SAMPLE = 200_000


def fitting_display(raw: RawImage) -> tuple[np.ndarray, RawImage]:
    """Return display grey levels by the window of the header, or by the range if it does not fit.

    Parameters
    ----------
    raw : RawImage

    Returns
    -------
    image : ndarray of float32, shape (rows, columns)
        Result of :func:`mammorisk.imaging.windowing.to_display`.
    raw : RawImage
        If the window does not fit, without it and with a warning.

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
    text = "the window does not fit the pixels: their whole range is displayed"
    raw = replace(
        raw,
        greyscale=replace(grey, windows=(), voi_luts=()),
        warnings=(*raw.warnings, make_warning("window-misfit", text)),
    )
    return to_display(raw), raw


def _fits(image: np.ndarray, raw: RawImage) -> bool:
    step = max(1, round((image.size / _SAMPLE) ** 0.5))
    few, values = image[::step, ::step], raw.pixels[::step, ::step].astype(np.int64)
    low, high = (float(v) for v in percentiles(values, [0.5, 99.5]))
    if high <= low:
        return True
    if percentile(few, 99.5) < _LEAST_WHITE:
        return False
    white = few >= 0.999
    if white.sum() <= _WHITE_SHARE * (few > 0.02).sum():
        return True
    # White air has a single stored value; saturated tissue has many.
    spread = float(np.subtract(*percentiles(values[white], [95, 5])))
    return spread < _SPREAD * (high - low)
