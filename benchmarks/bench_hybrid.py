"""Speed of the bundled hybrid model, and of training a head.

python benchmarks/bench_hybrid.py [--part exam|cohort|head]

The cohort is predicted three times as users do, and three times with the network on all cores, in
turn, because other programs on the machine disturb the times. The medians are printed.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import time
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from timing import best_of

import mammorisk as mr
from mammorisk.inputs.exam_set import load_exams
from mammorisk.inputs.image_cache import ImageCache
from mammorisk.networks.hybrid import Batch, HeadSettings, HybridHead
from mammorisk.prediction import rows
from mammorisk.risk_models.recipe import TrainingOptions, load_recipe
from mammorisk.training.exam_steps import EpochSampler, ExamSteps
from mammorisk.training.module import FitData, FitModule
from mammorisk.training.outcomes import Outcomes
from mammorisk.training.trainer import StageOptions, run_stage


def one_exam(folder: Path) -> None:
    print("\n| one exam, DICOM to risk, uncompressed 3328 x 2560 | s |\n| --- | --- |")
    study = mr.simulate(
        40, seed=5, out=folder / "full", images=2, pixel_mm=0.07, vendors=("alder",), prior_share=0
    )
    path = folder / "full" / study.cohort.exams["path"].iloc[0]
    woman = mr.Questionnaire(age=55, race_ethnicity="white")
    start = time.perf_counter()
    mr.predict(path, woman, model="hybrid")
    print(f"| first, with imports | {time.perf_counter() - start:.2f} |")
    model = mr.load_model("hybrid")
    print(f"| warm | {best_of(lambda: mr.predict(path, woman, model=model)):.2f} |")
    cache = ImageCache(folder=None, settings=model.recipe.image)
    exam = mr.read_exam(path)
    exams = load_exams([0], lambda _: exam, cache)
    print(f"| of which reading and standardising | {best_of(lambda: cache.get(exam)):.2f} |")
    frame = woman.to_frame()
    print(f"| of which the network | {best_of(lambda: model.score_exam_set(frame, exams)):.2f} |")


def cohort(folder: Path) -> None:
    study = mr.simulate(
        400, seed=6, out=folder / "cohort", images=200, prior_share=0, workers=os.cpu_count() or 1
    )
    made, model = study.cohort, mr.load_model("hybrid")
    assert made.open_exam is not None
    cache = ImageCache(folder=None, settings=model.recipe.image)
    mr.predict(made, model=model)
    start = time.perf_counter()
    exams = load_exams(list(range(len(made))), made.open_exam, cache)
    reading = time.perf_counter() - start
    start = time.perf_counter()
    model.score_exam_set(made.questionnaires, exams)
    network = time.perf_counter() - start
    as_usual, all_cores = [], []
    for _ in range(3):
        as_usual.append(predict_seconds(made, model))
        few, rows.few_threads = rows.few_threads, nullcontext
        all_cores.append(predict_seconds(made, model))
        rows.few_threads = few
    print(f"\n| cohort of {len(made)} exams at 1.0 mm | s | processor time, s |")
    print("| --- | --- | --- |")
    print(f"| reading and standardising alone | {reading:.1f} | |")
    print(f"| the network alone | {network:.1f} | |")
    whole, processor = np.median(as_usual, axis=0)
    print(f"| predict, with both overlapping | {whole:.1f} | {processor:.1f} |")
    elapsed, used = np.median(all_cores, axis=0)
    print(f"| the same with the network on all cores | {elapsed:.1f} | {used:.1f} |")
    print(f"\n{len(made) / whole:.1f} exams a second at a load average of {os.getloadavg()[0]:.1f}")
    print(f"{1000 * processor / len(made):.0f} ms of processor time an exam")


def predict_seconds(cohort: mr.Cohort, model: mr.RiskModel) -> tuple[float, float]:
    """Wall time of a prediction, and the processor time of all its processes."""
    before, start = processor_seconds(), time.perf_counter()
    mr.predict(cohort, model=model)
    return time.perf_counter() - start, processor_seconds() - before


def processor_seconds() -> float:
    """User and system time of this process and of the worker processes that have ended."""
    found = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in found)


def head() -> None:
    n, tokens, width = 5_000, 4, 128
    generator = torch.Generator().manual_seed(0)
    place = torch.arange(tokens)
    event = (torch.rand(n, generator=generator) < 0.2).float()
    time_ = 5 * torch.rand(n, generator=generator) + 0.1
    batch = Batch(
        features=torch.randn(n, tokens, width, generator=generator),
        mask=torch.ones(n, tokens, dtype=torch.bool),
        view=(place // 2).expand(n, tokens),
        side=(place % 2).expand(n, tokens),
        years_before=torch.zeros(n, tokens),
        acquisition=torch.randn(n, tokens, 20, generator=generator),
        given=torch.ones(n, tokens, dtype=torch.bool),
        questionnaire=torch.randn(n, 40, generator=generator),
        answered=torch.ones(n, dtype=torch.bool),
        age=50 + 8 * torch.randn(n, generator=generator),
        offset=torch.full((n, 5), -5.5),
    )
    ones = torch.ones(n)
    outcomes = Outcomes(
        time=time_,
        event=event,
        entry=0 * ones,
        weight=ones,
        log_sampling_ratio=0 * ones,
        relative_weight=ones,
        planned_time=time_,
    )
    options = TrainingOptions()
    sampler = EpochSampler(np.arange(4_500), 256, 0)
    module = FitModule(
        HybridHead(HeadSettings(n_features=width, n_acquisition=20, n_questionnaire=40)),
        None,
        data=FitData(batch=batch, outcomes=outcomes, censoring_weight=ones, sampling=ones),
        recipe=load_recipe("hybrid"),
        learning_rate=2e-3,
        weight_decay=0.02,
        total_steps=len(sampler) * options.head_epochs,
    )
    start = time.perf_counter()
    with TemporaryDirectory() as folder:
        run_stage(
            module,
            sampler,
            EpochSampler(np.arange(4_500, n), 1024, 0),
            (ExamSteps(0), ExamSteps(0)),
            epochs=options.head_epochs,
            options=options,
            folder=Path(folder),
            stage=StageOptions(on_one_processor=True),
        )
    print(
        f"\nhead on {n:,} exams' features, {options.head_epochs} epochs: "
        f"{time.perf_counter() - start:.1f} s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=["exam", "cohort", "head"])
    part = parser.parse_args().part
    print(f"Python {platform.python_version()}, torch {torch.__version__}, {os.cpu_count()} cores")
    with TemporaryDirectory() as folder:
        if part in (None, "exam"):
            one_exam(Path(folder))
        if part in (None, "cohort"):
            cohort(Path(folder))
    if part in (None, "head"):
        head()
    print(f"\npeak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")


if __name__ == "__main__":
    main()
