"""Fetching the published weights, from a server of the test's own."""

from __future__ import annotations

import json
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import mammorisk as mr
from mammorisk.errors import ModelError, UnknownModel
from mammorisk.risk_models.mirai import download
from mammorisk.risk_models.mirai.download import fetch_mirai
from tests.risk_models.mirai.test_convert import write

pytestmark = pytest.mark.filterwarnings("ignore:Couldn't retrieve source code:UserWarning")


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """Folder of a server and its address, with a stand-in of the asset."""
    folder = tmp_path / "served"
    folder.mkdir()
    source = write(tmp_path / "p")
    with zipfile.ZipFile(folder / "snapshots.zip", "w") as archive:
        for file in source.iterdir():
            archive.write(file, file.name)
    handler = partial(_Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_port}/snapshots.zip"
        server.shutdown()


def test_fetched_once_and_checked_ever_after(
    served: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, url = served
    cache = tmp_path / "cache"
    found = fetch_mirai(url=url, cache=cache)
    assert mr.load_model(found).name == "mirai"
    told = json.loads((cache / "mirai-source.json").read_text())
    assert told["bytes"] == (folder / "snapshots.zip").stat().st_size
    assert len(told["sha256"]) == 64
    # The pickles are gone.
    assert sorted(p.name for p in cache.iterdir()) == ["mirai", "mirai-source.json"]
    # No server is asked again.
    assert fetch_mirai(url="http://127.0.0.1:9/snapshots.zip", cache=cache) == found
    # Converted anew, from something else: refused.
    found.rename(tmp_path / "aside")
    with zipfile.ZipFile(folder / "snapshots.zip", "a") as archive:
        archive.writestr("note.txt", "another")
    with pytest.raises(ModelError, match="differs from that of the first download"):
        fetch_mirai(url=url, cache=cache)
    assert not found.exists()


def test_by_name(served: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        download.platformdirs, "user_cache_path", lambda name: tmp_path / "home" / name
    )
    monkeypatch.setattr(
        download, "fetch_mirai", partial(fetch_mirai, url="http://127.0.0.1:9/snapshots.zip")
    )
    with pytest.raises(UnknownModel, match="mammorisk convert mirai"):
        mr.load_model("mirai")
    monkeypatch.setattr(download, "fetch_mirai", partial(fetch_mirai, url=served[1]))
    assert mr.load_model("mirai").name == "mirai"


def test_what_is_no_asset(served: tuple[Path, str], tmp_path: Path) -> None:
    folder, url = served
    cache = tmp_path / "cache"
    with pytest.raises(UnknownModel, match="HTTPError"):
        fetch_mirai(url=url + ".gone", cache=cache)
    (folder / "snapshots.zip").write_bytes(b"<html>Not Found</html>")
    with pytest.raises(ModelError):
        fetch_mirai(url=url, cache=cache)
    assert not list(cache.iterdir())
