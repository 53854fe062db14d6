"""JobQueue: the jobs of a service in SQLite, which survive a kill and a power cut."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from mammorisk.errors import ServiceError
from mammorisk.service.event_log import DATABASE, EVENT_TABLE, Event, add_event, check_events

#: ``"ready"``: to be done. ``"running"``: begun. ``"done"``: its outputs are on disk. ``"failed"``:
#: given up, with the reason.
State = Literal["ready", "running", "done", "failed"]
#: How often a job is begun before it is given up. A kill counts, so that an exam that crashes the
#: process cannot stop the queue.
MOST_TRIES = 3
#: Seconds before the next try after an error that may pass, by the number of tries.
PAUSES_S = (10.0, 120.0)
_DAY_S = 86_400

#: Columns of the jobs that the first version did not have.
_ADDED_COLUMNS = {"not_before": "REAL NOT NULL DEFAULT 0"}
_TABLES = f"""
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY,
    exam TEXT NOT NULL,
    state TEXT NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    reason TEXT NOT NULL DEFAULT '',
    place INTEGER NOT NULL,
    not_before {_ADDED_COLUMNS["not_before"]}
);
CREATE INDEX IF NOT EXISTS jobs_by_state ON jobs (state, place);
CREATE INDEX IF NOT EXISTS jobs_by_exam ON jobs (exam, place);
CREATE TABLE IF NOT EXISTS job_files (
    job TEXT NOT NULL,
    path TEXT NOT NULL,
    PRIMARY KEY (job, path)
) WITHOUT ROWID;
"""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One exam to score.

    Attributes
    ----------
    id : str
        Digest of the exam and its images; another image makes another job.
    exam : str
        Digest of the StudyInstanceUID.
    state : {"ready", "running", "done", "failed"}
    tries : int
        How often it was begun.
    reason : str
        Why it failed.
    files : tuple of str
        Paths of its images, relative to the inbox.
    """

    id: str
    exam: str
    state: State
    tries: int
    reason: str
    files: tuple[str, ...]


