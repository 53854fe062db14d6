"""ReadyCheck: whether the server can score, found out by scoring an exam that it comes with."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from mammorisk.errors import MammoriskError
from mammorisk.service.own_exam import own_images
from mammorisk.service.result_files import RESULT
from mammorisk.service.scorer_process import ScorerProcess
from mammorisk.service.scoring import ScoringInterrupted, ScoringStopped

#: Seconds for which an answer holds.
_HOLDS_S = 300.0
#: Largest difference to the first risk of the same exam.
_TOLERANCE = 1e-6


@dataclass
class ReadyCheck:
    """Scores the exam, unless it was scored in the last minutes by the same process.

    Parameters
    ----------
    scorer : ScorerProcess
    clock : callable
        Returns seconds.
    """

    scorer: ScorerProcess
    clock: Callable[[], float] = time.monotonic
    _first: dict[str, float | None] | None = field(default=None, repr=False)
    _last: dict[str, Any] = field(default_factory=dict, repr=False)
    _at: float = field(default=float("-inf"), repr=False)
    _process: int | None = field(default=None, repr=False)
    _turn: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __call__(self) -> dict[str, Any]:
        """Return ``ready``, ``model``, ``status`` of the exam, ``seconds`` and, if not, ``reason``.

        While an exam of a patient is being scored, the last answer holds.
        """
        with self._turn:
            is_same = self._process is not None and self._process == self.scorer.pid
            holds = self.clock() - self._at < _HOLDS_S or self.scorer.is_busy
            if not (self._last and is_same and holds):
                self._last = self._score()
                self._at, self._process = self.clock(), self.scorer.pid
            return dict(self._last)

    def _score(self) -> dict[str, Any]:
        start = self.clock()
        try:
            result = json.loads(self.scorer(own_images(), None)[RESULT])
        except (MammoriskError, ScoringStopped, ScoringInterrupted) as error:
            return {"ready": False, "reason": f"{type(error).__name__}: {error}"}
        told = {"model": result["model"], "status": result["status"]}
        told["seconds"] = round(self.clock() - start, 3)
        self._first = self._first or result["risk"]
        if not _equal(result["risk"], self._first):
            return {"ready": False, "reason": "the risk of the same exam has changed", **told}
        return {"ready": True, **told}


def _equal(one: dict[str, float | None], other: dict[str, float | None]) -> bool:
    return one.keys() == other.keys() and all(
        (a is None) == (b is None) and abs((a or 0) - (b or 0)) <= _TOLERANCE
        for a, b in zip(one.values(), other.values(), strict=True)
    )
