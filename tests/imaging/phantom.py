"""Simulated oblique films with known skin line, muscle and dense tissue.

A simple physical chain, so that edges fade as they do on film: compressed thickness rolls off at
the skin, muscle and dense tissue add attenuation, a sigmoid film curve and a background glow follow,
then labels, noise and 8 or 12 bits. Anatomy is drawn at random; nothing is fitted to real images.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True, kw_only=True)
class Phantom:
    """An MLO view with the chest wall left, and what was put into it.

    Attributes
    ----------
    image : ndarray of float32, shape (rows, columns)
        Grey in [0, 1].
    breast, pectoral, dense : ndarray of bool, same shape
    """

    image: np.ndarray
    breast: np.ndarray
    pectoral: np.ndarray
    dense: np.ndarray

    @property
    def percent_density(self) -> float:
        return float(100 * self.dense.sum() / (self.breast & ~self.pectoral).sum())


def draw_phantom(seed: int, *, rows: int = 640, columns: int = 340) -> Phantom:
    """One woman, one film; the same seed gives the same phantom."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:rows, :columns].astype(np.float32)
    y, x = y / rows, x / columns
    skin = _skin(rng, y[:, 0])
    breast = x < skin[:, None]
    depth = cv2.distanceTransform(
        np.pad(breast.astype(np.uint8), 1, mode="edge"), cv2.DIST_L2, cv2.DIST_MASK_PRECISE
    )[1:-1, 1:-1]
    roll = rng.uniform(0.07, 0.16) * columns
    thickness = np.sqrt(1 - (1 - np.clip(depth / roll, 0, 1)) ** 2)
    muscle_thickness, pectoral = _muscle(rng, x, y, breast)
    gland, dense = _gland(rng, x, y, breast & ~pectoral, skin)
    texture = power_law(rng, rows, columns)
    fat = 1 + 0.05 * texture
    # Dense tissue is about twice as attenuating as fat at mammographic energies.
    path = thickness * (fat + 0.9 * gland + rng.uniform(0.5, 1.0) * muscle_thickness)
    path = path + rng.uniform(0.0, 0.25) * thickness * (1 - y)
    path = path + 0.15 * breast * np.exp(-(((depth - 0.008 * columns) / (0.006 * columns)) ** 2))
    image = _film(rng, cv2.GaussianBlur(path, (0, 0), 1.0))
    _label(rng, image, skin)
    image = np.clip(image + rng.normal(0, rng.choice([0.002, 0.006, 0.012]), image.shape), 0, 1)
    levels = rng.choice([255, 4095])
    image = np.round(image * levels) / levels
    return Phantom(
        image=image.astype(np.float32),
        breast=breast,
        pectoral=pectoral,
        dense=dense,
    )


def power_law(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    """Texture whose power falls as 1/f^3 (Burgess 2001, doi:10.1118/1.1355308), unit variance."""
    white = np.fft.rfft2(rng.normal(size=(rows, columns)))
    frequency = np.hypot(np.fft.fftfreq(rows)[:, None], np.fft.rfftfreq(columns)[None, :])
    frequency[0, 0] = np.inf
    field = np.fft.irfft2(white / frequency**1.5, s=(rows, columns))
    return ((field - field.mean()) / field.std()).astype(np.float32)


def _skin(rng: np.random.Generator, y: np.ndarray) -> np.ndarray:
    """Column of the skin line by row: axilla above, nipple in the lower half, fold below."""
    width = rng.uniform(0.55, 0.95)
    nipple, end = rng.uniform(0.5, 0.68), rng.uniform(0.88, 1.08)
    top = width * rng.uniform(0.35, 0.8)
    up = np.clip(y / nipple, 0, 1)
    down = np.clip((y - nipple) / (end - nipple), 0, 1)
    above = top + (width - top) * np.sin(0.5 * np.pi * up) ** rng.uniform(1.2, 2.5)
    below = width * np.sqrt(1 - down ** rng.uniform(2.0, 3.0))
    return np.where(y < nipple, above, below)


def _muscle(
    rng: np.random.Generator, x: np.ndarray, y: np.ndarray, breast: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Its thickness, tapering towards the edge, and its outline; straight to convex."""
    top, wall = rng.uniform(0.2, 0.65), rng.uniform(0.25, 0.75)
    t = np.clip(y / wall, 0, 1)
    edge = top * (1 - t) + rng.uniform(-0.02, 0.08) * np.sin(np.pi * t)
    inside = edge - x
    pectoral = (inside > 0) & (y < wall) & breast
    taper = rng.uniform(0.02, 0.12)
    thickness = np.where(pectoral, 0.35 + 0.65 * np.clip(inside / taper, 0, 1), 0.0)
    texture = 1 + 0.08 * power_law(rng, *x.shape)
    return (thickness * texture).astype(np.float32), pectoral


def _gland(
    rng: np.random.Generator, x: np.ndarray, y: np.ndarray, tissue: np.ndarray, skin: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Share of dense tissue in the path, and where a reader would outline it."""
    rows, columns = x.shape
    share = np.clip(rng.lognormal(np.log(0.2), 0.7), 0.02, 0.75)
    nipple = int(np.argmax(skin))
    centre_x, centre_y = rng.uniform(0.5, 0.75) * skin[nipple], nipple / rows
    distance = np.hypot((x - centre_x) / skin[nipple], (y - centre_y) * rows / columns / 2)
    field = rng.uniform(0.3, 0.9) * power_law(rng, rows, columns) - 3.0 * distance
    level = np.quantile(field[tissue], 1 - share)
    soft = 1 / (1 + np.exp(-np.clip((field - level) / rng.uniform(0.05, 0.3), -30, 30)))
    strands = 1 + 0.25 * power_law(rng, rows, columns)
    gland = rng.uniform(0.5, 1.0) * soft * np.clip(strands, 0.2, 1.8)
    return gland.astype(np.float32), (field > level) & tissue


def _film(rng: np.random.Generator, path: np.ndarray) -> np.ndarray:
    """Grey by attenuation: a sigmoid film curve, a gamma of the digitiser, a background."""
    middle, slope = rng.uniform(1.0, 1.6), rng.uniform(1.4, 3.0)
    film = 1 / (1 + np.exp(-slope * (path - middle)))
    dark = 1 / (1 + np.exp(slope * middle))
    grey = np.clip((film - dark) / (1 - dark), 0, 1) ** rng.uniform(0.75, 1.3)
    background = rng.choice([0.0, 0.0, 0.04, 0.1, 0.16])
    white = rng.uniform(0.75, 1.0)
    return background + (white - background) * grey


def _label(rng: np.random.Generator, image: np.ndarray, skin: np.ndarray) -> None:
    """Letters off the breast, and on some films a bright frame or a blacked-out name."""
    rows, columns = image.shape
    bright = rng.uniform(0.3, 1.0)
    for i in range(rng.integers(0, 4)):
        row, column = round((0.05 + 0.05 * i) * rows), round(0.9 * columns)
        if skin[row] < 0.8:
            image[row : row + rows // 40, column : column + columns // 30] = bright
    if rng.random() < 0.2:
        frame = rng.integers(2, 8)
        image[:frame] = image[-frame:] = 0.98
        image[:, -frame:] = 0.98
    if rng.random() < 0.2 and skin[round(0.3 * rows)] < 0.8:
        image[round(0.25 * rows) : round(0.35 * rows), -columns // 10 : -columns // 25] = 0.0
