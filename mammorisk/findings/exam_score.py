"""Exam score: tenth of a named reference set to which the highest score of an exam belongs."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mammorisk._utils.output_file import write_output
from mammorisk._utils.typing import Floats
from mammorisk.errors import EvaluationError, UnreadableFile
from mammorisk.findings.candidate import TYPES

#: Fewest exams of a reference set. Its lowest tenth then has ten exams.
FEWEST_EXAMS = 100


class HasScores(Protocol):
    """A view with the highest score of each type, such as a FoundView."""

    @property
    def scores(self) -> Mapping[str, float]: ...


class HasViews(Protocol):
    """The result for one exam, such as Findings."""

    @property
    def views(self) -> Sequence[HasScores]: ...

    @property
    def model(self) -> str: ...

    @property
    def simulated(self) -> bool: ...


@dataclass(frozen=True, kw_only=True, eq=False)
class ReferenceScores:
    """Highest scores of the exams of a reference set, by one detector.

    Parameters
    ----------
    name : str
        Name of the set, such as ``"screening exams of one centre, 2024"``. It is part of each
        result.
    model : str
        Name of the detector.
    scores : array_like, shape (n,)
        Highest score of each exam; at least 100 exams. An exam that is typical of those to be
        scored: in a screening set, most are without cancer.
    types : tuple of str
        Types that were searched in all of its exams. Only these count.
    simulated : bool
        Whether the detector was trained on simulated exams, or the exams are simulated.

    Raises
    ------
    EvaluationError
        There are fewer than 100 exams, a score is missing or infinite, or there is no name.

    See Also
    --------
    mammorisk.find : Takes a reference set to give the exam score.
    mammorisk.metrics.triage_curve : Cancers among exams that are not read.

    Notes
    -----
    Tenths of a set with mostly normal exams follow the exam score of Rodriguez-Ruiz 2019, where
    each score from 1 to 10 has about a tenth of screening exams. Its two published operating points
    (:data:`mammorisk.metrics.PUBLISHED_TRIAGE_POINTS`) belong to another detector: they are shown
    for comparison and say nothing about this one. Scores of simulated exams, or of a detector that
    was trained on them, say nothing about the reading that could be saved.

    References
    ----------
    Rodriguez-Ruiz 2019, doi 10.1007/s00330-019-06186-9.

    Examples
    --------
    >>> import numpy as np
    >>> from mammorisk.findings import ReferenceScores
    >>> scores = np.random.default_rng(0).beta(2, 5, 1000)
    >>> reference = ReferenceScores(name="made-up exams", model="findings-sim", scores=scores)
    >>> reference
    <ReferenceScores: made-up exams, 1000 exams by findings-sim>
    >>> [reference.exam_score(score) for score in (0.02, 0.3, 0.9)]
    [1.0, 7.0, 10.0]
    """

    name: str
    model: str
    scores: Floats = field(repr=False)
    types: tuple[str, ...] = TYPES
    simulated: bool = False

    def __post_init__(self) -> None:
        values = np.sort(np.asarray(self.scores, dtype=np.float64).ravel())
        if not self.name.strip():
            raise EvaluationError("the reference set has no name", where="name")
        unknown = [kind for kind in self.types if kind not in TYPES]
        if unknown or not self.types:
            raise EvaluationError(
                f"{', '.join(unknown) or 'nothing'} is not a type of lesion",
                where="types",
                remedy=f"Types are {', '.join(TYPES)}.",
            )
        if len(values) < FEWEST_EXAMS:
            raise EvaluationError(
                f"{len(values)} exams are too few for tenths of a reference set",
                where="scores",
                remedy=f"Give at least {FEWEST_EXAMS}.",
            )
        if not np.isfinite(values).all():
            raise EvaluationError("a score of the reference set is missing", where="scores")
        values.setflags(write=False)
        object.__setattr__(self, "scores", values)
        object.__setattr__(self, "types", tuple(self.types))

    @classmethod
    def from_findings(cls, name: str, found: Iterable[HasViews]) -> ReferenceScores:
        """Make the reference set of the results of :func:`mammorisk.find` for many exams.

        Parameters
        ----------
        name : str
        found : iterable of Findings
            Of one detector.

        Raises
        ------
        EvaluationError
            They are of several detectors, or fewer than 100.
        """
        exams = list(found)
        models = sorted({one.model for one in exams})
        if len(models) > 1:
            raise EvaluationError(
                f"the exams were searched by {' and '.join(models)}", where="found"
            )
        types = tuple(kind for kind in TYPES if all(kind in _searched(one.views) for one in exams))
        return cls(
            name=name,
            model=models[0] if models else "",
            scores=np.array([highest_score(one.views, types) for one in exams]),
            types=types or TYPES,
            simulated=any(one.simulated for one in exams),
        )

    def exam_score(self, score: float) -> float:
        """Tenth to which a score belongs, 1 (lowest) to 10; NaN for NaN.

        A score that is equal to the border of two tenths belongs to the lower one.
        """
        if math.isnan(score):
            return math.nan
        return float(1 + np.searchsorted(self._borders, score, side="left"))

    @cached_property
    def _borders(self) -> Floats:
        """Borders of the tenths."""
        return np.asarray(np.quantile(self.scores, np.arange(1, 10) / 10))

    def save(self, path: str | Path) -> Path:
        """Write the set as JSON.

        Raises
        ------
        OutputError
            The file cannot be written.
        """
        told: dict[str, Any] = {
            "name": self.name,
            "model": self.model,
            "types": list(self.types),
            "simulated": self.simulated,
            "scores": [round(float(value), 6) for value in self.scores],
        }
        text = json.dumps(told, allow_nan=False) + "\n"
        return write_output(Path(path), text, "the reference scores")

    @classmethod
    def load(cls, path: str | Path) -> ReferenceScores:
        """Read a set that :meth:`save` wrote.

        Raises
        ------
        UnreadableFile
            The file cannot be read or is not such a set.
        """
        try:
            told = json.loads(Path(path).read_text(encoding="utf-8"))
            return cls(
                name=str(told["name"]),
                model=str(told["model"]),
                scores=np.array(told["scores"], dtype=np.float64),
                types=tuple(told["types"]),
                simulated=bool(told["simulated"]),
            )
        except (OSError, UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
            if isinstance(error, EvaluationError):
                raise
            raise UnreadableFile(
                "the file has no reference scores",
                remedy="Give a file that ReferenceScores.save wrote.",
                source=str(path),
            ) from None

    def __repr__(self) -> str:
        return f"<ReferenceScores: {self.name}, {len(self.scores)} exams by {self.model}>"


def score_exam(
    views: Sequence[HasScores], reference: ReferenceScores | None, *, model: str | None = None
) -> float:
    """Return the exam score of an exam, 1-10.

    Parameters
    ----------
    views : sequence of FoundView
        With the highest score of each type.
    reference : ReferenceScores or None
    model : str, optional
        Name of the detector that gave the scores.

    Returns
    -------
    float
        NaN without a reference set, and if a type of the reference set was not searched in the
        exam.

    Raises
    ------
    EvaluationError
        The reference set is of another detector.
    """
    if reference is None:
        return math.nan
    if model is not None and model != reference.model:
        raise EvaluationError(
            f"the reference scores are of {reference.model}, and the exam was searched by {model}",
            where="reference",
            remedy="Scores of two detectors cannot be compared: make a reference set with this "
            "detector.",
        )
    if not set(reference.types) <= _searched(views):
        return math.nan
    return reference.exam_score(highest_score(views, reference.types))


def highest_score(views: Sequence[HasScores], types: Sequence[str] = TYPES) -> float:
    """Return the highest score of an exam; NaN if nothing was searched."""
    found = [view.scores.get(kind, math.nan) for view in views for kind in types]
    known = [score for score in found if not math.isnan(score)]
    return max(known, default=math.nan)


def _searched(views: Sequence[HasScores]) -> set[str]:
    """Types that were searched in every view."""
    return {
        kind
        for kind in TYPES
        if views and all(not math.isnan(view.scores.get(kind, math.nan)) for view in views)
    }
