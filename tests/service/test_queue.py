"""The queue: no job is lost or done twice, whatever happens to the process or the disk."""

from __future__ import annotations

import errno
import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from mammorisk.errors import NoSpace, ServiceError
from mammorisk.service.durable_files import sync_path, write_folder
from mammorisk.service.job_queue import PAUSES_S, JobQueue
from mammorisk.service.watch import Watch
from tests.service.interruptions import (
    FakeInbox,
    fake_score,
    kill_in_every_job,
    lost_after_a_power_cut,
    outputs,
)


def test_kills_in_mid_job_change_no_output(tmp_path: Path) -> None:
    jobs = 4
    kills = kill_in_every_job(tmp_path / "killed", jobs)
    # Every moment was hit: the kills are not only those of the start.
    assert all(kills.values())
    (tmp_path / "whole" / "out").mkdir(parents=True)
    with JobQueue(tmp_path / "whole" / "state") as queue:
        Watch(FakeInbox(jobs), tmp_path / "whole" / "out", queue, fake_score).run_once()
        assert queue.tries() == jobs
    with JobQueue(tmp_path / "killed" / "state") as queue:
        assert queue.counts() == {"done": jobs}
        assert queue.tries() == jobs + sum(kills.values())
        queue.check()
    whole, killed = (outputs(tmp_path / name / "out") for name in ("whole", "killed"))
    assert killed == whole
    assert len(whole) == 2 * jobs


def test_an_error_of_the_input_is_final(tmp_path: Path) -> None:
    def score(files: object, predecessor: object) -> dict[str, bytes]:
        raise ServiceError("no such luck", where="exam", remedy="Wait.")

    with JobQueue(tmp_path / "state") as queue:
        Watch(FakeInbox(1), tmp_path, queue, score).run_to_end()
        (job,) = queue.jobs()
        assert (job.state, job.tries) == ("failed", 1)
        assert job.reason == "ServiceError: exam: no such luck."
        told = json.loads(outputs(tmp_path)["job0.failed/failed.json"])["error"]
        asked = {"what": "no such luck", "where": "exam", "remedy": "Wait."}
        assert told == {"code": "ServiceError", **asked, "tries": 1}
        assert Watch(FakeInbox(1), tmp_path, queue, fake_score).run_once() == 0


def test_an_unexpected_error_is_tried_again_after_growing_pauses(tmp_path: Path) -> None:
    now = 0.0

    def score(files: object, predecessor: object) -> dict[str, bytes]:
        raise ZeroDivisionError

    with JobQueue(tmp_path / "state", clock=lambda: now) as queue:
        watch = Watch(FakeInbox(1), tmp_path, queue, score)
        for pause in PAUSES_S:
            assert watch.run_once() == 0
            assert queue.seconds_to_next() == pause
            now += pause - 1
            # Not yet.
            assert (watch.run_once(), queue.counts()) == (0, {"ready": 1})
            now += 1
        assert watch.run_once() == 1
        (job,) = queue.jobs()
        assert (job.state, job.tries) == ("failed", 3)
        told = json.loads(outputs(tmp_path)["job0.failed/failed.json"])["error"]
        assert (told["code"], told["tries"]) == ("ZeroDivisionError", 3)


def test_a_job_that_kills_the_process_three_times_has_failed(tmp_path: Path) -> None:
    def killed(files: object, predecessor: object) -> dict[str, bytes]:
        raise KeyboardInterrupt

    for _ in range(3):
        with JobQueue(tmp_path / "state") as queue, pytest.raises(KeyboardInterrupt):
            Watch(FakeInbox(1), tmp_path, queue, killed).run_once()
    with JobQueue(tmp_path / "state") as queue:
        assert Watch(FakeInbox(1), tmp_path, queue, killed).run_once() == 1
        (job,) = queue.jobs()
        assert (job.state, job.tries) == ("failed", 3)
        assert job.reason == "ProcessEnded: the process ended during the job."
    # As for every other job that has failed.
    told = json.loads(outputs(tmp_path)["job0.failed/failed.json"])["error"]
    assert (told["code"], told["tries"]) == ("ProcessEnded", 3)
    assert "memory" in told["remedy"]


class FullQueue(JobQueue):
    """A queue whose disk can be full."""

    is_full = False

    @contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        if self.is_full:
            raise sqlite3.OperationalError("database or disk is full")
        with super().change() as database:
            yield database


@pytest.mark.parametrize("ends", [True, False])
def test_how_a_try_ended_is_written_when_there_is_space_again(tmp_path: Path, ends: bool) -> None:
    """Without a restart: a job would stay begun until then."""

    def score(files: Sequence[Path], predecessor: Path | None) -> dict[str, bytes]:
        queue.is_full = is_filled
        if is_filled and ends:
            raise ServiceError("no such luck")
        if is_filled:
            raise OSError(errno.ENOSPC, "No space left on device")
        return fake_score(files, predecessor)

    is_filled = True
    with FullQueue(tmp_path / "state") as queue:
        watch = Watch(FakeInbox(2), tmp_path, queue, score)
        for _ in range(3):
            with pytest.raises(NoSpace):
                watch.run_once()
        assert [job.state for job in queue.jobs()] == ["running", "ready"]
        queue.is_full = is_filled = False
        assert watch.run_once() == 2
        assert queue.counts() == ({"failed": 1, "done": 1} if ends else {"done": 2})
        # Waiting was no try.
        assert queue.tries() == 2


