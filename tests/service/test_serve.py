"""The server: who may send, what is confirmed, what HTTP answers, and that nothing is fetched."""

from __future__ import annotations

import errno
import http.client
import io
import json
import logging
import socket
import ssl
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest
from typer.testing import CliRunner

from mammorisk.cli.app import app
from mammorisk.errors import ServiceError
from mammorisk.service import dicom_receiver, received, web
from mammorisk.service.arrived_exam import digest_of
from mammorisk.service.destinations import Destination, NotSent, read_destination
from mammorisk.service.result_files import SR
from mammorisk.service.tls import TlsFiles
from tests import factories as f
from tests.service import certificates, scorers
from tests.service.waiting import wait_for

pynetdicom = pytest.importorskip("pynetdicom")
pytest.importorskip("fastapi")

from mammorisk.service.serve import Server  # noqa: E402
from mammorisk.service.serve_options import ServeOptions  # noqa: E402

CANARY = "KANARIENVOGEL"
TOKEN = "a token of some length"
FOUR = [(side, view) for side in "LR" for view in ("CC", "MLO")]
REPORT = "1.2.840.10008.5.1.4.1.1.88.33"


def options(folder: Path, **more: Any) -> ServeOptions:
    ports = {"dicom_port": 0, "http_port": 0}
    return ServeOptions(folder=folder, senders=["SENDER"], **ports, **more)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    chosen = options(tmp_path_factory.mktemp("server"), token=TOKEN, quiet_s=3600)
    with Server(chosen, scorers.counting) as running:
        yield running


def send(
    server: Server,
    *datasets: pydicom.Dataset,
    title: str = "SENDER",
    called: str = "MAMMORISK",
    tls: TlsFiles | None = None,
) -> list[int | None]:
    """Statuses of C-STORE, or an empty list if the association was refused."""
    entity = pynetdicom.AE(title)
    for one in datasets:
        entity.add_requested_context(one.SOPClassUID, one.file_meta.TransferSyntaxUID)
    link = entity.associate(
        "127.0.0.1",
        server.receiver.port,
        ae_title=called,
        tls_args=None if tls is None else (tls.for_client(), "localhost"),
    )
    if not link.is_established:
        return []
    found = [link.send_c_store(one).get("Status") for one in datasets]
    link.release()
    return found


def ask(
    server: Server,
    method: str,
    path: str,
    body: bytes | None = None,
    *,
    token: str | None = TOKEN,
    context: ssl.SSLContext | None = None,
    **headers: str,
) -> tuple[int, bytes]:
    link: http.client.HTTPConnection
    if context is None:
        link = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=20)
    else:
        link = http.client.HTTPSConnection(
            "localhost", server.http_port, timeout=20, context=context
        )
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if token is not None:
        named["Authorization"] = f"Bearer {token}"
    link.request(method, path, body, named)
    answer = link.getresponse()
    content = answer.read()
    link.close()
    return answer.status, content


def job_of(server: Server, study: str, number: int = 1) -> dict[str, Any]:
    """The latest job of a study, when it has ended and there are so many."""

    def ended() -> dict[str, Any] | None:
        _, content = ask(server, "GET", f"/jobs?exam={digest_of(study)}")
        jobs = json.loads(content)["jobs"]
        is_over = len(jobs) == number and jobs[-1]["state"] in ("done", "failed")
        return dict(jobs[-1]) if is_over else None

    return dict(wait_for(ended))


def report(**attributes: Any) -> pydicom.Dataset:
    made = f.mammogram("L", "CC", SOPClassUID=REPORT, Modality="SR", **attributes)
    del made.PixelData
    return made


def stow_body(*contents: bytes) -> tuple[bytes, str]:
    parts = [b"--x\r\nContent-Type: application/dicom\r\n\r\n" + one + b"\r\n" for one in contents]
    return b"".join(parts) + b"--x--", 'multipart/related; type="application/dicom"; boundary=x'


def content_of(dataset: pydicom.Dataset) -> bytes:
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def test_an_exam_by_c_store(server: Server, capfd: pytest.CaptureFixture[str]) -> None:
    identity = {"PatientName": CANARY, "PatientID": CANARY, "AccessionNumber": CANARY}
    exam = [f.mammogram(*one, StudyInstanceUID="1.2.1", **identity) for one in FOUR]
    assert send(server, *exam[:2], report(StudyInstanceUID="1.2.1"), *exam[2:]) == [0] * 5
    one = job_of(server, "1.2.1")
    assert (one["state"], one["images"]) == ("done", 4)
    status, content = ask(server, "GET", f"/results/{one['job']}")
    assert (status, json.loads(content)["model"]) == (200, "fake")
    assert ask(server, "GET", f"/results/{one['job']}/{SR}") == (200, b"1.2.1")
    # Again, and with the report of this server: no other job.
    assert send(server, *exam, report(StudyInstanceUID="1.2.1", SeriesNumber=9016)) == [0] * 5
    other = f.mammogram("L", "CC", StudyInstanceUID="1.2.1", **identity)
    other.WindowCenter = 7
    assert send(server, other) == [0]
    # Flagged by another job.
    assert job_of(server, "1.2.1", 2)["job"] != one["job"]
    told = capfd.readouterr()
    assert CANARY not in told.out + told.err
    assert logging.getLogger("pynetdicom").getEffectiveLevel() > logging.CRITICAL


