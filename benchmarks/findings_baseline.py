"""A difference of Gaussians at the size of lesions, to compare the detector with.

It is run on the same views at 0.4 mm. Of several sizes, the best for each type is taken with
hindsight.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from findings_exams import files_of, load_whole

from mammorisk.findings.detector_input import LESION_MM, DetectorView
from mammorisk.findings.peaks import find_peaks, keep_apart

#: Standard deviations of the narrow Gaussian, and the ratio of the wide one to it.
SIZES_MM, RATIO = (2.0, 3.0, 5.0, 8.0), 1.6
#: Pixels of the map in pixels of the input; margin below the skin; distance of two marks.
STEP, SKIN_MM, APART_MM = 4, 5.0, 5.0
#: Largest number of marks in a view.
MOST = 30


def baseline_marks(work: Path, names: Iterable[str]) -> dict[float, pd.DataFrame]:
    """Marks of each size in all views of some sets of exams."""
    rows: dict[float, list[dict[str, object]]] = {size: [] for size in SIZES_MM}
    for name in names:
        for file in files_of(work, name):
            views, told = load_whole(file)
            number = f"{name}-{file.stem}"
            for view, made in views.items():
                for size in SIZES_MM:
                    rows[size] += [
                        {"patient_id": number, "exam_id": number, "view": view, "score": score}
                        | {"row_mm": row * told["pixel_mm"], "col_mm": column * told["pixel_mm"]}
                        for row, column, score in view_marks(made, size)
                    ]
    return {size: pd.DataFrame(some) for size, some in rows.items()}


def view_marks(view: DetectorView, size_mm: float) -> list[tuple[float, float, float]]:
    """Row and column in the upright view, and response of the filter, highest first."""
    rows, columns = (max(1, n // STEP) for n in view.lesion.shape[1:])
    inside = (view.lesion[0] > 0).astype(np.float32)
    grey = view.lesion[0].astype(np.float32) * inside
    step_mm = STEP * LESION_MM
    weight = cv2.resize(inside, (columns, rows), interpolation=cv2.INTER_AREA)
    total = cv2.resize(grey, (columns, rows), interpolation=cv2.INTER_AREA)
    means = [
        cv2.GaussianBlur(total, (0, 0), sd / step_mm)
        / np.maximum(cv2.GaussianBlur(weight, (0, 0), sd / step_mm), 1e-3)
        for sd in (size_mm, RATIO * size_mm)
    ]
    reach = 2 * round(SKIN_MM / step_mm) + 1
    deep = cv2.erode((weight > 0.5).astype(np.uint8), np.ones((reach, reach), np.uint8)) > 0
    response = np.where(deep, means[0] - means[1], 0).astype(np.float32)
    peaks = find_peaks(response, lowest=1e-3, most=2 * MOST)
    centres = (np.column_stack([peaks.rows, peaks.columns]) + 0.5) * STEP - 0.5
    values = peaks.values.astype(np.float64)
    kept = keep_apart(centres, values, np.full(len(values), APART_MM / LESION_MM))[:MOST]
    places = view.lesion_frame.to_view(centres[kept])
    return [
        (float(row), float(column), float(values[i]))
        for i, (row, column) in zip(kept, places, strict=True)
    ]
