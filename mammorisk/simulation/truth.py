"""The true risk of each simulated woman, given everything and given each part of it.

The risk given a part is the expected risk among all women who share that part: conditional
expectation over what is not known. Age is always known.

``questionnaire``            the answers; no image, no density category
``density``                  the reader's category (a-d)
``questionnaire_density``    both
``image``                    projected (area) density, texture, asymmetry
``image_acquisition``        the same and the compressed thickness, which turns area into volume

Given the answers, the image scores are independent normal variables and the moments of the
relative hazard have closed forms (truncated normal, given a category). Without the answers they
are log-linear regressions on age and what is seen, over the fixed reference sample; their error is
in the docs. The relative hazard given a part is then taken as log-normal with these moments, which
is exact for ``questionnaire``; risks are so small that only its mean matters to first order.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr

from mammorisk.clinical.bcrat import RACE_GROUP
from mammorisk.simulation.hazard import (
    LAST_YEAR,
    baseline,
    cumulative_rates,
    fit_log_mean,
    image_log_sd,
    population_rates,
    rate_group,
    reference_sample,
    risk_of,
)
from mammorisk.simulation.margins import margins
from mammorisk.simulation.options import Effects
from mammorisk.simulation.traits import density_location, density_residual_sd

Floats = NDArray[np.float64]

HORIZONS = (1, 2, 3, 4, 5)
#: What may be known of a woman beside her age.
PARTS = ("questionnaire", "density", "questionnaire_density", "image", "image_acquisition")

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(7)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()


@dataclass(frozen=True, kw_only=True)
class Hazards:
    """Hazards of women from entry.

    Attributes
    ----------
    relative : ndarray, shape (n,)
        Relative hazard given everything; mean 1 by age and race.
    baseline, death : ndarray, shape (n, LAST_YEAR + 1)
        Cumulative, at whole years from 0.
    """

    relative: Floats
    baseline: Floats
    death: Floats


def hazards(women: pd.DataFrame, effects: Effects) -> Hazards:
    """Hazards of drawn women given everything."""
    centre = baseline(effects)
    age = women["age"].to_numpy()
    cancer, death = cumulative_rates(age, rate_group(women))
    log_relative = centre.centred_questionnaire_effect(women) - image_log_sd(effects) ** 2 / 2
    for name in ("density", "texture", "asymmetry"):
        ratio = getattr(effects, f"{name}_hr")
        log_relative = log_relative + np.log(ratio) * women[f"{name}_score"].to_numpy()
    return Hazards(
        relative=np.exp(log_relative),
        baseline=centre.cumulative_baseline(age, cancer),
        death=death,
    )


def true_risks(women: pd.DataFrame, effects: Effects) -> pd.DataFrame:
    """True risks of drawn women.

    Parameters
    ----------
    women : DataFrame
        As :func:`~mammorisk.simulation.population.draw_population` gives.
    effects : Effects

    Returns
    -------
    DataFrame
        Same index. ``risk_1y`` ... ``risk_5y`` given everything, then ``risk_1y_PART`` ... for
        every one of :data:`PARTS`; probabilities in [0, 1] of breast cancer before death from
        other causes.
    """
    everything = hazards(women, effects)
    years = HORIZONS[-1]
    columns = {}
    risk = risk_of(everything.relative, everything.baseline, everything.death, years)
    for horizon in HORIZONS:
        columns[f"risk_{horizon}y"] = risk[:, horizon - 1]
    mixed = _mixed_hazards(women["age"].to_numpy(), effects)
    for part in PARTS:
        first, second = _moments(women, part, effects)
        base, death = (everything.baseline, everything.death) if "questionnaire" in part else mixed
        variance = np.log(np.maximum(second / first**2, 1.0))
        risk = np.zeros_like(risk)
        for node, weight in zip(_NODES, _WEIGHTS, strict=True):
            theta = first * np.exp(np.sqrt(variance) * node - variance / 2)
            risk += weight * risk_of(theta, base, death, years)
        for horizon in HORIZONS:
            columns[f"risk_{horizon}y_{part}"] = risk[:, horizon - 1]
    return pd.DataFrame(columns, index=women.index, copy=False)


def _mixed_hazards(age: Floats, effects: Effects) -> tuple[Floats, Floats]:
    """Baseline and death of a woman whose race is not known: rates mixed over the population."""
    cancer, death = _mixed_rates(age)
    return baseline(effects).cumulative_baseline(age, cancer), death


def _mixed_rates(age: Floats) -> tuple[Floats, Floats]:
    shares = margins()["race_ethnicity"]["share"]
    by_group = np.zeros(len(population_rates().cause))
    for race, share in shares.items():
        by_group[RACE_GROUP[race]] += share / sum(shares.values())
    cancer, death = np.zeros((2, len(age), LAST_YEAR + 1))
    for group in np.flatnonzero(by_group):
        rates = cumulative_rates(age, np.full(len(age), group))
        cancer += by_group[group] * rates[0]
        death += by_group[group] * rates[1]
    return cancer, death


def _moments(women: pd.DataFrame, part: str, effects: Effects) -> tuple[Floats, Floats]:
    """First and second moment of the relative hazard given a part."""
    spread = image_log_sd(effects) ** 2
    if part in ("questionnaire", "questionnaire_density"):
        answers = np.exp(baseline(effects).centred_questionnaire_effect(women))
        if part == "questionnaire":
            return answers, answers**2 * np.exp(spread)
        density = _density_moments(women, women["breast_density"].cat.codes.to_numpy(), effects)
        rest = spread - np.log(effects.density_hr) ** 2
        return answers * density[0], answers**2 * density[1] * np.exp(rest)
    moments = []
    known = np.zeros(len(women))
    rest = spread - np.log(effects.density_hr) ** 2
    if part != "density":
        for name in ("texture", "asymmetry"):
            known = known + np.log(getattr(effects, f"{name}_hr")) * women[f"{name}_score"]
        known, rest = np.asarray(known) - rest / 2, 0.0
    design = _design(women, part, women["breast_density"].cat.codes.to_numpy())
    for order in (1, 2):
        log_mean = (design * _regression(part, effects)[order - 1]).sum(axis=1)
        moments.append(np.exp(log_mean + order * known + (rest if order == 2 else 0.0)))
    return moments[0], moments[1]


def _density_moments(
    women: pd.DataFrame, category: NDArray[np.integer], effects: Effects
) -> tuple[Floats, Floats]:
    r"""Moments of :math:`e^{\beta D - \beta^2/2}` given the answers and a reader's category.

    The reader's impression is jointly normal with :math:`D`, so that the category cuts an
    interval of a standard normal variable whose correlation with :math:`D` is known.
    """
    lower, upper, correlation = _impression(women, category)
    beta = np.log(effects.density_hr)
    share = ndtr(upper) - ndtr(lower)
    moments = []
    for order in (1, 2):
        shift = order * beta * correlation
        moved = ndtr(upper - shift) - ndtr(lower - shift)
        moments.append(np.exp((order**2 - order) * beta**2 / 2) * moved / share)
    return moments[0], moments[1]


def _impression(women: pd.DataFrame, category: NDArray[np.integer]) -> tuple[Floats, Floats, float]:
    """Limits of a category on the standard normal scale given the answers, and correlation."""
    table = margins()["density"]
    spread = np.hypot(density_residual_sd(), table["reader_sd"])
    limits = np.concatenate([[-np.inf], table["category_limits"], [np.inf]])
    limits = limits * np.hypot(1.0, table["reader_sd"])
    location = density_location(women)
    correlation = density_residual_sd() * table["area_volume_correlation"] / spread
    lower, upper = limits[category], limits[category + 1]
    return (lower - location) / spread, (upper - location) / spread, float(correlation)


def _design(women: pd.DataFrame, part: str, category: NDArray[np.integer]) -> Floats:
    """Columns of the regression: age, what is seen, and products; apart under 50 and from 50."""
    age = women["age"].to_numpy()
    x = (age - 50) / 10
    trend = [np.ones_like(x), x, x * x]
    if part == "density":
        columns = [term * (category == k) for k in range(4) for term in trend]
    else:
        seen = [women["area_density"].to_numpy()]
        if part == "image_acquisition":
            seen.append((women["thickness_mm"].to_numpy() - 55) / 10)
        columns = list(trend)
        for i, value in enumerate(seen):
            columns += [value, value * x, *(value * other for other in seen[i:])]
    terms = np.stack(columns, axis=1)
    under = (age < 50)[:, None]
    return np.concatenate([terms, terms * under], axis=1)


@lru_cache(maxsize=1)
def _reference() -> pd.DataFrame:
    return reference_sample(equal_races=False)


@lru_cache(maxsize=24)
def _regression(part: str, effects: Effects) -> tuple[Floats, Floats]:
    """Log-linear coefficients of the first and second moment given age and what is seen.

    Texture and asymmetry, independent of all else, are left out here. What can be integrated
    over in closed form is: the regression then averages over the answers only.
    """
    women = _reference()
    cancer, _ = cumulative_rates(women["age"].to_numpy(), rate_group(women))
    mixed, _ = _mixed_rates(women["age"].to_numpy())
    years = HORIZONS[-1]
    answers = np.exp(baseline(effects).centred_questionnaire_effect(women))
    answers = answers * cancer[:, years] / mixed[:, years]
    beta = np.log(effects.density_hr)
    if part == "density":
        return _density_regression(women, answers, effects)
    table = margins()["density"]
    area = (women["area_density"].to_numpy() - density_location(women)) / density_residual_sd()
    if part == "image":
        correlation = table["area_volume_correlation"]
        seen, hidden = beta * correlation * area, beta**2 * (1 - correlation**2)
    else:
        seen, hidden = beta * women["density_score"].to_numpy(), 0.0
    design = _design(women, part, women["breast_density"].cat.codes.to_numpy())
    first, second = (
        fit_log_mean(
            design,
            answers**order * np.exp(order * (seen - beta**2 / 2) + order**2 * hidden / 2),
        )
        for order in (1, 2)
    )
    return first, second


def _density_regression(
    women: pd.DataFrame, answers: Floats, effects: Effects
) -> tuple[Floats, Floats]:
    """Every woman stands in every category, weighted by its probability given her answers."""
    designs, weights, values = [], [], []
    for k in range(4):
        category = np.full(len(women), k, dtype=np.int8)
        lower, upper, _ = _impression(women, category)
        designs.append(_design(women, "density", category))
        weights.append(ndtr(upper) - ndtr(lower))
        moments = _density_moments(women, category, effects)
        values.append((answers * moments[0], answers**2 * moments[1]))
    design, weight = np.concatenate(designs), np.concatenate(weights)
    first, second = (
        fit_log_mean(design, np.concatenate([pair[i] for pair in values]), weight) for i in (0, 1)
    )
    return first, second
