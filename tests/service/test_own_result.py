"""The exam of the service: scored once for the canary and for the check at the start."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from mammorisk.errors import ModelError
from mammorisk.service.canary import Canary
from mammorisk.service.own_exam import own_images
from mammorisk.service.own_result import OwnResult
from mammorisk.service.ready_check import ReadyCheck

DIGESTS = {"weights": "w", "config": "c"}
PROVENANCE = {"software": "s", "libraries": {}, "backend": "numpy", "sha256": DIGESTS}


class Scorer:
    """A scorer in a process that can be busy, be another one, give another risk or fail."""

    def __init__(self) -> None:
        self.pid, self.is_busy, self.calls, self.risk = 1, False, 0, 0.01
        self.error: Exception | None = None

    def __call__(self, files: Sequence[Path], predecessor: Path | None) -> dict[str, bytes]:
        assert list(files) == own_images()
        self.calls += 1
        if self.error is not None:
            raise self.error
        told = {"status": "done", "model": "m", "images_used": True, "risk": {"5": self.risk}}
        return {"result.json": json.dumps({**told, "provenance": PROVENANCE}).encode()}


def test_one_scoring_serves_the_canary_and_the_check() -> None:
    scorer, now = Scorer(), 0.0
    own = OwnResult(scorer, clock=lambda: now)  # type: ignore[arg-type]
    ready, canary = ReadyCheck(own), Canary(result=own)
    told: dict[str, Any] = {"ready": True, "model": "m", "status": "done", "seconds": 0.0}
    assert ready() == told
    assert canary()["risk"] == {"5": 0.01}
    assert scorer.calls == 1
    # Old, but an exam of a patient is being scored; then old; then of another process.
    now, scorer.is_busy = 301.0, True
    assert (ready(), scorer.calls) == (told, 1)
    scorer.is_busy = False
    assert (ready(), scorer.calls) == (told, 2)
    scorer.pid = 2
    assert (ready(), scorer.calls) == (told, 3)
    now, scorer.risk = 602.0, 0.01 + 2e-6
    assert ready() == {**told, "ready": False, "reason": "the risk of the same exam has changed"}


def test_an_error_is_told_to_both() -> None:
    scorer = Scorer()
    own = OwnResult(scorer)  # type: ignore[arg-type]
    scorer.error = ModelError("no weights", remedy="Get them.")
    reason = "ModelError: no weights. Get them."
    assert ReadyCheck(own)() == {"ready": False, "reason": reason}
    with pytest.raises(ModelError):
        Canary(result=own)()
    assert scorer.calls == 1
