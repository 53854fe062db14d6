"""Policy: a surveillance policy as data, validated when it is loaded."""

from __future__ import annotations

from datetime import date
from functools import cached_property
from math import isfinite
from typing import Literal, Self

import numpy as np
from pydantic import Field, model_validator

from mammorisk.errors import PolicyError
from mammorisk.policy.grid import Axis, Grid, build_grid
from mammorisk.policy.group import Group, Strict

Level = bool | str
#: Bounds of a number, ``[low, high)``. None is an open end.
Bounds = tuple[float | None, float | None]
Condition = dict[str, Bounds | list[Level] | Level]


class Quantity(Strict):
    """The risk to which a policy applies its cut points.

    Attributes
    ----------
    horizon_years : float or "lifetime"
    outcome : {"invasive", "any"}
        ``"any"`` includes ductal carcinoma in situ.
    scale : {"absolute", "percentile", "age_percentile"}
        Absolute risk in [0, 1]; or the share in [0, 1) of the women (of the women of her age)
        whose risk is lower.
    from_age_years : float, optional
        Age at which the horizon starts, instead of her present age. 10 years from 40 is the risk
        between 40 and 50.
    """

    horizon_years: float | Literal["lifetime"]
    outcome: Literal["invasive", "any"]
    scale: Literal["absolute", "percentile", "age_percentile"] = "absolute"
    from_age_years: float | None = None

    @property
    def risk_column(self) -> str:
        """Column of the risks table for a woman of any age at the start: ``risk_5y`` ..."""
        if self.horizon_years == "lifetime":
            return "risk_lifetime"
        return f"risk_{self.horizon_years:g}y"

    @property
    def column(self) -> str:
        """Column for exactly this quantity, e.g. ``risk_10y_at_40``."""
        at = "" if self.from_age_years is None else f"_at_{self.from_age_years:g}"
        scale = "" if self.scale == "absolute" else f"_{self.scale}"
        return f"{self.risk_column}{at}{scale}"

    @property
    def reason_column(self) -> str:
        """Column of the reasons why there is no risk, e.g. ``risk_10y_at_40_reason``."""
        return f"{self.column}_reason"

    @property
    def words(self) -> str:
        """Text: "5-year risk", "rank of the 5-year risk among women of her age"."""
        if self.horizon_years == "lifetime":
            risk = "lifetime risk"
        else:
            risk = f"{self.horizon_years:g}-year risk"
        if self.from_age_years is not None:
            risk += f" from age {self.from_age_years:g}"
        return {
            "absolute": risk,
            "percentile": f"rank of the {risk}",
            "age_percentile": f"rank of the {risk} among women of her age",
        }[self.scale]


class FieldUse(Strict):
    """A field that is used in rules or exclusions.

    Attributes
    ----------
    levels : list
        All values of the field.
    assume : optional
        Level that is assumed where the field is unknown. Rows with an assumed level have a caution.
    """

    levels: list[Level] = Field(min_length=2)
    assume: Level | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(set(self.levels)) < len(self.levels) or len({type(x) for x in self.levels}) > 1:
            raise ValueError("levels must differ and be all words or all true/false")
        if self.assume is not None and self.assume not in self.levels:
            raise ValueError("assume must be one of the levels")
        return self


class Models(Strict):
    """The models for which a policy was written.

    Attributes
    ----------
    exact : list of str
        Models or families that the policy names.
    related : list of str
        Related families.
    forbidden : dict
        Models or families that the policy does not allow for its thresholds, with the reason.
    """

    exact: list[str] = Field(default_factory=list)
    related: list[str] = Field(default_factory=list)
    forbidden: dict[str, str] = Field(default_factory=dict)


class Exclusion(Strict):
    """Women to whom the policy does not apply, and the reason."""

    when: Condition
    reason: str


class Eligible(Strict):
    """Ages in years, ``[low, high)``, and exclusions in order of precedence."""

    age: Bounds = (None, None)
    exclude: list[Exclusion] = Field(default_factory=list)


class Rule(Strict):
    """Conditions of a group. Women who meet all of them belong to it."""

    when: Condition = Field(default_factory=dict)
    group: str


class Source(Strict):
    """Source of a figure: web address or DOI, paraphrase, and the date on which it was read."""

    cite: str
    fact: str
    read_on: date | None = None


