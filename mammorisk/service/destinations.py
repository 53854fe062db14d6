"""Destinations: where documents are sent, by C-STORE or by STOW-RS."""

from __future__ import annotations

import http.client
import io
import json
import re
import ssl
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlsplit

import pydicom

from mammorisk.errors import ServiceError
from mammorisk.service.addresses import is_loopback

_SECONDS = 60.0
#: Largest answer of a STOW server that is read.
_LARGEST_ANSWER = 2**20
_REMEDY = "Give AE_TITLE@host:port, or https://host/dicom-web for STOW-RS."


class NotSent(Exception):
    """A destination did not take a document.

    Parameters
    ----------
    reason : str
        Without names or addresses.
    final : bool
        Whether the destination refused the document itself, so that waiting does not help.
    """

    def __init__(self, reason: str, *, final: bool = False) -> None:
        super().__init__(reason)
        self.final = final


class Destination(Protocol):
    """A place to which DICOM documents are sent."""

    @property
    def name(self) -> str:
        """How it is named in lists."""
        ...

    @property
    def is_in_clear(self) -> bool:
        """Whether documents go to another machine without encryption."""
        ...

    def send(self, documents: Sequence[bytes]) -> None:
        """Send DICOM files.

        Parameters
        ----------
        documents : sequence of bytes
            Contents of the files.

        Raises
        ------
        NotSent
            The destination did not take them, or cannot be reached.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class CStore:
    """An application entity that takes documents by C-STORE.

    Attributes
    ----------
    name : str
    ae_title, host, port
        Of the other side.
    from_title : str
        Title of this application entity.
    tls : SSLContext or None
    """

    name: str
    ae_title: str
    host: str
    port: int
    from_title: str
    tls: ssl.SSLContext | None = field(default=None, repr=False)

    @property
    def is_in_clear(self) -> bool:
        """Whether documents go to another machine without encryption."""
        return _is_in_clear(self.host, self.tls)

    def send(self, documents: Sequence[bytes]) -> None:
        """Send DICOM files in one association; see :meth:`Destination.send`."""
        from pynetdicom import AE

        from mammorisk.service.dicom_receiver import configure_pynetdicom

        configure_pynetdicom()
        datasets = [pydicom.dcmread(io.BytesIO(one)) for one in documents]
        entity = AE(self.from_title)
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = _SECONDS
        entity.connection_timeout = _SECONDS
        for kind in dict.fromkeys(str(one.SOPClassUID) for one in datasets):
            entity.add_requested_context(kind)
        link = entity.associate(
            self.host,
            self.port,
            ae_title=self.ae_title,
            tls_args=None if self.tls is None else (self.tls, self.host),
        )
        if not link.is_established:
            raise NotSent("the association was rejected" if link.is_rejected else "no connection")
        try:
            for dataset in datasets:
                _check_status(link.send_c_store(dataset).get("Status"))
        except ValueError:
            raise NotSent("the destination does not accept this kind of document") from None
        finally:
            link.release()


def _check_status(status: int | None) -> None:
    if status is None:
        raise NotSent("the connection was lost")
    # Warnings (Bxxx) mean that it was stored. 01xx and Cxxx are about the object.
    if status == 0 or status >> 12 == 0xB:
        return
    is_full = status >> 8 == 0xA7
    raise NotSent(f"C-STORE status {status:04X}", final=not is_full)


@dataclass(frozen=True, kw_only=True)
class Stow:
    """A DICOMweb server that takes documents by STOW-RS. No redirect is followed.

    Attributes
    ----------
    name : str
    host : str
    port : int or None
    path : str
        Of the service, such as ``/dicom-web``.
    tls : SSLContext or None
        None for plain HTTP.
    authorization : str or None
        Value of the header ``Authorization``.
    """

    name: str
    host: str
    port: int | None
    path: str
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    authorization: str | None = field(default=None, repr=False)

    @property
    def is_in_clear(self) -> bool:
        """Whether documents go to another machine without encryption."""
        return _is_in_clear(self.host, self.tls)

    def send(self, documents: Sequence[bytes]) -> None:
        """Send DICOM files in one request; see :meth:`Destination.send`."""
        boundary = uuid.uuid4().hex
        parts = [
            b"--%s\r\nContent-Type: application/dicom\r\n\r\n%s\r\n" % (boundary.encode(), one)
            for one in documents
        ]
        kind = f'multipart/related; type="application/dicom"; boundary={boundary}'
        headers = {"Content-Type": kind, "Accept": "application/dicom+json"}
        if self.authorization is not None:
            headers["Authorization"] = self.authorization
        body = b"".join(parts) + b"--%s--\r\n" % boundary.encode()
        link: http.client.HTTPConnection
        if self.tls is None:
            link = http.client.HTTPConnection(self.host, self.port, timeout=_SECONDS)
        else:
            link = http.client.HTTPSConnection(
                self.host, self.port, timeout=_SECONDS, context=self.tls
            )
        try:
            link.request("POST", f"{self.path}/studies", body, headers)
            answer = link.getresponse()
            content = answer.read(_LARGEST_ANSWER)
        except (OSError, http.client.HTTPException) as error:
            raise NotSent(f"no connection ({type(error).__name__})") from None
        finally:
            link.close()
        _check_answer(answer.status, content)


def _check_answer(status: int, content: bytes) -> None:
    if status == 200:
        return
    # 202: stored in part. 408 and 429 ask to come again.
    if status == 202 and not _failed(content):
        return
    raise NotSent(
        f"STOW-RS status {status}", final=400 <= status < 500 and status not in (408, 429)
    )


def _failed(content: bytes) -> bool:
    """Whether the answer has a FailedSOPSequence (0008,1198) with items."""
    try:
        told = json.loads(content)
        return bool(told.get("00081198", {}).get("Value"))
    except (ValueError, AttributeError):
        return True


def _is_in_clear(host: str, tls: ssl.SSLContext | None) -> bool:
    return tls is None and not is_loopback(host)


def is_web(text: str) -> bool:
    """Whether a destination is the address of a DICOMweb service."""
    return text.startswith(("http://", "https://"))


def read_destination(
    text: str,
    *,
    from_title: str,
    tls: ssl.SSLContext | None = None,
    authorization: str | None = None,
    allow_plain_http: bool = False,
) -> Destination:
    """Read a destination as the command line gives it.

    Parameters
    ----------
    text : str
        ``AE_TITLE@host:port``, or the address of a DICOMweb service.
    from_title : str
        Title of this application entity.
    tls : SSLContext, optional
        For C-STORE: plain without it. For ``https://``: that of the system without it.
    authorization : str, optional
        Header for STOW-RS.
    allow_plain_http : bool
        Whether ``http://`` to another machine is allowed where TLS or a secret is given.

    Raises
    ------
    ServiceError
        The address cannot be read, or is not encrypted although TLS or a secret is given.

    Examples
    --------
    >>> from mammorisk.service.destinations import read_destination
    >>> read_destination("PACS@10.0.0.5:104", from_title="MAMMORISK").port
    104
    """
    if is_web(text):
        parts = urlsplit(text)
        try:
            port = parts.port
        except ValueError:
            port = -1
        if not parts.hostname or port == -1 or parts.query or parts.fragment or parts.username:
            raise ServiceError(
                "the address has no host, or more than a path", where="destination", remedy=_REMEDY
            )
        made = Stow(
            name=text,
            host=parts.hostname,
            port=port,
            path=parts.path.rstrip("/"),
            tls=(tls or ssl.create_default_context()) if parts.scheme == "https" else None,
            authorization=authorization,
        )
        is_protected = tls is not None or authorization is not None
        if made.is_in_clear and is_protected and not allow_plain_http:
            raise ServiceError(
                "results and secrets would go to another machine without encryption",
                where=f"destination {text}",
                remedy="Give its address with https://, or --allow-plain-http if nobody else can "
                "read this network.",
            )
        return made
    found = re.fullmatch(r"([\x21-\x3f\x41-\x5b\x5d-\x7e ]{1,16})@([^@\s]+):(\d{1,5})", text)
    if found is None or not 0 < int(found[3]) < 65536:
        raise ServiceError("the address cannot be read", where="destination", remedy=_REMEDY)
    return CStore(
        name=text,
        ae_title=found[1],
        host=found[2].strip("[]"),
        port=int(found[3]),
        from_title=from_title,
        tls=tls,
    )
