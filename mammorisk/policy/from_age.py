"""Risks from a fixed age, such as those between 40 and 50, for policies that use them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from mammorisk._utils.text import text_array
from mammorisk.base import Horizon, Scores
from mammorisk.errors import HorizonError, PolicyError
from mammorisk.policy.policy import Policy
from mammorisk.policy.reading import column
from mammorisk.policy.refused import refusals
from mammorisk.records.questionnaire_fields import FIELDS

#: Scores a table of questionnaires at horizons.
Scorer = Callable[[pd.DataFrame, tuple[Horizon, ...]], Scores]


def with_risks_from_age(
    policy: Policy, risks: pd.DataFrame, other: pd.DataFrame | None, score: Scorer
) -> pd.DataFrame:
    """Add the risks from a fixed age that a policy uses.

    Each woman is scored at that age, with her other answers unchanged, except a later menopause
    and a later first birth.

    Parameters
    ----------
    policy : Policy
    risks : DataFrame, n rows
        With the Questionnaire fields, unless ``other`` has them.
    other : DataFrame, n rows, or None
        Fields in the order of ``risks``; they take precedence.
    score : callable
        Scores questionnaires with the model of the risks.

    Returns
    -------
    DataFrame
        ``risks`` with columns such as ``risk_10y_at_40``; NaN where no policy applies or the model
        does not apply at that age, for which ``risk_10y_at_40_reason`` has the reason. A column
        that is there is kept.

    Raises
    ------
    PolicyError
        The model does not answer the horizon.
    """
    refused = pd.notna(refusals(risks))
    for quantity in policy.quantities.values():
        if quantity.from_age_years is None or quantity.column in risks.columns:
            continue
        found = {name: column(name, risks, other) for name in FIELDS}
        women = pd.DataFrame(
            {name: values for name, values in found.items() if values is not None},
            index=risks.index,
        ).assign(age=quantity.from_age_years)
        women = _without_later(women, quantity.from_age_years)
        try:
            scores = score(women.reset_index(drop=True), (quantity.horizon_years,))
        except HorizonError as error:
            raise PolicyError(
                f"the policy needs the {quantity.words}: {error.what}",
                where=policy.id,
                remedy="Use a model that answers it, such as icare-lit.",
            ) from None
        values = np.where(refused, np.nan, scores.risk.to_numpy(dtype=float)[:, 0])
        reasons = np.full(len(risks), None, dtype=object)
        for row in np.flatnonzero(np.isnan(values) & ~refused):
            told = [one.text for one in scores.warnings.iloc[row] if one.severity == "refusal"]
            reasons[row] = "; ".join(told) or None
        risks = risks.assign(**{quantity.column: values})
        risks[quantity.reason_column] = text_array(reasons)
    return risks


def _without_later(women: pd.DataFrame, age_years: float) -> pd.DataFrame:
    """Leave out a menopause and births after an age, at which she had not had them."""

    def later(name: str) -> pd.Series:
        return pd.to_numeric(women[name], errors="coerce") > age_years

    if "age_menopause" in women:
        women = women.assign(age_menopause=women["age_menopause"].mask(later("age_menopause")))
    if "age_first_birth" in women:
        is_later = later("age_first_birth")
        births = women["parity"] if "parity" in women else pd.Series(np.nan, index=women.index)
        women = women.assign(
            # All her births were after the first one.
            parity=births.astype(object).mask(is_later, 0),
            age_first_birth=women["age_first_birth"].mask(is_later),
        )
    return women
