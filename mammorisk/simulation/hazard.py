r"""The hazard of the simulated women, and their risk given all variables.

Woman :math:`i` has relative hazard :math:`\theta_i = \exp(q_i + \beta_D D_i + \beta_T T_i +
\beta_A A_i)` during follow-up, where :math:`q` are the published effects of her answers and
:math:`D, T, A` her density, texture and asymmetry scores, scaled to mean 1 among women of her age
and race. Women at high risk leave first, so that the mean decreases with time. The baseline
:math:`H_0` compensates for this: it solves :math:`E[e^{-\theta H_0(t)}] = e^{-\Lambda(t)}`, where
:math:`\Lambda` is the cumulative incidence rate of the population table. The rates of the simulated
women therefore equal those of the table at every age and time since entry.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mammorisk._utils.typing import Floats
from mammorisk.clinical.bcrat import RACE_GROUP, average_rates
from mammorisk.clinical.competing_risks import YearlyRates
from mammorisk.records.questionnaire_fields import CATEGORIES
from mammorisk.simulation.options import Effects
from mammorisk.simulation.population import draw_population
from mammorisk.simulation.questionnaire_effect import questionnaire_effect
from mammorisk.simulation.signals import signals_of

#: Years of follow-up over which hazards are known.
LAST_YEAR = 10
#: Number of women in the samples for centring the effects and fitting conditional means.
REFERENCE_WOMEN = 120_000
_REFERENCE_SEED = 20_140_901
_SPLIT_AGE = 50


def rate_group(women: pd.DataFrame) -> NDArray[np.int64]:
    """Return the row of the population rates for the race of each woman."""
    rows = np.array(
        [RACE_GROUP.get(name, RACE_GROUP["white"]) for name in CATEGORIES["race_ethnicity"]]
    )
    return rows[women["race_ethnicity"].cat.codes.to_numpy()]


@cache
def population_rates() -> YearlyRates:
    """Rates of invasive breast cancer and of death from other causes, by race and year of age.

    SEER rates and US life tables as in BCRAT (doi:10.1093/jnci/81.24.1879 and later).
    """
    return average_rates()


def cumulative_rates(age: Floats, group: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Return the cumulative population hazards from entry.

    Parameters
    ----------
    age : ndarray, shape (n,)
        Age at entry in years, up to 80.
    group : ndarray of int, shape (n,)

    Returns
    -------
    cancer, death : ndarray, shape (n, LAST_YEAR + 1)
        At 0, 1 ... LAST_YEAR years after entry.
    """
    rates = population_rates()
    edges = rates.first_age + np.arange(rates.cause.shape[1] + 1)
    at = age[:, None] + np.arange(LAST_YEAR + 1)
    column = np.minimum(at.astype(np.int64) - rates.first_age, rates.cause.shape[1] - 1)
    out = []
    for table in (rates.cause, rates.other):
        before = np.concatenate([np.zeros((len(table), 1)), np.cumsum(table, axis=1)], axis=1)
        total = before[group[:, None], column]
        total = total + table[group[:, None], column] * (at - edges[column])
        out.append(total - total[:, :1])
    return out[0], out[1]


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """Centring of the effects. It depends only on the effects and not on the study.

    Attributes
    ----------
    effects : Effects
    by_age : ndarray, shape (2, 3)
        Log mean of the exponentiated questionnaire effect: quadratic in (age - 50) / 10, under
        50 and from 50.
    by_race : ndarray, shape (2, n_races)
        Additional term of each race, in the order of the categories of the questionnaire.
    population, baseline : ndarray, shape (2, m)
        Cumulative population rate and the corresponding :math:`H_0`, under 50 and from 50.
    """

    effects: Effects
    by_age: Floats
    by_race: Floats
    population: Floats
    baseline: Floats

    def centred_questionnaire_effect(self, women: pd.DataFrame) -> Floats:
        """Log relative hazard of the answers; its exponential has mean 1 by age and race."""
        age = women["age"].to_numpy()
        part = (age >= _SPLIT_AGE).astype(int)
        mean = _quadratic(age) * self.by_age[part]
        race = women["race_ethnicity"].cat.codes.to_numpy()
        effect = self.effects.questionnaire * questionnaire_effect(women)
        return np.asarray(effect - mean.sum(axis=1) - self.by_race[part, race])

    def cumulative_baseline(self, age: Floats, cumulative_cancer: Floats) -> Floats:
        """:math:`H_0` at the years of :func:`cumulative_rates`."""
        under = age < _SPLIT_AGE
        out = np.empty_like(cumulative_cancer)
        for part, rows in enumerate((under, ~under)):
            out[rows] = np.interp(
                cumulative_cancer[rows], self.population[part], self.baseline[part]
            )
        return out


def _quadratic(age: Floats) -> Floats:
    x = (age - _SPLIT_AGE) / 10
    return np.stack([np.ones_like(x), x, x * x], axis=-1)


