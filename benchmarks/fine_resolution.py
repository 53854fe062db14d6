"""Does real resolution pay where the signal is fine? Views of 0.3 mm against views of 1.25 mm.

    python benchmarks/fine_resolution.py WORK                         # about an hour on two cores
    python benchmarks/fine_resolution.py WORK --trained 1.25          # also trained
    python benchmarks/fine_resolution.py WORK --trained 1.25 0.3      # hours more
    python benchmarks/fine_resolution.py WORK --trained 0.3 --encoder resnet18   # with a GPU

Two simulated studies of vendors that the bundled model does not know, rendered at 0.3 mm, with a
signal in structures of 0.3 to 0.5 mm. Networks are fitted to the first and compared on the second.
The recipe is hybrid-resnet18-03mm, by default with the compact encoder in place of ResNet-18,
which needs a tenth of the processor time. Its features are pooled as mean and standard deviation,
over the breast, of the maps of all stages (encoder.pooling: statistics). The same recipe is fitted
to views of 1.25 mm. Others have the mean of the last maps: the same at 0.3 mm, and the recipe
hybrid at 1.25 mm. No weights of an earlier training are used. An encoder with random weights needs
no training: its features describe texture, and the head is fitted to them. WORK keeps studies,
images and models. The same call goes on after an interruption.
"""

from __future__ import annotations

import argparse
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from local_studies import cores, difference_of, fit_once, make_study, measures, print_table

import mammorisk as mr
from mammorisk.inputs.exam_set import ExamSet
from mammorisk.inputs.standard_exam import ImageSettings
from mammorisk.records.outcome import Outcome
from mammorisk.risk_models.recipe import load_recipe
from mammorisk.training.read_exams import read_exams

STUDY = {
    "effects": {"fine_hr": 2.5},
    "pixel_mm": 0.3,
    "prior_share": 0.0,
    "sites": 2,
    "subcohort_fraction": 0.03,
}
COARSE = {"training__augment": False, "training__epochs": 15}
COARSE_VIEWS = {"image": load_recipe("hybrid").image.model_dump()}
MEAN = {"encoder__pooling": "mean"}
#: Only the head is fitted, for longer.
RANDOM = {"encoder__frozen": True, "training__head_epochs": 60}
FINE = {
    "encoder__pretrained": False,
    "training__augment": False,
    "training__accumulate_batches": 1,
    "training__batch_size": 16,
    # All layers learn alike, because none was trained before.
    "training__layer_decay": 1.0,
}
#: Few epochs, at the low learning rate of the recipe.
TRAINED = {"training__epochs": 6, "training__patience": 2}
FINE_RECIPE = "hybrid-resnet18-03mm"
#: Rows of the table.
COARSE_TRAINED = "1.25 mm, mean, trained encoder"
COARSE_STATISTICS = "1.25 mm, statistics, random encoder"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("work", type=Path)
    parser.add_argument("--women", type=int, nargs=2, default=(20_000, 12_000))
    parser.add_argument("--encoder", default="compact", help="of the recipe for 0.3 mm")
    parser.add_argument(
        "--trained", nargs="+", default=(), choices=("1.25", "0.3"), help="also train it, at mm"
    )
    parser.add_argument("--workers", type=int, default=cores())
    given = parser.parse_args()
    begin = time.monotonic()
    studies = {
        name: make_study(given.work, name, given.workers, {"n": n, "seed": seed, **STUDY})
        for (name, seed), n in zip((("train", 41), ("held-out", 42)), given.women, strict=True)
    }
    print(f"rendered after {time.monotonic() - begin:.0f} s", flush=True)
    fine = FINE | {"encoder__name": given.encoder}
    models: dict[str, tuple[str, dict[str, Any]]] = {
        COARSE_TRAINED: ("hybrid", COARSE),
        "1.25 mm, mean, random encoder": ("hybrid", COARSE | RANDOM),
        "0.3 mm, mean, random encoder": (FINE_RECIPE, fine | RANDOM | MEAN),
        COARSE_STATISTICS: (FINE_RECIPE, fine | RANDOM | COARSE_VIEWS),
        "0.3 mm, statistics, random encoder": (FINE_RECIPE, fine | RANDOM),
    }
    views = {"1.25": COARSE_VIEWS, "0.3": {}}
    for mm in given.trained:
        changes = fine | TRAINED | views[mm]
        models[f"{mm} mm, statistics, trained encoder"] = (FINE_RECIPE, changes)
    parts, held = _Studies(studies, given), studies["held-out"]
    outcome = Outcome.from_table(held.cohort.exams)
    found: dict[str, np.ndarray] = {}
    for name, (recipe, changes) in models.items():
        chosen = load_recipe(recipe, **changes)
        words = [name.replace(", ", "-").replace(" ", "-"), chosen.encoder.name]
        out = given.work / "-".join([*words, *map(str, given.women)])
        file = out.parent / f"{out.name}.npy"
        if not file.exists():
            model = fit_once(out, partial(parts.fit, chosen, out))
            exams = parts.exams("held-out", chosen)
            scores = model.score_exam_set(held.cohort.questionnaires, exams, (5,))
            np.save(file, scores.risk[5].to_numpy(dtype=float))
        found[name] = np.load(file)
        print(f"{name}: after {time.monotonic() - begin:.0f} s", flush=True)
    truth = held.truth
    against = [found[COARSE_TRAINED], found[COARSE_STATISTICS]]
    found |= {
        "true risk given a 1.25 mm picture": truth["risk_5y_image_coarse"].to_numpy(),
        "true risk given the picture": truth["risk_5y_image"].to_numpy(),
        "true risk": truth["risk_5y"].to_numpy(),
    }
    counts = [len(one.cohort) for one in studies.values()]
    cancers = [int((one.cohort.exams["event"] == 1).sum()) for one in studies.values()]
    print(f"\nfitted on {counts[0]:,} exams ({cancers[0]} cancers), evaluated on", end=" ")
    print(f"{counts[1]:,} ({cancers[1]}); {time.monotonic() - begin:.0f} s")
    rows = []
    for name, risk in found.items():
        auc, _, *calibration = measures(outcome, risk, None)
        apart = ["" if risk is one else difference_of(outcome, risk, one) for one in against]
        rows.append([name, auc, *apart, *calibration])
    differences = [f"difference to {one}" for one in (COARSE_TRAINED, COARSE_STATISTICS)]
    print_table(["risk, five years", "AUC", *differences, "E/O", "slope"], rows)


class _Studies:
    """The studies, whose exams are read once for each size of the views."""

    def __init__(self, studies: dict[str, Any], given: argparse.Namespace) -> None:
        self.cohorts = {name: study.cohort for name, study in studies.items()}
        self.given = given
        self._read: dict[tuple[str, ImageSettings], ExamSet] = {}

    def exams(self, name: str, recipe: mr.Recipe) -> ExamSet:
        key = (name, recipe.image)
        if key not in self._read:
            cache, workers = self.given.work / "cache", self.given.workers
            self._read[key] = read_exams(
                self.cohorts[name], recipe, cache, progress=True, workers=workers
            )
        return self._read[key]

    def fit(self, recipe: mr.Recipe, out: Path) -> object:
        return mr.fit(
            self.cohorts["train"],
            recipe,
            exams=self.exams("train", recipe),
            out=out,
            progress=True,
            workers=max(self.given.workers - 2, 0),
            on_warning=lambda told: None,
        )


if __name__ == "__main__":
    main()
