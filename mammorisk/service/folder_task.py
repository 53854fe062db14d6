"""One folder in, one folder out: for orchestrators such as mercure and MONAI Deploy."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mammorisk.errors import ServiceError
from mammorisk.service.disk_errors import disk_errors
from mammorisk.service.durable_files import write_file
from mammorisk.service.exam_job import ExamScorer
from mammorisk.service.inbox import Inbox
from mammorisk.service.job_queue import JobQueue
from mammorisk.service.result_files import RESULT
from mammorisk.service.watch import Watch


def run_folder(folder_in: Path, folder_out: Path, scorer: ExamScorer) -> dict[str, Any]:
    """Score all exams of a folder into another, and write ``result.json``.

    Parameters
    ----------
    folder_in, folder_out : Path
    scorer : ExamScorer

    Returns
    -------
    dict
        What ``result.json`` contains: ``exams``, a list of results, each with the name of its
        ``folder`` or, if it failed, with its ``error``; and ``set_aside``, the number of files that
        belong to no exam.

    Raises
    ------
    ServiceError
        The output folder has the results of an earlier run, or cannot be written to.
    """
    inbox = Inbox(folder_in, quiet_s=0)
    with disk_errors():
        folder_out.mkdir(parents=True, exist_ok=True)
    if (folder_out / RESULT).exists():
        raise ServiceError(
            "the folder has the results of an earlier run",
            where="output",
            remedy="Give an empty folder: results of another model or other answers differ.",
        )
    exams: list[dict[str, Any]] = []
    with disk_errors(), TemporaryDirectory() as state, JobQueue(state) as queue:
        Watch(inbox, folder_out, queue, scorer).run_to_end()
        for job in queue.jobs():
            if job.state == "done":
                result = json.loads((folder_out / job.id / RESULT).read_bytes())
                exams.append({"folder": job.id, **result})
            else:
                exams.append({"folder": f"{job.id}.failed", "error": job.reason})
    told = {"exams": exams, "set_aside": inbox.set_aside}
    with disk_errors():
        write_file(folder_out / RESULT, json.dumps(told, indent=2).encode())
    return told
