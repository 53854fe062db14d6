"""Reading of exams, manifests and tables."""

from __future__ import annotations

from mammorisk.io.limits import Limits
from mammorisk.io.manifest import read_cohort
from mammorisk.io.read_exam import read_exam

__all__ = ["Limits", "read_cohort", "read_exam"]
