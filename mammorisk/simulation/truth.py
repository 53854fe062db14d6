"""The true risk of each simulated woman, given all variables and given parts of them.

The risk given a part is the expected risk among all women with the same values of that part, a
conditional expectation over the unknown variables. Age is always known.

``questionnaire``            the answers; no image, no density category
``density``                  the reader's category (a-d)
``questionnaire_density``    both
``image``                    projected (area) density, texture, asymmetry
``image_acquisition``        the same and compressed thickness, which converts area to volume
``image_coarse``             ``image`` without the fine signal, if there is one
``image_priors``             ``image`` and, of women with a prior exam, the change, if it matters

Given the answers, the image scores are independent normal variables and the moments of the
relative hazard have closed forms (truncated normal, given a category). Without the answers they
are log-linear regressions on age and the observed variables, over the fixed reference sample; the
docs state their error. The relative hazard given a part is then approximated as log-normal with
these moments, which is exact for ``questionnaire``. Because risks are small, only the mean matters
to first order.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr

from mammorisk._utils.typing import Floats
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
from mammorisk.simulation.signals import signals_of
from mammorisk.simulation.traits import density_location, density_residual_sd

HORIZONS = (1, 2, 3, 4, 5)
#: Parts of the variables that can be known in addition to age.
PARTS = ("questionnaire", "density", "questionnaire_density", "image", "image_acquisition")

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(7)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()


@dataclass(frozen=True, kw_only=True)
class Hazards:
    """Hazards of women after entry.

    Attributes
    ----------
    relative : ndarray, shape (n,)
        Relative hazard given all variables; mean 1 by age and race.
    baseline, death : ndarray, shape (n, LAST_YEAR + 1)
        Cumulative hazards at whole years from 0.
    """

    relative: Floats
    baseline: Floats
    death: Floats


def hazards(women: pd.DataFrame, effects: Effects) -> Hazards:
    """Return the hazards of drawn women given all variables."""
    centre = baseline(effects)
    age = women["age"].to_numpy()
    cancer, death = cumulative_rates(age, rate_group(women))
    log_relative = centre.centred_questionnaire_effect(women) - image_log_sd(effects) ** 2 / 2
    for name in ("density", "texture", "asymmetry", *signals_of(effects)):
        ratio = getattr(effects, f"{name}_hr")
        log_relative = log_relative + np.log(ratio) * women[f"{name}_score"].to_numpy()
    return Hazards(
        relative=np.exp(log_relative),
        baseline=centre.cumulative_baseline(age, cancer),
        death=death,
    )


def parts_of(effects: Effects) -> tuple[str, ...]:
    """Parts of the variables for which there are risks: :data:`PARTS`, and those of the signals."""
    signals = signals_of(effects)
    return (
        *PARTS,
        *(["image_coarse"] if "fine" in signals else []),
        *(["image_priors"] if "change" in signals else []),
    )


def true_risks(
    women: pd.DataFrame, effects: Effects, has_prior: NDArray[np.bool_] | None = None
) -> pd.DataFrame:
    """Return the true risks of drawn women.

    Parameters
    ----------
    women : DataFrame
        As returned by :func:`~mammorisk.simulation.population.draw_population`, with the scores
        of signals (:func:`~mammorisk.simulation.signals.draw_signals`).
    effects : Effects
    has_prior : ndarray of bool, shape (n,), optional
        Women with a prior exam, for the part ``image_priors``.

    Returns
    -------
    DataFrame
        Same index. ``risk_1y`` ... ``risk_5y`` given all variables, then ``risk_1y_PART`` ... for
        each of :func:`parts_of`. Probabilities in [0, 1] of breast cancer before death from other
        causes.
    """
    everything = hazards(women, effects)
    years = HORIZONS[-1]
    columns = {}
    risk = risk_of(everything.relative, everything.baseline, everything.death, years)
    for horizon in HORIZONS:
        columns[f"risk_{horizon}y"] = risk[:, horizon - 1]
    mixed = _mixed_hazards(women["age"].to_numpy(), effects)
    for part in parts_of(effects):
        first, second = _moments(women, part, effects, has_prior)
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
    """Return hazards for unknown race: rates averaged over the population."""
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


def _moments(
    women: pd.DataFrame, part: str, effects: Effects, has_prior: NDArray[np.bool_] | None
) -> tuple[Floats, Floats]:
    """Return the first and second moment of the relative hazard given a part."""
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
    other: Any = spread - np.log(effects.density_hr) ** 2
    if part != "density":
        for name in ("texture", "asymmetry"):
            known = known + np.log(getattr(effects, f"{name}_hr")) * women[f"{name}_score"]
        hidden: Any = 0.0
        for name in signals_of(effects):
            beta = np.log(getattr(effects, f"{name}_hr"))
            seen = _sees(part, name, len(women), has_prior)
            known = known + beta * women[f"{name}_score"] * seen
            hidden = hidden + beta**2 * ~seen
        known, other = np.asarray(known) - (other - hidden) / 2, hidden
    basis = part if part in ("density", "image", "image_acquisition") else "image"
    design = _design(women, basis, women["breast_density"].cat.codes.to_numpy())
    for order in (1, 2):
        log_mean = (design * _regression(basis, effects)[order - 1]).sum(axis=1)
        moments.append(np.exp(log_mean + order * known + (other if order == 2 else 0.0)))
    return moments[0], moments[1]


def _sees(part: str, signal: str, n: int, has_prior: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    """Women of whom a part shows a signal."""
    if signal == "fine":
        return np.full(n, part != "image_coarse")
    if part != "image_priors" or has_prior is None:
        return np.zeros(n, dtype=bool)
    return has_prior


def _density_moments(
    women: pd.DataFrame, category: NDArray[np.integer], effects: Effects
) -> tuple[Floats, Floats]:
    r"""Moments of :math:`e^{\beta D - \beta^2/2}` given the answers and a reader's category.

    The impression of the reader is jointly normal with :math:`D`. The category is therefore an
    interval of a standard normal variable with a known correlation with :math:`D`.
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
    """Return the limits of a category on the standard normal scale given the answers."""
    table = margins()["density"]
    spread = np.hypot(density_residual_sd(), table["reader_sd"])
    limits = np.concatenate([[-np.inf], table["category_limits"], [np.inf]])
    limits = limits * np.hypot(1.0, table["reader_sd"])
    location = density_location(women)
    correlation = density_residual_sd() * table["area_volume_correlation"] / spread
    lower, upper = limits[category], limits[category + 1]
    return (lower - location) / spread, (upper - location) / spread, float(correlation)


def _design(women: pd.DataFrame, part: str, category: NDArray[np.integer]) -> Floats:
    """Return the columns of the regression, separately for under 50 and from 50."""
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
    """Fit log-linear models of the first and second moment given age and the observed variables.

    Texture and asymmetry are left out, because they are independent of all other variables. The
    integrals with a closed form are solved first, so that the regression averages only over the
    answers.
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
    """Repeat every woman in every category, weighted by its probability given her answers."""
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
