"""Do prior exams pay where change carries risk? The same recipe with and without them.

    python benchmarks/prior_change.py WORK     # about an hour on two cores

Two simulated studies of vendors that the bundled model does not know, every woman with an exam two
years before if she was at least 40 then. The change of density since then carries risk; the exam
itself does not show it. WORK keeps studies, standardised images and models; the same call goes on
after an interruption.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from local_studies import cores, difference_of, fit_once, make_study, measures, print_table

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


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("work", type=Path)
    parser.add_argument("--women", type=int, nargs=2, default=(45_000, 40_000))
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--workers", type=int, default=cores())
    given = parser.parse_args()
    begin = time.monotonic()
    studies = {
        name: make_study(given.work, name, given.workers, {"n": n, "seed": seed, **STUDY})
        for (name, seed), n in zip((("train", 51), ("held-out", 52)), given.women, strict=True)
    }
    held = studies["held-out"]
    outcome = Outcome.from_table(held.cohort.exams)
    found: dict[str, np.ndarray] = {}
    for name, priors in ((WITHOUT, False), (WITH, True)):
        recipe = load_recipe(
            "hybrid", priors=priors, training__augment=False, training__epochs=given.epochs
        )
        exams = {part: _read(one.cohort, recipe, given) for part, one in studies.items()}
        out = given.work / ("with" if priors else "without")
        fit = partial(
            mr.fit,
            studies["train"].cohort,
            recipe,
            exams=exams["train"],
            out=out,
            progress=True,
            on_warning=lambda told: None,
        )
        model = fit_once(out, fit)
        answers = held.cohort.questionnaires
        found[name] = _risk(model, answers, exams["held-out"])
        if priors:
            found[MISSING] = _risk(model, answers, without_priors(exams["held-out"]))
    truth = held.truth
    found |= {
        "true risk given the exam": truth["risk_5y_image"].to_numpy(),
        "true risk given the exam and its prior": truth["risk_5y_image_priors"].to_numpy(),
    }
    counts = [len(one.cohort) for one in studies.values()]
    cancers = [int((one.cohort.exams["event"] == 1).sum()) for one in studies.values()]
    print(f"\nfitted on {counts[0]:,} exams ({cancers[0]} cancers), evaluated on", end=" ")
    print(f"{counts[1]:,} ({cancers[1]}); {time.monotonic() - begin:.0f} s")
    print_table(
        ["risk, five years", "AUC", "difference to without", "E/O", "slope"],
        [
            [name, *measures(outcome, risk, None if name == WITHOUT else found[WITHOUT])]
            for name, risk in found.items()
        ],
    )
    has = held.cohort.exams["prior_exam_id"].notna().to_numpy()
    rows = np.flatnonzero(has)
    apart = difference_of(outcome.take(rows), found[WITH][rows], found[WITHOUT][rows])
    print(f"\nwomen with a prior exam ({len(rows):,}): difference of AUC {apart}")


def without_priors(exams: ExamSet) -> ExamSet:
    """The same exams, with the views of the prior exams absent."""
    present = exams.present.copy()
    present[:, present.shape[1] // 2 :] = False
    return replace(exams, present=present)


def _risk(model: HybridModel, answers: object, exams: ExamSet) -> np.ndarray:
    risk = model.score_exam_set(answers, exams, (5,)).risk[5]  # type: ignore[arg-type]
    return np.asarray(risk, dtype=float)


def _read(cohort: mr.Cohort, recipe: mr.Recipe, given: argparse.Namespace) -> ExamSet:
    return read_exams(cohort, recipe, given.work / "cache", progress=True, workers=given.workers)


if __name__ == "__main__":
    main()
