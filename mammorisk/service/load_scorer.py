"""load_scorer(): the scorer of a service, with its model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mammorisk.service.exam_job import ExamScorer


def load_scorer(
    model: str | None, formats: Sequence[str], *, identity: bool, allow_missing_views: bool
) -> ExamScorer:
    """Load a model, once for all exams, and return the scorer.

    Parameters
    ----------
    model : str or None
        Name or folder. None for the default.
    formats, identity, allow_missing_views
        See :class:`mammorisk.service.exam_job.ExamScorer`.

    Raises
    ------
    MammoriskError
        The model cannot be loaded.
    """
    # Here, so that a process that does not score has no need of these libraries.
    from mammorisk.prediction.default_model import default_model
    from mammorisk.risk_models.registry import load_model
    from mammorisk.service.exam_job import ExamScorer

    return ExamScorer(
        model=default_model(has_images=True) if model is None else load_model(model),
        formats=formats,
        identity=identity,
        allow_missing_views=allow_missing_views,
    )
