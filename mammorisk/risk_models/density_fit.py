"""DensityFit: risk from age and breast density, fitted on a cohort."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from mammorisk._utils.model_folder import ModelState
from mammorisk._utils.typing import Floats
from mammorisk.base import (
    DEFAULT_HORIZONS,
    Horizon,
    ModelCard,
    RiskModel,
    Scores,
    check_horizons,
)
from mammorisk.clinical.adverse_facts import add_unused_facts
from mammorisk.clinical.answers import Answers
from mammorisk.clinical.exclusions import exclusions
from mammorisk.clinical.notes import Notes, as_object_array
from mammorisk.errors import HorizonError
from mammorisk.records.questionnaire_table import check_frame
from mammorisk.risk_models.storage import card_from

KIND = "density-fit"
_AGE_CENTRE, _AGE_SCALE = 55.0, 10.0
YEARS_FITTED = 5


@dataclass(repr=False, kw_only=True)
class DensityFit(RiskModel):
    """Cox regression on age and density category; a woman without a category has no risk.

    The model refuses women with prior breast cancer, a BRCA1/2 mutation or LCIS, and women outside
    ``card.ages``. They are also excluded from the fit.

    Attributes
    ----------
    card : ModelCard
    coefficients : dict of str to float
        Log hazard ratios: ``age`` (per ten years from 55), ``age2``, categories against b.
    cumulative_hazard : tuple of float
        Cumulative hazard of a woman aged 55 with density b, at 1 ... 5 years.
    logistic : dict of str to float
        The same effects on the log odds of cancer within five years, with ``const``.
    training : dict
    """

    card: ModelCard  # type: ignore[misc]
    coefficients: dict[str, float]
    cumulative_hazard: tuple[float, ...]
    logistic: dict[str, float]
    training: dict[str, Any] = field(default_factory=dict)

    def score(self, frame: pd.DataFrame, horizons: Sequence[Horizon] = DEFAULT_HORIZONS) -> Scores:
        wanted = check_horizons(horizons)
        if not any(h in range(1, YEARS_FITTED + 1) for h in wanted):
            raise HorizonError(
                f"{self.name} answers whole years from 1 to {YEARS_FITTED}",
                remedy="Ask for one of them.",
            )
        clean, problems = check_frame(frame)
        refused = exclusions(clean, problems, self.card.ages)
        applies = np.array([not found for found in refused], dtype=bool)
        design = design_matrix(clean)
        linear = design[list(self.coefficients)].to_numpy() @ np.array(
            list(self.coefficients.values())
        )
        known = design["known"].to_numpy(dtype=bool) & applies
        risk: dict[Horizon, Floats] = {}
        for h in wanted:
            risk[h] = np.full(len(frame), np.nan)
            if h in range(1, YEARS_FITTED + 1):
                hazard = self.cumulative_hazard[int(h) - 1] * np.exp(linear)
                risk[h] = np.where(known, -np.expm1(-hazard), np.nan)
        notes = Notes(len(clean))
        notes.add(~known, "answer-missing", "breast density unknown")
        if self.card.simulated:
            notes.add(known, "trained-on-simulated", self.card.simulated_text)
        add_unused_facts(Answers(clean), notes, self.card.inputs)
        warnings = [own or more for own, more in zip(refused, notes.records(), strict=True)]
        parts = design[list(self.coefficients)] * np.array(list(self.coefficients.values()))
        return Scores(
            risk=pd.DataFrame(risk, index=frame.index),
            warnings=pd.Series(as_object_array(warnings), index=frame.index, dtype=object),
            contributions=parts.where(pd.Series(known, index=parts.index)).set_axis(
                frame.index, axis=0
            ),
        )

    def state(self) -> ModelState:
        return ModelState(
            config={
                "kind": KIND,
                "name": self.card.name,
                "card": asdict(self.card),
                "coefficients": self.coefficients,
                "cumulative_hazard": self.cumulative_hazard,
                "logistic": self.logistic,
                "training": self.training,
            }
        )


def load_density_fit(config: dict[str, Any]) -> DensityFit:
    """Load a saved model from its configuration.

    Raises
    ------
    KeyError, TypeError, ValueError, AttributeError
        The configuration is damaged.
    """
    return DensityFit(
        card=card_from(config),
        coefficients={str(k): float(v) for k, v in config["coefficients"].items()},
        cumulative_hazard=tuple(float(v) for v in config["cumulative_hazard"]),
        logistic={str(k): float(v) for k, v in config["logistic"].items()},
        training=dict(config["training"]),
    )


def design_matrix(clean: pd.DataFrame) -> pd.DataFrame:
    """Covariates of the regression and whether they are known, one row per woman."""
    age = (clean["age"].to_numpy(dtype=float) - _AGE_CENTRE) / _AGE_SCALE
    density = (
        clean["breast_density"].astype(object)
        if "breast_density" in clean
        else pd.Series([None] * len(clean), index=clean.index)
    )
    columns: dict[str, Floats] = {"age": age, "age2": age**2}
    for category in "acd":
        columns[f"density_{category}"] = np.asarray(density == category, dtype=float)
    known = density.notna().to_numpy() & np.isfinite(age)
    return pd.DataFrame({**columns, "known": known}, index=clean.index).fillna(0.0)
