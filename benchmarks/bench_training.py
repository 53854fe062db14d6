"""Speed and peak memory of training from the cache of images.

python benchmarks/bench_training.py                          # some 10 minutes on two idle cores
python benchmarks/bench_training.py --exams 200 2000 20000   # about an hour more

Entries of the cache are synthetic arrays. Speed: exams a second from the cache alone, with
augmentation, and through training steps of the recipe hybrid-resnet18-03mm with random weights,
with the share of the time in which the training waits for data. Memory: the highest sum over the
fit and its workers while all exams are read and augmented, 24 are trained on, and all are encoded,
by a small MobileNet so that it does not take days.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import torch

import mammorisk as mr
from mammorisk.inputs.acquisition_table import acquisition_table
from mammorisk.inputs.exam_set import ExamSet
from mammorisk.inputs.image_cache import write_entry
from mammorisk.inputs.standard_exam import StandardExam
from mammorisk.inputs.stored_pixels import StoredPixels
from mammorisk.networks.encoders import make_encoder
from mammorisk.records.acquisition import Acquisition
from mammorisk.risk_models.recipe import Recipe, load_recipe
from mammorisk.training.exam_steps import EpochSampler, ExamSteps, make_loader
from mammorisk.training.memory_estimate import step_bytes, weight_bytes

#: Different entries; further ones are hard links to them.
DIFFERENT = 200
RECIPE = "hybrid-resnet18-03mm"


def make_cache(folder: Path, n: int, recipe: Recipe) -> ExamSet:
    """Write n entries straight into a cache, and describe them as an exam set."""
    image = recipe.image
    rng = np.random.default_rng(0)
    down, across = np.mgrid[: image.rows, : image.columns]
    breast = (across / (0.8 * image.columns)) ** 2 + (down / image.rows * 2 - 1) ** 2 < 1
    files = [folder / f"{i % 256:02x}" / f"{i:08d}.safetensors" for i in range(n)]
    for i, file in enumerate(files):
        file.parent.mkdir(parents=True, exist_ok=True)
        if i >= DIFFERENT:
            file.hardlink_to(files[i % DIFFERENT])
            continue
        noise = rng.integers(60, 220, (4, image.rows, image.columns), dtype=np.uint8)
        made = StandardExam(
            pixels=np.where(breast, noise, 0).astype(np.uint8),
            present=np.ones(4, dtype=bool),
            percent_density=rng.uniform(5, 60, 4),
            acquisitions=(Acquisition(manufacturer="alder"),) * 4,
        )
        write_entry(made, file)
    record = Acquisition(manufacturer="alder", thickness_mm=55, kvp=29)
    table = acquisition_table([record])
    return ExamSet(
        pixels=StoredPixels(files=[(file,) for file in files], settings=image),
        present=np.ones((n, 4), dtype=bool),
        years_before=np.zeros((n, 4)),
        percent_density=rng.uniform(5, 60, (n, 4)),
        acquisition=table.loc[table.index.repeat(4 * n)].reset_index(drop=True),
        age_years=np.full(n, np.nan),
        errors=[""] * n,
        acquisitions=[record] * (4 * n),
    )


def make_cohort(n: int, trained: int, held: int) -> mr.Cohort:
    """A table of n women, of whom some are in training and validation."""
    rng = np.random.default_rng(1)
    split = np.array(["test"] * n, dtype=object)
    split[:trained], split[trained : trained + held] = "train", "dev"
    event = (np.arange(n) % 4 == 0).astype(int)
    table = pd.DataFrame(
        {
            "patient_id": [f"w{i}" for i in range(n)],
            "exam_id": [f"e{i}" for i in range(n)],
            "age": rng.integers(45, 70, n),
            "race_ethnicity": "white",
            "time": np.where(event == 1, rng.uniform(0.5, 4.5, n), rng.uniform(4, 6, n)),
            "event": event,
            "weight": np.where(event == 1, 1.0, 50.0),
            "split": split,
        }
    )
    return mr.Cohort(
        exams=table, errors=pd.Series([""] * n), open_exam=_closed, outcome_kind="survival"
    )


def _closed(row: int) -> mr.Exam:
    raise RuntimeError("the benchmark reads the cache alone")


def speed(folder: Path, workers: int, batches: int) -> None:
    recipe = load_recipe(RECIPE, encoder__pretrained=False)
    n = 96
    exams = make_cache(folder / "speed", n, recipe)
    print(f"\n| {workers} workers, 832 x 512, four views an exam | exams a second |")
    print("| --- | --- |")
    for name, augmentation in (
        ("the cache alone", None),
        ("with augmentation", recipe.augmentation),
    ):
        steps = ExamSteps(0, exams.pixels, exams.present, augmentation)
        loader = make_loader(
            steps, EpochSampler(np.arange(n), recipe.training.batch_size, 0), workers
        )
        start = time.perf_counter()
        rate = sum(step.size for step in loader) / (time.perf_counter() - start)
        print(f"| {name}, with the start of the workers | {rate:.1f} |")
    print("\n| training step of ResNet-18, batches of 2 exams | exams a second | waiting |")
    print("| --- | --- | --- |")
    trained = 2 * batches
    for precision, channels_last in (("32-true", False), ("32-true", True), ("bf16-mixed", True)):
        fitted = mr.fit(
            make_cohort(n, trained, 8),
            recipe,
            exams=exams,
            workers=workers,
            out=folder / "model",
            on_warning=lambda told: None,
            training__epochs=1,
            training__head_epochs=0,
            training__batch_size=2,
            training__precision=precision,
            training__channels_last=channels_last,
        )
        log = pd.read_csv(folder / "model.work" / "encoder" / "log.csv").iloc[0]
        rate = f"{log['exams_per_second']:.3f} | {100 * log['waiting_share']:.1f}% |"
        print(f"| {precision}{', channels last' if channels_last else ''} | {rate}", flush=True)
        assert fitted.encoder is not None


def fit_in_memory(folder: Path, n: int, workers: int) -> None:
    """What the child process of the memory benchmark does."""
    image = load_recipe(RECIPE).image
    recipe = load_recipe("hybrid", image=image.model_dump(), encoder__name="mobilenetv3_small_050")
    exams = make_cache(folder / f"cache-{n}", n, recipe)
    steps = ExamSteps(0, exams.pixels, exams.present, recipe.augmentation)
    seen = sum(s.size for s in make_loader(steps, EpochSampler(np.arange(n), 8, 0), workers))
    mr.fit(
        make_cohort(n, 24, 16),
        recipe,
        exams=exams,
        workers=workers,
        out=folder / f"model-{n}",
        on_warning=lambda told: None,
        training__epochs=1,
        training__head_epochs=2,
        training__batch_size=2,
    )
    assert seen == n


def memory(folder: Path, sizes: list[int], workers: int) -> None:
    print("\n| exams in the cache | peak memory, GB | of which not files, GB | s |")
    print("| --- | --- | --- | --- |")
    for n in sizes:
        start = time.perf_counter()
        command = [sys.executable, __file__, "--child", str(n), "--workers", str(workers)]
        child = subprocess.Popen([*command, "--folder", str(folder)])
        peaks = np.zeros(2)
        while child.poll() is None:
            found = [_memory(pid) for pid in _family(child.pid)]
            peaks = np.maximum(peaks, np.sum(found, axis=0))
            time.sleep(2)
        if child.returncode:
            raise SystemExit(child.returncode)
        seconds = time.perf_counter() - start
        print(
            f"| {n:,} | {peaks[0] / 1e9:.2f} | {peaks[1] / 1e9:.2f} | {seconds:.0f} |", flush=True
        )


def _family(pid: int) -> list[int]:
    """A process and its descendants."""
    found, todo = [], [pid]
    while todo:
        one = todo.pop()
        found.append(one)
        for listed in Path(f"/proc/{one}/task").glob("*/children"):
            try:
                todo += [int(text) for text in listed.read_text().split()]
            except OSError:
                continue
    return found


def _memory(pid: int) -> tuple[int, int]:
    """Proportional memory of a process in bytes, and its anonymous and shared part (no files)."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0, 0
    told = {line.split(":")[0]: 1024 * int(line.split()[1]) for line in lines[1:]}
    return told["Pss"], told["Pss_Anon"] + told["Pss_Shmem"]


