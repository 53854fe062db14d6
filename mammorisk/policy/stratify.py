"""stratify(): application of a surveillance policy to a table of risks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mammorisk._utils.text import text_array
from mammorisk.base import RiskModel
from mammorisk.errors import PolicyError
from mammorisk.policy.assign import Assignment, assign, rule_words, unknown_words
from mammorisk.policy.from_age import with_risks_from_age
from mammorisk.policy.library import load_policy, thresholds
from mammorisk.policy.matching import Match, match_models
from mammorisk.policy.policy import Policy
from mammorisk.policy.reading import as_table, beside, doubts

#: Part of every result. Even cleared devices give no care recommendations.
NOTICE = "Research software: what a published policy states, not care advice."
NOT_APPLICABLE = "not_applicable"
#: Relative distance within which a risk without an interval is near a cut point. An assumption.
NEAR_MARGIN = 0.1

COLUMNS = (
    "category",
    "label",
    "modality",
    "interval_months",
    "interval_months_max",
    "start_age",
    "strength",
    "reason",
    "near_threshold",
    "policy_model_match",
    "cautions",
    "status",
    "unverified",
    "policy",
    "policy_version",
    "source",
    "read_on",
    "notice",
)


def stratify(
    risks: pd.DataFrame,
    policy: str | Path | Policy = "nccn-2026",
    cohort: object = None,
    *,
    model: RiskModel | None = None,
    model_family: str | Mapping[str, str] | None = None,
    recalibrated: bool | None = None,
    near_margin: float = NEAR_MARGIN,
    cuts: float | Sequence[float] | None = None,
    horizon: float | Literal["lifetime"] = 5,
) -> pd.DataFrame:
    """Apply a surveillance policy to predicted risks. Not care advice.

    Parameters
    ----------
    risks : DataFrame
        One row per exam: ``model``, ``risk_5y`` ... as fractions in [0, 1], optionally with
        ``risk_5y_lower`` and ``risk_5y_upper``, ``risk_5y_percentile`` or
        ``risk_5y_age_percentile``, and fields such as ``age``.
    policy : str, path or Policy
        An id listed by :func:`mammorisk.policies`, a file with the same schema, or
        ``"thresholds"`` with ``cuts``.
    cohort : Cohort or DataFrame, optional
        Age, breast density and other fields of the policy. Rows are matched on ``patient_id`` and
        ``exam_id``, else on the index. These fields take precedence over those of ``risks``.
    model : RiskModel, optional
        The model of the risks. A policy that uses the risk from a fixed age, such as
        ``"nice-cg164"``, needs it: each woman is scored at this age, from her answers alone,
        without a menopause or a first birth that came later.
    model_family : str or dict of model name to str, optional
        ``ModelCard.family`` of the model(s).
    recalibrated : bool, optional
        Whether the risks were recalibrated locally. Unless True, each row has a caution.
    near_margin : float
        Relative distance, in [0, 1), within which a risk without an interval is near a cut point.
    cuts, horizon : float or sequence of float, optional
        For ``policy="thresholds"``; see :func:`mammorisk.policy.thresholds`.

    Returns
    -------
    DataFrame
        The columns of ``risks`` and

        - ``category``, ``label``, ``modality`` (actions joined by ``"; "``), ``interval_months``
          and ``interval_months_max`` (months between imaging visits, NaN if none is stated or
          planned), ``start_age`` (years, NaN if not stated), ``strength``;
        - ``reason``: the rule that is met, or the reason why the policy does not apply;
        - ``near_threshold``: whether another group lies within the interval of the risk; NA if the
          policy does not apply;
        - ``policy_model_match``: ``"exact"``, ``"same-family"``, ``"off-label"``, or missing if
          the policy uses no model; ``cautions`` about model, assumed fields and calibration;
        - ``status`` (``"verify"`` if a figure behind the row was not checked against its
          primary source; ``unverified`` names it), ``policy``, ``policy_version``, ``source``,
          ``read_on`` and ``notice``.

        The category is ``"not_applicable"``, without actions, if the policy excludes the woman or
        if her group depends on unknown values. An unknown risk or field is never counted as low.

    Raises
    ------
    PolicyError
        The policy does not exist or forbids the model, the table has no risk of its horizon, risks
        are outside [0, 1], no ids match those of ``cohort``, or ``model`` is another one.

    See Also
    --------
    mammorisk.policies : Lists the policies.
    mammorisk.compare_policies : Compares several policies.
    mammorisk.predict : Predicts the risks of a cohort.

    Examples
    --------
    >>> import pandas as pd
    >>> import mammorisk as mr
    >>> risks = pd.DataFrame({"model": "bcrat", "age": [45, 52, 67], "risk_5y": [0.01, 0.02, 0.03]})
    >>> groups = mr.stratify(risks, "nccn-classic")
    >>> groups[["risk_5y", "category", "interval_months"]]
       risk_5y   category  interval_months
    0     0.01    average             12.0
    1     0.02  increased             12.0
    2     0.03  increased             12.0
    >>> mr.stratify(risks, "thresholds", cuts=[0.017, 0.03])["category"].tolist()
    ['<1.7%', '1.7-<3%', '>=3%']

    The risk between 40 and 50 needs the model:

    >>> women = pd.DataFrame({"age": [45, 52], "first_degree_relatives": [0, 2]})
    >>> model = mr.load_model("bcrat")
    >>> groups = mr.stratify(model.predict(women), "nice-cg164", women, model=model)
    >>> groups[["risk_10y_at_40", "category"]].round(3)
       risk_10y_at_40         category
    0           0.009  near_population
    1           0.059         moderate
    """
    chosen = resolve(policy, cuts, horizon)
    risks = as_table(risks)
    other = None if cohort is None else beside(risks, cohort)
    if model is not None:
        _check_model(model, risks)
        risks = with_risks_from_age(chosen, risks, other, model.score)
    if not 0 <= near_margin < 1:
        raise PolicyError("near_margin must lie in [0, 1)", where="near_margin")
    match = match_models(chosen, risks, model_family, recalibrated)
    found = assign(chosen, risks, other, near_margin)
    told = doubts(risks, other, chosen.quantities.values())
    match = replace(match, cautions=[[*told, *cautions] for cautions in match.cautions])
    kept = risks.drop(columns=[name for name in COLUMNS if name in risks.columns])
    added = _columns(found, match, risks.index)
    result = pd.concat([kept, added], axis=1)
    result.attrs = {**risks.attrs, "notice": NOTICE}
    return result


def _check_model(model: RiskModel, risks: pd.DataFrame) -> None:
    """Refuse a model that is not that of the risks."""
    if not isinstance(model, RiskModel):
        raise PolicyError(
            f"a {type(model).__name__} is not a model",
            where="model",
            remedy="Pass the result of mr.load_model or mr.fit.",
        )
    if "model" not in risks.columns:
        return
    names = sorted(map(str, risks["model"].dropna().unique()))
    if names not in ([], [model.name]):
        raise PolicyError(
            f"the risks are of {', '.join(names)}, the model is {model.name}",
            where="model",
            remedy="Pass the model that predicted the risks.",
        )


def resolve(
    policy: str | Path | Policy,
    cuts: float | Sequence[float] | None,
    horizon: float | Literal["lifetime"],
) -> Policy:
    """Load the requested policy. ``"thresholds"`` is created from its cut points."""
    if cuts is None:
        return load_policy(policy)
    if policy != "thresholds":
        raise PolicyError(
            "cuts are only for the policy thresholds",
            remedy='Pass policy="thresholds", or leave cuts out.',
        )
    return thresholds(cuts, horizon=horizon)


def _columns(found: Assignment, match: Match, index: pd.Index) -> pd.DataFrame:
    policy = found.policy
    groups = list(policy.groups.items())
    has = found.has_group
    # The last entry of every list is for rows without a group.
    place = np.where(has, found.group, len(groups))
    ranges = [group.interval_range or (np.nan, np.nan) for _, group in groups]
    starts = [np.nan if group.start_age is None else group.start_age for _, group in groups]
    doubts = [[*policy.unverified, *group.unverified] for _, group in groups]
    read = sorted({str(source.read_on) for source in policy.sources if source.read_on})
    status = ["verify" if doubt or policy.status == "verify" else policy.status for doubt in doubts]
    n = len(place)
    table: dict[str, Any] = {
        "category": text_array(
            [group.category or name for name, group in groups] + [NOT_APPLICABLE]
        ),
        "label": text_array([group.label for _, group in groups] + ["Policy does not apply"]),
        "modality": text_array([group.modality for _, group in groups] + [None]),
        "interval_months": np.array([low for low, _ in ranges] + [np.nan]),
        "interval_months_max": np.array([high for _, high in ranges] + [np.nan]),
        "start_age": np.array([*starts, np.nan]),
        "strength": text_array([policy.strength] * len(groups) + [None]),
        "status": text_array([*status, policy.status]),
        "unverified": text_array(["; ".join(doubt) for doubt in doubts] + [""]),
    }
    columns = {name: values[place] for name, values in table.items()}
    columns["reason"] = _reasons(found, has)
    refused = pd.notna(found.refused)
    columns["reason"][refused] = found.refused[refused]
    near = pd.array(found.near, dtype="boolean")
    near[~has] = pd.NA
    columns["near_threshold"] = near
    columns["policy_model_match"] = text_array(match.match)[match.code]
    columns["cautions"] = _cautions(found, match, has)
    for name, value in {
        "policy": policy.id,
        "policy_version": policy.version,
        "source": "; ".join(source.cite for source in policy.sources),
        "read_on": ", ".join(read) or None,
        "notice": NOTICE,
    }.items():
        columns[name] = text_array([value])[np.zeros(n, dtype=int)]
    return pd.DataFrame(columns, index=index)[list(COLUMNS)]


def _reasons(found: Assignment, has: NDArray[np.bool_]) -> pd.api.extensions.ExtensionArray:
    """Return the rule that is met, the exclusion, or the unknown values."""
    policy = found.policy
    rules = [rule_words(policy, i) for i in range(len(policy.rules))]
    single = text_array([*rules, *policy.exclusion_reasons, None])[found.rule]
    several = found.rule < 0
    if not several.any():
        return single
    excluded = found.group == len(policy.groups)
    kind = np.where(has, 0, np.where(excluded, 1, 2))

    def word(key: int) -> str:
        pattern, which = divmod(key, 3)
        names = " and ".join(unknown_words(policy, pattern)) or "the values"
        return (
            f"the same group for any {names} (unknown)",
            f"excluded for any {names} (unknown)",
            f"unknown: {names}",
        )[which]

    told = _by_code(found.unknown * 3 + kind, word)
    single[several] = told[several]
    why = found.without_risk
    rows = np.flatnonzero((kind == 2) & pd.notna(why))
    single[rows] = text_array(f"{single[int(row)]} ({why[row]})" for row in rows)
    return single


def _cautions(
    found: Assignment, match: Match, has: NDArray[np.bool_]
) -> pd.api.extensions.ExtensionArray:
    """Return cautions about the model and assumed fields, for rows with a group."""
    fields = list(found.policy.fields.items())
    n_models = len(match.cautions)

    def word(key: int) -> str:
        if key < 0:
            return ""
        pattern, model = divmod(key, n_models)
        names = [
            f"{name.replace('_', ' ')} {_level(use.assume)}"
            for bit, (name, use) in enumerate(fields)
            if pattern >> bit & 1
        ]
        notes = [f"unknown, assumed: {', '.join(names)}"] if names else []
        return "; ".join([*match.cautions[model], *notes])

    return _by_code(np.where(has, found.assumed * n_models + match.code, -1), word)


def _level(value: bool | str | None) -> str:
    return ("no", "yes")[value] if isinstance(value, bool) else str(value)


def _by_code(
    codes: NDArray[np.int64], word: Callable[[int], str]
) -> pd.api.extensions.ExtensionArray:
    """Return a text per row, created once for each distinct code."""
    place, distinct = pd.factorize(codes)
    return text_array([word(int(code)) for code in distinct])[place]
