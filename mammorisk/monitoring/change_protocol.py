"""ChangeProtocol: how a recalibration is done and judged, fixed before its result is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mammorisk._utils.digests import json_digest
from mammorisk.errors import ServiceError

#: Measures of :attr:`mammorisk.risk_models.recalibrated.RecalibratedModel.calibration`.
Measure = Literal[
    "E/O", "calibration in the large", "calibration slope", "ICI", "Brier score", "AUC"
]


_EXAMPLE = "docs/how-to/monitor.md has an example."


class PassRule(BaseModel):
    """A limit of a measure after the recalibration, on women whom it was not fitted to.

    Attributes
    ----------
    measure : str
    horizon : float
        Years.
    lower, upper : float or None
        The value must lie between them; at least one is given.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    measure: Measure
    horizon: float = Field(gt=0)
    lower: float | None = None
    upper: float | None = None

    @model_validator(mode="after")
    def _has_a_limit(self) -> PassRule:
        if self.lower is None and self.upper is None:
            raise ValueError("lower or upper is needed")
        if self.lower is not None and self.upper is not None and self.lower >= self.upper:
            raise ValueError("lower is not below upper")
        return self


class ChangeProtocol(BaseModel):
    """Protocol of a recalibration.

    Attributes
    ----------
    title, reason : str
    model : str
        Name or folder of the model.
    method : str
        As in :func:`mammorisk.recalibrate`.
    horizons : tuple of float
        Years.
    seed : int
        As in :func:`mammorisk.recalibrate`.
    fewest_cancers : int
        Cancers of the cohort below which nothing passes.
    rules : tuple of PassRule
        All must hold.

    Examples
    --------
    >>> from mammorisk.monitoring.change_protocol import ChangeProtocol
    >>> protocol = ChangeProtocol(
    ...     title="Screening of 2027",
    ...     reason="O/E 1.4 in the report of March",
    ...     model="bcsc-2008",
    ...     horizons=[5],
    ...     fewest_cancers=100,
    ...     rules=[{"measure": "E/O", "horizon": 5, "lower": 0.9, "upper": 1.1}],
    ... )
    >>> len(protocol.sha256)
    64
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str = Field(min_length=1)
    reason: str = Field(min_length=1)
    model: str = Field(min_length=1)
    method: Literal["auto", "intercept", "cloglog", "platt", "beta", "isotonic"] = "auto"
    horizons: tuple[float, ...] = Field(min_length=1)
    seed: int = 0
    fewest_cancers: int = Field(ge=1)
    rules: tuple[PassRule, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _rules_have_horizons(self) -> ChangeProtocol:
        if other := {rule.horizon for rule in self.rules} - set(self.horizons):
            raise ValueError(f"a rule has a horizon that is not recalibrated: {sorted(other)}")
        return self

    @property
    def sha256(self) -> str:
        """Digest of all fields."""
        return json_digest(self.model_dump())


def read_protocol(path: Path) -> ChangeProtocol:
    """Read a protocol from a YAML file.

    Parameters
    ----------
    path : Path

    Raises
    ------
    ServiceError
        The file cannot be read, or a field is missing, unknown or out of range.
    """
    try:
        data: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ServiceError(
            f"the protocol cannot be read ({type(error).__name__})",
            where=path.name,
            remedy=f"Give a YAML file; {_EXAMPLE}",
        ) from None
    if not isinstance(data, dict):
        raise ServiceError(
            "the protocol is not a mapping of fields to values",
            where=path.name,
            remedy=f"Write one field a line, such as 'model: bcsc-2008'; {_EXAMPLE}",
        )
    try:
        return ChangeProtocol.model_validate(data)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, one['loc'])) or 'protocol'}: {one['msg'].lower()}"
            for one in error.errors(include_url=False)
        )
        raise ServiceError(
            faults, where=path.name, remedy=f"Correct these fields; {_EXAMPLE}"
        ) from None
