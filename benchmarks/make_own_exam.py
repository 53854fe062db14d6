"""Make the exam that a service comes with: four simulated views, small, in JPEG 2000 without loss.

Run: python benchmarks/make_own_exam.py mammorisk/service/exam_of_the_service

The files of the package are never made again without need: another exam has another risk, and
every monitor would report it.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import imagecodecs
import numpy as np
import pydicom
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless

import mammorisk as mr

SEED, PIXEL_MM = 16, 1.0


def compressed(source: Path, target: Path) -> None:
    image = pydicom.dcmread(source)
    pixels = np.ascontiguousarray(image.pixel_array)
    code = imagecodecs.jpeg2k_encode(
        pixels, level=0, codecformat="J2K", reversible=True, bitspersample=image.BitsStored
    )
    image.PixelData = encapsulate([code])
    image["PixelData"].is_undefined_length = True
    image.file_meta.TransferSyntaxUID = JPEG2000Lossless
    image.save_as(target, enforce_file_format=True)
    if not np.array_equal(pydicom.dcmread(target).pixel_array, pixels):
        raise SystemExit(f"{target.name}: the pixels are not the same after compression")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as made:
        study = Path(made) / "study"
        mr.simulate(1, seed=SEED, out=study, images="all", pixel_mm=PIXEL_MM)
        for source in sorted(study.rglob("*.dcm")):
            compressed(source, folder / source.name)
            print(source.name, (folder / source.name).stat().st_size, "bytes")


if __name__ == "__main__":
    main()
