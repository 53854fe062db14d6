"""Simulated tables for the policy tests."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

#: Every risk any shipped policy cuts.
RISKS = ("risk_2y", "risk_5y", "risk_10y", "risk_lifetime", "risk_10y_at_40", "risk_lifetime_at_20")


def one(**values: Any) -> pd.DataFrame:
    """A risks table of one woman of 50, in two-letter form: model mirai unless said."""
    return pd.DataFrame({"model": ["mirai"], "age": [50.0]} | {k: [v] for k, v in values.items()})


def cohort(n: int, *, seed: int = 1, exams: int = 1) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Risks of n women with so many exams each, and their outcomes, all simulated."""
    rng = np.random.default_rng(seed)
    woman = np.repeat(np.arange(n), exams)
    risk = np.repeat(rng.beta(1.5, 60, n), exams)
    keys = {"patient_id": woman, "exam_id": np.arange(n * exams)}
    risks = pd.DataFrame(
        keys
        | {
            "model": "mirai",
            "age": np.repeat(rng.uniform(40, 70, n), exams),
            "breast_density": np.repeat(rng.choice(list("abcd"), n), exams),
            "risk_5y": risk,
        }
    )
    event = np.repeat(rng.uniform(size=n) < risk[::exams], exams).astype(int)
    time = np.where(event == 1, rng.uniform(0, 5, n * exams), 5.0)
    return risks, pd.DataFrame(keys | {"time": time, "event": event})
