"""A silent trial: results are stored beside the queue and returned to nobody until unblinded."""

from __future__ import annotations

from pathlib import Path

from mammorisk.errors import OutputError, ServiceError
from mammorisk.service.durable_files import write_folder
from mammorisk.service.job_queue import JobQueue

#: Folder of the results of a silent trial, in the folder of the queue.
SILENT = "silent"
MODE_EVENT, UNBLINDED_EVENT = "mode", "unblinded"


def outbox_of(outbox: Path, state: Path, *, silent: bool) -> Path:
    """Return the folder into which results are written."""
    return state / SILENT if silent else outbox


def record_mode(queue: JobQueue, *, silent: bool) -> None:
    """Record that a silent trial begins or ends, unless it is as before."""
    last = queue.last_event(MODE_EVENT)
    before = last is not None and last.detail["silent"]
    if silent != before:
        queue.record(MODE_EVENT, {"silent": silent})


def unblind(queue: JobQueue, state: Path, outbox: Path, reason: str) -> int:
    """Copy the stored results of a silent trial to a folder. The event log keeps it.

    The event is recorded before anything is copied. The stored results stay.

    Parameters
    ----------
    queue : JobQueue
    state : Path
        Folder of the queue.
    outbox : Path
        Folder for the results.
    reason : str
        Why, and who decided it. It is kept in the event log.

    Returns
    -------
    int
        Number of results that were not in the folder before.

    Raises
    ------
    ServiceError
        There is no reason, or nothing is stored.
    OutputError
        The folder cannot be written.
    """
    stored = sorted(one for one in (state / SILENT).glob("*") if not one.name.startswith("."))
    if not reason.strip():
        raise ServiceError(
            "no reason was given", where="--unblind", remedy="State why, and who decided it."
        )
    if not stored:
        raise ServiceError(
            "no results of a silent trial are stored",
            where="--unblind",
            remedy="Give the folder of the queue of the trial by --state.",
        )
    new = [one for one in stored if not (outbox / one.name).exists()]
    queue.record(
        UNBLINDED_EVENT,
        {"reason": reason.strip(), "stored": len(stored), "jobs": [one.name for one in new]},
    )
    try:
        outbox.mkdir(parents=True, exist_ok=True)
        for one in new:
            files = {file.name: file.read_bytes() for file in one.iterdir()}
            write_folder(outbox / one.name, files)
    except OSError as error:
        raise OutputError(
            f"stored results cannot be copied ({error.strerror or type(error).__name__})",
            remedy="Free some space, then run the same command again.",
        ) from None
    return len(new)
