"""What is received: on disk before it is confirmed, once, joined with its answers, and removed."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataset import FileDataset

from mammorisk.service import received
from mammorisk.service.arrived_exam import AMBIGUOUS, QUESTIONNAIRE, digest_of
from mammorisk.service.job_queue import JobQueue
from mammorisk.service.received import ReceivedImages
from tests import factories as f

CANARY = "KANARIENVOGEL"
FOUR = [(side, view) for side in "LR" for view in ("CC", "MLO")]


class Here:
    """Received images with a clock that stands still."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = 1000.0
        self.queue = JobQueue(folder / "queue", clock=lambda: self.now)
        self.images = ReceivedImages(folder / "received", self.queue, quiet_s=60)

    def take(self, dataset: FileDataset | bytes) -> str:
        path = self.images.spool / "a.received"
        if isinstance(dataset, bytes):
            path.write_bytes(dataset)
        else:
            f.save(dataset, path)
        return self.images.receive(path)

    def exam(self, **attributes: Any) -> None:
        for side, view in FOUR:
            assert self.take(f.mammogram(side, view, **attributes)) == "stored"

    def names(self) -> list[str]:
        files = (self.folder / "received").rglob("*")
        return [str(one.relative_to(self.folder)) for one in files if one.is_file()]


@pytest.fixture
def here(tmp_path: Path) -> Here:
    return Here(tmp_path)


def test_an_exam_is_taken_once_and_again_when_it_grows(here: Here) -> None:
    for side, view in FOUR[:3]:
        assert here.take(f.mammogram(side, view)) == "stored"
    assert here.images.scan() == []
    here.now += 61
    (first,) = here.images.scan()
    assert (len(first.files), first.is_complete) == (3, False)
    here.images.taken(first)
    assert here.images.scan() == []
    # The same image again, and in another file, is nothing new.
    assert here.take(f.mammogram(*FOUR[0])) == "duplicate"
    again = f.mammogram(*FOUR[0])
    again.file_meta.ImplementationVersionName = "ANOTHER"
    assert here.take(again) == "duplicate"
    assert here.images.scan() == []
    assert here.take(f.mammogram(*FOUR[3])) == "stored"
    (second,) = here.images.scan()
    assert (second.exam == first.exam, second.job == first.job) == (True, False)
    assert second.is_complete
    # After a restart what was not taken is still there.
    here.queue.close()
    assert Here(here.folder).images.scan() == [second]


def test_another_content_of_a_uid_is_kept_apart_and_flags_the_exam(here: Here) -> None:
    here.exam()
    (first,) = here.images.scan()
    here.images.taken(first)
    other = f.mammogram("L", "CC")
    other.WindowCenter = 7
    assert here.take(other) == "conflict"
    assert here.take(other) == "duplicate"
    (second,) = here.images.scan()
    assert (second.files, second.exam) == (first.files, first.exam)
    assert second.job != first.job
    # One that is known, and an image that comes between the scan and the job.
    assert here.take(other) == "duplicate"
    (again,) = here.images.scan()
    assert again == second
    late = f.mammogram("L", "CC", SOPInstanceUID="1.2.99")
    assert here.take(late) == "stored"
    here.images.taken(again)
    (third,) = here.images.scan()
    assert len(third.files) == 5
    here.images.taken(third)
    assert here.take(f.mammogram("L", "CC")) == "duplicate"
    assert here.images.scan() == []


def test_what_is_no_mammogram_is_not_kept(here: Here) -> None:
    report = pydicom.dcmread(f.write_view(here.images.spool / "x"), stop_before_pixels=True)
    report.Modality = "SR"
    report.SOPClassUID = report.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.88.33"
    report.SOPInstanceUID = "1.2.9"
    (here.images.spool / "x").unlink()
    assert here.take(report) == "set aside"
    assert here.take(f.mammogram("L", "ML")) == "set aside"
    assert here.take(b"junk") == "unreadable"
    for length in (b"\xff\xff\xff\xff", b""):
        start = b"\0" * 128 + b"DICM\x02\x00\x00\x00UL\x04\x00"
        assert here.take(start + length) == "unreadable"
    # Deflated data could inflate to any size in this process.
    assert here.take(f.mammogram("L", "CC", syntax=f.DEFLATED)) == "unreadable"
    assert here.names() == []
    assert here.images.scan() == []


def test_a_damaged_image_is_kept_until_a_whole_one_comes(here: Here) -> None:
    whole = f.write_view(here.images.spool / "whole", "L", "CC").read_bytes()
    assert here.take(whole[:-2000]) == "stored"
    here.now += 61
    (first,) = here.images.scan()
    assert not first.is_complete
    here.images.taken(first)
    assert here.take(whole) == "stored"
    here.now += 61
    (second,) = here.images.scan()
    assert second.files == first.files
    assert second.job != first.job
    assert here.take(whole[:-2000]) == "conflict"


