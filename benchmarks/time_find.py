"""Processor time and memory of the search for lesions, alone and with a prediction.

    python benchmarks/time_find.py

One simulated exam of four views with pixels of 0.1 mm. Each way runs in a process of its own, so
that its largest memory is known; it reads the exam once to load libraries and weights, and then
three times. Times are the median in seconds of processor time of all threads.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import mammorisk as mr

WAYS = ("find", "predict", "predict with findings")


def ways(exam: mr.Exam) -> dict[str, Callable[[], object]]:
    """What is measured, by name."""
    woman = mr.Questionnaire(age=54)
    return {
        "find": lambda: mr.find(exam),
        "predict": lambda: mr.predict(exam, woman),
        "predict with findings": lambda: mr.predict(exam, woman, findings=True),
    }


def measure(folder: Path, way: str) -> None:
    """Print time and memory of one way."""
    call = ways(mr.read_exam(folder))[way]
    call()
    times = []
    for _ in range(3):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{way:22s} {median(times):.2f} s of processor time, {memory:.2f} GB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--exam", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.exam is not None:
        measure(options.exam, options.way)
        return
    with tempfile.TemporaryDirectory() as folder:
        study = Path(folder) / "study"
        mr.simulate(1, seed=11, out=study, images="all", pixel_mm=0.1, prior_share=0)
        (exam,) = (one for one in (study / "exams").iterdir() if one.is_dir())
        for way in WAYS:
            command = [sys.executable, __file__, "--exam", str(exam), "--way", way]
            subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
