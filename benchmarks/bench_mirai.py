"""Speed of Mirai, DICOM to risk, against the machine's own matrix products.

    python benchmarks/bench_mirai.py              # encoder, one exam, memory
    python benchmarks/bench_mirai.py --precision  # bfloat16 against float32 on 20 exams, minutes

Weights are stand-ins drawn from a seed: the published ones are not part of this library, and speed
does not depend on them. How far bfloat16 moves a risk does, so that the figure is of these weights.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from timing import best_of

import mammorisk as mr
from mammorisk.base import PreparedExam
from mammorisk.errors import BackendError
from mammorisk.imaging.mirai_pixels import COLUMNS, ROWS, aligned_counts, mirai_counts
from mammorisk.networks.mirai import MiraiEncoder, MiraiSettings, MiraiTransformer
from mammorisk.records.exam import STANDARD_VIEWS
from mammorisk.risk_models.mirai.model import PUBLISHED_CALIBRATION, MiraiModel, read_views

BACKENDS = ("torch", "torch-bfloat16", "openvino", "openvino-bfloat16", "cuda")


def stand_in() -> MiraiModel:
    """Weights of the size that training begins from, with statistics that keep features apart."""
    torch.manual_seed(1)
    encoder = MiraiEncoder().to(memory_format=torch.channels_last).eval()
    for module in encoder.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    transformer = MiraiTransformer(MiraiSettings()).eval()
    return MiraiModel(encoder=encoder, transformer=transformer, calibration=PUBLISHED_CALIBRATION)


def peak_gb() -> float:
    """Most memory this process has held.

    Not ru_maxrss, which a child takes over from the process that started it.
    """
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    kib = next(line.split()[1] for line in lines if line.startswith("VmHWM"))
    return int(kib) * 1024 / 1e9


def matrix_product(dtype: torch.dtype, n: int = 2048) -> float:
    """Operations a second of a plain product of matrices."""
    a = torch.randn(n, n).to(dtype)
    return 2 * n**3 / best_of(lambda: a @ a, 5)


def encoder(model: MiraiModel) -> None:
    # Here: what it imports would count as memory of a prediction.
    from torch.utils.flop_counter import FlopCounterMode

    pixels = np.random.default_rng(0).normal(size=(1, 1, ROWS, COLUMNS)).astype(np.float32)
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        model.encoder(torch.from_numpy(pixels))
    operations = counter.get_total_flops()
    limits = {name: matrix_product(d) for name, d in (("f", torch.float32), ("b", torch.bfloat16))}
    print(f"\nOne view: {operations / 1e9:.0f} billion operations. Matrix product of the machine:")
    print(f"{limits['f'] / 1e12:.3f} (float32) and {limits['b'] / 1e12:.3f} (bfloat16) x 10^12/s.")
    print("\n| encoder, one view | s | relative to a matrix product |\n| --- | --- | --- |")
    for name in BACKENDS:
        try:
            runner = model.on_backend(name)._runner
        except BackendError as error:
            print(f"| {name} | {error.what} | |")
            continue
        seconds = best_of(lambda run=runner: run(pixels))
        limit = operations / limits["b" if name.endswith("bfloat16") else "f"]
        print(f"| {name} | {seconds:.3f} | {seconds / limit:.2f} |")


def full_exam(folder: Path) -> Path:
    study = mr.simulate(
        40, seed=5, out=folder / "full", images=2, pixel_mm=0.07, vendors=("alder",), prior_share=0
    )
    return Path(folder / "full" / study.cohort.exams["path"].iloc[0])


def mirai_alone(model: MiraiModel, path: Path, woman: mr.Questionnaire) -> None:
    """A risk from files, without what mr.predict adds: density, baselines and image checks."""
    exam = mr.read_exam(path)
    views = dict(zip(STANDARD_VIEWS, read_views(exam), strict=True))
    model.score_exams(woman.to_frame(), [PreparedExam(exam=exam, views=views)])


def one_exam(model: MiraiModel, folder: Path) -> None:
    path, woman = full_exam(folder), mr.Questionnaire(age=55, race_ethnicity="white")
    exam = mr.read_exam(path)
    view = exam["L-MLO"]
    print(f"\n| one exam, uncompressed DICOM of {view.rows} x {view.columns} | s |\n| --- | --- |")
    auto = model.on_backend("auto")
    whole = best_of(lambda: mr.predict(path, woman, model=auto))
    score = best_of(lambda: mirai_alone(auto, path, woman))
    views = read_views(exam)
    counts = mirai_counts(view, view.load())
    print(f"| Mirai's risk, {auto.backend_used} | {score:.2f} |")
    print(
        f"| of which reading four views | {best_of(lambda: read_views(mr.read_exam(path))):.2f} |"
    )
    print(f"| - decoding one view | {best_of(view.load):.3f} |")
    windowing = best_of(lambda: mirai_counts(view, view.load()))
    print(f"| - decoding and windowing one view | {windowing:.3f} |")
    print(f"| - resizing one view | {best_of(lambda: aligned_counts(counts)):.3f} |")
    print(f"| of which the encoder | {best_of(lambda: auto.features(views)):.2f} |")
    print(f"| with density, baselines and warnings (mr.predict) | {whole:.2f} |")
    print("\n| peak memory of a process | GB |\n| --- | --- |")
    for times in (1, 5):
        print(f"| {times} prediction{'s' * (times > 1)} of one exam | {peak_of(path, times):.2f} |")


def peak_of(exam: Path, times: int) -> float:
    """Most memory of a fresh process that predicts one exam some times, by mr.predict."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[2]); import bench_mirai as b, mammorisk as mr;"
        "model, woman = b.stand_in(), mr.Questionnaire(age=55);"
        "[mr.predict(sys.argv[1], woman, model=model) for _ in range(int(sys.argv[3]))];"
        "print(b.peak_gb())"
    )
    here = str(Path(__file__).parent)
    done = subprocess.run(
        [sys.executable, "-c", code, str(exam), here, str(times)],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


def precision(model: MiraiModel, folder: Path) -> None:
    """Largest change of a risk on 20 exams at the network's own size."""
    study = mr.simulate(
        400, seed=7, out=folder / "twenty", images=20, prior_share=0, workers=os.cpu_count() or 1
    )
    cohort = study.cohort
    exact = mr.predict(cohort, model=model.on_backend("torch"))
    risks = [column for column in exact if column.startswith("risk_")]
    print("\n| 20 exams, against torch in float32 | largest change of a risk |\n| --- | --- |")
    for name in ("torch-bfloat16", "openvino", "openvino-bfloat16"):
        try:
            other = mr.predict(cohort, model=model.on_backend(name))
        except BackendError as error:
            print(f"| {name} | {error.what} |")
            continue
        print(f"| {name} | {(other[risks] - exact[risks]).abs().max().max():.6f} |")
    spread = exact["risk_5y"]
    print(f"\nFive-year risks of these exams: {spread.min():.4f} to {spread.max():.4f}.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--precision", action="store_true")
    arguments = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}")
    model = stand_in()
    with TemporaryDirectory() as folder:
        if arguments.precision:
            precision(model, Path(folder))
            return
        encoder(model)
        one_exam(model, Path(folder))


if __name__ == "__main__":
    main()
