"""Throughput of archives: this machine, and Ray with one and two workers.

    python benchmarks/bench_archive.py

Exams are simulated files of 0.1 mm, uncompressed, in the cache of the file system: what is
measured is reading, standardising and the networks, not a disk. Mirai runs on stand-in weights.
Rates are counted from the first part: they leave out what happens once a run (starting workers,
loading models).
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from bench_mirai import stand_in

import mammorisk as mr
from mammorisk.records.cohort import Cohort
from mammorisk.risk_models.mirai.model import read_views

EXAMS, EXAMS_OF_MIRAI = 96, 16
ARCHIVE = 10_000_000
#: Operations of Mirai's encoder an exam (bench_mirai.py prints them for a view).
MIRAI_OPERATIONS = 985e9
#: Operations a second that a GPU keeps up in float32. An assumption: none was at hand.
ASSUMED_GPU_RATE = 30e12


def rate(cohort: Cohort, out: Path, **options: Any) -> tuple[float, float]:
    """Exams a second after the first part, and seconds of the whole call."""
    seen: list[tuple[float, int]] = []
    start = time.perf_counter()
    mr.predict_to_file(
        cohort, out, on_part=lambda done, _: seen.append((time.perf_counter(), done)), **options
    )
    whole = time.perf_counter() - start
    (first, begun), (last, ended) = seen[0], seen[-1]
    return (ended - begun) / (last - first), whole


def main() -> None:
    cores = os.cpu_count() or 1
    print(f"{platform.machine()}, {cores} cores\n")
    with TemporaryDirectory() as name:
        folder = Path(name)
        study = mr.simulate(
            2_000,
            seed=11,
            out=folder / "study",
            images=EXAMS,
            pixel_mm=0.1,
            prior_share=0,
            workers=cores,
        )
        cohort = study.cohort
        files = (folder / "study").rglob("*.dcm")
        exam_bytes = sum(file.stat().st_size for file in files) / len(cohort)
        print(f"{len(cohort)} exams of {exam_bytes / 1e6:.0f} MB.\n")
        print("| model, engine | exams a second | whole call, s | core seconds an exam |")
        print("| --- | --- | --- | --- |")
        used: dict[str, float] = {}
        runs: list[tuple[str, Cohort, int, dict[str, Any]]] = [
            ("hybrid, this machine", cohort, cores, {"exams_per_part": 8}),
            ("hybrid, Ray, 1 worker", cohort, 1, {"engine": "ray", "workers": 1}),
            ("hybrid, Ray, 2 workers", cohort, 2, {"engine": "ray", "workers": 2}),
            (
                "mirai, this machine",
                cohort.select(range(EXAMS_OF_MIRAI)),
                cores,
                {"model": stand_in(), "exams_per_part": 4},
            ),
        ]
        for i, (told, some, busy, options) in enumerate(runs):
            options.setdefault("exams_per_part", 4)
            found, whole = rate(some, folder / f"out-{i}", **options)
            used[told] = busy / found
            print(f"| {told} | {found:.2f} | {whole:.1f} | {busy / found:.2f} |")
        reading = cores * seconds_to_read(cohort.select(range(EXAMS_OF_MIRAI)))
    print(f"\nFor {ARCHIVE:,} exams, {ARCHIVE * exam_bytes / 1e12:,.0f} TB, at these rates:\n")
    print("| model | core hours | hours on 64 cores | storage must give, on 64 cores |")
    print("| --- | --- | --- | --- |")
    for told in ("hybrid, this machine", "mirai, this machine"):
        hours = ARCHIVE * used[told] / 3600
        speed = 64 / used[told] * exam_bytes / 1e6
        model = told.partition(",")[0]
        print(f"| {model} | {hours:,.0f} | {hours / 64:,.0f} | {speed:,.0f} MB/s |")
    gpu = MIRAI_OPERATIONS / ASSUMED_GPU_RATE
    print(f"\nA manifest of a million exams: {manifest_gb():.2f} GB of memory.")
    print(
        f"\nMirai on a GPU of {ASSUMED_GPU_RATE / 1e12:.0f} x 10^12 operations a second (assumed): "
        f"{gpu * 1e3:.0f} ms an exam, {ARCHIVE * gpu / 3600:,.0f} GPU hours. "
        f"Reading takes {reading:.2f} core seconds an exam: {ARCHIVE * reading / 3600:,.0f} core "
        f"hours, {reading / gpu:.0f} cores a GPU, {exam_bytes / gpu / 1e6:,.0f} MB/s a GPU."
    )


def manifest_gb() -> float:
    """Memory that a manifest of a million exams takes, with a questionnaire of eight answers."""
    code = (
        "import sys, pandas, pyarrow.parquet, mammorisk as mr; sys.path.insert(0, sys.argv[2]);"
        "from bench_mirai import peak_gb; before = peak_gb();"
        "mr.read_cohort(sys.argv[1]); print(peak_gb() - before)"
    )
    n, rng = 1_000_000, np.random.default_rng(1)
    with TemporaryDirectory() as folder:
        names = [f"{i:08d}" for i in range(n)]
        women = pd.DataFrame({"patient_id": names, "exam_id": names, "path": names})
        women["age"] = rng.integers(40, 75, n)
        women["race_ethnicity"] = rng.choice(["white", "black", "other"], n)
        women["breast_density"] = rng.choice(list("abcd"), n)
        women["height_cm"] = rng.normal(165, 7, n).round()
        women["weight_kg"] = rng.normal(70, 12, n).clip(40, 150).round()
        for name in ("parity", "biopsies", "first_degree_relatives"):
            women[name] = rng.integers(0, 2, n)
        path = Path(folder) / "manifest.parquet"
        women.to_parquet(path)
        command = [sys.executable, "-c", code, str(path), str(Path(__file__).parent)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout)


def seconds_to_read(cohort: Cohort) -> float:
    """Seconds an exam to read views for Mirai, all cores at it."""
    assert cohort.open_exam is not None
    start = time.perf_counter()
    for row in range(len(cohort)):
        read_views(cohort.open_exam(row))
    return (time.perf_counter() - start) / len(cohort)


if __name__ == "__main__":
    main()
