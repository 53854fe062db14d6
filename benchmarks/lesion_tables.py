"""The tables of docs/explanation/simulated-lesions.md, and the time to render an exam.

python benchmarks/lesion_tables.py
python benchmarks/lesion_tables.py --films FOLDER    # contrasts of films of mini-MIAS, too

FOLDER holds films of mini-MIAS and labels.csv; the films are not in the repository.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from mammorisk.simulation import ExamRenderer, StudyOptions, render_exam

OPTIONS = StudyOptions(
    n=10_000,
    seed=4052,
    lesions={"mass": 1.0, "calcification": 1.0, "asymmetry": 1.0, "distortion": 1.0},
)
#: Kinds of mini-MIAS with a radius.
KINDS = {
    "CIRC": "circumscribed masses",
    "SPIC": "spiculated masses",
    "MISC": "other masses",
    "ASYM": "asymmetries",
    "ARCH": "distortions",
}


def markdown(table: pd.DataFrame) -> str:
    rows = [[str(table.index.name or ""), *map(str, table.columns)]]
    rows += [["---"] * (table.shape[1] + 1)]
    rows += [[str(key), *map(str, values)] for key, values in table.iterrows()]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in rows)


def quartiles(values: pd.Series) -> pd.Series:
    low, middle, high = values.quantile([0.25, 0.5, 0.75])
    return pd.Series(
        {"n": len(values), "median": f"{middle:.2f}", "quartiles": f"{low:.2f} to {high:.2f}"}
    )


def simulated(exams: int) -> None:
    rows = pd.concat([ExamRenderer(OPTIONS, n).lesions() for n in range(exams)], ignore_index=True)
    kind = rows["margin"].astype(object).where(rows["margin"].notna(), rows["morphology"])
    kind = kind.where(kind.notna(), rows["type"])
    kind = kind.where(rows["n_views"] > 1, "asymmetry of one view")
    rows["kind"] = rows["type"].str.cat(kind.astype(str), sep=", ")
    print(f"\nContrast, {exams} exams, lesions times views\n")
    print(markdown(rows.groupby("kind")["contrast"].apply(quartiles).unstack()))
    print("\nSize, mm\n")
    print(markdown(rows.groupby("type")["size_mm"].apply(quartiles).unstack()))
    each = rows.drop_duplicates("lesion_id")
    print("\nShare of lesions, percent\n")
    share = 100 * each["quadrant"].value_counts(normalize=True)
    print(markdown(share.round(0).astype(int).to_frame("share")))
    print("\nMalignant, percent\n")
    worse = 100 * each["pathology"].eq("malignant").groupby(each["type"]).mean()
    print(markdown(worse.round(0).astype(int).to_frame("malignant")))


def speed() -> None:
    print("\nProcessor seconds on one core\n")
    rows = []
    for pixel_mm in (0.4, 0.2, 0.1):
        start = time.process_time()
        for woman in range(4):
            render_exam(OPTIONS, woman, pixel_mm=pixel_mm)
        rows.append((f"four views at {pixel_mm} mm", (time.process_time() - start) / 4))
    exam = ExamRenderer(OPTIONS, 1)
    start = time.process_time()
    for left in (100, 200, 300, 400):
        exam.view("L", "CC", pixel_mm=0.1, part=(slice(800, 1312), slice(left, left + 512)))
    rows.append(("512 x 512 pixels at 0.1 mm", (time.process_time() - start) / 4))
    table = pd.DataFrame(rows, columns=["", "s"]).set_index("")
    print(markdown(table.round(3)))


def films(folder: Path) -> None:
    """Contrast by the formula of the simulation: disc of 0.9 radii, ring of 1.2 to 2 radii."""
    labels = pd.read_csv(folder / "labels.csv")
    labels[["x", "y", "radius"]] = labels[["x", "y", "radius"]].apply(
        pd.to_numeric, errors="coerce"
    )
    labels = labels.dropna(subset=["x", "radius"])
    rows = []
    for film in labels[labels["abnormality"].isin(KINDS)].itertuples():
        image = cv2.imread(str(folder / f"{film.film}.png"), cv2.IMREAD_GRAYSCALE)
        # Films of 0.2 mm, in pixels of 0.8 mm; rows are counted from below.
        grey = cv2.resize(image.astype(float), None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
        y, x = np.mgrid[: grey.shape[0], : grey.shape[1]]
        distance = np.hypot(y - (1024 - film.y) / 4, x - film.x / 4) / (film.radius / 4)
        tissue = grey > 15
        disc, ring = (distance < 0.9) & tissue, (distance > 1.2) & (distance < 2) & tissue
        if disc.any() and ring.any():
            contrast = (grey[disc].mean() - grey[ring].mean()) / grey[ring].std()
            rows.append((KINDS[film.abnormality], contrast))
    table = pd.DataFrame(rows, columns=["films", "contrast"])
    print("\nContrast on films\n")
    print(markdown(table.groupby("films")["contrast"].apply(quartiles).unstack()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--exams", type=int, default=80)
    parser.add_argument("--films", type=Path)
    given = parser.parse_args()
    simulated(given.exams)
    speed()
    if given.films:
        films(given.films)


if __name__ == "__main__":
    main()