def image_log_sd(effects: Effects) -> float:
    """Return the SD of the log relative hazard due to the scores of images."""
    ratios = [effects.density_hr, effects.texture_hr, effects.asymmetry_hr]
    ratios += [getattr(effects, f"{name}_hr") for name in signals_of(effects)]
    return float(np.sqrt(np.sum(np.log(ratios) ** 2)))


def reference_sample(*, equal_races: bool) -> pd.DataFrame:
    """Return a fixed large sample of the population, or one with equal numbers of each race."""
    return draw_population(
        _REFERENCE_SEED,
        REFERENCE_WOMEN,
        age_range=(40.0, 80.0),
        stream="reference",
        equal_races=equal_races,
    )


@lru_cache(maxsize=8)
def baseline(effects: Effects) -> Baseline:
    """Compute centring and baseline for the given effects from the reference sample."""
    women = reference_sample(equal_races=True)
    age = women["age"].to_numpy()
    race = women["race_ethnicity"].cat.codes.to_numpy()
    relative = np.exp(effects.questionnaire * questionnaire_effect(women))
    n_races = len(CATEGORIES["race_ethnicity"])
    by_age, by_race = np.zeros((2, 3)), np.zeros((2, n_races))
    grids = []
    # Gauss-Hermite nodes integrate exactly over the image scores.
    nodes, weights = np.polynomial.hermite_e.hermegauss(21)
    sd = image_log_sd(effects)
    image = np.exp(sd * nodes - sd**2 / 2)
    weights = weights / weights.sum()
    for part, rows in enumerate((age < _SPLIT_AGE, age >= _SPLIT_AGE)):
        by_age[part], by_race[part] = _fit_mean(age[rows], race[rows], relative[rows], n_races)
        centred = relative[rows] / np.exp(
            _quadratic(age[rows]) @ by_age[part] + by_race[part, race[rows]]
        )
        # Quantiles represent the distribution.
        levels = np.quantile(centred, (np.arange(400) + 0.5) / 400)
        levels = levels / levels.mean()
        theta = np.multiply.outer(levels, image).ravel()
        weight = np.multiply.outer(np.full(400, 1 / 400), weights).ravel()
        theta = theta / (theta @ weight)
        grid = np.concatenate([[0.0], np.geomspace(1e-5, 1.0, 160)])
        left = (np.expm1(-np.outer(grid, theta)) * weight).sum(axis=1)
        grids.append((-np.log1p(left), grid))
    return Baseline(
        effects=effects,
        by_age=by_age,
        by_race=by_race,
        population=np.array([pair[0] for pair in grids]),
        baseline=np.array([pair[1] for pair in grids]),
    )


def _fit_mean(
    age: Floats, race: NDArray[np.int8], relative: Floats, n_races: int
) -> tuple[Floats, Floats]:
    """Fit the log mean of ``relative``: quadratic in age, plus a term for race."""
    present = np.unique(race)
    design = np.concatenate([_quadratic(age), (race[:, None] == present[1:])], axis=1)
    coefficients = fit_log_mean(design, relative)
    by_race = np.zeros(n_races)
    by_race[present[1:]] = coefficients[3:]
    return coefficients[:3], by_race


def fit_log_mean(design: Floats, values: Floats, weights: Floats | None = None) -> Floats:
    """Fit the coefficients of a log-linear mean by iterated weighted least squares.

    The score equations are those of a Poisson regression: fitted and observed means agree along
    every column of the design, whatever the distribution of the values.
    """
    weights = np.ones(len(values)) if weights is None else weights
    coefficients = np.zeros(design.shape[1])
    coefficients[0] = np.log(np.average(values, weights=weights))
    step = np.array([np.inf])
    while np.abs(step).max() > 1e-9:
        mean = weights * np.exp(design @ coefficients)
        information = (design * mean[:, None]).T @ design
        step = np.linalg.solve(information, design.T @ (weights * values - mean))
        coefficients = coefficients + step
    # The last digits of sums depend on the number of threads; the truth must not.
    return np.round(coefficients, 9)


def risk_of(
    multiplier: Floats, baseline_hazard: Floats, cumulative_death: Floats, years: int
) -> Floats:
    """Compute the risk of breast cancer before death from other causes, by year.

    Parameters
    ----------
    multiplier : ndarray, shape (n,)
        Relative hazard.
    baseline_hazard, cumulative_death : ndarray, shape (n, >= years + 1)
        Cumulative hazards at whole years from 0. Hazards are assumed constant within a year.
    years : int

    Returns
    -------
    ndarray, shape (n, years)
    """
    cancer = multiplier[:, None] * np.diff(baseline_hazard[:, : years + 1], axis=1)
    both = cancer + np.diff(cumulative_death[:, : years + 1], axis=1)
    free = np.exp(-(np.cumsum(both, axis=1) - both))
    return np.cumsum(free * cancer / both * -np.expm1(-both), axis=1)
