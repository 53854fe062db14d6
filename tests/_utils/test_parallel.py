"""How many cores a process may use, and work in processes."""

from __future__ import annotations

import os

import pytest

from mammorisk._utils.parallel import imap_processes, usable_cores


def test_no_more_than_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    every = usable_cores()
    assert 1 <= every <= (os.cpu_count() or 1)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert usable_cores() == 1
    for told in ("10000", "", "0", "4,2"):
        monkeypatch.setenv("OMP_NUM_THREADS", told)
        assert usable_cores() == every


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cannot be bound here")
def test_no_more_than_bound_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        assert usable_cores() == 1
    finally:
        os.sched_setaffinity(0, cores)


def test_processes_keep_the_order_and_share() -> None:
    assert list(imap_processes(pow, [3, 1, 2], 2, shared=2)) == [8, 2, 4]


def test_the_first_error_of_a_process_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        list(imap_processes(divmod, [1, 0, 2], 2, shared=5))
