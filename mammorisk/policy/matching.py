"""Comparison of models with those for which a policy was written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray

from mammorisk.errors import PolicyRefused
from mammorisk.policy.policy import Policy

#: Families of models whose risk is one of the images.
IMAGE_FAMILIES = ("image", "hybrid")


@dataclass(frozen=True, kw_only=True)
class Match:
    """Match and cautions of each model of a table.

    Attributes
    ----------
    code : ndarray of int, shape (n_rows,)
        Position of the row's model in the lists below.
    match : list of str or None
        ``"exact"``, ``"same-family"`` or ``"off-label"``. None if the policy uses no model.
    cautions : list of list of str
        Cautions about the model.
    """

    code: NDArray[np.intp]
    match: list[str | None]
    cautions: list[list[str]]


def match_models(
    policy: Policy,
    risks: pd.DataFrame,
    model_family: str | Mapping[str, str] | None,
    recalibrated: bool | None,
) -> Match:
    """Compare the models of a table with those for which a policy was written.

    A row whose column ``images_used`` is False is off-label for a policy about image-based risk.
    The family of a model comes from the argument ``model_family``, else from the column
    ``model_family``, else from ``risks.attrs["model_family"]``, else from the models of this
    package.

    Raises
    ------
    PolicyRefused
        The policy forbids a model of the table.
    """
    if not policy.quantities:
        return Match(code=np.zeros(len(risks), dtype=np.intp), match=[None], cautions=[[]])
    pairs = pd.DataFrame(
        {
            "model": risks["model"] if "model" in risks.columns else None,
            "family": risks["model_family"] if "model_family" in risks.columns else None,
        },
        index=risks.index,
        dtype=object,
    )
    # A model of images whose images were not used gives a risk of other models.
    unused = (
        risks["images_used"] if "images_used" in risks.columns else pd.Series(True, risks.index)
    )
    pairs["blind"] = unused.astype("boolean").eq(False).fillna(False).to_numpy(dtype=bool)
    groups = pairs.groupby(["model", "family", "blind"], dropna=False, sort=False)
    code = groups.ngroup().to_numpy().astype(np.intp)
    told = pairs.iloc[np.unique(code, return_index=True)[1]]
    given = model_family if model_family is not None else risks.attrs.get("model_family")
    calibrated = recalibrated if recalibrated is not None else risks.attrs.get("recalibrated")
    matches: list[str | None] = []
    cautions = []
    for model, family, blind in told.itertuples(index=False):
        name = None if pd.isna(model) else str(model)
        kind = _family(name, None if pd.isna(family) else str(family), given)
        _refuse(policy, name, kind)
        match, notes = _compare(policy, name, kind)
        if blind and kind in IMAGE_FAMILIES and match != "off-label":
            match = "off-label"
            notes.append(f"off-label: {name or 'the model'} did not use the images of this exam")
        if calibrated is not True and _is_absolute(policy):
            notes.append("risk not known to be recalibrated locally")
            if caution := _known().get(name or "", {}).get("caution"):
                notes.append(caution)
        matches.append(match)
        cautions.append(notes)
    return Match(code=code, match=matches, cautions=cautions)


def _family(
    name: str | None, column: str | None, given: str | Mapping[str, str] | None
) -> str | None:
    if isinstance(given, str):
        return given
    if given is not None and name is not None and name in given:
        return given[name]
    return column or _known().get(name or "", {}).get("family")


def _refuse(policy: Policy, name: str | None, family: str | None) -> None:
    for one in (name, family):
        if one is not None and one in policy.models.forbidden:
            what = f"model {name!r}" if name else f"models of the family {family!r}"
            raise PolicyRefused(
                f"the policy forbids {what} for its threshold: {policy.models.forbidden[one]}",
                where=policy.id,
                remedy=f"It was written for: {', '.join(policy.models.exact)}.",
            )


def _compare(policy: Policy, name: str | None, family: str | None) -> tuple[str, list[str]]:
    models = policy.models
    notes = []
    if name in models.exact or family in models.exact:
        match = "exact"
    elif family in models.related or family in _families_of(models.exact):
        match = "same-family"
    else:
        match = "off-label"
        written = ", ".join([*models.exact, *models.related]) or "no model in particular"
        kind = f"family {family}" if family else "family not known here"
        notes.append(f"off-label: {name or 'model'} ({kind}), policy written for {written}")
    outcome = _known().get(name or "", {}).get("outcome")
    wanted = {quantity.outcome for quantity in policy.quantities.values()}
    if outcome is not None and outcome not in wanted:
        words = {"invasive": "invasive cancer", "any": "invasive or in situ cancer"}
        notes.append(
            f"the model predicts {words[outcome]}, the policy is about {words[min(wanted)]}"
        )
    return match, notes


def _is_absolute(policy: Policy) -> bool:
    return any(quantity.scale == "absolute" for quantity in policy.quantities.values())


def _families_of(names: list[str]) -> set[str]:
    return {_known()[name]["family"] for name in names if name in _known()}


@cache
def _known() -> dict[str, dict[str, str]]:
    text = (files("mammorisk.policy") / "models.yaml").read_text(encoding="utf-8")
    known: dict[str, dict[str, str]] = yaml.safe_load(text)
    return known
