"""Claus tables beyond the stored rows."""

from __future__ import annotations

import pandas as pd
import pytest

from mammorisk.clinical.claus import Claus, from_relatives
from mammorisk.errors import QuestionnaireError


def test_at_a_row_of_the_table_the_risk_is_what_it_prints() -> None:
    frame = pd.DataFrame({"age": [29, 39], "onset_mother": [25, 45]})
    risk = Claus().score(frame, (10, "lifetime")).risk
    # One first-degree relative, onset 20-29 and 40-49.
    assert risk["lifetime"].tolist() == pytest.approx(
        [(0.211 - 0.007) / 0.993, (0.132 - 0.012) / 0.988], rel=1e-12
    )
    assert risk[10].tolist() == pytest.approx(
        [(0.025 - 0.007) / 0.993, (0.032 - 0.012) / 0.988], rel=1e-12
    )


def test_the_younger_onset_comes_first_where_the_table_is_not_symmetric() -> None:
    frame = pd.DataFrame({"age": 59, "onset_full_sisters": ["45 55", "55 45"]})
    risk = Claus().score(frame, ("lifetime",)).risk["lifetime"]
    assert risk.iloc[0] == risk.iloc[1] == pytest.approx((0.3 - 0.174) / (1 - 0.174), rel=1e-12)


@pytest.mark.parametrize(
    ("field", "more"),
    [("onset_full_sisters", "61 48"), ("onset_maternal_aunts", "33"), ("onset_mother", "55")],
)
def test_risk_does_not_fall_with_more_relatives(field: str, more: str) -> None:
    base = {"age": 35, "onset_daughters": "", "onset_paternal_grandmother": "55"}
    frame = pd.DataFrame([base, base | {field: more}])
    risk = Claus().score(frame, ("lifetime",)).risk["lifetime"]
    assert risk.iloc[1] > risk.iloc[0]


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ({}, "ages at onset of relatives unknown"),
        ({"onset_mother": ""}, "ages at onset of relatives unknown"),
        ({"onset_mother": ()}, "no relative with onset from 20 to 79"),
        ({"onset_mother": 80}, "no relative with onset from 20 to 79"),
        ({"age": 79, "onset_mother": 50}, "age outside 29-78"),
    ],
)
def test_women_without_an_applicable_table(answers: dict[str, object], reason: str) -> None:
    scores = Claus().score(pd.DataFrame([{"age": 40} | answers]), ("lifetime",))
    assert scores.risk["lifetime"].isna().all()
    assert scores.warning_texts.iloc[0] == reason


def test_what_is_left_out_is_said() -> None:
    frame = pd.DataFrame({"age": [40], "onset_mother": [45], "onset_full_sisters": ["18 85"]})
    flag = Claus().score(frame, (5,)).warning_texts.iloc[0]
    assert "onset under 20 or over 79 not counted" in flag
    assert "relations without an answer: counted as not affected" in flag


def test_relatives_that_are_no_ages_are_refused() -> None:
    with pytest.raises(QuestionnaireError, match="onset_mother"):
        from_relatives(pd.DataFrame({"age": [40], "mother": ["young"]}))
