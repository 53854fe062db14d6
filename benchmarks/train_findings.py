"""Train the bundled detector ``findings-sim`` on simulated exams.

    python benchmarks/train_findings.py WORK                    # everything, on the processor
    python benchmarks/train_findings.py WORK --lesions          # calcifications as they are
    python benchmarks/train_findings.py WORK --device cuda --workers 15 --seconds 450 --overlap
    python benchmarks/train_findings.py WORK --scores           # no network is trained

WORK holds the rendered exams (many GB), checkpoints, candidates and the model. All steps
continue where they were interrupted: render, train the two networks, find candidates in further
exams, and fit the scores of single views and the fusion of views on them. --lesions trains the
network for masses, asymmetries and distortions, and keeps the bundled one for calcifications with
its scores. --begin starts from the weights of a detector at half the learning rate, and --skip
leaves out the women that its training has seen. --overlap trains while exams are rendered, within
the given seconds, and then searches the exams of benchmarks/findings.py. --scores keeps both
networks of the bundled detector and fits the scores of masses, asymmetries and distortions again,
on further exams of 0.2 mm.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Mapping
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from findings_candidates import candidates_file, write_candidates
from findings_exams import Task, files_of, start_rendering
from findings_scores import fit_detector_scores

from mammorisk.findings.candidate import LESION_TYPES
from mammorisk.findings.candidate_scores import start_weights
from mammorisk.findings.card import DetectorCard
from mammorisk.findings.detector import LesionDetector
from mammorisk.findings.registry import open_detector
from mammorisk.findings.storage import load_detector
from mammorisk.networks.lesion_maps import LesionNet, SpeckNet
from mammorisk.training.findings.loop import LoopOptions, lesion_loss, speck_loss, train_maps
from mammorisk.training.findings.sample import load_samples
from mammorisk.training.findings.views import SampleViews

#: Numbers of exams of each set.
COUNTS = {
    "coarse": 6000,
    "fine": 500,
    "patches": 3000,
    "calibration": 160,
    "scores": 500,
    "normal": 60,
    "test": 480,
    "plain": 200,
    "more": 1100,
}
#: Sets that are kept whole: those on which scores are fitted, and those of benchmarks/findings.py.
FOR_SCORES = ("calibration", "scores")
HELD_OUT = ("normal", "test", "plain", "more")
#: Features of the network of lesions at the finest level.
WIDTH = 20
#: Steps and crops of a step of the two networks.
LESION = LoopOptions(steps=12000, batch_size=16, learning_rate=2e-3, seed=1)
SPECK = LoopOptions(steps=6000, batch_size=8, learning_rate=2e-3, seed=2)
OPTIONS = {"lesions": LESION, "specks": SPECK}
PARTS = tuple(OPTIONS)
#: Sets that processes render for the network of lesions alone.
SHARED = ("coarse", "fine", "coarse", "coarse", "coarse")
#: Exams before a training starts that overlaps with rendering.
LEAST = 48
CARD = DetectorCard(
    name="findings-sim",
    title="Reference detector of lesions, trained on simulated exams",
    types=("mass", "calcification", "asymmetry", "distortion"),
    training_data="simulated exams of mammorisk.simulate alone, of four fictitious systems",
    source="heatmaps as in CenterNet (Zhou 2019, arXiv:1904.07850); the network is our own",
    licence="MIT",
    intended_use="development, teaching and tests of software; a start for training on own data",
    limits="It was trained on simulated lesions only. Its scores are not risks and not "
    "probabilities of cancer, and its sensitivity on real mammograms is low.",
    simulated=True,
)


def log(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def train(
    work: Path,
    part: str,
    device: str,
    options: LoopOptions,
    until: float | None,
    begin: Path | None = None,
) -> None:
    """Train one of the two networks on the exams that are there, and on those to come.

    It begins with the weights of the detector in ``begin``, if that is given.
    """
    torch.manual_seed(options.seed)
    # The crops have one size, for which the fastest kernels are searched once.
    torch.backends.cudnn.benchmark = True
    place = torch.device(device)
    is_lesion = part == "lesions"
    net = LesionNet(width=WIDTH) if is_lesion else SpeckNet()
    told: dict[str, Any] = {}
    if begin is not None:
        first = load_detector(begin)
        net.load_state_dict(getattr(first, part).state_dict())
        told["begun_from"] = first.training[part]
        options = replace(options, learning_rate=0.5 * options.learning_rate)
    net = net.to(place, memory_format=torch.channels_last)
    views, seen = SampleViews(place), set()
    last = 0.0

    def refresh() -> None:
        nonlocal last
        last = time.time()
        sets = ("coarse", "fine") if is_lesion else ("patches", "fine")
        for file in (f for name in sets for f in files_of(work, name)):
            if file not in seen:
                seen.add(file)
                views.add(load_samples(file), lesions=is_lesion, specks=not is_lesion)
                if until is not None and time.time() - last > 8:
                    break

    refresh()
    while until is not None and len(seen) < LEAST and time.time() < until:
        time.sleep(2)
        refresh()
    start = time.time()
    steps = 0

    def draw(size: int, rng: np.random.Generator, on: torch.device) -> object:
        nonlocal steps
        if until is not None:
            if time.time() - last > 15:
                refresh()
            # The steps are spread over the time, so that they see the exams that come later.
            while steps / options.steps > (time.time() - start) / (until - start) + 0.02:
                time.sleep(0.005)
        steps += 1
        source = views.lesions if is_lesion else views.specks
        return source.draw(size, rng, on)

    def tell(step: int, loss: float) -> None:
        if step % 200 == 0:
            rate = step / (time.time() - start)
            log(f"{part} step {step} loss {loss:.4f} {rate:.1f}/s exams {len(seen)}")

    if until is not None:
        options = replace(options, seconds=max(until - time.time(), 1.0), save_every=1000)
    mean = train_maps(
        net,
        draw,
        lesion_loss if is_lesion else speck_loss,
        options,
        checkpoint=work / f"{part}.safetensors",
        on_step=tell,
    )
    from safetensors.torch import save_file

    state = {k: v.contiguous().cpu() for k, v in mean.state_dict().items()}
    save_file(state, work / f"{part}-done.safetensors")
    told |= {
        "steps": steps,
        "crops": steps * options.batch_size,
        "exams": len(seen),
        "seconds": round(time.time() - start),
        "device": device,
    }
    (work / f"{part}-training.json").write_text(json.dumps(told))
    log(f"{part} done after {time.time() - start:.0f} s, {len(seen)} exams")


def assemble(work: Path, parts: tuple[str, ...]) -> LesionDetector:
    """Make a detector of the trained networks, and of the bundled one for calcifications."""
    from safetensors.torch import load_file

    nets = {}
    for part in parts:
        net = LesionNet(width=WIDTH) if part == "lesions" else SpeckNet()
        net.load_state_dict(load_file(work / f"{part}-done.safetensors"))
        nets[part] = net.eval()
    if parts == PARTS:
        return LesionDetector(**nets, card=CARD)
    bundled = open_detector("findings-sim")
    start = start_weights()
    return replace(
        bundled,
        **nets,
        score_weights={**bundled.score_weights, **{kind: start[kind] for kind in LESION_TYPES}},
    )


def finish(work: Path, parts: tuple[str, ...]) -> None:
    """Fit the scores, and save the detector again."""
    detector = load_detector(work / "model")
    names = sets_for_scores(parts)
    exams = fit_detector_scores(detector, [candidates_file(work, name) for name in names])
    training = {p: json.loads((work / f"{p}-training.json").read_text()) for p in parts}
    kept = {key: told for key, told in detector.training.items() if key in PARTS}
    training = {**kept, **training}
    detector.training = training | {"scores": {"exams": exams}}
    seen = {part: _exams_of(told) for part, told in training.items()}
    detector.card = replace(
        detector.card,
        training_data=f"{CARD.training_data}: {seen['lesions']} exams for lesions and "
        f"{seen['specks']} for calcifications",
    )
    detector.save(work / "model")


def _exams_of(told: Mapping[str, Any]) -> int:
    """Number of exams of a training and of those before it."""
    before = told.get("begun_from")
    return int(told["exams"]) + (0 if before is None else _exams_of(before))


def sets_for_scores(parts: tuple[str, ...]) -> tuple[str, ...]:
    """Exams on which the scores are fitted. Those of 0.2 mm do not show calcifications."""
    return FOR_SCORES if parts == PARTS else ("scores",)


def fit_scores_again(work: Path, workers: int) -> None:
    """Fit the scores of the bundled detector at 0.2 mm, with its networks as they are."""
    detector = open_detector("findings-sim")
    name = "scores"
    detector.save(work / "model")
    tasks = [[Task(name, i, workers, -(-(COUNTS[name] - i) // workers))] for i in range(workers)]
    for process in start_rendering(work, tasks):
        process.join()
    write_candidates(work, [name], workers=workers)
    exams = fit_detector_scores(detector, [candidates_file(work, name)])
    detector.training = {**detector.training, "scores_at_0.2_mm": {"exams": exams}}
    detector.save(work / "model")


def plans(
    workers: int,
    parts: tuple[str, ...],
    kept: tuple[str, ...],
    until: float | None,
    evaluate_from: float | None,
    skip: int,
) -> list[list[Task]]:
    """Share the exams among processes: each has sets of the training, then whole exams."""
    names = ("coarse", "fine", "patches") if parts == PARTS else ("coarse", "fine")
    cycle = ("coarse", "fine", "patches", "patches") if parts == PARTS else SHARED
    made = []
    for i in range(workers):
        # Many processes have one set each, as long as there is time; few go through all sets.
        mine = names if workers < 6 else (cycle[i % len(cycle)],)
        tasks = []
        for name in mine:
            sharing = [j for j in range(workers) if workers < 6 or name == cycle[j % len(cycle)]]
            step, first = len(sharing), sharing.index(i)
            count = 10**5 if until is not None else -(-(COUNTS[name] - first) // step)
            tasks.append(Task(name, skip + first, step, count, evaluate_from))
        tasks += [Task(name, i, workers, -(-(COUNTS[name] - i) // workers), until) for name in kept]
        made.append(tasks)
    return made


def overlapped(work: Path, args: argparse.Namespace, parts: tuple[str, ...], start: float) -> float:
    """Train while exams are rendered, and return the time at which the search must end."""
    end = start + args.seconds
    trained = start + args.trained_share * args.seconds
    kept = (*sets_for_scores(parts), *args.search)
    switch = trained - args.evaluate_share * args.seconds
    rendering = start_rendering(work, plans(args.workers, parts, kept, trained, switch, args.skip))
    context = get_context("spawn")
    training = [
        context.Process(
            target=train,
            args=(work, part, args.device, OPTIONS[part], trained, args.begin),
        )
        for part in parts
    ]
    for process in training:
        process.start()
    stop_early = start + 75
    while any(process.is_alive() for process in training):
        time.sleep(1)
        broken = any(process.exitcode for process in training)
        lacking = time.time() > stop_early and not files_of(work, "coarse")
        if broken or lacking:
            for process in (*training, *rendering):
                process.terminate()
            raise SystemExit("a process failed" if broken else "no exams were rendered")
    assemble(work, parts).save(work / "model")
    log(f"saved after {time.time() - start:.0f} s")
    for process in rendering:
        process.join(timeout=max(1.0, trained + 6 - time.time()))
    return end


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--lesions", action="store_true", help="keep the network of calcifications")
    parser.add_argument("--begin", type=Path, help="folder of a detector whose weights come first")
    parser.add_argument("--skip", type=int, default=0, help="women of each set of the training")
    parser.add_argument("--no-search", action="store_true", help="end after the training")
    parser.add_argument("--overlap", action="store_true")
    parser.add_argument("--seconds", type=float, default=450.0)
    parser.add_argument("--trained-share", type=float, default=0.86, help="of the seconds")
    parser.add_argument("--evaluate-share", type=float, default=0.35, help="of the seconds")
    parser.add_argument("--search", nargs="*", default=HELD_OUT, help="sets, with --overlap")
    parser.add_argument("--finish", action="store_true", help="fit the scores, no more")
    parser.add_argument("--scores", action="store_true", help="fit the bundled detector's scores")
    args = parser.parse_args()
    work: Path = args.work
    work.mkdir(parents=True, exist_ok=True)
    parts = ("lesions",) if args.lesions else PARTS
    start = time.time()
    if args.finish:
        finish(work, parts)
        return
    if args.scores:
        fit_scores_again(work, args.workers)
        return
    names = sets_for_scores(parts)
    end = None
    if args.overlap:
        end = overlapped(work, args, parts, start)
        # The exams of benchmarks/findings.py are searched on the same machine.
        names += tuple(args.search)
    else:
        for process in start_rendering(
            work, plans(args.workers, parts, names, None, None, args.skip)
        ):
            process.join()
        log(f"rendered after {time.time() - start:.0f} s")
        for part in parts:
            if not (work / f"{part}-done.safetensors").exists():
                train(work, part, args.device, OPTIONS[part], None, args.begin)
        assemble(work, parts).save(work / "model")
    if args.no_search:
        return
    write_candidates(work, names, args.device, args.workers, end)
    log(f"candidates after {time.time() - start:.0f} s")
    finish(work, parts)
    log(f"done after {time.time() - start:.0f} s")


if __name__ == "__main__":
    main()
