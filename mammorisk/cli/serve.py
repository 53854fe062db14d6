"""``mammorisk serve``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mammorisk.cli.common import DONE, Debug, exit_on_error, stop_signals
from mammorisk.cli.predict import ModelName
from mammorisk.cli.watch import DEFAULT_WORDS, AllowMissing, Formats, read_formats

if TYPE_CHECKING:
    from mammorisk.service.tls import TlsFiles


def serve(
    folder: Annotated[
        Path,
        typer.Argument(help="Folder for the queue, the received images and the results."),
    ],
    sender: Annotated[
        list[str] | None,
        typer.Option(help="DICOM title of an application entity that may send. Repeatable."),
    ] = None,
    ae_title: Annotated[str, typer.Option(help="DICOM title of this server.")] = "MAMMORISK",
    host: Annotated[
        str,
        typer.Option(help="Address on which it listens. All but loopback need --token-file."),
    ] = "127.0.0.1",
    dicom_port: Annotated[int, typer.Option(help="Port for C-STORE.")] = 11112,
    http_port: Annotated[int, typer.Option(help="Port for HTTP.")] = 8080,
    send_to: Annotated[
        list[str] | None,
        typer.Option(
            help="Where the results go: TITLE@host:port for C-STORE, or https://host/dicom-web for "
            "STOW-RS. Repeatable."
        ),
    ] = None,
    send_authorization: Annotated[
        Path | None,
        typer.Option(help="File with the header Authorization for STOW-RS, such as 'Bearer ...'."),
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option(help="File with the token that HTTP requests must show.")
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(help="Certificate of this server (PEM). Turns TLS on.")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Key of the certificate (PEM).")] = None,
    tls_ca: Annotated[
        Path | None,
        typer.Option(help="Authorities whose certificates the other side must have (PEM)."),
    ] = None,
    plain_dicom: Annotated[
        bool, typer.Option("--plain-dicom", help="No TLS for DICOM, only for HTTP.")
    ] = False,
    allow_plain_http: Annotated[
        bool,
        typer.Option(
            "--allow-plain-http",
            help="Send results to http:// on another machine although TLS or --send-authorization "
            "is given: for closed networks.",
        ),
    ] = False,
    model: ModelName = None,
    formats: Formats = DEFAULT_WORDS,
    identity: Annotated[
        bool | None,
        typer.Option(
            "--identity/--no-identity",
            help="Copy the attributes of patient and study from the images into the documents. "
            "Default: only with --send-to, because an archive files them under the patient.",
        ),
    ] = None,
    allow_missing_views: AllowMissing = False,
    quiet: Annotated[
        float,
        typer.Option(help="Seconds without a new image after which an incomplete exam is taken."),
    ] = 120.0,
    wait_for_answers: Annotated[
        float,
        typer.Option(
            help="Seconds after the last image for which an exam with an accession number waits "
            "for answers."
        ),
    ] = 0.0,
    keep_days: Annotated[
        float, typer.Option(help="Days after which the images of a scored exam are removed.")
    ] = 7.0,
    scoring_seconds: Annotated[float, typer.Option(help="Longest time for an exam.")] = 300.0,
    memory_gb: Annotated[
        float, typer.Option(help="Largest size of the data of the scoring process (Linux).")
    ] = 8.0,
    silent: Annotated[
        bool,
        typer.Option(
            "--silent", help="Silent trial: store the results beside the queue, return nothing."
        ),
    ] = False,
    debug: Debug = False,
) -> None:
    """Receive exams by DICOM and HTTP, score them, and send the results back."""
    from mammorisk.service.addresses import is_loopback
    from mammorisk.service.load_scorer import load_scorer
    from mammorisk.service.serve import Server
    from mammorisk.service.serve_options import ServeOptions

    stopped = stop_signals()
    with exit_on_error(debug):
        make = partial(
            load_scorer,
            model,
            read_formats(formats),
            identity=bool(send_to) if identity is None else identity,
            allow_missing_views=allow_missing_views,
        )
        options = ServeOptions(
            folder=folder,
            ae_title=ae_title,
            senders=sender or (),
            host=host,
            dicom_port=dicom_port,
            http_port=http_port,
            send_to=send_to or (),
            send_authorization=_read_secret(send_authorization),
            token=_read_secret(token_file),
            tls=_tls(tls_cert, tls_key, tls_ca),
            plain_dicom=plain_dicom,
            allow_plain_http=allow_plain_http,
            quiet_s=quiet,
            answers_s=wait_for_answers,
            keep_days=keep_days,
            scoring_s=scoring_seconds,
            memory_gb=memory_gb,
            silent=silent,
        )
        if options.tls is None and not is_loopback(host):
            typer.echo("caution: without TLS others on the network can read all of it", err=True)
        with Server(options, make) as server:
            typer.echo(
                f"DICOM: {ae_title} at {host}:{server.receiver.port}; "
                f"HTTP: {host}:{server.http_port}",
                err=True,
            )
            for name in server.in_clear:
                typer.echo(f"caution: results go to {name} without encryption", err=True)
            server.wait(stopped)
            counts = server.queue.counts()
    typer.echo(", ".join(f"{n} {name}" for name, n in counts.items()) or "no exams", err=True)
    raise typer.Exit(DONE)


def _read_secret(path: Path | None) -> str | None:
    from mammorisk.errors import ServiceError

    if path is None:
        return None
    try:
        secret = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ServiceError(
            f"the file of a secret cannot be read ({type(error).__name__})",
            where="--token-file or --send-authorization",
            remedy="Give a text file with one line in ASCII.",
        ) from None
    if not secret or not secret.isprintable():
        raise ServiceError(
            "the file of a secret is empty or has several lines",
            where="--token-file or --send-authorization",
            remedy="Give a text file with one line.",
        )
    return secret


def _tls(certificate: Path | None, key: Path | None, authority: Path | None) -> TlsFiles | None:
    from mammorisk.service.tls import TlsFiles

    if certificate is None and key is None and authority is None:
        return None
    if certificate is None or key is None or authority is None:
        raise typer.BadParameter("--tls-cert, --tls-key and --tls-ca belong together")
    return TlsFiles(certificate=certificate, key=key, authority=authority)
