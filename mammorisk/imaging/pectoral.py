"""Detection of the pectoral muscle: a bright corner with a long, nearly straight edge."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np

from mammorisk.imaging.percentiles import percentiles, quantile

#: Size of the search grid: number of positions at which an edge may cross the top of the image and
#: the chest wall, and number of samples along an edge.
_CROSSINGS = 72
_SAMPLES = 96

#: Positions of the samples along an edge, from the top to the chest wall. Single precision is
#: enough for pixel positions.
_ALONG = np.linspace(0.03, 0.97, _SAMPLES, dtype=np.float32)

#: Lines whose samples are processed together.
_LINES_AT_ONCE = 512

#: Allowed angles of the edge to the horizontal, in degrees.
_ANGLES = (35.0, 87.0)

#: Distances in pixels (near, far) from the edge at which grey is sampled, on both sides. A step
#: changes grey between the two near samples. A gradient, where the breast gets thinner, also
#: changes it between the near and the far sample.
_OFFSETS = ((2.0, 7.0), (4.0, 13.0), (7.0, 20.0))

#: Standard deviation in pixels of the smoothing at each of these scales.
_SIGMAS = (1.5, 2.5, 4.0)

#: Share of lines that are scored at all scales, the best by a rough score.
_KEPT = 0.08

#: Smallest share of an edge that lies inside the breast.
_LEAST_INSIDE = 0.5

#: Grey step, in units of half the tissue's grey range, at which an edge counts as clear.
_CONTRAST = 0.12

#: Exponent of the length in the score: long edges are preferred.
_LENGTH_POWER = 0.5

#: Smallest score of a muscle. A clear edge as long as the height of the image has a score of 1.
MINIMUM_SCORE = 0.04

#: Smallest probability that a pixel inside the edge is brighter than one outside, and width of the
#: band around the edge in which this is measured, as a share of the size of the breast. An edge
#: with a smaller probability is texture.
MINIMUM_BRIGHTER, _BAND = 0.6, 0.06

#: A region larger than this share of the breast is not accepted as muscle. One of the 100 films of
#: mini-MIAS has such a region, bounded by an edge of dense tissue.
MOST_OF_BREAST = 0.5

#: Fewest rows of an edge to which a line is fitted.
_FEWEST_ROWS = 8


def find_pectoral(image: np.ndarray, breast: np.ndarray) -> np.ndarray | None:
    """Find the pectoral muscle; return None if no edge is clear enough.

    Parameters
    ----------
    image : ndarray of float32, shape (rows, columns)
        Grey levels on a grid of about 500 rows, with the chest wall at the left.
    breast : ndarray of bool, same shape
        Mask of the breast.

    Returns
    -------
    ndarray of bool or None
        Mask of the muscle, of the same shape.

    Notes
    -----
    Straight lines that cut off the upper corner at the chest wall are scored by the step of grey
    across them (brighter inside), as in the first stage of Karssemeijer 1998
    (doi:10.1088/0031-9155/43/2/011). The best line is then fitted to the edge by a shortest path
    in a band around it.
    """
    level, spread = _levels(image, breast)
    if spread <= 0:
        return None
    grey = np.clip((image - level) / spread, -2.0, 2.0).astype(np.float32)
    best = _best_line(grey, breast)
    if best is None:
        return None
    top, wall = best
    if _brighter_side(grey, breast, top, wall) < MINIMUM_BRIGHTER:
        return None
    path = _bend(_gradient(grey, 2.0), breast, top, wall)
    muscle = _fill_corner(path, breast)
    return muscle if muscle.sum() <= MOST_OF_BREAST * breast.sum() else None


def muscle_line(breast: np.ndarray, pectoral: np.ndarray) -> tuple[float, float] | None:
    """Fit a straight line to the edge of the muscle inside the breast.

    Parameters
    ----------
    breast, pectoral : ndarray of bool, shape (rows, columns)
        Masks with the chest wall at the left.

    Returns
    -------
    tuple of float or None
        Column of the edge at row 0, and columns per row. None if the edge crosses fewer than
        eight rows.
    """
    rows = np.flatnonzero(pectoral.any(axis=1))
    rows = rows[:: max(1, rows.size // 128)]
    muscle = pectoral[rows]
    edge = muscle.shape[1] - 1 - np.argmax(muscle[:, ::-1], axis=1)
    # Where the muscle reaches the skin, the outline of the breast is not its edge.
    beyond = np.minimum(edge + 2, muscle.shape[1] - 1)
    inside = breast[rows, beyond]
    if inside.sum() < _FEWEST_ROWS:
        return None
    slope, start = np.polyfit(rows[inside], edge[inside], 1)
    return float(start), float(slope)


def _levels(image: np.ndarray, breast: np.ndarray) -> tuple[float, float]:
    inside = image[breast]
    if inside.size < 100:
        return 0.0, 0.0
    low, middle, high = percentiles(inside, [10, 50, 95])
    return float(middle), float(high - low) / 2.0


def _gradient(grey: np.ndarray, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """Derivatives along x and y at a scale, multiplied by the scale to make scales comparable."""
    smooth = cv2.GaussianBlur(grey, (0, 0), sigma)
    dx = cv2.Sobel(smooth, cv2.CV_32F, 1, 0, ksize=3) * (sigma / 8.0)
    dy = cv2.Sobel(smooth, cv2.CV_32F, 0, 1, ksize=3) * (sigma / 8.0)
    return dx, dy


def _best_line(grey: np.ndarray, breast: np.ndarray) -> tuple[float, float] | None:
    """Return where the best line crosses the top row (x) and the left column (y)."""
    extent = np.flatnonzero(breast.any(axis=1))
    width = np.flatnonzero(breast.any(axis=0))[-1] + 1
    first, last = int(extent[0]), int(extent[-1])
    height = last - first + 1
    tops = np.linspace(0.06 * width, 1.15 * width, _CROSSINGS)
    walls = np.linspace(0.12 * height, 1.3 * height, _CROSSINGS)
    top, wall = (g.reshape(-1, 1) for g in np.meshgrid(tops, walls, indexing="ij"))
    angle = np.degrees(np.arctan2(wall, top))[:, 0]
    keep = (angle > _ANGLES[0]) & (angle < _ANGLES[1])
    top, wall = top[keep], wall[keep]
    top, wall = top.astype(np.float32), wall.astype(np.float32)
    length = np.hypot(top, wall)
    lines = _Lines(first, top, wall, wall / length, top / length)
    inner = cv2.erode(breast.astype(np.uint8), np.ones((9, 9), np.uint8), borderValue=1)
    valid = _inside(inner, lines)
    share = valid.mean(axis=1)
    within = np.flatnonzero(share >= _LEAST_INSIDE)
    if not within.size:
        return None
    lines, length, valid, share = lines.take(within), length[within], valid[within], share[within]
    # The score increases with the length of the edge and with its share inside the breast.
    factor = share**2 * (length[:, 0] / grey.shape[0]) ** _LENGTH_POWER
    # Most lines have a low score at one scale and half of the samples already.
    rough = _step(grey, 1, lines, valid, every=2) * factor
    kept = np.flatnonzero(rough >= quantile(rough, 1.0 - _KEPT))
    best, valid = lines.take(kept), valid[kept]
    steps = [_step(grey, scale, best, valid) for scale in range(len(_OFFSETS))]
    score = np.mean(steps, axis=0) * factor[kept]
    winner = int(np.argmax(score))
    if not score.max() > MINIMUM_SCORE:
        return None
    return float(best.top[winner, 0]), float(best.wall[winner, 0] + first)


class _Lines(NamedTuple):
    """Straight lines: first row of the breast, where they cross it and the chest wall, normals.

    The arrays have the shape (n, 1).
    """

    first: int
    top: np.ndarray
    wall: np.ndarray
    nx: np.ndarray
    ny: np.ndarray

    def take(self, rows: np.ndarray | slice) -> _Lines:
        return _Lines(self.first, *(values[rows] for values in self[1:]))

    def blocks(self) -> Iterator[tuple[slice, _Lines]]:
        """Few lines at a time, whose samples stay in the processor's cache."""
        for start in range(0, len(self.top), _LINES_AT_ONCE):
            block = slice(start, start + _LINES_AT_ONCE)
            yield block, self.take(block)

    def samples(self, every: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Columns and rows of the samples of each line, shape (n, samples)."""
        t = _ALONG[::every]
        return self.top * (1 - t), self.first + self.wall * t


def _inside(inner: np.ndarray, lines: _Lines) -> np.ndarray:
    """Whether each sample of each line is inside a mask."""
    valid = np.empty((len(lines.top), _SAMPLES), dtype=bool)
    for block, some in lines.blocks():
        x, y = some.samples()
        cv2.remap(inner, x, y, cv2.INTER_NEAREST, dst=valid[block].view(np.uint8), borderValue=0)
    return valid


def _step(
    grey: np.ndarray, scale: int, lines: _Lines, valid: np.ndarray, *, every: int = 1
) -> np.ndarray:
    """Mean step of grey across each line at one scale, -1 to 1, from ``every`` n-th sample."""
    near, far = _OFFSETS[scale]
    smooth = cv2.GaussianBlur(grey, (0, 0), _SIGMAS[scale])
    total = np.empty(len(valid), dtype=np.float32)
    used = valid[:, ::every]
    for block, some in lines.blocks():
        x, y = some.samples(every)
        inside, outside, deep, beyond = (
            _at(smooth, x + some.nx * d, y + some.ny * d) for d in (-near, near, -far, far)
        )
        # Subtract the difference that a constant gradient would cause between the near samples.
        slope = near / (far - near) * ((deep - inside) + (outside - beyond))
        contrast = (inside - outside) - np.maximum(slope, 0.0)
        # tanh limits the effect of a few strong edges, for example those of a lymph node.
        total[block] = np.where(used[block], np.tanh(contrast / _CONTRAST), 0.0).sum(axis=1)
    return np.asarray(total / np.maximum(used.sum(axis=1), 1))


def _at(array: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Values at the nearest pixels. Outside the array: its edge values."""
    return cv2.remap(array, x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)


def _brighter_side(grey: np.ndarray, breast: np.ndarray, top: float, wall: float) -> float:
    """Probability that a pixel just inside the line is brighter than one just outside."""
    rows = np.arange(grey.shape[0])[:, None]
    columns = np.arange(grey.shape[1])[None, :]
    outward = (columns / top + rows / wall - 1.0) / np.hypot(1.0 / top, 1.0 / wall)
    band = _BAND * np.sqrt(breast.sum())
    inside = np.sort(grey[breast & (outward < -1) & (outward > -band)])
    outside = grey[breast & (outward > 1) & (outward < band)]
    if inside.size < 50 or outside.size < 50:
        return 0.0
    below = np.searchsorted(inside, outside, side="right")
    return float(1.0 - below.mean() / inside.size)


def _bend(
    step: tuple[np.ndarray, np.ndarray], breast: np.ndarray, top: float, wall: float
) -> np.ndarray:
    """Fit the line to the edge; return its column in each row down to the chest wall."""
    rows, columns = breast.shape
    last = min(rows - 1, int(np.ceil(wall * 1.12)))
    band = max(4, round(0.10 * min(top, columns)))
    length = np.hypot(top, wall)
    nx, ny = wall / length, top / length
    row = np.arange(last + 1)
    line = top * (1 - row / wall)
    offsets = np.arange(-band, band + 1)
    x = np.rint(line[:, None] + offsets[None, :]).astype(int)
    inside = (x >= 0) & (x < columns)
    column = np.clip(x, 0, columns - 1)
    contrast = -(nx * step[0][row[:, None], column] + ny * step[1][row[:, None], column])
    gain = np.where(inside & breast[row[:, None], column], np.clip(contrast, 0, 0.25), 0.0)
    gain -= 0.02 * (offsets[None, :] / band) ** 2
    # Dynamic programming from top to bottom. The offset may change by one from row to row.
    best = np.zeros_like(gain)
    back = np.zeros(gain.shape, dtype=np.int8)
    best[0] = gain[0]
    move = np.zeros(len(offsets), dtype=np.intp)
    choices = np.full((3, len(offsets)), -np.inf)
    for i in range(1, len(row)):
        before = best[i - 1]
        np.subtract(before[:-1], 0.01, out=choices[0, 1:])
        choices[1] = before
        np.subtract(before[1:], 0.01, out=choices[2, :-1])
        choices.argmax(axis=0, out=move)
        np.subtract(move, 1, out=back[i], casting="unsafe")
        np.add(choices.max(axis=0), gain[i], out=best[i])
    path = np.empty(len(row))
    position = int(best[-1].argmax())
    for i in range(len(row) - 1, -1, -1):
        path[i] = line[i] + offsets[position]
        position = min(max(position + int(back[i, position]), 0), len(offsets) - 1)
    smooth: np.ndarray = cv2.GaussianBlur(path[None, :].astype(np.float32), (0, 0), 8.0)[0]
    return smooth


def _fill_corner(path: np.ndarray, breast: np.ndarray) -> np.ndarray:
    rows, columns = breast.shape
    edge = np.full(rows, -1.0)
    edge[: len(path)] = path
    muscle: np.ndarray = (np.arange(columns)[None, :] <= edge[:, None]) & breast
    return muscle
