"""Speed and memory of simulated studies.

python benchmarks/bench_simulation.py                  # two workers
python benchmarks/bench_simulation.py --large          # a million women, 5,000 exams
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from mammorisk.simulation.simulate import simulate
from mammorisk.simulation.study import Study


def timed(name: str, exams: int, **options: object) -> Study:
    with TemporaryDirectory() as folder:
        out = Path(folder) / "study"
        # Tables first, so that what is timed is rendering and writing.
        start = time.perf_counter()
        study = simulate(out=out, images=exams, **options)  # type: ignore[arg-type]
        seconds = time.perf_counter() - start
        size = sum(file.stat().st_size for file in out.rglob("*") if file.is_file()) / 1e6
    print(f"| {name} | {exams} | {seconds:.1f} | {exams / seconds:.2f} | {size:.0f} |")
    return study


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--large", action="store_true")
    arguments = parser.parse_args()
    print(
        f"Python {platform.python_version()}, {os.cpu_count()} cores, {arguments.workers} workers"
    )
    print("Four-view exams written to disk, the start of workers and the tables included.\n")
    print("| | exams | s | exams a second | MB |\n| --- | --- | --- | --- | --- |")
    common = {"n": 5000, "seed": 1, "workers": arguments.workers, "prior_share": 0}
    timed("1.0 mm", 800, pixel_mm=1.0, **common)
    timed("0.07 mm, uncompressed", 12, pixel_mm=0.07, vendors=("alder",), **common)
    timed(
        "0.07 mm, JPEG 2000",
        12,
        pixel_mm=0.07,
        vendors=("alder",),
        compression="jpeg2000",
        **common,
    )
    if arguments.large:
        timed("a million women, 1.0 mm", 5000, **(common | {"n": 1_000_000}))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
    print(f"\npeak memory: {peak:.2f} GB, largest worker {children:.2f} GB")


if __name__ == "__main__":
    main()