def estimates() -> None:
    print("\n| estimated memory, GB | batch | step | validation | weights and optimizer |")
    print("| --- | --- | --- | --- | --- |")
    for name in (RECIPE, "hybrid-convnext-02mm"):
        recipe = load_recipe(name)
        image, training = recipe.image, recipe.training
        encoder = make_encoder(recipe.encoder.name, pretrained=False, size=(64, 64))
        if training.gradient_checkpointing:
            encoder.set_grad_checkpointing(True)
        shape = (4 * training.batch_size, 1, image.rows, image.columns)
        parts = [step_bytes(encoder, shape, training.precision, train=on) for on in (True, False)]
        parts.append(weight_bytes(encoder, averaged=training.ema_decay > 0))
        told = " | ".join(f"{part / 1e9:.2f}" for part in parts)
        print(f"| {name} | {training.batch_size} | {told} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--exams", type=int, nargs="+", default=[200, 2000])
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--batches", type=int, default=12)
    parser.add_argument("--part", choices=["speed", "memory", "estimates"])
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    if arguments.child:
        fit_in_memory(arguments.folder, arguments.child, arguments.workers)
        return
    print(
        f"Python {platform.python_version()}, torch {torch.__version__}, "
        f"{torch.get_num_threads()} threads, {os.cpu_count()} cores"
    )
    with TemporaryDirectory(dir=arguments.folder) as name:
        if arguments.part in (None, "estimates"):
            estimates()
        if arguments.part in (None, "speed"):
            speed(Path(name), arguments.workers, arguments.batches)
        if arguments.part in (None, "memory"):
            memory(Path(name), arguments.exams, arguments.workers)


if __name__ == "__main__":
    main()
