"""Orthanc on this machine, for tests and benchmarks."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROGRAM = shutil.which("Orthanc") or (
    "/usr/sbin/Orthanc" if Path("/usr/sbin/Orthanc").exists() else ""
)
PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
#: dcmtk's, and not that of pynetdicom, which can come first on the PATH.
STORESCU = Path("/usr/bin/storescu")


def is_installed() -> bool:
    """Whether Orthanc, its DICOMweb plugin and dcmtk are there."""
    return Path(PROGRAM).exists() and PLUGIN.exists() and STORESCU.exists()


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Orthanc:
    """A running server."""

    def __init__(self, http_port: int, dicom_port: int) -> None:
        self.http_port, self.dicom_port = http_port, dicom_port

    def ask(self, path: str, data: bytes | None = None, **headers: str) -> bytes:
        """Return the answer to a GET, or to a POST of data."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        url = f"http://127.0.0.1:{self.http_port}{path}"
        with urllib.request.urlopen(urllib.request.Request(url, data, named), timeout=60) as found:
            return bytes(found.read())

    def qido(self, **query: str) -> list[dict[str, Any]]:
        """Instances that QIDO-RS finds."""
        asked = "&".join(f"{name}={value}" for name, value in query.items())
        answer = self.ask(f"/dicom-web/instances?{asked}&includefield=all&limit=1000")
        return list(json.loads(answer or b"[]"))


@contextmanager
def orthanc(folder: Path, config: Mapping[str, Any], *, lua: str = "") -> Iterator[Orthanc]:
    """Run Orthanc with its DICOMweb plugin.

    Parameters
    ----------
    folder : Path
        For its configuration, log and files.
    config : mapping
        Options beside those of the ports and folders.
    lua : str
        A script.
    """
    folder.mkdir(parents=True, exist_ok=True)
    server = Orthanc(free_port(), free_port())
    if lua:
        (folder / "script.lua").write_text(lua)
    written = {
        "StorageDirectory": str(folder / "db"),
        "IndexDirectory": str(folder / "db"),
        "HttpPort": server.http_port,
        "DicomPort": server.dicom_port,
        "DicomAet": "ORTHANC",
        "DicomAlwaysAllowStore": True,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "LuaScripts": [str(folder / "script.lua")] if lua else [],
        "Plugins": [str(PLUGIN)],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/", **config.get("DicomWeb", {})},
    }
    written |= {name: value for name, value in config.items() if name != "DicomWeb"}
    (folder / "orthanc.json").write_text(json.dumps(written))
    with open(folder / "orthanc.log", "wb") as log:
        process = subprocess.Popen([PROGRAM, str(folder / "orthanc.json")], stdout=log, stderr=log)
        try:
            for _ in range(200):
                try:
                    server.ask("/system")
                    break
                except OSError:
                    time.sleep(0.1)
            yield server
        finally:
            process.terminate()
            process.wait(timeout=20)
