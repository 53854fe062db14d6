"""Watch: scores the exams of an inbox into an outbox, one after the other."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from mammorisk.errors import MammoriskError, NoSpace
from mammorisk.service.arrived_exam import Arrivals
from mammorisk.service.disk_errors import disk_errors, is_no_space, no_space
from mammorisk.service.durable_files import Sync, sync_path, write_folder
from mammorisk.service.exam_facts import done_detail
from mammorisk.service.job_queue import MOST_TRIES, PAUSES_S, Job, JobQueue
from mammorisk.service.result_files import FAILED, RESULT, SR
from mammorisk.service.scoring import Scorer, ScoringInterrupted, ScoringStopped

#: Scores the canary and returns what is recorded of it.
RunCanary = Callable[[], dict[str, Any]]
#: Event of a run of the canary.
CANARY_EVENT = "canary"
#: Error of a job whose process ended, for example because the machine has no memory left.
_PROCESS_ENDED: dict[str, str | None] = {
    "code": "ProcessEnded",
    "what": "the process ended during the job",
    "where": None,
    "remedy": "Check the log of the system for a crash or for too little memory. If it repeats, "
    "please report it with a description of the images.",
}


class Watch:
    """Scores the exams that arrive in a folder.

    Outputs lie in a folder of the outbox for each job, named by a digest. A job is done when its
    outputs are on disk; a kill at any moment leaves no partial output, and no job is lost.

    Parameters
    ----------
    inbox : Inbox or ReceivedImages
    outbox : Path
    queue : JobQueue
    score : callable
        Makes the files of an exam, such as
        :class:`mammorisk.service.exam_job.ExamScorer`.
    sync : callable
        Flushes a path to disk.
    canary : callable, optional
        Scores an exam that is always the same, such as :class:`mammorisk.service.canary.Canary`.
        It is called at the start and once a day, before jobs.
    """

    def __init__(
        self,
        inbox: Arrivals,
        outbox: Path,
        queue: JobQueue,
        score: Scorer,
        sync: Sync = sync_path,
        canary: RunCanary | None = None,
    ) -> None:
        self.inbox = inbox
        self.outbox = outbox
        self.queue = queue
        self._score = score
        self._sync = sync
        self._canary = canary
        self._canary_ran = False
        #: Changes of the queue that could not be written yet. Each returns the number of jobs that
        #: it ended.
        self._owed: list[Callable[[], int]] = [self._recover]

    def run_once(self, stopped: Callable[[], bool] = lambda: False) -> int:
        """Add the exams that have arrived, and do all jobs that are ready.

        Parameters
        ----------
        stopped : callable
            Returns whether to stop. It is asked before each job.

        Returns
        -------
        int
            Number of jobs that were done or given up.

        Raises
        ------
        NoSpace
            The disk is full. The job is put back; the same call goes on when there is space.
        ServiceError
            The queue or the disk cannot be used.
        """
        ended = self._write_owed()
        self._score_canary()
        self.add_arrived()
        while not stopped() and (job := self._begin()) is not None:
            ended += self._do(job)
        return ended

    def run_to_end(self) -> None:
        """Add the exams that have arrived, and do all jobs, also those that wait to be tried again.

        Raises
        ------
        NoSpace
            The disk is full.
        ServiceError
            The queue or the disk cannot be used.
        """
        self.run_once()
        while self._owed or self.queue.seconds_to_next() is not None:
            time.sleep(self.queue.seconds_to_next() or 0.0)
            self.run_once()

    def run(self, *, poll_s: float, stopped: Callable[[], bool]) -> None:
        """Run until told to stop. A full disk is waited for.

        Parameters
        ----------
        poll_s : float
            Seconds between scans of the inbox.
        stopped : callable
            Returns whether to stop. It is asked between scans and between jobs.

        Raises
        ------
        ServiceError
            The queue or the disk cannot be used.
        """
        while not stopped():
            with suppress(NoSpace):
                self.run_once(stopped)
            until = time.monotonic() + poll_s
            while time.monotonic() < until and not stopped():
                time.sleep(min(0.2, poll_s))

    def _score_canary(self) -> None:
        """Score the canary at the start and every day (UTC), and record its risk.

        At another start on the same day it is recorded only if it changed.
        """
        if self._canary is None:
            return
        with disk_errors():
            last = self.queue.last_event(CANARY_EVENT)
        is_new_day = last is None or not self.queue.is_today(last.at)
        if self._canary_ran and not is_new_day:
            return
        self._canary_ran = True
        try:
            found = self._canary()
        except ScoringInterrupted:
            return
        # The exams must be scored whatever is wrong with the canary: the monitor reports it.
        except Exception as error:  # noqa: BLE001
            found = {"error": type(error).__name__}
        if is_new_day or last is None or last.detail != found:
            self._settle(partial(self._record_canary, found))

    def _record_canary(self, found: dict[str, Any]) -> int:
        self.queue.record(CANARY_EVENT, found)
        return 0

    def add_arrived(self) -> None:
        """Add a job for each exam that is complete or has not grown for some time."""
        with disk_errors():
            for one in self.inbox.scan():
                self.queue.add(one.job, exam=one.exam, files=one.files)
                self.inbox.taken(one)

    def _begin(self) -> Job | None:
        with disk_errors():
            return self.queue.begin()

    def _do(self, job: Job) -> int:
        """Do one job. Return 1 if it ended, and 0 if it is tried again."""
        try:
            folder = self.outbox / job.id
            if (folder / RESULT).is_file():
                # Written by a try that ended before it was done, perhaps before the last flush.
                self._sync(self.outbox)
            else:
                files = [self.inbox.folder / path for path in job.files]
                write_folder(folder, self._score(files, self._predecessor(job)), self._sync)
            result = json.loads((folder / RESULT).read_bytes())
            self.queue.finish(job.id, done_detail(result))
            return 1
        except (OSError, sqlite3.DatabaseError) as error:
            if is_no_space(error):
                self._put_back(job)
                raise no_space() from None
            what = getattr(error, "strerror", None) or "the queue cannot be written"
            return self._fail(job, _unexpected(error, what), final=False)
        except MammoriskError as error:
            # The same input gives the same error.
            return self._fail(job, error.to_dict(), final=True)
        except ScoringInterrupted:
            self._put_back(job, "the service stops")
            return 0
        except ScoringStopped as error:
            return self._fail(job, _unexpected(error, str(error)), final=False)
        # One exam must not stop the queue, whatever is wrong with it.
        except Exception as error:  # noqa: BLE001
            return self._fail(job, _unexpected(error, "unexpected error"), final=False)

    def _settle(self, change: Callable[[], int]) -> int:
        """Write a change to the queue. One that cannot be written now is written first next time.

        Otherwise its job would stay begun until the process starts again.
        """
        try:
            return change()
        except (OSError, sqlite3.DatabaseError) as error:
            self._owed.append(change)
            if is_no_space(error):
                raise no_space() from None
            return 0

    def _write_owed(self) -> int:
        """Write what could not be written. Return the number of jobs that it ended."""
        ended = 0
        while self._owed:
            with disk_errors():
                ended += self._owed[0]()
            del self._owed[0]
        return ended

    def _recover(self) -> int:
        """Put back the jobs that a killed process had begun, or give them up."""
        return sum(self._end_try(job, _PROCESS_ENDED, pauses_s=()) for job in self.queue.running())

    def _put_back(self, job: Job, reason: str = "no space left on the disk") -> None:
        self._settle(partial(self._end_without_try, job, reason))

    def _end_without_try(self, job: Job, reason: str) -> int:
        self.queue.put_back(job.id, reason)
        return 0

    def _fail(self, job: Job, error: Mapping[str, str | None], *, final: bool) -> int:
        return self._settle(partial(self._end_try, job, error, final=final))

    def _end_try(
        self,
        job: Job,
        error: Mapping[str, str | None],
        *,
        final: bool = False,
        pauses_s: Sequence[float] = PAUSES_S,
    ) -> int:
        if final or job.tries >= MOST_TRIES:
            self._write_failure(job, error)
        place = f"{error['where']}: " if error["where"] else ""
        reason = f"{error['code']}: {place}{error['what']}."
        return int(self.queue.fail(job.id, reason, final=final, pauses_s=pauses_s) == "failed")

    def _write_failure(self, job: Job, error: Mapping[str, str | None]) -> None:
        """Write the reason before the job is given up, so that a full disk cannot lose it."""
        told = {"error": {**error, "tries": job.tries}}
        content = {FAILED: json.dumps(told, indent=2).encode()}
        try:
            write_folder(self.outbox / f"{job.id}.failed", content, self._sync)
        except OSError as error:
            if is_no_space(error):
                raise
            # The disk is faulty. The queue has the reason as well.

    def _predecessor(self, job: Job) -> Path | None:
        """The structured report of the last earlier job of the exam that made one."""
        earlier = []
        for one in self.queue.jobs(job.exam):
            if one.id == job.id:
                break
            if one.state == "done" and (self.outbox / one.id / SR).is_file():
                earlier.append(self.outbox / one.id / SR)
        return earlier[-1] if earlier else None


def _unexpected(error: Exception, what: str) -> dict[str, str | None]:
    """Return an error that is not of this package in the form of those that are."""
    return {
        "code": type(error).__name__,
        "what": what,
        "where": None,
        "remedy": "Please report this with a description of the images if it repeats.",
    }
