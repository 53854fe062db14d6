"""Exams and cohorts behind URLs and in zips, fetched from a server of the test's own."""

from __future__ import annotations

import gc
import shutil
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import mammorisk as mr
from mammorisk.cli.app import app
from mammorisk.errors import ExamError, ManifestError, NoImages, TooLarge, UnreadableFile
from mammorisk.io import remote
from mammorisk.io.limits import Limits
from mammorisk.io.remote import Place, fetch
from tests import factories as f


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("served")
    f.write_exam(root / "a")
    with zipfile.ZipFile(root / "b.zip", "w") as bundle:
        for file in (root / "a").iterdir():
            bundle.write(file, f"exam/{file.name}")
    table = pd.DataFrame(
        {"patient_id": ["1", "2", "3"], "exam_id": ["1", "2", "3"], "age": [50, 51, 52]}
        | {"path": ["a", "b.zip", "nowhere"]}
    )
    table.to_csv(root / "cohort.csv", index=False)
    return root


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[str]:
    handler = partial(_Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{served.server_port}"
        served.shutdown()


def same(one: mr.Exam, other: mr.Exam) -> None:
    assert set(one.views) == set(other.views)
    for name in one.views:
        np.testing.assert_array_equal(one[name].load().pixels, other[name].load().pixels)


def test_an_exam_by_url(folder: Path, server: str) -> None:
    same(mr.read_exam(f"{server}/a/"), mr.read_exam(folder / "a"))


def test_an_exam_in_a_zip_here_and_there(folder: Path, server: str) -> None:
    expected = mr.read_exam(folder / "a")
    same(mr.read_exam(folder / "b.zip"), expected)
    same(mr.read_exam(f"{server}/b.zip"), expected)


def test_views_by_url(folder: Path, server: str) -> None:
    files = {
        name: f"{server}/a/{name.replace('-', '')}.dcm" for name in mr.read_exam(folder / "a").views
    }
    same(mr.read_exam(files), mr.read_exam(folder / "a"))
    same(mr.read_exam(list(files.values())), mr.read_exam(folder / "a"))


@pytest.mark.networks
def test_a_cohort_by_url(server: str) -> None:
    cohort = mr.read_cohort(f"{server}/cohort.csv")
    risks = mr.predict(cohort, model="hybrid")
    assert risks["risk_5y"].notna().tolist() == [True, True, False]
    assert risks["warning_codes"].iloc[2] == "exam-unreadable"
    assert "no such file" in risks["warnings"].iloc[2]


def test_the_command_line_takes_urls(folder: Path, server: str, tmp_path: Path) -> None:
    run, out = CliRunner().invoke, tmp_path / "risks.csv"
    one = run(app, ["predict", f"{server}/a/", "--age", "50", "--model", "bcrat", "--json"])
    assert one.exit_code == 0, one.output
    many = run(
        app,
        ["predict", "--cohort", f"{server}/cohort.csv", "--model", "bcsc-2008", "--out", str(out)],
    )
    # Images that are nowhere.
    assert many.exit_code == 1, many.output
    table = pd.read_csv(out)
    assert table["warnings"].str.contains("no such file").tolist() == [False, False, True]
    assert table["warning_codes"].eq("exam-unreadable").tolist() == [False, False, True]
    moved = tmp_path / "here.csv"
    moved.write_bytes((folder / "cohort.csv").read_bytes())
    again = run(app, ["predict", "--cohort", str(moved), "--root", server, "--model", "bcsc-2008"])
    assert again.exit_code == 1, again.output
    assert "3 exams, 1 without a risk" in again.output


@pytest.mark.networks
def test_a_local_manifest_of_remote_images(folder: Path, server: str, tmp_path: Path) -> None:
    table = pd.read_csv(folder / "cohort.csv").head(2)
    table["path"] = [f"{server}/a", f"{server}/b.zip"]
    table.to_csv(tmp_path / "c.csv", index=False)
    with pytest.raises(ManifestError, match="leads out of the root"):
        mr.read_cohort(tmp_path / "c.csv")
    cohort = mr.read_cohort(tmp_path / "c.csv", root=server)
    assert mr.predict(cohort, model="hybrid")["risk_5y"].notna().all()


@pytest.mark.parametrize(
    "text",
    ["../x", "http://elsewhere/x", "a/../../x", "/x", "http://h/root/../x", "a%2e%2e/x", "a\\x"],
)
def test_paths_that_leave_the_root(text: str) -> None:
    assert not Place.of("http://h/root/").holds(text)


def test_paths_that_stay() -> None:
    place = Place.of("s3://bucket/root/")
    assert place.holds("a/b")
    assert place.holds("s3://bucket/root/a")
    assert place.join("a/b") == "s3://bucket/root/a/b"
    assert not Place.of("/tmp").holds("s3://bucket/a")


def test_the_copy_goes_with_the_exam(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Path] = []
    copy_all = remote._copy_all

    def noted(url: str, target: Path, *rest: object) -> None:
        made.append(target)
        copy_all(url, target, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(remote, "_copy_all", noted)
    exam = mr.read_exam(folder / "b.zip")
    view = exam["L-CC"]
    del exam
    gc.collect()
    assert made[1].is_dir()
    view.load()
    del view
    gc.collect()
    assert not made[0].exists()
    assert not made[1].exists()


def test_a_hostile_zip(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as bundle:
        bundle.writestr("a.dcm", b"\0" * 5_000_000)
    with pytest.raises(TooLarge):
        mr.read_exam(bomb, limits=Limits(max_file_bytes=1_000_000))
    many = tmp_path / "many.zip"
    with zipfile.ZipFile(many, "w") as bundle:
        for i in range(30):
            bundle.writestr(f"{i}.dcm", b"x")
    with pytest.raises(TooLarge, match="30 files"):
        mr.read_exam(many, limits=Limits(max_files=20))
    out = tmp_path / "out.zip"
    with zipfile.ZipFile(out, "w") as bundle:
        bundle.writestr("../../escaped.dcm", b"x")
        bundle.writestr("/etc/escaped.dcm", b"x")
    with pytest.raises(ExamError):
        mr.read_exam(out)
    assert not list(tmp_path.parent.glob("escaped*"))
    cut = tmp_path / "cut.zip"
    cut.write_bytes(many.read_bytes()[:200])
    with pytest.raises(UnreadableFile, match="cannot be fetched"):
        mr.read_exam(cut)


def test_a_damaged_member(folder: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.zip"
    shutil.copy(folder / "b.zip", bad)
    data = bytearray(bad.read_bytes())
    data[2_000:2_400] = bytes([0xAA]) * 400
    bad.write_bytes(data)
    with pytest.raises(UnreadableFile):
        mr.read_exam(bad)


def test_nothing_there(server: str) -> None:
    with pytest.raises(NoImages):
        mr.read_exam(f"{server}/nowhere/")
    with pytest.raises(UnreadableFile, match="cannot be fetched"):
        fetch("unheard-of://bucket/exam", Limits())
    # Nobody listens there.
    with pytest.raises(ExamError):
        mr.read_exam("http://127.0.0.1:9/exam/")
