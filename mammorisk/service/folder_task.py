"""One folder in, one folder out: for orchestrators such as mercure and MONAI Deploy."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mammorisk.service.durable_files import sync_path
from mammorisk.service.exam_job import RESULT, ExamScorer
from mammorisk.service.inbox import Inbox
from mammorisk.service.job_queue import JobQueue
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
        ``folder`` or, if it failed, with its ``error``.
    """
    folder_out.mkdir(parents=True, exist_ok=True)
    exams: list[dict[str, Any]] = []
    with TemporaryDirectory() as state, JobQueue(state) as queue:
        Watch(Inbox(folder_in, quiet_s=0), folder_out, queue, scorer).run_once()
        for job in queue.jobs():
            if job.state == "done":
                result = json.loads((folder_out / job.id / RESULT).read_bytes())
                exams.append({"folder": job.id, **result})
            else:
                exams.append({"folder": f"{job.id}.failed", "error": job.reason})
    (folder_out / RESULT).write_text(json.dumps({"exams": exams}, indent=2), encoding="utf-8")
    sync_path(folder_out / RESULT)
    return {"exams": exams}
