"""Whatever happens in the child process, the server goes on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mammorisk.errors import ServiceError
from mammorisk.service import scorer_process
from mammorisk.service.scorer_process import ScorerProcess
from mammorisk.service.scoring import ScoringInterrupted, ScoringStopped
from tests.service import scorers


def test_a_crash_a_bomb_and_a_hang() -> None:
    scorer = ScorerProcess(scorers.hostile, seconds=20, memory_bytes=2 * 2**30)
    try:
        pid = int(scorer([Path("ok")], None)["pid"])
        assert pid not in (os.getpid(), 0)
        with pytest.raises(ServiceError, match=r"here: it is refused. Go"):
            scorer([Path("refuse")], None)
        # More memory than allowed is an error of this exam.
        with pytest.raises(ScoringStopped, match="MemoryError"):
            scorer([Path("bomb")], None)
        assert scorer([Path("ok")], None)["pid"] == str(pid).encode()
        assert scorer.starts == 1
        with pytest.raises(ScoringStopped, match="ended during the job"):
            scorer([Path("crash")], None)
        # The next exam gets another process.
        assert int(scorer([Path("ok")], None)["pid"]) != pid
        assert scorer.starts == 2
        scorer._seconds = 0.2
        with pytest.raises(ScoringStopped, match=r"longer than 0.2 s"):
            scorer([Path("hang")], None)
        assert scorer.pid is None
    finally:
        scorer.stop()
    with pytest.raises(ScoringInterrupted):
        scorer([Path("ok")], None)


def test_a_model_that_cannot_be_loaded_is_told_at_the_start() -> None:
    scorer = ScorerProcess(scorers.without_a_model, seconds=20, memory_bytes=2**33)
    with pytest.raises(ServiceError, match="no such model"):
        scorer.start()
    scorer.stop()


def test_a_model_that_is_not_loaded_in_time_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scorer_process, "_SECONDS_TO_START", 0.01)
    scorer = ScorerProcess(scorers.slow_to_load, seconds=20, memory_bytes=2**33)
    with pytest.raises(ServiceError, match=r"not loaded within 0\.01 s\. Check"):
        scorer.start()
    assert scorer.pid is None
    # In operation it is a fault of the machine: the exam is tried again.
    with pytest.raises(ScoringStopped, match="cannot be loaded"):
        scorer([Path("ok")], None)
    scorer.stop()
