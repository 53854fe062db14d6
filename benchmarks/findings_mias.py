"""The detector on films of mini-MIAS, which are read in place. Nothing is fitted to them.

Only the table is printed. At 0.2 mm calcifications are not searched by :func:`mammorisk.find`; here
they are searched all the same, to see what the rule hides.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from mammorisk.findings.detector import LesionDetector
from mammorisk.findings.detector_input import detector_view
from mammorisk.imaging.segmented_view import segment_view
from mammorisk.io.read_exam import read_exam
from mammorisk.metrics import froc_sensitivity, match_detections

PIXEL_MM = 0.2
#: Type of each abnormality.
TYPES = {
    "CIRC": "mass",
    "SPIC": "mass",
    "MISC": "mass",
    "CALC": "calcification",
    "ASYM": "asymmetry",
    "ARCH": "distortion",
}
#: Sensitivity that was asked for, and false positives an image.
ASKED = {"mass": (0.50, 0.5), "distortion": (0.20, 0.5), "calcification": (0.50, 1.0)}


def mias_table(folder: Path, detector: LesionDetector) -> pd.DataFrame:
    """Sensitivity by type, with intervals by woman."""
    labels = pd.read_csv(folder / "labels.csv", dtype={"film": str})
    # Calcifications that are spread over the breast have a note in place of a centre.
    for name in ("x", "y", "radius"):
        labels[name] = pd.to_numeric(labels[name], errors="coerce").astype(float)
    views, marks = [], []
    for woman, films in labels.groupby("woman")["film"].unique().items():
        # Films of a woman with an odd number are of the right breast in the original table.
        named = {("R" if int(f[3:]) % 2 else "L") + "-MLO": folder / f"{f}.png" for f in films}
        exam = read_exam(named, allow_missing_views=True, pixel_mm=PIXEL_MM)
        made = {}
        for view in exam:
            prepared = detector_view(segment_view(view), coarsest_mm=PIXEL_MM)
            if prepared is not None:
                made[view.name] = prepared
        keys = {"patient_id": str(woman), "exam_id": str(woman)}
        views += [keys | {"view": name} for name in named]
        for name, some in detector.find(made).items():
            for one in some:
                row, column = (v * PIXEL_MM for v in one.centre_px)
                marks.append(
                    keys
                    | {"view": name, "type": one.type, "score": one.score}
                    | {"row_mm": row, "col_mm": column}
                )
    sides = labels["film"].str[3:].astype(int) % 2
    lesions = pd.DataFrame(
        {
            "patient_id": labels["woman"].astype(str),
            "exam_id": labels["woman"].astype(str),
            "view": np.where(sides == 1, "R-MLO", "L-MLO"),
            "type": labels["abnormality"].map(TYPES),
            "lesion_id": labels.index.astype(str),
            "row_mm": (1024 - labels["y"]) * PIXEL_MM,
            "col_mm": labels["x"] * PIXEL_MM,
            "radius_mm": labels["radius"] * PIXEL_MM,
        }
    ).dropna()
    rows = []
    for kind, (asked, rate) in ASKED.items():
        d = match_detections(pd.DataFrame(views), lesions, pd.DataFrame(marks), type=kind)
        found = froc_sensitivity(d, rate, resamples=300)
        rows.append(
            {
                "type": kind,
                "marked": int(lesions["type"].eq(kind).sum()),
                "false positives an image": rate,
                "sensitivity": f"{found.value:.2f} ({found.lower:.2f}-{found.upper:.2f})",
                "asked": asked,
            }
        )
    return pd.DataFrame(rows)
