"""ServeOptions: options of a server, and what makes them unsafe."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mammorisk.errors import ServiceError
from mammorisk.service.addresses import is_loopback
from mammorisk.service.tls import TlsFiles

#: Fewest characters of a token.
_SHORTEST_TOKEN = 16
#: Title of an application entity (PS3.5 6.2, VR AE): not only spaces.
_TITLE = re.compile(r"(?=.*[^ ])[\x20-\x5b\x5d-\x7e]{1,16}")
#: Smallest values of options.
_SMALLEST = {"quiet_s": 0.0, "answers_s": 0.0, "keep_days": 0.0, "scoring_s": 1.0, "memory_gb": 0.5}


@dataclass(frozen=True, kw_only=True)
class ServeOptions:
    """Options of a server.

    Attributes
    ----------
    folder : Path
        For the queue, the received images and the results.
    ae_title : str
        Its DICOM application entity title.
    senders : sequence of str
        Titles of the application entities that may send images.
    host : str
        Address on which it listens.
    dicom_port, http_port : int
        0 chooses a free port.
    send_to : sequence of str
        Destinations of the results; see
        :func:`mammorisk.service.destinations.read_destination`.
    send_authorization : str or None
        Header ``Authorization`` for destinations of STOW-RS.
    token : str or None
        Token that HTTP requests must show. Required unless ``host`` is a loopback address.
    tls : TlsFiles or None
        With it, both ports and the ways to the destinations use TLS with certificates on both
        sides.
    plain_dicom : bool
        No TLS for DICOM.
    allow_plain_http : bool
        Whether results may go to ``http://`` on another machine although ``tls`` or
        ``send_authorization`` is given.
    quiet_s : float
        Seconds without a new image after which an exam with fewer than four views is taken.
    answers_s : float
        Seconds after the last image for which an exam with an accession number waits for answers.
    keep_days : float
        Images of exams that were scored are removed after this time.
    scoring_s : float
        Longest time for an exam.
    memory_gb : float
        Largest size of the data of the scoring process, in 2**30 bytes. Enforced on Linux alone.
    silent : bool
        A silent trial: results are stored beside the queue, sent to nobody and not shown.
    """

    folder: Path
    ae_title: str = "MAMMORISK"
    senders: Sequence[str]
    host: str = "127.0.0.1"
    dicom_port: int = 11112
    http_port: int = 8080
    send_to: Sequence[str] = ()
    send_authorization: str | None = None
    token: str | None = None
    tls: TlsFiles | None = None
    plain_dicom: bool = False
    allow_plain_http: bool = False
    quiet_s: float = 120.0
    answers_s: float = 0.0
    keep_days: float = 7.0
    scoring_s: float = 300.0
    memory_gb: float = 8.0
    silent: bool = False

    def check(self) -> None:
        """Check what would make the server unsafe, and what would only fail later.

        Raises
        ------
        ServiceError
            No sender is named, a title or a number cannot be used, the token is missing or short,
            or a silent trial has destinations.
        """
        if not self.senders:
            raise ServiceError(
                "no application entity may send images",
                where="senders",
                remedy="Name those that may: --sender TITLE.",
            )
        for title in (self.ae_title, *self.senders):
            if not _TITLE.fullmatch(title):
                raise ServiceError(
                    f"{title!r} is no title of an application entity",
                    where="ae_title or senders",
                    remedy="Give 1 to 16 characters in ASCII, without a backslash.",
                )
        for name, smallest in _SMALLEST.items():
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= smallest):
                raise ServiceError(
                    f"{value:g} is out of range",
                    where=name,
                    remedy=f"Give a number from {smallest:g}.",
                )
        if self.silent and self.send_to:
            raise ServiceError(
                "a silent trial returns nothing, but destinations are named",
                where="send_to",
                remedy="Leave out --send-to.",
            )
        if self.token is None and not is_loopback(self.host):
            raise ServiceError(
                "other machines could use the HTTP interface without a token",
                where="host",
                remedy="Give --token-file, or listen on 127.0.0.1.",
            )
        if self.token is not None and len(self.token) < _SHORTEST_TOKEN:
            raise ServiceError(
                f"the token has fewer than {_SHORTEST_TOKEN} characters",
                where="token",
                remedy='Make one: python -c "import secrets; print(secrets.token_urlsafe(32))".',
            )
