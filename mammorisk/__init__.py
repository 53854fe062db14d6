"""Breast cancer risk from mammograms and what the clinic already knows.

Research software, not a medical device. Names are imported when first used, so that
``import mammorisk`` stays quick and the published models never load torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mammorisk._version import __version__

if TYPE_CHECKING:
    from mammorisk.base import ModelCard, RiskModel
    from mammorisk.evaluation.api import evaluate
    from mammorisk.imaging.plot import plot_exam
    from mammorisk.io import Limits, read_cohort, read_exam
    from mammorisk.models.registry import load_model, models
    from mammorisk.policy import compare_policies, policies, stratify
    from mammorisk.prediction.api import predict
    from mammorisk.prediction.archive import predict_to_file
    from mammorisk.prediction.prediction import Prediction
    from mammorisk.records.acquisition import Acquisition
    from mammorisk.records.cohort import Cohort
    from mammorisk.records.exam import Exam, View
    from mammorisk.records.questionnaire import Questionnaire
    from mammorisk.simulation.simulate import simulate
    from mammorisk.training.fit import fit

_WHERE = {
    "Acquisition": "mammorisk.records.acquisition",
    "Cohort": "mammorisk.records.cohort",
    "compare_policies": "mammorisk.policy",
    "evaluate": "mammorisk.evaluation.api",
    "Exam": "mammorisk.records.exam",
    "Limits": "mammorisk.io",
    "ModelCard": "mammorisk.base",
    "Prediction": "mammorisk.prediction.prediction",
    "Questionnaire": "mammorisk.records.questionnaire",
    "RiskModel": "mammorisk.base",
    "View": "mammorisk.records.exam",
    "fit": "mammorisk.training.fit",
    "load_model": "mammorisk.models.registry",
    "models": "mammorisk.models.registry",
    "plot_exam": "mammorisk.imaging.plot",
    "policies": "mammorisk.policy",
    "predict": "mammorisk.prediction.api",
    "predict_to_file": "mammorisk.prediction.archive",
    "read_cohort": "mammorisk.io",
    "read_exam": "mammorisk.io",
    "simulate": "mammorisk.simulation.simulate",
    "stratify": "mammorisk.policy",
}

__all__ = [
    "Acquisition",
    "Cohort",
    "Exam",
    "Limits",
    "ModelCard",
    "Prediction",
    "Questionnaire",
    "RiskModel",
    "View",
    "__version__",
    "compare_policies",
    "evaluate",
    "fit",
    "load_model",
    "models",
    "plot_exam",
    "policies",
    "predict",
    "predict_to_file",
    "read_cohort",
    "read_exam",
    "simulate",
    "stratify",
]


def __getattr__(name: str) -> Any:
    try:
        module = _WHERE[name]
    except KeyError:
        raise AttributeError(f"module 'mammorisk' has no attribute {name!r}") from None
    value = getattr(import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
