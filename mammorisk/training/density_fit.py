"""The density-fit recipe: risk from age and breast density, fitted on the cohort by lifelines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mammorisk.errors import HorizonError, OutputError, TrainingError
from mammorisk.files import write_whole
from mammorisk.questionnaire_table import check_frame
from mammorisk.recipe import Recipe
from mammorisk.risk_model import (
    DEFAULT_HORIZONS,
    FORMAT_VERSION,
    Horizon,
    ModelCard,
    RiskModel,
    Scores,
    check_horizons,
)

if TYPE_CHECKING:
    from mammorisk.cohort import Cohort

Floats = NDArray[np.float64]

KIND = "density-fit"
_AGE_CENTRE, _AGE_SCALE = 55.0, 10.0
_YEARS = 5


@dataclass(repr=False, kw_only=True)
class DensityFit(RiskModel):
    """Cox regression on age and density category; a woman without a category has no risk.

    Attributes
    ----------
    card : ModelCard
    coefficients : dict of str to float
        Log hazard ratios: ``age`` (per ten years from 55), ``age2``, categories against b.
    cumulative_hazard : tuple of float
        Of a woman of 55 with density b, at 1 ... 5 years.
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
        if not any(h in range(1, _YEARS + 1) for h in wanted):
            raise HorizonError(
                f"{self.name} answers whole years from 1 to {_YEARS}", remedy="Ask for one of them."
            )
        clean, problems = check_frame(frame)
        design = _design(clean)
        linear = design[list(self.coefficients)].to_numpy() @ np.array(
            list(self.coefficients.values())
        )
        known = design["known"].to_numpy(dtype=bool)
        risk: dict[Horizon, Floats] = {}
        for h in wanted:
            risk[h] = np.full(len(frame), np.nan)
            if h in range(1, _YEARS + 1):
                hazard = self.cumulative_hazard[int(h) - 1] * np.exp(linear)
                risk[h] = np.where(known, -np.expm1(-hazard), np.nan)
        flags = problems.where(problems != "", np.where(known, "", "breast density or age unknown"))
        parts = design[list(self.coefficients)] * np.array(list(self.coefficients.values()))
        return Scores(
            risk=pd.DataFrame(risk, index=frame.index),
            flags=pd.Series(flags, index=frame.index, dtype=object),
            contributions=parts.set_index(frame.index),
        )

    def save(self, folder: str | Path) -> Path:
        """Write the model as JSON.

        Raises
        ------
        OutputError
        """
        folder = Path(folder)
        config = {
            "format_version": FORMAT_VERSION,
            "kind": KIND,
            "name": self.card.name,
            "card": asdict(self.card),
            "coefficients": self.coefficients,
            "cumulative_hazard": self.cumulative_hazard,
            "logistic": self.logistic,
            "training": self.training,
        }
        try:
            folder.mkdir(parents=True, exist_ok=True)
            text = json.dumps(config, indent=1)
            write_whole(folder / "config.json", lambda p: p.write_text(text, encoding="utf-8"))
        except OSError as error:
            raise OutputError(
                f"the model cannot be written ({error.strerror})", where=folder.name
            ) from None
        return folder


def load_density_fit(config: dict[str, Any]) -> DensityFit:
    """A saved model from its configuration; KeyError or TypeError where it is damaged."""
    card = dict(config["card"])
    fixed = {name: tuple(card[name]) for name in ("inputs", "required", "ages")}
    return DensityFit(
        card=ModelCard(**{**card, **fixed}),
        coefficients={str(k): float(v) for k, v in config["coefficients"].items()},
        cumulative_hazard=tuple(float(v) for v in config["cumulative_hazard"]),
        logistic={str(k): float(v) for k, v in config["logistic"].items()},
        training=dict(config["training"]),
    )


def fit_density(cohort: Cohort, recipe: Recipe) -> DensityFit:
    """Fit the Cox and the logistic regression.

    Raises
    ------
    TrainingError
        No outcomes or densities, or too few cancers.
    """
    import statsmodels.api as sm
    from lifelines import CoxPHFitter
    from lifelines.exceptions import ConvergenceError

    from mammorisk.training.objectives import censoring_weights
    from mammorisk.training.outcomes import read_outcomes

    outcomes = read_outcomes(cohort.exams)
    clean, _ = check_frame(cohort.questionnaires)
    design = _design(clean)
    use = design["known"].to_numpy(dtype=bool) & (outcomes.weight.numpy() > 0)
    names = [name for name in design.columns if name != "known" and design.loc[use, name].any()]
    table = design.loc[use, names].assign(
        time=outcomes.time.double().numpy()[use].clip(1e-6),
        event=(outcomes.event.numpy()[use] == 1).astype(int),
        entry=outcomes.entry.double().numpy()[use],
        weight=outcomes.weight.double().numpy()[use],
    )
    cancers = int(table["event"].sum())
    if cancers < 2 * len(names):
        raise TrainingError(f"{cancers} cancers among women with a known density: too few")
    try:
        cox = CoxPHFitter().fit(
            table, "time", "event", weights_col="weight", entry_col="entry", robust=True
        )
    except ConvergenceError as error:
        raise TrainingError(f"the Cox regression did not converge ({error})") from None
    hazard = cox.baseline_cumulative_hazard_.iloc[:, 0]
    # lifelines centres the covariates: move the baseline to a woman of 55 with density b.
    shift = float(np.exp(-(cox.params_ * cox._norm_mean).sum()))
    at = np.searchsorted(hazard.index.to_numpy(), np.arange(1, _YEARS + 1), side="right") - 1
    weight = (censoring_weights(outcomes).double().numpy() * outcomes.weight.double().numpy())[use]
    case = ((outcomes.event == 1) & (outcomes.time <= _YEARS)).numpy()[use].astype(float)
    logit = sm.GLM(
        case, sm.add_constant(table[names]), family=sm.families.Binomial(), freq_weights=weight
    ).fit()
    from mammorisk.training.card import card_of

    return DensityFit(
        card=card_of(recipe),
        coefficients={name: float(cox.params_[name]) for name in names},
        cumulative_hazard=tuple(float(hazard.iloc[i]) * shift if i >= 0 else 0.0 for i in at),
        logistic={str(name): float(value) for name, value in logit.params.items()},
        training={"exams": len(table), "cancers": cancers},
    )


def _design(clean: pd.DataFrame) -> pd.DataFrame:
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
