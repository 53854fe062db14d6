"""DicomReceiver: receives images by C-STORE."""

from __future__ import annotations

import logging
import os
import sqlite3
import ssl
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mammorisk._utils.optional import require
from mammorisk.errors import ServiceError
from mammorisk.prediction.exports.sr import CLINIC
from mammorisk.service.received import Outcome

#: Takes a file that has been received, and returns what became of it when it is on disk.
Receive = Callable[[Path], Outcome]

#: Largest object or HTTP request in bytes.
MAX_REQUEST_BYTES = 600 * 2**20
#: Largest unit of the DICOM protocol that is asked for, and that is read.
_PDU_BYTES, _MAX_PDU_BYTES = 2**18, 2**20
#: Bytes that are read from the network at a time.
_RECEIVE_BYTES = 2**16
#: Seconds without data after which a connection is closed.
_SECONDS_IDLE = 60.0
#: Statuses of C-STORE (PS3.4 B.2.3).
SUCCESS, OUT_OF_RESOURCES, CANNOT_UNDERSTAND = 0x0000, 0xA700, 0xC000


@dataclass(frozen=True, kw_only=True)
class ReceiverOptions:
    """Who may send images, and where.

    Attributes
    ----------
    ae_title : str
        Title of this application entity; others must call it by this.
    senders : sequence of str
        Titles of those that may send.
    host : str
    port : int
        0 chooses a free port.
    tls : SSLContext or None
    max_bytes : int
        Largest object.
    max_associations : int
    """

    ae_title: str
    senders: Sequence[str]
    host: str = "127.0.0.1"
    port: int = 11112
    tls: ssl.SSLContext | None = None
    max_bytes: int = MAX_REQUEST_BYTES
    max_associations: int = 16


class DicomReceiver:
    """A storage server that accepts every storage class from the application entities it knows.

    An object is written to the spool while it arrives, not to memory. It is confirmed when
    ``receive`` has returned.

    Parameters
    ----------
    options : ReceiverOptions
    receive : callable
        See :meth:`mammorisk.service.received.ReceivedImages.receive`.
    spool : Path
        Folder for objects that arrive.

    Attributes
    ----------
    refused : int
        Number of associations that were refused, since the start.
    """

    def __init__(self, options: ReceiverOptions, receive: Receive, spool: Path) -> None:
        require("pynetdicom", CLINIC, what="receiving DICOM images")
        self.options = options
        self.refused = 0
        self._receive = receive
        self._spool = spool
        self._server: Any = None
        self._before: str | None = None

    @property
    def port(self) -> int:
        """Port on which it listens."""
        return int(self._server.server_address[1])

    @property
    def is_alive(self) -> bool:
        """Whether it listens."""
        return self._server is not None and self._server.socket.fileno() >= 0

    def start(self) -> None:
        """Listen, in threads.

        Raises
        ------
        ServiceError
            The address cannot be used.
        """
        from pynetdicom import AE, evt
        from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

        configure_pynetdicom()
        entity = AE(self.options.ae_title)
        entity.add_supported_context(Verification)
        entity.require_called_aet = True
        entity.require_calling_aet = list(self.options.senders)
        entity.maximum_associations = self.options.max_associations
        entity.maximum_pdu_size = _PDU_BYTES
        entity.network_timeout = entity.dimse_timeout = entity.acse_timeout = _SECONDS_IDLE
        self._use_spool()
        try:
            self._server = entity.start_server(
                (self.options.host, self.options.port),
                block=False,
                ssl_context=self.options.tls,
                evt_handlers=[
                    (evt.EVT_CONN_OPEN, _cap_socket, [self.options.max_bytes]),
                    (evt.EVT_CONN_CLOSE, _remove_partial),
                    (evt.EVT_DIMSE_RECV, _reset_cap),
                    (evt.EVT_REJECTED, self._count_refused),
                    (evt.EVT_C_STORE, self._store),
                ],
            )
        except (OSError, OverflowError) as error:
            raise ServiceError(
                f"the DICOM port cannot be opened ({getattr(error, 'strerror', None) or error})",
                where=f"port {self.options.port}",
                remedy="Give another port, or stop the process that has it.",
            ) from None
        finally:
            if self._server is None:
                self._leave_spool()

    def stop(self) -> None:
        """Close the connections. Objects that were not confirmed are not kept."""
        if self._server is not None:
            self._server.shutdown()
            self._server = None
            self._leave_spool()

    def _use_spool(self) -> None:
        """Let pynetdicom create its files there: moving them within a disk takes no time.

        It has no option for this but the folder of temporary files of the whole process.
        """
        self._before, tempfile.tempdir = tempfile.tempdir, str(self._spool)

    def _leave_spool(self) -> None:
        tempfile.tempdir = self._before

    def _count_refused(self, event: Any) -> None:
        self.refused += 1

    def _store(self, event: Any) -> int:
        # Renamed, because pynetdicom removes its file after this.
        file = event.dataset_path.with_suffix(".received")
        try:
            # Flushed first: pynetdicom still has it open.
            event.request._dataset_file.close()
            os.rename(event.dataset_path, file)
            outcome = self._receive(file)
        except (OSError, sqlite3.Error):
            return OUT_OF_RESOURCES
        return CANNOT_UNDERSTAND if outcome == "unreadable" else SUCCESS


def configure_pynetdicom() -> None:
    """Set the options of pynetdicom, which are global: nothing is logged, objects go to disk."""
    from pynetdicom import _config

    _config.UNRESTRICTED_STORAGE_SERVICE = True
    _config.STORE_RECV_CHUNKED_DATASET = True
    _config.LOG_REQUEST_IDENTIFIERS = _config.LOG_RESPONSE_IDENTIFIERS = False
    _config.LOG_HANDLER_LEVEL = "none"
    # Its errors can quote values of an object.
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL + 1)


class _CappedReader:
    """Reads from a socket with limits on a unit of the protocol and on an object.

    pynetdicom reads as many bytes as a unit states, whatever that is, before it knows who calls.
    """

    def __init__(self, connection: Any, max_bytes: int) -> None:
        self._connection = connection
        self._max_bytes = max_bytes
        self._since = 0

    def reset(self) -> None:
        """Begin to count another object."""
        self._since = 0

    def __call__(self, nr_bytes: int) -> bytearray:
        self._since += nr_bytes
        if nr_bytes > _MAX_PDU_BYTES or self._since > self._max_bytes:
            raise OSError("the request is larger than allowed")
        found = bytearray(nr_bytes)
        view, read = memoryview(found), 0
        while read < nr_bytes:
            one = self._connection.socket.recv_into(view[read : read + _RECEIVE_BYTES])
            if not one:
                view.release()
                return found[:read]
            read += one
        view.release()
        return found


def _cap_socket(event: Any, max_bytes: int) -> None:
    connection = event.assoc.dul.socket
    # Without it a client that stops in the middle of a unit would keep its thread for ever.
    connection.socket.settimeout(_SECONDS_IDLE)
    connection.recv = _CappedReader(connection, max_bytes)


def _reset_cap(event: Any) -> None:
    reader = getattr(event.assoc.dul.socket, "recv", None)
    if isinstance(reader, _CappedReader):
        reader.reset()


def _remove_partial(event: Any) -> None:
    """Remove the object of which a part had arrived when the connection was closed."""
    message = event.assoc.dimse.message
    path = getattr(message, "_data_set_path", None)
    if path is not None:
        message._data_set_file.close()
        Path(path).unlink(missing_ok=True)
