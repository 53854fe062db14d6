"""The exam that a service comes with. It is always the same, and so must be its risk."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from mammorisk.service.result_files import RESULT
from mammorisk.service.scoring import Scorer

#: Largest absolute difference between two risks of the exam that are the same.
TOLERANCE = 1e-6
#: Folder of four small simulated views, compressed, so that a decoder is needed too, and answers.
#: ``benchmarks/make_own_exam.py`` made the views.
_FOLDER = "exam_of_the_service"


def own_images() -> list[Path]:
    """Return the images of the exam. The answers of the woman lie beside them."""
    return sorted(Path(str(files("mammorisk.service") / _FOLDER)).glob("*.dcm"))


def score_own_exam(score: Scorer) -> dict[str, Any]:
    """Score the exam.

    Parameters
    ----------
    score : callable
        The scorer of the service.

    Returns
    -------
    dict
        The result, as :meth:`mammorisk.Prediction.to_dict` returns it.

    Raises
    ------
    MammoriskError, ScoringStopped, ScoringInterrupted
        The exam was not scored.
    """
    result: dict[str, Any] = json.loads(score(own_images(), None)[RESULT])
    return result


def risk_difference(a: Mapping[str, float | None], b: Mapping[str, float | None]) -> float:
    """Return the largest absolute difference of two risks by horizon.

    It is infinite where only one of them has a risk.

    Examples
    --------
    >>> from mammorisk.service.own_exam import risk_difference
    >>> risk_difference({"5": 0.25}, {"5": 0.5}), risk_difference({"5": 0.25}, {"5": None})
    (0.25, inf)
    """
    found = 0.0
    for horizon in a.keys() | b.keys():
        one, other = a.get(horizon), b.get(horizon)
        if one is None or other is None:
            found = max(found, 0.0 if one is other else float("inf"))
        else:
            found = max(found, abs(one - other))
    return found
