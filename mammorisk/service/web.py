"""The HTTP interface of the server: STOW-RS, answers, jobs, results, health and metrics."""

# Annotations are not postponed: fastapi reads those of the functions in web_app.

import asyncio
import hmac
import json
import re
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mammorisk._utils.optional import require
from mammorisk.errors import MammoriskError, ServiceError
from mammorisk.io.answers_file import MAX_ANSWERS_BYTES
from mammorisk.prediction.exports.sr import CLINIC
from mammorisk.service.addresses import is_loopback
from mammorisk.service.dicom_receiver import CANNOT_UNDERSTAND, MAX_REQUEST_BYTES, OUT_OF_RESOURCES
from mammorisk.service.job_queue import JobQueue
from mammorisk.service.metrics import ServiceMetrics
from mammorisk.service.multipart import PartsToFiles
from mammorisk.service.ready_check import ReadyCheck
from mammorisk.service.received import ReceivedImages
from mammorisk.service.received_header import FileMeta, read_meta
from mammorisk.service.result_files import FAILED, FORMATS, RESULT
from mammorisk.service.sender import Sender
from mammorisk.service.sent_answers import read_sent_answers

if TYPE_CHECKING:
    import fastapi

_JOB = re.compile(r"[0-9a-f]{32}")
#: Seconds without data after which a request is ended.
_SECONDS_IDLE = 60.0
#: Most jobs of one answer.
_MOST_JOBS = 1000
#: A page of a result has styles, and nothing that runs or is loaded.
_SAFE = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
_TYPES = {
    ".json": "application/json",
    ".dcm": "application/dicom",
    ".pdf": "application/pdf",
    ".html": "text/html; charset=utf-8",
}


@dataclass(frozen=True, kw_only=True)
class WebParts:
    """What the interface shows.

    Attributes
    ----------
    queue, images, sender, ready, metrics
        Parts of the server.
    outbox : Path
        Folder of the results.
    is_alive : callable
        Whether all threads of the server run.
    token : str or None
        Asked for in the header ``Authorization: Bearer ...``, everywhere but at ``/healthz``.
    silent : bool
        Whether results are shown to nobody.
    max_bytes : int
        Largest request.
    """

    queue: JobQueue
    images: ReceivedImages
    sender: Sender
    ready: ReadyCheck
    metrics: ServiceMetrics
    outbox: Path
    is_alive: Callable[[], bool]
    token: str | None = None
    silent: bool = False
    max_bytes: int = MAX_REQUEST_BYTES


def web_app(parts: WebParts) -> "fastapi.FastAPI":
    """Build the application.

    Parameters
    ----------
    parts : WebParts

    Raises
    ------
    MissingDependency
        fastapi is not installed.
    """
    require("fastapi", CLINIC, what="the HTTP interface")
    from fastapi import APIRouter, Depends, FastAPI, Request
    from fastapi.responses import JSONResponse, Response
    from starlette.concurrency import run_in_threadpool

    # Without pages about itself: they would load scripts from elsewhere.
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)

    def check_token(request: Request) -> None:
        if parts.token is None and not _is_local(request):
            raise _HttpError(
                403,
                "Forbidden",
                "the request is not one of a program on this machine",
                remedy="Start the server with --token-file, and send its token.",
            )
        given = request.headers.get("authorization", "")
        if parts.token is not None and not hmac.compare_digest(
            given.encode(), f"Bearer {parts.token}".encode()
        ):
            raise _HttpError(
                401,
                "Unauthorized",
                "the token is missing or wrong",
                remedy="Send the header Authorization: Bearer TOKEN.",
            )

    @app.exception_handler(_HttpError)
    def tell(request: Request, error: _HttpError) -> Response:
        return JSONResponse({"error": error.to_dict()}, error.status)

    @app.exception_handler(MammoriskError)
    def tell_input(request: Request, error: MammoriskError) -> Response:
        return JSONResponse({"error": error.to_dict()}, 422)

    @app.exception_handler(OSError)
    @app.exception_handler(sqlite3.Error)
    def tell_storage(request: Request, error: Exception) -> Response:
        told = _HttpError(503, "StorageError", "it cannot be stored now", remedy="Try again later.")
        return JSONResponse({"error": told.to_dict()}, 503)

    @app.get("/healthz")
    def health() -> Response:
        alive = parts.is_alive()
        return JSONResponse({"alive": alive}, 200 if alive else 503)

    routes = APIRouter(dependencies=[Depends(check_token)])

    @routes.post("/dicom-web/studies")
    async def stow(request: Request) -> Response:
        body = PartsToFiles(request.headers.get("content-type", ""), parts.images.spool)
        try:
            await _read(request, parts.max_bytes, body.write)
            files = body.close()
            status, told = await run_in_threadpool(_store, parts.images, files)
        finally:
            body.remove()
        return Response(json.dumps(told), status, media_type="application/dicom+json")

    @routes.post("/questionnaires")
    async def answers(request: Request) -> Response:
        content = bytearray()
        await _read(request, MAX_ANSWERS_BYTES, content.extend)
        sent = await run_in_threadpool(read_sent_answers, bytes(content))
        is_new = await run_in_threadpool(parts.images.receive_answers, sent.accession, sent.answers)
        told = {"fields": sorted(sent.answers), "not_used": sent.not_used, "new": is_new}
        return JSONResponse(told, 201 if is_new else 200)

    @routes.get("/jobs")
    def jobs(state: str = "", exam: str = "", after: int = 0, limit: int = 100) -> Response:
        rows = parts.queue.rows(
            "SELECT place, id FROM jobs WHERE place > ? AND (state = ? OR ? = '') "
            "AND (exam = ? OR ? = '') ORDER BY place LIMIT ?",
            *(after, state, state, exam, exam, max(1, min(limit, _MOST_JOBS))),
        )
        listed = [{"place": place, **_job(parts, job)} for place, job in rows]
        return JSONResponse({"jobs": listed})

    @routes.get("/jobs/{job}")
    def one_job(job: str) -> Response:
        _check_job(parts, job)
        return JSONResponse(_job(parts, job) | {"deliveries": parts.sender.of(job)})

    @routes.get("/results/{job}")
    def result(job: str) -> Response:
        return _file(parts, job, RESULT)

    @routes.get("/results/{job}/{file}")
    def result_file(job: str, file: str) -> Response:
        if file not in FORMATS.values():
            raise _not_found("there is no such file", f"Files are {', '.join(FORMATS.values())}.")
        return _file(parts, job, file)

    @routes.get("/readyz")
    def ready() -> Response:
        told = parts.ready()
        return JSONResponse(told, 200 if told["ready"] else 503)

    @routes.get("/metrics")
    def metrics() -> Response:
        return Response(parts.metrics.text(), media_type="text/plain; version=0.0.4")

    app.include_router(routes)
    return app


