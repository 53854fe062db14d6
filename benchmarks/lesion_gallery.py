"""Crops of simulated lesions and distractors, for docs/explanation/simulated-lesions.md.

python benchmarks/lesion_gallery.py docs/images
python benchmarks/lesion_gallery.py /tmp/gallery --films FOLDER    # beside films of mini-MIAS

FOLDER holds films of mini-MIAS and labels.csv. Pictures with real films are for looking at and do
not go into the repository.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import cv2
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from mammorisk.simulation import StudyOptions
from mammorisk.simulation.distractors import Distractor
from mammorisk.simulation.exam_images import picture_of
from mammorisk.simulation.exam_plan import ExamPlan, plan_exam
from mammorisk.simulation.exam_scene import scene_of, view_frame
from mammorisk.simulation.lesions import Lesion

SEED = 2027
OPTIONS = StudyOptions(n=1000, seed=SEED, lesions={"distractors": True})
SHAPES = ("oval", "round", "irregular")
MARGINS = ("circumscribed", "obscured", "microlobulated", "indistinct", "spiculated")
MORPHOLOGIES = (
    *("round", "amorphous", "coarse heterogeneous"),
    *("fine pleomorphic", "fine linear branching"),
)
DISTRIBUTIONS = ("grouped", "linear", "segmental", "regional")
DISTRACTORS = (
    *("single speck", "skin calcifications", "arterial", "rim", "coarse", "popcorn", "rods"),
    *("lymph node", "mole", "scar", "clip", "skin marker"),
)
PLACES = ((0.5, 0.25, 0.2), (0.55, 0.05, 0.25), (0.4, 0.3, 0.1), (0.6, -0.2, -0.1))


def crop(plan: ExamPlan, lesion: Lesion | None, view: int, at, size_mm: float, pixel_mm: float):
    """Crop of a view around a place, 0 to 1 between its percentiles."""
    plan = replace(plan, lesions=() if lesion is None else (lesion,))
    scene = scene_of(plan, 3.0)
    row, column = view_frame(plan, plan.views[view], pixel_mm).place(at)
    half = round(size_mm / pixel_mm / 2)
    place = tuple(slice(round(v) - half, round(v) + half) for v in (row, column))
    part = picture_of(plan, scene, view, pixel_mm=pixel_mm, part=place).pixels.astype(float)
    low, high = np.percentile(part[part > 0], [1, 99.8])
    return np.clip((part - low) / max(high - low, 1), 0, 1)


def made(*, kind: str, number: int, **fields: object) -> Lesion:
    size = {"mass": 13.0, "asymmetry": 24.0, "distortion": 28.0}.get(kind, 9.0)
    given: dict = {
        "lesion_id": "",
        "type": kind,
        "side": "L",
        "place": PLACES[number % len(PLACES)],
        "size_mm": size,
        "visibility": {"mass": 1.8, "asymmetry": 1.9, "distortion": 1.2}.get(kind, 1.0),
        "views": ("CC", "MLO"),
        "pathology": "benign",
        "seed": 100 + number,
    }
    return Lesion(**(given | fields))


def grid(tiles: list[list[np.ndarray]], labels: list[str], titles: list[str], file: Path) -> None:
    rows, columns = len(tiles), len(tiles[0])
    fig, axes = plt.subplots(
        rows, columns, figsize=(1.9 * columns, 1.95 * rows + 0.3), squeeze=False
    )
    for i, row in enumerate(tiles):
        for j, tile in enumerate(row):
            axes[i, j].imshow(tile, cmap="gray", vmin=0, vmax=1)
            axes[i, j].set(xticks=[], yticks=[])
            if i == 0:
                axes[i, j].set_title(titles[j], fontsize=9)
        axes[i, 0].set_ylabel(labels[i], fontsize=9)
    fig.subplots_adjust(left=0.05, right=0.995, top=0.95, bottom=0.01, wspace=0.03, hspace=0.03)
    # JPEG, because noise does not compress without loss.
    fig.savefig(file, dpi=75, pil_kwargs={"quality": 80})
    plt.close(fig)


def lesion_grids(out: Path, women: list[int]) -> None:
    plans = [plan_exam(OPTIONS, woman) for woman in women]
    titles = [f"{one}, {view}" for one in ("A", "B", "C") for view in ("CC", "MLO")]
    sheets: dict[str, list[tuple[str, dict, float, float]]] = {
        "masses": [
            *[
                (
                    f"{s}, circumscribed",
                    {"kind": "mass", "shape": s, "margin": MARGINS[0]},
                    40,
                    0.15,
                )
                for s in SHAPES[:2]
            ],
            *[
                (
                    f"{'irregular' if m in MARGINS[3:] else 'oval'}, {m}",
                    {
                        "kind": "mass",
                        "shape": "irregular" if m in MARGINS[3:] else "oval",
                        "margin": m,
                    },
                    40,
                    0.15,
                )
                for m in MARGINS[1:]
            ],
        ],
        "calcifications": [
            *[
                (m, {"kind": "calcification", "morphology": m, "distribution": "grouped"}, 18, 0.07)
                for m in MORPHOLOGIES
            ],
            *[
                (
                    d,
                    {
                        "kind": "calcification",
                        "morphology": "fine pleomorphic",
                        "distribution": d,
                        "size_mm": 28.0,
                    },
                    40,
                    0.1,
                )
                for d in DISTRIBUTIONS[1:]
            ],
        ],
        "tissue": [
            ("distortion", {"kind": "distortion"}, 60, 0.2),
            ("distortion", {"kind": "distortion", "seed": 7, "size_mm": 36.0}, 60, 0.2),
            ("focal asymmetry", {"kind": "asymmetry"}, 60, 0.2),
            ("asymmetry (one view)", {"kind": "asymmetry", "views": ("CC",), "seed": 8}, 60, 0.2),
            (
                "summation (MLO)",
                {"kind": "asymmetry", "views": ("MLO",), "seed": 9, "visibility": 1.4},
                60,
                0.2,
            ),
        ],
    }
    for name, kinds in sheets.items():
        tiles = []
        for number, (_, fields, size_mm, pixel_mm) in enumerate(kinds):
            row = []
            for which, plan in enumerate(plans):
                lesion = made(number=10 * number + which, **fields)
                lesion = replace(lesion, place=PLACES[which], seed=lesion.seed + 31 * which)
                row += [
                    crop(plan, lesion, view, lesion.place, size_mm, pixel_mm) for view in (1, 3)
                ]
            tiles.append(row)
        grid(tiles, [label for label, *_ in kinds], titles, out / f"simulated-{name}.jpg")


def distractor_grid(out: Path, women: list[int]) -> None:
    plans = [plan_exam(OPTIONS, woman) for woman in women]
    titles = [f"{one}, {view}" for one in ("A", "B", "C") for view in ("CC", "MLO")]
    sizes = {
        "skin calcifications": 9,
        "rim": 8,
        "coarse": 1.6,
        "popcorn": 9,
        "rods": 30,
        "lymph node": 7,
        "mole": 6,
        "scar": 30,
        "clip": 2.2,
        "skin marker": 1.6,
        "single speck": 0.35,
        "arterial": 45,
    }
    tiles = []
    for number, kind in enumerate(DISTRACTORS):
        row = []
        for which, plan in enumerate(plans):
            place = (0.0, 0.0, 0.0) if kind == "arterial" else PLACES[which]
            thing = Distractor(
                kind=kind, side="L", place=place, size_mm=sizes[kind], seed=number * 10 + which
            )
            detail = replace(plan.detail["L"], distractors=(thing,))
            changed = replace(plan, detail={**plan.detail, "L": detail})
            centre = place
            if kind == "arterial":
                middle = plan.detail["L"].vessels.points[0][15]
                centre = tuple(float(v) for v in middle)
            size_mm = 50 if kind in ("arterial", "rods", "scar") else 25
            row += [crop(changed, None, view, centre, size_mm, 0.1) for view in (1, 3)]
        tiles.append(row)
    grid(tiles, list(DISTRACTORS), titles, out / "simulated-distractors.jpg")


def films(out: Path, folder: Path) -> None:
    """Crops of labelled films of mini-MIAS, and their contrasts."""
    table = pd.read_csv(folder / "labels.csv").dropna(subset=["x"])
    tiles, names = [], []
    for kind, group in table.groupby("abnormality"):
        row = []
        for film in group.head(6).itertuples():
            image = cv2.imread(str(folder / f"{film.film}.png"), 0).astype(float)
            half = 150 if kind in ("ARCH", "ASYM") else 100
            padded = np.pad(image, half)
            y, x = 1024 - int(film.y), int(film.x)
            part = padded[y : y + 2 * half, x : x + 2 * half]
            low, high = np.percentile(part[part > 0], [1, 99.8])
            row.append(cv2.resize(np.clip((part - low) / (high - low), 0, 1), (200, 200)))
        row += [np.zeros((200, 200))] * (6 - len(row))
        tiles.append(row)
        names.append(kind)
    grid(tiles, names, [""] * 6, out / "films.jpg")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--films", type=Path)
    parser.add_argument("--women", default="3,8,21")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    women = [int(one) for one in given.women.split(",")]
    lesion_grids(given.out, women)
    distractor_grid(given.out, women)
    if given.films:
        films(given.out, given.films)


if __name__ == "__main__":
    main()
