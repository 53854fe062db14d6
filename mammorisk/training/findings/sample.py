"""LesionSample: the pixels and lesions of one view, as a detector is trained on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mammorisk._utils.atomic_write import atomic_write
from mammorisk.findings.candidate import LESION_TYPES
from mammorisk.findings.detector_input import DetectorView, detector_view
from mammorisk.findings.frame import ViewFrame
from mammorisk.imaging.segmented_view import SegmentedView

#: Side of the patches at 0.1 mm that are kept for the training, in pixels.
PATCH = 640
#: Pixels inside the breast that a patch without a cluster needs.
_LEAST_INSIDE = 0.3


@dataclass(frozen=True, kw_only=True)
class LesionSample:
    """One view.

    Attributes
    ----------
    lesion : ndarray of uint8, shape (2, rows, columns)
        At 0.4 mm (:class:`~mammorisk.findings.detector_input.DetectorView`).
    nipple_row : float
    boxes : ndarray of float32, shape (n, 5)
        Number of the type, row and column of the centre, height and width on the grid of
        ``lesion``.
    patches : ndarray of uint8, shape (k, PATCH, PATCH)
        Parts of the view at 0.1 mm.
    specks : ndarray of float32, shape (m, 3)
        Number of the patch, row and column.
    clusters : ndarray of float32, shape (c, 5)
        Number of the patch, row and column of the centre, height and width.
    """

    lesion: NDArray[np.uint8] = field(repr=False)
    nipple_row: float
    boxes: NDArray[np.float32]
    patches: NDArray[np.uint8] = field(repr=False)
    specks: NDArray[np.float32] = field(repr=False)
    clusters: NDArray[np.float32] = field(repr=False)


def make_sample(
    seen: SegmentedView,
    lesions: pd.DataFrame,
    rng: np.random.Generator,
    *,
    specks: bool = True,
) -> tuple[LesionSample, DetectorView] | None:
    """Prepare a view for the training.

    Parameters
    ----------
    seen : SegmentedView
    lesions : DataFrame
        Lesions of this view, with the columns of
        :class:`~mammorisk.findings.annotated.AnnotatedCohort`.
    rng : Generator
        Draws the patches at 0.1 mm.
    specks : bool
        Whether to make patches at 0.1 mm.

    Returns
    -------
    (LesionSample, DetectorView) or None
        None if the view shows no breast.
    """
    made = detector_view(seen, specks=specks)
    if made is None:
        return None
    stored = _stored_shape(seen)
    upright = upright_boxes(lesions, seen)
    of_type = [
        (LESION_TYPES.index(kind), *_on_grid(box, made.lesion_frame))
        for kind, box in zip(lesions["type"], upright, strict=True)
        if kind in LESION_TYPES
    ]
    patches, places, groups = _patches(made, lesions, upright, seen, stored, rng)
    sample = LesionSample(
        lesion=made.lesion,
        nipple_row=made.nipple_row,
        boxes=np.array(of_type, dtype=np.float32).reshape(-1, 5),
        patches=patches,
        specks=places,
        clusters=groups,
    )
    return sample, made


Box = tuple[float, float, float, float]


def upright_boxes(lesions: pd.DataFrame, seen: SegmentedView) -> list[Box]:
    """Return the boxes of lesions of a view in pixels of the upright view."""
    stored = _stored_shape(seen)
    return [_upright_box(row, seen, stored) for row in lesions.to_dict("records")]


def _stored_shape(seen: SegmentedView) -> tuple[int, int]:
    rows, columns = seen.image.shape
    return (columns, rows) if seen.turn.quarters % 2 else (rows, columns)


def _upright_box(row: Mapping[Any, Any], seen: SegmentedView, stored: tuple[int, ...]) -> Box:
    corners = np.array(
        [
            [row["row_min_px"] - 0.5, row["col_min_px"] - 0.5],
            [row["row_max_px"] - 0.5, row["col_max_px"] - 0.5],
        ]
    )
    moved = seen.turn.to_upright(corners, (stored[0], stored[1]))
    low, high = moved.min(axis=0), moved.max(axis=0)
    return float(low[0] + 0.5), float(high[0] + 0.5), float(low[1] + 0.5), float(high[1] + 0.5)


def _on_grid(box: Box, frame: ViewFrame) -> tuple[float, float, float, float]:
    centre = frame.to_grid(np.array([[(box[0] + box[1] - 1) / 2, (box[2] + box[3] - 1) / 2]]))[0]
    height, width = (box[1] - box[0]) * frame.scale, (box[3] - box[2]) * frame.scale
    return float(centre[0]), float(centre[1]), height, width


def _patches(
    made: DetectorView,
    lesions: pd.DataFrame,
    boxes: Sequence[Box],
    seen: SegmentedView,
    stored: tuple[int, ...],
    rng: np.random.Generator,
) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]:
    """Patches around every cluster, and one elsewhere, with the specks and clusters in each."""
    if made.specks is None or made.speck_frame is None:
        empty = np.zeros((0, PATCH, PATCH), dtype=np.uint8)
        return empty, np.zeros((0, 3), np.float32), np.zeros((0, 5), np.float32)
    frame = made.speck_frame
    groups, specks = [], []
    for row, box in zip(lesions.to_dict("records"), boxes, strict=True):
        if row["type"] != "calcification":
            continue
        groups.append(_on_grid(box, frame))
        marked = _speck_places(row)
        if len(marked):
            turned = seen.turn.to_upright(marked, (stored[0], stored[1]))
            specks.append(frame.to_grid(turned))
    places = np.concatenate(specks) if specks else np.zeros((0, 2))
    clusters = np.array(groups, dtype=float).reshape(-1, 4)
    shape = made.specks.shape
    corners = [_corner(c[:2] + rng.uniform(-160, 160, 2), shape) for c in clusters]
    elsewhere = _elsewhere(made.specks, clusters, rng)
    corners += [] if elsewhere is None else [elsewhere]
    patches: list[NDArray[np.uint8]] = []
    inside: list[NDArray[np.float64]] = []
    around: list[NDArray[np.float64]] = []
    for number, (top, left) in enumerate(corners):
        part = made.specks[top : top + PATCH, left : left + PATCH]
        patch = np.zeros((PATCH, PATCH), dtype=np.uint8)
        patch[: part.shape[0], : part.shape[1]] = part
        patches.append(patch)
        for table, found in ((places, inside), (clusters, around)):
            moved = table - ([top, left] + [0] * (table.shape[1] - 2))
            here = ((moved[:, :2] >= 0) & (moved[:, :2] < PATCH)).all(axis=1)
            found.append(np.column_stack([np.full(here.sum(), number), moved[here]]))
    return (
        np.array(patches, dtype=np.uint8).reshape(-1, PATCH, PATCH),
        np.concatenate([*inside, np.zeros((0, 3))]).astype(np.float32),
        np.concatenate([*around, np.zeros((0, 5))]).astype(np.float32),
    )


def _speck_places(row: Mapping[Any, Any]) -> NDArray[np.float64]:
    rows, columns = row.get("speck_rows_px"), row.get("speck_cols_px")
    if rows is None or columns is None or np.ndim(rows) == 0:
        return np.zeros((0, 2))
    return np.column_stack([rows, columns]).astype(float).reshape(-1, 2)


def _corner(centre: NDArray[np.float64], shape: tuple[int, ...]) -> tuple[int, int]:
    top, left = (
        int(np.clip(c - PATCH / 2, 0, max(n - PATCH, 0)))
        for c, n in zip(centre, shape, strict=True)
    )
    return top, left


def _elsewhere(
    pixels: NDArray[np.uint8], clusters: NDArray[np.float64], rng: np.random.Generator
) -> tuple[int, int] | None:
    """A patch without the centre of a cluster; None if none was found in a few tries."""
    for _ in range(8):
        top, left = _corner(rng.uniform(0, 1, 2) * pixels.shape, pixels.shape)
        part = pixels[top : top + PATCH : 8, left : left + PATCH : 8]
        away = (np.abs(clusters[:, :2] - [top, left] - PATCH / 2) > PATCH / 2).any(axis=1).all()
        if away and (part > 0).mean() >= _LEAST_INSIDE:
            return top, left
    return None


_ARRAYS = ("lesion", "boxes", "patches", "specks", "clusters")


def save_samples(samples: Mapping[str, LesionSample], path: Path) -> None:
    """Write the views of one exam, by name, to an ``.npz`` file."""
    arrays = {
        f"{view}/{name}": getattr(sample, name)
        for view, sample in samples.items()
        for name in _ARRAYS
    }
    arrays |= {f"{view}/nipple_row": np.array(one.nipple_row) for view, one in samples.items()}

    def write(place: Path) -> None:
        with open(place, "wb") as handle:
            np.savez(handle, **arrays)

    atomic_write(path, write)


def load_samples(path: Path) -> dict[str, LesionSample]:
    """Read the views of one exam, by name."""
    with np.load(path) as stored:
        views = sorted({name.split("/")[0] for name in stored.files})
        return {
            view: LesionSample(
                nipple_row=float(stored[f"{view}/nipple_row"]),
                **{name: stored[f"{view}/{name}"] for name in _ARRAYS},
            )
            for view in views
        }
