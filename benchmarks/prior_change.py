"""Do prior exams pay where change carries risk? The same recipe with and without them.

    python benchmarks/prior_change.py WORK     # about an hour on two cores

Two simulated studies of vendors that the bundled model does not know, every woman with an exam two
years before if she was at least 40 then. The change of density since then carries risk; the exam
itself does not show it. Encoders are trained on the first study, or taken from the bundled model.
WORK keeps studies, standardised images and models; the same call goes on after an interruption.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from local_studies import (
    cores,
    difference_of,
    fit_once,
    make_study,
    measures,
    print_table,
    recalibrated_measures,
)

import mammorisk as mr
from mammorisk.inputs.exam_set import ExamSet
from mammorisk.records.outcome import Outcome
from mammorisk.risk_models.hybrid.model import HybridModel
from mammorisk.risk_models.recipe import load_recipe
from mammorisk.training.read_exams import read_exams

STUDY = {
    "effects": {"change_hr": 2.0},
    "pixel_mm": 1.0,
    "prior_share": 1.0,
    "sites": 2,
    "subcohort_fraction": 0.03,
}
WITHOUT, WITH, MISSING = "without priors", "with priors", "with priors, which are missing"
#: Where a fit begins, and the options of the fit.
STARTS: dict[str, dict[str, Any]] = {
    "from scratch": {},
    "bundled encoder, new head": {
        "init": "hybrid",
        "fresh_head": True,
        "encoder__frozen": True,
        "training__head_epochs": 40,
    },
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("work", type=Path)
    parser.add_argument("--women", type=int, nargs=2, default=(45_000, 40_000))
    parser.add_argument("--epochs", type=int, default=12, help="of an encoder from scratch")
    parser.add_argument("--workers", type=int, default=cores())
    given = parser.parse_args()
    begin = time.monotonic()
    studies = {
        name: make_study(given.work, name, given.workers, {"n": n, "seed": seed, **STUDY})
        for (name, seed), n in zip((("train", 51), ("held-out", 52)), given.women, strict=True)
    }
    held = studies["held-out"]
    outcome = Outcome.from_table(held.cohort.exams)
    answers = held.cohort.questionnaires
    found: dict[tuple[str, str], np.ndarray] = {}
    for priors in (False, True):
        recipe = load_recipe("hybrid", priors=priors)
        exams = {
            part: read_exams(
                one.cohort, recipe, given.work / "cache", progress=True, workers=given.workers
            )
            for part, one in studies.items()
        }
        for start, options in STARTS.items():
            out = given.work / f"{start} {WITH if priors else WITHOUT}".replace(",", "")
            fit = partial(
                mr.fit,
                studies["train"].cohort,
                priors=priors,
                training__augment=False,
                training__epochs=given.epochs,
                exams=exams["train"],
                out=out,
                progress=True,
                on_warning=lambda told: None,
                **options,
            )
            model = fit_once(out, fit)
            found[start, WITH if priors else WITHOUT] = _risk(model, answers, exams["held-out"])
            if priors:
                alone = without_priors(exams["held-out"])
                found[start, MISSING] = _risk(model, answers, alone)
    counts = [len(one.cohort) for one in studies.values()]
    cancers = [int((one.cohort.exams["event"] == 1).sum()) for one in studies.values()]
    print(f"\nfitted on {counts[0]:,} exams ({cancers[0]} cancers), evaluated on", end=" ")
    print(f"{counts[1]:,} ({cancers[1]}); {time.monotonic() - begin:.0f} s")
    truth = held.truth
    rows: list[list[object]] = [
        [f"{start}, {name}", *_measures(outcome, found[start, name], found[start, WITHOUT])]
        for start in STARTS
        for name in (WITHOUT, WITH, MISSING)
    ]
    of_exam, with_prior = (
        truth[column].to_numpy() for column in ("risk_5y_image", "risk_5y_image_priors")
    )
    rows += [
        ["true risk given the exam", *_measures(outcome, of_exam, of_exam)],
        ["true risk given the exam and its prior", *_measures(outcome, with_prior, of_exam)],
    ]
    columns = ["risk, five years", "AUC", "difference to without", "E/O", "slope"]
    columns += ["E/O, recalibrated", "slope, recalibrated"]
    print_table(columns, rows)
    some = np.flatnonzero(held.cohort.exams["prior_exam_id"].notna().to_numpy())
    print(f"\nwomen with a prior exam ({len(some):,}), difference of AUC:")
    for start in STARTS:
        pair = (found[start, name][some] for name in (WITH, WITHOUT))
        print(f"{start}: {difference_of(outcome.take(some), *pair)}")


def _measures(outcome: Outcome, risk: np.ndarray, without: np.ndarray) -> list[str]:
    against = None if risk is without else without
    return [*measures(outcome, risk, against), *recalibrated_measures(outcome, risk)]


def without_priors(exams: ExamSet) -> ExamSet:
    """The same exams, with the views of the prior exams absent."""
    present = exams.present.copy()
    present[:, present.shape[1] // 2 :] = False
    return replace(exams, present=present)


def _risk(model: HybridModel, answers: object, exams: ExamSet) -> np.ndarray:
    risk = model.score_exam_set(answers, exams, (5,)).risk[5]  # type: ignore[arg-type]
    return np.asarray(risk, dtype=float)


if __name__ == "__main__":
    main()
