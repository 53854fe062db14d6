"""The server beside a PACS: Orthanc, with dcmtk as the scanner."""

from __future__ import annotations

import io
import json
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pydicom
import pytest

from tests.factories import write_exam
from tests.service import orthanc as pacs
from tests.service.waiting import wait_for

pytest.importorskip("pynetdicom")
pytest.importorskip("highdicom")
pytest.importorskip("fastapi")

from mammorisk.service.load_scorer import load_scorer
from mammorisk.service.serve import Server
from mammorisk.service.serve_options import ServeOptions

pytestmark = [
    pytest.mark.clinic,
    pytest.mark.slow,
    pytest.mark.skipif(not pacs.is_installed(), reason="needs orthanc, orthanc-dicomweb, dcmtk"),
]

STUDY, TOKEN = "1.2.826.1", "a token of some length"
#: Everything that arrives is sent on: the report comes back.
LOOP = "function OnStoredInstance(id, tags, metadata) SendToModality(id, 'mammorisk') end"


class Clinic:
    """A PACS, the server, and a scanner that sends to it."""

    def __init__(self, archive: pacs.Orthanc, server: Server) -> None:
        self.archive, self.server = archive, server

    def scan(self, *files: Path, title: str = "SCANNER") -> int:
        """Send files as a scanner does. Return the exit code of storescu."""
        port = str(self.server.receiver.port)
        call = [pacs.STORESCU, "-aet", title, "-aec", "MAMMORISK", "127.0.0.1", port, *files]
        done = subprocess.run([str(word) for word in call], capture_output=True, check=False)
        return done.returncode

    def reports(self, number: int) -> list[dict[str, Any]]:
        """The reports in the PACS, when there are so many and all are sent."""

        def found() -> list[dict[str, Any]] | None:
            there = self.archive.qido(StudyInstanceUID=STUDY, Modality="SR")
            waiting = self.server.sender.counts().get("waiting", 0)
            return there if len(there) == number and not waiting else None

        return wait_for(found)

    def jobs(self) -> list[str]:
        return [one.state for one in self.server.queue.jobs()]


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinic]:
    folder = tmp_path_factory.mktemp("clinic")
    dicom, web = pacs.free_port(), pacs.free_port()
    headers = {"Authorization": f"Bearer {TOKEN}"}
    address = f"http://127.0.0.1:{web}/dicom-web/"
    config = {
        "DicomModalities": {"mammorisk": ["MAMMORISK", "127.0.0.1", dicom]},
        "DicomWeb": {"Servers": {"mammorisk": {"Url": address, "HttpHeaders": headers}}},
    }
    with pacs.orthanc(folder / "orthanc", config, lua=LOOP) as archive:
        options = ServeOptions(
            folder=folder / "server",
            senders=["SCANNER", "ORTHANC"],
            dicom_port=dicom,
            http_port=web,
            token=TOKEN,
            send_to=[
                f"ORTHANC@127.0.0.1:{archive.dicom_port}",
                f"http://127.0.0.1:{archive.http_port}/dicom-web",
            ],
        )
        make = partial(load_scorer, "bcsc-2008", ("sr",), identity=True, allow_missing_views=False)
        with Server(options, make) as server:
            yield Clinic(archive, server)


def test_from_the_scanner_to_the_pacs_and_back(clinic: Clinic, tmp_path: Path) -> None:
    exam = write_exam(
        tmp_path / "exam",
        **{"StudyInstanceUID": STUDY, "SeriesInstanceUID": f"{STUDY}.1"},
        **{"PatientID": "P77", "AccessionNumber": "A77", "PatientAge": "054Y"},
    )
    files = sorted(exam.iterdir())
    # A title that is not known.
    assert clinic.scan(*files, title="STRANGER") != 0
    assert clinic.scan(*files) == 0
    assert len(clinic.reports(1)) == 1
    (job,) = clinic.server.queue.jobs()
    assert [one["state"] for one in clinic.server.sender.of(job.id)] == ["sent", "sent"]
    # What is stored is what was written.
    (there,) = json.loads(clinic.archive.ask("/instances"))
    stored = clinic.archive.ask(f"/instances/{there}/file")
    report = pydicom.dcmread(io.BytesIO(stored))
    assert report == pydicom.dcmread(clinic.server.outbox / job.id / "sr.dcm")
    assert (report.PatientID, report.AccessionNumber) == ("P77", "A77")

    # The report came back to us (LOOP), and is no exam.
    wait_for(lambda: clinic.server.images.outcomes["set aside"] >= 1 or None)
    # The same images again.
    assert clinic.scan(*files) == 0
    assert clinic.server.images.outcomes["duplicate"] == 4

    # The PACS pushes the whole study, with our report in it, in both ways.
    for file in files:
        clinic.archive.ask("/instances", file.read_bytes())
    (study,) = json.loads(clinic.archive.ask("/studies"))
    asked = json.dumps({"Resources": [study], "Synchronous": True}).encode()
    told = json.loads(clinic.archive.ask("/modalities/mammorisk/store", asked))
    assert (told["InstancesCount"], told["FailedInstancesCount"]) == (5, 0)
    clinic.archive.ask("/dicom-web/servers/mammorisk/stow", asked)
    time.sleep(1.5)
    assert clinic.jobs() == ["done"]

    # Another content of one of the images.
    other = pydicom.dcmread(files[0])
    other.WindowCenter = 7
    other.save_as(tmp_path / "other.dcm")
    assert clinic.scan(tmp_path / "other.dcm") == 0
    assert len(clinic.reports(2)) == 2
    first, second = clinic.server.queue.jobs()
    before, after = (
        pydicom.dcmread(clinic.server.outbox / one.id / "sr.dcm") for one in (first, second)
    )
    named = after.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0]
    assert named.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == before.SOPInstanceUID
    result = json.loads((clinic.server.outbox / second.id / "result.json").read_text())
    assert "image-conflict" in [one["code"] for one in result["warnings"]]
    time.sleep(1.5)
    assert clinic.jobs() == ["done", "done"]
    clinic.server.queue.check()
