"""PredictionResult: what a prediction says of one woman, as values, JSON and a table."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mammorisk._utils.style import NOTICE
from mammorisk.policy.from_age import Scorer
from mammorisk.prediction.plain import plain_series
from mammorisk.prediction.provenance import SCHEMA_VERSION
from mammorisk.prediction.result_frame import result_frame
from mammorisk.prediction.status import Status, status_of
from mammorisk.records.dicom_source import DicomSource
from mammorisk.warnings import Warnings

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from mammorisk.findings.findings import Findings
    from mammorisk.risk_models.hybrid.saliency import Explanation

#: Level of the intervals of the models.
INTERVAL_LEVEL = 0.95
_ESTIMAND = "absolute risk given the inputs that were used"


@dataclass(frozen=True, kw_only=True, repr=False)
class PredictionResult:
    """The values of a prediction. :class:`mammorisk.Prediction` describes them."""

    model: str
    risk: pd.Series
    baselines: pd.DataFrame
    contributions: pd.Series
    density: dict[str, Any] = field(default_factory=dict)
    warnings: Warnings = ()
    images_used: bool = False
    provenance: dict[str, Any] = field(default_factory=dict)
    interval: pd.DataFrame | None = None
    answers: dict[str, Any] = field(default_factory=dict)
    policy: dict[str, Any] | None = None
    findings: Findings | None = None
    sources: tuple[DicomSource, ...] = field(default=(), compare=False)
    explainer: Callable[[str], Explanation] | None = field(default=None, compare=False)
    scorer: Scorer | None = field(default=None, compare=False)

    @property
    def five_year(self) -> float:
        """Absolute risk over five years. NaN if the model gives none."""
        return float(self.risk.get(5, math.nan))

    @property
    def has_risk(self) -> bool:
        """Whether there is a risk at any horizon."""
        return bool(self.risk.notna().any())

    @property
    def status(self) -> Status:
        """``"done"``, ``"incomplete"``, ``"unusable"`` or ``"refused"``.

        ``"incomplete"``: there is no risk because a value is not known or the horizon is not
        answered. ``"unusable"``: the input is faulty. ``"refused"``: the model does not apply.
        """
        return status_of(self.has_risk, [one.code for one in self.warnings])

    def to_dict(self) -> dict[str, Any]:
        """Return all fields as plain JSON types.

        Returns
        -------
        dict
            It follows :func:`mammorisk.result_schema`. A missing risk is None. No field has a name,
            an identifier or a date of the patient.

        See Also
        --------
        mammorisk.result_schema : JSON Schema of the result.

        Examples
        --------
        >>> import mammorisk as mr
        >>> prediction = mr.predict(mr.Questionnaire(age=54), model="bcrat", horizons=5)
        >>> {year: round(risk, 4) for year, risk in prediction.to_dict()["risk"].items()}
        {'5': 0.0075}
        """
        provenance = dict(self.provenance)
        return {
            "schema_version": SCHEMA_VERSION,
            "key": provenance.pop("key", None),
            "created_utc": provenance.pop("created_utc", None),
            "status": self.status,
            "model": self.model,
            "unit": "probability",
            "risk": plain_series(self.risk),
            "baselines": {name: plain_series(row) for name, row in self.baselines.iterrows()},
            "contributions": plain_series(self.contributions),
            "interval": None
            if self.interval is None
            else {"level": INTERVAL_LEVEL, "estimand": _ESTIMAND}
            | {name: plain_series(self.interval[name]) for name in ("lower", "upper")},
            "density": self.density,
            "answers": self.answers,
            "images_used": self.images_used,
            "warnings": [one.to_dict() for one in self.warnings],
            "policy": self.policy,
            "findings": None if self.findings is None else self.findings.to_dict(),
            "provenance": provenance,
            "notice": NOTICE,
        }

    def to_frame(self) -> pd.DataFrame:
        """Return the result as a table of one row, with the columns of the table of a cohort.

        Returns
        -------
        DataFrame, 1 row
            ``model``, ``risk_1y`` ..., ``images_used``, ``warnings``, ``warning_codes`` and the
            known answers.

        See Also
        --------
        mammorisk.stratify : Accepts a prediction as well as a table.

        Examples
        --------
        >>> import mammorisk as mr
        >>> prediction = mr.predict(mr.Questionnaire(age=54), model="bcrat", horizons=5)
        >>> prediction.to_frame()[["model", "age"]].values.tolist()
        [['bcrat', 54.0]]
        """
        return result_frame(self.to_dict())
