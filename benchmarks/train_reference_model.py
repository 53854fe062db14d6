"""Train the bundled reference model on a simulated study, and compare it with the truth.

    python benchmarks/train_reference_model.py train WORK            # simulate, fit, save
    python benchmarks/train_reference_model.py train WORK --heads    # keep the bundled encoder
    python benchmarks/train_reference_model.py train WORK --answers  # keep all that reads images
    python benchmarks/train_reference_model.py evaluate WORK         # a new study; writes RESULTS

WORK holds the simulated studies, standardised images and checkpoints (some 5 GB). All steps
continue where they were interrupted. Sizes and seeds are below.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import fields, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from attainable_risk import UnknownAnswers
from reference_tables import (
    Women,
    batch_of,
    interval_table,
    interval_without_images,
    reference_interval,
    view_table,
)

import mammorisk as mr
from mammorisk._utils.progress import show_progress
from mammorisk.clinical import load_clinical
from mammorisk.inputs.batches import gather_inputs
from mammorisk.inputs.exam_set import ExamSet
from mammorisk.metrics.calibration import calibration_slope
from mammorisk.metrics.cancer_share import false_negative_rate_at_share
from mammorisk.metrics.estimate import Estimate, difference, standard_error
from mammorisk.metrics.expected_observed import expected_observed_ratio
from mammorisk.metrics.time_dependent_auc import cumulative_dynamic_auc
from mammorisk.networks.hybrid import Batch
from mammorisk.records.exam import STANDARD_VIEWS
from mammorisk.records.outcome import Outcome
from mammorisk.risk_models.hybrid.guard_features import guard_features
from mammorisk.risk_models.hybrid.model import HybridModel
from mammorisk.risk_models.recipe import load_recipe
from mammorisk.simulation.simulate import simulate
from mammorisk.training.answers_alone import fit_answers_alone
from mammorisk.training.fit import fit
from mammorisk.training.outcomes import read_outcomes
from mammorisk.training.problem import pose
from mammorisk.training.read_exams import read_exams

TRAIN = {"n": 250_000, "seed": 101, "design": "case-cohort", "subcohort_fraction": 0.02}
HELD_OUT = {"n": 66_000, "seed": 20_270, "design": "case-cohort", "subcohort_fraction": 0.034}
#: Women without images, for the risk that can be attained if an answer is unknown.
ANSWERS = {"n": 150_000, "seed": 303}
#: Women without images, on whom the weights of the answers alone are fitted. They cost nothing.
ANSWERS_ALONE = {"n": 600_000, "seed": 404}
_WOMEN_AT_ONCE = 50_000
#: Encoder and head together; then new heads on the features of the finished encoder.
ENCODER = {
    "training__epochs": 3,
    "training__augment": False,
    "training__head_epochs": 0,
    "training__validation_share": 0.1,
}
HEAD = {
    "head__members": 5,
    "training__head_epochs": 40,
    "training__head_learning_rate": 5e-4,
    "training__validation_share": 0.2,
}
#: Ages to which the published parts apply. The learned parts use the nearest age of the training.
AGES = (35.0, 89.0)
WEIGHTS = Path(mr.__file__).parent / "risk_models" / "weights" / "hybrid"
RESULTS = Path(__file__).parents[1] / "docs" / "reference" / "results.md"
PARTS = ("image", "acquisition", "questionnaire")


def study(work: Path, name: str, options: dict[str, object]) -> object:
    with show_progress(sys.stderr) as tell:
        return simulate(
            **options,  # type: ignore[arg-type]
            out=work / name,
            images="all",
            prior_share=0.0,
            workers=os.cpu_count() or 1,
            on_progress=tell,
        )


def train(work: Path, *, heads_only: bool) -> None:
    start = time.time()
    made = study(work, "train", TRAIN)
    cohort = made.cohort
    exams = read_exams(cohort, load_recipe("hybrid"), work / "cache", progress=True)
    if heads_only:
        first = mr.load_model("hybrid")
    else:
        first = fit(cohort, "hybrid", out=work / "encoder", exams=exams, progress=True, **ENCODER)
    assert isinstance(first, HybridModel)
    model = fit(
        cohort,
        init=first,
        fresh_head=True,
        exams=exams,
        out=work / "heads",
        progress=True,
        encoder__frozen=True,
        **HEAD,
    )
    assert isinstance(model, HybridModel)
    model = with_answers_alone(model)
    validation = pose(cohort, model.recipe, exams).validation
    features = model.features(exams)
    everyone = Women.of(model, cohort.exams, cohort.questionnaires, exams, made.truth, features)
    unknown = UnknownAnswers.simulated(ANSWERS)
    model.interval = reference_interval(model, everyone.take(validation), unknown)
    encoder = first.training.get("encoder_of", first.training) if heads_only else None
    finish(model, start, encoder)


def train_answers() -> None:
    """Fit the weights of the answers alone again; what reads images stays as it is."""
    start = time.time()
    first = mr.load_model("hybrid")
    assert isinstance(first, HybridModel)
    assert first.interval is not None
    model = with_answers_alone(first)
    model.interval = interval_without_images(
        model, first.interval, UnknownAnswers.simulated(ANSWERS)
    )
    finish(model, start, first.training.get("encoder_of"))


def with_answers_alone(model: HybridModel) -> HybridModel:
    """Fit the weights of the answers of women without images on many of them."""
    cohort = mr.simulate(**ANSWERS_ALONE).cohort
    women, outcomes = cohort.questionnaires, read_outcomes(cohort.exams)
    batches, density = [], []
    # In parts, because the reasons and texts of many women fill the memory.
    for first in range(0, len(women), _WOMEN_AT_ONCE):
        some = women.iloc[first : first + _WOMEN_AT_ONCE]
        inputs = gather_inputs(some, None, model.baseline, model.card.ages)
        assert inputs.baseline is not None
        batches.append(batch_of(model, inputs, None))
        density.append(inputs.baseline.density)
    joined = {f.name: torch.cat([getattr(one, f.name) for one in batches]) for f in fields(Batch)}
    head = fit_answers_alone(
        model.head,
        Batch(**joined),
        np.concatenate(density),
        outcomes,
        loss=model.recipe.training.loss,
    )
    cancers = int((outcomes.event == 1).sum())
    told = {"women": len(cohort), "cancers": cancers, "simulation": ANSWERS_ALONE}
    return replace(model, head=head, training={**model.training, "answers_alone": told})


def finish(model: HybridModel, start: float, encoder: dict[str, Any] | None) -> None:
    """Complete the card and the record, and save the model in the package."""
    card = replace(
        model.card,
        ages=AGES,
        title="Reference hybrid model, trained on simulated exams",
        training_data=(
            f"SIMULATED: case-cohort sample ({model.training['train']['exams']:,} exams, "
            f"{model.training['train']['cancers']:,} cancers) of {TRAIN['n']:,} simulated women, "
            f"seed {TRAIN['seed']}; {_encoder_text(encoder)}no real image or outcome"
        ),
        outcome="invasive breast cancer (simulated)",
        source="mammorisk, benchmarks/train_reference_model.py",
        licence="MIT",
        simulated=True,
        intended_use="Trying the library, and a start for fine-tuning. Not for care.",
        limits=(
            "Trained on simulated images: real exams are outside its domain, lose their image "
            "contribution and get the published baseline."
        ),
    )
    record = {**model.training, "begun_from": None, "simulation": TRAIN}
    record |= {"encoder_stage": ENCODER, "head_stage": HEAD}
    if encoder is not None:
        # The encoder was trained by an earlier run of this script, whose record this is.
        record["encoder_of"] = encoder
    # Of this run alone, where it went on with an interrupted one.
    record["seconds_of_last_run"] = round(time.time() - start)
    # Those who begin from it train all of it unless they say otherwise.
    model = replace(model, card=card, training=record, recipe=load_recipe("hybrid"))
    model.save(WEIGHTS)
    size = sum(file.stat().st_size for file in WEIGHTS.iterdir()) / 1e6
    print(f"saved, {size:.2f} MB; {record['seconds_of_last_run']} s in this run")


def _encoder_text(encoder: dict[str, Any] | None) -> str:
    """Which exams the encoder was trained on, if they are others than those of the heads."""
    if encoder is None:
        return ""
    return f"encoder trained on {encoder['train']['exams']:,} exams of the same simulation; "


def interval(estimate: Estimate) -> str:
    return f"{estimate.value:.3f} ({estimate.lower:.3f} to {estimate.upper:.3f})"


def evaluate(work: Path) -> None:
    made = study(work, "held-out", HELD_OUT)
    cohort, truth = made.cohort, made.truth
    assert list(cohort.exams["exam_id"]) == list(truth["exam_id"])
    model = mr.load_model("hybrid")
    assert isinstance(model, HybridModel)
    exams = read_exams(cohort, model.recipe, work / "cache", progress=True)
    women = cohort.questionnaires
    # The image replaces the reader's category; "density-only" is what a reader's category gives.
    risks = {
        "density-only (published)": load_clinical("density-only").score(women, (5,)).risk[5],
        "questionnaire (iCARE-Lit)": load_clinical("icare-lit")
        .score(women.drop(columns="breast_density"), (5,))
        .risk[5],
        "bcsc-2008": load_clinical("bcsc-2008").score(women, (5,)).risk[5],
    }
    scored = {
        "questionnaire only": ("questionnaire",),
        "image only": ("image",),
        "image + acquisition": ("image", "acquisition"),
        "image + questionnaire": ("image", "questionnaire"),
        "hybrid, everything": PARTS,
    }
    results = {}
    for name, modalities in scored.items():
        some = women if "questionnaire" in modalities else women[["patient_id", "exam_id", "age"]]
        if modalities == ("questionnaire",):
            some, seen = women.drop(columns="breast_density"), None
        else:
            seen = exams
        results[name] = model.score_exam_set(some, seen, modalities=modalities)
        risks[name] = results[name].risk[5]
    oracles = {
        "density-only (published)": "risk_5y_density",
        "questionnaire only": "risk_5y_questionnaire",
        "image only": "risk_5y_image",
        "image + acquisition": "risk_5y_image_acquisition",
        "hybrid, everything": "risk_5y",
    }
    table = cohort.exams
    outcome = Outcome.from_table(table)
    lines = ["# Results of the reference model", ""]
    lines += _opening(model, table, truth, results["hybrid, everything"])
    lines += _discrimination(outcome, risks, oracles, truth)
    lines += _differences(outcome, risks)
    lines += _calibration(outcome, risks["hybrid, everything"], truth["risk_5y"], table)
    lines += _missed(outcome, risks)
    everyone = Women.of(model, table, women, exams, truth, model.features(exams))
    lines += view_table(model, everyone)
    lines += interval_table(model, everyone, UnknownAnswers.simulated(ANSWERS))
    lines += _guard(model, exams)
    RESULTS.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


def _opening(
    model: HybridModel, table: pd.DataFrame, truth: pd.DataFrame, scores: object
) -> list[str]:
    told, cancers = model.training, int((table["event"] == 1).sum())
    standing = table["weight"].sum()
    return [
        "Everything on this page is **simulated** and printed by",
        "`benchmarks/train_reference_model.py evaluate`. It shows how well the network learns what",
        "the simulation put into the images. It says nothing about real women.",
        "",
        f"Trained on {told['train']['exams']:,} exams, {told['train']['cancers']:,} with cancer,",
        f"sampled from {TRAIN['n']:,} women (seed {TRAIN['seed']}).",
        f"{_encoder_text(told.get('encoder_of')).capitalize().replace('; ', '.')}",
        *_answers_text(told.get("answers_alone")),
        f"Held out: {len(table):,}",
        f"rendered exams, {cancers:,} with cancer, that represent {standing:,.0f} women (seed",
        f"{HELD_OUT['seed']}). Confidence intervals are 95%, by influence functions, with",
        "sampling weights.",
        "",
    ]


def _answers_text(told: dict[str, Any] | None) -> list[str]:
    """On whom the weights of the answers alone were fitted, if separately."""
    if told is None:
        return []
    return [
        f"Answers of women without images: fitted on {told['women']:,} women without images,",
        f"{told['cancers']:,} with cancer (seed {told['simulation']['seed']}).",
    ]


def _auc(outcome: Outcome, risk: pd.Series) -> Estimate:
    return cumulative_dynamic_auc(outcome, risk.to_numpy(dtype=float), 5)


def _discrimination(
    outcome: Outcome, risks: dict[str, pd.Series], oracles: dict[str, str], truth: pd.DataFrame
) -> list[str]:
    lines = [
        "## AUC at five years",
        "",
        "| score | AUC | oracle of the same inputs |",
        "| --- | --- | --- |",
    ]
    for name, risk in risks.items():
        oracle = interval(_auc(outcome, truth[oracles[name]])) if name in oracles else ""
        lines.append(f"| {name} | {interval(_auc(outcome, risk))} | {oracle} |")
    density = _auc(outcome, risks["density-only (published)"])
    rows = (
        ("image only", "risk_5y_image", "the image oracle"),
        ("image + acquisition", "risk_5y_image_acquisition", "the image and acquisition oracle"),
        ("hybrid, everything", "risk_5y", "the full oracle"),
    )
    lines += ["", "Share reached of the difference in AUC between density-only and the oracle:", ""]
    for name, column, what in rows:
        share = _share(outcome, _auc(outcome, risks[name]), _auc(outcome, truth[column]), density)
        lines.append(f"- {name}, to {what}: {share}")
    return [*lines, ""]


def _share(outcome: Outcome, own: Estimate, oracle: Estimate, density: Estimate) -> str:
    """(own - density) / (oracle - density), its error by the delta method."""
    assert own.influence is not None
    assert oracle.influence is not None
    assert density.influence is not None
    whole = oracle.value - density.value
    share = (own.value - density.value) / whole
    pull = (
        own.influence - density.influence - share * (oracle.influence - density.influence)
    ) / whole
    half = 1.96 * standard_error(pull, outcome)
    return f"{share:.2f} ({share - half:.2f} to {share + half:.2f})"


def _differences(outcome: Outcome, risks: dict[str, pd.Series]) -> list[str]:
    pairs = [
        ("hybrid, everything", other)
        for other in (
            *("density-only (published)", "questionnaire (iCARE-Lit)", "bcsc-2008"),
            *("questionnaire only", "image only", "image + acquisition"),
        )
    ] + [("image + acquisition", "image only"), ("image only", "density-only (published)")]
    lines = ["## Paired differences of AUC", "", "| | difference | p |", "| --- | --- | --- |"]
    for first, second in pairs:
        apart = difference(_auc(outcome, risks[first]), _auc(outcome, risks[second]), outcome)
        lines.append(f"| {first} - {second} | {interval(apart)} | {apart.p:.2g} |")
    return [*lines, ""]


def _calibration(
    outcome: Outcome, risk: pd.Series, true: pd.Series, table: pd.DataFrame
) -> list[str]:
    status = table["menopausal_status"].astype(str)
    groups = {
        "all": np.ones(len(table), dtype=bool),
        "premenopausal": (status == "pre").to_numpy(),
        "postmenopausal": (status == "post").to_numpy(),
    }
    lines = [
        "## Calibration at five years",
        "",
        "Observed risk by Aalen-Johansen; slope on the complementary log-log scale, by inverse",
        "probability of censoring. The values of the true risk for the same women show the effect",
        "of chance.",
        "",
        "| women | expected / observed | slope | E/O of the true risk | slope of the true risk |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, rows in groups.items():
        some, cells = outcome.take(rows), []
        for values in (risk.to_numpy(dtype=float)[rows], true.to_numpy()[rows]):
            cells.append(interval(expected_observed_ratio(some, values, 5)))
            cells.append(interval(calibration_slope(some, values, 5, method="ipcw")))
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return [*lines, ""]


def _missed(outcome: Outcome, risks: dict[str, pd.Series]) -> list[str]:
    """False-negative rate at the same share of positives."""
    lines = [
        "## Cancers missed at the same share of positive women",
        "",
        "| score | top 10% | top 20% | top 40% |",
        "| --- | --- | --- | --- |",
    ]
    for name in (
        "density-only (published)",
        "questionnaire (iCARE-Lit)",
        "image only",
        "hybrid, everything",
    ):
        values = risks[name].to_numpy(dtype=float)
        missed = [
            false_negative_rate_at_share(outcome, values, top, 5).value for top in (0.1, 0.2, 0.4)
        ]
        lines.append(f"| {name} | " + " | ".join(f"{100 * m:.1f}%" for m in missed) + " |")
    return [*lines, ""]


def _guard(model: HybridModel, exams: ExamSet) -> list[str]:
    """False flags of the domain guard for every set of views."""
    lines = [
        "## Domain guard",
        "",
        "Share of held-out simulated exams that the guard calls outside the domain.",
        "",
        "| views | outside |",
        "| --- | --- |",
    ]
    seen = guard_features(exams, model.features(exams).numpy())
    sets = [kept for count in range(4, 0, -1) for kept in combinations(range(4), count)]
    for kept in sets:
        some = np.full_like(seen, np.nan)
        some[:, kept] = seen[:, kept]
        outside = 0.0 if model.guard is None else float((~model.guard.inside(some)).mean())
        name = ", ".join(STANDARD_VIEWS[view] for view in kept)
        lines.append(f"| {name} | {100 * outside:.1f}% |")
    return [*lines, ""]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("step", choices=["train", "evaluate"])
    parser.add_argument("work", type=Path)
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--heads", action="store_true", help="train only the heads")
    only.add_argument("--answers", action="store_true", help="train only the answers alone")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    if arguments.step == "train" and arguments.answers:
        train_answers()
    elif arguments.step == "train":
        train(arguments.work, heads_only=arguments.heads)
    else:
        evaluate(arguments.work)


if __name__ == "__main__":
    main()