def test_only_known_titles_may_send(server: Server) -> None:
    image = f.mammogram("L", "CC", StudyInstanceUID="1.2.2")
    refused = server.receiver.refused
    assert send(server, image, title="STRANGER") == []
    assert send(server, image, called="OTHER") == []
    assert server.receiver.refused == refused + 2
    assert server.queue.rows("SELECT 1 FROM images WHERE exam = ?", digest_of("1.2.2")) == []
    assert send(server, f.mammogram("L", "CC", syntax=f.DEFLATED)) == [0xC000]


def test_an_object_that_is_too_large_ends_the_association(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = f.mammogram("L", "CC", StudyInstanceUID="1.2.3")
    size = len(content_of(image))
    small, monkeyed = size // 2, dicom_receiver._CappedReader.__init__

    def capped(self: Any, connection: Any, max_bytes: int) -> None:
        monkeyed(self, connection, small)

    monkeypatch.setattr(dicom_receiver._CappedReader, "__init__", capped)
    assert send(server, image) == [None]
    monkeypatch.undo()
    # A unit of the protocol that states four gigabytes is not read.
    with socket.create_connection(("127.0.0.1", server.receiver.port)) as raw:
        raw.sendall(b"\x01\x00\xff\xff\xff\xff")
        raw.settimeout(10)
        assert raw.recv(10) == b""
    assert send(server, image) == [0]
    assert not list(server.images.spool.iterdir())


def test_a_request_that_stops_is_ended(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "_SECONDS_IDLE", 0.1)
    with socket.create_connection(("127.0.0.1", server.http_port), timeout=20) as raw:
        lines = ["POST /dicom-web/studies HTTP/1.1", "Host: localhost", "Content-Length: 1000"]
        lines += [f"Content-Type: {stow_body()[1]}", f"Authorization: Bearer {TOKEN}", "", "--x"]
        raw.sendall("\r\n".join(lines).encode())
        assert raw.recv(100).startswith(b"HTTP/1.1 408")
    assert not list(server.images.spool.iterdir())


def test_an_exam_by_stow(server: Server) -> None:
    exam = [content_of(f.mammogram(*one, StudyInstanceUID="1.2.4")) for one in FOUR]
    body, kind = stow_body(*exam)
    status, content = ask(server, "POST", "/dicom-web/studies", body, Content_Type=kind)
    assert (status, len(json.loads(content)["00081199"]["Value"])) == (200, 4)
    assert job_of(server, "1.2.4")["state"] == "done"
    # A boundary as long as those of Orthanc, in quotes.
    long = [part.replace("x", "y" * 73) for part in ("--x", '"x"')]
    body, kind = body.replace(b"--x", long[0].encode()), kind.replace("=x", f"={long[1]}")
    assert ask(server, "POST", "/dicom-web/studies", body, Content_Type=kind)[0] == 200
    body, kind = stow_body(exam[0], b"junk")
    status, content = ask(server, "POST", "/dicom-web/studies", body, Content_Type=kind)
    (failed,) = json.loads(content)["00081198"]["Value"]
    assert (status, failed["00081197"]["Value"]) == (202, [0xC000])
    body, kind = stow_body(b"junk")
    assert ask(server, "POST", "/dicom-web/studies", body, Content_Type=kind)[0] == 409
    body, kind = stow_body(exam[0])
    status, content = ask(server, "POST", "/dicom-web/studies", body[:-5], Content_Type=kind)
    assert (status, b"not whole" in content) == (422, True)
    assert ask(server, "POST", "/dicom-web/studies", b"", Content_Type="text/plain")[0] == 422
    large = {"Content_Type": kind, "Content_Length": str(601 * 2**20)}
    assert ask(server, "POST", "/dicom-web/studies", b"", **large)[0] == 413
    assert not list(server.images.spool.iterdir())


def test_a_full_disk_is_told_to_the_sender(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    image = f.mammogram("L", "CC", StudyInstanceUID="1.2.7")

    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(received, "sync_path", full)
    assert send(server, image) == [0xA700]
    body, kind = stow_body(content_of(image))
    status, content = ask(server, "POST", "/dicom-web/studies", body, Content_Type=kind)
    (failed,) = json.loads(content)["00081198"]["Value"]
    assert (status, failed["00081197"]["Value"]) == (503, [0xA700])
    with pytest.raises(NotSent, match="A700") as caught:
        destination(server, "SENDER").send([content_of(image)])
    assert caught.value.final is False
    monkeypatch.undo()
    assert send(server, image) == [0]
    assert server.is_alive


def destination(server: Server, title: str, tls: TlsFiles | None = None) -> Destination:
    """This server, as a place to which results are sent."""
    return read_destination(
        f"MAMMORISK@localhost:{server.receiver.port}",
        from_title=title,
        tls=None if tls is None else tls.for_client(),
    )


def test_results_go_by_c_store(server: Server) -> None:
    before = server.images.outcomes["set aside"]
    destination(server, "SENDER").send([content_of(report()), content_of(report())])
    assert server.images.outcomes["set aside"] == before + 2
    with pytest.raises(NotSent, match="rejected"):
        destination(server, "STRANGER").send([content_of(report())])


def test_answers_by_http(server: Server) -> None:
    exam = [f.mammogram(*one, StudyInstanceUID="1.2.5", AccessionNumber="B7") for one in FOUR]
    assert send(server, *exam) == [0] * 4
    first = job_of(server, "1.2.5")
    sent = b'{"accession": "B7", "answers": {"age": 54}}'
    status, content = ask(server, "POST", "/questionnaires", sent)
    assert (status, json.loads(content)["fields"]) == (201, ["age"])
    assert ask(server, "POST", "/questionnaires", sent)[0] == 200
    second = job_of(server, "1.2.5", 2)
    results = [
        json.loads(ask(server, "GET", f"/results/{one['job']}")[1]) for one in (first, second)
    ]
    assert [one["beside"] for one in results] == [[], ["questionnaire.json"]]
    status, content = ask(server, "POST", "/questionnaires", sent.replace(b"54", b"540"))
    assert (status, json.loads(content)["error"]["code"]) == (422, "QuestionnaireError")
    assert ask(server, "POST", "/questionnaires", b" " * (2**20 + 1))[0] == 413


def test_what_http_answers(server: Server) -> None:
    assert ask(server, "GET", "/healthz", token=None) == (200, b'{"alive":true}')
    for path in ("/readyz", "/metrics", "/jobs", "/results/x"):
        assert ask(server, "GET", path, token=None)[0] == 401
        status, content = ask(server, "GET", path, token="wrong")
        assert (status, json.loads(content)["error"]["remedy"][:4]) == (401, "Send")
    assert ask(server, "POST", "/dicom-web/studies", b"", token=None)[0] == 401
    assert json.loads(ask(server, "GET", "/readyz")[1])["ready"]
    text = ask(server, "GET", "/metrics")[1].decode()
    assert 'mammorisk_jobs{state="failed"} 0.0' in text
    assert 'mammorisk_objects_received_total{outcome="stored"}' in text
    for path in ("/results/..%2F..%2Fqueue", "/results/" + "0" * 32, "/jobs/x", "/docs"):
        assert ask(server, "GET", path)[0] == 404
    assert ask(server, "GET", "/openapi.json")[0] == 404


def test_a_model_is_named_on_the_command_line_alone(server: Server) -> None:
    """No parameter of a request names a model, a file or an address."""
    sent = b'{"accession": "B8", "answers": {"age": 54}, "model": "/etc", "url": "http://x"}'
    assert ask(server, "POST", "/questionnaires?model=/etc", sent)[0] == 201
    assert json.loads(ask(server, "GET", "/readyz?model=/etc")[1])["model"] == "fake"


def test_mutual_tls(tmp_path: Path) -> None:
    certificates.authority(tmp_path / "ours")
    certificates.authority(tmp_path / "theirs")
    ours, client = (certificates.signed(tmp_path / "ours", name) for name in ("us", "client"))
    stranger = certificates.signed(tmp_path / "theirs", "stranger")
    # They trust us, but we do not trust them.
    stranger = TlsFiles(
        certificate=stranger.certificate, key=stranger.key, authority=ours.authority
    )
    image = f.mammogram("L", "CC")
    chosen = options(tmp_path / "server", tls=ours, silent=True)
    with (
        Server(chosen, scorers.counting) as server,
        # One that connects and is silent keeps nobody out.
        socket.create_connection(("127.0.0.1", server.receiver.port)),
        socket.create_connection(("127.0.0.1", server.http_port)),
    ):
        assert send(server, image, tls=client) == [0]
        assert send(server, image, tls=stranger) == []
        assert send(server, image) == []
        destination(server, "SENDER", client).send([content_of(report())])
        with pytest.raises(NotSent, match="no connection"):
            destination(server, "SENDER", stranger).send([content_of(report())])
        health = ask(server, "GET", "/healthz", context=client.for_client())
        assert health == (200, b'{"alive":true}')
        # Without a token: from programs on this machine, and not from pages in its browser.
        context = client.for_client()
        assert ask(server, "GET", "/jobs", token=None, context=context)[0] == 200
        # A silent trial stores its results, and shows them to nobody.
        exam = [f.mammogram(*one, StudyInstanceUID="1.2.6") for one in FOUR]
        assert send(server, *exam, tls=client) == [0] * 4
        (job,) = wait_for(
            lambda: server.queue.jobs() if server.queue.counts().get("done") else None
        )
        assert (tmp_path / "server" / "queue" / "silent" / job.id / SR).is_file()
        told = ask(server, "GET", f"/results/{job.id}", token=None, context=context)
        assert (told[0], b"silent trial" in told[1]) == (403, True)
        for headers in ({"Origin": "https://evil.example"}, {"Host": "evil.example"}):
            told = ask(server, "GET", "/jobs", token=None, context=context, **headers)
            assert told[0] == 403
        for context in (stranger.for_client(), ssl.create_default_context()):
            with pytest.raises(OSError, match=r"(?i)ssl|certificate|reset|closed|abort"):
                ask(server, "GET", "/healthz", context=context)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"senders": []}, "may send"),
        ({"senders": ["A", "A" * 17]}, "no title"),
        ({"ae_title": "  "}, "no title"),
        ({"quiet_s": -1.0}, "quiet_s: -1 is out of range"),
        ({"memory_gb": float("nan")}, "memory_gb: nan"),
        ({"host": "0.0.0.0"}, "without a token"),
        ({"silent": True, "send_to": ["A@b:1"]}, "silent trial"),
        ({"host": "0.0.0.0", "token": "short"}, "fewer than 16"),
        ({"send_to": ["PACS@host"]}, "address"),
        ({"send_to": ["https://u:p@host/x"]}, "address"),
        ({"send_to": ["http://h/x"], "send_authorization": "Bearer t"}, "destination http://h/x"),
    ],
)
def test_unsafe_options_are_refused(tmp_path: Path, more: dict[str, Any], told: str) -> None:
    chosen = {"senders": ["A"], **more}
    with pytest.raises(ServiceError, match=told):
        Server(ServeOptions(folder=tmp_path, **chosen), scorers.counting)
    assert not list(tmp_path.iterdir())


