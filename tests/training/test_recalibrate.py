"""recalibrate(): what it reports before and after, and the rule that chose the map."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mammorisk as mr
from mammorisk.evaluation.recalibration_tables import AFTER, BEFORE
from mammorisk.metrics.recalibration import RULE


@pytest.fixture(scope="module")
def local() -> mr.RiskModel:
    study = mr.simulate(6000, seed=5)
    # Half of the cancers are not on record: the model expects too many.
    exams = study.cohort.exams.copy()
    cancers = np.flatnonzero(exams["event"] == 1)[::2]
    exams.loc[exams.index[cancers], "event"] = 0
    cohort = mr.Cohort(exams=exams, errors=study.cohort.errors)
    return mr.recalibrate("bcrat", cohort, horizons=5, seed=3)


def test_before_and_after(local: mr.RiskModel) -> None:
    table = local.calibration  # type: ignore[attr-defined]
    ratio = table.query("measure == 'E/O'").set_index("stage")["value"]
    assert ratio[BEFORE] > 1.5
    assert ratio[AFTER] == pytest.approx(1, abs=0.1)
    assert set(table["horizon"]) == {5.0}
    assert {"calibration in the large", "calibration slope", "ICI", "Brier score", "AUC"} < set(
        table["measure"]
    )
    # A monotone map leaves the order of women within a tenth, and nearly the AUC.
    auc = table.query("measure == 'AUC'").set_index("stage")["value"]
    assert auc[AFTER] == pytest.approx(auc[BEFORE], abs=0.03)


def test_the_rule_that_chose_the_map(local: mr.RiskModel) -> None:
    record = local.record  # type: ignore[attr-defined]
    assert record["rule"] == RULE
    scores = record["scores"]
    assert record["method"] == min(scores, key=lambda name: round(scores[name], 6))
    assert scores[record["method"]] < scores["none"]
    assert record["seed"] == 3


def test_it_is_saved_with_the_model(local: mr.RiskModel, tmp_path: Path) -> None:
    local.save(tmp_path / "model")
    again = mr.load_model(tmp_path / "model")
    pd.testing.assert_frame_equal(
        again.calibration,  # type: ignore[attr-defined]
        local.calibration,  # type: ignore[attr-defined]
    )


def test_a_given_method_needs_no_rule() -> None:
    cohort = mr.simulate(3000, seed=6).cohort
    made = mr.recalibrate("icare-lit", cohort, horizons=[3, 5], method="intercept")
    assert made.record["rule"] == "given by the user"
    assert made.record["scores"] == {}
    assert set(made.calibration["horizon"]) == {3.0, 5.0}
