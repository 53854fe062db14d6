"""Write froc_monai.json: FROC curves of made-up marks, computed by MONAI (Apache-2.0).

Needs ``pip install monai torch``; the package and its tests need neither. Run it from this folder.
"""

from __future__ import annotations

import json
from pathlib import Path

import monai
import numpy as np
from monai.metrics.froc import compute_fp_tp_probs, compute_froc_curve_data, compute_froc_score

SIDE = 120
RATES = [0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0]


def case(seed: int, n_views: int) -> dict:
    rng = np.random.default_rng(seed)
    lesions, marks, false, true, targets = [], [], [], [], 0
    row, column = np.mgrid[:SIDE, :SIDE]
    for view in range(n_views):
        mask = np.zeros((SIDE, SIDE), dtype=int)
        # Far enough from each other, so that the discs do not overlap.
        places = [(30, 30), (30, 90), (90, 30)][: rng.integers(0, 4)]
        for k, (y, x) in enumerate(places, 1):
            radius = float(rng.choice([2.0, 5.0, 8.5, 12.0]))
            y, x = (int(v + rng.integers(-8, 9)) for v in (y, x))
            mask[np.hypot(row - y, column - x) <= max(radius, 5.0)] = k
            lesions.append([view, k, y, x, radius])
        n = int(rng.integers(1, 9))
        y, x = rng.integers(0, SIDE, (2, n))
        for one in lesions:
            if one[0] == view and rng.random() < 0.8:
                y = np.append(y, one[2] + rng.integers(-4, 5))
                x = np.append(x, one[3] + rng.integers(-4, 5))
        # Few distinct scores, so that there are ties; exact in the single precision of MONAI.
        score = rng.integers(1, 40, len(y)) / 64
        marks += [[view, int(a), int(b), float(c)] for a, b, c in zip(y, x, score, strict=True)]
        fp, tp, count = compute_fp_tp_probs(score, y, x, mask)
        false += list(fp)
        true += [float(p) for p in tp]
        targets += count
    rate, sensitivity = compute_froc_curve_data(np.array(false), np.array(true), targets, n_views)
    return {
        "n_views": n_views,
        "lesions": lesions,
        "marks": marks,
        "false_positives": rate.tolist(),
        "sensitivity": sensitivity.tolist(),
        "score": float(compute_froc_score(rate, sensitivity, tuple(RATES))),
        "has_missed": bool(min(true) == 0),
    }


if __name__ == "__main__":
    cases = [case(seed, n) for seed, n in ((1, 12), (2, 20), (3, 6))]
    told = {
        "monai": monai.__version__,
        "rates": RATES,
        "columns": {
            "lesions": "view, lesion, row, column, radius",
            "marks": "view, row, column, score",
        },
        "cases": cases,
    }
    Path("froc_monai.json").write_text(json.dumps(told) + "\n", encoding="utf-8")
