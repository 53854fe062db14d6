"""Results are sent until they are taken."""

from __future__ import annotations

import http.server
import ssl
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from mammorisk.errors import ServiceError
from mammorisk.service.destinations import NotSent, Stow, read_destination
from mammorisk.service.job_queue import JobQueue
from mammorisk.service.result_files import SR
from mammorisk.service.sender import PAUSES_S, Sender


class Archive:
    """A destination that answers as it is told."""

    def __init__(self, name: str = "ARCHIVE") -> None:
        self.name = name
        self.answers: list[Exception] = []
        self.got: list[bytes] = []

    def send(self, documents: Sequence[bytes]) -> None:
        if self.answers:
            raise self.answers.pop(0)
        self.got += documents


class Here:
    def __init__(self, folder: Path) -> None:
        self.now, self.folder = 0.0, folder
        self.queue = JobQueue(folder / "queue", clock=lambda: self.now)

    def done(self, job: str, content: bytes = b"") -> None:
        self.queue.add(job, exam="exam", files=["a"])
        self.queue.begin()
        (self.folder / job).mkdir()
        if content:
            (self.folder / job / SR).write_bytes(content)
        self.queue.finish(job, {})


@pytest.fixture
def here(tmp_path: Path) -> Here:
    return Here(tmp_path)


def test_a_result_is_sent_once_also_after_a_restart(here: Here) -> None:
    here.done("before", b"old")
    archive = Archive()
    sender = Sender(here.queue, here.folder, [archive])
    here.done("a", b"A")
    # Without a risk there is no report.
    here.done("b")
    assert sender.run_once() == 2
    assert (archive.got, sender.run_once()) == ([b"A"], 0)
    again = Sender(here.queue, here.folder, [archive])
    here.done("c", b"C")
    assert (again.run_once(), archive.got) == (1, [b"A", b"C"])
    assert again.counts() == {"nothing to send": 1, "sent": 2}
    assert again.of("a") == [{"destination": "ARCHIVE", "state": "sent", "tries": 1, "reason": ""}]
    here.queue.check()


def test_what_could_not_be_sent_is_sent_after_growing_pauses(here: Here) -> None:
    silent, other = Archive("SILENT"), Archive("OTHER")
    sender = Sender(here.queue, here.folder, [silent, other])
    here.done("a", b"A")
    here.done("b", b"B")
    silent.answers = [NotSent("no connection")] * 6
    # One failure is enough to let the other documents wait; the other destination gets them.
    assert sender.run_once() == 3
    assert (silent.got, other.got) == ([], [b"A", b"B"])
    silent.answers = [ZeroDivisionError(), *silent.answers]
    for pause in (0, *PAUSES_S, PAUSES_S[-1]):
        here.now += pause
        sender.run_once()
        assert silent.got == []
    silent.answers = []
    here.now += PAUSES_S[-1]
    sender.run_once()
    assert sorted(silent.got) == [b"A", b"B"]


def test_what_is_refused_is_given_up(here: Here) -> None:
    archive = Archive()
    sender = Sender(here.queue, here.folder, [archive])
    here.done("a", b"A")
    archive.answers = [NotSent("C-STORE status A900", final=True)] * 3
    for _ in range(5):
        sender.run_once()
        here.now += 1000
    (told,) = sender.of("a")
    assert (told["state"], told["tries"]) == ("refused", 3)
    assert told["reason"] == "C-STORE status A900"


@pytest.fixture
def web() -> Iterator[http.server.HTTPServer]:
    """A STOW server that answers with the status in its path, and counts the requests."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.server.requests.append((self.path, dict(self.headers), body))
            self.send_response(int(self.path.split("/")[1]))
            self.send_header("Location", "/200/studies")
            self.end_headers()
            self.wfile.write(b'{"00081198": {"vr": "SQ", "Value": [{}]}}')

        def log_message(self, *args: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    server.requests = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_stow(web: http.server.HTTPServer) -> None:
    def at(path: str) -> Stow:
        text = f"http://127.0.0.1:{web.server_port}/{path}"
        made = read_destination(text, from_title="X", authorization="Bearer t")
        assert isinstance(made, Stow)
        return made

    at("200").send([b"one", b"two"])
    ((path, headers, body),) = web.requests
    assert (path, headers["Authorization"]) == ("/200/studies", "Bearer t")
    assert headers["Content-Type"].startswith('multipart/related; type="application/dicom"')
    assert body.count(b"Content-Type: application/dicom\r\n\r\n") == 2
    # A redirect is not followed.
    finals = {"302": False, "409": True, "413": True, "429": False, "503": False, "202": False}
    for status, final in finals.items():
        with pytest.raises(NotSent, match=status) as caught:
            at(status).send([b"one"])
        assert caught.value.final is final
    assert len(web.requests) == 1 + len(finals)


@pytest.mark.parametrize(
    "text",
    [
        *("PACS", "PACS@host", "@host:104", "PACS@host:0", "PACS@host:99999", "A" * 17 + "@h:104"),
        *("ftp://host/x", "https://", "https://host:x/", "https://u:p@host/", "https://h/?a=b"),
    ],
)
def test_addresses_that_cannot_be_read(text: str) -> None:
    with pytest.raises(ServiceError, match="address"):
        read_destination(text, from_title="X")


def test_nothing_goes_to_another_machine_in_clear_where_tls_or_a_secret_is_given() -> None:
    far, near = "http://pacs.example/dicom-web", "http://127.0.0.1:8042/dicom-web"
    context = ssl.create_default_context()
    for protected in ({"tls": context}, {"authorization": "Bearer t"}):
        with pytest.raises(ServiceError, match=r"without encryption.*--allow-plain-http"):
            read_destination(far, from_title="X", **protected)
        allowed = read_destination(far, from_title="X", allow_plain_http=True, **protected)
        for made in (allowed, read_destination(near, from_title="X", **protected)):
            assert isinstance(made, Stow)
            assert made.tls is None
    # Without TLS nothing is encrypted, which the command says.
    asked = (far, near, "PACS@10.0.0.5:104", "PACS@localhost:104")
    told = [read_destination(text, from_title="X").is_in_clear for text in asked]
    assert told == [True, False, True, False]
    # The title of an application entity may begin with these letters.
    assert read_destination("httpPACS@host:104", from_title="X", tls=context).tls is context
