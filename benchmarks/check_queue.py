"""Check the queue of `mammorisk watch`: kills, a full disk, a power cut, and 10,000 exams.

    python benchmarks/check_queue.py [--kills 200] [--queued 10000]

Uses a scorer that takes no time. The full disk is a tmpfs of 32 MB, which needs root; without it
that check is left out. The power cut is emulated: it loses what was not flushed to disk. SQLite's
own flushes are not emulated. Exits with 1 if a check fails.
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from checks import check, failures

from mammorisk.errors import NoSpace
from mammorisk.service.job_queue import JobQueue
from mammorisk.service.watch import Watch
from tests.service.interruptions import (
    FakeInbox,
    fake_score,
    kill_in_every_job,
    lost_after_a_power_cut,
    outputs,
)


def check_kills(folder: Path, kills: int) -> None:
    """Kills at every moment of a job: seven in four jobs."""
    jobs = -(-4 * kills // 7)
    found = kill_in_every_job(folder / "killed", jobs)
    total = sum(found.values())
    with JobQueue(folder / "killed" / "state") as queue:
        tries, counts, events = queue.tries(), queue.counts(), queue.check()
    check(f"{total} kills in mid-job", total >= kills, str(found))
    check("sum of tries: each kill hit a job that had begun", tries == jobs + total, str(tries))
    check("every job is done", counts == {"done": jobs}, str(counts))
    (folder / "whole" / "out").mkdir(parents=True)
    with JobQueue(folder / "whole" / "state") as queue:
        Watch(FakeInbox(jobs), folder / "whole" / "out", queue, fake_score).run_once()
    whole, killed = (outputs(folder / name / "out") for name in ("whole", "killed"))
    check("outputs identical to those without kills", whole == killed, f"{len(whole)} files")
    check("the chain of events is whole", events > 0, f"{events} events")


def check_full_disk(folder: Path) -> None:
    """Outbox and queue on a small disk that is full, and later is not."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        print("       a full disk: left out, a tmpfs cannot be mounted")
        return
    try:
        (folder / "out").mkdir()
        with JobQueue(folder / "state") as queue:
            watch = Watch(FakeInbox(200), folder / "out", queue, fake_score)
            watch.add_arrived()
            ballast = folder / "ballast"
            with contextlib.suppress(OSError), open(ballast, "wb", buffering=0) as handle:
                while handle.write(b"\0" * 65536):
                    pass
            waits = 0
            for _ in range(3):
                try:
                    watch.run_once()
                except NoSpace:
                    waits += 1
            check("full disk: the jobs wait", waits == 3, str(queue.counts()))
            ballast.unlink()
            watch.run_once()
            counts, tries = queue.counts(), queue.tries()
            check("space again: every job is done", counts == {"done": 200}, str(counts))
            check("outputs are whole", len(outputs(folder / "out")) == 400, f"{tries} tries")
            queue.check()
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def check_many(folder: Path, n: int) -> None:
    """Add and do many jobs."""
    (folder / "out").mkdir(parents=True)
    with JobQueue(folder / "state") as queue:
        watch = Watch(FakeInbox(n), folder / "out", queue, fake_score)
        start = time.perf_counter()
        watch.add_arrived()
        added = time.perf_counter() - start
        check(f"{n} exams queued", queue.counts() == {"ready": n}, f"{added:.1f} s")
        start = time.perf_counter()
        for _ in range(100):
            job = queue.begin()
            assert job is not None
            queue.finish(job.id, {})
        each = (time.perf_counter() - start) / 100
        check("begin and finish do not slow down", each < 0.1, f"{1000 * each:.1f} ms a job")
        check("the chain of events is whole", queue.check() == n + 200)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--queued", type=int, default=10_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        check_kills(folder / "kills", asked.kills)
        check_full_disk(folder / "small")
        lost = lost_after_a_power_cut(folder / "cut", 20, flush=True)
        check("power cut: nothing that is done is lost", lost == [], str(lost))
        lost = lost_after_a_power_cut(folder / "control", 20, flush=False)
        check("power cut: the control without flushes loses jobs", len(lost) == 20, f"{len(lost)}")
        check_many(folder / "many", asked.queued)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
