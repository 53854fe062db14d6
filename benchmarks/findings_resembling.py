"""Where the structures that resemble lesions are in simulated exams, for benchmarks/findings.py."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd
from findings_exams import SETS

from mammorisk.simulation.exam_plan import plan_exam
from mammorisk.simulation.exam_scene import view_frame
from mammorisk.simulation.summations import draw_summations
from mammorisk.simulation.view_frame import ViewFrame

#: Pixels in which places are computed, mm.
_PIXEL_MM = 0.4
#: Structures that look like masses, asymmetries or distortions, and not like calcifications.
KINDS = ("summation", "lymph node", "mole", "scar", "popcorn")


def structures(numbers: Iterable[str]) -> pd.DataFrame:
    """Return the structures of exams, one row per view that shows them.

    Parameters
    ----------
    numbers : iterable of str
        Names of exams: the set and the number of the woman, as ``"more-000012"``.

    Returns
    -------
    DataFrame
        With columns ``patient_id``, ``view``, ``kind``, ``row_mm``, ``col_mm`` and ``radius_mm``.
    """
    rows = []
    for number in numbers:
        name, _, woman = number.rpartition("-")
        plan = plan_exam(SETS[name].options, int(woman))
        for place, one in enumerate(plan.views):
            frame = view_frame(plan, one, _PIXEL_MM)
            things = [
                (thing.kind, thing.place, thing.size_mm)
                for thing in plan.detail[one.side].distractors
                if thing.kind in KINDS
            ]
            overlaps = draw_summations([*plan.noise_seed, 10 + place], one.side, one.view)
            things += [("summation", each.place, each.size_mm) for each in overlaps]
            for kind, at, size_mm in things:
                row, column = in_file(frame, one.side, at)
                rows.append(
                    {
                        "patient_id": number,
                        "view": f"{one.side}-{one.view}",
                        "kind": kind,
                        "row_mm": row * _PIXEL_MM,
                        "col_mm": column * _PIXEL_MM,
                        "radius_mm": size_mm / 2,
                    }
                )
    columns = ["patient_id", "view", "kind", "row_mm", "col_mm", "radius_mm"]
    return pd.DataFrame(rows, columns=columns)


def in_file(frame: ViewFrame, side: str, place: tuple[float, float, float]) -> tuple[float, float]:
    """Row and column of a place in the file, in which a right breast is mirrored."""
    row, column = frame.place(place)
    return row, frame.shape[1] - 1 - column if side == "R" else column
