"""Three small exams, one of them damaged."""

from __future__ import annotations

from pathlib import Path

import pytest

import mammorisk as mr
from mammorisk.records.cohort import Cohort


@pytest.fixture(scope="session")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("embed")
    study = mr.simulate(200, seed=8, out=folder, images=3, pixel_mm=2.0, prior_share=0)
    damaged = sorted((folder / str(study.cohort.exams["path"].iloc[1])).iterdir())[0]
    damaged.write_bytes(damaged.read_bytes()[:3_000])
    return folder / "manifest.parquet"


@pytest.fixture(scope="session")
def cohort(manifest: Path) -> Cohort:
    return mr.read_cohort(manifest)
