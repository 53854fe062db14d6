"""Time from files to standardised arrays, full-resolution exams written here.

    python benchmarks/bench_read.py [--rows 3328] [--columns 2560] [--repeats 5]

Prints a table: seconds (shortest of the repeats), and the peak memory of this
process (decoders, one a core, come on top for compressed files).
"""

from __future__ import annotations

import argparse
import platform
import resource
import sys
import tempfile
from pathlib import Path

from timing import best_of

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mammorisk import read_exam
from mammorisk.imaging.density import measure_density
from mammorisk.imaging.segmented_view import segment_exam
from mammorisk.imaging.standardize import standardize_exam
from tests.factories import EXPLICIT, HTJ2K, JPEG_2000, JPEG_LOSSLESS_SV1, breast_pixels, write_view

SYNTAXES = {
    "uncompressed": EXPLICIT,
    "JPEG lossless": JPEG_LOSSLESS_SV1,
    "JPEG 2000 lossless": JPEG_2000,
    "HTJ2K lossless": HTJ2K,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=3328)
    parser.add_argument("--columns", type=int, default=2560)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    print(
        f"{platform.machine()}, {len(_cores())} cores, {options.rows} x {options.columns}, 4 views"
    )
    print(f"{'transfer syntax':22s} {'standardised':>14s} {'with density':>14s}   seconds an exam")
    with tempfile.TemporaryDirectory() as folder:
        for name, syntax in SYNTAXES.items():
            exam_folder = Path(folder) / name.replace(" ", "-")
            for i, side in enumerate("RL"):
                for j, view in enumerate(("CC", "MLO")):
                    pixels = breast_pixels(
                        side, view, rows=options.rows, columns=options.columns, seed=2 * i + j
                    )
                    write_view(
                        exam_folder / f"{side}{view}.dcm",
                        side,
                        view,
                        pixels=pixels,
                        syntax=syntax,
                        ImagerPixelSpacing=["0.07", "0.07"],
                    )
            standardised = best_of(
                lambda f=exam_folder: standardize_exam(read_exam(f), spacing_mm=0.3),
                options.repeats,
            )
            density = best_of(
                lambda f=exam_folder: measure_density(e := read_exam(f), segment_exam(e)),
                options.repeats,
            )
            print(f"{name:22s} {standardised:14.2f} {density:14.2f}")
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"peak memory of this process: {own:.2f} GiB")


def _cores() -> set[int]:
    import os

    return os.sched_getaffinity(0)


if __name__ == "__main__":
    main()
