"""predict(): one woman, a table, a cohort; the default models and what the flags say."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mammorisk as mr
from mammorisk.errors import HorizonError, QuestionnaireError, UnknownModel
from mammorisk.prediction.prediction import to_json
from tests.factories import write_exam

WOMAN = mr.Questionnaire(
    age=54, race_ethnicity="white", parity=2, age_first_birth=27, first_degree_relatives=1
)


@pytest.fixture(scope="module")
def exam_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exams") / "one"
    write_exam(folder)
    return folder


def test_without_density_icare_lit_answers() -> None:
    p = mr.predict(WOMAN)
    assert p.model == "icare-lit"
    assert p.risk.is_monotonic_increasing
    assert p.five_year == p.risk[5]
    assert p.density == {"category": None, "source": "unknown"}
    direct = mr.load_model("icare-lit").predict(WOMAN)
    assert p.five_year == direct.five_year


def test_a_readers_density_makes_bcsc_2008_answer() -> None:
    woman = WOMAN.model_copy(update={"breast_density": "d"})
    p = mr.predict(woman)
    assert p.model == "bcsc-2008"
    assert p.density["source"] == "reader"
    assert "bcsc-2008" not in p.baselines.index
    assert {"bcrat", "icare-lit", "density-only", "average"} <= set(p.baselines.index)
    assert list(p.baselines.columns) == [1, 2, 3, 4, 5]


def test_where_bcsc_2008_does_not_apply_the_flags_say_why() -> None:
    p = mr.predict(mr.Questionnaire(age=33, race_ethnicity="white", breast_density="b"))
    assert p.model == "icare-lit"
    assert any("bcsc-2008 does not apply" in flag for flag in map(str, p.warnings))
    assert p.five_year > 0


def test_nobody_gets_a_number_after_breast_cancer() -> None:
    p = mr.predict(mr.Questionnaire(age=54, breast_density="c", prior_breast_cancer=True))
    assert math.isnan(p.five_year)
    assert p.warnings
    json.loads(to_json(p))


def test_an_exam_gives_its_density(exam_folder: Path) -> None:
    exam = mr.read_exam(exam_folder)
    p = mr.predict(exam, WOMAN, model="bcsc-2008")
    assert p.density["source"] == "estimated from the image"
    assert 0 <= p.density["percent_density"] <= 100
    assert any("not calibrated" in flag for flag in map(str, p.warnings))
    assert p.five_year == pytest.approx(p.density["five_year_by_category"][p.density["category"]])
    assert len(p.provenance["views"]) == 4
    reader = mr.predict(exam, WOMAN.model_copy(update={"breast_density": "a"}))
    assert reader.density["category"] == "a"
    assert reader.density["source"] == "reader"
    assert mr.predict(exam_folder, WOMAN, model="bcsc-2008").five_year == p.five_year


def test_everything_survives_json_and_html(exam_folder: Path) -> None:
    p = mr.predict(mr.read_exam(exam_folder), WOMAN)
    told = json.loads(to_json(p))
    assert told["risk"]["5"] == p.five_year
    assert "not a medical device" in told["notice"]
    page = p._repr_html_()
    assert "bcrat" in page
    assert "not a medical device" in page
    assert f"{100 * p.five_year:.2f}%" in page
    assert "5 y" in repr(p)


def test_plot_has_units_and_every_model() -> None:
    ax = mr.predict(WOMAN).plot()
    assert "%" in ax.get_ylabel()
    assert "years" in ax.get_xlabel()
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert "average woman of her age" in labels


def test_age_is_needed(exam_folder: Path) -> None:
    with pytest.raises(QuestionnaireError, match="age"):
        mr.predict(mr.read_exam(exam_folder))


def test_unknown_model_and_horizon() -> None:
    with pytest.raises(UnknownModel, match="Known: "):
        mr.predict(WOMAN, model="gale")
    with pytest.raises(HorizonError):
        mr.predict(WOMAN, horizons=(0,))
    with pytest.raises(HorizonError):
        mr.predict(WOMAN, model="bcsc-2006", horizons=(5,))


def test_a_table_keeps_every_row_in_order() -> None:
    frame = pd.DataFrame(
        {
            "patient_id": list("abcdef"),
            "exam_id": range(6),
            "age": [54, 54, 19, np.nan, 500, 33],
            "race_ethnicity": ["white"] * 6,
            "breast_density": ["c", None, "c", "c", "c", "b"],
        },
        index=[5, 4, 3, 2, 1, 0],
    )
    risks = mr.predict(frame)
    assert list(risks.columns) == [
        "patient_id",
        "exam_id",
        "model",
        *(f"risk_{y}y" for y in range(1, 6)),
        "images_used",
        "warnings",
        "warning_codes",
    ]
    assert list(risks.index) == list(frame.index)
    assert risks["model"].tolist()[:2] == ["bcsc-2008", "icare-lit"]
    assert risks["risk_5y"].notna().tolist() == [True, True, False, False, False, True]
    assert (risks["warnings"][risks["risk_5y"].isna()] != "").all()
    one = mr.predict(frame.iloc[[0]])
    assert one["risk_5y"].iloc[0] == risks["risk_5y"].iloc[0]


def test_long_horizons_go_to_a_model_that_reaches_them() -> None:
    woman = WOMAN.model_copy(update={"breast_density": "c"})
    p = mr.predict(woman, horizons=(5, 10, "lifetime"))
    assert p.model == "icare-lit"
    assert p.risk.notna().all()


@pytest.fixture
def cohort_file(tmp_path: Path) -> Path:
    write_exam(tmp_path / "good")
    write_exam(tmp_path / "cut")
    victim = next((tmp_path / "cut").iterdir())
    victim.write_bytes(victim.read_bytes()[:2000])
    (tmp_path / "empty").mkdir()
    table = pd.DataFrame(
        {
            "patient_id": ["1", "2", "3", "4", "5"],
            "exam_id": ["a", "b", "c", "d", "e"],
            "path": ["good", "cut", "good", "empty", "nowhere"],
            "age": [54, 55, 56, 57, 58],
            "race_ethnicity": "white",
            "breast_density": [None, None, "d", None, None],
        }
    )
    path = tmp_path / "cohort.csv"
    table.to_csv(path, index=False)
    return path


def test_one_bad_exam_never_stops_a_cohort(cohort_file: Path) -> None:
    risks = mr.predict(mr.read_cohort(cohort_file), model="bcsc-2008")
    assert risks["risk_5y"].notna().tolist() == [True, False, True, False, False]
    assert (risks["warnings"][risks["risk_5y"].isna()] != "").all()
    assert "estimated from the image" in risks["warnings"][0]
    assert "estimated" not in risks["warnings"][2]


def test_a_readers_density_is_read_as_generously_in_a_cohort(tmp_path: Path) -> None:
    write_exam(tmp_path / "exam")
    (tmp_path / "c.csv").write_text(
        "patient_id,exam_id,path,age,race_ethnicity,breast_density\n"
        "1,1,exam,54,White,D\n2,2,exam,54,White,unknown\n3,3,exam,54,White,4\n"
    )
    risks = mr.predict(mr.read_cohort(tmp_path / "c.csv", errors="flag"), model="bcsc-2008")
    reader = mr.predict(WOMAN.model_copy(update={"breast_density": "d"}))
    assert "estimated" not in risks["warnings"][0]
    assert "estimated from the image" in risks["warnings"][1]
    assert np.isnan(risks["risk_5y"][2])
    assert "breast_density" in risks["warnings"][2]
    assert risks["risk_5y"][0] < reader.five_year


def test_forces_of_a_device_that_look_like_another_unit_are_flagged(tmp_path: Path) -> None:
    for i in range(5):
        write_exam(tmp_path / f"e{i}", CompressionForce=str(11 + i))
    rows = "".join(f"{i},{i},e{i},54,white\n" for i in range(5))
    (tmp_path / "c.csv").write_text("patient_id,exam_id,path,age,race_ethnicity\n" + rows)
    risks = mr.predict(mr.read_cohort(tmp_path / "c.csv"))
    assert risks["warnings"].str.contains("looks like daN or kgf").all()
    assert risks["risk_5y"].notna().all()


def test_a_model_that_needs_no_images_answers_where_they_cannot_be_read(cohort_file: Path) -> None:
    risks = mr.predict(mr.read_cohort(cohort_file), model="icare-lit")
    assert risks["risk_5y"].notna().all()
    unread = risks["warning_codes"].str.contains("exam-not-read")
    assert unread.tolist() == [False, True, False, True, True]


def test_models_table_and_saved_models(tmp_path: Path) -> None:
    table = mr.models()
    assert {"bcrat", "icare-lit", "bcsc-2008", "density-only", "average"} <= set(table.index)
    published = table.drop(index="hybrid")
    assert published["source"].str.contains("doi|DOI|derived", regex=True).all()
    assert "SIMULATED" in table.loc["hybrid", "training_data"]
    # Mirai's weights are not in the package.
    for name in table.index.drop("mirai"):
        model = mr.load_model(name)
        model.save(tmp_path / name)
        again = mr.load_model(tmp_path / name)
        assert again.name == name
