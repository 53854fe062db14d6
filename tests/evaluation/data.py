"""Cohorts and risks for the tests of evaluation."""

from __future__ import annotations

import numpy as np
import pandas as pd


def cohort(n: int = 3000, exams: int = 1) -> pd.DataFrame:
    """Women with a score that gives the hazard of cancer, deaths and censoring."""
    rng = np.random.default_rng(4)
    women = np.repeat(np.arange(n // exams), exams)
    score = rng.normal(size=n)
    cancer = rng.exponential(30 * np.exp(-score))
    death, lost = rng.exponential(100, n), rng.uniform(1, 9, n)
    return pd.DataFrame(
        {
            "patient_id": women,
            "exam_id": np.arange(n),
            "age": rng.integers(40, 75, n).astype(float),
            "breast_density": rng.choice(["a", "b", "c", "d"], n),
            "site": rng.choice(["north", "south", "<b>west</b>"], n, p=[0.6, 0.395, 0.005]),
            "time": np.minimum.reduce([cancer, death, lost]),
            "event": np.argmin([lost, cancer, death], axis=0),
            "score": score,
        }
    )


def risks(table: pd.DataFrame, model: str = "own", factor: float = 1.0) -> pd.DataFrame:
    """Risks over 1, 3 and 5 years; those of ``factor`` 1 are the true ones."""
    made = {f"risk_{h}y": 1 - np.exp(-factor * h / 30 * np.exp(table["score"])) for h in (1, 3, 5)}
    return pd.DataFrame(made).assign(exam_id=table["exam_id"], model=model)


def noisy(table: pd.DataFrame, model: str = "other") -> pd.DataFrame:
    """Risks of a worse model."""
    score = table["score"] + np.random.default_rng(9).normal(size=len(table))
    return risks(table.assign(score=score - 0.5), model)
