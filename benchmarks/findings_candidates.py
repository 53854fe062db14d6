"""Candidates in simulated exams, and the true lesions beside them."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from findings_exams import files_of, load_whole

from mammorisk.findings.anatomy import ViewAnatomy
from mammorisk.findings.candidate import Candidate
from mammorisk.findings.candidate_scores import ScoreWeights, with_score
from mammorisk.findings.detector import LesionDetector
from mammorisk.findings.detector_input import DetectorView
from mammorisk.findings.findings import FoundView
from mammorisk.findings.prepare import PreparedView
from mammorisk.findings.storage import load_detector
from mammorisk.warnings import Warnings

#: Number of exams after which candidates are written.
_SAVE_EVERY = 50


def write_candidates(
    work: Path,
    names: Iterable[str],
    device: str = "cpu",
    workers: int = 1,
    until: float | None = None,
) -> None:
    """Write the candidates of the exams that were kept whole, before fusion."""
    context = get_context("spawn")
    processes = [
        context.Process(target=_write_part, args=(work, list(names), device, i, workers, until))
        for i in range(workers)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    for name in names:
        found = {}
        for part in sorted(work.glob(f"candidates-{name}-*.json")):
            found |= json.loads(part.read_text())
        text = json.dumps(dict(sorted(found.items())))
        candidates_file(work, name).write_bytes(gzip.compress(text.encode(), 6))
        print(f"{time.strftime('%H:%M:%S')} candidates of {len(found)} exams: {name}", flush=True)


def candidates_file(work: Path, name: str) -> Path:
    """File of the candidates of a set of exams."""
    return work / f"candidates-{name}.json.gz"


def _write_part(
    work: Path, names: list[str], device: str, first: int, step: int, until: float | None
) -> None:
    torch.set_num_threads(1)
    detector = load_detector(work / "model")
    for net in (detector.lesions, detector.specks):
        net.to(device, memory_format=torch.channels_last)
    for name in names:
        file = work / f"candidates-{name}-{first}.json"
        found = json.loads(file.read_text()) if file.exists() else {}
        for exam in files_of(work, name)[first::step]:
            if until is not None and time.time() > until:
                break
            if exam.stem in found:
                continue
            views, told = load_whole(exam)
            found[exam.stem] = told | _raw(detector, views)
            if len(found) % _SAVE_EVERY == 0:
                file.write_text(json.dumps(found))
        file.write_text(json.dumps(found))


def _raw(detector: LesionDetector, views: dict[str, DetectorView]) -> dict[str, object]:
    """Candidates of an exam as JSON types. Their scores are computed from the features."""
    return {
        "candidates": {
            view: [
                {
                    "type": one.type,
                    "box_px": _rounded(one.box_px),
                    "features": _rounded(one.features, 4),
                }
                for one in some
            ]
            for view, some in detector.find(views).items()
        }
    }


def _rounded(values: Iterable[float], digits: int = 1) -> list[float]:
    return [round(float(value), digits) for value in values]


@dataclass(frozen=True)
class PastInput:
    """What is known of the input of a view when its pixels are no longer there."""

    calcifications_searched: bool
    warnings: Warnings = ()


@dataclass(frozen=True)
class FoundExam:
    """An exam with its candidates, whose scores are not set, and its lesions."""

    number: str
    vendor: str
    pixel_mm: float
    views: dict[str, PreparedView]
    raw: dict[str, list[Candidate]]
    lesions: pd.DataFrame

    def scored(self, weights: ScoreWeights) -> dict[str, list[Candidate]]:
        """Candidates with the scores by the given weights."""
        return {name: [with_score(one, weights) for one in some] for name, some in self.raw.items()}


def read_candidates(file: Path) -> list[FoundExam]:
    """Read what :func:`write_candidates` wrote."""
    stored = json.loads(gzip.decompress(file.read_bytes()))
    return [_exam(number, told) for number, told in stored.items()]


def _exam(number: str, told: dict[str, Any]) -> FoundExam:
    raw, views = {}, {}
    pixel_mm = told["pixel_mm"]
    for name, facts in told["views"].items():
        raw[name] = [
            Candidate(
                view=name,
                type=one["type"],
                score=0.0,
                box_px=tuple(one["box_px"]),
                features=tuple(one["features"]),
            )
            for one in told["candidates"][name]
        ]
        views[name] = PreparedView(
            seen=FoundView(
                name=name,
                laterality=name[0],
                position=name[2:],
                rows=10**5,
                columns=10**5,
                pixel_mm=pixel_mm,
            ),
            pixels=PastInput(calcifications_searched=facts["speck_frame"] is not None),
            anatomy=_anatomy(facts["anatomy"]),
        )
    return FoundExam(
        number=number,
        vendor=told["vendor"],
        pixel_mm=pixel_mm,
        views=views,
        raw=raw,
        lesions=_lesions(told["lesions"], pixel_mm),
    )


def _anatomy(told: dict[str, Any]) -> ViewAnatomy:
    pairs = {k: tuple(told[k]) if told[k] is not None else None for k in ("nipple_px", "muscle_px")}
    return ViewAnatomy(**(told | pairs))


def _lesions(rows: list[dict[str, Any]], pixel_mm: float) -> pd.DataFrame:
    """Lesions with their places in mm, and the name of the view."""
    table = pd.DataFrame(rows)
    if not len(table):
        return table
    return table.assign(
        view_name=table["laterality"] + "-" + table["view"],
        row_mm=(table["row_min_px"] + table["row_max_px"] - 1) / 2 * pixel_mm,
        col_mm=(table["col_min_px"] + table["col_max_px"] - 1) / 2 * pixel_mm,
        radius_mm=table["size_mm"] / 2,
    )
