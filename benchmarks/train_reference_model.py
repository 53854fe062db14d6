"""Train the bundled reference model on a simulated study, and hold it against the truth.

    python benchmarks/train_reference_model.py train WORK       # simulate, fit, save
    python benchmarks/train_reference_model.py evaluate WORK    # a fresh study; docs/results.md

WORK holds the simulated studies, standardised images and checkpoints (some 8 GB). Both steps go on
where they were interrupted. Sizes and seeds are below; times on two cores are in docs/results.md.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

import mammorisk as mr
from mammorisk.clinical import load_clinical
from mammorisk.hybrid_model import HybridModel
from mammorisk.inputs.exam_set import ExamSet
from mammorisk.recipe import load_recipe
from mammorisk.simulation.progress import show_progress
from mammorisk.simulation.simulate import simulate
from mammorisk.training.fit import fit, read_exams

TRAIN = {"n": 450_000, "seed": 101, "design": "case-cohort", "subcohort_fraction": 0.02}
HELD_OUT = {"n": 120_000, "seed": 20_263, "design": "case-cohort", "subcohort_fraction": 0.034}
#: Encoder and head together; then a new head on the features of the finished encoder.
ENCODER = {
    "training__epochs": 10,
    "training__patience": 10,
    "training__head_epochs": 0,
    "training__validation_share": 0.1,
}
HEAD = {
    "training__head_epochs": 40,
    "training__head_learning_rate": 2e-4,
    "training__validation_share": 0.1,
}
WEIGHTS = Path(mr.__file__).parent / "weights" / "hybrid"
PARTS = ("image", "acquisition", "questionnaire")
Floats = NDArray[np.float64]


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


def train(work: Path) -> None:
    start = time.time()
    made = study(work, "train", TRAIN)
    simulated = time.time() - start
    cohort = made.cohort
    exams = read_exams(cohort, load_recipe("hybrid"), work / "cache", progress=True)
    first = fit(cohort, "hybrid", out=work / "encoder", exams=exams, progress=True, **ENCODER)
    assert isinstance(first, HybridModel)
    model = fit(
        cohort,
        init=first,
        fresh_head=True,
        exams=exams,
        progress=True,
        encoder__frozen=True,
        **HEAD,
    )
    assert isinstance(model, HybridModel)
    finish(model, simulated, start)


def finish(model: HybridModel, simulated: float, start: float) -> None:
    """Card and record, and into the package."""
    card = replace(
        model.card,
        title="Reference hybrid model, trained on simulated exams",
        training_data=(
            f"SIMULATED: case-cohort sample ({model.training['train']['exams']:,} exams, "
            f"{model.training['train']['cancers']:,} cancers) of {TRAIN['n']:,} simulated women, "
            f"seed {TRAIN['seed']}; no real image or outcome"
        ),
        outcome="invasive breast cancer (simulated)",
        source="mammorisk, benchmarks/train_reference_model.py",
        licence="MIT",
        intended_use="Trying the library, and a start for fine-tuning. Not for care.",
        limits=(
            "Trained on simulated images: real exams are outside its domain, lose their image "
            "contribution and get the published anchor."
        ),
    )
    record = {**model.training, "begun_from": None, "simulation": TRAIN}
    record |= {"encoder_stage": ENCODER, "head_stage": HEAD}
    record |= {"seconds_simulating": round(simulated), "seconds_in_all": round(time.time() - start)}
    # Those who begin from it train all of it unless they say otherwise.
    model = replace(model, card=card, training=record, recipe=load_recipe("hybrid"))
    model.save(WEIGHTS)
    size = sum(file.stat().st_size for file in WEIGHTS.iterdir()) / 1e6
    print(f"saved, {size:.2f} MB; {record['seconds_in_all']} s in this run")


class Scored:
    """Five-year risks under many models, with case and weight of each woman."""

    def __init__(self, table: pd.DataFrame) -> None:
        time_, event = table["time"].to_numpy(), table["event"].to_numpy()
        weight = table["weight"].to_numpy()
        order = np.argsort(time_, kind="stable")
        at_risk = np.cumsum(weight[order][::-1])[::-1]
        factor = np.cumprod(1 - np.where(event[order] == 0, weight[order] / at_risk, 0))
        ends = np.minimum(time_, 5.0)
        free = np.r_[1.0, factor][np.searchsorted(time_[order], ends, side="left")]
        known = (time_ > 5) | (event > 0)
        self.case = (event == 1) & (time_ <= 5)
        self.weight = np.where(known, weight / free, 0.0)

    def auc(self, score: Floats, rows: NDArray[np.bool_] | None = None) -> tuple[float, Floats]:
        """Weighted AUC and the influence of each woman on it."""
        rows = np.ones(len(score), dtype=bool) if rows is None else rows
        use = rows & (self.weight > 0)
        case, weight, value = self.case[use], self.weight[use], score[use]
        order = np.argsort(value, kind="stable")
        value, case, weight = value[order], case[order], weight[order]
        low = np.searchsorted(value, value, side="left")
        high = np.searchsorted(value, value, side="right")
        controls = np.r_[0, np.cumsum(weight * ~case)]
        cases = np.r_[0, np.cumsum(weight * case)]
        below = (controls[low] + controls[high]) / 2 / controls[-1]
        above = 1 - (cases[low] + cases[high]) / 2 / cases[-1]
        auc = float((weight * case * below).sum() / cases[-1])
        influence = np.where(
            case, weight * (below - auc) / cases[-1], weight * (above - auc) / controls[-1]
        )
        whole = np.zeros(len(score))
        whole[np.flatnonzero(use)[order]] = influence
        return auc, whole


def interval(value: float, error: float) -> str:
    return f"{value:.3f} ({value - 1.96 * error:.3f} to {value + 1.96 * error:.3f})"


def spread(influence: Floats) -> float:
    return float(np.sqrt((influence**2).sum()))


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
        results[name] = model.score_exams(some, seen, modalities=modalities)
        risks[name] = results[name].risk[5]
    oracles = {
        "density-only (published)": "risk_5y_density",
        "questionnaire only": "risk_5y_questionnaire",
        "image only": "risk_5y_image",
        "image + acquisition": "risk_5y_image_acquisition",
        "hybrid, everything": "risk_5y",
    }
    table = cohort.exams
    tool = Scored(table)
    lines = ["# Results of the reference model", ""]
    lines += _opening(model, table, truth, results["hybrid, everything"])
    lines += _discrimination(tool, risks, oracles, truth)
    lines += _differences(tool, risks, oracles, truth)
    lines += _calibration(tool, risks["hybrid, everything"].to_numpy(), table)
    lines += _missed(tool, risks)
    lines += _coverage(results["hybrid, everything"], truth)
    lines += _guard(model, exams, results["hybrid, everything"])
    (Path(__file__).parents[1] / "docs" / "results.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


def _opening(
    model: HybridModel, table: pd.DataFrame, truth: pd.DataFrame, scores: object
) -> list[str]:
    told, cancers = model.training, int((table["event"] == 1).sum())
    standing = table["weight"].sum()
    return [
        "Everything on this page is **simulated** and printed by",
        "`benchmarks/train_reference_model.py evaluate`. It says how well the network learns what",
        "the simulation put into the pictures, and nothing about women.",
        "",
        f"Trained on {told['train']['exams']:,} exams, {told['train']['cancers']:,} with cancer,",
        f"sampled from {TRAIN['n']:,} women (seed {TRAIN['seed']}). Held out: {len(table):,}",
        f"rendered exams, {cancers:,} with cancer, that stand for {standing:,.0f} women (seed",
        f"{HELD_OUT['seed']}). Intervals are 95%, by influence functions, weights included.",
        "",
    ]


def _discrimination(
    tool: Scored, risks: dict[str, pd.Series], oracles: dict[str, str], truth: pd.DataFrame
) -> list[str]:
    lines = [
        "## AUC at five years",
        "",
        "| score | AUC | oracle of the same inputs |",
        "| --- | --- | --- |",
    ]
    for name, risk in risks.items():
        auc, influence = tool.auc(risk.to_numpy(dtype=float))
        oracle = ""
        if name in oracles:
            value, error = tool.auc(truth[oracles[name]].to_numpy())
            oracle = interval(value, spread(error))
        lines.append(f"| {name} | {interval(auc, spread(influence))} | {oracle} |")
    density = tool.auc(risks["density-only (published)"].to_numpy(dtype=float))[0]
    rows = (
        ("image only", "risk_5y_image", "the image oracle"),
        ("image + acquisition", "risk_5y_image_acquisition", "the image and acquisition oracle"),
        ("hybrid, everything", "risk_5y", "the full oracle"),
    )
    lines += ["", "Share of the way from density-only to the oracle:", ""]
    for name, column, what in rows:
        reached = tool.auc(risks[name].to_numpy(dtype=float))[0] - density
        whole = tool.auc(truth[column].to_numpy())[0] - density
        lines.append(f"- {name}, to {what}: {reached / whole:.2f}")
    return [*lines, ""]


def _differences(
    tool: Scored, risks: dict[str, pd.Series], oracles: dict[str, str], truth: pd.DataFrame
) -> list[str]:
    pairs = [
        ("hybrid, everything", other)
        for other in (
            *("density-only (published)", "questionnaire (iCARE-Lit)", "bcsc-2008"),
            *("questionnaire only", "image only", "image + acquisition"),
        )
    ] + [("image + acquisition", "image only"), ("image only", "density-only (published)")]
    lines = ["## Paired differences of AUC", "", "| | difference | p |", "| --- | --- | --- |"]
    for first, second in pairs:
        a, influence_a = tool.auc(risks[first].to_numpy(dtype=float))
        b, influence_b = tool.auc(risks[second].to_numpy(dtype=float))
        error = spread(influence_a - influence_b)
        p = 2 * norm.sf(abs(a - b) / error)
        lines.append(f"| {first} - {second} | {interval(a - b, error)} | {p:.2g} |")
    return [*lines, ""]


def _calibration(tool: Scored, risk: Floats, table: pd.DataFrame) -> list[str]:
    status = table["menopausal_status"].astype(str)
    groups = {
        "all": np.ones(len(table), dtype=bool),
        "premenopausal": (status == "pre").to_numpy(),
        "postmenopausal": (status == "post").to_numpy(),
    }
    lines = [
        "## Calibration at five years",
        "",
        "Slope on the complementary log-log scale; intervals of expected over observed from the",
        "weighted number of cancers.",
        "",
        "| women | expected / observed | slope |",
        "| --- | --- | --- |",
    ]
    for name, rows in groups.items():
        use = rows & (tool.weight > 0)
        case, weight = tool.case[use], tool.weight[use]
        observed = (weight * case).sum() / weight.sum()
        ratio = np.average(risk[use], weights=weight) / observed
        error = np.sqrt((weight**2 * (case - observed) ** 2).sum()) / weight.sum() / observed
        slope, slope_error = _slope(risk[use], case, weight)
        limits = ratio * np.exp(np.array([-1.96, 1.96]) * error)
        lines.append(
            f"| {name} | {ratio:.3f} ({limits[0]:.3f} to {limits[1]:.3f}) "
            f"| {interval(slope, slope_error)} |"
        )
    return [*lines, ""]


def _slope(risk: Floats, case: NDArray[np.bool_], weight: Floats) -> tuple[float, float]:
    """Weighted regression of the event on the complementary log-log of risk, robust error."""
    import statsmodels.api as sm

    design = sm.add_constant(np.log(-np.log1p(-risk)))
    family = sm.families.Binomial(link=sm.families.links.CLogLog())
    fitted = sm.GLM(case.astype(float), design, family=family, var_weights=weight).fit(
        cov_type="HC0"
    )
    return float(fitted.params[1]), float(fitted.bse[1])


def _missed(tool: Scored, risks: dict[str, pd.Series]) -> list[str]:
    """Share of cancers among women not called positive, at the same share of positives."""
    lines = [
        "## Cancers missed when as many women are called positive",
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
        value = risks[name].to_numpy(dtype=float)
        order = np.argsort(-value, kind="stable")
        share = np.cumsum(tool.weight[order]) / tool.weight.sum()
        found = np.cumsum((tool.weight * tool.case)[order]) / (tool.weight * tool.case).sum()
        missed = [1 - np.interp(top, share, found) for top in (0.1, 0.2, 0.4)]
        lines.append(f"| {name} | " + " | ".join(f"{100 * m:.1f}%" for m in missed) + " |")
    return [*lines, ""]


def _coverage(scores: object, truth: pd.DataFrame) -> list[str]:
    lower, upper = scores.lower[5].to_numpy(), scores.upper[5].to_numpy()
    true = truth["risk_5y"].to_numpy()
    inside = np.mean((true >= lower) & (true <= upper))
    width = np.median(np.log(upper / lower) / 3.92)
    apart = np.std(np.log(true) - np.log(scores.risk[5]))
    return [
        "## Intervals",
        "",
        "The 95% interval of a prediction holds the uncertainty of the last layer's weights, the",
        "rest of the network taken as given. It is not an interval for the true risk of a woman,",
        "which also depends on what nobody has seen:",
        f"it covers the true five-year risk of {100 * inside:.0f}% of the held-out women",
        f"(median standard error of the log hazard {width:.2f}; the true log risk differs from the",
        f"predicted one by a standard deviation of {apart:.2f}).",
        "",
    ]


def _guard(model: HybridModel, exams: ExamSet, scores: object) -> list[str]:
    outside = scores.flags.str.contains("outside the domain").mean()
    return [
        "## Domain guard",
        "",
        f"{100 * outside:.1f}% of the held-out simulated exams are flagged as outside the domain.",
        "",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("step", choices=["train", "evaluate"])
    parser.add_argument("work", type=Path)
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    {"train": train, "evaluate": evaluate}[arguments.step](arguments.work)


if __name__ == "__main__":
    main()
