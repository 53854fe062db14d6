"""Kills and power cuts of a watch with a fake scorer, for tests and benchmarks."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

from mammorisk.service.arrived_exam import ArrivedExam
from mammorisk.service.durable_files import sync_path
from mammorisk.service.inbox import Inbox
from mammorisk.service.job_queue import MOST_TRIES, JobQueue
from mammorisk.service.watch import Watch

#: Moments of a job at which it is killed.
MOMENTS = ("scoring", "a file is on disk", "before the rename", "after the rename")


class FakeInbox(Inbox):
    """An inbox with n exams of one image each, which need no files."""

    def __init__(self, n: int) -> None:
        super().__init__(Path("inbox"), quiet_s=0)
        self.n = n

    def scan(self) -> list[ArrivedExam]:
        return [
            ArrivedExam(exam=f"exam{i}", job=f"job{i}", files=(f"{i}.dcm",), is_complete=True)
            for i in range(self.n)
            if f"job{i}" not in self._taken
        ]


def fake_score(files: Sequence[Path], predecessor: Path | None) -> dict[str, bytes]:
    """Files that depend on nothing but the exam."""
    name = files[0].stem
    result = json.dumps({"status": "done", "key": name, "model": "fake"}).encode()
    return {"result.json": result, "report.txt": name.encode() * 1000}


def work(folder: Path, n: int, told: Connection) -> None:
    """Do jobs. In each of their first tries stop at one of the moments, and wait for the kill."""
    queue = JobQueue(folder / "state")

    def stop_at(moment: str) -> None:
        (job,) = [one for one in queue.jobs() if one.state == "running"]
        chosen = MOMENTS[(int(job.id.removeprefix("job")) + job.tries) % len(MOMENTS)]
        if job.tries < MOST_TRIES and moment == chosen:
            told.send(moment)
            time.sleep(60)

    def score(files: Sequence[Path], predecessor: Path | None) -> dict[str, bytes]:
        stop_at(MOMENTS[0])
        return fake_score(files, predecessor)

    def sync(path: Path) -> None:
        sync_path(path)
        above = path == folder / "out"
        stop_at(MOMENTS[3 if above else 2 if path.is_dir() else 1])

    Watch(FakeInbox(n), folder / "out", queue, score, sync).run_once()
    told.send("done")


def kill_in_every_job(folder: Path, n: int) -> dict[str, int]:
    """Kill the process at a moment of the first tries of n jobs. Return the kills by moment.

    A job is killed twice, or once if that was after the rename: its outputs are there then.
    """
    (folder / "out").mkdir(parents=True, exist_ok=True)
    kills = dict.fromkeys(MOMENTS, 0)
    context = get_context("fork")
    while True:
        here, there = context.Pipe(duplex=False)
        child = context.Process(target=work, args=(folder, n, there))
        child.start()
        there.close()
        moment = here.recv()
        if moment == "done":
            child.join()
            return kills
        kills[moment] += 1
        assert child.pid is not None
        os.kill(child.pid, signal.SIGKILL)
        child.join()


def outputs(folder: Path) -> dict[str, bytes]:
    """Content of every file below a folder, by its name."""
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


class LossyDisk:
    """Emulates a power cut: what was not flushed is lost.

    A file that was not flushed is empty afterwards, and a name whose folder was not flushed is
    gone. Files are recognised by their inode, which a rename keeps.
    """

    def __init__(self) -> None:
        self.flushed: set[int] = set()
        self.names: dict[int, set[int]] = {}

    def sync(self, path: Path) -> None:
        self.flushed.add(path.stat().st_ino)
        if path.is_dir():
            self.names[path.stat().st_ino] = {one.stat().st_ino for one in path.iterdir()}

    def cut(self, folder: Path) -> None:
        kept = self.names.get(folder.stat().st_ino, set())
        for one in sorted(folder.iterdir()):
            is_lost = one.stat().st_ino not in kept
            named = self.names.get(one.stat().st_ino, set())
            for file in list(one.iterdir()):
                if is_lost or file.stat().st_ino not in named:
                    file.unlink()
                elif file.stat().st_ino not in self.flushed:
                    file.write_bytes(b"")
            if is_lost:
                one.rmdir()


def lost_after_a_power_cut(folder: Path, n: int, *, flush: bool) -> list[str]:
    """Do n jobs, cut the power, and return the jobs that are done without whole outputs.

    Parameters
    ----------
    folder : Path
    n : int
    flush : bool
        False is the control: a watch that flushes nothing.
    """
    disk = LossyDisk()
    out = folder / "out"
    out.mkdir(parents=True)
    with JobQueue(folder / "state") as queue:
        sync = disk.sync if flush else lambda path: None
        Watch(FakeInbox(n), out, queue, fake_score, sync).run_once()
        disk.cut(out)
        there = outputs(out)
        wanted = {
            job.id: {
                f"{job.id}/{name}": content
                for name, content in fake_score([Path(job.files[0])], None).items()
            }
            for job in queue.jobs()
            if job.state == "done"
        }
    return [
        job
        for job, files in wanted.items()
        if any(there.get(name) != content for name, content in files.items())
    ]
