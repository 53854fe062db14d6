"""Policy files: what is shipped, and what a file of one's own may not say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mammorisk.errors import PolicyError
from mammorisk.policy import Policy, load_policy, policies, stratify, thresholds
from mammorisk.policy.library import names
from mammorisk.policy.matching import _known
from mammorisk.risk_models.registry import models

NAMED_IN_THE_BRIEF = {
    "nccn-2026", "nccn-classic", "acr-2023", "uspstf-2024", "nice-cg164", "bc-predict", "wisdom",
    "mypebs", "eusobi-2022", "bcsc-interval-2015", "bcsc-advanced-2019", "bcsc-categories",
    "chemoprevention-us",
}  # fmt: skip

MINIMAL: dict[str, Any] = {
    "id": "clinic",
    "version": "1",
    "title": "A clinic's own",
    "status": "own",
    "jurisdiction": "none",
    "strength": "own",
    "quantities": {"risk": {"horizon_years": 5, "outcome": "invasive"}},
    "groups": {
        "low": {"label": "low"},
        "high": {"label": "high", "actions": [{"modality": "mri", "interval_months": 12}]},
    },
    "rules": [
        {"when": {"risk": [None, 0.02]}, "group": "low"},
        {"when": {"risk": [0.02, None]}, "group": "high"},
    ],
}


def meets(policy: Policy, when: dict[str, Any], woman: dict[str, Any]) -> bool:
    """Whether a woman meets a condition, straight from its definition: the tests' oracle."""
    for name, wanted in when.items():
        value = woman[name]
        if name in policy.fields:
            if value not in (wanted if isinstance(wanted, list) else [wanted]):
                return False
        else:
            low, high = wanted
            if (low is not None and value < low) or (high is not None and value >= high):
                return False
    return True


def cut_points(policy: Policy, name: str) -> list[float]:
    conditions = [rule.when for rule in policy.rules]
    bounds = [b for when in conditions if name in when for b in when[name]]
    return [b for b in [*bounds, *(policy.eligible.age if name == "age" else ())] if b is not None]


@st.composite
def women(draw: st.DrawFn, policy: Policy) -> dict[str, Any]:
    woman: dict[str, Any] = {}
    for name in ("age", *policy.quantities):
        top = 110.0 if name == "age" else 1.0
        anything = st.floats(0, top)
        cuts = cut_points(policy, name)
        near = [np.nextafter(c, 0) for c in cuts] + cuts
        woman[name] = draw(st.one_of(anything, st.sampled_from(near)) if near else anything)
    for name, use in policy.fields.items():
        woman[name] = draw(st.sampled_from(use.levels))
    return woman


@pytest.mark.parametrize("name", names())
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_every_woman_gets_exactly_one_group(name: str, data: st.DataObject) -> None:
    policy = load_policy(name)
    woman = data.draw(women(policy))
    low, high = policy.eligible.age
    excluded = (
        (low is not None and woman["age"] < low)
        or (high is not None and woman["age"] >= high)
        or any(meets(policy, one.when, woman) for one in policy.eligible.exclude)
    )
    met = [rule.group for rule in policy.rules if meets(policy, rule.when, woman)]
    assert excluded or len(met) == 1
    table = pd.DataFrame([{"model": "x"} | {f: woman[f] for f in ("age", *policy.fields)}])
    for quantity, asked in policy.quantities.items():
        table[asked.column] = woman[quantity]
        table[asked.risk_column] = table.get(asked.risk_column, woman[quantity])
    group = policy.groups[met[0]] if met else None
    expected = "not_applicable" if excluded or group is None else group.category or met[0]
    assert stratify(table, policy)["category"].tolist() == [expected]


def test_the_named_policies_are_shipped_with_sources() -> None:
    table = policies()
    assert set(table.index) >= NAMED_IN_THE_BRIEF
    published = table[table["status"] != "comparator"]
    assert (published["source"] != "").all()
    assert table.loc["mypebs", "status"] == "verify"
    assert "thresholds" in table.loc["mypebs", "unverified"]


def test_known_models_agree_with_their_cards() -> None:
    for name, card in models().iterrows():
        assert _known()[str(name)]["family"] == card["family"]
        outcome = "any" if "in situ" in card["outcome"] else "invasive"
        assert _known()[str(name)]["outcome"] == outcome


