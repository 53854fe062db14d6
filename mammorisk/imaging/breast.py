"""Where the breast is, and where in it the pectoral muscle lies."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from mammorisk.imaging.pectoral import find_pectoral
from mammorisk.warnings import ResultWarning, Warnings, make_warning

#: Height of the grid on which masks are found; finer detail than this carries no shape.
WORKING_ROWS = 512

#: The skin line lies where grey has risen this share of the way from background to tissue, and
#: where a reader sees it: this share of the display range. Scatter and film fade out below. Both
#: are assumptions, set on two labelled films (docs/explanation/imaging.md).
SKIN_RISE, SKIN_LEVEL = 0.05, 0.09


#: A row or column at the edge belongs to the frame of a scanned film when this share of it is
#: brighter than this share of white; frames are no wider than this share of the image.
FRAME_SHARE, FRAME_LEVEL, FRAME_WIDTH = 0.9, 0.8, 0.1


@dataclass(frozen=True, kw_only=True)
class BreastMask:
    """The breast in one view, on the grid of the image.

    Attributes
    ----------
    breast : ndarray of bool, shape (rows, columns)
        Breast with the pectoral muscle; labels and lead markers are out.
    pectoral : ndarray of bool, shape (rows, columns)
        Pectoral muscle; empty where none was found or looked for.
    chest_wall : {"left", "right"}
        Image edge at which the chest wall lies.
    warnings : tuple of ResultWarning
    """

    breast: np.ndarray
    pectoral: np.ndarray
    chest_wall: str
    warnings: Warnings = ()

    @property
    def tissue(self) -> np.ndarray:
        """Breast without the pectoral muscle."""
        return self.breast & ~self.pectoral


def find_breast(
    image: np.ndarray, *, position: str | None = None, chest_wall: str | None = None
) -> BreastMask:
    """Find the breast and, in MLO views, the pectoral muscle.

    Parameters
    ----------
    image : ndarray of float, shape (rows, columns)
        Display grey levels, tissue brighter than background.
    position : str, optional
        ``"MLO"``, ``"ML"`` or ``"LM"`` for a look at the muscle.
    chest_wall : {"left", "right"}, optional
        Told by the image where not given: the side that holds more of the breast.

    Returns
    -------
    BreastMask

    Notes
    -----
    Triangle threshold on the grey histogram (Zack 1977, doi:10.1177/25.7.70454), raised to
    ``SKIN_RISE`` and ``SKIN_LEVEL``; largest component after an opening that cuts labels off;
    holes filled.
    """
    rows, columns = image.shape
    scale = min(1.0, WORKING_ROWS / max(rows, columns))
    size = (max(8, round(columns * scale)), max(8, round(rows * scale)))
    small = cv2.resize(image.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    warnings: list[ResultWarning] = []
    breast = _breast(small, warnings)
    side = chest_wall or _chest_wall(breast)
    breast = _fill(breast, side)
    pectoral = np.zeros_like(breast)
    if position in ("MLO", "ML", "LM") and breast.any():
        mirrored = side == "right"
        found = find_pectoral(_face_left(small, mirrored), _face_left(breast, mirrored))
        if found is None:
            text = "pectoral muscle not found: it may count as dense tissue"
            warnings.append(make_warning("muscle-not-found", text))
        else:
            pectoral = _face_left(found, mirrored)
    full = _enlarge(breast, rows, columns)
    return BreastMask(
        breast=full,
        pectoral=_enlarge(pectoral, rows, columns) & full,
        chest_wall=side,
        warnings=tuple(warnings),
    )


def _face_left(array: np.ndarray, mirrored: bool) -> np.ndarray:
    return np.ascontiguousarray(array[:, ::-1]) if mirrored else array


def _enlarge(mask: np.ndarray, rows: int, columns: int) -> np.ndarray:
    soft = cv2.resize(mask.astype(np.float32), (columns, rows), interpolation=cv2.INTER_LINEAR)
    return soft > 0.5


def _breast(small: np.ndarray, warnings: list[ResultWarning]) -> np.ndarray:
    low, high = float(small.min()), float(small.max())
    nothing = np.zeros(small.shape, dtype=bool)
    if not np.isfinite(small).all() or high - low < 1e-6:
        warnings.append(make_warning("no-breast", "no breast found: the image is constant"))
        return nothing
    inner = _without_frame(small)
    smooth = cv2.GaussianBlur(small, (0, 0), 1.5)
    bright = np.zeros(small.shape, dtype=bool)
    bright[inner] = smooth[inner] > _threshold(smooth[inner])
    # Labels hang on by a few pixels at most; the breast survives the opening.
    radius = max(2, round(0.012 * max(small.shape)))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    # Beyond the image is background, so that the bright frame of a film goes too.
    padded = np.pad(bright.astype(np.uint8), radius)
    opened = cv2.morphologyEx(padded, cv2.MORPH_OPEN, disc)
    opened = opened[radius:-radius, radius:-radius]
    count, labels, stats, _ = cv2.connectedComponentsWithStats(opened, connectivity=4)
    if count < 2:
        warnings.append(
            make_warning("no-breast", "no breast found: nothing stands out from the background")
        )
        return nothing
    largest = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    mask = labels == largest
    if mask.mean() < 0.02:
        warnings.append(
            make_warning("no-breast", "no breast found: nothing stands out from the background")
        )
        return nothing
    if mask.mean() > 0.98:
        warnings.append(
            make_warning(
                "no-background", "no background: the image may be cropped inside the breast"
            )
        )
    return mask


def _without_frame(small: np.ndarray) -> tuple[slice, slice]:
    """The part of a scan inside its white frame, if it has one."""
    white = small > FRAME_LEVEL * float(np.percentile(small, 99.9))
    found = []
    for axis in (0, 1):
        share = white.mean(axis=1 - axis)
        most = max(1, round(FRAME_WIDTH * len(share)))
        framed = share > FRAME_SHARE
        first = int(np.argmin(framed[:most])) if not framed[:most].all() else most
        last = int(np.argmin(framed[::-1][:most])) if not framed[::-1][:most].all() else most
        found.append(slice(first, len(share) - last))
    return found[0], found[1]


def _threshold(smooth: np.ndarray) -> float:
    from skimage.filters import threshold_triangle

    low, high = np.percentile(smooth, [0.0, 99.5])
    scaled = np.clip((smooth - low) / max(high - low, 1e-9), 0, 1)
    triangle = float(threshold_triangle(scaled, nbins=256))
    below, above = scaled[scaled <= triangle], scaled[scaled > triangle]
    background = float(np.median(below)) if below.size else 0.0
    tissue = float(np.median(above)) if above.size else 1.0
    level = max(triangle, background + SKIN_RISE * (tissue - background))
    return max(low + level * (high - low), SKIN_LEVEL * high)


def _fill(breast: np.ndarray, side: str) -> np.ndarray:
    """No holes, and none open to the chest wall: dark fat there is breast too."""
    closed = breast.copy()
    wall = 0 if side == "left" else -1
    rows = np.flatnonzero(breast[:, wall])
    if rows.size:
        closed[rows[0] : rows[-1] + 1, wall] = True
    outside = np.pad((~closed).astype(np.uint8), 1, constant_values=1)
    # The frame is open on all sides but the chest wall's.
    outside[1:-1, wall] = 0
    _, labels = cv2.connectedComponents(outside, connectivity=4)
    return labels[1:-1, 1:-1] != labels[0, 0 if side == "right" else -1]


def _chest_wall(breast: np.ndarray) -> str:
    """The breast is widest at the chest wall: the side with more of it in the outer quarter."""
    quarter = max(1, breast.shape[1] // 4)
    left, right = breast[:, :quarter].sum(), breast[:, -quarter:].sum()
    return "left" if left >= right else "right"
