"""Exams read in processes: the same results as in threads, and a crash costs one exam."""

from __future__ import annotations

import os
import sys
from dataclasses import replace

import pandas as pd
import pytest

import mammorisk as mr
from mammorisk.prediction import reading_processes
from mammorisk.records.cohort import Cohort
from mammorisk.records.exam import Exam

pytestmark = [
    pytest.mark.networks,
    pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux alone"),
]


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    folder = tmp_path_factory.mktemp("study")
    mr.simulate(40, seed=3, out=folder, images=5, pixel_mm=1.25, prior_share=0.5)
    return mr.read_cohort(folder)


@pytest.fixture
def two_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading_processes, "usable_cores", lambda: 2)
    monkeypatch.setattr(reading_processes, "FEWEST_EXAMS", 2)


@pytest.mark.parametrize("model", ["hybrid", "density-only"])
def test_processes_and_threads_give_the_same(
    cohort: Cohort, model: str, request: pytest.FixtureRequest
) -> None:
    in_threads = mr.predict(cohort, model=model)
    request.getfixturevalue("two_processes")
    in_processes = mr.predict(cohort, model=model)
    pd.testing.assert_frame_equal(in_processes, in_threads)
    assert in_processes["risk_5y"].notna().all()


@pytest.mark.usefixtures("two_processes")
def test_an_exam_that_ends_its_process_is_one_unreadable_exam(cohort: Cohort) -> None:
    parent, open_exam = os.getpid(), cohort.open_exam
    assert open_exam is not None

    def ends(row: int) -> Exam | None:
        if row == 2 and os.getpid() != parent:
            os._exit(11)
        return open_exam(row)

    whole = mr.predict(cohort, model="hybrid")
    found = mr.predict(replace(cohort, open_exam=ends), model="hybrid")
    told = [str(one) for one in found["warnings"]]
    assert [row for row, one in enumerate(told) if "ended abruptly" in one] == [2]
    assert not found["images_used"].iloc[2]
    others = [row for row in range(len(cohort)) if row != 2]
    pd.testing.assert_series_equal(
        found["risk_5y"].iloc[others], whole["risk_5y"].iloc[others], check_exact=True
    )
