"""Copies of files at a URL or in a zip file (fsspec), in a temporary folder."""

from __future__ import annotations

import sys
import zipfile
import zlib
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from mammorisk.errors import NoImages, TooLarge, UnreadableFile
from mammorisk.io.limits import Limits
from mammorisk.records.exam import Exam

#: Number of bytes copied at a time.
_PIECE = 2**20
#: Exceptions of file systems in addition to OSError, also for damaged or encrypted archives.
_FAILURES = (
    *(OSError, ValueError, KeyError, RuntimeError, NotImplementedError, EOFError),
    *(zipfile.BadZipFile, zlib.error),
)


def is_remote(path: object) -> bool:
    """Whether a path is a URL or a zip file."""
    text = str(path)
    return "://" in text or (text.lower().endswith(".zip") and Path(text).is_file())


@dataclass(frozen=True)
class Place:
    """Local folder or URL that contains the images of a cohort.

    Attributes
    ----------
    root : str
        Absolute path, or URL without a slash at its end.
    """

    root: str

    @classmethod
    def of(cls, path: str | Path) -> Place:
        text = str(path)
        return cls(text.rstrip("/") if "://" in text else str(Path(text).resolve()))

    @property
    def is_url(self) -> bool:
        return "://" in self.root

    def join(self, text: str) -> str | Path:
        """Return the full path or URL of a path in a manifest."""
        if not self.is_url:
            return Path(self.root) / text
        return text if "://" in text else f"{self.root}/{text}"

    def holds(self, text: str) -> bool:
        """Whether a path in a manifest is inside the root."""
        if "\0" in text:
            return False
        if not self.is_url:
            if "://" in text:
                return False
            return (Path(self.root) / text).resolve().is_relative_to(self.root)
        inner = text.removeprefix(f"{self.root}/") if "://" in text else text
        # Percent-encoding in a URL could hide "..".
        unsafe = "://" in inner or "\\" in inner or "%2e" in inner.lower() or inner.startswith("/")
        return not unsafe and ".." not in PurePosixPath(inner).parts


def fetch(url: str | Path, limits: Limits, *, one_file: bool = False) -> TemporaryDirectory[str]:
    """Copy the files at a URL or in a zip file into a temporary folder.

    Parameters
    ----------
    url : str or path
        URL of a file, a folder or a zip file, with a scheme of fsspec (``s3://``, ``gs://``,
        ``https://`` ...), or a local zip file.
    limits : Limits
        ``max_files`` and ``max_file_bytes`` apply to the copied files.
    one_file : bool
        Whether the URL is that of a single file.

    Raises
    ------
    NoImages
        There is no file.
    TooLarge
        There are more files, or larger ones, than the limits allow.
    UnreadableFile
        The address cannot be reached, the archive is damaged, or the package for the scheme is not
        installed.
    """
    text = str(url)
    where = PurePosixPath(text.rstrip("/")).name
    folder: TemporaryDirectory[str] = TemporaryDirectory(prefix="mammorisk-")
    try:
        if text.lower().endswith(".zip"):
            # Copy the whole zip first, because not every server supports partial requests.
            with TemporaryDirectory(prefix="mammorisk-") as whole:
                _copy_all(text, Path(whole), where, limits, True)
                (bundle,) = Path(whole).iterdir()
                _copy_all(f"zip://::{bundle}", Path(folder.name), where, limits, False)
        else:
            _copy_all(text, Path(folder.name), where, limits, one_file)
    except ImportError as error:
        raise UnreadableFile(
            f"files of {text.partition('://')[0]}:// need another package",
            where=where,
            remedy=str(error),
        ) from None
    except FileNotFoundError:
        raise NoImages(
            "there is no such file or folder", where=where, remedy="Check the address."
        ) from None
    except _FAILURES + _network_failures() as error:
        raise UnreadableFile(
            f"it cannot be fetched ({type(error).__name__})",
            where=where,
            remedy="Check the address, the rights and the network, and that the file is whole.",
        ) from None
    return folder


def hold(exam: Exam, folder: TemporaryDirectory[str]) -> Exam:
    """Return the exam with views that keep the temporary folder of their pixels."""

    def kept(view: Any) -> Any:
        load, digest = partial(_with, folder, view.load), view.digest
        return replace(
            view, load=load, digest=None if digest is None else partial(_with, folder, digest)
        )

    return replace(
        exam,
        views={name: kept(view) for name, view in exam.views.items()},
        prior=None if exam.prior is None else hold(exam.prior, folder),
    )


def _with(folder: TemporaryDirectory[str], call: Any) -> Any:
    del folder  # The partial of the caller keeps the folder as long as the view exists.
    return call()


def _copy_all(url: str, target: Path, where: str, limits: Limits, one_file: bool) -> None:
    import fsspec

    system, root = fsspec.core.url_to_fs(url)
    if one_file:
        found = {root: system.info(root)}
    else:
        found = system.find(root, maxdepth=limits.max_folder_depth + 1, detail=True)
    if not found:
        raise FileNotFoundError
    if len(found) > limits.max_files:
        raise TooLarge(
            f"it holds {len(found):,} files, more than {limits.max_files:,}",
            where=where,
            remedy="Give the folder of one exam.",
        )
    base = PurePosixPath(system._strip_protocol(root))
    for name, told in sorted(found.items()):
        if told.get("type") != "file":
            continue
        full = PurePosixPath(system._strip_protocol(name))
        inner = full.relative_to(base) if full != base else PurePosixPath(full.name)
        if ".." in inner.parts or inner.is_absolute():
            continue
        _check_size(told.get("size"), where, limits)
        path = target.joinpath(*inner.parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        with system.open(name, "rb") as source, open(path, "wb") as copy:
            written = 0
            # Count the copied bytes, because the stated size may be wrong.
            while piece := source.read(_PIECE):
                written += len(piece)
                _check_size(written, where, limits)
                copy.write(piece)


def _check_size(size: int | None, where: str, limits: Limits) -> None:
    if size is not None and size > limits.max_file_bytes:
        raise TooLarge(
            f"a file has more than the limit of {limits.max_file_bytes / 2**20:.0f} MB",
            where=where,
            remedy="Pass limits=mr.Limits(max_file_bytes=...) if it is genuine.",
        )


def _network_failures() -> tuple[type[BaseException], ...]:
    """Return exceptions of the loaded clients that are not subclasses of OSError."""
    names = (("aiohttp", "ClientError"), ("botocore.exceptions", "BotoCoreError"))
    return tuple(getattr(sys.modules[m], name) for m, name in names if m in sys.modules)