def test_why_a_part_ended_is_told(tmp_path: Path) -> None:
    chosen = Server(options(tmp_path), scorers.counting)

    def scan() -> list[Any]:
        raise OSError(errno.EIO, "Input/output error")

    chosen.images.scan = scan  # type: ignore[method-assign]
    chosen._guard(chosen._score)
    with pytest.raises(ServiceError, match=r"Input/output error\)\. Check the disk"):
        chosen.wait(lambda: False)
    chosen.stop()


def test_a_second_server_has_another_folder(server: Server, tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match="another process"):
        Server(options(server.options.folder), scorers.counting)
    busy = ServeOptions(folder=tmp_path, senders=["A"], http_port=server.http_port, dicom_port=0)
    second = Server(busy, scorers.counting)
    with pytest.raises(ServiceError, match="HTTP port"), second:
        pass
    taken = dicom_receiver.ReceiverOptions(
        ae_title="X", senders=["A"], port=server.receiver.port, host="127.0.0.1"
    )
    before = tempfile.tempdir
    third = dicom_receiver.DicomReceiver(taken, server.images.receive, tmp_path)
    with pytest.raises(ServiceError, match="DICOM port"):
        third.start()
    third.stop()
    # The folder of temporary files is that of before.
    assert tempfile.tempdir == before


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ([], "--sender"),
        (["--sender", "A", "--host", "0.0.0.0"], "--token-file"),
        (["--sender", "A", "--formats", "docx"], "docx"),
        (["--sender", "A", "--tls-cert", "x.pem"], "belong together"),
        (["--sender", "A", "--token-file", "nowhere"], "secret"),
    ],
)
def test_options_of_the_command(
    tmp_path: Path, more: list[str], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mammorisk.cli.serve.stop_signals", lambda: lambda: True)
    done = CliRunner().invoke(app, ["serve", str(tmp_path / "x"), *more])
    assert (done.exit_code, told in " ".join(done.stderr.split())) == (2, True)
    assert not (tmp_path / "x").exists()
