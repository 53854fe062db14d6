"""Follow-up has the stated hazards; sampled studies, weighted, give back the population."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mammorisk.simulation.follow_up import follow
from mammorisk.simulation.options import Effects, StudyOptions
from mammorisk.simulation.population import draw_population
from mammorisk.simulation.sampling import case_cohort_weights, nested_case_control_weights
from mammorisk.simulation.truth import Hazards, hazards

# Larger effects make a small population informative.
N = 60_000


@pytest.fixture(scope="module")
def study() -> tuple[pd.DataFrame, Hazards, pd.DataFrame]:
    options = StudyOptions(n=N, seed=31, effects=Effects(texture_hr=2.5))
    women = draw_population(31, N)
    everything = hazards(women, options.effects)
    return women, everything, follow(women, everything, options)


def test_events_come_at_the_stated_rates(
    study: tuple[pd.DataFrame, Hazards, pd.DataFrame],
) -> None:
    _, everything, followed = study
    for name, cumulative in (
        ("years_to_cancer", everything.relative[:, None] * everything.baseline),
        ("years_to_death", everything.death),
    ):
        for year in (1, 3.5, 8):
            low, high = cumulative[:, int(year)], cumulative[:, int(np.ceil(year))]
            chance = -np.expm1(-(low + (year % 1) * (high - low)))
            seen = (followed[name] < year).sum()
            error = np.sqrt((chance * (1 - chance)).sum())
            assert abs(seen - chance.sum()) < 4 * error


def test_time_is_the_first_of_what_can_happen(
    study: tuple[pd.DataFrame, Hazards, pd.DataFrame],
) -> None:
    _, _, followed = study
    assert followed["time"].between(0, 8, inclusive="neither").all()
    cancer, death = (followed[f"years_to_{kind}"].fillna(np.inf) for kind in ("cancer", "death"))
    assert (followed["time"] == cancer)[followed["event"] == 1].all()
    assert (followed["time"] == death)[followed["event"] == 2].all()
    assert (followed["time"] < np.minimum(cancer, death))[followed["event"] == 0].all()
    lost = (followed["event"] == 0) & (followed["time"] < 6)
    assert 0.08 < lost.mean() < 0.12


def incidence(time: np.ndarray, event: np.ndarray, weight: np.ndarray, until: float) -> float:
    """Weighted cancers per weighted woman-year."""
    years = weight @ np.minimum(time, until)
    return float(weight @ ((event == 1) & (time <= until)) / years)


@pytest.mark.parametrize("until", [3.0, 8.0])
def test_weights_give_back_the_incidence_of_the_population(
    study: tuple[pd.DataFrame, Hazards, pd.DataFrame], until: float
) -> None:
    women, _, followed = study
    time, event = followed["time"].to_numpy(), followed["event"].to_numpy()
    whole = incidence(time, event, np.ones(N), until)
    cohort = case_cohort_weights(event, followed["subcohort"].to_numpy(), 0.1)
    # Six thousand women-years' worth of weights vary by about 1%.
    assert incidence(time, event, cohort, until) == pytest.approx(whole, rel=0.06)
    band = (women["age"] // 5).to_numpy().astype(int)
    nested = nested_case_control_weights(time, event, band, 4, np.random.default_rng(1))
    assert incidence(time, event, nested, until) == pytest.approx(whole, rel=0.06)
    unweighted = (nested > 0).astype(float)
    assert incidence(time, event, unweighted, until) > 3 * whole


def test_nested_weights_are_unbiased() -> None:
    """Mean over many draws: every woman who was ever at risk with a cancer counts once."""
    rng = np.random.default_rng(2)
    time = rng.exponential(5, 400)
    event = (rng.random(400) < 0.1).astype(np.int8)
    stratum = np.repeat([0, 1], 200)
    draws = [nested_case_control_weights(time, event, stratum, 2, rng) for _ in range(1500)]
    mean = np.mean(draws, axis=0)
    first_case = [time[(stratum == s) & (event == 1)].min() for s in (0, 1)]
    at_risk = (event != 1) & (time > np.array(first_case)[stratum])
    assert mean[at_risk].mean() == pytest.approx(1, abs=0.02)
    assert (mean[~at_risk & (event != 1)] == 0).all()
    assert (mean[event == 1] == 1).all()


def test_all_at_risk_are_controls_when_more_are_asked_for() -> None:
    weight = nested_case_control_weights(
        np.array([1.0, 2.0, 3.0]), np.array([1, 0, 0]), np.zeros(3, int), 5, np.random.default_rng()
    )
    assert weight.tolist() == [1, 1, 1]
