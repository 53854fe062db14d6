"""The canary: the exam that a service comes with, scored every day, always with one risk.

If its risk changes, then the model, the software, a library or the machine has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Canary:
    """What the event log keeps of a run of the canary.

    Attributes
    ----------
    result : callable
        Scores the exam of the service and returns the result; see
        :func:`mammorisk.service.own_exam.score_own_exam`.
    """

    result: Callable[[], Mapping[str, Any]]

    def __call__(self) -> dict[str, Any]:
        """Score the exam.

        Returns
        -------
        dict
            ``risk`` by horizon, ``model``, ``images_used``, ``software``, ``libraries``,
            ``backend`` and the digests of ``weights`` and ``config``.

        Raises
        ------
        MammoriskError, ScoringStopped, ScoringInterrupted
            The exam was not scored.
        """
        result = self.result()
        provenance = result["provenance"]
        return {
            **{name: result[name] for name in ("risk", "model", "images_used")},
            **{name: provenance[name] for name in ("software", "libraries", "backend")},
            **{name: provenance["sha256"][name] for name in ("weights", "config")},
        }
