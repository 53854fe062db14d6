"""OwnResult: the result of the exam that a service comes with, which holds for some minutes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from mammorisk.errors import MammoriskError
from mammorisk.service.own_exam import score_own_exam
from mammorisk.service.scorer_process import ScorerProcess
from mammorisk.service.scoring import ScoringInterrupted, ScoringStopped

#: Seconds for which a result holds.
_HOLDS_S = 300.0


@dataclass
class OwnResult:
    """Scores the exam, unless it was scored in the last minutes by the same process.

    Parameters
    ----------
    scorer : ScorerProcess
    clock : callable
        Returns seconds.

    Attributes
    ----------
    seconds : float
        How long the last scoring took.
    """

    scorer: ScorerProcess
    clock: Callable[[], float] = time.monotonic
    seconds: float = field(default=0.0, init=False)
    _last: dict[str, Any] | Exception | None = field(default=None, init=False, repr=False)
    _at: float = field(default=float("-inf"), init=False, repr=False)
    _process: int | None = field(default=None, init=False, repr=False)
    _turn: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def __call__(self) -> dict[str, Any]:
        """Return the result. While an exam of a patient is being scored, the last one holds.

        Raises
        ------
        MammoriskError, ScoringStopped, ScoringInterrupted
            The exam was not scored.
        """
        with self._turn:
            is_same = self._process is not None and self._process == self.scorer.pid
            holds = self.clock() - self._at < _HOLDS_S or self.scorer.is_busy
            if self._last is None or not (is_same and holds):
                self._score()
            if isinstance(self._last, Exception):
                raise self._last.with_traceback(None)
            return dict(self._last or {})

    def _score(self) -> None:
        start = self.clock()
        try:
            self._last = score_own_exam(self.scorer)
        except (MammoriskError, ScoringStopped, ScoringInterrupted) as error:
            self._last = error
        self._at, self._process = self.clock(), self.scorer.pid
        self.seconds = round(self._at - start, 3)
