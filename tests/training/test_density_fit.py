"""Tests of the fit of density-fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import mammorisk as mr
from mammorisk.metrics.expected_observed import expected_observed_ratio


def test_the_risk_is_one_in_the_presence_of_death() -> None:
    study = mr.simulate(n=1500, seed=3, design="cohort", prior_share=0.0)
    table = study.cohort.exams.copy()
    # A fifth of the women die in the first years: the risk without death would be a fifth higher.
    dies = np.random.default_rng(1).random(len(table)) < 0.2
    time = np.where(dies, 0.3 * table["time"], table["time"])
    table = table.assign(time=time, event=np.where(dies, 2, table["event"]))
    cohort = replace(study.cohort, exams=table)
    model = mr.fit(cohort, "density-fit", on_warning=lambda told: None)
    risk = mr.predict(cohort.questionnaires, model=model)["risk_5y"].to_numpy(dtype=float)
    known = np.flatnonzero(np.isfinite(risk))
    ratio = expected_observed_ratio(mr.Outcome.from_table(table).take(known), risk[known], 5)
    assert ratio.value == pytest.approx(1.0, abs=0.02)
    assert model.card.competing_mortality