def test_nothing_is_confirmed_before_it_is_on_disk(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    full_at = 0

    def sync(path: Path) -> None:
        rows = here.queue.rows("SELECT COUNT(*) FROM images")
        order.append(f"{path.suffix or 'folder'} with {rows[0][0]} rows")
        if len(order) == full_at:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(received, "sync_path", sync)
    here.take(f.mammogram("L", "CC"))
    assert order == [".received with 0 rows", *["folder with 0 rows"] * 2]
    assert here.queue.rows("SELECT COUNT(*) FROM images") == [(1,)]
    for moment in (1, 2):
        full_at = moment
        order.clear()
        with pytest.raises(OSError, match="No space"):
            here.take(f.mammogram("R", "CC"))
        assert here.queue.rows("SELECT COUNT(*) FROM images") == [(1,)]
    assert not list(here.images.spool.iterdir())
    assert here.take(f.mammogram("R", "CC")) == "stored"


def test_answers_are_joined_on_the_accession_number(here: Here) -> None:
    here.images.receive_answers("A 1", {"age": 54.0})
    here.exam(AccessionNumber="A 1 ", PatientID="P1")
    (first,) = here.images.scan()
    folder = here.images.folder / first.exam
    assert (folder / QUESTIONNAIRE).read_text() == '{"age": 54.0}'
    here.images.taken(first)
    # The same answers are nothing new; others make another job.
    assert not here.images.receive_answers("A 1", {"age": 54.0})
    assert here.images.scan() == []
    assert here.images.receive_answers("A 1", {"age": 55.0})
    (second,) = here.images.scan()
    assert (folder / QUESTIONNAIRE).read_text() == '{"age": 55.0}'
    assert second.job != first.job
    here.images.taken(second)
    # Answers that come between the scan and the job are not lost.
    assert here.images.receive_answers("A 1", {"age": 56.0})
    (late,) = here.images.scan()
    assert here.images.receive_answers("A 1", {"age": 57.0})
    here.images.taken(late)
    (last,) = here.images.scan()
    here.images.taken(last)
    assert here.images.scan() == []
    # An exam of another woman with this number: nobody knows whose answers they are.
    here.exam(AccessionNumber="A 1", PatientID="P2", StudyInstanceUID="1.2.8")
    (third,) = here.images.scan()
    assert (here.images.folder / third.exam / AMBIGUOUS).exists()
    here.images.taken(third)
    # Also of the first exam, which was scored with them.
    both = here.images.scan()
    assert {one.exam for one in both} == {first.exam, third.exam}
    assert (here.images.folder / first.exam / AMBIGUOUS).exists()
    assert last.job not in {one.job for one in both}
    for one in both:
        here.images.taken(one)
    for one in here.images.scan():
        here.images.taken(one)
    assert here.images.scan() == []
    here.exam(StudyInstanceUID="1.2.9")
    fourth = here.images.scan()[-1]
    assert not (here.images.folder / fourth.exam / QUESTIONNAIRE).exists()


def test_an_exam_can_wait_for_answers(here: Here) -> None:
    here.images.answers_s = 30
    here.exam(AccessionNumber="A")
    here.exam(StudyInstanceUID="1.2.7")
    # Without an accession number no answers can come.
    (one,) = here.images.scan()
    assert one.exam == digest_of("1.2.7")
    here.images.taken(one)
    here.now += 29
    assert here.images.scan() == []
    assert here.images.receive_answers("A", {"age": 54.0})
    assert len(here.images.scan()) == 1
    here.exam(AccessionNumber="B", StudyInstanceUID="1.2.8")
    here.now += 30
    assert len(here.images.scan()) == 2


def test_names_and_rows_are_digests(here: Here) -> None:
    here.images.receive_answers(CANARY, {"age": 54.0})
    here.exam(PatientName=CANARY, PatientID=CANARY, AccessionNumber=CANARY, StudyInstanceUID="1.2")
    here.images.scan()
    assert f"received/{digest_of('1.2')}" in here.names()[0]
    assert CANARY not in " ".join(here.names())
    for file in (here.folder / "queue").iterdir():
        assert CANARY.encode() not in file.read_bytes()


def test_images_of_scored_exams_are_removed(here: Here) -> None:
    here.images.receive_answers("A", {"age": 54.0})
    here.exam(AccessionNumber="A")
    here.now += 100
    # Not before it was scored.
    assert here.images.forget(50) == 0
    (one,) = here.images.scan()
    here.queue.add(one.job, exam=one.exam, files=one.files)
    here.images.taken(one)
    assert here.images.forget(50) == 0
    here.queue.begin()
    here.queue.finish(one.job, {})
    assert here.images.forget(101) == 0
    assert here.images.forget(50) == 1
    assert here.names() == []
    assert here.queue.rows("SELECT * FROM answers") == []
    # It can come again, and is then known.
    here.exam(AccessionNumber="A")
    assert here.images.scan()[0].job != one.job
    shutil.rmtree(here.images.folder)
