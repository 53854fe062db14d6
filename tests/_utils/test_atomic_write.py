"""Files appear whole or not at all, with the permissions that the user's files have."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from mammorisk._utils.atomic_write import atomic_write


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "risks.csv"
    file.write_text("old")

    def fail(path: Path) -> None:
        path.write_text("half")
        raise ValueError

    with pytest.raises(ValueError):
        atomic_write(file, fail)
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")
def test_others_may_read_what_a_writer_kept_to_its_owner(tmp_path: Path) -> None:
    usual = tmp_path / "usual"
    usual.touch()

    def private(path: Path) -> None:
        path.unlink()
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))

    atomic_write(tmp_path / "weights", private)
    assert (tmp_path / "weights").stat().st_mode == usual.stat().st_mode


def test_two_threads_may_write_one_file(tmp_path: Path) -> None:
    file, both = tmp_path / "risks.csv", Barrier(2)

    def slowly(word: str) -> None:
        def write(path: Path) -> None:
            path.write_text(word)
            both.wait(timeout=5)

        atomic_write(file, write)

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(slowly, ["one", "two"]))
    assert file.read_text() in ("one", "two")
    assert list(tmp_path.iterdir()) == [file]
