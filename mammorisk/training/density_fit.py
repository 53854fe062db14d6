"""Fit of the density-fit recipe: Cox regression (lifelines) and logistic (statsmodels)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mammorisk.clinical.exclusions import exclusions
from mammorisk.errors import TrainingError
from mammorisk.inputs.batches import ALL_AGES
from mammorisk.records.questionnaire_table import check_frame
from mammorisk.risk_models.density_fit import YEARS_FITTED, DensityFit, design_matrix
from mammorisk.risk_models.recipe import Recipe
from mammorisk.training.card import card_of
from mammorisk.training.exclusions import Exclusions
from mammorisk.training.objectives import censoring_weights
from mammorisk.training.outcomes import read_outcomes

if TYPE_CHECKING:
    from mammorisk.records.cohort import Cohort


def fit_density(cohort: Cohort, recipe: Recipe) -> DensityFit:
    """Fit the Cox and the logistic regression.

    Women whom the fitted model would refuse are excluded. The record of the training gives the
    number of excluded rows by reason.

    Parameters
    ----------
    cohort : Cohort
        With outcomes and the column ``breast_density``.
    recipe : Recipe
        Recipe of the kind ``"density-fit"``.

    Returns
    -------
    DensityFit

    Raises
    ------
    TrainingError
        The cohort has no outcomes or densities, or too few cancers.
    """
    import statsmodels.api as sm
    from lifelines import CoxPHFitter
    from lifelines.exceptions import ConvergenceError

    read_outcomes(cohort.exams)
    clean, problems = check_frame(cohort.questionnaires)
    design = design_matrix(clean)
    left_out = Exclusions(len(clean))
    left_out.add_rows_of(cohort)
    left_out.add_refusals(exclusions(clean, problems, ALL_AGES))
    left_out.add(~design["known"].to_numpy(dtype=bool), "breast density unknown")
    outcomes = read_outcomes(cohort.exams, left_out.rows)
    left_out.add(outcomes.weight.numpy() <= 0, "weight 0")
    use = ~left_out.rows
    names = [name for name in design.columns if name != "known" and design.loc[use, name].any()]
    # A woman who died stays at risk without cancer, as in the other recipes, so that the risk is
    # one in the presence of death.
    died = (outcomes.event == 2).numpy()
    time = np.where(died, outcomes.planned_time.double().numpy(), outcomes.time.double().numpy())
    table = design.loc[use, names].assign(
        time=time[use].clip(1e-6),
        event=(outcomes.event.numpy()[use] == 1).astype(int),
        entry=outcomes.entry.double().numpy()[use],
        weight=outcomes.weight.double().numpy()[use],
    )
    cancers = int(table["event"].sum())
    if not names or cancers < 2 * len(names):
        raise TrainingError(
            f"{cancers} cancers among women with a known density: too few",
            remedy="Densities are the BI-RADS categories a to d; 1 to 4 are not read.",
        )
    try:
        cox = CoxPHFitter().fit(
            table, "time", "event", weights_col="weight", entry_col="entry", robust=True
        )
    except ConvergenceError as error:
        raise TrainingError(f"the Cox regression did not converge ({error})") from None
    hazard = cox.baseline_cumulative_hazard_.iloc[:, 0]
    # lifelines centres the covariates. The baseline is moved to a woman of 55 with density b.
    shift = float(np.exp(-(cox.params_ * cox._norm_mean).sum()))
    at = np.searchsorted(hazard.index.to_numpy(), np.arange(1, YEARS_FITTED + 1), side="right") - 1
    weight = (censoring_weights(outcomes).double().numpy() * outcomes.weight.double().numpy())[use]
    case = ((outcomes.event == 1) & (outcomes.time <= YEARS_FITTED)).numpy()[use].astype(float)
    logit = sm.GLM(
        case, sm.add_constant(table[names]), family=sm.families.Binomial(), freq_weights=weight
    ).fit()
    seen = clean["age"].to_numpy(dtype=float)[use]
    ages = float(seen.min()), float(seen.max())
    return DensityFit(
        card=card_of(recipe, ages),
        coefficients={name: float(cox.params_[name]) for name in names},
        cumulative_hazard=tuple(float(hazard.iloc[i]) * shift if i >= 0 else 0.0 for i in at),
        logistic={str(name): float(value) for name, value in logit.params.items()},
        training={
            "exams": len(table),
            "cancers": cancers,
            "ages": list(ages),
            "excluded": left_out.counts,
        },
    )
