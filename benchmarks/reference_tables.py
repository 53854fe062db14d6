"""Interval of the reference model; tables of sets of views and of the coverage of the interval."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from attainable_risk import ANSWERS, UnknownAnswers, applies, truth_by_kinds
from numpy.typing import NDArray

from mammorisk.inputs.batches import Inputs, gather_inputs, make_batch
from mammorisk.inputs.exam_set import ExamSet
from mammorisk.metrics.expected_observed import expected_observed_ratio
from mammorisk.metrics.time_dependent_auc import cumulative_dynamic_auc
from mammorisk.networks.head_ensemble import ALL_VIEWS, VIEW_SETS
from mammorisk.networks.hybrid import Batch
from mammorisk.records.outcome import Outcome
from mammorisk.risk_models.hybrid.model import HybridModel
from mammorisk.risk_models.hybrid.risk_interval import RiskInterval
from mammorisk.training.interval_fit import (
    fit_interval,
    five_year_risk,
    gap_of,
    log_hazard_ratio,
    restrict,
)

Floats = NDArray[np.float64]

VIEWS = ("R-CC", "L-CC", "R-MLO", "L-MLO")
#: Women without images on whom the terms of unknown answers are fitted.
_SCORED = 20_000


@dataclass
class Women:
    """Simulated women with everything known, as inputs of the network.

    Attributes
    ----------
    inputs : Inputs
    batch : Batch
        With the features of the views.
    truth : dict of str to ndarray
        Best attainable risk by the kinds of inputs.
    weight : ndarray
    table : DataFrame
        The cohort.
    """

    inputs: Inputs
    batch: Batch
    truth: dict[str, Floats]
    weight: Floats
    table: pd.DataFrame

    @classmethod
    def of(
        cls,
        model: HybridModel,
        table: pd.DataFrame,
        women: pd.DataFrame,
        exams: ExamSet,
        truth: pd.DataFrame,
        features: torch.Tensor,
    ) -> Women:
        inputs = gather_inputs(women, exams, model.baseline, model.card.ages)
        batch = batch_of(model, inputs, features)
        return cls(
            inputs=inputs,
            batch=batch,
            truth=truth_by_kinds(truth),
            weight=table["weight"].to_numpy(dtype=float),
            table=table,
        )

    def take(self, rows: NDArray[np.int64]) -> Women:
        return Women(
            inputs=take_inputs(self.inputs, rows),
            batch=self.batch.take(torch.from_numpy(rows)),
            truth={kinds: risk[rows] for kinds, risk in self.truth.items()},
            weight=self.weight[rows],
            table=self.table.iloc[rows],
        )


def batch_of(model: HybridModel, inputs: Inputs, features: torch.Tensor | None) -> Batch:
    width = model.head.settings.n_features
    return make_batch(
        inputs,
        torch.zeros(len(inputs), 4, width) if features is None else features,
        model.scalings,
        modalities=tuple(model.recipe.modalities),
        ages_seen=model.ages_seen,
    )


def take_inputs(inputs: Inputs, rows: NDArray[np.int64]) -> Inputs:
    """Some women, without their exams, which the batch already contains."""
    scores = inputs.baseline
    if scores is not None:
        scores = replace(
            scores,
            risk=scores.risk[rows],
            cumulative_hazard=scores.cumulative_hazard[rows],
            density=scores.density[rows],
            questionnaire=scores.questionnaire[rows],
            warnings=scores.warnings.iloc[rows].reset_index(drop=True),
        )
    return Inputs(
        frame=inputs.frame.iloc[rows].reset_index(drop=True),
        exams=None,
        baseline=scores,
        refusals=inputs.refusals.iloc[rows].reset_index(drop=True),
    )


def reference_interval(model: HybridModel, women: Women, unknown: UnknownAnswers) -> RiskInterval:
    """Interval of the model, from women who were not used to train its heads."""
    images = {kinds: true for kinds, true in women.truth.items() if "i" in kinds}
    interval = fit_interval(model, women.inputs, women.batch, images, women.weight)
    return interval_without_images(model, interval, unknown)


def interval_without_images(
    model: HybridModel, interval: RiskInterval, unknown: UnknownAnswers
) -> RiskInterval:
    """Fit the parts of the interval that need no images, on many women; the others stay."""
    some, true = unknown.women.iloc[-_SCORED:].reset_index(drop=True), unknown.true[-_SCORED:]
    stated = some.assign(breast_density=unknown.density.iloc[-_SCORED:].to_numpy())
    inputs = gather_inputs(stated, None, model.baseline)
    blind = {k: risk[-_SCORED:] for k, risk in unknown.truth.items() if "i" not in k}
    found = fit_interval(model, inputs, batch_of(model, inputs, None), blind, np.ones(len(some)))
    interval = replace(interval, gap=interval.gap | found.gap)
    answer_gap = {}
    for name in ANSWERS:
        rows = applies(some, name)
        if name == "age_first_birth":
            rows &= (some["parity"] > 0).to_numpy()
        hidden = some[rows].reset_index(drop=True)
        ratio, _ = unknown.ratio(name, hidden, true[rows])
        target = -np.expm1(np.log1p(-true[rows]) * ratio)
        inputs = gather_inputs(hidden.assign(**{name: None}), None, model.baseline)
        batch = batch_of(model, inputs, None)
        answered = model.evaluate_batch(inputs, batch)
        apart = log_hazard_ratio(five_year_risk(model, answered), target)
        gap = gap_of(apart, answered.spread, np.ones(len(apart)))
        answer_gap[name] = float(np.sqrt(max(gap**2 - interval.gap["0q"] ** 2, 0.0)))
    return replace(interval, answer_gap=answer_gap)


def view_table(model: HybridModel, women: Women) -> list[str]:
    """Agreement of the risk from each set of views with that from the whole exam."""
    outcome = Outcome.from_table(women.table)
    own, every = restrict(
        women.inputs, women.batch, views=ALL_VIEWS, acquisition=True, answers=True, density=False
    )
    whole = five_year_risk(model, model.evaluate_batch(own, every))
    lines = [
        "## Missing views",
        "",
        "Five-year risk from some views over the risk from all views of the same held-out exams",
        "(weighted median and range of 90% of women), calibration and AUC. Targets: median",
        "0.95-1.05, E/O 0.93-1.07, and with one missing view 90% of women within 0.75-1.33. Sets",
        "that miss them, with a margin, in the validation part of the training are not used.",
        "",
        "| views | median ratio | 90% of women | within 0.75-1.33 | E/O | AUC | used |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for views in sorted(range(1, VIEW_SETS), key=lambda v: (-v.bit_count(), v)):
        own, some = restrict(
            women.inputs, women.batch, views=views, acquisition=True, answers=True, density=False
        )
        risk = five_year_risk(model, model.evaluate_batch(own, some))
        low, middle, high = weighted_quantiles(risk / whole, women.weight, (0.05, 0.5, 0.95))
        inside = np.average((risk / whole >= 0.75) & (risk / whole <= 1.33), weights=women.weight)
        ratio = expected_observed_ratio(outcome, risk, 5)
        auc = cumulative_dynamic_auc(outcome, risk, 5)
        names = ", ".join(name for k, name in enumerate(VIEWS) if views >> k & 1)
        used = "yes" if model.view_sets is None or views in model.view_sets.usable else "no"
        lines.append(
            f"| {names} | {middle:.3f} | {low:.2f} to {high:.2f} | {100 * inside:.1f}% | "
            f"{ratio.value:.3f} ({ratio.lower:.3f} to {ratio.upper:.3f}) | "
            f"{auc.value:.3f} | {used} |"
        )
    return [*lines, ""]


def interval_table(model: HybridModel, women: Women, unknown: UnknownAnswers) -> list[str]:
    """Coverage and width of the 95% interval for every pattern of inputs."""
    lines = [
        "## Coverage of the 95% interval",
        "",
        "The interval is one of the best risk that can be attained from the same inputs. The truth",
        "is known in simulated women: a column of the study where there is one; for an unknown",
        "answer a regression of the truth on the other answers; for fewer views the truth given",
        "the whole exam. The table shows the share of held-out women whose true risk lies within,",
        "and the median ratio of the upper to the lower limit.",
        "",
        "| inputs | covered | upper / lower |",
        "| --- | --- | --- |",
    ]
    names = {
        "iaq": "images, acquisition, answers",
        "iq": "images, answers",
        "ia": "images, acquisition",
        "i": "images",
        "q": "answers",
        "qd": "answers, density category",
        "d": "density category",
    }
    for kinds, name in names.items():
        lines.append(_row(name, *_covered(model, women, kinds, ALL_VIEWS)))
    for views in sorted(range(1, ALL_VIEWS), key=lambda v: (-v.bit_count(), v)):
        there = ", ".join(one for k, one in enumerate(VIEWS) if views >> k & 1)
        lines.append(_row(f"{there}, acquisition, answers", *_covered(model, women, "iaq", views)))
    errors = []
    for name in ANSWERS:
        rows = np.flatnonzero(applies(women.inputs.frame, name))
        if name == "age_first_birth":
            rows = rows[(women.inputs.frame["parity"].iloc[rows] > 0).to_numpy()]
        some = women.take(rows)
        ratio, error = unknown.ratio(name, some.inputs.frame, some.truth["q"])
        errors.append(error)
        frame = some.inputs.frame.drop(columns="breast_density").assign(**{name: None})
        inputs = gather_inputs(frame, None, model.baseline)
        hidden = batch_of(model, inputs, None)
        batch = replace(
            some.batch,
            questionnaire=hidden.questionnaire,
            answered=hidden.answered,
        )
        truth = {kinds: -np.expm1(np.log1p(-risk) * ratio) for kinds, risk in some.truth.items()}
        other = replace(some, inputs=inputs, batch=batch, truth=truth)
        lines.append(_row(f"everything but {name}", *_covered(model, other, "iaq", ALL_VIEWS)))
    lines += [
        "",
        f"Standard error of the log of the regressions: {max(errors):.3f} at most.",
        "",
    ]
    return lines


def _covered(model: HybridModel, women: Women, kinds: str, views: int) -> tuple[float, float]:
    own, some = restrict(
        women.inputs,
        women.batch,
        views=views if "i" in kinds else 0,
        acquisition="a" in kinds,
        answers="q" in kinds,
        density="d" in kinds,
    )
    found = model.evaluate_batch(own, some)
    half = found.half_width
    if half is None:
        return np.nan, np.nan
    apart = np.abs(log_hazard_ratio(five_year_risk(model, found), women.truth[kinds]))
    covered = float(np.average(apart <= half, weights=women.weight))
    return covered, float(np.exp(2 * weighted_quantiles(half, women.weight, (0.5,))[0]))


def _row(name: str, covered: float, ratio: float) -> str:
    return f"| {name} | {100 * covered:.1f}% | {ratio:.2f} |"


def weighted_quantiles(values: Floats, weight: Floats, at: tuple[float, ...]) -> list[float]:
    order = np.argsort(values)
    share = np.cumsum(weight[order]) / weight.sum()
    return [float(values[order][min(np.searchsorted(share, q), len(order) - 1)]) for q in at]
