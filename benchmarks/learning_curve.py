"""Which model for which cohort? Recipes fitted to 50 to 1,000 cancers of other vendors.

    python benchmarks/learning_curve.py WORK                     # 90 minutes on two cores
    python benchmarks/learning_curve.py WORK --cancers 50 200    # less

Two simulated studies of vendors that the bundled model does not know, of two sites that differ in
censoring and missing answers. Recipes are fitted to the first women of one study, and compared on
the other. Every fitted model is recalibrated on the women it was fitted to, as its own recipe does.
The last two columns have its calibration after recalibration (intercept and slope) on women of the
other study, each tenth by the outcomes of the other nine. WORK keeps studies, standardised images,
embeddings and risks; the same call goes on after an interruption.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from local_studies import (
    cores,
    make_study,
    measures,
    print_table,
    recalibrated_measures,
    risk_of,
    shown,
)

import mammorisk as mr
from mammorisk._utils.atomic_write import atomic_write
from mammorisk.clinical import PublishedBaseline
from mammorisk.inputs.exam_set import ExamSet
from mammorisk.metrics.expected_observed import expected_observed_ratio
from mammorisk.records.outcome import Outcome
from mammorisk.risk_models.hybrid.model import HybridModel
from mammorisk.risk_models.recipe import load_recipe
from mammorisk.training.read_exams import read_exams

STUDY = {
    "pixel_mm": 1.25,
    "prior_share": 0.0,
    "sites": 2,
    "site_loss": (0.02, 0.1),
    "site_missing": (0.05, 0.4),
    "subcohort_fraction": 0.025,
}
AGAINST = "density-fit"
#: True risks of the simulation, by name of the column.
TRUTHS = {
    "risk_5y_questionnaire_density": "true risk given density and answers",
    "risk_5y_image_acquisition": "true risk given image and acquisition",
    "risk_5y": "true risk",
}


class Studies:
    """The two studies with their standardised exams and embeddings."""

    def __init__(self, work: Path, women: tuple[int, int], workers: int) -> None:
        self.work, self.workers = work, workers
        self.train, self.held = (
            make_study(work, name, workers, {"n": n, "seed": seed, **STUDY})
            for name, seed, n in (("train", 61, women[0]), ("held-out", 62, women[1]))
        )
        recipe = load_recipe("hybrid")
        self.exams: dict[str, ExamSet] = {}
        self.embeddings: dict[str, mr.Embeddings] = {}
        for name, study in (("train", self.train), ("held-out", self.held)):
            self.exams[name] = read_exams(
                study.cohort, recipe, work / "cache", progress=True, workers=workers
            )
            self.embeddings[name] = mr.embed(
                study.cohort, "hybrid", out=work / f"{name}.parquet", workers=workers
            )

    def first(self, cancers: int) -> np.ndarray:
        """Rows of the first women of the population, with so many cancers."""
        event = (self.train.cohort.exams["event"] == 1).to_numpy()
        order = np.argsort(self.train.truth["woman"].to_numpy(), kind="stable")
        enough = np.flatnonzero(np.cumsum(event[order]) >= cancers)
        if not len(enough):
            raise SystemExit(f"the study has {event.sum()} cancers: simulate more --women")
        return np.sort(order[: enough[0] + 1])


def density_fit(studies: Studies, rows: np.ndarray) -> pd.DataFrame:
    model = mr.fit(studies.train.cohort.select(rows), "density-fit", on_warning=_quiet)
    return mr.predict(studies.held.cohort.questionnaires, model=model)


def on_embeddings(recipe: str) -> Callable[[Studies, np.ndarray], pd.DataFrame]:
    def run(studies: Studies, rows: np.ndarray) -> pd.DataFrame:
        cohort = studies.train.cohort.select(rows)
        model = mr.fit(cohort, recipe, embeddings=studies.embeddings["train"], on_warning=_quiet)
        held = studies.held.cohort
        return mr.predict(held, model=model, embeddings=studies.embeddings["held-out"])

    return run


def network(*, begun: bool, epochs: int, frozen: bool = False) -> Callable[..., pd.DataFrame]:
    def run(studies: Studies, rows: np.ndarray) -> pd.DataFrame:
        model = mr.fit(
            studies.train.cohort.select(rows),
            "hybrid",
            init="hybrid" if begun else None,
            fresh_head=begun,
            exams=studies.exams["train"].take(rows),
            on_warning=_quiet,
            encoder__frozen=frozen,
            training__epochs=epochs,
            training__augment=False,
        )
        assert isinstance(model, HybridModel)
        held = studies.held.cohort.questionnaires
        risk = model.score_exam_set(held, studies.exams["held-out"], (5,)).risk[5]
        return pd.DataFrame({"risk_5y": risk.to_numpy(dtype=float)})

    return run


MODELS: dict[str, Callable[[Studies, np.ndarray], pd.DataFrame]] = {
    AGAINST: density_fit,
    "coxnet on embeddings": on_embeddings("coxnet"),
    "hybrid-embeddings": on_embeddings("hybrid-embeddings"),
    "bundled encoder, new head": network(begun=True, epochs=1, frozen=True),
    "bundled encoder, fine-tuned": network(begun=True, epochs=5),
    "from scratch": network(begun=False, epochs=10),
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("work", type=Path)
    parser.add_argument("--women", type=int, nargs=2, default=(58_000, 40_000))
    parser.add_argument("--cancers", type=int, nargs="+", default=(50, 100, 200, 500, 1000))
    parser.add_argument("--workers", type=int, default=cores())
    given = parser.parse_args()
    begin = time.monotonic()
    studies = Studies(given.work, tuple(given.women), given.workers)
    print(f"ready after {time.monotonic() - begin:.0f} s", flush=True)
    held = studies.held
    answers = held.cohort.questionnaires
    published = PublishedBaseline(density="density-only", questionnaire="icare-lit")
    risks = {
        "anchor (density and questionnaire, published)": published.score(answers, (5,)).risk[:, 0],
        "bundled model as it is": risk_of(mr.predict(held.cohort, model="hybrid")),
    }
    risks |= {name: held.truth[column].to_numpy() for column, name in TRUTHS.items()}
    outcome = Outcome.from_table(held.cohort.exams)
    cancers = int((held.cohort.exams["event"] == 1).sum())
    print(f"\nevaluated on {len(held.cohort):,} exams ({cancers} cancers)")
    columns = ["risk, five years", "AUC", f"difference to {AGAINST}", "E/O", "slope"]
    columns += ["E/O, recalibrated", "slope, recalibrated"]
    print_table(
        columns,
        [
            [name, *measures(outcome, risk, None), *recalibrated_measures(outcome, risk)]
            for name, risk in risks.items()
        ],
    )
    for wanted in given.cancers:
        rows = studies.first(wanted)
        print(f"\nfitted on {wanted} cancers, {len(rows):,} exams")
        fitted = Outcome.from_table(studies.train.cohort.exams).take(rows)
        true = studies.train.truth["risk_5y"].to_numpy()[rows]
        print(f"their E/O by the true risk: {shown(expected_observed_ratio(fitted, true, 5), 2)}")
        found = {name: _risk(studies, rows, name, wanted) for name in MODELS}
        for column in ("risk_5y_image_acquisition", "risk_5y"):
            found[TRUTHS[column]] = held.truth[column].to_numpy()
        # Density is missing for some women, who then have no risk from some recipes.
        rows = np.flatnonzero(np.isfinite(np.stack(list(found.values()))).all(axis=0))
        print(f"{len(rows):,} women have a risk from all recipes")
        some = outcome.take(rows)
        against = found[AGAINST][rows]
        print_table(
            columns,
            [
                [
                    name,
                    *measures(some, risk[rows], None if name == AGAINST else against),
                    *recalibrated_measures(some, risk[rows]),
                ]
                for name, risk in found.items()
            ],
        )
        print(f"\n{time.monotonic() - begin:.0f} s", flush=True)


def _risk(studies: Studies, rows: np.ndarray, name: str, cancers: int) -> np.ndarray:
    """Risks of the held-out women; kept in a file of WORK."""
    file = studies.work / f"{name.replace(' ', '-').replace(',', '')}-{cancers}.npy"
    if not file.is_file():
        risk = risk_of(MODELS[name](studies, rows))

        def write(path: Path) -> None:
            with path.open("wb") as opened:
                np.save(opened, risk)

        atomic_write(file, write)
    return np.asarray(np.load(file))


def _quiet(told: object) -> None:
    """Small cohorts are the subject here."""


if __name__ == "__main__":
    main()
