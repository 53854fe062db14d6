"""TLS contexts of the server: both sides show a certificate."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mammorisk.errors import ServiceError


class _LazyContext(ssl.SSLContext):
    """A context whose sockets negotiate at the first read, in the thread of their connection.

    pynetdicom negotiates in the thread that accepts connections, so that one client that connects
    and is silent would keep out all others.
    """

    def wrap_socket(self, *args: Any, **options: Any) -> ssl.SSLSocket:
        return super().wrap_socket(*args, **(options | {"do_handshake_on_connect": False}))


@dataclass(frozen=True, kw_only=True)
class TlsFiles:
    """Files of a certificate, in PEM.

    Attributes
    ----------
    certificate, key : Path
        Of this server.
    authority : Path
        Certificates of the authorities that sign those of the other side.
    """

    certificate: Path
    key: Path
    authority: Path

    def for_server(self) -> ssl.SSLContext:
        """Return the context of a server that asks the client for a certificate.

        Raises
        ------
        ServiceError
            A file cannot be used.
        """
        context = self._context(_LazyContext, ssl.PROTOCOL_TLS_SERVER)
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    def for_client(self) -> ssl.SSLContext:
        """Return the context of a client that checks the name and shows its own certificate.

        Raises
        ------
        ServiceError
            A file cannot be used.
        """
        return self._context(ssl.SSLContext, ssl.PROTOCOL_TLS_CLIENT)

    def _context(self, kind: type[ssl.SSLContext], side: int) -> ssl.SSLContext:
        context = kind(side)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(self.certificate, self.key)
            context.load_verify_locations(self.authority)
        except OSError as error:
            reason = getattr(error, "reason", None) or error.strerror or type(error).__name__
            raise ServiceError(
                f"the certificate, its key or that of the authority cannot be used ({reason})",
                where="TLS",
                remedy="Give three files in PEM: --tls-cert, --tls-key and --tls-ca.",
            ) from None
        return context
