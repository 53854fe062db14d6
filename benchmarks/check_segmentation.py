"""Masks, density and their stability on films with labels.

    python benchmarks/check_segmentation.py FOLDER [FOLDER ...] [--every N]

A FOLDER holds pairs NAME.png and NAME_label.png of the same size (labels 64 background, 128 fat,
192 fibroglandular tissue, 255 pectoral muscle, with the view in NAME, ..._RIGHT_MLO), or a table
labels.csv with the columns film, woman and tissue (F fatty, G fatty-glandular, D dense-glandular)
beside films FILM.png, two oblique views of each woman. Prints the agreement, over all films and
over two halves, and by how much percent density moves when a film is padded, cut to 8 bits,
inverted or changed in gamma. ``--every N`` takes every Nth film for the stability.
``--simulated N`` compares the density of N simulated exams with the truth.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import imagecodecs
import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.stats import spearmanr

from mammorisk import read_exam
from mammorisk.imaging.breast import find_breast
from mammorisk.imaging.dense_tissue import CURVE_TOP
from mammorisk.imaging.density import (
    category_probabilities,
    exam_density,
    measure_density,
    measure_view_density,
)
from mammorisk.imaging.segmented_view import SegmentedView, segment_exam, segment_view
from mammorisk.records.exam import View
from mammorisk.records.stored_image import Greyscale, RawImage
from mammorisk.simulation.simulate import simulate

BACKGROUND, FAT, DENSE, MUSCLE = 64, 128, 192, 255
CLASSES = "FGD"


class Labelled(NamedTuple):
    """One film of a folder with labels by pixel."""

    iou: float
    dice: float
    measured: float
    labelled: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--simulated", type=int, default=0, help="number of simulated exams")
    parser.add_argument("--every", type=int, default=1)
    options = parser.parse_args()
    for folder in options.folders:
        with_classes = (folder / "labels.csv").exists()
        views = check_classes(folder) if with_classes else check_labels(folder)
        check_stability(views[:: options.every])
        check_turned(views)
    if options.simulated:
        check_simulated(options.simulated)


def check_labels(folder: Path) -> list[View]:
    """Agreement with labels of tissue by pixel; returns the views."""
    rows, views = [], []
    for label_file in sorted(folder.glob("*_label.png")):
        film = label_file.with_name(label_file.name.replace("_label", ""))
        (view,) = read_exam(film, allow_missing_views=True)
        views.append(view)
        rows.append(_compare(segment_view(view), imagecodecs.imread(label_file)))
    table = np.array(rows)
    print(f"{len(rows)} films with labels by pixel")
    for name, part in _parts(table):
        iou, dice, percent, truth = part.T
        known = ~np.isnan(percent)
        rank = spearmanr(percent[known], truth[known]).statistic
        error = np.abs(percent - truth)[known].mean()
        print(
            f"  {name:6s} IoU of the breast {np.median(iou):.3f} (median), muscle found in "
            f"{(dice > 0.5).mean():.0%}, its Dice {np.nanmedian(dice):.3f} (median)"
        )
        print(
            f"  {'':6s} percent density of {known.sum()}: rank correlation {rank:.3f}, "
            f"mean absolute error {error:.1f} points"
        )
    measured, labelled = table[:, 2], table[:, 3]
    known = ~np.isnan(measured)
    error = _left_out_error(measured[known], labelled[known])
    print(f"  curve refitted without each film: mean absolute error {error:.1f} points")
    return views


def _left_out_error(measured: np.ndarray, labelled: np.ndarray) -> float:
    """Error when the slope and offset of the curve to percent are fitted on all other films."""
    share = measured / CURVE_TOP
    scale = np.log(share / (1 - share))

    def curve(at: np.ndarray, slope: float, offset: float) -> np.ndarray:
        return CURVE_TOP / (1 + np.exp(-(slope * at + offset)))

    errors = []
    for i in range(len(measured)):
        others = np.arange(len(measured)) != i
        found = minimize(
            lambda p, o=others: np.abs(curve(scale[o], *p) - labelled[o]).sum(),
            [1.0, 0.0],
            method="Nelder-Mead",
        )
        errors.append(abs(curve(scale[i], *found.x) - labelled[i]))
    return float(np.mean(errors))


def _compare(seen: SegmentedView, label: np.ndarray) -> Labelled:
    breast, muscle = label != BACKGROUND, label == MUSCLE
    found = seen.mask.pectoral
    return Labelled(
        iou=(seen.mask.breast & breast).sum() / (seen.mask.breast | breast).sum(),
        dice=2 * (found & muscle).sum() / (found.sum() + muscle.sum()) if muscle.any() else np.nan,
        measured=_percent(seen),
        labelled=100 * (label == DENSE).sum() / np.isin(label, (FAT, DENSE)).sum(),
    )


def check_classes(folder: Path) -> list[View]:
    """Agreement with a reader's tissue class; returns the views."""
    films = pd.read_csv(folder / "labels.csv").drop_duplicates("film")
    rows, views, muscles, sides, shapes = [], [], [], [], []
    for woman, pair in films.groupby("woman"):
        # Odd films have the chest wall at the right, as a right breast hangs.
        names = {f"{'R' if int(f[3:]) % 2 else 'L'}-MLO": f for f in pair["film"]}
        exam = read_exam(
            {view: folder / f"{film}.png" for view, film in names.items()}, allow_missing_views=True
        )
        seen = segment_exam(exam)
        together = measure_density(exam, seen)
        views.extend(exam)
        for name, one in seen.items():
            muscles.append(bool(one.mask.pectoral.any()))
            wall = "right" if name[0] == "R" else "left"
            sides.append(one.mask.chest_wall == wall)
            shapes.append(find_breast(one.image, position="MLO").chest_wall == wall)
            rows.append(
                {
                    "woman": woman,
                    "tissue": CLASSES.index(pair.set_index("film").loc[names[name], "tissue"]),
                    "alone": _percent(one),
                    "pooled": together.percent_density_by_view.get(name, np.nan),
                }
            )
    table = pd.DataFrame(rows)
    print(f"{len(table)} films with a class of tissue")
    print(
        f"  muscle found in {np.mean(muscles):.0%}; chest wall at the wrong side in "
        f"{np.sum(np.logical_not(sides))} of {len(sides)}, and in "
        f"{np.sum(np.logical_not(shapes))} without the laterality"
    )
    for name, part in _parts(table):
        for how in ("alone", "pooled"):
            _print_classes(f"{name} {how}", part.dropna(subset=[how]), how)
    return views


