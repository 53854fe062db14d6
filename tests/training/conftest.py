"""One small simulated study for the tests of fitting: about 80 exams, a third with cancer."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import mammorisk as mr
from mammorisk.inputs.exam_set import ExamSet
from mammorisk.records.cohort import Cohort
from mammorisk.risk_models.recipe import Recipe, load_recipe
from mammorisk.runtime import backend
from mammorisk.training.read_exams import read_exams

TINY = {
    "image": {"spacing_mm": 5.0, "rows": 48, "columns": 32},
    "training__epochs": 2,
    "training__head_epochs": 3,
    "training__batch_size": 16,
    "training__validation_share": 0.3,
    "training__unreadable_share": 0.0,
    "head__width": 8,
}

LARGER = {"spacing_mm": 3.0, "rows": 80, "columns": 80}


def tiny(name: str = "hybrid", **changes: object) -> Recipe:
    return load_recipe(name, **(TINY | changes))


@pytest.fixture(autouse=True, scope="module")
def without_openvino() -> Iterator[None]:
    """Networks run in torch: OpenVINO takes 5 to 20 s to compile one, which is run once here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            backend, "find_spec", lambda name: None if name == "openvino" else find_spec(name)
        )
        yield


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study") / "study"
    mr.simulate(
        2_400,
        seed=5,
        out=folder,
        images="all",
        design="case-cohort",
        subcohort_fraction=0.02,
        pixel_mm=2.0,
        prior_share=0.0,
    )
    return folder


@pytest.fixture(scope="session")
def cohort(study: Path) -> Cohort:
    return mr.read_cohort(study)


@pytest.fixture(scope="session")
def exams(cohort: Cohort) -> ExamSet:
    return read_exams(cohort, tiny())


@pytest.fixture(scope="session")
def some(cohort: Cohort) -> Cohort:
    """Thirty women, for deep networks."""
    cancer = cohort.exams["event"] == 1
    return cohort.select(np.r_[np.flatnonzero(cancer)[:20], np.flatnonzero(~cancer)[:10]])


@pytest.fixture(scope="session")
def larger_exams(some: Cohort) -> ExamSet:
    """The exams of :func:`some`, in the smallest size that every deep network accepts."""
    return read_exams(some, tiny(image=LARGER))
