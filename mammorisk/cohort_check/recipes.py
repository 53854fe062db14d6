"""What can be learnt from the cancers of a cohort: each recipe against the cancers it needs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from mammorisk.cohort_check.facts import Facts
from mammorisk.metrics.development_size import development_sample_size
from mammorisk.metrics.incidence import cumulative_incidence
from mammorisk.metrics.recalibration import EVENTS_FOR_SLOPE
from mammorisk.records.questionnaire_fields import FIELDS
from mammorisk.records.split_words import TRAIN_WORDS
from mammorisk.risk_models.recipe import SURVIVAL_KINDS, Recipe, load_recipe, recipes

if TYPE_CHECKING:
    from mammorisk.records.cohort import Cohort

Verdict = Literal["reasonable", "few cancers", "too few cancers", "not possible"]

#: Cancers that a recalibration needs: for its intercept alone, and with a slope
#: (:data:`mammorisk.metrics.recalibration.RULE`).
RECALIBRATION = {"recalibrate (intercept)": 10, "recalibrate (slope)": EVENTS_FOR_SLOPE}
#: Cancers from which on a network is reasonable. Rules of thumb of this package, without a
#: derivation: a head on fixed features, an encoder trained on a published baseline, and an encoder
#: trained without one, for which the cohort alone gives the level and the effect of age.
HEAD, ENCODER, ENCODER_ALONE = 100, 300, 1000
#: AUC over five years that is anticipated of a regression: of age and density, and of a
#: questionnaire (published ranges are 0.60 to 0.63 and 0.62 to 0.65).
_AUC = {"density-fit": 0.62, "clinical": 0.64}
#: Coefficients of ``density-fit``: age, its square, three categories.
_DENSITY_TERMS = 5
#: Share of the needed cancers below which there are too few.
_TOO_FEW = 0.5
#: Range of mean risks for which formulas of the sample size are evaluated.
_RISKS = (1e-4, 0.5)
#: Weights of the encoders of the recipes for images of one channel, and size of their features
#: with each pooling.
ENCODERS = {
    "compact": (236_016, {"mean": 128, "statistics": 480}),
    "resnet18": (11_170_240, {"mean": 512, "statistics": 2048}),
    "inception_resnet_v2": (54_305_888, {"mean": 1536, "statistics": 6400}),
    "resnet50": (23_501_760, {"mean": 2048, "statistics": 7808}),
    "vgg16": (134_259_392, {"mean": 4096, "statistics": 3968}),
    "efficientnet_b0": (4_006_972, {"mean": 1280, "statistics": 1024}),
    "convnext_tiny": (27_817_056, {"mean": 768, "statistics": 2880}),
}
#: Kinds that are fitted to all women, without a validation part.
WITHOUT_VALIDATION = ("density-fit", *SURVIVAL_KINDS)


@dataclass(frozen=True, kw_only=True)
class Demand:
    """What a recipe needs of a cohort.

    Attributes
    ----------
    trains : {"a regression", "a head", "an encoder and a head"}
    parameters : int or None
        Coefficients of a regression; weights of a network that are trained, of a head about; None
        if unknown.
    cancers : int
        Cancers from which on the recipe is reasonable.
    basis : str
        Where the number is from.
    """

    trains: str
    parameters: int | None
    cancers: int
    basis: str


def demand_of(recipe: Recipe, cohort: Cohort, mean_risk: float) -> Demand:
    """Return the demand of a recipe on a cohort.

    Parameters
    ----------
    recipe : Recipe
    cohort : Cohort
        Its questionnaire fields are the terms of a recipe without images.
    mean_risk : float
        Risk of cancer over five years.
    """
    if recipe.kind == "density-fit":
        return _regression(_DENSITY_TERMS, mean_risk, _AUC["density-fit"])
    if recipe.kind in SURVIVAL_KINDS:
        return Demand(
            trains="a penalised regression" if recipe.kind == "coxnet" else "trees",
            parameters=None,
            cancers=HEAD,
            basis="rule of thumb",
        )
    uses_images = recipe.kind == "mirai" or "image" in recipe.modalities
    if not uses_images:
        terms = max(sum(name in cohort.exams for name in FIELDS), 1)
        return _regression(terms, mean_risk, _AUC["clinical"])
    # Mirai's encoder is a ResNet-18; its transformer is counted as a head.
    sizes = ENCODERS.get("resnet18" if recipe.kind == "mirai" else recipe.encoder.name)
    if recipe.kind == "embeddings":
        return Demand(trains="a head", parameters=None, cancers=HEAD, basis="rule of thumb")
    head = None if sizes is None else sizes[1][recipe.encoder.pooling] * recipe.head.width
    if recipe.kind == "network" and recipe.encoder.frozen:
        return Demand(
            trains="a head",
            parameters=head,
            cancers=HEAD,
            basis="rule of thumb",
        )
    return Demand(
        trains="an encoder and a head",
        parameters=None if sizes is None or head is None else sizes[0] + head,
        cancers=ENCODER if recipe.baseline is not None else ENCODER_ALONE,
        basis="rule of thumb",
    )


def _regression(terms: int, mean_risk: float, auc: float) -> Demand:
    needed = development_sample_size(terms, mean_risk=float(np.clip(mean_risk, *_RISKS)), auc=auc)
    return Demand(
        trains="a regression",
        parameters=terms,
        cancers=math.ceil(terms * float(needed["cancers_per_term"].max())),
        basis=f"Riley 2019, AUC {auc:g}, shrinkage 0.9",
    )


def judge(cancers: int, needed: int) -> Verdict:
    """Compare the cancers of a cohort with those needed."""
    if cancers >= needed:
        return "reasonable"
    return "few cancers" if cancers >= _TOO_FEW * needed else "too few cancers"


def five_year_risk(facts: Facts) -> float:
    """Observed risk over five years, or over the whole follow-up if it is shorter; NaN without."""
    outcome = facts.outcome()
    if outcome is None:
        return math.nan
    longest = float(outcome.time.max())
    return cumulative_incidence(outcome, min(5.0, longest)).value


def training_cancers(facts: Facts, recipe: Recipe) -> int:
    """Number of cancers that a fit with a recipe would train on; an expectation without splits."""
    cancers = facts.is_cancer
    if recipe.kind in WITHOUT_VALIDATION:
        return int(facts.counts[cancers].sum())
    cancers = cancers & (facts.time <= 5)
    if facts.splits is not None:
        return int(facts.counts[cancers & np.isin(facts.splits, list(TRAIN_WORDS))].sum())
    return round(float(facts.counts[cancers].sum()) * (1 - recipe.training.validation_share))


def recipe_table(
    cohort: Cohort, facts: Facts, names: Sequence[str | Recipe] | None = None
) -> pd.DataFrame:
    """Compare the cancers of a cohort with those that each recipe needs.

    Parameters
    ----------
    cohort : Cohort
    facts : Facts
    names : sequence of str or Recipe, optional
        Default: every recipe of the package.

    Returns
    -------
    DataFrame
        ``recipe``, ``trains`` (what), ``cancers`` (in training), ``parameters`` (coefficients of a
        regression, or weights that are trained), ``cancers_per_parameter``, ``cancers_needed``,
        ``basis`` (of that number), ``verdict`` (``"reasonable"``, ``"few cancers"``: at least half
        of them, ``"too few cancers"``, ``"not possible"``) and ``why``.
    """
    risk = five_year_risk(facts)
    every = int(facts.counts[facts.is_cancer].sum())
    rows: list[dict[str, object]] = []
    for name, needed in RECALIBRATION.items():
        verdict = judge(every, needed) if facts.has_outcomes else "not possible"
        rows.append(
            {
                "recipe": name,
                "trains": "a calibration",
                "cancers": every,
                "cancers_needed": needed,
                "basis": "rule of recalibrate()" if "slope" in name else "rule of thumb",
                "verdict": verdict,
                "why": None if facts.has_outcomes else "no outcomes",
            }
        )
    for one in recipes() if names is None else names:
        recipe = one if isinstance(one, Recipe) else load_recipe(one)
        cancers = training_cancers(facts, recipe)
        demand = demand_of(recipe, cohort, risk if math.isfinite(risk) else 0.014)
        obstacle = _obstacle(recipe, cohort, facts)
        rows.append(
            {
                "recipe": recipe.name,
                "trains": demand.trains,
                "cancers": cancers,
                "parameters": demand.parameters,
                "cancers_per_parameter": (
                    None if demand.parameters is None else cancers / demand.parameters
                ),
                "cancers_needed": demand.cancers,
                "basis": demand.basis,
                "verdict": judge(cancers, demand.cancers) if obstacle is None else "not possible",
                "why": obstacle,
            }
        )
    table = pd.DataFrame(rows)
    order = ["recipe", "trains", "cancers", "parameters", "cancers_per_parameter"]
    table = table.reindex(columns=[*order, "cancers_needed", "basis", "verdict", "why"])
    return table.astype({"parameters": "Int64", "cancers_per_parameter": float})


def _obstacle(recipe: Recipe, cohort: Cohort, facts: Facts) -> str | None:
    if not facts.has_outcomes:
        return "no outcomes"
    # Survival models take the questionnaire alone if there are no embeddings.
    uses_images = recipe.kind not in SURVIVAL_KINDS and (
        recipe.kind == "mirai" or "image" in recipe.modalities
    )
    if uses_images and not cohort.has_images:
        return "no images"
    if recipe.kind == "density-fit" and (
        "breast_density" not in cohort.exams or cohort.exams["breast_density"].isna().all()
    ):
        return "no breast densities"
    return None
