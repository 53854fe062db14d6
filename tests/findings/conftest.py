"""A simulated exam with lesions, shared by the tests of findings."""

from __future__ import annotations

from pathlib import Path

import pytest

import mammorisk as mr
from mammorisk.records.exam import Exam


@pytest.fixture(scope="session")
def lesion_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One woman, two views of the right breast among four; pixels of 0.15 mm."""
    folder = tmp_path_factory.mktemp("findings") / "study"
    options = {"mass": 1.0, "calcification": 2.0, "distortion": 1.0}
    mr.simulate(1, seed=7, out=folder, images="all", pixel_mm=0.15, prior_share=0, lesions=options)
    return folder


@pytest.fixture(scope="session")
def lesion_exam(lesion_study: Path) -> Exam:
    opener = mr.read_cohort(lesion_study).open_exam
    assert opener is not None
    exam = opener(0)
    assert exam is not None
    return exam
