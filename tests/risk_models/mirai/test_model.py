"""Mirai as a risk model: one exam, a cohort, the questionnaire, pixels."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mammorisk as mr
from mammorisk.errors import HorizonError, ModelError
from mammorisk.imaging.mirai_pixels import (
    COLUMNS,
    ROWS,
    aligned_counts,
    mirai_counts,
    normalise,
    resize,
)
from mammorisk.networks.mirai import RISK_FACTORS, MiraiEncoder, MiraiSettings, MiraiTransformer
from mammorisk.records.acquisition import Acquisition
from mammorisk.records.exam import ImageKind, Laterality, View
from mammorisk.records.questionnaire_table import check_frame
from mammorisk.records.stored_image import Greyscale, Lut, RawImage
from mammorisk.risk_models.mirai.model import PUBLISHED_CALIBRATION, MiraiModel
from mammorisk.risk_models.mirai.risk_factors import risk_factors
from tests import factories as f
from tests.risk_models.mirai.standins import filled


@pytest.fixture(scope="module")
def model() -> MiraiModel:
    encoder = filled(MiraiEncoder(), "_model.")
    transformer = filled(MiraiTransformer(MiraiSettings(width=64, heads=4)))
    return MiraiModel(
        encoder=encoder,  # type: ignore[arg-type]
        transformer=transformer,  # type: ignore[arg-type]
        calibration=PUBLISHED_CALIBRATION,
    )


@pytest.mark.slow
def test_one_exam_and_a_cohort(tmp_path: Path, model: MiraiModel) -> None:
    f.write_exam(tmp_path / "a")
    woman = mr.Questionnaire(age=54, breast_density="c", prior_breast_cancer=False)
    prediction = mr.predict(tmp_path / "a", woman, model=model)
    assert prediction.model == "mirai"
    assert prediction.risk.is_monotonic_increasing
    # The floor and the cap of the published calibration.
    assert 0.0084 <= prediction.five_year <= 0.2948
    assert "bcsc-2008" in prediction.baselines.index
    (tmp_path / "b").mkdir()
    for file in sorted((tmp_path / "a").iterdir())[:3]:
        os.link(file, tmp_path / "b" / file.name)
    table = pd.DataFrame(
        {"patient_id": ["1", "2"], "exam_id": ["1", "2"], "path": ["a", "b"], "age": [54.0, 60.0]}
        | {"breast_density": ["c", "b"], "prior_breast_cancer": [False, False]}
    )
    table.to_csv(tmp_path / "cohort.csv", index=False)
    cohort = mr.read_cohort(tmp_path / "cohort.csv", allow_missing_views=True)
    risks = mr.predict(cohort, model=model)
    assert risks["risk_5y"].iloc[0] == pytest.approx(prediction.five_year, abs=1e-6)
    assert np.isnan(risks["risk_5y"].iloc[1])
    assert "four standard views" in risks["warnings"].iloc[1]


def test_the_questionnaire_is_used_unless_the_reference_is_asked_for(model: MiraiModel) -> None:
    features = np.random.default_rng(2).random((1, 4, 512), dtype=np.float32)
    woman = mr.Questionnaire(age=54, prior_breast_cancer=False).to_frame()
    other = mr.Questionnaire(age=54, prior_breast_cancer=True).to_frame()
    assert not model.score_features(features, woman).risk.equals(
        model.score_features(features, other).risk
    )
    released = model.with_options(known_factors="reference")
    pd.testing.assert_frame_equal(
        released.score_features(features, woman).risk, released.score_features(features, other).risk
    )


def test_without_images_there_is_no_score(model: MiraiModel) -> None:
    found = model.predict(mr.Questionnaire(age=50))
    assert found.risk.isna().all()
    assert "images-needed" in [one.code for one in found.warnings]
    with pytest.raises(HorizonError, match="1 to 5"):
        model.score_features(
            np.zeros((1, 4, 512), np.float32), mr.Questionnaire(age=50).to_frame(), (10,)
        )
    with pytest.raises(ModelError, match="known_factors"):
        model.with_options(known_factors="some")


def test_saved_and_loaded(tmp_path: Path, model: MiraiModel) -> None:
    again = mr.load_model(model.save(tmp_path / "m"))
    assert isinstance(again, MiraiModel)
    features = np.random.default_rng(1).random((3, 4, 512), dtype=np.float32)
    np.testing.assert_array_equal(again.logits(features), model.logits(features))
    assert again.calibration == PUBLISHED_CALIBRATION


def test_risk_never_falls_whatever_the_calibrator(model: MiraiModel) -> None:
    crossing = {str(y): {"slope": 60.0 / y, "intercept": -12.0 / y - y / 10} for y in range(1, 6)}
    raw = np.sort(np.random.default_rng(1).random((200, 5)), axis=1)
    risk = replace(model, calibration=crossing).calibrated(raw)
    assert (np.diff(risk, axis=1) >= 0).all()
    published = replace(model, calibration=PUBLISHED_CALIBRATION).calibrated(raw)
    slope, intercept = (
        np.array([one[name] for one in PUBLISHED_CALIBRATION.values()])
        for name in ("slope", "intercept")
    )
    np.testing.assert_allclose(published, 1 / (1 + np.exp(-(slope * raw + intercept))), rtol=1e-15)


def factors(**fields: object) -> dict[str, list[float]]:
    values, known = risk_factors(mr.Questionnaire(**fields).to_frame())  # type: ignore[arg-type]
    ends = np.cumsum([0, *RISK_FACTORS.values()])
    return {
        key: values[0, ends[i] : ends[i + 1]].tolist()
        for i, key in enumerate(RISK_FACTORS)
        if known[0, i]
    }


def test_risk_factors() -> None:
    assert set(factors(age=50)) == {"age"}
    # Bins of whole years are closed on the right.
    assert factors(age=50)["age"] == [0, 1, 0, 0, 0, 0]
    assert factors(age=50.9)["age"] == [0, 1, 0, 0, 0, 0]
    assert factors(age=51)["age"] == [0, 0, 1, 0, 0, 0]
    assert factors(age=85)["age"][-1] == 1
    found = factors(
        age=60,
        breast_density="d",
        first_degree_relatives=0,
        parity=2,
        age_first_birth=27,
        menopausal_status="post",
        age_menopause=51,
        weight_kg=70,
        height_cm=165,
        race_ethnicity="hispanic_us_born",
        brca="brca1",
        hrt_use="current",
        hrt_type="combined",
        lcis=False,
    )
    assert found["density"] == [0, 0, 0, 1]
    assert found["binary_family_history"] == [0]
    assert found["binary_biopsy_LCIS"] == [0]
    assert found["parous"] == [1]
    assert found["first_pregnancy_age"].index(1) == 2
    assert found["menopause_age"].index(1) == 2
    assert found["menopausal_status"] == [0, 0, 1, 0]
    # 154 lb and 65 in.
    assert found["weight"].index(1) == 2
    assert found["height"].index(1) == 3
    assert found["race"].index(1) == 7
    assert found["brca"] == [0, 0, 1, 0]
    assert found["hrt_type"] == [1, 0, 0]
    assert "race" not in factors(age=50, race_ethnicity="unknown")


def test_relatives() -> None:
    assert factors(age=50, onset_mother=[61])["mom_bc_cancer_history"] == [1]
    assert factors(age=50, onset_mother=[61])["binary_family_history"] == [1]
    known = factors(
        age=50,
        onset_maternal_aunts=[],
        onset_paternal_aunts=[44, 70],
        onset_maternal_grandmother=[80],
        onset_paternal_grandmother=[],
        onset_full_sisters=[],
    )
    assert {key: value[0] for key, value in known.items() if "cancer_history" in key} == {
        "m_aunt_bc_cancer_history": 0,
        "p_aunt_bc_cancer_history": 1,
        "m_grandmother_bc_cancer_history": 1,
        "p_grantmother_bc_cancer_history": 0,
        "sister_bc_cancer_history": 0,
    }
    assert known["binary_family_history"] == [1]
    none = factors(age=50, first_degree_relatives=0)
    assert none["mom_bc_cancer_history"] == none["sister_bc_cancer_history"] == [0]
    assert "m_aunt_bc_cancer_history" not in none
    # Which of them is affected is not said.
    assert set(factors(age=50, first_degree_relatives=1)) == {"age", "binary_family_history"}
    # A sister may be.
    assert "binary_family_history" not in factors(age=50, onset_mother=[])


def test_what_follows_from_a_no() -> None:
    assert factors(age=50, parity=0)["first_pregnancy_age"] == [0] * 6
    assert factors(age=50, menopausal_status="pre")["menopause_age"] == [0] * 5
    assert factors(age=50, ovarian_cancer=False)["ovarian_cancer_age"] == [0] * 6
    assert "ovarian_cancer_age" not in factors(age=50, ovarian_cancer=True)
    never = factors(age=50, hrt_use="never")
    assert (never["hrt_type"], never["hrt_duration"]) == ([0] * 3, [0] * 5)
    assert never["hrt_years_ago_stopped"] == [0] * 5
    current = factors(age=50, hrt_use="current")
    assert (current["hrt_type"], current["hrt_years_ago_stopped"]) == ([0, 0, 1], [0] * 5)
    assert "hrt_duration" not in current
    assert set(factors(age=50, biopsies=0)) == {
        "age",
        "binary_biopsy_benign",
        "binary_biopsy_LCIS",
        "binary_biopsy_atypical_hyperplasia",
    }
    assert factors(age=50, biopsies=1, atypical_hyperplasia=True)[
        "binary_biopsy_atypical_hyperplasia"
    ] == [1]
    assert factors(age=50, benign_breast_disease=False)["binary_biopsy_benign"] == [0]
    assert factors(age=52, age_menopause=51)["menopausal_status"] == [0, 0, 1, 0]
    assert factors(age=51.5, age_menopause=51.2)["menopausal_status"] == [0, 1, 0, 0]


def test_checked_and_raw_tables_say_the_same() -> None:
    raw = pd.DataFrame(
        {
            "age": [50, 61],
            "lcis": [False, None],
            "onset_mother": ["61", ""],
            "onset_full_sisters": [(), None],
            "breast_density": ["b", pd.NA],
            "biopsies": [None, 0],
            "benign_breast_disease": [False, True],
        }
    )
    checked, problems = check_frame(raw)
    assert not problems.map(bool).any()
    for one, other in zip(risk_factors(raw), risk_factors(checked), strict=True):
        np.testing.assert_array_equal(one, other)


def view_of(stored: np.ndarray, *, maker: str = "hologic", **options: Any) -> View:
    kind = options.pop("kind", ImageKind.FFDM)
    raw = RawImage(pixels=stored, greyscale=Greyscale(bits_stored=12, **options))
    return View(
        laterality=Laterality.LEFT,
        position="CC",
        load=lambda: raw,
        source="a.dcm",
        rows=stored.shape[0],
        columns=stored.shape[1],
        kind=kind,
        acquisition=Acquisition(manufacturer=maker),
    )


def counts_of(view: View) -> np.ndarray:
    return mirai_counts(view, view.load())


def test_counts_over_the_range() -> None:
    rng = np.random.default_rng(0)
    stored = rng.integers(0, 4096, (300, 200)).astype(np.uint16)
    stored[0, :2] = (0, 4095)
    counts = counts_of(view_of(stored))
    assert (counts.min(), counts.max()) == (0, 65535)
    expected = np.floor(stored.astype(float) * 65535 / 4095)
    assert np.abs(counts - expected).max() <= 1
    np.testing.assert_array_equal(counts_of(view_of(stored + 100)), counts)
    np.testing.assert_array_equal(
        counts_of(view_of(stored.astype(np.int16) - 700, intercept=3.0)), counts
    )
    np.testing.assert_array_equal(counts_of(view_of(stored, inverted=True)), 65535 - counts)
    assert (counts_of(view_of(np.full((3, 3), 7, np.uint16))) == 0).all()


def test_counts_of_ge_and_of_c_view() -> None:
    stored = np.array([[0, 5, 6, 7, 900]], dtype=np.uint16)
    tables = (Lut(values=np.array([10, 200, 1023]), first=5, bits=10),)
    ge = counts_of(view_of(stored, maker="ge", voi_luts=tables))
    assert ge.tolist() == [[640, 640, 12_800, 65_472, 65_472]]
    # Without a table, and for other makers, over the range.
    assert counts_of(view_of(stored, maker="ge")).tolist()[0][-1] == 65_535
    assert counts_of(view_of(stored, voi_luts=tables)).tolist()[0][-1] == 65_535
    synthetic = {"kind": ImageKind.SYNTHETIC, "voi_luts": tables}
    stored = np.array([[0, 250, 540, 829, 900]], dtype=np.uint16)
    c_view = counts_of(view_of(stored, **synthetic))
    assert c_view.tolist() == [[0, 0, int((0.5 / 579 + 0.5) * 65_535), 65_535, 65_535]]


def test_resizing_and_alignment() -> None:
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 65_536, (300, 200)).astype(np.int32)
    resized = resize(counts)
    assert resized.shape == (ROWS, COLUMNS)
    assert resized.max() <= 65535
    left = np.zeros((400, 300), dtype=np.int32)
    left[:, :100] = 60_000
    image = normalise(aligned_counts(left))
    assert image.dtype == np.float32
    assert image[:, -100:].mean() > 4 > image[:, :100].mean()
    np.testing.assert_array_equal(normalise(aligned_counts(left[:, ::-1])), image)


def test_weights_are_never_passed_over(
    tmp_path: Path, model: MiraiModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = model.with_options(calibration="none")
    raw.save(tmp_path / "mirai")
    model.with_options(calibration="published-2022").save(tmp_path / "other")
    monkeypatch.chdir(tmp_path)
    found = mr.load_model("mirai", weights="other")
    assert isinstance(found, MiraiModel)
    assert found.calibration is not None
    with pytest.raises(ModelError, match="does not accept weights"):
        mr.load_model("hybrid", weights="other")
