"""Agreement of masks and density with labelled films.

    python benchmarks/check_segmentation.py FOLDER

FOLDER holds pairs NAME.png and NAME_label.png of the same size, labels 64 background, 128 fat, 192
fibroglandular tissue, 255 pectoral muscle, with the view in NAME (..._RIGHT_MLO). Prints a line a
film and the medians: IoU of the breast, Dice of the muscle where it is labelled, and the rank
correlation of percent density.
"""

from __future__ import annotations

import sys
from pathlib import Path

import imagecodecs
import numpy as np
from scipy.stats import spearmanr

from mammorisk import read_exam
from mammorisk.imaging.dense_tissue import find_dense_tissue
from mammorisk.imaging.segmented_view import segment_view

BACKGROUND, FAT, DENSE, MUSCLE = 64, 128, 192, 255


def main(folder: Path) -> None:
    rows = []
    print(f"{'film':40s} {'IoU':>6s} {'Dice':>6s} {'dense %':>8s} {'labelled':>9s}")
    for label_file in sorted(folder.glob("*_label.png")):
        film = label_file.with_name(label_file.name.replace("_label", ""))
        label = imagecodecs.imread(label_file)
        (view,) = read_exam(film, allow_missing_views=True)
        seen = segment_view(view)
        breast = label != BACKGROUND
        muscle = label == MUSCLE
        iou = (seen.mask.breast & breast).sum() / (seen.mask.breast | breast).sum()
        found = seen.mask.pectoral
        dice = 2 * (found & muscle).sum() / (found.sum() + muscle.sum()) if muscle.any() else np.nan
        tissue = find_dense_tissue(seen.image, seen.mask)
        measured = tissue.area_percent if tissue is not None else np.nan
        labelled = 100 * (label == DENSE).sum() / np.isin(label, (FAT, DENSE)).sum()
        rows.append((iou, dice, measured, labelled))
        print(f"{film.stem:40s} {iou:6.3f} {dice:6.3f} {measured:8.1f} {labelled:9.1f}")
    table = np.array(rows)
    print(f"median IoU of the breast {np.nanmedian(table[:, 0]):.3f}, ", end="")
    print(f"median Dice of the muscle {np.nanmedian(table[:, 1]):.3f}, {len(table)} films")
    if len(table) > 2:
        rank = spearmanr(table[:, 2], table[:, 3], nan_policy="omit").statistic
        print(f"rank correlation of percent density {rank:.3f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
