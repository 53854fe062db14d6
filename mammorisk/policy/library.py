"""Loading of built-in policies, of policy files, and of policies made from cut points."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Literal

import pandas as pd
import yaml
from pydantic import ValidationError

from mammorisk.errors import PolicyError
from mammorisk.policy.group import Action, Group
from mammorisk.policy.policy import Policy, Quantity, Rule

_SHIPPED = files("mammorisk.policy") / "policies"
#: Maximum size of a policy file. A policy takes a few pages.
_MAX_BYTES = 1_000_000


def policies() -> pd.DataFrame:
    """List the built-in surveillance policies.

    Returns
    -------
    DataFrame
        Indexed by policy id: ``title``, ``version``, ``status``, ``jurisdiction``, ``strength``,
        ``needs`` (risks), ``fields``, ``ages``, ``written_for`` and ``forbidden`` (models),
        ``categories``, ``unverified`` (figures that were not checked against the primary source),
        ``source``.

    See Also
    --------
    mammorisk.stratify : Applies a policy.
    mammorisk.policy.load_policy : Loads a policy with all its rules.

    Examples
    --------
    >>> import mammorisk as mr
    >>> mr.policies().loc["nccn-2026", ["jurisdiction", "needs", "categories"]].tolist()
    ['US', '5-year risk (invasive, risk_5y)', 'average, increased']
    """
    return pd.DataFrame([_summary(load_policy(name)) for name in names()]).set_index("policy")


@cache
def names() -> tuple[str, ...]:
    """Return the ids of the built-in policies."""
    return tuple(sorted(f.name[:-5] for f in _SHIPPED.iterdir() if f.name.endswith(".yaml")))


def load_policy(policy: str | Path | Policy) -> Policy:
    """Load a policy by its id or from a file.

    Parameters
    ----------
    policy : str, path or Policy
        An id listed by :func:`policies`; a .yaml, .yml or .json file with the schema of
        :class:`Policy`; or a policy, which is returned unchanged.

    Returns
    -------
    Policy

    Raises
    ------
    PolicyError
        The policy or file does not exist, or the file does not follow the schema.

    See Also
    --------
    mammorisk.policies : Lists the built-in policies.
    mammorisk.policy.thresholds : Creates a policy from cut points.

    Examples
    --------
    >>> from mammorisk.policy import load_policy
    >>> list(load_policy("nccn-2026").groups)
    ['average', 'increased']
    """
    if isinstance(policy, Policy):
        return policy
    if isinstance(policy, str) and policy in names():
        return _load_shipped(policy)
    if policy == "thresholds":
        raise PolicyError(
            "thresholds needs cut points",
            remedy="Give cuts=(0.017, 0.03) and horizon=5, or pass thresholds(cuts, horizon=5).",
        )
    path = Path(policy)
    if path.suffix.lower() not in (".yaml", ".yml", ".json"):
        raise PolicyError(
            f"there is no policy {path.name!r}",
            remedy=f"Known: {', '.join(names())}. Or pass a .yaml or .json file.",
        )
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise PolicyError("the file is too large for a policy", where=path.name)
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyError(
            f"the policy file cannot be read ({type(error).__name__})", where=path.name
        ) from None
    return _parse(text, path.name)


def thresholds(
    cuts: float | Sequence[float],
    *,
    horizon: float | Literal["lifetime"] = 5,
    labels: Sequence[str] | None = None,
    interval_months: Sequence[float | None] | None = None,
    outcome: Literal["invasive", "any"] = "invasive",
    scale: Literal["absolute", "percentile", "age_percentile"] = "absolute",
) -> Policy:
    """Create a policy from cut points of a risk.

    Parameters
    ----------
    cuts : float or sequence of float
        Cut points in ascending order, each in (0, 1). A risk equal to a cut point belongs to the
        group above it.
    horizon : float or "lifetime"
        Horizon of the risk in years.
    labels : sequence of str, optional
        Labels of the groups from lowest to highest risk, one more than cut points. Default: the
        bounds in percent.
    interval_months : sequence of float or None, optional
        Months between mammograms of each group; None if no mammograms are planned. Default: not
        stated.
    outcome, scale : str
        As in :class:`Quantity`.

    Returns
    -------
    Policy

    Raises
    ------
    PolicyError
        Cut points are not ascending in (0, 1), or the other sequences have the wrong length.

    See Also
    --------
    mammorisk.stratify : Applies the policy.

    Examples
    --------
    >>> from mammorisk.policy import thresholds
    >>> list(thresholds([0.017, 0.03]).groups)
    ['<1.7%', '1.7-<3%', '>=3%']
    """
    several = [cuts] if isinstance(cuts, (int, float, str)) else list(cuts)
    try:
        points = [float(cut) for cut in several]
    except (TypeError, ValueError):
        points = []
    if not points or any(not 0 < p < 1 for p in points) or sorted(set(points)) != points:
        raise PolicyError(
            "cuts must be ascending fractions between 0 and 1",
            where="thresholds",
            remedy="1.7% is 0.017.",
        )
    edges: list[float | None] = [None, *points, None]
    bounds = list(pairwise(edges))
    titles = list(labels) if labels is not None else [_percent(low, high) for low, high in bounds]
    months = list(interval_months) if interval_months is not None else None
    if len(titles) != len(bounds) or (months is not None and len(months) != len(bounds)):
        raise PolicyError(
            f"{len(points)} cuts make {len(bounds)} groups, but labels or intervals have another "
            "number",
            where="thresholds",
            remedy="Give one label (and one interval) per group, from lowest to highest risk.",
        )
    if len(set(titles)) != len(titles):
        raise PolicyError("labels must differ", where="thresholds")
    groups = {}
    for position, title in enumerate(titles):
        month = None if months is None else months[position]
        screen = [] if month is None else [Action(modality="mammography", interval_months=month)]
        groups[title] = Group(
            label=title, actions=screen, no_screening=months is not None and month is None
        )
    return Policy(
        id="thresholds",
        version="own",
        title="Cut points of the user",
        status="own",
        jurisdiction="none",
        strength="own",
        quantities={"risk": Quantity(horizon_years=horizon, outcome=outcome, scale=scale)},
        groups=groups,
        rules=[
            Rule(when={"risk": bound}, group=title)
            for bound, title in zip(bounds, titles, strict=True)
        ],
    )


def _percent(low: float | None, high: float | None) -> str:
    if low is None:
        return f"<{100 * (high or 0):g}%"
    return f">={100 * low:g}%" if high is None else f"{100 * low:g}-<{100 * high:g}%"


@cache
def _load_shipped(name: str) -> Policy:
    return _parse((_SHIPPED / f"{name}.yaml").read_text(encoding="utf-8"), name)


def _parse(text: str, where: str) -> Policy:
    try:
        content = json.loads(text) if where.lower().endswith(".json") else yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise PolicyError(
            f"the file is not valid YAML or JSON ({type(error).__name__})", where=where
        ) from None
    if not isinstance(content, dict):
        raise PolicyError("the file contains no policy", where=where)
    try:
        return Policy.model_validate(content)
    except ValidationError as error:
        faults = {
            f"{'.'.join(map(str, item['loc'])) or 'policy'}: {item['msg']}"
            for item in error.errors(include_url=False, include_input=False)
        }
        raise PolicyError(
            f"the policy does not follow the schema ({'; '.join(sorted(faults))})",
            where=where,
            remedy="docs/how-to/stratification.md lists the keys.",
        ) from None


def _summary(policy: Policy) -> dict[str, str]:
    low, high = policy.eligible.age
    checked = [*policy.unverified]
    for name, group in policy.groups.items():
        checked += [f"{name}: {figure}" for figure in group.unverified]
    return {
        "policy": policy.id,
        "title": policy.title,
        "version": policy.version,
        "status": policy.status,
        "jurisdiction": policy.jurisdiction,
        "strength": policy.strength,
        "needs": "; ".join(
            f"{q.words} ({q.outcome}, {q.column})" for q in policy.quantities.values()
        ),
        "fields": ", ".join(policy.fields),
        "ages": "any" if (low, high) == (None, None) else f"{low or 0:g} to <{high or 130:g}",
        "written_for": ", ".join([*policy.models.exact, *policy.models.related]),
        "forbidden": ", ".join(policy.models.forbidden),
        "categories": ", ".join(
            dict.fromkeys(group.category or name for name, group in policy.groups.items())
        ),
        "unverified": "; ".join(checked),
        "source": "; ".join(source.cite for source in policy.sources),
    }
