"""One of the two iCARE-Lit models (under 50, from 50): linear predictor, baseline hazard, risk.

Sources: Pal Choudhury 2020, doi:10.1093/jnci/djz113 (iCARE-Lit) and
doi:10.1371/journal.pone.0228198 (iCARE). Reference samples: see data/LICENSE-py-icare.txt.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mammorisk.clinical.competing_risks import AbsoluteRisk, YearlyRates, absolute_risk
from mammorisk.clinical.icare_missing import ReferenceBins, reference_bins
from mammorisk.clinical.rates import Rates
from mammorisk.clinical.tables import data_file, load_table

Floats = NDArray[np.float64]
Labels = NDArray[np.object_]
SubmodelName = Literal["lt50", "ge50"]
#: Columns by covariate: levels as text (None = missing) or numbers (NaN = missing).
Covariates = dict[str, NDArray[Any]]

#: Age in years up to which mortality is known, exclusive.
LAST_AGE = 80

#: Pairs of a woman and a reference member evaluated at once; limits memory.
_PAIRS = 500_000

#: Tolerance of the iteration in the published program, used so that risks agree.
_TOLERANCE = 1e-3


@dataclass(frozen=True, kw_only=True)
class Terms:
    """Linear predictor by term.

    Attributes
    ----------
    values : ndarray, shape (n, n_terms)
        NaN where a covariate of the term is missing.
    names : tuple of str
        A covariate, or two joined by ``":"`` for an interaction.
    """

    values: Floats
    names: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Submodel:
    """Coefficients and rates of one model.

    Attributes
    ----------
    name : {"lt50", "ge50"}
    factors : dict
        Categorical covariate -> level -> log odds ratio.
    linear : dict
        Numeric covariate -> log odds ratio per unit (yes/no 0 or 1; height in decimetres).
    interactions : dict
        ``"a:b"`` -> ``"level:level"`` -> log odds ratio; combinations not listed are 0.
    """

    name: SubmodelName
    factors: dict[str, dict[str, float]]
    linear: dict[str, float]
    interactions: dict[str, dict[str, float]]

    @property
    def covariates(self) -> tuple[str, ...]:
        return (*self.factors, *self.linear)

    def terms(self, covariates: Covariates) -> Terms:
        """Linear predictor by term.

        Parameters
        ----------
        covariates : dict of str to ndarray, shape (n,)
            Levels as text (None = missing) for factors; numbers (NaN = missing) otherwise.
        """
        columns = {name: _level_values(covariates[name], f) for name, f in self.factors.items()}
        columns |= {name: beta * covariates[name] for name, beta in self.linear.items()}
        for pair, ratios in self.interactions.items():
            left, right = pair.split(":")
            total = 0.0 * columns[left] + 0.0 * columns[right]
            for levels, beta in ratios.items():
                first, second = levels.split(":")
                total = total + beta * (
                    _at_level(covariates[left], first) & _at_level(covariates[right], second)
                )
            columns[pair] = total
        return Terms(values=np.column_stack(list(columns.values())), names=tuple(columns))


def _level_values(labels: Labels, ratios: dict[str, float]) -> Floats:
    out = np.full(len(labels), np.nan)
    for level, beta in ratios.items():
        out[labels == level] = beta
    return out


def _at_level(values: NDArray[Any], level: str) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = values == (level if values.dtype == object else float(level))
    return found


@cache
def load_submodel(name: SubmodelName) -> Submodel:
    """The coefficients of one model."""
    return Submodel(name=name, **load_table("icare_lit")["submodels"][name])


@cache
def reference_terms(name: SubmodelName) -> Terms:
    """Terms of the reference sample, which represents the population."""
    import pandas as pd

    model = load_submodel(name)
    # The sample is complete: no level is to be read as missing.
    sample = pd.read_csv(
        data_file(f"icare_lit_reference_{name}.csv.gz"),
        dtype=dict.fromkeys(model.factors, object) | dict.fromkeys(model.linear, float),
        keep_default_na=False,
    )
    return model.terms({column: sample[column].to_numpy() for column in model.covariates})


@lru_cache(maxsize=512)
def _bins(name: SubmodelName, seen: tuple[bool, ...]) -> ReferenceBins:
    return reference_bins(reference_terms(name).values, np.array(seen))


@lru_cache(maxsize=64)
def yearly_rates(name: SubmodelName, rates: Rates | None = None) -> YearlyRates:
    """Baseline hazard and competing mortality by year of age.

    The baseline is the incidence at an age divided by the mean relative risk of the reference
    members who are free of breast cancer. It is found by fixed-point iteration, as in the
    published program. With other rates it is recomputed, so that no attributable risk is needed.

    Parameters
    ----------
    name : {"lt50", "ge50"}
    rates : Rates, optional
        The published ones by default: ages 0 to 79.

    Returns
    -------
    YearlyRates
        One row per group of the rates.
    """
    if rates is not None:
        before = rates.first_age - rates.incidence_from
        yearly = rates.yearly
        n_ages = yearly.cause.shape[1]
        # All ages with incidence take part in the iteration, as in the published program.
        baseline = [_baseline(name, np.array(row)) for row in rates.incidence]
        cause = np.array([row[before : before + n_ages] for row in baseline])
        return YearlyRates(first_age=yearly.first_age, cause=cause, other=yearly.other)
    table = load_table("icare_lit")
    # Mortality is known from age 1; no woman is scored before that age.
    mortality = np.concatenate([np.zeros(table["mortality_from_age"]), table["mortality"]])
    return YearlyRates(
        first_age=table["incidence_from_age"],
        cause=_baseline(name, np.array(table["incidence"]))[None, :LAST_AGE],
        other=mortality[None, :LAST_AGE],
    )


def _baseline(name: SubmodelName, incidence: Floats) -> Floats:
    """Hazard of a woman with predictor 0, by year of age."""
    relative = np.exp(reference_terms(name).values.sum(axis=1))
    # Women with equal predictors are counted together, for shorter sums.
    relative, counts = np.unique(relative, return_counts=True)
    mean = np.full(len(incidence), relative @ counts / counts.sum())
    change = np.inf
    while change > _TOLERANCE:
        before = np.concatenate([[0.0], np.cumsum(incidence / mean)[:-1]])
        weights = counts[:, None] * np.exp(-relative[:, None] * before)
        updated = relative @ weights / weights.sum(axis=0)
        change, mean = float(np.abs(updated - mean).sum()), updated
    return np.asarray(incidence / mean)


class Population(NamedTuple):
    """The rates of each woman.

    Attributes
    ----------
    rates : Rates or None
        None for the published ones.
    row : ndarray of int, shape (n,)
        Row of each woman in the rates.
    """

    rates: Rates | None
    row: NDArray[np.int64]

    def take(self, rows: NDArray[Any]) -> Population:
        return Population(self.rates, self.row[rows])


def submodel_risk(
    name: SubmodelName, terms: Floats, start: Floats, end: Floats, population: Population
) -> AbsoluteRisk:
    """Compute risks with one model; missing covariates are averaged over the reference sample.

    Parameters
    ----------
    name : {"lt50", "ge50"}
    terms : ndarray, shape (n, n_terms)
        Values of :meth:`Submodel.terms`; NaN where missing.
    start : ndarray, shape (n,)
        Present age, years.
    end : ndarray, shape (n, k)
        Ages at the end of the intervals, within the rates; NaN gives NaN.
    population : Population

    Returns
    -------
    AbsoluteRisk
    """
    missing = np.asarray(np.isnan(terms).any(axis=1))
    out = AbsoluteRisk(np.full(end.shape, np.nan), np.full(end.shape, np.nan))
    full = ~missing
    if full.any():
        exact = _risk(name, terms[full].sum(axis=1), start[full], end[full], population.take(full))
        out.risk[full], out.survival[full] = exact
    if missing.any():
        averaged = _averaged(
            name, terms[missing], start[missing], end[missing], population.take(missing)
        )
        out.risk[missing], out.survival[missing] = averaged
    return out


def _risk(
    name: SubmodelName, predictor: Floats, start: Floats, end: Floats, population: Population
) -> AbsoluteRisk:
    return absolute_risk(
        start,
        end,
        yearly_rates(name, population.rates),
        group=population.row,
        multiplier=np.exp(predictor)[:, None],
        within_year="left",
    )


def _averaged(
    name: SubmodelName, terms: Floats, start: Floats, end: Floats, population: Population
) -> AbsoluteRisk:
    """Mean risk of the reference members in each woman's bin, at her ages."""
    out = AbsoluteRisk(np.empty(end.shape), np.empty(end.shape))
    patterns, which = np.unique(~np.isnan(terms), axis=0, return_inverse=True)
    for i, seen in enumerate(patterns):
        rows = np.flatnonzero(which.ravel() == i)
        bins = _bins(name, tuple(seen.tolist()))
        first, last = bins.members(terms[rows][:, seen].sum(axis=1))
        # Women with the same ages and the same members share their risk.
        key = np.column_stack([first, last, population.row[rows], start[rows], end[rows]])
        distinct, inverse = np.unique(key, axis=0, return_inverse=True)
        mean = _mean_of_members(name, bins, distinct, population.rates)
        out.risk[rows] = mean.risk[inverse.ravel()]
        out.survival[rows] = mean.survival[inverse.ravel()]
    return out


def _mean_of_members(
    name: SubmodelName, bins: ReferenceBins, wanted: Floats, rates: Rates | None
) -> AbsoluteRisk:
    """Mean risk of members ``first`` to ``last`` under the rates of ``row``, from ``start`` to each
    end (columns of wanted)."""
    first, last, row = wanted[:, :3].astype(np.int64).T
    start, end = wanted[:, 3], wanted[:, 4:]
    size = last - first
    out = AbsoluteRisk(np.empty(end.shape), np.empty(end.shape))
    batch = np.cumsum(size) // _PAIRS
    for b in np.unique(batch):
        rows = np.flatnonzero(batch == b)
        n = size[rows]
        begins = np.concatenate([[0], np.cumsum(n)[:-1]])
        owner = np.repeat(rows, n)
        member = np.arange(n.sum()) + np.repeat(first[rows] - begins, n)
        population = Population(rates, row[owner])
        pairs = _risk(name, bins.predictor[member], start[owner], end[owner], population)
        out.risk[rows] = np.add.reduceat(pairs.risk, begins, axis=0) / n[:, None]
        out.survival[rows] = np.add.reduceat(pairs.survival, begins, axis=0) / n[:, None]
    return out
