"""Segmentation of breast, pectoral muscle and nipple."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from mammorisk.imaging.chest_wall import wall_contact
from mammorisk.imaging.exposed_area import exposed_box, white_marks
from mammorisk.imaging.nipple import find_nipple
from mammorisk.imaging.pectoral import find_pectoral
from mammorisk.imaging.percentiles import median, percentile
from mammorisk.warnings import ResultWarning, Warnings, make_warning

#: Height of the grid on which masks are computed. A finer grid does not improve the outline.
WORKING_ROWS = 512

#: Grey level of the skin line, as a share of the difference between air and tissue. Lower levels
#: are scatter and film fog. An assumption, set on films (docs/explanation/imaging.md).
SKIN_RISE = 0.055

#: Radius of the morphological opening that separates marks from the breast, as a share of the
#: larger side of the image.
_OPENING = 0.012

#: Smallest share of the exposed area that a breast covers.
_LEAST_SHARE = 0.02


#: Smallest difference in contact (see :func:`wall_contact`) between the left and the right side
#: of the bounding box at which the shape of the breast determines the side of the chest wall.
CLEAR_CONTACT = 0.2


@dataclass(frozen=True, kw_only=True)
class BreastMask:
    """Masks of the breast in one view, on the pixel grid of the image.

    Attributes
    ----------
    breast : ndarray of bool, shape (rows, columns)
        Breast with the pectoral muscle, without labels and lead markers.
    pectoral : ndarray of bool, shape (rows, columns)
        Pectoral muscle. All False if it was not found or the view does not show it.
    chest_wall : {"left", "right"}
        Side of the chest wall.
    exposed : tuple of int
        Rows and columns (first, one past the last) of the image inside its borders.
    nipple : tuple of float or None
        Row and column of the nipple, in pixels. None if there is no breast or no skin line.
    warnings : tuple of ResultWarning
    """

    breast: np.ndarray
    pectoral: np.ndarray
    chest_wall: str
    exposed: tuple[int, int, int, int] | None = None
    nipple: tuple[float, float] | None = None
    warnings: Warnings = ()

    @property
    def tissue(self) -> np.ndarray:
        """Breast without the pectoral muscle."""
        found: np.ndarray = self.breast & ~self.pectoral
        return found


def find_breast(
    image: np.ndarray,
    *,
    position: str | None = None,
    expected_wall: str | None = None,
    exposed: tuple[int, int, int, int] | None = None,
) -> BreastMask:
    """Find the breast and, in MLO views, the pectoral muscle.

    Parameters
    ----------
    image : ndarray of float, shape (rows, columns)
        Display grey levels, tissue brighter than air.
    position : str, optional
        The pectoral muscle is searched for if this is ``"MLO"``, ``"ML"`` or ``"LM"``.
    expected_wall : {"left", "right"}, optional
        Expected side of the chest wall. It is used only if the shape of the breast does not
        determine the side.
    exposed : tuple of int, optional
        Result of :func:`mammorisk.imaging.exposed_area.exposed_box`, if it is at hand.

    Returns
    -------
    BreastMask

    Notes
    -----
    The image is cropped to the exposed area. White marks with a sharp outline (labels and film
    edges) are removed. Otsu's threshold (1979, doi:10.1109/TSMC.1979.4310076) separates air from
    tissue, and ``SKIN_RISE`` gives the grey level of the skin line between them. The breast is the
    largest component after a morphological opening, with its holes filled.
    """
    rows, columns = image.shape
    box = exposed_box(image) if exposed is None else exposed
    inner = image[box[0] : box[1], box[2] : box[3]]
    small = _reduce(inner)
    warnings: list[ResultWarning] = []
    breast = _breast(small, warnings)
    side = _side(breast, expected_wall)
    breast = _fill(breast, side)
    mirrored = side == "right"
    pectoral = np.zeros_like(breast)
    if position in ("MLO", "ML", "LM") and breast.any():
        found = find_pectoral(_face_left(small, mirrored), _face_left(breast, mirrored))
        if found is None:
            text = "pectoral muscle not found: it may count as dense tissue"
            warnings.append(make_warning("muscle-not-found", text))
        else:
            pectoral = _face_left(found, mirrored) & breast
    nipple = find_nipple(_face_left(breast, mirrored), _face_left(pectoral, mirrored))
    if nipple is not None and mirrored:
        nipple = (nipple[0], breast.shape[1] - 1 - nipple[1])
    scale = (inner.shape[0] / small.shape[0], inner.shape[1] / small.shape[1])
    return BreastMask(
        breast=_enlarge(breast, box, (rows, columns)),
        pectoral=_enlarge(pectoral, box, (rows, columns)),
        chest_wall=side,
        exposed=box,
        nipple=None
        if nipple is None
        else (box[0] + nipple[0] * scale[0], box[2] + nipple[1] * scale[1]),
        warnings=tuple(warnings),
    )


def _reduce(image: np.ndarray) -> np.ndarray:
    rows, columns = image.shape
    scale = min(1.0, WORKING_ROWS / max(rows, columns))
    size = (max(8, round(columns * scale)), max(8, round(rows * scale)))
    return cv2.resize(image.astype(np.float32, copy=False), size, interpolation=cv2.INTER_AREA)


def _face_left(array: np.ndarray, mirrored: bool) -> np.ndarray:
    return np.ascontiguousarray(array[:, ::-1]) if mirrored else array


def _enlarge(
    mask: np.ndarray, box: tuple[int, int, int, int], shape: tuple[int, int]
) -> np.ndarray:
    full = np.zeros(shape, dtype=bool)
    if not mask.any():
        return full
    size = (box[3] - box[2], box[1] - box[0])
    soft = cv2.resize(mask.astype(np.uint8) * 255, size, interpolation=cv2.INTER_LINEAR)
    full[box[0] : box[1], box[2] : box[3]] = soft > 127
    return full


def _breast(small: np.ndarray, warnings: list[ResultWarning]) -> np.ndarray:
    nothing = np.zeros(small.shape, dtype=bool)
    if not np.isfinite(small).all() or np.ptp(small) < 1e-6:
        warnings.append(make_warning("no-breast", "no breast found: the image is constant"))
        return nothing
    smooth = cv2.GaussianBlur(small, (0, 0), 1.0)
    air, tissue = air_and_tissue(smooth)
    white = percentile(smooth, 99.9)
    marks = white_marks(smooth, air, white)
    if marks.any() and not marks.all():
        air, tissue = air_and_tissue(smooth[~marks])
    smooth[marks] = air
    radius = max(2, round(_OPENING * max(small.shape)))
    mask = _largest(smooth > air + SKIN_RISE * (tissue - air), radius)
    if mask is None or mask.mean() < _LEAST_SHARE:
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


def air_and_tissue(grey: np.ndarray) -> tuple[float, float]:
    """Typical grey of air and tissue: medians below and above Otsu's threshold."""
    from skimage import filters

    otsu: Callable[..., float] = filters.threshold_otsu

    values = grey.reshape(-1)
    top = percentile(values, 99.5)
    values = np.minimum(values, top)
    if _is_flat(values):
        return float(values.min(initial=0.0)), top
    # Skin and fat are much darker than muscle and film marks, so Otsu's threshold is too high to
    # separate them from air: half of it is used. The 3rd percentile ignores small areas darker
    # than air, such as a name that was blacked out.
    low = percentile(values, 3)
    level = low + 0.5 * (float(otsu(values, nbins=256)) - low)
    below, above = values[values <= level], values[values > level]
    tissue = median(above) if above.size else top
    air = median(below) if below.size else low
    # If the image shows little air and a white muscle, the first threshold separates muscle from
    # fat: repeat it on the darker part.
    for _ in range(2):
        if air - low <= 0.15 * (tissue - low) or _is_flat(below):
            break
        level = float(otsu(below, nbins=256))
        below, above = values[values <= level], values[values > level]
        air, tissue = median(below), median(above)
    return air, tissue


