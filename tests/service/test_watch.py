"""Exams that arrive in a folder: when they are complete, and what is written."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import pydicom
import pytest
from typer.testing import CliRunner

import mammorisk as mr
from mammorisk.cli.app import app
from mammorisk.errors import QuestionnaireError, ServiceError
from mammorisk.service.arrived_exam import AMBIGUOUS, CONFLICTS
from mammorisk.service.exam_job import ExamScorer
from mammorisk.service.folder_task import run_folder
from mammorisk.service.inbox import Inbox
from mammorisk.service.job_queue import JobQueue
from mammorisk.service.watch import Watch
from tests.factories import write_exam, write_view

run = CliRunner().invoke
CANARY = "KANARIENVOGEL"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_an_exam_is_complete_with_four_views_or_after_a_quiet_time(tmp_path: Path) -> None:
    clock = Clock()
    inbox = Inbox(tmp_path, quiet_s=60, clock=clock)
    write_view(tmp_path / "a.dcm", "L", "CC")
    (tmp_path / "note.txt").write_text("not an image")
    assert inbox.scan() == []
    # The second scan reads it: it no longer changes.
    assert inbox.scan() == []
    clock.now = 61
    (one,) = inbox.scan()
    assert (one.files, one.is_complete) == (("a.dcm",), False)
    for name, view in (("b", ("L", "MLO")), ("c", ("R", "CC")), ("d", ("R", "MLO"))):
        write_view(tmp_path / f"{name}.dcm", *view)
    inbox.scan()
    (other,) = inbox.scan()
    assert (len(other.files), other.is_complete) == (4, True)
    assert (other.exam == one.exam, other.job == one.job) == (True, False)
    assert inbox.scan() == [other]
    write_view(tmp_path / "e.dcm", "L", "CC", StudyInstanceUID="1.2.9")
    clock.now = 100
    inbox.scan()
    assert len(inbox.scan()) == 1
    for file in tmp_path.iterdir():
        file.unlink()
    clock.now = 1000
    assert inbox.scan() == []
    (tmp_path / "link").symlink_to(tmp_path.parent)
    write_exam(tmp_path / ".hidden")
    inbox.scan()
    assert inbox.scan() == []
    with pytest.raises(ServiceError, match=r"inbox: .* is not there\. Make or mount"):
        Inbox(tmp_path / "away", quiet_s=60).scan()


@pytest.fixture
def scorer() -> ExamScorer:
    pytest.importorskip("highdicom")
    return ExamScorer(
        model=mr.load_model("bcsc-2008"), formats=("sr", "fhir"), allow_missing_views=True
    )


def test_a_late_view_makes_a_report_that_names_the_first(
    tmp_path: Path, scorer: ExamScorer
) -> None:
    write_exam(tmp_path / "all", PatientName=f"{CANARY}^X", PatientID=CANARY)
    inbox, out = tmp_path / "in" / CANARY, tmp_path / "out"
    shutil.copytree(tmp_path / "all", inbox)
    late = inbox / "RMLO.dcm"
    late.unlink()
    (inbox / "questionnaire.json").write_text('{"age": 54, "race_ethnicity": "white"}')
    with JobQueue(tmp_path / "state") as queue:
        watch = Watch(Inbox(tmp_path / "in", quiet_s=0), out, queue, scorer)
        assert watch.run_once() == 1
        shutil.copy(tmp_path / "all" / "RMLO.dcm", late)
        assert watch.run_once() == 1
        assert watch.run_once() == 0
        first, second = queue.jobs()
        queue.check()
        events = queue._database.execute("SELECT detail FROM events").fetchall()
    assert first.exam == second.exam
    before, after = (pydicom.dcmread(out / job.id / "sr.dcm") for job in (first, second))
    named = after.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0]
    assert named.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == before.SOPInstanceUID
    assert "PredecessorDocumentsSequence" not in before
    assert json.loads((out / second.id / "result.json").read_text())["answers"]["age"] == 54
    written = [file for file in out.rglob("*") if file.is_file()]
    assert len(written) == 6
    assert not [file for file in written if CANARY.encode() in file.read_bytes()]
    assert CANARY not in str(events) + str([file.relative_to(tmp_path) for file in written])


def test_refused_and_faulty_exams(tmp_path: Path, scorer: ExamScorer) -> None:
    write_exam(tmp_path / "in" / "man", PatientSex="M", PatientAge="060Y")
    write_exam(tmp_path / "in" / "no-age", StudyInstanceUID="1.2.5")
    told = run_folder(tmp_path / "in", tmp_path / "out", scorer)
    by_status = {one.get("status", "failed"): one for one in told["exams"]}
    assert set(by_status) == {"refused", "failed"}
    man = tmp_path / "out" / by_status["refused"]["folder"]
    assert [file.name for file in man.iterdir()] == ["result.json"]
    assert "the age of the woman is not known" in by_status["failed"]["error"]
    reason = tmp_path / "out" / by_status["failed"]["folder"] / "failed.json"
    assert json.loads(reason.read_text())["error"]["code"] == "QuestionnaireError"


def test_answers_are_those_of_one_study_and_late_ones_make_a_new_job(
    tmp_path: Path, scorer: ExamScorer
) -> None:
    inbox, out = tmp_path / "in", tmp_path / "out"
    write_exam(inbox / "a", PatientAge="054Y")
    with JobQueue(tmp_path / "state") as queue:
        watch = Watch(Inbox(inbox, quiet_s=0), out, queue, scorer)
        assert watch.run_once() == 1
        (inbox / "a" / "questionnaire.json").write_text('{"age": 54, "prior_breast_cancer": true}')
        assert watch.run_once() == 1
        first, second = queue.jobs()
    found = [json.loads((out / job.id / "result.json").read_text()) for job in (first, second)]
    assert [one["status"] for one in found] == ["done", "refused"]
    # Beside images of two women the answers are nobody's, also if a file has no preamble.
    write_exam(tmp_path / "b", StudyInstanceUID="1.2.77", PatientAge="054Y")
    for file in (tmp_path / "b").iterdir():
        (inbox / "a" / f"other-{file.name}").write_bytes(file.read_bytes()[132:])
    told = run_folder(inbox, tmp_path / "mixed", scorer)
    assert len(told["exams"]) == 2
    assert all("images of several studies" in one["error"] for one in told["exams"])
    with pytest.raises(ServiceError, match="earlier run"):
        run_folder(inbox, tmp_path / "mixed", scorer)


def test_another_content_of_an_image_flags_the_result(tmp_path: Path, scorer: ExamScorer) -> None:
    write_exam(tmp_path / "in", PatientAge="054Y")
    kept = tmp_path / "in" / CONFLICTS / "x.dcm"
    kept.parent.mkdir()
    shutil.copy(tmp_path / "in" / "RMLO.dcm", kept)
    files = sorted((tmp_path / "in").glob("*.dcm"))
    flagged = scorer(files, None)
    kept.unlink()
    plain = scorer(files, None)
    told, without = (json.loads(one["result.json"]) for one in (flagged, plain))
    codes = [one["code"] for one in told["warnings"]]
    assert "image-conflict" in codes
    assert (told["risk"], told["key"] == without["key"]) == (without["risk"], False)
    assert b"arrived again with other contents" in flagged["sr.dcm"]
    (tmp_path / "in" / AMBIGUOUS).touch()
    with pytest.raises(QuestionnaireError, match="several patients"):
        scorer(files, None)


def test_a_damaged_image_is_reported_with_its_exam(tmp_path: Path, scorer: ExamScorer) -> None:
    write_exam(tmp_path / "in", PatientAge="054Y")
    damaged = tmp_path / "in" / "RMLO.dcm"
    damaged.write_bytes(damaged.read_bytes()[:-2000])
    (tmp_path / "in" / "junk.dcm").write_bytes(b"junk")
    told = run_folder(tmp_path / "in", tmp_path / "out", scorer)
    (one,) = told["exams"]
    texts = [warning["text"] for warning in one["warnings"]]
    assert any("truncated" in text for text in texts)
    assert told["set_aside"] == 1
    nothing = ["process-folder", str(tmp_path / "in"), str(tmp_path / "nothing")]
    done = run(app, [*nothing, "--model", "bcsc-2008"])
    assert done.exit_code == 2
    assert "1 files belong to no exam" in done.stderr
    assert run(app, ["watch", str(tmp_path / "no"), str(tmp_path / "o")]).exit_code == 2


def test_a_stop_is_honoured_between_jobs(tmp_path: Path) -> None:
    for i in range(3):
        write_exam(tmp_path / "in" / str(i), StudyInstanceUID=f"1.2.{i + 10}")
    with JobQueue(tmp_path / "state") as queue:
        watch = Watch(
            Inbox(tmp_path / "in", quiet_s=0),
            tmp_path / "out",
            queue,
            lambda files, before: {"result.json": b"{}"},
        )
        assert watch.run_once(lambda: queue.counts().get("done", 0) > 0) == 1
        assert queue.counts() == {"done": 1, "ready": 2}


def test_from_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_exam(tmp_path / "in", PatientAge="054Y")
    options = ["--model", "bcsc-2008", "--formats", "html,fhir"]
    command = ["watch", str(tmp_path / "in"), str(tmp_path / "out"), "--once", *options]
    done = run(app, command)
    assert done.exit_code == 0, done.output
    assert "1 done" in done.stderr
    (folder,) = [one for one in (tmp_path / "out").iterdir() if not one.name.startswith(".")]
    names = {file.name: file.read_bytes() for file in folder.iterdir()}
    assert set(names) == {"result.json", "fhir.json", "report.html"}
    assert run(app, command).exit_code == 0
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == names
    # Added, begun and done, after the canary of the day.
    assert "4 events, unchanged" in run(app, [*command[:3], "--check-log"]).stdout
    monkeypatch.setenv("MERCURE_IN_DIR", str(tmp_path / "in"))
    monkeypatch.setenv("MERCURE_OUT_DIR", str(tmp_path / "mercure"))
    done = run(app, ["process-folder", *options])
    assert done.exit_code == 0, done.output
    (told,) = json.loads((tmp_path / "mercure" / "result.json").read_text())["exams"]
    assert told["folder"] == folder.name
    assert told["risk"] == json.loads(names["result.json"])["risk"]
    assert run(app, [*command, "--formats", "docx"]).exit_code == 2


def test_a_full_disk_is_told_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_exam(tmp_path / "in", PatientAge="054Y")

    def full(self: JobQueue, *job: object, **more: object) -> bool:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(JobQueue, "add", full)
    options = ["--model", "bcsc-2008", "--formats", "fhir"]
    folders = [str(tmp_path / "in"), str(tmp_path / "out")]
    for command in (["watch", *folders, "--once"], ["process-folder", *folders]):
        done = run(app, [*command, *options])
        assert done.exit_code == 2
        assert "error: no space left on the disk. Free some space" in done.stderr
