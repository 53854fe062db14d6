"""The canary: the exam that a service comes with, scored every day, always with one risk.

If its risk changes, then the model, the software, a library or the machine has changed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from mammorisk.service.own_exam import own_images
from mammorisk.service.result_files import RESULT
from mammorisk.service.scoring import Scorer


@dataclass(frozen=True, kw_only=True)
class Canary:
    """Scores the exam of the service.

    Attributes
    ----------
    score : callable
        The scorer of the service.
    """

    score: Scorer

    def __call__(self) -> dict[str, Any]:
        """Return what the event log keeps of a run of the canary.

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
        result = json.loads(self.score(own_images(), None)[RESULT])
        provenance = result["provenance"]
        return {
            **{name: result[name] for name in ("risk", "model", "images_used")},
            **{name: provenance[name] for name in ("software", "libraries", "backend")},
            **{name: provenance["sha256"][name] for name in ("weights", "config")},
        }
