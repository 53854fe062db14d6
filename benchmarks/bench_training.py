"""Speed and peak memory of training from the cache of images.

python benchmarks/bench_training.py                                        # some 10 minutes
python benchmarks/bench_training.py --part memory --exams 200 2000 20000   # about half an hour

Entries of the cache are synthetic arrays. Speed: exams a second from the cache alone, with
augmentation, and through training steps of the recipe hybrid-resnet18-03mm with random weights,
with the share of the time in which the training waits for data.

Memory: the highest sum over a fit and its workers. The fit reads the manifest and the answers of
all women, finds the entries of their exams in the cache, trains an encoder and then a head on a
tenth of the women with another tenth for validation, and encodes all exams. Four things are not
those of a real cohort:

- No images are opened, because the exams are in the cache. Every exam has an entry of its own, but
  only 200 entries have pixels of their own: the others are hard links to them, because
  20,000 entries would take 34 GB of disk.
- The encoder is one convolution with 512 features, so that 20,000 exams do not take days. The step
  of another encoder needs more memory, which does not depend on the number of exams.
- Four fifths of the women are in the test split, because a step of training takes most of the time.
- Only 200 exams are augmented, before the fit.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NoReturn

import numpy as np
import pandas as pd
import timm
import torch
from torch import nn

import mammorisk as mr
from mammorisk.inputs.acquisition_table import acquisition_table
from mammorisk.inputs.exam_set import ExamSet
from mammorisk.inputs.image_cache import ImageCache, write_entry
from mammorisk.inputs.standard_exam import VIEWS, ImageSettings, StandardExam
from mammorisk.inputs.stored_pixels import StoredPixels
from mammorisk.networks.encoders import make_encoder
from mammorisk.records.acquisition import Acquisition
from mammorisk.records.exam import Laterality
from mammorisk.risk_models.recipe import load_recipe
from mammorisk.training.exam_steps import EpochSampler, ExamSteps, make_loader
from mammorisk.training.memory_estimate import step_bytes, weight_bytes

#: Different entries; further ones are hard links to them.
DIFFERENT = 200
RECIPE = "hybrid-resnet18-03mm"
ACQUISITION = Acquisition(manufacturer="alder", thickness_mm=55, kvp=29)


def make_entry(image: ImageSettings, rng: np.random.Generator) -> StandardExam:
    """A synthetic entry of the cache."""
    down, across = np.mgrid[: image.rows, : image.columns]
    breast = (across / (0.8 * image.columns)) ** 2 + (down / image.rows * 2 - 1) ** 2 < 1
    noise = rng.integers(60, 220, (4, image.rows, image.columns), dtype=np.uint8)
    return StandardExam(
        pixels=np.where(breast, noise, 0).astype(np.uint8),
        present=np.ones(4, dtype=bool),
        percent_density=rng.uniform(5, 60, 4),
        acquisitions=(ACQUISITION,) * 4,
    )


def write_entries(files: Sequence[Path], image: ImageSettings) -> None:
    """Write entries straight into a cache. Later ones are hard links to the first ones."""
    rng = np.random.default_rng(0)
    for i, file in enumerate(files):
        file.parent.mkdir(parents=True, exist_ok=True)
        if i < DIFFERENT:
            write_entry(make_entry(image, rng), file)
        else:
            file.hardlink_to(files[i % DIFFERENT])


def make_exams(folder: Path, n: int, image: ImageSettings) -> ExamSet:
    """An exam set of n entries, for the speed."""
    files = [folder / f"{i:08d}.safetensors" for i in range(n)]
    write_entries(files, image)
    table = acquisition_table([ACQUISITION])
    return ExamSet(
        pixels=StoredPixels(files=[(file,) for file in files], settings=image),
        present=np.ones((n, 4), dtype=bool),
        years_before=np.zeros((n, 4)),
        percent_density=np.random.default_rng(0).uniform(5, 60, (n, 4)),
        acquisition=table.loc[table.index.repeat(4 * n)].reset_index(drop=True),
        age_years=np.full(n, np.nan),
        errors=[""] * n,
        acquisitions=[ACQUISITION] * (4 * n),
    )


def make_cohort(folder: Path, n: int, trained: int, held: int) -> mr.Cohort:
    """The manifest of n women, read again, of whom some are in training and validation."""
    rng = np.random.default_rng(1)
    split = np.array(["test"] * n, dtype=object)
    split[:trained], split[trained : trained + held] = "train", "dev"
    event = (np.arange(n) % 4 == 0).astype(int)
    table = pd.DataFrame(
        {
            "patient_id": [f"w{i}" for i in range(n)],
            "exam_id": [f"e{i}" for i in range(n)],
            "age": rng.integers(45, 70, n),
            "race_ethnicity": rng.choice(["white", "black", "chinese"], n),
            "breast_density": rng.choice(["a", "b", "c", "d"], n),
            "menopausal_status": rng.choice(["pre", "post"], n),
            "age_menarche": rng.integers(10, 16, n),
            "parity": rng.integers(0, 5, n),
            "height_cm": rng.integers(150, 180, n),
            "weight_kg": rng.integers(50, 90, n),
            "biopsies": rng.integers(0, 2, n),
            "first_degree_relatives": rng.integers(0, 2, n),
            "time": np.where(event == 1, rng.uniform(0.5, 4.5, n), rng.uniform(4, 6, n)),
            "event": event,
            "weight": np.where(event == 1, 1.0, 50.0),
            "split": split,
        }
    )
    folder.mkdir(parents=True, exist_ok=True)
    table.to_csv(folder / f"cohort-{n}.csv", index=False)
    return replace(mr.read_cohort(folder / f"cohort-{n}.csv"), open_exam=open_exam)


def open_exam(row: int) -> mr.Exam:
    """An exam whose images have digests and cannot be loaded."""
    views = [
        mr.View(
            laterality=Laterality(name[0]),
            position=name[2:],
            load=_closed,
            source="benchmark",
            rows=3328,
            columns=2560,
            pixel_mm=0.07,
            acquisition=ACQUISITION,
            digest=partial("{}-{}".format, row, name),
        )
        for name in VIEWS
    ]
    return mr.Exam(views={view.name: view for view in views}, age_years=55.0, patient_sex="F")


def _closed() -> NoReturn:
    raise RuntimeError("the benchmark reads the cache alone")


def speed(folder: Path, workers: int, batches: int) -> None:
    recipe = load_recipe(RECIPE, encoder__pretrained=False)
    n = 96
    exams = make_exams(folder / "speed", n, recipe.image)
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
            make_cohort(folder, n, trained, 8),
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


class Patches(nn.Module):
    """An encoder of one convolution with as many features as a ResNet-18."""

    def __init__(self) -> None:
        super().__init__()
        self.project = nn.Conv2d(1, 512, 32, 32)
        self.num_features = 512

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        means: torch.Tensor = self.project(pixels).relu().mean(dim=(2, 3))
        return means


def fit_in_memory(folder: Path, n: int, workers: int) -> None:
    """What the child process of the memory benchmark does."""
    image = load_recipe(RECIPE).image
    timm.models.register_model(benchmark_patches)
    recipe = load_recipe("hybrid", image=image.model_dump(), encoder__name="benchmark_patches")
    cohort = make_cohort(folder, n, n // 10, n // 10)
    cache = ImageCache(folder=folder / f"cache-{n}", settings=image)
    files = [file for file in map(cache.file_of, map(open_exam, range(n))) if file is not None]
    write_entries(files, image)
    few = StoredPixels(files=[(file,) for file in files[:DIFFERENT]], settings=image)
    steps = ExamSteps(0, few, np.ones((DIFFERENT, 4), dtype=bool), recipe.augmentation)
    loader = make_loader(steps, EpochSampler(np.arange(DIFFERENT), 8, 0), workers)
    assert sum(step.size for step in loader) == DIFFERENT
    # Ends its worker, which the fit does not have.
    del loader
    mr.fit(
        cohort,
        recipe,
        cache=cache.folder,
        workers=workers,
        out=folder / f"model-{n}",
        on_warning=lambda told: None,
        training__epochs=1,
        training__head_epochs=2,
        training__batch_size=8,
        training__augment=False,
    )


def benchmark_patches(pretrained: bool = False, **options: object) -> nn.Module:
    """Of timm's registry."""
    return Patches()


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
            time.sleep(0.5)
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
    print(
        "\n| estimated memory, GB | pooling | batch | step | validation | weights and optimizer |"
    )
    print("| --- | --- | --- | --- | --- | --- |")
    for name, pooling in product((RECIPE, "hybrid-convnext-02mm"), ("mean", "statistics")):
        recipe = load_recipe(name, encoder__pooling=pooling)
        image, training = recipe.image, recipe.training
        encoder = make_encoder(
            recipe.encoder.name,
            pretrained=False,
            size=(64, 64),
            pooling=recipe.encoder.pooling,
        )
        if training.gradient_checkpointing:
            encoder.set_grad_checkpointing(True)
        shape = (4 * training.batch_size, 1, image.rows, image.columns)
        parts = [step_bytes(encoder, shape, training.precision, train=on) for on in (True, False)]
        parts.append(weight_bytes(encoder, averaged=training.ema_decay > 0))
        told = " | ".join(f"{part / 1e9:.2f}" for part in parts)
        print(f"| {name} | {pooling} | {training.batch_size} | {told} |")


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