@pytest.mark.parametrize("suffix", [".yaml", ".json"])
def test_a_policy_of_ones_own(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"clinic{suffix}"
    dump = json.dumps if suffix == ".json" else yaml.safe_dump
    path.write_text(dump(MINIMAL), encoding="utf-8")
    risks = pd.DataFrame({"model": "x", "risk_5y": [0.019, 0.02]})
    result = stratify(risks, path)
    assert result["category"].tolist() == ["low", "high"]
    assert result["modality"].tolist() == ["none stated", "MRI every 12 months"]


def broken(**changes: Any) -> dict[str, Any]:
    return MINIMAL | changes


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (broken(rules=[*MINIMAL["rules"][:1], {"when": {"risk": [0.03, None]}, "group": "high"}]),
         r"no rule for .*risk >= 0.02 and < 0.03"),
        (broken(rules=[*MINIMAL["rules"][:1], {"when": {"risk": [0.01, None]}, "group": "high"}]),
         r"2 rules for .*risk >= 0.01 and < 0.02"),
        (broken(rules=[{"when": {"risk": [None, 2]}, "group": "low"},
                       {"when": {"risk": [2, None]}, "group": "high"}]), "between 0 and 1"),
        (broken(rules=[{"when": {"density": "d"}, "group": "low"}, *MINIMAL["rules"]]),
         "'density'"),
        (broken(rules=[{"group": "low"}]), "no rule leads to: high"),
        (broken(rules=[{"group": "middle"}]), "do not exist: middle"),
        (broken(rules=[{"when": {"risk": [0.5, 0.5]}, "group": "low"}, {"group": "high"}]),
         "for no value"),
        (broken(fields={"brca": {"levels": ["yes", "no"], "assume": "maybe"}}), "assume"),
        (broken(colour="red"), "colour: Extra inputs"),
        (broken(groups={"low": {"label": "x", "actions": [{"modality": "mri",
                                                           "interval_months": -1}]},
                        "high": {"label": "y"}}), "interval must be positive"),
        ([1, 2], "no policy"),
    ],
)  # fmt: skip
def test_what_a_file_may_not_say(tmp_path: Path, content: Any, message: str) -> None:
    path = tmp_path / "clinic.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(PolicyError, match=message) as caught:
        load_policy(path)
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize("text", ["a: [", "\x00", "!!python/object/apply:os.system ['true']"])
def test_files_that_are_no_data(tmp_path: Path, text: str) -> None:
    path = tmp_path / "clinic.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(PolicyError, match="not valid YAML"):
        load_policy(path)


def test_unknown_policies_and_files() -> None:
    with pytest.raises(PolicyError, match="no policy 'nccn'"):
        load_policy("nccn")
    with pytest.raises(PolicyError, match="cannot be read"):
        load_policy("absent.yaml")
    with pytest.raises(PolicyError, match="needs cut points"):
        load_policy("thresholds")


@given(
    cuts=st.lists(st.floats(1e-6, 1 - 1e-6), min_size=1, max_size=6, unique=True).map(sorted),
    risk=st.lists(st.floats(0, 1), min_size=1, max_size=20),
)
@settings(max_examples=50, deadline=None)
def test_thresholds_are_left_closed(cuts: list[float], risk: list[float]) -> None:
    labels = [str(i) for i in range(len(cuts) + 1)]
    risks = pd.DataFrame({"risk_5y": risk + cuts})
    found = stratify(risks, thresholds(cuts, labels=labels))["category"].astype(int)
    expected = [sum(r >= c for c in cuts) for r in risk + cuts]
    assert found.tolist() == expected


def test_thresholds_say_their_intervals() -> None:
    own = thresholds([0.01, 0.02], interval_months=[None, 24, 12])
    result = stratify(pd.DataFrame({"risk_5y": [0.005, 0.015, 0.02]}), own)
    assert result["category"].tolist() == ["<1%", "1-<2%", ">=2%"]
    assert result["interval_months"].fillna(-1).tolist() == [-1, 24, 12]
    assert result["modality"].iloc[0] == "no routine screening"


@pytest.mark.parametrize("cuts", [[], [1.7], [0.02, 0.01], [0.01, 0.01], [float("nan")]])
def test_thresholds_that_are_none(cuts: list[float]) -> None:
    with pytest.raises(PolicyError, match="ascending fractions"):
        thresholds(cuts)
