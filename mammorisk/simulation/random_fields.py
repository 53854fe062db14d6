"""Random fields: 3D power-law fields for parenchyma, and octaves of noise for fine detail."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import scipy.fft
from numpy.typing import NDArray

Single = NDArray[np.float32]


@lru_cache(maxsize=8)
def _amplitude(shape: tuple[int, int, int], exponent: float) -> Single:
    frequency = np.sqrt(
        sum(
            np.square(f)
            for f in np.meshgrid(*(np.fft.fftfreq(n) * n for n in shape), indexing="ij")
        )
    )
    frequency[0, 0, 0] = np.inf
    amplitude = frequency ** (-exponent / 2)
    return np.asarray(amplitude / np.sqrt(np.mean(amplitude**2)), dtype=np.float32)


def power_law_pair(
    rng: np.random.Generator, shape: tuple[int, int, int], exponent: float
) -> tuple[Single, Single]:
    """Create two independent periodic fields whose power falls as 1/f^exponent.

    Parameters
    ----------
    rng : Generator
    shape : tuple of int
    exponent : float
        Exponent in three dimensions. A projection of the whole field has the same exponent in two
        dimensions, because its spectrum is a slice.

    Returns
    -------
    tuple of ndarray of float32, each of ``shape``
        Mean 0, variance 1 in expectation.
    """
    white = rng.standard_normal((2, *shape), dtype=np.float32)
    spectrum = (white[0] + 1j * white[1]) * _amplitude(shape, round(exponent, 2))
    field = scipy.fft.ifftn(spectrum, workers=1, overwrite_x=True) * np.sqrt(np.prod(shape))
    return np.ascontiguousarray(field.real), np.ascontiguousarray(field.imag)


def octaves(
    seed: list[int],
    shape: tuple[int, int],
    pixel_mm: float,
    *,
    coarsest_mm: float,
    exponent: float,
    part: tuple[slice, slice] | None = None,
) -> Single:
    """Create fine detail in two dimensions: noise of cells from ``coarsest_mm`` to the pixel size.

    Each octave has its own random numbers on a grid in millimetres, so that an image with smaller
    pixels shows the same detail and more.

    Parameters
    ----------
    seed : list of int
    shape : (int, int)
    pixel_mm : float
    coarsest_mm : float
        Size of the largest cells.
    exponent : float
        Power falls as 1/f^exponent below that size.
    part : (slice, slice), optional
        Rows and columns to create, up to small errors of interpolation. None creates all.

    Returns
    -------
    ndarray of float32, shape ``shape`` or that of ``part``
        Mean 0; the coarsest octave has variance near 1.
    """
    size_of_part = shape if part is None else tuple(s.stop - s.start for s in part)
    total = np.zeros(size_of_part, dtype=np.float32)
    cell, octave = coarsest_mm, 0
    while cell >= 2 * pixel_mm or octave == 0:
        grid = [max(2, int(np.ceil(n * pixel_mm / cell))) for n in shape]
        rng = np.random.default_rng([*seed, octave])
        noise = rng.standard_normal(grid, dtype=np.float32)
        # A grid step is one cell for fields of any size. The excess is cut off.
        size = [round(n * cell / pixel_mm) for n in grid]
        if part is None:
            drawn = cv2.resize(noise, (size[1], size[0]), interpolation=cv2.INTER_CUBIC)
            drawn = drawn[: shape[0], : shape[1]]
        else:
            drawn = _part_of(noise, size, part)
        # Power per octave in two dimensions is proportional to f^2 / f^exponent.
        total += drawn * np.float32(2.0 ** (octave * (2 - exponent) / 2))
        cell, octave = cell / 2, octave + 1
    return total


def _part_of(noise: Single, size: list[int], part: tuple[slice, slice]) -> Single:
    """Return rows and columns of a field that is enlarged to ``size``."""
    scale = [n / m for n, m in zip(noise.shape, size, strict=True)]
    matrix = np.array(
        [
            [scale[1], 0, (part[1].start + 0.5) * scale[1] - 0.5],
            [0, scale[0], (part[0].start + 0.5) * scale[0] - 0.5],
        ]
    )
    drawn = cv2.warpAffine(
        noise,
        matrix,
        (part[1].stop - part[1].start, part[0].stop - part[0].start),
        flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(drawn, dtype=np.float32)


#: Cells of the noise of the fine texture, mm, and the two widths (SD) of its band-pass, in cells.
_FINE_MM, _FINE_WIDTHS = 0.1, (1.2, 2.0)
#: Cells in a row of the noise: the widest field of a vendor.
_FINE_COLUMNS = 2000


def _band_pass(field: Single) -> Single:
    """Keep periods around 0.7 mm: the difference of two Gaussians, twice."""
    for _ in range(2):
        narrow, wide = (
            cv2.GaussianBlur(field, (0, 0), width, borderType=cv2.BORDER_REFLECT)
            for width in _FINE_WIDTHS
        )
        field = narrow - wide
    return np.asarray(field, dtype=np.float32)


@lru_cache(maxsize=1)
def _band_gain() -> float:
    """SD of band-passed noise of SD 1."""
    impulse = np.zeros((65, 65), dtype=np.float32)
    impulse[32, 32] = 1
    return float(np.sqrt(np.square(_band_pass(impulse), dtype=np.float64).sum()))


def fine_texture(seed: list[int], shape: tuple[int, int], pixel_mm: float) -> Single:
    """Create a texture with structures of 0.3 to 0.5 mm, half a period.

    It is made on a fixed grid in millimetres and averaged over the pixels. With pixels of 1.25 mm
    less than a tenth of its amplitude is left.

    Parameters
    ----------
    seed : list of int
    shape : (int, int)
    pixel_mm : float

    Returns
    -------
    ndarray of float32, shape ``shape``
        Mean 0; SD 1 before it is averaged.
    """
    grid = [int(np.ceil(n * pixel_mm / _FINE_MM - 1e-6)) for n in shape]
    # Rows of one length for images of any size, so that all show the same texture.
    columns = max(grid[1], _FINE_COLUMNS)
    noise = np.random.default_rng(seed).standard_normal((grid[0], columns), dtype=np.float32)
    field = _band_pass(noise[:, : grid[1]]) / np.float32(_band_gain())
    size = [max(round(n * _FINE_MM / pixel_mm), m) for n, m in zip(grid, shape, strict=True)]
    how = cv2.INTER_AREA if pixel_mm > _FINE_MM else cv2.INTER_CUBIC
    drawn = cv2.resize(field, (size[1], size[0]), interpolation=how)
    return np.asarray(drawn[: shape[0], : shape[1]], dtype=np.float32)
