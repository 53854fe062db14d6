"""map_questionnaire: codes, units, missing values, and refusal to guess."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mammorisk as mr
from mammorisk.errors import QuestionnaireError


@pytest.mark.parametrize("codes", [[1, 2, 9], [1.0, 2.0, 9.0], ["1", "2", "9"], ["1.0", " 2", "9"]])
def test_codes_as_any_type(codes: list[object]) -> None:
    mapping = {"parity": {"column": "p", "values": {1: 0, "2": 3}, "missing": [9]}}
    found = mr.map_questionnaire(pd.DataFrame({"p": codes}), mapping)["parity"]
    assert found.iloc[:2].tolist() == [0, 3]
    assert pd.isna(found.iloc[2])


def test_leading_zeros_are_codes_of_their_own() -> None:
    mapping = {"parity": {"column": "p", "values": {"01": 1, "1": 2}}}
    found = mr.map_questionnaire(pd.DataFrame({"p": ["01", "1"]}), mapping)
    assert found["parity"].tolist() == [1, 2]


def test_units() -> None:
    table = pd.DataFrame({"h": [1.65], "w": ["154"], "m": [156], "d": [7]})
    mapping = {
        "height_cm": {"column": "h", "unit": "m"},
        "weight_kg": {"column": "w", "unit": "lb"},
        "age_menarche": {"column": "m", "unit": "months"},
        "alcohol_g_per_day": {"column": "d", "unit": "us drinks/week"},
    }
    found = mr.map_questionnaire(table, mapping).iloc[0]
    assert found["height_cm"] == pytest.approx(165)
    assert found["weight_kg"] == pytest.approx(69.85, abs=0.01)
    assert found["age_menarche"] == pytest.approx(13)
    assert found["alcohol_g_per_day"] == pytest.approx(14)


def test_the_first_known_source_counts() -> None:
    table = pd.DataFrame({"bra": [np.nan, 2.0], "asked": [1, 1]})
    mapping = {"first_degree_relatives": ["bra", "asked"]}
    assert mr.map_questionnaire(table, mapping)["first_degree_relatives"].tolist() == [1, 2]


def test_all_unnamed_codes_are_told_at_once() -> None:
    table = pd.DataFrame({"a": [1, 7, 7], "w": ["70", "heavy", "80"], "age": [50, 51, 52]})
    mapping = {
        "age": "age",
        "brca": {"column": "a", "values": {1: "brca1"}},
        "weight_kg": {"column": "w", "unit": "kg"},
    }
    with pytest.raises(QuestionnaireError) as error:
        mr.map_questionnaire(table, mapping)
    assert "a (brca) has '7' in 2 rows" in str(error.value)
    assert "w (weight_kg) has 'heavy' in 1 rows" in str(error.value)
    lenient = {
        **mapping,
        "brca": {"column": "a", "values": {1: "brca1"}, "others": "unknown"},
        "weight_kg": {"column": "w", "unit": "kg", "others": "unknown"},
    }
    found = mr.map_questionnaire(table, lenient, keep=False)
    assert found["brca"].isna().tolist() == [False, True, True]
    assert list(found.columns) == ["age", "brca", "weight_kg"]


@pytest.mark.parametrize(
    ("mapping", "told"),
    [
        ({"tallness_cm": "h"}, "tallness_cm"),
        ({"height_cm": {"column": "h", "unit": "kg"}}, "unit 'kg'"),
        ({"height_cm": {"col": "h"}}, "column"),
        ({"height_cm": "not_there"}, "no column not_there"),
        ({}, "fields"),
    ],
)
def test_wrong_mappings(mapping: dict[str, object], told: str) -> None:
    with pytest.raises(QuestionnaireError, match=told):
        mr.map_questionnaire(pd.DataFrame({"h": [1.0]}), mapping)


def test_yaml(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text("age: AGE\nhrt_use:\n  column: HT\n  values: {0: never, 1: current}\n")
    found = mr.map_questionnaire(pd.DataFrame({"AGE": [50], "HT": [1], "site": ["x"]}), path)
    # Codes of the table stay beside what they mean.
    assert found.iloc[0].to_dict() == {
        "age": 50,
        "hrt_use": "current",
        "AGE": 50,
        "HT": 1,
        "site": "x",
    }
    path.write_text("age: [")
    with pytest.raises(QuestionnaireError, match="cannot be read"):
        mr.map_questionnaire(pd.DataFrame({"AGE": [50]}), path)
