"""What scores an exam for a service, and how scoring can end without a result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

#: Makes the files of an exam from its images and the report of an earlier job.
Scorer = Callable[[Sequence[Path], "Path | None"], dict[str, bytes]]


class ScoringStopped(Exception):
    """Scoring ended without a result, for example with its process. Another try may succeed."""


class ScoringInterrupted(Exception):
    """Scoring was ended because the service stops. It is no try."""
