"""Findings with a prediction: the same as of mr.find, from the same reading, and never a risk."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import jsonschema
import pandas as pd
import pytest
from pydicom import dcmread
from pydicom.uid import MammographyCADSRStorage
from typer.testing import CliRunner

import mammorisk as mr
from mammorisk.cli.app import app
from mammorisk.errors import CohortError, ExamError, OutputError
from mammorisk.findings.base import Detector
from mammorisk.findings.registry import open_detector
from mammorisk.imaging.segmented_view import SegmentedView
from mammorisk.prediction.findings_column import read_findings
from mammorisk.prediction.prediction import to_json
from mammorisk.records.exam import Exam
from tests.factories import counted_loads, simulated_exam

pytestmark = pytest.mark.networks
pytest.importorskip("torch")
WOMAN = mr.Questionnaire(age=52, race_ethnicity="white")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulated_exam(tmp_path_factory.mktemp("findings") / "exam", seed=3, pixel_mm=1.0)


@pytest.fixture(scope="module")
def exam(folder: Path) -> Exam:
    return mr.read_exam(folder)


@pytest.fixture(scope="module")
def detector() -> object:
    """A detector with a low limit, so that there are findings in a coarse image."""
    found = open_detector("findings-sim")
    return replace(found, operating_points=dict.fromkeys(found.operating_points, 0.02))


@pytest.fixture(scope="module")
def prediction(exam: Exam, detector: str) -> mr.Prediction:
    return mr.predict(exam, WOMAN, findings=detector)


def _cohort(exam: Exam) -> mr.Cohort:
    """Three exams: the second cannot be decoded, the third is of a man."""

    def fail() -> object:
        raise ExamError("truncated", where="R-CC")

    views = {name: replace(view, load=fail) for name, view in exam.views.items()}
    exams = [exam, replace(exam, views=views), replace(exam, patient_sex="M")]
    table = pd.DataFrame({"patient_id": ["a", "b", "c"], "exam_id": [1, 1, 1], "age": 52})
    return mr.Cohort(exams=table, errors=pd.Series([""] * 3), open_exam=lambda row: exams[row])


@pytest.mark.parametrize("name", ["hybrid", "bcrat"])
def test_risk_is_that_without_findings_and_views_are_decoded_once(
    exam: Exam, detector: str, name: str
) -> None:
    watched, loads = counted_loads(exam)
    found = mr.predict(watched, WOMAN, model=name, findings=detector)
    assert sorted(loads) == sorted(exam.views)
    plain = mr.predict(exam, WOMAN, model=name)
    assert plain.findings is None
    assert found.findings is not None
    told, without = found.to_dict(), plain.to_dict()
    for one in (told, without):
        del one["findings"], one["created_utc"]
    assert told == without
    assert found.findings.to_dict() == mr.find(exam, model=detector).to_dict()


def test_result_with_findings_follows_the_schema(prediction: mr.Prediction) -> None:
    result = json.loads(to_json(prediction))
    validator = jsonschema.Draft202012Validator(mr.result_schema())
    validator.validate(result)
    assert len(result["findings"]["findings"]) == len(prediction.findings) > 0
    assert result["findings"]["simulated"] is True
    result["findings"]["findings"][0]["score"] = 1.5
    assert not validator.is_valid(result)
    assert "findings for review (findings-sim): " in repr(prediction)


def test_page_shows_findings_for_review(prediction: mr.Prediction, tmp_path: Path) -> None:
    page = prediction.to_html(tmp_path / "with.html").read_text()
    plain = replace(prediction, findings=None).to_html(tmp_path / "without.html").read_text()
    assert "Findings for review" in page
    assert "<img alt='the views" in page
    assert "They are not risks" in page
    first = prediction.findings.findings[0]
    assert f"<td>{first.view}</td><td>{first.type}</td><td>{first.score:.2f}</td>" in page
    assert "indings" not in plain
    assert "<img" not in plain
    # In a notebook there is the table alone.
    assert f"<td>{first.type}</td>" in prediction._repr_html_()


def test_a_bad_exam_stops_no_cohort(exam: Exam, detector: str) -> None:
    cohort = _cohort(exam)
    risks, found = mr.predict(cohort, model=["bcrat", "average"], findings=detector)
    assert risks["model"].tolist() == ["bcrat"] * 3 + ["average"] * 3
    same = mr.find(cohort, model=detector)
    pd.testing.assert_frame_equal(found, same)
    assert str(found.attrs) == str(same.attrs)
    assert set(found["patient_id"]) == {"a"}
    assert [one["patient_id"] for one in found.attrs["exams"]] == ["a"]
    errors = found.attrs["errors"]
    assert [(one["patient_id"], one["what"].split()[0]) for one in errors] == [
        ("b", "truncated"),
        ("c", "PatientSex"),
    ]
    # bcrat needs no pixels: the exam that cannot be decoded has its risk all the same.
    assert risks["risk_5y"].notna().tolist() == [True, True, False] * 2
    plain = mr.predict(cohort, model="bcrat")
    pd.testing.assert_frame_equal(risks[:3].drop(1), plain.drop(1))
    told = [*plain.columns[-2:]]
    pd.testing.assert_frame_equal(risks[:3].drop(columns=told), plain.drop(columns=told))
    # The search is made once. The rows of both models say that there was none.
    codes = risks["warning_codes"].str.contains("lesions-not-searched")
    assert codes.tolist() == [False, True, False] * 2
    assert risks["warnings"].str.count("R-CC: lesions not searched: truncated").sum() == 2


def test_rows_say_what_was_not_searched_whatever_the_first_model_needs(
    exam: Exam, detector: str
) -> None:
    cohort = _cohort(exam).select([1])
    alone, _ = mr.predict(cohort, model="bcrat", findings=detector)
    # density-only needs the pixels that cannot be decoded.
    both, _ = mr.predict(cohort, model=["density-only", "bcrat"], findings=detector)
    (told,), (of_density, of_bcrat) = alone["warnings"], both["warnings"]
    assert "R-CC: lesions not searched: truncated" in told.split("; ")
    assert sorted(of_bcrat.split("; ")) == sorted(told.split("; "))
    assert of_density == "R-CC: truncated."
    assert both["risk_5y"].iloc[1] == alone["risk_5y"].item()


def test_one_exam_that_cannot_be_searched_keeps_its_risk(
    exam: Exam, detector: str, tmp_path: Path
) -> None:
    cohort, log = _cohort(exam), tmp_path / "audit.jsonl"
    found = mr.predict(cohort.open_exam(1), WOMAN, model="bcrat", findings=detector, audit=log)
    plain = mr.predict(cohort.open_exam(1), WOMAN, model="bcrat")
    assert found.findings is None
    pd.testing.assert_series_equal(found.risk, plain.risk)
    (told,) = [one for one in found.warnings if one not in plain.warnings]
    assert (told.code, told.severity, told.view) == ("lesions-not-searched", "caution", "R-CC")
    # The warning is a part of the result, so that a document of it is another instance.
    assert found.provenance["key"] != plain.provenance["key"]
    (line,) = log.read_text().splitlines()
    assert "lesions-not-searched" in json.loads(line)["warning_codes"]
    row, _ = mr.predict(cohort.select([1]), model="bcrat", findings=detector)
    assert row["risk_5y"].item() == found.five_year
    assert "lesions-not-searched" in row["warning_codes"].item()
    man = mr.predict(cohort.open_exam(2), WOMAN, model="bcrat", findings=detector)
    assert man.findings is None
    assert [one.code for one in man.warnings] == ["male-patient"]


@pytest.mark.parametrize(("fault", "code"), [("one view", 1), ("man", 3)])
def test_command_for_an_exam_that_is_not_searched(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str, code: int
) -> None:
    if fault == "one view":

        def prepare(seen: SegmentedView, detector: object, quality: object) -> None:
            raise ExamError("truncated", where=seen.view.name)

        monkeypatch.setattr("mammorisk.findings.prepare.prepare", prepare)
    spoilt = tmp_path / "exam"
    shutil.copytree(folder, spoilt)
    for file in spoilt.glob("*.dcm") if fault == "man" else ():
        header = dcmread(file)
        header.PatientSex = "M"
        header.save_as(file)
    out, report = tmp_path / "found.csv", tmp_path / "cad.dcm"
    files = ["--findings", "--findings-out", str(out), "--cad-sr", str(report)]
    arguments = ["predict", str(spoilt), "--age", "52", "--model", "bcrat", "--json", *files]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == code, done.output
    result = json.loads(done.stdout)
    assert result["findings"] is None
    assert (result["risk"]["5"] is None) == (fault == "man")
    why = "PatientSex (0010,0040) is M" if fault == "man" else "R-CC: lesions not searched: trunc"
    assert done.stderr.count(f"no file for --cad-sr: {why}") == 1
    assert done.stderr.count(f"no file for --findings-out: {why}") == 1
    assert not out.exists()
    assert not report.exists()


def test_the_search_does_not_depend_on_what_the_model_needs(exam: Exam, detector: str) -> None:
    class Strict(type(mr.load_model("hybrid"))):  # type: ignore[misc]
        def check_exam(self, exam: Exam) -> None:
            raise ExamError("four views are needed")

    strict = Strict(**vars(mr.load_model("hybrid")))
    table = pd.DataFrame({"patient_id": ["a"], "exam_id": ["e"], "age": 52})
    cohort = mr.Cohort(exams=table, errors=pd.Series([""]), open_exam=lambda row: exam)
    risks, found = mr.predict(cohort, model=strict, findings=detector)
    assert risks["risk_5y"].isna().all()
    pd.testing.assert_frame_equal(found, mr.find(cohort, model=detector))


def test_rows_in_error_are_not_searched(exam: Exam, detector: str) -> None:
    table = pd.DataFrame({"patient_id": ["a", "b"], "exam_id": [1, None], "age": 52})
    errors = pd.Series(["", "the path leads out of the root folder"])
    cohort = mr.Cohort(exams=table, errors=errors, open_exam=lambda row: exam)
    found = mr.find(cohort, model=detector)
    assert set(found["patient_id"]) == {"a"}
    (error,) = found.attrs["errors"]
    assert error["exam_id"] is None
    assert "root folder" in error["what"]
    _, same = mr.predict(cohort, model="bcrat", findings=detector)
    assert str(same.attrs) == str(found.attrs)


def test_an_error_in_the_search_is_no_error_of_the_risk(exam: Exam) -> None:
    class Broken(type(open_detector("findings-sim"))):  # type: ignore[misc]
        def prepare(self, seen: object) -> None:
            raise ZeroDivisionError("Smith^Jane")

    broken = Broken(**vars(open_detector("findings-sim")))
    table = pd.DataFrame({"patient_id": ["a"], "exam_id": ["e"], "age": 52})
    cohort = mr.Cohort(exams=table, errors=pd.Series([""]), open_exam=lambda row: exam)
    risks, found = mr.predict(cohort, findings=broken)
    assert risks["risk_5y"].notna().all()
    (error,) = found.attrs["errors"]
    assert "ZeroDivisionError" in error["what"]
    assert "Smith" not in str(error)


@pytest.mark.parametrize("name", ["risks.parquet", "risks.csv"])
def test_file_with_findings_is_resumed_and_loses_nothing(
    exam: Exam, detector: Detector, tmp_path: Path, name: str
) -> None:
    cohort, out = _cohort(exam), tmp_path / name
    cohort = replace(cohort, exams=cohort.exams.assign(patient_id=["007", "008", "009"]))
    options = {"model": "bcrat", "findings": detector, "exams_per_part": 1}

    def stop(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        mr.predict_to_file(cohort, out, on_part=stop, **options)
    assert not out.exists()
    with pytest.raises(OutputError, match="belongs to a run of another"):
        mr.predict_to_file(cohort, out, **options | {"findings": False})
    read: list[int] = []
    watched = replace(cohort, open_exam=lambda row: read.append(row) or cohort.open_exam(row))
    written = mr.predict_to_file(watched, out, **options)
    assert read == [2]
    assert (written.exams, written.without_risk, written.unsearched) == (3, 1, 2)
    assert [one.name for one in tmp_path.iterdir()] == [name]
    found, same = written.findings(), mr.find(cohort, model=detector)
    assert len(same) > 0
    keys = ["patient_id", "exam_id"]
    # A CSV has no types of its own. Its ids are text.
    pd.testing.assert_frame_equal(found.drop(columns=keys), same.drop(columns=keys))
    assert set(found["patient_id"]) == {"007"}
    assert found["exam_id"].tolist() == [*map(str if name.endswith("csv") else int, same.exam_id)]
    for kind in ("exams", "errors"):
        drop = {"exam_id": 0}
        assert str([one | drop for one in found.attrs[kind]]) == str(
            [one | drop for one in same.attrs[kind]]
        )


def test_a_missing_id_is_none() -> None:
    text = json.dumps({"error": ExamError("truncated").to_dict()})
    table = pd.DataFrame(
        {"patient_id": ["a", "b"], "exam_id": [1.0, None], "highest_score": None, "findings": text}
    )
    assert [one["exam_id"] for one in read_findings([table]).attrs["errors"]] == [1.0, None]


def test_file_without_findings_has_none(exam: Exam, tmp_path: Path) -> None:
    written = mr.predict_to_file(_cohort(exam).select([0]), tmp_path / "r.csv", model="bcrat")
    assert written.unsearched is None
    with pytest.raises(OutputError, match="the file has risks alone"):
        written.findings()
    women = replace(_cohort(exam), open_exam=None)
    with pytest.raises(CohortError, match="no images in which findings"):
        mr.predict_to_file(women, tmp_path / "women.csv", findings=True)


def test_findings_need_images() -> None:
    for data in (WOMAN, [WOMAN], pd.DataFrame({"age": [52]})):
        with pytest.raises(CohortError, match="no images in which findings"):
            mr.predict(data, findings=True)


def test_commands(folder: Path, tmp_path: Path) -> None:
    out, report = tmp_path / "found.csv", tmp_path / "cad.dcm"
    arguments = ["predict", str(folder), "--age", "52", "--model", "bcrat", "--cad-sr", str(report)]
    files = ["--findings-out", str(out)]
    done = CliRunner().invoke(app, [*arguments, *files, "--findings", "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["findings"]["model"] == "findings-sim"
    assert len(pd.read_csv(out)) == len(told["findings"]["findings"])
    assert dcmread(report).SOPClassUID == MammographyCADSRStorage
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 2
    assert "--findings" in done.output
    done = CliRunner().invoke(app, ["predict", "--age", "52", "--findings"])
    assert done.exit_code == 2
