"""The events of a queue, in a table that only grows and whose rows are chained by hashes."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mammorisk._utils.digests import json_digest
from mammorisk.errors import ServiceError

EVENT_TABLE = """
CREATE TABLE IF NOT EXISTS events (
    n INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    job TEXT NOT NULL,
    event TEXT NOT NULL,
    detail TEXT NOT NULL,
    hash TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS events_by_kind ON events (event, n);
CREATE TRIGGER IF NOT EXISTS events_stay BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'events are never changed'); END;
CREATE TRIGGER IF NOT EXISTS events_remain BEFORE DELETE ON events
BEGIN SELECT RAISE(ABORT, 'events are never deleted'); END;
"""
#: File of the queue and its events.
DATABASE = "queue.sqlite"
#: What the first event is chained to.
_START = "0" * 64


@dataclass(frozen=True, kw_only=True)
class Event:
    """One event of a queue.

    Attributes
    ----------
    at : float
        Seconds since 1970.
    job : str
        Digest that names the job; empty for an event of the service.
    event : str
        Such as ``"added"``, ``"done"`` or ``"failed"``.
    detail : dict
        Plain JSON types.
    """

    at: float
    job: str
    event: str
    detail: dict[str, Any]


def add_event(
    database: sqlite3.Connection, at: float, job: str, event: str, detail: dict[str, Any]
) -> None:
    """Append an event, within the transaction of the change that it records.

    Parameters
    ----------
    database : Connection
    at : float
        Seconds since 1970.
    job, event : str
    detail : dict
        Plain JSON types, without names of files or patients.
    """
    last = database.execute("SELECT n, hash FROM events ORDER BY n DESC LIMIT 1").fetchone()
    n, before = (1, _START) if last is None else (last[0] + 1, last[1])
    text = json.dumps(detail, sort_keys=True)
    database.execute(
        "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)",
        (n, at, job, event, text, _hash(before, n, at, job, event, text)),
    )


def check_events(database: sqlite3.Connection) -> int:
    """Check the chain of events and return their number.

    Raises
    ------
    ServiceError
        An event was changed, or one is missing between others.

    Notes
    -----
    Events removed from the end leave a shorter valid chain. Keep the last hash elsewhere to notice
    that.
    """
    return sum(1 for _ in _checked(database))


def read_events(folder: Path) -> list[Event]:
    """Read the events of a queue, also while a service has it, and check their chain.

    Parameters
    ----------
    folder : Path
        Folder of the queue.

    Raises
    ------
    ServiceError
        There is no queue, it cannot be read, or an event was changed.
    """
    path = _database_in(folder)
    try:
        # Not read-only: a reader of a write-ahead log must be able to create its index.
        with closing(sqlite3.connect(path, isolation_level=None)) as database:
            return list(_checked(database))
    except sqlite3.Error as error:
        raise ServiceError(
            f"the event log cannot be read ({error})", remedy="Check the folder of the queue."
        ) from None


def append_event(folder: Path, job: str, event: str, detail: dict[str, Any]) -> None:
    """Append an event to the log of a queue, also while a service has it.

    Parameters
    ----------
    folder : Path
        Folder of the queue.
    job, event : str
    detail : dict
        Plain JSON types, without names of files or patients.

    Raises
    ------
    ServiceError
        There is no queue, or it cannot be written.
    """
    path = _database_in(folder)
    try:
        with closing(sqlite3.connect(path, isolation_level=None, timeout=30)) as database:
            database.execute("PRAGMA synchronous=FULL")
            database.execute("BEGIN IMMEDIATE")
            add_event(database, time.time(), job, event, detail)
            database.execute("COMMIT")
    except sqlite3.Error as error:
        raise ServiceError(
            f"the event log cannot be written ({error})", remedy="Check the folder and its space."
        ) from None


def _database_in(folder: Path) -> Path:
    """Return the file of the queue in a folder."""
    path = folder / DATABASE
    if not path.is_file():
        raise ServiceError(
            "there is no queue in this folder",
            where=folder.name,
            remedy="Give the folder of the queue: OUTBOX/.queue, or what --state was.",
        )
    return path


def _checked(database: sqlite3.Connection) -> Iterator[Event]:
    """Yield the events in order, each after its place in the chain was checked."""
    before = _START
    rows = database.execute("SELECT n, at, job, event, detail, hash FROM events ORDER BY n")
    for number, (n, at, job, event, detail, found) in enumerate(rows, start=1):
        if n != number or found != _hash(before, n, at, job, event, detail):
            raise ServiceError(
                f"the event log was changed at event {number}",
                remedy="Restore the queue from a backup, and find out who changed it.",
            )
        before = found
        yield Event(at=at, job=job, event=event, detail=json.loads(detail))


def _hash(before: str, n: int, at: float, job: str, event: str, detail: str) -> str:
    return json_digest([before, n, repr(at), job, event, detail])