@pytest.mark.parametrize("error", [sqlite3.OperationalError, sqlite3.DatabaseError])
def test_an_error_of_the_queue_does_not_lose_how_a_try_ended(
    tmp_path: Path, error: type[sqlite3.Error]
) -> None:
    def score(files: Sequence[Path], predecessor: Path | None) -> dict[str, bytes]:
        raise ZeroDivisionError

    broken = 2
    with JobQueue(tmp_path / "state", clock=lambda: 0.0) as queue:
        fail = queue.fail

        def fail_later(*job: Any, **how: Any) -> Any:
            nonlocal broken
            broken -= 1
            if broken >= 0:
                raise error("database is locked")
            return fail(*job, **how)

        queue.fail = fail_later  # type: ignore[method-assign]
        watch = Watch(FakeInbox(1), tmp_path, queue, score)
        # The other jobs go on.
        assert watch.run_once() == 0
        # An error that stays ends the run, with what to do.
        with pytest.raises(ServiceError, match=r"database is locked\)\. Check the disk"):
            watch.run_once()
        assert watch.run_once() == 0
        assert queue.counts() == {"ready": 1}
        assert queue.seconds_to_next() == PAUSES_S[0]


def test_a_full_disk_is_waited_for(tmp_path: Path) -> None:
    left = 3

    def sync(path: Path) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        sync_path(path)

    with JobQueue(tmp_path / "state") as queue:
        watch = Watch(FakeInbox(2), tmp_path / "out", queue, fake_score, sync)
        for _ in range(4):
            with pytest.raises(NoSpace):
                watch.run_once()
        # Waiting is no try, however long it lasts. The first folder is already there.
        assert queue.counts() == {"ready": 2}
        assert queue.tries() == 0
        left = 100
        assert watch.run_once() == 2
        assert queue.counts() == {"done": 2}
        assert len(outputs(tmp_path / "out")) == 4


def test_a_power_cut_loses_nothing_that_is_done(tmp_path: Path) -> None:
    assert lost_after_a_power_cut(tmp_path / "flushed", 3, flush=True) == []
    # The control: the emulation finds what a watch without flushes loses.
    assert len(lost_after_a_power_cut(tmp_path / "control", 3, flush=False)) == 3


def test_a_folder_is_whole_or_absent_and_never_rewritten(tmp_path: Path) -> None:
    def sync(path: Path) -> None:
        if path.name == "b":
            raise OSError(errno.EIO, "broken")

    with pytest.raises(OSError, match="broken"):
        write_folder(tmp_path / "x", {"a": b"1", "b": b"2"}, sync)
    assert not list(tmp_path.iterdir())
    write_folder(tmp_path / "x", {"a": b"1"})
    write_folder(tmp_path / "x", {"a": b"2"})
    assert outputs(tmp_path) == {"x/a": b"1"}


def test_the_database_flushes_at_every_change(tmp_path: Path) -> None:
    with JobQueue(tmp_path) as queue:
        ask = queue._database.execute
        assert ask("PRAGMA journal_mode").fetchone() == ("wal",)
        assert ask("PRAGMA synchronous").fetchone() == (2,)
        with pytest.raises(ServiceError, match="another process"):
            JobQueue(tmp_path)


def test_events_are_never_changed(tmp_path: Path) -> None:
    with JobQueue(tmp_path) as queue:
        for i in range(3):
            queue.add(f"job{i}", exam="exam", files=["a"])
        assert not queue.add("job0", exam="exam", files=["a"])
        assert queue.check() == 3
        for change in ("UPDATE events SET job = 'x'", "DELETE FROM events"):
            with pytest.raises(sqlite3.IntegrityError):
                queue._database.execute(change)
        queue._database.execute("DROP TRIGGER events_stay")
        queue._database.execute("UPDATE events SET job = 'x' WHERE n = 2")
        with pytest.raises(ServiceError, match="event 2"):
            queue.check()


def test_a_queue_of_an_older_version_is_completed(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "queue.sqlite")) as database:
        database.executescript(
            "CREATE TABLE jobs (id TEXT PRIMARY KEY, exam TEXT NOT NULL, state TEXT NOT NULL, "
            "tries INTEGER NOT NULL DEFAULT 0, reason TEXT NOT NULL DEFAULT '', "
            "place INTEGER NOT NULL); INSERT INTO jobs VALUES ('old', 'exam', 'ready', 1, '', 1);"
        )
    for _ in range(2):
        with JobQueue(tmp_path) as queue:
            assert queue.seconds_to_next() == 0
            assert queue.begin() == queue.job("old")
            assert queue.job("old").tries == 2
            queue.put_back("old", "stop")


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "queue.sqlite").write_bytes(b"no database" * 1000)
    with pytest.raises(ServiceError, match=r"not a database\)\. Check the folder"):
        JobQueue(tmp_path)
    # The lock is given free.
    (tmp_path / "queue.sqlite").unlink()
    JobQueue(tmp_path).close()