class Policy(Strict):
    """A surveillance policy.

    Every combination of risk, age and field values must lead to exactly one group or to an
    exclusion. Otherwise loading fails with an example of the gap or overlap.

    Attributes
    ----------
    id, version, title, jurisdiction : str
    status : {"current", "trial", "study", "verify", "superseded", "comparator", "own"}
        ``"verify"``: figures not checked against the primary source.
    strength : {"guideline", "trial-arm", "study-group", "comparator", "own"}
    quantities : dict of str to Quantity
        By the name used in conditions.
    fields : dict of str to FieldUse
    models : Models
    eligible : Eligible
    groups : dict of str to Group
        From least to most intensive.
    rules : list of Rule
    sources : list of Source
    unverified : list of str
        Figures of the whole policy that were not checked against the primary source.
    notes : str

    See Also
    --------
    mammorisk.policies : Lists the policies.
    mammorisk.stratify : Applies one.

    Examples
    --------
    >>> from mammorisk.policy import load_policy
    >>> load_policy("nccn-2026").version
    '1.2026'
    """

    id: str
    version: str
    title: str
    status: Literal["current", "trial", "study", "verify", "superseded", "comparator", "own"]
    jurisdiction: str
    strength: Literal["guideline", "trial-arm", "study-group", "comparator", "own"]
    quantities: dict[str, Quantity] = Field(default_factory=dict)
    fields: dict[str, FieldUse] = Field(default_factory=dict)
    models: Models = Models()
    eligible: Eligible = Eligible()
    groups: dict[str, Group] = Field(min_length=1)
    rules: list[Rule] = Field(min_length=1)
    sources: list[Source] = Field(default_factory=list)
    unverified: list[str] = Field(default_factory=list)
    notes: str = ""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if "age" in self.quantities or "age" in self.fields:
            raise ValueError("age is a built-in name: do not redefine it")
        if clash := set(self.quantities) & set(self.fields):
            raise ValueError(f"{', '.join(sorted(clash))}: both a quantity and a field")
        named = {rule.group for rule in self.rules}
        if unknown := named - set(self.groups):
            raise ValueError(f"rules name groups that do not exist: {', '.join(sorted(unknown))}")
        if unused := set(self.groups) - named:
            raise ValueError(f"no rule leads to: {', '.join(sorted(unused))}")
        low, high = self.eligible.age
        if low is not None and high is not None and not low < high:
            raise ValueError("eligible age must run from low to high")
        if any(group.category == "not_applicable" for group in self.groups.values()):
            raise ValueError("the category not_applicable is reserved for excluded women")
        _ = self.grid
        return self

    @cached_property
    def grid(self) -> Grid:
        """Lookup table from combinations of values to groups."""
        conditions = [rule.when for rule in self.rules]
        out = [exclusion.when for exclusion in self.eligible.exclude]
        low, high = self.eligible.age
        # Age comes first among the reasons, because it needs no other field.
        ages: list[Condition] = []
        if low is not None:
            ages.append({"age": (None, low)})
        if high is not None:
            ages.append({"age": (high, None)})
        axes = self._axes([*ages, *out, *conditions])
        return build_grid(
            axes,
            exclusions=[*ages, *out],
            rules=[(rule.when, list(self.groups).index(rule.group)) for rule in self.rules],
            where=self.id,
        )

    def _axes(self, conditions: list[Condition]) -> tuple[Axis, ...]:
        cuts: dict[str, set[float]] = {name: set() for name in ("age", *self.quantities)}
        for condition in conditions:
            for name, wanted in condition.items():
                if name in cuts:
                    cuts[name].update(_bounds(name, wanted, self.id))
                elif name in self.fields:
                    _levels(name, wanted, self.fields[name].levels, self.id)
                else:
                    raise PolicyError(
                        f"a condition uses {name!r}, which is neither age, a quantity nor a "
                        "field of the policy",
                        where=self.id,
                        remedy="Declare it under quantities or fields.",
                    )
        for name in self.quantities:
            if any(not 0 < cut < 1 for cut in cuts[name]):
                raise PolicyError(
                    f"cut points of {name} must lie between 0 and 1",
                    where=self.id,
                    remedy="Write risks as fractions: 1.7% is 0.017. Leave an end open with null.",
                )
        numeric = [Axis(name, cuts=np.array(sorted(found))) for name, found in cuts.items()]
        named = [Axis(name, levels=tuple(use.levels)) for name, use in self.fields.items()]
        return (*numeric, *named)

    @property
    def exclusion_reasons(self) -> list[str]:
        """Reasons for exclusion, in the order of the grid's exclusions."""
        low, high = self.eligible.age
        ages = []
        if low is not None:
            ages.append(f"the policy starts at age {low:g}")
        if high is not None:
            ages.append(f"the policy ends at age {high:g}")
        return [*ages, *(exclusion.reason for exclusion in self.eligible.exclude)]


def _bounds(name: str, wanted: object, where: str) -> list[float]:
    """Return the finite bounds of a numeric condition."""
    if not isinstance(wanted, (tuple, list)) or len(wanted) != 2 or isinstance(wanted[0], str):
        raise PolicyError(
            f"the condition on {name} is not a pair of bounds",
            where=where,
            remedy="Write [low, high], with null for an open end; low is included, high is not.",
        )
    finite = [float(bound) for bound in wanted if bound is not None]
    if not finite or not all(map(isfinite, finite)) or finite != sorted(set(finite)):
        raise PolicyError(
            f"the condition on {name} holds for no value or for all",
            where=where,
            remedy="Give finite bounds with low < high, or leave the condition out.",
        )
    return finite


def _levels(name: str, wanted: object, levels: list[Level], where: str) -> None:
    asked = wanted if isinstance(wanted, (list, tuple)) else [wanted]
    if not asked or any(one not in levels for one in asked):
        raise PolicyError(
            f"a condition on {name} uses a value that is not a level of the field",
            where=where,
            remedy=f"Its levels: {', '.join(map(str, levels))}.",
        )
