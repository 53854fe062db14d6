"""Breast cancer risk from mammograms and what the clinic already knows.

Research software, not a medical device. Names are imported when first used, so that
``import mammorisk`` stays quick and the published models never load torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mammorisk._version import __version__

if TYPE_CHECKING:
    from mammorisk.acquisition import Acquisition
    from mammorisk.batch import predict_to_file
    from mammorisk.cohort import Cohort
    from mammorisk.evaluating import evaluate
    from mammorisk.exam import Exam, View
    from mammorisk.imaging.plot import plot_exam
    from mammorisk.io import Limits, read_cohort, read_exam
    from mammorisk.model import load_model, models
    from mammorisk.policy import compare_policies, policies, stratify
    from mammorisk.predicting import predict
    from mammorisk.prediction import Prediction
    from mammorisk.questionnaire import Questionnaire
    from mammorisk.risk_model import ModelCard, RiskModel
    from mammorisk.simulation.simulate import simulate
    from mammorisk.training.fit import fit

_WHERE = {
    "Acquisition": "mammorisk.acquisition",
    "Cohort": "mammorisk.cohort",
    "compare_policies": "mammorisk.policy",
    "evaluate": "mammorisk.evaluating",
    "Exam": "mammorisk.exam",
    "Limits": "mammorisk.io",
    "ModelCard": "mammorisk.risk_model",
    "Prediction": "mammorisk.prediction",
    "Questionnaire": "mammorisk.questionnaire",
    "RiskModel": "mammorisk.risk_model",
    "View": "mammorisk.exam",
    "fit": "mammorisk.training.fit",
    "load_model": "mammorisk.model",
    "models": "mammorisk.model",
    "plot_exam": "mammorisk.imaging.plot",
    "policies": "mammorisk.policy",
    "predict": "mammorisk.predicting",
    "predict_to_file": "mammorisk.batch",
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