def _is_flat(values: np.ndarray) -> bool:
    """Whether grey levels differ by no more than rounding, so that they have no histogram."""
    return bool(np.ptp(values) <= max(1e-9, 1e-5 * np.abs(values).max(initial=0.0)))


def _largest(bright: np.ndarray, radius: int) -> np.ndarray | None:
    # Labels are connected to the breast by a few pixels at most: an opening separates them.
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    # Padding with zeros lets the opening remove strips along the edge of the image as well.
    padded = np.pad(bright.astype(np.uint8), radius)
    opened = cv2.morphologyEx(padded, cv2.MORPH_OPEN, disc)[radius:-radius, radius:-radius]
    count, labels, stats, _ = cv2.connectedComponentsWithStats(opened, connectivity=4)
    if count < 2:
        return None
    largest = labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    # The opening removes the nipple and rounds the corners of the breast at the edge of the image:
    # restore bright pixels near the largest component.
    near = cv2.dilate(largest.astype(np.uint8), disc, iterations=2) > 0
    _, labels = cv2.connectedComponents((near & bright).astype(np.uint8), connectivity=4)
    row, column = (int(i[0]) for i in np.nonzero(largest))
    found: np.ndarray = labels == labels[row, column]
    return found


def _fill(breast: np.ndarray, side: str) -> np.ndarray:
    """Fill holes, including those open to the chest wall: dark fat there belongs to the breast."""
    closed = breast.copy()
    wall = 0 if side == "left" else -1
    rows = np.flatnonzero(breast[:, wall])
    if rows.size:
        closed[rows[0] : rows[-1] + 1, wall] = True
    outside = np.pad((~closed).astype(np.uint8), 1, constant_values=1)
    # The background is connected around the image except along the chest wall.
    outside[1:-1, wall] = 0
    _, labels = cv2.connectedComponents(outside, connectivity=4)
    filled: np.ndarray = labels[1:-1, 1:-1] != labels[0, 0 if side == "right" else -1]
    return filled


def _side(breast: np.ndarray, expected: str | None) -> str:
    contact = wall_contact(breast)
    if expected is not None and abs(contact["left"] - contact["right"]) < CLEAR_CONTACT:
        return expected
    return "left" if contact["left"] >= contact["right"] else "right"
