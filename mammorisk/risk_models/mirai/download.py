"""Mirai's published weights: download, check, convert and store in the user's cache."""

from __future__ import annotations

import hashlib
import http.client
import json
import urllib.request
from pathlib import Path
from tempfile import TemporaryDirectory

import platformdirs

from mammorisk._utils.atomic_write import atomic_write
from mammorisk._utils.progress import progress_bar
from mammorisk.errors import ModelError, UnknownModel
from mammorisk.risk_models.mirai.convert import convert_snapshots

#: Release asset of reginabarzilaygroup/Mirai, version 0.8.0 (MIT licence, (c) MIT and MGH).
RELEASE_URL = "https://github.com/reginabarzilaygroup/Mirai/releases/download/v0.8.0/snapshots.zip"
#: Largest accepted download in bytes, and timeout in seconds.
_MOST_BYTES, _SECONDS = 2 * 2**30, 60.0
_PIECE = 2**20
_REMEDY = (
    "Fetch snapshots.zip of reginabarzilaygroup/Mirai's release 0.8.0 by hand, then: "
    'mammorisk convert mirai snapshots.zip --out mirai/, and load_model("mirai", '
    'weights="mirai/").'
)


def fetch_mirai(*, url: str = RELEASE_URL, cache: str | Path | None = None) -> Path:
    """Return the converted model in the user's cache; download and convert it if necessary.

    Parameters
    ----------
    url : str
    cache : path, optional
        Cache folder. Default: ``mammorisk`` in the user's cache folder (XDG_CACHE_HOME on Linux).

    Returns
    -------
    Path
        A folder for :func:`mammorisk.load_model`.

    Raises
    ------
    UnknownModel
        The model is not in the cache and cannot be downloaded. The message says what to do.
    ModelError
        The download differs from the first one (whose size and SHA-256 are recorded beside the
        model), or does not contain snapshots of Mirai.

    See Also
    --------
    mammorisk.load_model : Calls it for the name ``"mirai"``.

    Examples
    --------
    >>> from mammorisk.risk_models.mirai.download import fetch_mirai
    >>> folder = fetch_mirai()  # doctest: +SKIP
    """
    home = Path(cache) if cache is not None else platformdirs.user_cache_path("mammorisk")
    folder, record = home / "mirai", home / "mirai-source.json"
    if (folder / "config.json").is_file():
        return folder
    try:
        home.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=home) as temporary:
            asset = Path(temporary) / "snapshots.zip"
            size_and_digest = _download(url, asset)
            _check(size_and_digest, record)
            convert_snapshots(asset, folder)
        text = json.dumps({"url": url, **size_and_digest}, indent=1)
        atomic_write(record, lambda path: path.write_text(text, encoding="utf-8"))
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise UnknownModel(
            f"Mirai's weights are not in the cache and cannot be downloaded "
            f"({type(error).__name__})",
            remedy=_REMEDY,
        ) from None
    return folder


def _download(url: str, target: Path) -> dict[str, int | str]:
    """Download the asset; return its size and digest."""
    digest, size = hashlib.sha256(), 0
    with urllib.request.urlopen(url, timeout=_SECONDS) as answer, open(target, "wb") as file:
        promised = answer.headers.get("Content-Length")
        total = int(promised) if promised is not None and promised.isdigit() else None
        with progress_bar("bytes of Mirai's weights", total or 0) as tell:
            while piece := answer.read(_PIECE):
                size += len(piece)
                if size > _MOST_BYTES:
                    raise ModelError(
                        f"the asset has more than {_MOST_BYTES:,} bytes", remedy=_REMEDY
                    )
                digest.update(piece)
                file.write(piece)
                if tell is not None:
                    tell(size, total or 0)
    if promised is not None and promised != str(size):
        raise ModelError(
            f"the download is incomplete: {size:,} of {promised} bytes", remedy="Try again."
        )
    return {"bytes": size, "sha256": digest.hexdigest()}


def _check(size_and_digest: dict[str, int | str], record: Path) -> None:
    if not record.is_file():
        return
    first = json.loads(record.read_text(encoding="utf-8"))
    if any(first.get(name) != value for name, value in size_and_digest.items()):
        raise ModelError(
            "the asset differs from that of the first download (size or SHA-256)",
            where=record.name,
            remedy="Find out why. If the new asset is right, remove this file from the cache.",
        )
