"""ReadyCheck: whether the server can score, found out by scoring an exam that it comes with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mammorisk.errors import MammoriskError
from mammorisk.service.own_exam import TOLERANCE, risk_difference
from mammorisk.service.own_result import OwnResult
from mammorisk.service.scoring import ScoringInterrupted, ScoringStopped


@dataclass
class ReadyCheck:
    """Tells whether the exam is scored, and with the same risk as the first time.

    Parameters
    ----------
    own : OwnResult
    """

    own: OwnResult
    _first: dict[str, float | None] | None = field(default=None, init=False, repr=False)

    def __call__(self) -> dict[str, Any]:
        """Return ``ready``, ``model``, ``status`` of the exam, ``seconds`` and any ``reason``."""
        try:
            result = self.own()
        except (MammoriskError, ScoringStopped, ScoringInterrupted) as error:
            return {"ready": False, "reason": f"{type(error).__name__}: {error}"}
        told = {"model": result["model"], "status": result["status"], "seconds": self.own.seconds}
        self._first = self._first or result["risk"]
        if risk_difference(result["risk"], self._first) > TOLERANCE:
            return {"ready": False, "reason": "the risk of the same exam has changed", **told}
        return {"ready": True, **told}
