"""Local skewness of grey: positive for bright structures on a dark ground, else negative."""

from __future__ import annotations

import cv2
import numpy as np

from mammorisk.imaging.percentiles import median

#: Grey is clipped at this distance from its mean, to limit rounding errors of the sums.
_RANGE = 2.0


def positive_share(grey: np.ndarray, region: np.ndarray, where: np.ndarray, scale: float) -> float:
    """Return the share of pixels around which the distribution of grey has a positive skewness.

    Strands of dense tissue in fat make the local distribution of grey positively skewed, islands
    of fat in dense tissue make it negatively skewed. Unlike grey itself, the sign of the skewness
    does not depend on brightness and contrast.

    Parameters
    ----------
    grey : ndarray of float32, shape (rows, columns)
    region : ndarray of bool, same shape
        Pixels that are used.
    where : ndarray of bool, same shape
        Pixels at which the skewness is computed; at least one.
    scale : float
        Standard deviation of the Gaussian neighbourhood, in pixels.

    Returns
    -------
    float
        0-1; about 0.5 for symmetric noise.

    Examples
    --------
    >>> import numpy as np
    >>> strands = (np.random.default_rng(0).random((200, 200)) < 0.1).astype(np.float32)
    >>> all_of_it = np.ones(strands.shape, dtype=bool)
    >>> round(positive_share(strands, all_of_it, all_of_it, 4.0), 2)
    1.0
    >>> round(positive_share(-strands, all_of_it, all_of_it, 4.0), 2)
    0.0
    """
    first, second, third = (moment[where] for moment in _moments(grey, region, scale, 3))
    cube = first * first * first
    skewed = third - 3 * first * second + 2 * cube
    # The power is more precise than the product, but slow: use it where the sign depends on it.
    near = np.flatnonzero(np.abs(skewed) <= 1e-5 * np.abs(cube))
    skewed[near] = third[near] - 3 * first[near] * second[near] + 2 * first[near] ** 3
    return float((skewed > 0).mean())


def grain_share(grey: np.ndarray, region: np.ndarray, where: np.ndarray, scale: float) -> float:
    """Return the share of the local variance that is due to structures finer than a scale.

    Parameters
    ----------
    grey, region, where, scale
        As for :func:`positive_share`.

    Returns
    -------
    float
        Median variance at half the scale over that at twice the scale; about 1 for noise, 0.07 to
        0.35 in mammograms. 1 where grey is constant.
    """
    fine, coarse = (
        median((second - first**2)[where])
        for first, second in (_moments(grey, region, s, 2) for s in (0.5 * scale, 2.0 * scale))
    )
    return fine / coarse if coarse > 0 else 1.0


def _moments(grey: np.ndarray, region: np.ndarray, scale: float, count: int) -> list[np.ndarray]:
    """Local means of the first powers of grey."""
    weight = region.astype(np.float32)
    total = np.maximum(cv2.GaussianBlur(weight, (0, 0), scale), 1e-3)
    centred = np.clip(grey - np.float32(grey[region].mean()), -_RANGE, _RANGE)
    power = centred.astype(np.float32) * weight
    moments = []
    for _ in range(count):
        moments.append(cv2.GaussianBlur(power, (0, 0), scale) / total)
        power = power * centred
    return moments
