"""The events of a queue, in a table that only grows and whose rows are chained by hashes."""

from __future__ import annotations

import json
import sqlite3
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
CREATE TRIGGER IF NOT EXISTS events_stay BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'events are never changed'); END;
CREATE TRIGGER IF NOT EXISTS events_remain BEFORE DELETE ON events
BEGIN SELECT RAISE(ABORT, 'events are never deleted'); END;
"""
#: What the first event is chained to.
_START = "0" * 64


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
    before, number = _START, 0
    rows = database.execute("SELECT n, at, job, event, detail, hash FROM events ORDER BY n")
    for n, at, job, event, detail, found in rows:
        number += 1
        if n != number or found != _hash(before, n, at, job, event, detail):
            raise ServiceError(
                f"the event log was changed at event {number}",
                remedy="Restore the queue from a backup, and find out who changed it.",
            )
        before = found
    return number


def _hash(before: str, n: int, at: float, job: str, event: str, detail: str) -> str:
    return json_digest([before, n, repr(at), job, event, detail])
