"""One set of rules for follow-up, whoever reads it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mammorisk.errors import EvaluationError, ManifestError
from mammorisk.io import read_cohort
from mammorisk.records.alignment import align
from mammorisk.records.follow_up import check_follow_up
from mammorisk.records.outcome import Outcome

FAULTY = {
    "negative time": {"time": -1.0},
    "infinite time": {"time": np.inf},
    "days as years": {"time": 1826.0},
    "another event": {"event": 3},
    "negative entry": {"entry": -0.5},
    "entry at the end": {"entry": 4.0},
    "negative weight": {"weight": -1.0},
    "text": {"time": "four"},
}


def table(**change: object) -> pd.DataFrame:
    made = pd.DataFrame(
        {
            "patient_id": ["1", "2", "3"],
            "exam_id": ["1", "2", "3"],
            "time": [1.0, 4.0, 6.0],
            "event": [1, 0, 0],
            "entry": [0.0, 0.0, 2.0],
            "weight": [1.0, 1.0, 5.0],
        }
    )
    for name, value in change.items():
        made[name] = made[name].astype(object)
        made.loc[1, name] = value
    return made


@pytest.mark.parametrize("fault", FAULTY)
def test_every_reader_refuses_the_same(fault: str, tmp_path: Path) -> None:
    given = table(**FAULTY[fault])
    checked = check_follow_up({name: given[name] for name in ("time", "event", "entry", "weight")})
    assert len(checked.faults) == 1
    assert checked.faults[0].rows.tolist() == [False, True, False]
    what = checked.faults[0].what
    with pytest.raises(EvaluationError, match=f"{what}, the first at position 1"):
        Outcome.from_table(given)
    with pytest.raises(EvaluationError, match=f"{what}, the first at position 1"):
        align(np.full(3, 0.02), given, (5.0,))
    given.to_csv(tmp_path / "manifest.csv", index=False)
    with pytest.raises(ManifestError, match=f"line 3: .*is {what}"):
        read_cohort(tmp_path / "manifest.csv")


def test_a_fit_refuses_the_same() -> None:
    pytest.importorskip("torch")
    from mammorisk.errors import TrainingError
    from mammorisk.training.outcomes import read_outcomes

    for change in FAULTY.values():
        with pytest.raises(TrainingError, match="position 1"):
            read_outcomes(table(**change))


def test_unknown_is_no_fault() -> None:
    given = table(time=None)
    assert not check_follow_up({"time": given["time"], "event": given["event"]}).faults
    assert align(np.full(3, 0.02), given, (5.0,)).flow[1] == ("with an outcome", 2)
    with pytest.raises(EvaluationError, match="missing, the first at position 1"):
        Outcome.from_table(given)


def test_durations_are_no_years() -> None:
    start = pd.Series(pd.to_datetime(["2010-01-01", "2011-01-01", "2012-01-01"]))
    end = pd.Series(pd.to_datetime(["2014-01-01", "2014-06-01", "2020-01-01"]))
    for time in (end - start, end, (end - start).to_numpy(), (end - start).astype(object)):
        with pytest.raises(EvaluationError, match=r"not a number.*365.25"):
            Outcome(time=time, event=[1, 0, 0])
    kept = Outcome(time=(end - start).dt.days / 365.25, event=[1, 0, 0])
    assert kept.time == pytest.approx([4.0, 3.4, 8.0], abs=0.02)


@pytest.mark.parametrize("dtype", ["Int64", "Float64", "int8", "object", "float32"])
def test_columns_of_every_kind_are_numbers(dtype: str) -> None:
    time = pd.Series([1, 4, 6]).astype(dtype)
    assert Outcome(time=time, event=[1, 0, 0]).time.tolist() == [1.0, 4.0, 6.0]
    assert Outcome(time=time.tolist(), event=[True, False, False]).event.tolist() == [1, 0, 0]
