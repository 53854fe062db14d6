"""What a surveillance policy states for one result."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mammorisk._utils.digests import json_digest
from mammorisk.policy.from_age import Scorer, with_risks_from_age
from mammorisk.policy.library import load_policy
from mammorisk.policy.policy import Policy
from mammorisk.policy.stratify import COLUMNS, stratify
from mammorisk.prediction.plain import plain_value

if TYPE_CHECKING:
    import pandas as pd


def policy_result(
    row: pd.DataFrame, policy: str | Path | Policy, score: Scorer | None
) -> dict[str, Any]:
    """Apply a policy to one result.

    A policy can use the risk from a fixed age, such as that between 40 and 50. The same woman is
    then scored at this age, from her questionnaire alone.

    Parameters
    ----------
    row : DataFrame, 1 row
        See :func:`mammorisk.prediction.result_frame.result_frame`.
    policy : str, path or Policy
    score : callable or None
        Scores questionnaires with the model of the result.

    Returns
    -------
    dict
        The columns of :func:`mammorisk.stratify` as plain JSON types, with ``title``, ``sha256`` of
        the policy and ``risks``, the risks that it used by column.

    Raises
    ------
    PolicyError
        The policy cannot be applied.
    """
    chosen = load_policy(policy)
    risks = row if score is None else with_risks_from_age(chosen, row, None, score)
    found = stratify(risks, chosen).iloc[0]
    told: dict[str, Any] = {name: plain_value(found[name]) for name in COLUMNS}
    used = [name for name in _used(chosen) if name in risks.columns]
    return told | {
        "title": chosen.title,
        "sha256": json_digest(chosen.model_dump(mode="json")),
        "risks": {name: plain_value(risks[name].iloc[0]) for name in used},
    }


def _used(policy: Policy) -> list[str]:
    return [
        quantity.column if quantity.from_age_years is not None else quantity.risk_column
        for quantity in policy.quantities.values()
    ]


def marks(policy: Mapping[str, Any]) -> list[str]:
    """Return what a reader must know about a category.

    These are the model, the threshold, unchecked figures, and the cautions of the policy.

    Parameters
    ----------
    policy : mapping
        As :func:`policy_result` returns it, or a row of :func:`mammorisk.stratify`.

    Examples
    --------
    >>> from mammorisk.prediction.policy_result import marks
    >>> marks({"policy_model_match": "off-label", "near_threshold": False, "unverified": ""})
    ['off-label: the policy was not written for this model']
    """
    found = []
    if policy.get("policy_model_match") == "off-label":
        found.append("off-label: the policy was not written for this model")
    if policy.get("near_threshold") is True:
        found.append("near threshold: the risk is close to that of another group")
    if policy.get("unverified"):
        found.append(f"unverified: {policy['unverified']}")
    elif policy.get("status") == "verify":
        found.append("unverified: the policy was not checked against its source")
    cautions = policy.get("cautions")
    return [*found, *(one for one in str(cautions or "").split("; ") if one)]
