"""Nothing of a patient's identity comes out: canaries in every text attribute, found nowhere."""

from __future__ import annotations

import json
import logging
import traceback
import warnings
from pathlib import Path

import pydicom
import pytest
from pydicom.datadict import dictionary_VR
from pydicom.dataset import FileDataset
from typer.testing import CliRunner

import mammorisk as mr
from mammorisk.cli.app import app
from mammorisk.errors import MammoriskError
from mammorisk.prediction.prediction import to_json
from tests import factories as f

#: Attributes that carry identity, with values no other part of a file has.
CANARIES = {
    "PatientName": "Canaryname^Jane",
    "PatientID": "CANARY-ID-4711",
    "OtherPatientIDs": "CANARY-OTHER",
    "PatientBirthDate": "19510717",
    "PatientBirthTime": "171717",
    "PatientAddress": "Canary Street 1",
    "PatientTelephoneNumbers": "0171-717171",
    "PatientComments": "canary comment",
    "AccessionNumber": "CANARYACC",
    "StudyID": "CANARYSTUDY",
    "StudyInstanceUID": "1.2.717171.1",
    "SeriesInstanceUID": "1.2.717171.2",
    "StudyDate": "20170717",
    "AcquisitionDate": "20170718",
    "ContentDate": "20170719",
    "AcquisitionTime": "071717",
    "ReferringPhysicianName": "Canarydoctor",
    "OperatorsName": "Canaryoperator",
    "InstitutionName": "Canary Hospital",
    "StationName": "CANARYSTATION",
    "StudyDescription": "canary study",
    "SeriesDescription": "canary series",
    "ImageComments": "canary image",
    "DeviceSerialNumber": "CANARYSERIAL",
    "ProtocolName": "canary protocol",
    "StationAETitle": "CANARYAE",
    "AcquisitionDateTime": "20170720171717",
    "InstitutionAddress": "canary address",
    "TextValue": "canary text",
    "LongCodeValue": "canary code",
    "RetrieveURL": "https://canary.invalid/1",
    "TypeOfPatientID": "CANARYTYPE",
    "SeriesNumber": "4711",
}
#: Values in the wrong form, which make pydicom warn and quote them.
MISFITS = {
    "PatientAge": "CANARYAGE",
    "StudyTime": "canarytime",
    "PatientWeight": "4711.canary",
    "InstanceNumber": "canary",
    "SOPInstanceUID": "canary.uid",
    "PresentationLUTShape": "canaryshape",
}
#: A person's name where text about equipment or display belongs.
MISPLACED = {
    "Manufacturer": "Canaryname^Jane",
    "ManufacturerModelName": "Canaryname^Jane",
    "SoftwareVersions": "Canaryname^Jane",
    "PaddleDescription": "Canaryname^Jane",
    "AnodeTargetMaterial": "Canaryname^Jane",
    "FilterMaterial": "Canaryname^Jane",
    "WindowCenterWidthExplanation": "Canaryname^Jane",
}
TEXT_VRS = {"AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM"} | {
    "UC",
    "UI",
    "UR",
    "UT",
}
NEEDLES = ("canary", "19510717", "171717", "717171", "2017071", "071717", "4711", "0171")


def planted(**attributes: object) -> FileDataset:
    """A mammogram with canaries: at the top, nested, private and in the file meta information."""
    with pydicom.config.disable_value_validation():
        dataset = f.mammogram(**{**CANARIES, **MISPLACED, **attributes})
        for keyword, value in MISFITS.items():
            vr = dictionary_VR(keyword)
            # A number that is none cannot be made, only read.
            dataset.add_new(keyword, "LO" if vr in ("DS", "IS") else vr, value)
        nested = pydicom.Dataset()
        nested.PatientName, nested.RequestedProcedureDescription = "Canaryname^Nested", "canary"
        dataset.RequestAttributesSequence = [nested]
        dataset.private_block(0x0011, "CANARY", create=True).add_new(1, "LO", "canary private")
        dataset.file_meta.SourceApplicationEntityTitle = "CANARYMETA"
    return dataset


def save(dataset: FileDataset, path: Path) -> None:
    with pydicom.config.disable_value_validation():
        f.save(dataset, path)


