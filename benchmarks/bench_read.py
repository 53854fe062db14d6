"""Time from files to standardised arrays, full-resolution exams written here.

    python benchmarks/bench_read.py [--rows 3328] [--columns 2560] [--repeats 5]

Prints a table: seconds (shortest of the repeats), and the peak memory of this
process (decoders, one a core, come on top for compressed files). The column plain
is the least that one writes with pydicom and OpenCV alone, on as many threads: read,
VOI, Otsu's threshold, largest component, crop, mirror, resample, percentiles. It
finds no muscle and checks nothing. Compressed pixels are decoded by imagecodecs, as
ours are, but in its threads, where a fault of a codec ends the process. The ratio is
its time over ours, above 1 where ours is faster.
"""

from __future__ import annotations

import argparse
import platform
import resource
import sys
import tempfile
from pathlib import Path

import cv2
import imagecodecs
import numpy as np
import pydicom
from pydicom.encaps import generate_frames
from pydicom.pixels import apply_modality_lut, apply_voi_lut
from timing import best_of

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mammorisk import read_exam
from mammorisk._utils.parallel import map_parallel
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
    print(
        f"{'transfer syntax':22s} {'standardised':>14s} {'with density':>14s} {'plain':>8s} "
        f"{'ratio':>6s}   seconds an exam"
    )
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
            files = sorted(exam_folder.glob("*.dcm"))
            plain = best_of(lambda f=files: map_parallel(plain_view, f), options.repeats)
            print(
                f"{name:22s} {standardised:14.2f} {density:14.2f} {plain:8.2f} "
                f"{plain / standardised:6.2f}",
                flush=True,
            )
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"peak memory of this process: {own:.2f} GiB")


def plain_view(file: Path, spacing_mm: float = 0.3) -> np.ndarray:
    """A standardised view by pydicom and OpenCV alone."""
    header = pydicom.dcmread(file)
    grey = apply_voi_lut(apply_modality_lut(plain_pixels(header), header), header)
    image = cv2.normalize(grey.astype(np.float32), None, 0.0, 1.0, cv2.NORM_MINMAX)
    coarse = cv2.GaussianBlur((image * 255).astype(np.uint8), (5, 5), 0)
    _, bright = cv2.threshold(coarse, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(bright)
    largest = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    x, y, width, height, _ = stats[largest]
    part = slice(y, y + height), slice(x, x + width)
    image, breast = image[part], (labels[part] == largest).astype(np.float32)
    if header.ImageLaterality == "R":
        image, breast = cv2.flip(image, 1), cv2.flip(breast, 1)
    factor = float(header.ImagerPixelSpacing[0]) / spacing_mm
    size = (round(width * factor), round(height * factor))
    image, breast = (cv2.resize(a, size, interpolation=cv2.INTER_AREA) for a in (image, breast))
    low, high = np.percentile(image[breast > 0.5], [5, 95])
    return np.where(breast > 0.5, (image - low) / (high - low), 0.0).astype(np.float32)


def plain_pixels(header: pydicom.Dataset) -> np.ndarray:
    syntax = header.file_meta.TransferSyntaxUID
    if not syntax.is_compressed:
        return header.pixel_array
    frame = next(generate_frames(header.PixelData, number_of_frames=1))
    decode = imagecodecs.jpeg8_decode if syntax == JPEG_LOSSLESS_SV1 else imagecodecs.jpeg2k_decode
    return decode(frame)


def _cores() -> set[int]:
    import os

    return os.sched_getaffinity(0)


if __name__ == "__main__":
    main()
