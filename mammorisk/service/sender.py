"""Sender: sends the documents of jobs that are done, until they are taken."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from mammorisk.errors import NoSpace
from mammorisk.service.destinations import Destination, NotSent
from mammorisk.service.disk_errors import disk_errors
from mammorisk.service.job_queue import JobQueue
from mammorisk.service.result_files import DICOM_PDF, SR

#: Documents that are sent.
_SENT = (SR, DICOM_PDF)
#: Seconds before the next try, by the number of tries. The last one is repeated.
PAUSES_S = (5.0, 30.0, 120.0, 600.0)
#: How often a document is sent to a destination that refuses it.
_MOST_REFUSALS = 3

_TABLES = """
CREATE TABLE IF NOT EXISTS destinations (
    name TEXT PRIMARY KEY,
    last_event INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS deliveries (
    job TEXT NOT NULL,
    destination TEXT NOT NULL,
    state TEXT NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    reason TEXT NOT NULL DEFAULT '',
    not_before REAL NOT NULL DEFAULT 0,
    PRIMARY KEY (job, destination)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS deliveries_by_state ON deliveries (state, not_before);
"""


class Sender:
    """Sends the structured report and the DICOM PDF of each job that is done.

    What could not be sent is sent again after pauses that grow to ten minutes, also after a
    restart. A document that the destination refuses is given up after three tries. The same
    document twice has the same UID, so that an archive keeps one.

    Parameters
    ----------
    queue : JobQueue
    outbox : Path
        Folder of the results, one folder a job.
    destinations : sequence of Destination
        One that is new gets the results from now on.
    """

    def __init__(self, queue: JobQueue, outbox: Path, destinations: Sequence[Destination]) -> None:
        self._queue = queue
        self._outbox = outbox
        self._destinations = {one.name: one for one in destinations}
        queue.add_tables(_TABLES)
        with queue.change() as database:
            database.executemany(
                "INSERT OR IGNORE INTO destinations "
                "VALUES (?, (SELECT COALESCE(MAX(n), 0) FROM events))",
                [(name,) for name in self._destinations],
            )

    def run(self, *, poll_s: float, stopped: Callable[[], bool]) -> None:
        """Run until told to stop. A full disk is waited for.

        Parameters
        ----------
        poll_s : float
            Seconds between looks for documents to send.
        stopped : callable
            Returns whether to stop.

        Raises
        ------
        ServiceError
            The queue or the disk cannot be used.
        """
        while not stopped():
            tried = 0
            with suppress(NoSpace), disk_errors():
                tried = self.run_once()
            if not tried:
                time.sleep(poll_s)

    def run_once(self) -> int:
        """Send the documents that are due. Return how many deliveries were tried."""
        for name in self._destinations:
            self._add_new(name)
        # Documents for destinations that are no longer configured do not hold up the others.
        marks = ", ".join("?" * len(self._destinations))
        due = self._queue.rows(
            "SELECT job, destination FROM deliveries WHERE state = 'waiting' AND not_before <= ? "
            f"AND destination IN ({marks}) ORDER BY not_before LIMIT 20",
            self._queue.now(),
            *self._destinations,
        )
        tried, silent = 0, set()
        for job, name in due:
            # After one failure the other documents for this destination wait for the next call.
            if name not in silent:
                tried += 1
                if not self._deliver(job, name):
                    silent.add(name)
        return tried

    def _add_new(self, name: str) -> None:
        """Add a delivery for each job that was done since the last call."""
        ((last,),) = self._queue.rows("SELECT last_event FROM destinations WHERE name = ?", name)
        new = self._queue.rows(
            "SELECT n, job FROM events WHERE n > ? AND event = 'done' ORDER BY n LIMIT 1000", last
        )
        if not new:
            return
        with self._queue.change() as database:
            database.executemany(
                "INSERT OR IGNORE INTO deliveries (job, destination, state) "
                "VALUES (?, ?, 'waiting')",
                [(job, name) for _, job in new],
            )
            database.execute(
                "UPDATE destinations SET last_event = ? WHERE name = ?", (new[-1][0], name)
            )

    def _deliver(self, job: str, name: str) -> bool:
        """Send the documents of a job. Return whether the destination can be reached."""
        documents = [
            path.read_bytes() for file in _SENT if (path := self._outbox / job / file).is_file()
        ]
        if not documents:
            # Without a risk there is no report.
            self._record(job, name, "nothing to send", "")
            return True
        try:
            self._destinations[name].send(documents)
        except NotSent as error:
            self._record_failure(job, name, str(error), final=error.final)
            return error.final
        # The other deliveries must go on, whatever a destination answers.
        except Exception as error:  # noqa: BLE001
            self._record_failure(job, name, f"unexpected error ({type(error).__name__})")
            return False
        self._record(job, name, "sent", "")
        return True

    def _record(self, job: str, name: str, state: str, reason: str, pause_s: float = 0) -> None:
        with self._queue.change() as database:
            database.execute(
                "UPDATE deliveries SET state = ?, reason = ?, tries = tries + 1, not_before = ? "
                "WHERE job = ? AND destination = ?",
                (state, reason, self._queue.now() + pause_s, job, name),
            )
            if state != "waiting":
                self._queue.tell(job, f"delivery: {state}", reason=reason)

    def _record_failure(self, job: str, name: str, reason: str, final: bool = False) -> None:
        ((tries,),) = self._queue.rows(
            "SELECT tries FROM deliveries WHERE job = ? AND destination = ?", job, name
        )
        if final and tries + 1 >= _MOST_REFUSALS:
            self._record(job, name, "refused", reason)
        else:
            pause = PAUSES_S[min(tries, len(PAUSES_S) - 1)]
            self._record(job, name, "waiting", reason, pause)

    def of(self, job: str) -> list[dict[str, Any]]:
        """Return the deliveries of a job, as plain JSON types."""
        return [
            {"destination": name, "state": state, "tries": tries, "reason": reason}
            for name, state, tries, reason in self._queue.rows(
                "SELECT destination, state, tries, reason FROM deliveries WHERE job = ?", job
            )
        ]

    def counts(self) -> dict[str, int]:
        """Return the number of deliveries by state."""
        return dict(self._queue.rows("SELECT state, COUNT(*) FROM deliveries GROUP BY state"))