def _is_local(request: "fastapi.Request") -> bool:
    """Whether a request is not one that a page in a browser has made.

    Without a token any page could make the browser of this machine send requests.
    """
    return "origin" not in request.headers and is_loopback(request.url.hostname or "")


class _HttpError(ServiceError):
    """An error with a status of HTTP."""

    def __init__(self, status: int, code: str, what: str, *, remedy: str) -> None:
        super().__init__(what, remedy=remedy)
        self.status = status
        self.code = code

    def to_dict(self) -> dict[str, str | None]:
        return super().to_dict() | {"code": self.code}


def _not_found(what: str, remedy: str) -> _HttpError:
    return _HttpError(404, "NotFound", what, remedy=remedy)


async def _read(
    request: "fastapi.Request", max_bytes: int, write: Callable[[bytes], object]
) -> None:
    """Pass a body on while it arrives, up to a limit."""
    too_large = _HttpError(
        413, "TooLarge", f"the request has more than {max_bytes / 2**20:g} MB", remedy="Split it."
    )
    stated = request.headers.get("content-length", "0")
    if stated.isdigit() and int(stated) > max_bytes:
        raise too_large
    read, blocks = 0, aiter(request.stream())
    while True:
        try:
            block = await asyncio.wait_for(anext(blocks), _SECONDS_IDLE)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise _HttpError(
                408, "Timeout", f"no data came for {_SECONDS_IDLE:g} s", remedy="Send it again."
            ) from None
        read += len(block)
        if read > max_bytes:
            raise too_large
        write(block)


def _store(images: ReceivedImages, files: list[Path]) -> tuple[int, dict[str, Any]]:
    """Take the files of a request. Return the status and the answer of STOW-RS (PS3.18 10.5)."""
    taken, failed = [], []
    is_full = False
    for file in files:
        meta = read_meta(file)
        try:
            reason = CANNOT_UNDERSTAND if images.receive(file) == "unreadable" else None
        except (OSError, sqlite3.Error):
            reason, is_full = OUT_OF_RESOURCES, True
        item = _reference(meta)
        if reason is None:
            taken.append(item)
        else:
            failed.append(item | {"00081197": {"vr": "US", "Value": [reason]}})
    told = {}
    if taken:
        told["00081199"] = {"vr": "SQ", "Value": taken}
    if failed:
        told["00081198"] = {"vr": "SQ", "Value": failed}
    if is_full:
        return 503, told
    return (200 if not failed else 202 if taken else 409), told


def _reference(meta: FileMeta | None) -> dict[str, Any]:
    uids = ("", "") if meta is None else (meta.sop_class, meta.sop_instance)
    return {
        tag: {"vr": "UI", "Value": [uid]}
        for tag, uid in zip(("00081150", "00081155"), uids, strict=True)
        if uid
    }


def _check_job(parts: WebParts, job: str) -> None:
    if not _JOB.fullmatch(job) or not parts.queue.rows("SELECT 1 FROM jobs WHERE id = ?", job):
        raise _not_found("there is no such job", "GET /jobs lists all jobs.")


def _job(parts: WebParts, job: str) -> dict[str, Any]:
    one = parts.queue.job(job)
    return {
        "job": one.id,
        "exam": one.exam,
        "state": one.state,
        "tries": one.tries,
        "images": len(one.files),
        "reason": one.reason,
    }


def _file(parts: WebParts, job: str, name: str) -> "fastapi.Response":
    from fastapi.responses import Response

    _check_job(parts, job)
    if parts.silent:
        raise _HttpError(
            403,
            "Silent",
            "this is a silent trial: results are shown to nobody",
            remedy="Copy them after the trial: mammorisk watch ... --unblind REASON.",
        )
    path = parts.outbox / job / name
    if name == RESULT and not path.is_file():
        path = parts.outbox / f"{job}.failed" / FAILED
    if not path.is_file():
        state = parts.queue.job(job).state
        raise _not_found(f"the job has no such file; its state is {state}", f"See GET /jobs/{job}.")
    status = 422 if path.name == FAILED else 200
    return Response(path.read_bytes(), status, _SAFE, media_type=_TYPES[path.suffix])
