"""Fit the model that matches lesions between CC and MLO views, and check the anatomy of a view.

Writes ``mammorisk/findings/data/matching.json`` and prints the table of
docs/explanation/lesion-places.md:

    python benchmarks/findings_matching.py --exams 300 --held-out 200

Lesions are those of simulated exams at 0.4 mm. Anatomy is what is found in their pixels. A
candidate is a lesion that a detector misses in some views and places and sizes with an error, or a
false mark. Errors and rates are assumptions, given below. The model is evaluated on other women of
other vendors.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from mammorisk.findings.anatomy import ViewAnatomy, anatomy_of
from mammorisk.findings.candidate import TYPES, Candidate
from mammorisk.findings.matching import PairModel, match_views, pair_features
from mammorisk.findings.quadrant import quadrant_of
from mammorisk.imaging.breast import find_breast
from mammorisk.simulation import StudyOptions, render_exam
from mammorisk.simulation.vendors import DEFAULT_VENDORS

PIXEL_MM = 0.4
RATES = {"mass": 0.6, "calcification": 0.6, "asymmetry": 0.5, "distortion": 0.5}
#: Probability that a lesion is marked in a view; SD of the place in mm and of the logarithm of the
#: size; false marks per view; mean logit of the score of lesions and of false marks, with SD 1.
MARKED, PLACE_MM, SIZE_LOG, FALSE, TRUE_LOGIT, FALSE_LOGIT = 0.85, 3.0, 0.25, 1.0, 1.0, -1.0
#: Probability that a lesion is given another type.
WRONG_TYPE = 0.05
#: SD in mm by which a lesion is farther from or nearer to the nipple in a view than in the
#: simulation, where the breast is stretched alike in both views.
STRETCH_MM = 5.0
#: Rows of the table of docs/explanation/lesion-places.md: result, words, decimals.
SHOWN = (
    ("correct_pair", "lesions marked in both views that are paired correctly", 2),
    ("pairs_that_are_right", "pairs that are right", 2),
    ("quadrant", "quadrant of correct pairs", 2),
    ("nipple_error_mm", "mean distance of the nipple from its true place, mm", 1),
    ("depth_error_CC", "mean absolute error of depth, CC", 3),
    ("depth_error_MLO", "mean absolute error of depth, MLO", 3),
)
OUT = Path(__file__).parents[1] / "mammorisk" / "findings" / "data" / "matching.json"


@dataclass
class Breast:
    """One breast with candidates in two views; ``owner`` is a lesion or None."""

    exam: str
    side: str
    anatomy: dict[str, ViewAnatomy]
    candidates: dict[str, list[Candidate]]
    owner: dict[str, list[str | None]]
    lesions: pd.DataFrame


def breasts(seed: int, exams: int, vendors: tuple[str, ...]) -> Iterator[Breast]:
    """Breasts with lesions of simulated exams."""
    options = StudyOptions(n=10 * exams, seed=seed, vendors=vendors, lesions=RATES)
    for woman in range(exams):
        rng = np.random.default_rng([seed, woman])
        exam = render_exam(options, woman, pixel_mm=PIXEL_MM)
        for side, lesions in exam.lesions.groupby("laterality"):
            views = {one.view: one for one in exam.views if one.laterality == side}
            anatomy, candidates, owner = {}, {}, {}
            for position, view in views.items():
                image = view.pixels.astype(np.float32) / np.float32(2**view.bits - 1)
                wall = "left" if side == "L" else "right"
                mask = find_breast(image, position=position, expected_wall=wall)
                anatomy[position] = anatomy_of(mask, position, PIXEL_MM)
                shown = lesions[lesions["view"] == position]
                made = list(marks(f"{side}-{position}", shown, mask.breast, rng))
                candidates[position] = [one for one, _ in made]
                owner[position] = [name for _, name in made]
            yield Breast(exam.exam_id, str(side), anatomy, candidates, owner, lesions)


def marks(
    view: str, lesions: pd.DataFrame, breast: np.ndarray, rng: np.random.Generator
) -> Iterator[tuple[Candidate, str | None]]:
    """Candidates of an imperfect detector in one view."""
    for row in lesions.itertuples():
        if rng.random() > MARKED:
            continue
        centre = np.array([row.centre_row_px, row.centre_col_px])
        centre = centre + rng.normal(scale=PLACE_MM / PIXEL_MM, size=2)
        centre[1] += rng.normal(scale=STRETCH_MM / PIXEL_MM)
        size = row.size_mm / PIXEL_MM * np.exp(SIZE_LOG * rng.normal())
        kind = str(rng.choice(TYPES)) if rng.random() < WRONG_TYPE else row.type
        yield candidate(view, kind, centre, size, TRUE_LOGIT + rng.normal()), row.lesion_id
    inside = np.argwhere(breast[::4, ::4]) * 4
    for _ in range(rng.poisson(FALSE) if len(inside) else 0):
        centre = inside[rng.integers(len(inside))].astype(float)
        size = np.exp(rng.normal(np.log(16.0), 0.5)) / PIXEL_MM
        kind = str(rng.choice(TYPES))
        yield candidate(view, kind, centre, size, FALSE_LOGIT + rng.normal()), None


def candidate(view: str, kind: str, centre: np.ndarray, size: float, logit: float) -> Candidate:
    half = size / 2
    row, column = (float(v) + 0.5 for v in centre)
    box = (row - half, row + half, column - half, column + half)
    return Candidate(view=view, type=kind, score=float(1 / (1 + np.exp(-logit))), box_px=box)


def pairs(found: list[Breast]) -> pd.DataFrame:
    """Features of all pairs of candidates of a breast, with ``same``."""
    rows = []
    for one in found:
        cc, mlo = one.candidates["CC"], one.candidates["MLO"]
        if not cc or not mlo:
            continue
        features = pair_features(cc, mlo, one.anatomy["CC"], one.anatomy["MLO"], PIXEL_MM, PIXEL_MM)
        for i, name in enumerate(one.owner["CC"]):
            for j, other in enumerate(one.owner["MLO"]):
                same = name is not None and name == other
                rows.append({**{n: values[i, j] for n, values in features.items()}, "same": same})
    return pd.DataFrame(rows)


def fit(table: pd.DataFrame, source: str) -> PairModel:
    """Logistic regression without penalty; the limit is set by :func:`best_limit`."""
    names = [name for name in table.columns if name != "same"]
    fitted = LogisticRegression(C=np.inf, max_iter=1000).fit(table[names], table["same"])
    return PairModel(
        intercept=round(float(fitted.intercept_[0]), 4),
        coefficients={n: round(float(c), 4) for n, c in zip(names, fitted.coef_[0], strict=True)},
        typical={name: round(float(table[name].mean()), 4) for name in names},
        limit=0.0,
        source=source,
    )


def check(found: list[Breast], model: PairModel) -> dict[str, float]:
    """Shares of lesions in both views that are paired correctly, and of pairs that are right."""
    both = right = made = placed = quadrants = 0
    for one in found:
        chosen = match_views(
            one.candidates["CC"],
            one.candidates["MLO"],
            one.anatomy["CC"],
            one.anatomy["MLO"],
            PIXEL_MM,
            PIXEL_MM,
            model=model,
        )
        both += len({n for n in one.owner["CC"] if n} & {n for n in one.owner["MLO"] if n})
        made += len(chosen)
        for pair in chosen:
            name = one.owner["CC"][pair.cc]
            if name is None or name != one.owner["MLO"][pair.mlo]:
                continue
            right += 1
            truth = one.lesions[one.lesions["lesion_id"] == name]["quadrant"].iloc[0]
            quadrants += 1
            placed += truth == quadrant_of(
                one.candidates["CC"][pair.cc],
                one.candidates["MLO"][pair.mlo],
                one.anatomy["CC"],
                one.anatomy["MLO"],
                one.side,
            )
    return {
        "lesions_in_both": both,
        "correct_pair": right / both,
        "pairs_that_are_right": right / made,
        "quadrant": placed / quadrants,
    }


def best_limit(found: list[Breast], model: PairModel) -> float:
    """Limit with the highest harmonic mean of both shares of :func:`check`."""
    scores = {}
    for limit in np.arange(0.05, 0.75, 0.05):
        told = check(found, PairModel(**{**vars(model), "limit": float(limit)}))
        a, b = told["correct_pair"], told["pairs_that_are_right"]
        scores[round(float(limit), 2)] = 2 * a * b / (a + b)
    return max(scores, key=scores.__getitem__)


def nipple_error(found: list[Breast]) -> float:
    """Mean distance in mm of the nipple from its true place, where it was found."""
    apart = []
    for one in found:
        for view, rows in one.lesions.groupby("view"):
            place = one.anatomy[view].nipple_px
            truth = rows[["nipple_row_px", "nipple_col_px"]].iloc[0].to_numpy(dtype=float)
            if place is not None:
                apart.append(PIXEL_MM * np.hypot(*(truth - place)))
    return float(np.mean(apart))


def depth_errors(found: list[Breast]) -> dict[str, float]:
    """Mean absolute error of the depth of lesions in each view."""
    rows = [
        (
            row.view,
            abs(one.anatomy[row.view].depth(row.centre_row_px, row.centre_col_px) - row.depth),
        )
        for one in found
        for row in one.lesions.itertuples()
    ]
    table = pd.DataFrame(rows, columns=["view", "error"])
    return {
        f"depth_error_{view}": float(group["error"].mean()) for view, group in table.groupby("view")
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--exams", type=int, default=300)
    parser.add_argument("--held-out", type=int, default=200)
    parser.add_argument("--out", type=Path, default=OUT)
    asked = parser.parse_args()
    training = list(breasts(151, asked.exams, DEFAULT_VENDORS))
    table = pairs(training)
    source = (
        f"{int(table['same'].sum())} pairs of simulated lesions and {int((~table['same']).sum())} "
        f"other pairs of {asked.exams} simulated exams (seed 151)"
    )
    model = fit(table, source)
    model = PairModel(**{**vars(model), "limit": best_limit(training, model)})
    held_out = list(breasts(152, asked.held_out, ("elm", "fir")))
    told = {**check(held_out, model), **depth_errors(held_out)}
    told["nipple_error_mm"] = nipple_error(held_out)
    asked.out.parent.mkdir(exist_ok=True)
    asked.out.write_text(
        json.dumps({**vars(model), "held_out": {k: round(v, 3) for k, v in told.items()}}, indent=2)
        + "\n",
        encoding="utf-8",
    )
    print(json.dumps({**vars(model), "held_out": told}, indent=2))
    print("| on held-out women of other simulated vendors | |\n|---|---|")
    for name, words, digits in SHOWN:
        print(f"| {words} | {told[name]:.{digits}f} |")
