"""Certificates for tests, made with openssl."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from mammorisk.service.tls import TlsFiles


def authority(folder: Path) -> Path:
    """A certificate authority; the folder also has its key."""
    folder.mkdir(parents=True, exist_ok=True)
    _openssl(
        *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
        *("-keyout", folder / "ca.key", "-out", folder / "ca.pem", "-days", "2"),
        *("-subj", "/CN=authority of a test"),
    )
    return folder / "ca.pem"


def signed(folder: Path, name: str) -> TlsFiles:
    """A certificate for localhost by the authority of the folder."""
    key, request, certificate = (folder / f"{name}.{end}" for end in ("key", "csr", "pem"))
    _openssl(
        *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
        *("-keyout", key, "-out", request, "-subj", "/CN=localhost"),
    )
    names = folder / "names.txt"
    names.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    _openssl(
        *("x509", "-req", "-in", request, "-CA", folder / "ca.pem", "-CAkey", folder / "ca.key"),
        *("-CAcreateserial", "-days", "2", "-extfile", names, "-out", certificate),
    )
    return TlsFiles(certificate=certificate, key=key, authority=folder / "ca.pem")


def _openssl(*words: str | Path) -> None:
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("openssl is not installed")
    done = subprocess.run([program, *map(str, words)], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
