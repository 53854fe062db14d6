"""Optional parts of a study: fine signal, change since the prior exam, sites that differ."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

import mammorisk as mr
from mammorisk.errors import SimulationError
from mammorisk.simulation.exam_plan import plan_exam
from mammorisk.simulation.options import check_options
from mammorisk.simulation.random_fields import fine_texture

BOTH = {"fine_hr": 2.0, "change_hr": 1.7}


@pytest.fixture(scope="module")
def study() -> mr.Study:
    return mr.simulate(20_000, seed=8, effects=BOTH)


def test_off_by_default_and_with_ratios_of_one(tmp_path: Path) -> None:
    plain = mr.simulate(200, seed=4)
    same = mr.simulate(200, seed=4, effects={"fine_hr": 1.0, "change_hr": 1.0})
    pd.testing.assert_frame_equal(plain.women, same.women)
    pd.testing.assert_frame_equal(plain.truth, same.truth)
    new = [name for name in plain.truth if "fine" in name or "change" in name or "coarse" in name]
    assert new == []
    mr.simulate(20, seed=4, out=tmp_path / "plain")
    note = json.loads((tmp_path / "plain" / "study.json").read_text())
    assert set(note) == {"note", "mammorisk", "options", "images"}
    assert not {"site_loss", "site_missing"} & set(note["options"])
    assert "fine_hr" not in note["options"]["effects"]


def test_women_are_those_of_the_plain_study(study: mr.Study) -> None:
    plain = mr.simulate(20_000, seed=8)
    answers = [name for name in plain.women if name not in ("time", "event")]
    pd.testing.assert_frame_equal(study.women[answers], plain.women[answers])
    traits = ["density_score", "texture_score", "percent_density", "image_draw"]
    pd.testing.assert_frame_equal(study.truth[traits], plain.truth[traits])


def test_scores_are_normal_and_independent(study: mr.Study) -> None:
    scores = study.truth[["fine_score", "change_score", "density_score", "texture_score"]]
    np.testing.assert_allclose(scores.mean(), 0, atol=0.03)
    np.testing.assert_allclose(scores.std(), 1, atol=0.03)
    np.testing.assert_allclose(scores.corr(), np.eye(4), atol=0.03)


def test_oracles_know_what_their_part_shows(study: mr.Study) -> None:
    truth, prior = study.truth, study.women["prior_exam_id"].notna().to_numpy()
    fine, change = truth["fine_score"], truth["change_score"]

    def slope(column: str, score: pd.Series, rows: np.ndarray) -> float:
        log_risk = np.log(truth[column])[rows]
        return float(np.polyfit(score[rows], log_risk, 1)[0])

    every = np.ones(len(truth), dtype=bool)
    for column, rows, by_fine, by_change in (
        ("risk_5y", every, 2.0, 1.7),
        ("risk_5y_image", every, 2.0, 1.0),
        ("risk_5y_image_acquisition", every, 2.0, 1.0),
        ("risk_5y_image_coarse", every, 1.0, 1.0),
        ("risk_5y_image_priors", prior, 2.0, 1.7),
        ("risk_5y_image_priors", ~prior, 2.0, 1.0),
        ("risk_5y_questionnaire", every, 1.0, 1.0),
    ):
        # A risk near 1 rises less than its hazard, and the other scores are noise.
        assert slope(column, fine, rows) == pytest.approx(np.log(by_fine), abs=0.035), column
        assert slope(column, change, rows) == pytest.approx(np.log(by_change), abs=0.035), column
    same = truth.loc[~prior, ["risk_5y_image", "risk_5y_image_priors"]].to_numpy().T
    np.testing.assert_array_equal(*same)
    # Each is the mean of the risk of those who look alike, so that the means agree.
    parts = [name for name in truth if name.startswith("risk_5y_")]
    assert len(parts) == 7
    np.testing.assert_allclose(truth[parts].mean() / truth["risk_5y"].mean(), 1, atol=0.03)


def test_incidence_stays_that_of_the_population(study: mr.Study) -> None:
    plain = mr.simulate(20_000, seed=8)
    ratio = study.truth["risk_5y"].mean() / plain.truth["risk_5y"].mean()
    assert ratio == pytest.approx(1, abs=0.04)


def test_the_fine_texture_averages_out() -> None:
    by_size = {mm: fine_texture([7, 1], (round(60 / mm), round(45 / mm)), mm) for mm in (0.1, 0.3)}
    assert by_size[0.1].std() == pytest.approx(1, abs=0.02)
    assert by_size[0.3].std() > 0.5
    coarse = fine_texture([7, 1], (48, 36), 1.25)
    assert coarse.std() < 0.1
    # The same texture at every size.
    averaged = cv2.resize(by_size[0.1], (150, 200), interpolation=cv2.INTER_AREA)
    assert np.corrcoef(averaged.ravel(), by_size[0.3].ravel())[0, 1] > 0.98
    spectrum = np.abs(np.fft.fft2(by_size[0.1])) ** 2
    period = 1 / np.maximum(
        np.hypot(*np.meshgrid(np.fft.fftfreq(450, 0.1), np.fft.fftfreq(600, 0.1))), 1e-9
    )
    # Half a period is the size of a structure.
    size = period / 2
    inside = (size > 0.2) & (size < 0.6)
    assert spectrum[inside].sum() / spectrum.sum() > 0.9
    assert spectrum[size > 1.25].sum() / spectrum.sum() < 0.001


def test_the_exam_shows_the_fine_signal_and_the_prior_the_change() -> None:
    on, off = check_options(n=40, effects=BOTH, prior_share=1.0), check_options(n=40)
    truth = mr.simulate(40, effects=BOTH, prior_share=1.0).truth.set_index("woman")
    plans = {woman: (plan_exam(on, woman), plan_exam(off, woman)) for woman in range(6)}
    for woman, (with_signal, plain) in plans.items():
        assert with_signal.area_percent == plain.area_percent
        assert plain.texture.fine == 0
        amplitude = 0.07 * np.exp(0.5 * truth.loc[woman, "fine_score"])
        assert with_signal.texture.fine == pytest.approx(amplitude)
        before, without = (
            plan_exam(options, woman, prior=True).area_percent["L"] for options in (on, off)
        )
        # A density that rose was lower before.
        assert np.sign(without - before) == np.sign(truth.loc[woman, "change_score"])


def test_sites_differ_in_follow_up_and_in_what_they_ask(tmp_path: Path) -> None:
    given = {"sites": 3, "site_loss": (0.0, 0.3), "site_missing": (0.0, 0.4, 1.0)}
    study = mr.simulate(6_000, seed=5, out=tmp_path / "study", **given)
    plain = mr.simulate(6_000, seed=5, sites=3)
    pd.testing.assert_frame_equal(study.truth, plain.truth, check_dtype=False)
    women = study.women.assign(site=study.women["site"].astype(str))
    share = women.groupby("site")[["parity", "benign_breast_disease", "breast_density"]].agg(
        lambda column: column.isna().mean()
    )
    np.testing.assert_array_equal(share.loc["site-1"], 0.0)
    np.testing.assert_allclose(share.loc["site-2"], 0.4, atol=0.04)
    np.testing.assert_array_equal(share.loc["site-3"], 1.0)
    assert women["age"].notna().all()
    asked = women["site"] == "site-1"
    pd.testing.assert_series_equal(
        women.loc[asked, "parity"].astype(float), plain.women.loc[asked, "parity"].astype(float)
    )
    early = women.groupby("site").apply(
        lambda part: ((part["event"] == 0) & (part["time"] < 4)).mean(), include_groups=False
    )
    assert early["site-1"] == early["site-3"] == 0
    assert early["site-2"] > 0.5
    cohort = study.cohort
    assert (cohort.errors == "").all()
    check = mr.check_cohort(cohort)
    assert "missing-by-site" in [one.code for one in check.warnings]


def test_the_note_says_what_the_signals_are(tmp_path: Path) -> None:
    mr.simulate(20, out=tmp_path / "study", effects=BOTH, site_loss=(0.1,))
    note = json.loads((tmp_path / "study" / "study.json").read_text())
    assert list(note["signals"]) == ["fine", "change"]
    assert "0.3 to 0.5 mm" in note["signals"]["fine"]
    assert note["options"]["effects"]["fine_hr"] == 2.0
    assert note["options"]["site_loss"] == [0.1]
    with pytest.raises(SimulationError, match="site_missing"):
        mr.simulate(20, site_missing=(1.5,))


def test_the_command_takes_the_options(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from mammorisk.cli.app import app

    # Ratios of the other tests, whose reference sample is kept.
    given = ["--effects-fine-hr", "2", "--effects-change-hr", "1.7"]
    given += ["--site-missing", "0,0.5", "--site-loss", "0.01,0.2"]
    done = CliRunner().invoke(app, ["simulate", str(tmp_path / "s"), "-n", "50", *given])
    assert done.exit_code == 0, done.output
    note = json.loads((tmp_path / "s" / "study.json").read_text())
    assert note["options"]["site_missing"] == [0.0, 0.5]
    again = CliRunner().invoke(app, ["simulate", str(tmp_path / "plain"), "-n", "50"])
    assert again.exit_code == 0, again.output