class JobQueue:
    """Jobs in a SQLite database with a write-ahead log that is flushed at every change.

    Every change is one transaction with its event. One process at a time has the queue; its threads
    can share it. Parts of a service can keep tables of their own in the database.

    Parameters
    ----------
    folder : path
        Folder of the database. It is created if it does not exist.
    clock : callable
        Returns seconds since 1970.

    Raises
    ------
    ServiceError
        Another process has the queue, or the database cannot be opened.

    Examples
    --------
    >>> import tempfile
    >>> from mammorisk.service.job_queue import JobQueue
    >>> with tempfile.TemporaryDirectory() as folder, JobQueue(folder) as queue:
    ...     _ = queue.add("job-1", exam="exam-1", files=["a.dcm"])
    ...     job = queue.begin()
    ...     queue.finish(job.id, {"status": "done"})
    ...     queue.counts(), queue.check()
    ({'done': 1}, 3)
    """

    def __init__(self, folder: str | Path, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        # One connection for all threads, and one change at a time.
        self._turn = threading.RLock()
        place = Path(folder)
        try:
            place.mkdir(parents=True, exist_ok=True)
            with ExitStack() as opened:
                # A lock that ends with the process, on every platform.
                lock = opened.enter_context(_open(place / "lock.sqlite", timeout_s=0))
                lock.execute("BEGIN EXCLUSIVE")
                self._database = opened.enter_context(_open(place / DATABASE))
                self._database.execute("PRAGMA journal_mode=WAL")
                self._database.execute("PRAGMA synchronous=FULL")
                self._database.executescript(_TABLES + EVENT_TABLE)
                self._add_missing_columns()
                self._opened = opened.pop_all()
        except sqlite3.DatabaseError as error:
            if "locked" in str(error):
                raise ServiceError(
                    "another process has the queue", remedy="Stop the other process."
                ) from None
            raise ServiceError(
                f"the queue cannot be used ({error})", remedy="Check the folder and its space."
            ) from None
        except OSError as error:
            raise ServiceError(
                f"the queue cannot be opened ({error.strerror})",
                remedy="Give a folder that can be written to.",
            ) from None

    def _add_missing_columns(self) -> None:
        """Complete the tables of a queue that an older version made."""
        there = {name for _, name, *_ in self.rows("PRAGMA table_info(jobs)")}
        for name, definition in _ADDED_COLUMNS.items():
            if name not in there:
                self._database.execute(f"ALTER TABLE jobs ADD COLUMN {name} {definition}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the database and release its lock."""
        with self._turn:
            self._opened.close()

    def add_tables(self, tables: str) -> None:
        """Create the tables of another part of the service, if they do not exist."""
        with self._turn:
            self._database.executescript(tables)

    @contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """Context manager for one transaction. It is flushed to disk at the end.

        An error in the block undoes the transaction.
        """
        with self._turn:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
                self._database.execute("COMMIT")
            except BaseException:
                # A full disk can have ended the transaction already.
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return the rows of a query.

        Parameters
        ----------
        query : str
            SQL with a question mark for each value.
        *values
        """
        with self._turn:
            return self._database.execute(query, values).fetchall()

    def now(self) -> float:
        """Return the time of the queue in seconds since 1970."""
        return self._clock()

    def tell(self, subject: str, event: str, **detail: Any) -> None:
        """Append an event, within :meth:`change`.

        Parameters
        ----------
        subject : str
            Digest of the job or exam.
        event : str
        detail
            Plain JSON types, without names of files or patients.
        """
        add_event(self._database, self._clock(), subject, event, detail)

    def add(self, job: str, *, exam: str, files: Sequence[str]) -> bool:
        """Add a job, unless it is known.

        Parameters
        ----------
        job, exam : str
            Digests; see :class:`Job`.
        files : sequence of str
            Paths of the images, relative to the inbox.

        Returns
        -------
        bool
            Whether it was added.
        """
        with self.change() as database:
            if database.execute("SELECT 1 FROM jobs WHERE id = ?", (job,)).fetchone():
                return False
            database.execute(
                "INSERT INTO jobs (id, exam, state, place) "
                "VALUES (?, ?, 'ready', (SELECT COALESCE(MAX(place), 0) + 1 FROM jobs))",
                (job, exam),
            )
            database.executemany(
                "INSERT INTO job_files VALUES (?, ?)", [(job, path) for path in sorted(files)]
            )
            self.tell(job, "added", exam=exam, images=len(files))
        return True

    def begin(self) -> Job | None:
        """Begin the oldest job that is ready, and count the try. None if there is none.

        A job that is to be tried again is ready after a pause.
        """
        with self.change() as database:
            row = database.execute(
                "SELECT id FROM jobs WHERE state = 'ready' AND not_before <= ? "
                "ORDER BY place LIMIT 1",
                (self._clock(),),
            ).fetchone()
            if row is None:
                return None
            database.execute(
                "UPDATE jobs SET state = 'running', tries = tries + 1 WHERE id = ?", row
            )
            found = self.job(row[0])
            self.tell(found.id, "begun", tries=found.tries)
            return found

    def finish(self, job: str, detail: dict[str, Any]) -> None:
        """Mark a job as done. Call it after its outputs are on disk.

        Parameters
        ----------
        job : str
        detail : dict
            What the event log keeps of the result: plain JSON types, without an identity.
        """
        with self.change() as database:
            database.execute("UPDATE jobs SET state = 'done', reason = '' WHERE id = ?", (job,))
            self.tell(job, "done", **detail)

    def fail(
        self,
        job: str,
        reason: str,
        *,
        final: bool = False,
        pauses_s: Sequence[float] = PAUSES_S,
    ) -> State:
        """Record that a try failed.

        Parameters
        ----------
        job, reason : str
        final : bool
            Whether another try would fail for the same reason.
        pauses_s : sequence of float
            Seconds before the next try, by the number of tries. Empty: it is ready at once.

        Returns
        -------
        {"ready", "failed"}
            ``"failed"`` if it is final, and after the last try. Else the job is tried again.
        """
        with self.change() as database:
            tries = self.job(job).tries
            state: State = "failed" if final or tries >= MOST_TRIES else "ready"
            pause = pauses_s[min(tries, len(pauses_s)) - 1] if pauses_s else 0.0
            database.execute(
                "UPDATE jobs SET state = ?, reason = ?, not_before = ? WHERE id = ?",
                (state, reason, self._clock() + pause, job),
            )
            event = "failed" if state == "failed" else "try failed"
            self.tell(job, event, reason=reason, tries=tries)
            return state

    def seconds_to_next(self) -> float | None:
        """Return the seconds until a job is ready: 0 if one is, None if there is no job to do."""
        ((first,),) = self.rows("SELECT MIN(not_before) FROM jobs WHERE state = 'ready'")
        return None if first is None else max(0.0, first - self._clock())

    def put_back(self, job: str, reason: str) -> None:
        """Put back a job that could not be tried, for example on a full disk.

        It is ready again, and the try does not count.

        Parameters
        ----------
        job, reason : str
        """
        with self.change() as database:
            database.execute(
                "UPDATE jobs SET state = 'ready', tries = tries - 1 WHERE id = ?", (job,)
            )
            self.tell(job, "put back", reason=reason)

    def record(self, event: str, detail: dict[str, Any]) -> None:
        """Record an event of the service, which belongs to no job.

        Parameters
        ----------
        event : str
        detail : dict
            Plain JSON types, without an identity.
        """
        with self.change():
            self.tell("", event, **detail)

    def last_event(self, event: str) -> Event | None:
        """Return the last event of a kind. None if there is none."""
        found = self.rows(
            "SELECT at, job, detail FROM events WHERE event = ? ORDER BY n DESC LIMIT 1", event
        )
        if not found:
            return None
        at, job, detail = found[0]
        return Event(at=at, job=job, event=event, detail=json.loads(detail))

    def is_today(self, at: float) -> bool:
        """Return whether a time, in seconds since 1970, is on the day of now (UTC)."""
        return int(at // _DAY_S) == int(self._clock() // _DAY_S)

    def running(self) -> list[Job]:
        """Return the jobs that were begun and have not ended, in the order of the queue."""
        rows = self.rows("SELECT id FROM jobs WHERE state = 'running' ORDER BY place")
        return [self.job(job) for (job,) in rows]

    def job(self, job: str) -> Job:
        """Return a job by its id."""
        (row,) = self.rows("SELECT id, exam, state, tries, reason FROM jobs WHERE id = ?", job)
        files = self.rows("SELECT path FROM job_files WHERE job = ? ORDER BY path", job)
        return Job(
            id=row[0],
            exam=row[1],
            state=row[2],
            tries=row[3],
            reason=row[4],
            files=tuple(path for (path,) in files),
        )

    def jobs(self, exam: str | None = None) -> list[Job]:
        """Return all jobs, or those of an exam, in the order in which they were added."""
        query = "SELECT id FROM jobs" + (" WHERE exam = ?" if exam is not None else "")
        rows = self.rows(f"{query} ORDER BY place", *(() if exam is None else (exam,)))
        return [self.job(job) for (job,) in rows]

    def counts(self) -> dict[str, int]:
        """Return the number of jobs by state."""
        found = self.rows("SELECT state, COUNT(*) FROM jobs GROUP BY state")
        return {str(state): int(number) for state, number in found}

    def tries(self) -> int:
        """Return how often jobs were begun."""
        ((total,),) = self.rows("SELECT COALESCE(SUM(tries), 0) FROM jobs")
        return int(total)

    def check(self) -> int:
        """Check the chain of events and return their number.

        Raises
        ------
        ServiceError
            An event was changed or is missing.
        """
        with self._turn:
            return check_events(self._database)


def _open(path: Path, timeout_s: float = 5.0) -> closing[sqlite3.Connection]:
    """Open a database for all threads, without transactions of its own."""
    return closing(
        sqlite3.connect(path, timeout=timeout_s, isolation_level=None, check_same_thread=False)
    )
