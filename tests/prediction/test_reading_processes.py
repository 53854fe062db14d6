"""Exams read in processes: the same results as in threads, and a crash costs one exam."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pandas as pd
import pytest
from threadpoolctl import ThreadpoolController

import mammorisk as mr
from mammorisk.prediction import network_threads, reading_processes
from mammorisk.records.cohort import Cohort
from mammorisk.records.exam import Exam
from mammorisk.risk_models.hybrid.model import HybridModel

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
    # A small network has fewer threads beside processes. Its risks are the same to the last bit.
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


@pytest.fixture
def two_threads() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


class _Seen(Exception):
    pass


@pytest.mark.usefixtures("two_processes", "two_threads")
@pytest.mark.parametrize(("light", "threads"), [(True, 1), (False, 2)])
def test_a_light_network_has_one_thread_while_processes_read(
    cohort: Cohort, light: bool, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    model = mr.load_model("hybrid")
    assert isinstance(model, HybridModel)
    assert model.is_light
    seen = []

    def score(*arguments: object) -> NoReturn:
        seen.append(torch.get_num_threads())
        with ThreadPoolExecutor(1) as other:
            seen.append(other.submit(torch.get_num_threads).result())
        raise _Seen

    monkeypatch.setattr(HybridModel, "is_light", light)
    monkeypatch.setattr(HybridModel, "score_exams", score)
    with pytest.raises(_Seen):
        mr.predict(cohort, model=model)
    # Another thread, and this one after the error, have all.
    assert [*seen, torch.get_num_threads()] == [threads, 2, 2]


@pytest.mark.usefixtures("two_threads")
def test_few_threads_are_never_more_than_before(monkeypatch: pytest.MonkeyPatch) -> None:
    import sklearn.ensemble  # noqa: F401
    import torch

    monkeypatch.setattr(network_threads, "usable_cores", lambda: 64)
    pools = ThreadpoolController().select(user_api="openmp")
    with ExitStack() as limits:
        # Another runtime in the process has one thread; that is not the limit of the network.
        for pool in pools.info():
            if Path(torch.__file__).parent not in Path(pool["filepath"]).parents:
                limits.enter_context(pools.select(filepath=pool["filepath"]).limit(limits=1))
        with network_threads.few_threads():
            assert torch.get_num_threads() == 2
    monkeypatch.setattr(network_threads, "usable_cores", lambda: 7)
    with network_threads.few_threads():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("two_threads")
def test_few_threads_in_a_thread_that_is_new_to_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(network_threads, "usable_cores", lambda: 4)
    seen = []

    def work() -> None:
        with network_threads.few_threads():
            seen.append(torch.get_num_threads())
        seen.append(torch.get_num_threads())

    with ThreadPoolExecutor(1) as other:
        other.submit(work).result()
    assert seen == [1, 2]