def _print_classes(name: str, table: pd.DataFrame, how: str) -> None:
    category = np.array([_category(p) for p in table[how]])
    dense, fatty = table["tissue"] == 2, table["tissue"] == 0
    pairs = table.groupby("woman")[how].agg(["count", np.ptp])
    apart = pairs.loc[pairs["count"] == 2, "ptp"]
    rank = spearmanr(table[how], table["tissue"]).statistic
    low = np.isin(category[dense], ("a", "b")).mean()
    print(
        f"  {name:12s} {len(table):3d} measured, rank correlation {rank:.3f}, D called a or b "
        f"{low:.1%}, F called d {(category[fatty] == 'd').mean():.1%},"
    )
    print(f"  {'':12s} left and right within 8 points {(apart <= 8).mean():.0%}")


def _category(percent: float) -> str:
    probabilities = category_probabilities(percent)
    return max(probabilities, key=lambda c: probabilities[c])


def _parts(table: Any) -> Iterator[tuple[str, Any]]:
    """All rows, and two halves of them; pairs of films stay together."""
    half = (np.arange(len(table)) // 2) % 2
    yield "all", table
    yield "half1", table[half == 0]
    yield "half2", table[half == 1]


def _percent(seen: SegmentedView) -> float:
    found = exam_density({seen.view.name: measure_view_density(seen)}).percent_density
    return np.nan if found is None else found


def check_turned(views: list[View]) -> None:
    """How many films are told as turned: as they are, turned by 180 degrees, and upside down."""
    told = []
    for part in (np.s_[:], np.s_[::-1, ::-1], np.s_[::-1]):
        count = 0
        for view in views:
            raw = view.load()
            turned = replace(raw, pixels=np.ascontiguousarray(raw.pixels[part]))
            seen = segment_view(replace(view, load=lambda r=turned: r))
            count += any(one.code == "turned" for one in seen.warnings)
        told.append(count)
    print(
        f"  told as turned: {told[0]} of {len(views)} as they are, {told[1]} turned by 180 "
        f"degrees, {told[2]} upside down"
    )


def check_simulated(n: int) -> None:
    """Agreement with the true percent density of simulated exams (another renderer, no film)."""
    with tempfile.TemporaryDirectory() as folder:
        made = simulate(n, seed=88_001, images="all", pixel_mm=1.0, prior_share=0.0, out=folder)
        found = [measure_density(made.cohort.open_exam(i)) for i in range(len(made.cohort))]
        truth = made.truth["percent_density"].to_numpy(dtype=float)
    percent = np.array([one.percent_density for one in found], dtype=float)
    known = np.isfinite(percent)
    print(f"{len(percent)} simulated exams, density of {known.sum()}")
    rank = spearmanr(percent[known], truth[known]).statistic
    apart = (percent - truth)[known]
    print(
        f"  rank correlation {rank:.3f}, mean absolute error {np.abs(apart).mean():.1f} points, "
        f"mean difference {apart.mean():+.1f}"
    )


def check_stability(views: list[View]) -> None:
    """Percent density of each view as it is and after a change that shows the same breast."""
    print("  change         moved by (median, 95%, most)   over 3 points   no density")
    plain = {id(view): (view, view.load()) for view in views}
    first = {key: _changed(view, _as_16_bit(raw)) for key, (view, raw) in plain.items()}
    for name, change in _changes().items():
        moved, refused, known = [], 0, 0
        for key, (view, raw) in plain.items():
            if np.isnan(first[key]):
                continue
            known += 1
            percent = _changed(view, change(_as_16_bit(raw)))
            if np.isnan(percent):
                refused += 1
            else:
                moved.append(abs(percent - first[key]))
        if not moved:
            print(f"  {name:14s} {'':24s} {'':18s} {refused:9d} of {known}")
            continue
        far = f"{(np.array(moved) > 3).sum()} of {known}"
        print(
            f"  {name:14s} {np.median(moved):8.1f} {np.percentile(moved, 95):7.1f} "
            f"{max(moved):7.1f} {far:>18s} {refused:9d} of {known}"
        )


def _as_16_bit(raw: RawImage) -> np.ndarray:
    pixels = raw.pixels.astype(np.float64)
    return (pixels - pixels.min()) / max(np.ptp(pixels), 1)


def _changed(view: View, grey: np.ndarray) -> float:
    pixels = np.round(grey * 65535).astype(np.uint16)
    raw = RawImage(pixels=pixels, greyscale=Greyscale(bits_stored=16))
    rows, columns = pixels.shape
    return _percent(segment_view(replace(view, load=lambda: raw, rows=rows, columns=columns)))


def _changes() -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    def padded(top: float, bottom: float, left: float, right: float) -> Callable[..., np.ndarray]:
        def change(grey: np.ndarray) -> np.ndarray:
            rows, columns = grey.shape
            return np.pad(
                grey,
                (
                    (round(top * rows), round(bottom * rows)),
                    (round(left * columns), round(right * columns)),
                ),
            )

        return change

    def power(gamma: float) -> Callable[..., np.ndarray]:
        return lambda grey: grey**gamma

    return {
        **{f"gamma {gamma}": power(gamma) for gamma in (0.7, 0.85, 1.2, 1.4)},
        "8 bits": lambda grey: np.round(grey * 255) / 255,
        "darker": lambda grey: 0.1 + 0.7 * grey,
        "inverted": lambda grey: 1 - grey,
        "padded 1%": padded(0.01, 0.01, 0.01, 0.01),
        "padded 20%": padded(0.2, 0.2, 0.2, 0.2),
        "padded left": padded(0, 0, 0.2, 0),
        "padded right": padded(0, 0, 0, 0.2),
        "padded top": padded(0.2, 0, 0, 0),
    }


if __name__ == "__main__":
    main()