def clean(text: str) -> None:
    lowered = text.lower()
    assert [needle for needle in NEEDLES if needle in lowered] == []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for side in "RL":
        for view in ("CC", "MLO"):
            save(planted(laterality=side, view=view), tmp_path / "exam" / f"{side}{view}.dcm")
    return tmp_path / "exam"


def test_the_canaries_are_in_the_input(folder: Path) -> None:
    data = (folder / "LCC.dcm").read_bytes().lower()
    for needle in NEEDLES:
        assert needle.encode() in data, needle
    assert {dictionary_VR(keyword) for keyword in (*CANARIES, *MISFITS)} >= TEXT_VRS


@pytest.mark.networks
def test_a_sound_exam_tells_nothing(
    folder: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        exam = mr.read_exam(folder)
        prediction = mr.predict(exam, mr.Questionnaire(age=66, race_ethnicity="white"))
    for view in exam:
        clean(repr(view))
        clean(repr(view.load()))
    clean(repr(exam) + repr(exam.set_aside) + str(exam.all_warnings()))
    clean(repr(prediction) + prediction._repr_html_() + to_json(prediction))
    clean(" ".join(str(w.message) for w in warned))
    clean(caplog.text)
    out, err = capfd.readouterr()
    clean(out + err)


@pytest.mark.parametrize(
    "change",
    [
        {"Modality": "CT"},
        {"ImageLaterality": ""},
        {"Rows": 0},
        {"Rows": 65535, "Columns": 65535},
        {"PresentationIntentType": "FOR PROCESSING"},
        {"BitsStored": 40},
        {"PatientID": "CANARY-ID-OTHER"},
        {"PatientBirthDate": "19520717"},
        {"Modality": "CANARY"},
        {"ViewPosition": "CANARYVIEW", "ViewCodeSequence": None},
        {"ImageLaterality": "CANARY"},
        {"PhotometricInterpretation": "CANARYRGB"},
    ],
    ids=str,
)
def test_errors_tell_nothing(folder: Path, change: dict, tmp_path: Path) -> None:
    (folder / "LCC.dcm").unlink()
    save(planted(**change), folder / "LCC.dcm")
    with pytest.raises(MammoriskError) as caught:
        mr.read_exam(folder)["L-CC"].load()
    clean(str(caught.value) + repr(caught.value) + str(caught.value.__dict__))
    done = CliRunner().invoke(app, ["predict", str(folder), "--age", "66"])
    assert done.exit_code == 2
    clean(done.output.replace(str(tmp_path), "") + repr(done.exception))


def test_a_traceback_tells_nothing(folder: Path, tmp_path: Path) -> None:
    save(planted(BitsStored=40), folder / "LCC.dcm")
    done = CliRunner().invoke(
        app, ["predict", str(folder), "--age", "66", "--model", "bcsc-2008", "--debug"]
    )
    assert done.exc_info is not None
    shown = "".join(traceback.format_exception(*done.exc_info))
    assert "mammorisk/io/pixels.py" in shown.replace("\\", "/")
    clean(shown.replace(str(tmp_path), ""))


def test_a_cut_file_tells_nothing(folder: Path) -> None:
    data = (folder / "LCC.dcm").read_bytes()
    for keep in range(150, 1600, 53):
        (folder / "LCC.dcm").write_bytes(data[:keep])
        with pytest.raises(MammoriskError) as caught:
            mr.read_exam(folder)
        clean(str(caught.value))


@pytest.mark.networks
def test_a_cohort_tells_only_the_keys_the_user_gave(folder: Path) -> None:
    (folder.parent / "c.csv").write_text(
        "patient_id,exam_id,path,age,race_ethnicity\nrow-1,a,exam,66,white\nrow-2,b,none,66,white\n"
    )
    done = CliRunner().invoke(app, ["predict", "--cohort", str(folder.parent / "c.csv"), "--json"])
    assert done.exit_code == 1
    assert [row["patient_id"] for row in json.loads(done.stdout)] == ["row-1", "row-2"]
    clean(done.output.replace(str(folder.parent), ""))
