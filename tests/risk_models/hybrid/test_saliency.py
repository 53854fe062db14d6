"""Saliency finds a signal that was planted."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mammorisk as mr
from mammorisk.base import PreparedExam
from mammorisk.inputs.acquisition_table import acquisition_table
from mammorisk.inputs.exam_set import ExamSet
from mammorisk.inputs.standard_exam import NetworkView
from mammorisk.records.acquisition import Acquisition
from mammorisk.records.cohort import Cohort
from mammorisk.records.exam import STANDARD_VIEWS, Exam
from mammorisk.risk_models.hybrid.model import HybridModel
from mammorisk.risk_models.recipe import load_recipe

ROWS, COLUMNS, N = 96, 64, 240
PATCH = (slice(20, 40), slice(12, 32))


@pytest.fixture(scope="module")
def planted() -> tuple[HybridModel, Cohort, ExamSet, np.ndarray]:
    """Exams of noise; half have a bright patch in one place of L-MLO, and mostly cancer."""
    rng = np.random.default_rng(0)
    pixels = rng.normal(110, 12, (N, 4, ROWS, COLUMNS))
    marked = np.arange(N) % 2 == 0
    for i in np.flatnonzero(marked):
        pixels[(i, 3, *PATCH)] += 60
    y, x = np.mgrid[:ROWS, :COLUMNS]
    outside = np.hypot((y - ROWS / 2) / (ROWS / 2), x / COLUMNS) > 1
    pixels = np.clip(pixels, 1, 255)
    pixels[..., outside] = 0
    cancer = np.where(marked, rng.random(N) < 0.85, rng.random(N) < 0.05)
    exams = ExamSet(
        pixels=pixels.astype(np.uint8),
        present=np.ones((N, 4), dtype=bool),
        years_before=np.zeros((N, 4)),
        percent_density=np.full((N, 4), np.nan),
        acquisition=acquisition_table([None] * (4 * N)),
        age_years=np.full(N, 55.0),
        errors=[""] * N,
    )
    table = pd.DataFrame(
        {
            "patient_id": np.arange(N),
            "exam_id": np.arange(N),
            "age": 55.0,
            "time": np.where(cancer, 2.5, 5.0),
            "event": cancer.astype(int),
        }
    )
    cohort = Cohort(exams=table, errors=pd.Series([""] * N))
    recipe = load_recipe(
        "image-only",
        image={"spacing_mm": 2.0, "rows": ROWS, "columns": COLUMNS},
        training__epochs=6,
        training__head_epochs=0,
        training__augment=False,
        training__density_task=0,
        # With few exams, this task finds something in every view.
        training__view_task=0,
    )
    model = mr.fit(cohort, recipe, exams=exams)
    assert isinstance(model, HybridModel)
    return model, cohort, exams, marked


@pytest.mark.parametrize("method", ["grad-cam", "integrated-gradients"])
def test_the_mass_lies_on_the_planted_patch(
    planted: tuple[HybridModel, Cohort, ExamSet, np.ndarray], method: str
) -> None:
    model, cohort, exams, marked = planted
    scores = model.score_exam_set(cohort.questionnaires, exams)
    risk = scores.risk[5].to_numpy(dtype=float)
    assert risk[marked].mean() > 3 * risk[~marked].mean()
    views = {
        name: NetworkView(
            pixels=exams.pixels[0, i], percent_density=np.nan, acquisition=Acquisition()
        )
        for i, name in enumerate(STANDARD_VIEWS)
    }
    one = PreparedExam(exam=Exam(views={}), views=views)
    told = model.explain_exam(cohort.questionnaires.iloc[:1], one, method)
    mass = {name: np.clip(found, 0, None) for name, found in told.saliency.items()}
    total = sum(one.sum() for one in mass.values())
    # The patch and the reach of one feature cell around it.
    near = mass["L-MLO"][8:52, 0:44].sum()
    share_of_area = 44 * 44 / (4 * ROWS * COLUMNS)
    assert near / total > 0.5 > 5 * share_of_area
