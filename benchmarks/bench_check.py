"""Speed and memory of check_cohort.

    python benchmarks/bench_check.py

The first table has exams in memory, with one image of 8 x 8 pixels each, in processes of their own:
it measures the check itself, whose memory must not grow with the number of images. Its columns are
the peak memory of the process after a check with ``headers=False``, and how much the pass over the
images adds to it. The second table reads simulated files of 0.1 mm, uncompressed, in the cache of
the file system.
"""

from __future__ import annotations

import platform
import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

import mammorisk as mr
from mammorisk.records.acquisition import Acquisition
from mammorisk.records.cohort import Cohort
from mammorisk.records.exam import Exam, Laterality, View
from mammorisk.records.stored_image import Greyscale, RawImage

SIZES = (2_000, 20_000, 100_000)
FILES = 24


def in_memory(n: int) -> Cohort:
    """A cohort of n exams that are made when they are opened."""

    def open_exam(row: int) -> Exam:
        rng = np.random.default_rng(row)
        pixels = rng.integers(0, 4096, (8, 8)).astype(np.uint16)
        view = View(
            laterality=Laterality.LEFT,
            position="CC",
            load=lambda: RawImage(pixels=pixels, greyscale=Greyscale(bits_stored=12)),
            source="",
            rows=8,
            columns=8,
            pixel_mm=0.07,
            acquisition=Acquisition(
                manufacturer="ge", kvp=28.0, force_n=float(rng.normal(110, 15))
            ),
        )
        return Exam(views={"L-CC": view})

    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "patient_id": [f"w{i}" for i in range(n)],
            "exam_id": "1",
            "age": 50.0,
            "time": rng.uniform(3, 8, n),
            "event": (rng.random(n) < 0.014).astype(int),
        }
    )
    return Cohort(exams=table, errors=pd.Series([""] * n, dtype=object), open_exam=open_exam)


def one_size(n: int) -> None:
    """Print a line of the first table: peak memory before the pass, and what the pass adds."""
    cohort = in_memory(n)
    mr.check_cohort(cohort, headers=False)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    start = time.perf_counter()
    mr.check_cohort(cohort, pixels=True)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"| {n:,} | {seconds:.1f} | {n / seconds:,.0f} | {before:.0f} | {peak - before:.0f} |")


def main() -> None:
    if len(sys.argv) > 1:
        one_size(int(sys.argv[1]))
        return
    print(f"{platform.machine()}\n")
    print("| exams in memory | s | exams a second | MB without headers | MB more with images |")
    print("| --- | --- | --- | --- | --- |", flush=True)
    # First, because a process begins with the peak of the one that started it.
    for n in SIZES:
        subprocess.run([sys.executable, __file__, str(n)], check=True)
    print("\n| images on disk | exams | s an exam |\n| --- | --- | --- |")
    with TemporaryDirectory() as folder:
        study = Path(folder) / "study"
        mr.simulate(FILES, seed=1, out=study, images="all", pixel_mm=0.1, prior_share=0.0)
        cohort = mr.read_cohort(study)
        for name, pixels in (("headers", False), ("pixels", True)):
            start = time.perf_counter()
            mr.check_cohort(cohort, pixels=pixels)
            print(f"| {name} | {FILES} | {(time.perf_counter() - start) / FILES:.3f} |")


if __name__ == "__main__":
    main()
