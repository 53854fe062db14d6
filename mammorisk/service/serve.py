"""Server: receives exams over the network, scores them and sends the results back."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

from mammorisk._utils.optional import require
from mammorisk.errors import MammoriskError, NoSpace, ServiceError
from mammorisk.prediction.exports.sr import CLINIC
from mammorisk.service.canary import Canary
from mammorisk.service.destinations import Destination, is_web, read_destination
from mammorisk.service.dicom_receiver import DicomReceiver, ReceiverOptions
from mammorisk.service.disk_errors import disk_errors
from mammorisk.service.job_queue import JobQueue
from mammorisk.service.metrics import ServiceMetrics
from mammorisk.service.own_result import OwnResult
from mammorisk.service.ready_check import ReadyCheck
from mammorisk.service.received import ReceivedImages
from mammorisk.service.scorer_process import MakeScorer, ScorerProcess
from mammorisk.service.sender import Sender
from mammorisk.service.serve_options import ServeOptions
from mammorisk.service.silent import outbox_of, record_mode
from mammorisk.service.tls import TlsFiles
from mammorisk.service.watch import Watch
from mammorisk.service.web import WebParts, web_app

if TYPE_CHECKING:
    import uvicorn

#: Folders below that of the server.
QUEUE, RECEIVED, RESULTS = "queue", "received", "results"
#: Seconds between looks for exams that are complete, and for results to send.
_POLL_S = 0.5
_DAY_S = 86400.0
#: HTTP connections at a time.
_MOST_CONNECTIONS = 64


class Server:
    """Receives images by C-STORE and STOW-RS, scores exams and sends the results back.

    Parameters
    ----------
    options : ServeOptions
    make_scorer : callable
        Makes the scorer in the child process; see
        :func:`mammorisk.service.load_scorer.load_scorer`.

    Raises
    ------
    MammoriskError
        An option cannot be used, or another process has the folder.
    MissingDependency
        The libraries of ``mammorisk[clinic]`` are not installed.

    Attributes
    ----------
    in_clear : tuple of str
        Destinations on other machines to which results go without encryption.
    """

    def __init__(self, options: ServeOptions, make_scorer: MakeScorer) -> None:
        for library in ("pynetdicom", "fastapi", "uvicorn", "python_multipart"):
            require(library, CLINIC, what="the server")
        require("prometheus_client", CLINIC, what="the server")
        options.check()
        self.options = options
        dicom_tls = options.tls if not options.plain_dicom else None
        destinations = [self._destination(text, dicom_tls) for text in options.send_to]
        receiver = ReceiverOptions(
            ae_title=options.ae_title,
            senders=options.senders,
            host=options.host,
            port=options.dicom_port,
            tls=None if dicom_tls is None else dicom_tls.for_server(),
        )
        _make_private(options.folder)
        state = options.folder / QUEUE
        with disk_errors():
            self.queue = JobQueue(state)
            self.outbox = outbox_of(options.folder / RESULTS, state, silent=options.silent)
            self.outbox.mkdir(exist_ok=True, mode=0o700)
            record_mode(self.queue, silent=options.silent)
            self.images = ReceivedImages(
                options.folder / RECEIVED,
                self.queue,
                quiet_s=options.quiet_s,
                answers_s=options.answers_s,
            )
            self.sender = Sender(self.queue, self.outbox, destinations)
        self.scorer = ScorerProcess(
            make_scorer,
            seconds=options.scoring_s,
            memory_bytes=int(options.memory_gb * 2**30),
        )
        self.in_clear = tuple(one.name for one in destinations if one.is_in_clear)
        self.receiver = DicomReceiver(receiver, self.images.receive, self.images.spool)
        # One for both: at the start the exam is scored once.
        own = OwnResult(self.scorer)
        self._watch = Watch(
            self.images, self.outbox, self.queue, self.scorer, canary=Canary(result=own)
        )
        self._ready = ReadyCheck(own)
        self._web = self._web_server()
        self._socket: socket.socket | None = None
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []
        self._error: Exception | None = None

    def _destination(self, text: str, dicom_tls: TlsFiles | None) -> Destination:
        files = self.options.tls if is_web(text) else dicom_tls
        return read_destination(
            text,
            from_title=self.options.ae_title,
            tls=None if files is None else files.for_client(),
            authorization=self.options.send_authorization,
            allow_plain_http=self.options.allow_plain_http,
        )

    def _web_server(self) -> uvicorn.Server:
        import uvicorn

        app = web_app(
            WebParts(
                queue=self.queue,
                images=self.images,
                sender=self.sender,
                ready=self._ready,
                metrics=ServiceMetrics(
                    queue=self.queue,
                    images=self.images,
                    sender=self.sender,
                    scorer=self.scorer,
                    receiver=self.receiver,
                ),
                outbox=self.outbox,
                is_alive=lambda: self.is_alive,
                token=self.options.token,
                silent=self.options.silent,
            )
        )
        config = uvicorn.Config(
            app,
            # Addresses can have identifiers of exams.
            access_log=False,
            log_level="critical",
            http="h11",
            loop="asyncio",
            ws="none",
            lifespan="off",
            server_header=False,
            proxy_headers=False,
            limit_concurrency=_MOST_CONNECTIONS,
            timeout_graceful_shutdown=5,
        )
        config.load()
        config.ssl = None if self.options.tls is None else self.options.tls.for_server()
        return uvicorn.Server(config)

    def start(self) -> None:
        """Load the model, score the exam that the server comes with, then listen.

        Raises
        ------
        MammoriskError
            The model cannot be loaded or cannot score, or a port cannot be opened.
        """
        self._socket = self._listen()
        self.scorer.start()
        told = self._ready()
        if not told["ready"]:
            raise ServiceError(
                f"the exam that the server comes with cannot be scored ({told['reason']})",
                remedy="Check the model with `mammorisk predict`.",
            )
        self.receiver.start()
        for run in (self._score, self._send, self._serve_web, self._tidy):
            thread = threading.Thread(target=self._guard, args=(run,), daemon=True)
            thread.start()
            self._threads.append(thread)

    def _listen(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self.options.host else socket.AF_INET
        listening = socket.socket(family)
        # A port of a server that was just stopped can be used again.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((self.options.host, self.options.http_port))
            # Connections wait from now on, also before the thread that answers has started.
            listening.listen(128)
        except (OSError, OverflowError) as error:
            listening.close()
            raise ServiceError(
                f"the HTTP port cannot be opened ({getattr(error, 'strerror', None) or error})",
                where=f"port {self.options.http_port}",
                remedy="Give another port, or stop the process that has it.",
            ) from None
        return listening

    @property
    def http_port(self) -> int:
        """Port of the HTTP interface."""
        return 0 if self._socket is None else int(self._socket.getsockname()[1])

    @property
    def is_alive(self) -> bool:
        """Whether all its threads run and it receives images."""
        return (
            bool(self._threads)
            and all(one.is_alive() for one in self._threads)
            and self.receiver.is_alive
        )

    def wait(self, stopped: Callable[[], bool]) -> None:
        """Wait until told to stop.

        Parameters
        ----------
        stopped : callable
            Returns whether to stop.

        Raises
        ------
        MammoriskError
            A part of the server ended, for example because the disk cannot be used.
        """
        while not stopped() and not self._stopped.wait(0.2):
            pass
        if isinstance(self._error, MammoriskError):
            raise self._error
        if self._error is not None:
            raise ServiceError(
                f"a part of the server ended unexpectedly ({type(self._error).__name__})",
                remedy="Start it again: nothing that was confirmed is lost.",
            ) from self._error

    def stop(self) -> None:
        """Stop. An exam that is being scored is scored at the next start."""
        self._stopped.set()
        self.receiver.stop()
        self._web.should_exit = True
        self.scorer.stop()
        for thread in self._threads:
            thread.join(timeout=10)
        if self._socket is not None:
            self._socket.close()
        self.queue.close()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def _guard(self, run: Callable[[], None]) -> None:
        try:
            run()
        # The whole server stops, so that what watches over it starts it again.
        except Exception as error:  # noqa: BLE001
            if not self._stopped.is_set():
                self._error = error
        self._stopped.set()

    def _score(self) -> None:
        self._watch.run(poll_s=_POLL_S, stopped=self._stopped.is_set)

    def _send(self) -> None:
        self.sender.run(poll_s=_POLL_S, stopped=self._stopped.is_set)

    def _serve_web(self) -> None:
        self._web.run(sockets=[] if self._socket is None else [self._socket])

    def _tidy(self) -> None:
        """Remove old images, every hour. A full disk is waited for."""
        while True:
            with suppress(NoSpace), disk_errors():
                self.images.forget(self.options.keep_days * _DAY_S)
            if self._stopped.wait(3600):
                return


def _make_private(folder: Path) -> None:
    """Create a folder that other users of the machine cannot read."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        os.chmod(folder, 0o700)
    except OSError as error:
        raise ServiceError(
            f"the folder of the server cannot be used ({error.strerror})",
            remedy="Give a folder that can be written to.",
        ) from None
