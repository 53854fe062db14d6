"""A result as DICOM SR, PDF, FHIR and HTML: the same digits, no identity, and no number refused."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pydicom
import pytest
from pydicom.dataset import Dataset

import mammorisk as mr
from mammorisk._utils.optional import installed
from mammorisk.errors import NoRisk, OutputError
from mammorisk.prediction.exports.content import stated_risks
from mammorisk.prediction.exports.fhir import fhir_text
from mammorisk.prediction.exports.pdf import result_figure
from mammorisk.warnings import make_warning
from tests.factories import write_exam, write_view

WOMAN = mr.Questionnaire(age=54, race_ethnicity="white", breast_density="c")
CANARY = "KANARIENVOGEL"
IDENTITY = {
    "PatientName": f"{CANARY}^Name",
    "PatientID": f"{CANARY}-id",
    "PatientBirthDate": "19571231",
    "AccessionNumber": CANARY,
    "StudyID": CANARY,
    "InstitutionName": CANARY,
    "ReferringPhysicianName": f"{CANARY}^Doctor",
    "OperatorsName": f"{CANARY}^Operator",
    "StudyDescription": CANARY,
    "PatientComments": CANARY,
}
needs_highdicom = pytest.mark.skipif(
    not installed("highdicom"), reason="needs mammorisk[clinic], which is not installed"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exports") / CANARY
    for laterality in "RL":
        for view in ("CC", "MLO"):
            name = f"{CANARY}_{laterality}{view}.dcm"
            write_view(folder / name, laterality, view, **IDENTITY)
    return folder


@pytest.fixture(scope="module")
def prediction(folder: Path) -> mr.Prediction:
    return mr.predict(folder, WOMAN, model="bcsc-2008")


def digits(prediction: mr.Prediction) -> list[str]:
    return [f"{100 * risk:.2f}" for risk in prediction.risk]


def page_texts(prediction: mr.Prediction) -> list[str]:
    return [one.get_text() for one in result_figure(prediction.to_dict()).texts]


def numbers(item: Dataset) -> list[Dataset]:
    found = [item] if item.get("ValueType") == "NUM" else []
    return found + [one for child in item.get("ContentSequence", ()) for one in numbers(child)]


def items(item: Dataset) -> list[Dataset]:
    return [item, *(one for child in item.get("ContentSequence", ()) for one in items(child))]


@needs_highdicom
def test_the_structured_report(prediction: mr.Prediction, tmp_path: Path) -> None:
    report = pydicom.dcmread(prediction.to_sr(tmp_path / "r.dcm"))
    assert (report.PreliminaryFlag, report.VerificationFlag) == ("PRELIMINARY", "UNVERIFIED")
    assert report.ContentTemplateSequence[0].TemplateIdentifier == "1500"
    measured = numbers(report)
    values = [one.MeasuredValueSequence[0] for one in measured]
    assert [str(one.NumericValue) for one in values] == digits(prediction)
    assert {one.MeasurementUnitsCodeSequence[0].CodeValue for one in values} == {"%"}
    names = [one.ConceptNameCodeSequence[0] for one in measured]
    assert [one.CodeValue for one in names] == [f"RISK-{year}Y-INV" for year in range(1, 6)]
    assert {one.CodingSchemeDesignator for one in names} == {"99MAMMORISK"}
    parts = items(report)
    assert {one.ContinuityOfContent for one in parts if one.ValueType == "CONTAINER"} == {
        "SEPARATE"
    }
    texts = [one.TextValue for one in parts if one.ValueType == "TEXT"]
    assert {str(one) for one in prediction.warnings} <= set(texts)
    assert f"result key: {prediction.provenance['key']}" in texts
    sources = {
        one.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        for one in parts
        if one.ValueType == "IMAGE"
    }
    assert sources == {one.sop_instance for one in prediction.sources}
    assert len(sources) == 4
    assert report.StudyInstanceUID == "1.2.3.4"
    assert report.CodingSchemeIdentificationSequence[0].CodingSchemeDesignator == "99MAMMORISK"


@needs_highdicom
def test_the_digests_of_the_weights_are_in_the_report(tmp_path: Path, folder: Path) -> None:
    found = mr.predict(folder, WOMAN, model="hybrid")
    report = pydicom.dcmread(found.to_sr(tmp_path / "r.dcm"))
    texts = [one.TextValue for one in items(report) if one.ValueType == "TEXT"]
    assert f"SHA-256 of weights: {found.provenance['sha256']['weights']}" in texts
    assert "hybrid" in texts


@needs_highdicom
def test_the_same_exam_twice_is_one_instance(
    prediction: mr.Prediction, folder: Path, tmp_path: Path
) -> None:
    first = prediction.to_sr(tmp_path / "a.dcm")
    later = {**prediction.provenance, "created_utc": "2031-01-01T00:00:00Z"}
    again = replace(prediction, provenance=later)
    before = first.read_bytes()
    # The bytes are kept: rebuilt, they would have another date under the same UID.
    assert again.to_sr(first).read_bytes() == before
    other = pydicom.dcmread(again.to_sr(tmp_path / "b.dcm"))
    assert other.SOPInstanceUID == pydicom.dcmread(first).SOPInstanceUID
    assert other.ContentDate == "20310101"
    older = mr.predict(folder, WOMAN.model_copy(update={"age": 55.0}), model="bcsc-2008")
    changed = pydicom.dcmread(older.to_sr(first))
    assert changed.SOPInstanceUID != other.SOPInstanceUID
    assert changed.SeriesInstanceUID == other.SeriesInstanceUID
    assert (
        older.to_pdf(tmp_path / "p.dcm").read_bytes()
        == older.to_pdf(tmp_path / "p.dcm").read_bytes()
    )


def test_the_pdf_is_one_page_with_the_digits(prediction: mr.Prediction, tmp_path: Path) -> None:
    page = prediction.to_pdf(tmp_path / "r.pdf").read_bytes()
    assert len(re.findall(rb"/Type /Page\b", page)) == 1
    texts = page_texts(prediction)
    assert [one for one in texts if one.endswith("%")] == [f"{one}%" for one in digits(prediction)]
    lowest = min(one.get_position()[1] for one in result_figure(prediction.to_dict()).texts)
    assert lowest > 0.05
    document = pydicom.dcmread(prediction.to_pdf(tmp_path / "r.dcm"))
    assert document.SOPClassUID == "1.2.840.10008.5.1.4.1.1.104.1"
    stored = document.EncapsulatedDocument[: document.EncapsulatedDocumentLength]
    assert stored == prediction.to_pdf(tmp_path / "c.pdf").read_bytes()
    assert len(document.SourceInstanceSequence) == 4


def test_many_warnings_fit_the_page(prediction: mr.Prediction) -> None:
    told = make_warning("implant", f"breast implant and ${'a long explanation ' * 8}$", view="L-CC")
    many = replace(prediction, warnings=(told,) * 40)
    texts = result_figure(many.to_dict()).texts
    assert min(one.get_position()[1] for one in texts) > 0.05
    assert sum(one.get_text().startswith("- L-CC: breast implant") for one in texts) == 40


def test_fhir(prediction: mr.Prediction, tmp_path: Path) -> None:
    resource = prediction.to_fhir(tmp_path / "r.json", subject="Patient/7")
    text = (tmp_path / "r.json").read_text()
    assert json.loads(text) == json.loads(json.dumps(resource))
    assert re.findall(r'"probabilityDecimal": ([\d.]+)', text) == digits(prediction)
    assert resource["resourceType"] == "RiskAssessment"
    assert (resource["status"], resource["subject"]) == (
        "preliminary",
        {"reference": "Patient/7"},
    )
    assert re.fullmatch(r"[A-Za-z0-9.-]{1,64}", resource["id"])
    periods = [one["whenPeriod"] for one in resource["prediction"]]
    assert periods[4] == {"start": "2025-01-01", "end": "2030-01-01"}
    assert resource["basis"][0]["identifier"]["value"] == "urn:oid:1.2.3.4"
    notes = [one["text"] for one in resource["note"]]
    assert {str(one) for one in prediction.warnings} <= set(notes)


def test_fhir_of_a_questionnaire() -> None:
    found = mr.predict(mr.Questionnaire(age=40), horizons=(0.5, 10, "lifetime"))
    resource = found.to_fhir()
    assert "basis" not in resource
    ends = [one["whenPeriod"].get("end") for one in resource["prediction"]]
    start = resource["prediction"][0]["whenPeriod"]["start"]
    assert start == found.provenance["created_utc"][:10]
    assert ends[1][:4] == str(int(start[:4]) + 10)
    assert ends[2] is None
    assert 0 < resource["prediction"][2]["probabilityDecimal"] < 100
    assert '"probabilityDecimal": 1.80' in fhir_text({"probabilityDecimal": 1.8})


def test_the_page_has_the_digits_and_fits_a_telephone(
    prediction: mr.Prediction, tmp_path: Path
) -> None:
    page = prediction.to_html(tmp_path / "r.html").read_text()
    row = re.search(r"<b>bcsc-2008</b></th>(.*?)</tr>", page)
    assert row is not None
    assert re.findall(r">([\d.]+)%<", row[1]) == digits(prediction)
    # What makes five columns fit 390 px: labels wrap, cells are narrow.
    assert "overflow-wrap:anywhere" in page
    assert "padding:2px 4px;min-width:0" in page


@needs_highdicom
def test_no_identity_leaves_unless_asked_for(prediction: mr.Prediction, tmp_path: Path) -> None:
    prediction.to_sr(tmp_path / "r.dcm")
    prediction.to_pdf(tmp_path / "p.dcm")
    prediction.to_fhir(tmp_path / "r.json")
    prediction.to_html(tmp_path / "r.html")
    told = [json.dumps(prediction.to_dict()), repr(prediction.sources), *page_texts(prediction)]
    (tmp_path / "other.txt").write_text("\n".join(told))
    prediction.to_pdf(tmp_path / "r.pdf")
    files = sorted(tmp_path.iterdir())
    assert len(files) == 6
    for file in files:
        assert CANARY.encode() not in file.read_bytes(), file.name
        assert b"19571231" not in file.read_bytes(), file.name
    report = pydicom.dcmread(prediction.to_sr(tmp_path / "named.dcm", identity=True))
    assert (report.PatientID, str(report.PatientName)) == (f"{CANARY}-id", f"{CANARY}^Name")
    assert (report.PatientBirthDate, report.StudyDate) == ("19571231", "20250101")
    assert report.AccessionNumber == CANARY
    assert "InstitutionName" not in report
    document = pydicom.dcmread(prediction.to_pdf(tmp_path / "named2.dcm", identity=True))
    assert document.PatientID == f"{CANARY}-id"
    assert CANARY.encode() not in document.EncapsulatedDocument
    named = prediction.to_fhir(identity=True)["subject"]
    assert named == {"type": "Patient", "identifier": {"value": f"{CANARY}-id"}}


@pytest.mark.parametrize(
    ("woman", "options"),
    [
        ({"age": 54, "breast_density": "c", "prior_breast_cancer": True}, {}),
        ({"age": 97}, {"model": "bcsc-2008"}),
        ({"age": 54}, {"model": "density-only"}),
    ],
)
@needs_highdicom
def test_without_a_risk_no_format_has_a_number(
    woman: dict[str, object], options: dict[str, str], tmp_path: Path, prediction: mr.Prediction
) -> None:
    found = mr.predict(mr.Questionnaire(**woman), **options)
    found = replace(found, sources=prediction.sources)
    for write in (found.to_sr, found.to_fhir):
        with pytest.raises(NoRisk, match="there is no risk"):
            write(tmp_path / "no.file")
    page = found.to_html(tmp_path / "r.html").read_text()
    found.to_pdf(tmp_path / "r.pdf")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["r.html", "r.pdf"]
    body = page[page.index("<body>") :]
    assert not re.search(r"\d%", body)
    assert not [one for one in page_texts(found) if re.search(r"\d%", one)]
    assert "There is no risk" in body
    assert str(found.warnings[0]) in body.replace("&#x27;", "'")


def test_pictures_and_two_studies_have_no_dicom_document(
    prediction: mr.Prediction, tmp_path: Path
) -> None:
    with pytest.raises(OutputError, match="no DICOM images"):
        mr.predict(WOMAN).to_pdf(tmp_path / "r.dcm")
    one = replace(prediction.sources[0], study="1.2.9")
    mixed = replace(prediction, sources=(one, *prediction.sources[1:]))
    with pytest.raises(OutputError, match="different StudyInstanceUIDs"):
        mixed.to_pdf(tmp_path / "r.dcm")
    with pytest.raises(OutputError, match="cannot be written"):
        prediction.to_pdf(tmp_path / "nowhere" / "r.dcm")
    with pytest.raises(OutputError, match="cannot be written"):
        prediction.to_html(tmp_path / "nowhere" / "r.html")
    assert not list(tmp_path.iterdir())


@needs_highdicom
def test_faulty_attributes_of_a_patient_are_left_out(
    prediction: mr.Prediction, tmp_path: Path
) -> None:
    faulty = {
        "PatientName": "Ä" * 300,
        "PatientID": "ok\n" + "x" * 80,
        "PatientBirthDate": "31.12.1957",
        "PatientSex": "?",
        "StudyDate": "2025-13-77",
        "StudyTime": "noon",
        "AccessionNumber": "A1",
        "ReferringPhysicianName": "Müller^Jürgen",
    }
    sources = tuple(replace(one, identity=faulty) for one in prediction.sources)
    found = replace(prediction, sources=sources)
    for file in (
        found.to_sr(tmp_path / "r.dcm", identity=True),
        found.to_pdf(tmp_path / "p.dcm", identity=True),
    ):
        report = pydicom.dcmread(file)
        for keyword in ("PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "PatientID"):
            assert not report[keyword].value, keyword
        assert report.AccessionNumber == "A1"
        assert str(report.ReferringPhysicianName) == "Müller^Jürgen"


@pytest.mark.parametrize("uid", [None, "1.2.840.x", "1." + "2" * 70])
def test_a_header_without_uids_is_no_source(tmp_path: Path, uid: str | None) -> None:
    write_exam(tmp_path / "exam", SeriesInstanceUID=uid)
    assert [view.dicom for view in mr.read_exam(tmp_path / "exam")] == [None] * 4


@needs_highdicom
@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dicom3tools is not installed")
def test_dciodvfy_finds_no_error(prediction: mr.Prediction, tmp_path: Path) -> None:
    for identity in (False, True):
        for file in (
            prediction.to_sr(tmp_path / f"sr{identity}.dcm", identity=identity),
            prediction.to_pdf(tmp_path / f"pdf{identity}.dcm", identity=identity),
        ):
            done = subprocess.run(["dciodvfy", str(file)], capture_output=True, text=True)
            assert "Error" not in done.stdout + done.stderr


def test_numbers_are_rounded_once() -> None:
    found = mr.predict(WOMAN, model="bcsc-2008")
    found = replace(found, risk=pd.Series({1: 0.00005, 5: 0.018}, name="risk"))
    assert [one.digits for one in stated_risks(found.to_dict())] == ["0.01", "1.80"]
