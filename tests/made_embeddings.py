"""A cohort and embeddings made of random numbers, in which a feature and density carry risk."""

from __future__ import annotations

import numpy as np
import pandas as pd

import mammorisk as mr
from mammorisk.records.cohort import Cohort
from mammorisk.records.exam import STANDARD_VIEWS

FEATURES = 6


def made_table(n: int = 400, seed: int = 0) -> pd.DataFrame:
    """Exams with answers, follow-up and a hidden column ``signal``."""
    rng = np.random.default_rng(seed)
    density = rng.choice(4, n, p=[0.1, 0.4, 0.4, 0.1])
    relatives = rng.binomial(2, 0.15, n)
    signal = rng.normal(size=n)
    hazard = 0.025 * np.exp(signal + 0.5 * (density - 1.5) + 0.5 * relatives)
    cancer = rng.exponential(1 / hazard)
    end = rng.uniform(3, 8, n)
    return pd.DataFrame(
        {
            "patient_id": [f"p{i}" for i in range(n)],
            "exam_id": [f"e{i}" for i in range(n)],
            "age": rng.uniform(42, 72, n).round(1),
            "breast_density": np.where(rng.random(n) < 0.9, np.array(list("abcd"))[density], None),
            "first_degree_relatives": np.where(rng.random(n) < 0.9, relatives, np.nan),
            "biopsies": np.where(rng.random(n) < 0.8, rng.binomial(2, 0.2, n), np.nan),
            "bmi": rng.normal(27, 4, n).clip(18, 45),
            "time": np.minimum(cancer, end),
            "event": (cancer < end).astype(int),
            "signal": signal,
        }
    )


def made_cohort(n: int = 400, seed: int = 0) -> Cohort:
    return as_cohort(made_table(n, seed))


def as_cohort(table: pd.DataFrame) -> Cohort:
    table = table.reset_index(drop=True)
    return Cohort(exams=table, errors=pd.Series([""] * len(table), dtype=object))


def made_embeddings(cohort: Cohort, seed: int = 1, encoder: str = "ours") -> mr.Embeddings:
    """Features of the four views; the first one shows the signal."""
    return mr.read_embeddings(embedding_table(cohort, seed), encoder=encoder)


def embedding_table(cohort: Cohort, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    exams = cohort.exams
    parts = []
    common = rng.normal(size=(len(exams), FEATURES))
    common[:, 0] = exams["signal"] + 0.3 * rng.normal(size=len(exams))
    for name in STANDARD_VIEWS:
        laterality, view = name.split("-")
        features = common + 0.2 * rng.normal(size=common.shape)
        part = exams[["patient_id", "exam_id"]].assign(
            view=view,
            laterality=laterality,
            thickness_mm=rng.normal(55, 8, len(exams)),
            manufacturer=np.where(np.arange(len(exams)) % 2, "hologic", "ge"),
        )
        parts.append(
            part.join(pd.DataFrame(features, columns=[f"feature_{i}" for i in range(FEATURES)]))
        )
    return pd.concat(parts, ignore_index=True)
