"""Table of the lesions of exams: one row for each lesion and view that shows it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from mammorisk._utils.typing import Floats
from mammorisk.simulation.anatomy import ANGLE_DEG
from mammorisk.simulation.calcifications import specks
from mammorisk.simulation.exam_plan import ExamPlan
from mammorisk.simulation.exam_scene import DrawnLesion, ExamScene, view_frame
from mammorisk.simulation.lesion_shapes import shadow
from mammorisk.simulation.lesions import Lesion
from mammorisk.simulation.outline import Outline
from mammorisk.simulation.scene_structures import ducts_at
from mammorisk.simulation.view_frame import ViewFrame

COLUMNS = (
    *("patient_id", "exam_id", "lesion_id", "laterality", "view", "type"),
    *("row_min_px", "row_max_px", "col_min_px", "col_max_px", "centre_row_px", "centre_col_px"),
    *("width_mm", "height_mm", "size_mm", "mask_area_mm2", "quadrant", "depth"),
    *("x_mm", "y_mm", "z_mm", "contrast", "shape", "margin", "morphology", "distribution"),
    *("pathology", "n_views", "nipple_row_px", "nipple_col_px"),
    *("speck_rows_px", "speck_cols_px"),
)
#: Margin around specks in the box of a group, mm.
_MARGIN_MM = 0.5
#: Relative distance from the axis of the nipple below which a place is central.
_CENTRAL = 0.15


def lesion_records(plan: ExamPlan, scene: ExamScene, *, pixel_mm: float) -> list[dict[str, Any]]:
    """Return the rows of one exam as JSON types.

    Parameters
    ----------
    plan : ExamPlan
    scene : ExamScene
    pixel_mm : float
        Spacing of the pictures in which places are given.

    Returns
    -------
    list of dict
        Keys as the columns in :attr:`mammorisk.Study.lesions`.
    """
    counts = Counter(one.lesion.lesion_id for one in scene.drawn)
    return [_row(plan, one, pixel_mm, counts[one.lesion.lesion_id]) for one in scene.drawn]


def lesion_table(exams: Iterable[list[dict[str, Any]]]) -> pd.DataFrame:
    """Join the rows of exams.

    Parameters
    ----------
    exams : iterable of list of dict
        Results of :func:`lesion_records`.

    Returns
    -------
    DataFrame
        Columns as described in :attr:`mammorisk.Study.lesions`. Without lesions it has no rows.
    """
    tables = [pd.DataFrame(rows, columns=list(COLUMNS)) for rows in exams if rows]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(COLUMNS))


def _row(plan: ExamPlan, one: DrawnLesion, pixel_mm: float, n_views: int) -> dict[str, Any]:
    lesion, view = one.lesion, plan.views[one.number]
    frame = view_frame(plan, view, pixel_mm)
    row, column = frame.place(lesion.place)
    points, area, places = _extent(lesion, frame)
    # Lengths in the picture; the box is that of the points around the centre.
    low, high = points.min(axis=0), points.max(axis=0)
    top, left = row + low[0], column + low[1]
    bottom, right = row + high[0], column + high[1]
    spots = places + np.array([row, column])
    last = frame.shape[1] - 1
    nipple = nipple_place(frame, view.side)
    if view.side == "R":
        # The file shows a right breast with the chest wall at the right.
        left, right = last - right, last - left
        spots[:, 1] = last - spots[:, 1]
    box = (
        int(np.clip(np.floor(top), 0, frame.shape[0] - 1)),
        int(np.clip(np.ceil(bottom) + 1, 1, frame.shape[0])),
        int(np.clip(np.floor(left), 0, last)),
        int(np.clip(np.ceil(right) + 1, 1, last + 1)),
    )
    return {
        "patient_id": plan.header.patient_id,
        "exam_id": plan.header.exam_id,
        "lesion_id": lesion.lesion_id,
        "laterality": view.side,
        "view": view.view,
        "type": lesion.type,
        "row_min_px": box[0],
        "row_max_px": box[1],
        "col_min_px": box[2],
        "col_max_px": box[3],
        "centre_row_px": (top + bottom) / 2,
        "centre_col_px": (left + right) / 2,
        "width_mm": (right - left) * pixel_mm,
        "height_mm": (bottom - top) * pixel_mm,
        "size_mm": _diameter(points) * pixel_mm,
        "mask_area_mm2": area,
        "quadrant": quadrant(lesion.place),
        "depth": depth(view.outline, view.view, lesion.place),
        **_place_mm(plan, lesion),
        "contrast": one.contrast,
        "shape": lesion.shape,
        "margin": lesion.margin,
        "morphology": lesion.morphology,
        "distribution": lesion.distribution,
        "pathology": lesion.pathology,
        "n_views": n_views,
        "nipple_row_px": nipple[0],
        "nipple_col_px": nipple[1],
        "speck_rows_px": spots[:, 0].tolist() if len(places) else [],
        "speck_cols_px": spots[:, 1].tolist() if len(places) else [],
    }


def _extent(lesion: Lesion, frame: ViewFrame) -> tuple[Floats, float, Floats]:
    """Points around the centre in pixels (row, column), area of the mask in mm2, and specks."""
    if lesion.type == "calcification":
        balls = specks(lesion, ducts_at(lesion.place))
        places = frame.offsets(balls.speck_centres())
        around = frame.offsets(balls.centres_mm)
        edge = (balls.radii_mm + _MARGIN_MM)[:, None] / frame.pixel_mm
        corners = np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]])
        points = np.concatenate([around + edge * corner for corner in corners])
        pixels = np.pi * balls.radii_mm**2
        return points, float(pixels.sum()), places
    none = np.empty((0, 2))
    if lesion.type == "distortion":
        # The area that is drawn towards the centre.
        turn = np.linspace(0, 2 * np.pi, 32, endpoint=False)
        radius = lesion.size_mm / 2
        ring = np.column_stack([np.cos(turn), np.sin(turn)]) * radius / frame.pixel_mm
        return ring, float(np.pi * radius**2), none
    form = shadow(lesion, frame.view)
    up, along = np.nonzero(form.mask)
    middle = (len(form.mask) - 1) / 2
    # The view's own coordinates as a point on its picture plane.
    flat = np.zeros((len(up), 3))
    flat[:, 0] = (along - middle) * form.step_mm
    turn_rad = np.deg2rad(ANGLE_DEG[frame.view])
    across = (up - middle) * form.step_mm
    flat[:, 1], flat[:, 2] = across * np.cos(turn_rad), across * np.sin(turn_rad)
    area = float(form.mask.sum()) * form.step_mm**2
    return frame.offsets(flat), area, none


def _diameter(points: Floats) -> float:
    """Largest distance between points along 36 directions."""
    turn = np.deg2rad(np.arange(0, 180, 5))
    along = points @ np.stack([np.cos(turn), np.sin(turn)])
    return float((along.max(axis=0) - along.min(axis=0)).max())


def nipple_place(frame: ViewFrame, side: str) -> tuple[float, float]:
    """Return the row and column of the nipple in the file."""
    row, column = frame.place((1.0, 0.0, 0.0))
    # The file shows a right breast with the chest wall at the right.
    return row, frame.shape[1] - 1 - column if side == "R" else column


def quadrant(place: tuple[float, float, float]) -> str:
    """Return the quadrant of a place, or ``central`` near the axis of the nipple."""
    _, eta, zeta = place
    if np.hypot(eta, zeta) < _CENTRAL:
        return "central"
    return f"{'upper' if zeta >= 0 else 'lower'} {'outer' if eta >= 0 else 'inner'}"


def depth(outline: Outline, view: str, place: tuple[float, float, float]) -> float:
    """Return the depth in a view: 0 at the nipple, 1 at the chest edge or the pectoral muscle.

    In CC views it is measured along the line from the nipple perpendicular to the chest edge, in
    MLO views perpendicular to the edge of the muscle.
    """
    frame = ViewFrame(view=view, outline=outline, pixel_mm=1.0, shape=(1, 1))
    row, column = frame.place(place)
    nipple_row, nipple_column = frame.place((1.0, 0.0, 0.0))
    if outline.muscle_mm is None:
        return float(np.clip((nipple_column - column) / (nipple_column + 0.5), 0, 1))
    top, wall = outline.muscle_mm
    # The edge from (top, 0) to (0, wall); its normal points to the nipple.
    normal = np.array([wall, top]) / np.hypot(top, wall)
    whole = normal @ np.array([nipple_column, nipple_row]) - normal @ np.array([top, 0.0])
    part = normal @ np.array([nipple_column - column, nipple_row - row])
    return float(np.clip(part / max(float(whole), 1e-6), 0, 1))


def _place_mm(plan: ExamPlan, lesion: Lesion) -> dict[str, float]:
    """Place in millimetres of the compressed views, CC along x and y, MLO along z."""
    outlines = {one.view: one.outline for one in plan.views if one.side == lesion.side}
    xi, eta, zeta = lesion.place
    cc, mlo = outlines["CC"], outlines["MLO"]
    return {
        "x_mm": xi * cc.depth_mm,
        "y_mm": eta * (cc.up_mm if eta > 0 else cc.down_mm),
        "z_mm": zeta * (mlo.up_mm if zeta > 0 else mlo.down_mm),
    }
