"""ReceivedImages: images and answers that came over the network, kept until they are scored."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from mammorisk.service.arrived_exam import (
    AMBIGUOUS,
    CONFLICTS,
    QUESTIONNAIRE,
    ArrivedExam,
    arrived_exam,
    is_complete,
)
from mammorisk.service.durable_files import sync_path, write_file
from mammorisk.service.job_queue import JobQueue
from mammorisk.service.received_header import (
    ReceivedHeader,
    accession_digest,
    content_digest,
    read_header,
    read_meta,
)

#: What became of an object. ``"stored"``: kept to be scored. ``"duplicate"``: it was there already.
#: ``"conflict"``: another object with its UID was there first; kept apart, and the exam is flagged.
#: ``"set aside"``: no mammogram of a standard view; not kept. ``"unreadable"``: not kept.
Outcome = Literal["stored", "duplicate", "conflict", "set aside", "unreadable"]

# changed: number of the event after which the exam is to be scored; 0 if it was taken since.
_TABLES = """
CREATE TABLE IF NOT EXISTS images (
    exam TEXT NOT NULL,
    instance TEXT NOT NULL,
    path TEXT NOT NULL,
    view TEXT NOT NULL,
    content TEXT NOT NULL,
    accession TEXT NOT NULL,
    patient TEXT NOT NULL,
    at REAL NOT NULL,
    changed INTEGER NOT NULL,
    PRIMARY KEY (exam, instance)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS images_by_accession ON images (accession);
CREATE INDEX IF NOT EXISTS images_that_changed ON images (exam) WHERE changed > 0;
CREATE TABLE IF NOT EXISTS answers (
    accession TEXT PRIMARY KEY,
    content TEXT NOT NULL,
    at REAL NOT NULL
) WITHOUT ROWID;
"""
#: Number of the next event.
_NOW = "(SELECT COALESCE(MAX(n), 0) + 1 FROM events)"


class ReceivedImages:
    """A folder of images that came over the network, with their rows in the queue.

    An image is in a folder named by a digest of its StudyInstanceUID, in a file named by a digest
    of its SOPInstanceUID. The database has digests of these, of the accession number and of the
    PatientID.

    Parameters
    ----------
    folder : Path
        It is created if it does not exist.
    queue : JobQueue
    quiet_s : float
        Seconds without a new image after which an exam with fewer than four views is taken.
    answers_s : float
        Seconds after the last image for which an exam with an accession number waits for answers.

    Attributes
    ----------
    spool : Path
        Folder in which files are put before :meth:`receive`, on the same disk.
    outcomes : Counter
        Number of objects by what became of them, since the start.
    """

    def __init__(
        self, folder: Path, queue: JobQueue, *, quiet_s: float, answers_s: float = 0
    ) -> None:
        self.folder = folder
        self.quiet_s = quiet_s
        self.answers_s = answers_s
        self.spool = folder / ".spool"
        self.outcomes: Counter[Outcome] = Counter()
        self._queue = queue
        self._turn = threading.Lock()
        #: Last change of each exam at the scan that returned it.
        self._seen: dict[str, int] = {}
        # What a process that was killed had begun to receive: it was not confirmed.
        shutil.rmtree(self.spool, ignore_errors=True)
        self.spool.mkdir(parents=True, mode=0o700)
        queue.add_tables(_TABLES)

    def receive(self, file: Path) -> Outcome:
        """Take a DICOM file out of the spool. When this returns, it is on disk with its row.

        Any number of threads can call it.

        Parameters
        ----------
        file : Path
            A whole file with file meta information. It is moved or removed.

        Returns
        -------
        {"stored", "duplicate", "conflict", "set aside", "unreadable"}

        Raises
        ------
        OSError, sqlite3.OperationalError
            It cannot be stored, for example because the disk is full. Nothing of it is kept.
        """
        try:
            outcome = self._receive(file)
        finally:
            file.unlink(missing_ok=True)
        with self._turn:
            self.outcomes[outcome] += 1
        return outcome

    def _receive(self, file: Path) -> Outcome:
        meta = read_meta(file)
        if meta is None:
            return "unreadable"
        header = read_header(file, meta)
        if not isinstance(header, ReceivedHeader):
            return header
        content = content_digest(file, meta)
        sync_path(file)
        with self._turn:
            return self._keep(file, header, content)

    def _keep(self, file: Path, header: ReceivedHeader, content: str) -> Outcome:
        there = self._queue.rows(
            "SELECT content, view FROM images WHERE exam = ? AND instance = ?",
            header.exam,
            header.instance,
        )
        if there and there[0][0] == content:
            return "duplicate"
        # A damaged image is replaced by a whole one.
        if there and (there[0][1] or not header.view):
            return self._keep_conflict(file, header, content)
        path = f"{header.exam}/{header.instance}.dcm"
        self._move(file, self.folder / path)
        row = (header.exam, header.instance, path, header.view, content, header.accession)
        with self._queue.change() as database:
            database.execute(
                f"INSERT OR REPLACE INTO images VALUES (?, ?, ?, ?, ?, ?, ?, ?, {_NOW})",
                (*row, header.patient, self._queue.now()),
            )
            self._queue.tell(header.exam, "image received", view=header.view)
        return "stored"

    def _keep_conflict(self, file: Path, header: ReceivedHeader, content: str) -> Outcome:
        """Keep another content of a UID apart, and flag the exam that has the first one."""
        exam = header.exam
        kept = self.folder / exam / CONFLICTS / f"{header.instance}-{content[:16]}.dcm"
        is_known = kept.exists()
        if not is_known:
            self._move(file, kept)
        with self._queue.change() as database:
            # Also for a known one: a kill may have come between the file and this row.
            database.execute(f"UPDATE images SET changed = {_NOW} WHERE exam = ?", (exam,))
            self._queue.tell(exam, "image in conflict", image=header.instance, again=is_known)
        return "duplicate" if is_known else "conflict"

    def _move(self, file: Path, to: Path) -> None:
        """Move a file so that its name is on disk, with those of new folders."""
        for folder in (to.parent.parent, to.parent):
            if folder != self.folder and not folder.is_dir():
                folder.mkdir(mode=0o700)
                sync_path(folder.parent)
        os.replace(file, to)
        sync_path(to.parent)

    def receive_answers(self, accession: str, answers: Mapping[str, Any]) -> bool:
        """Keep the answers of a woman for the exams with her accession number.

        Parameters
        ----------
        accession : str
            AccessionNumber (0008,0050) of the images.
        answers : mapping
            Fields of a questionnaire that were checked.

        Returns
        -------
        bool
            Whether they are new. An exam that was scored without them is then scored again.
        """
        key, content = accession_digest(accession), json.dumps(dict(answers), sort_keys=True)
        with self._queue.change() as database:
            before = database.execute(
                "SELECT content FROM answers WHERE accession = ?", (key,)
            ).fetchone()
            if before == (content,):
                return False
            database.execute(
                "INSERT OR REPLACE INTO answers VALUES (?, ?, ?)", (key, content, self._queue.now())
            )
            database.execute(f"UPDATE images SET changed = {_NOW} WHERE accession = ?", (key,))
            self._queue.tell(key[:16], "answers received", fields=len(answers))
        return True

    def scan(self) -> list[ArrivedExam]:
        """Return the exams that can be scored and were not taken yet, with their answers."""
        now = self._queue.now()
        found = []
        for exam, last, changed, accession in self._queue.rows(
            "SELECT exam, MAX(at), MAX(changed), MAX(accession) FROM images WHERE changed > 0 "
            "GROUP BY exam ORDER BY MAX(at)"
        ):
            images = self._images(exam)
            if not is_complete(images) and now - last < self.quiet_s:
                continue
            try:
                has_answers = self._join_answers(exam)
            except FileNotFoundError:
                # Its images were removed meanwhile.
                continue
            if has_answers or not accession or now - last >= self.answers_s:
                found.append(arrived_exam(self.folder, exam, images))
                self._seen[exam] = changed
        return found

    def taken(self, one: ArrivedExam) -> None:
        """Return an exam no more until an image or answers are received for it."""
        with self._queue.change() as database:
            # What was received since the scan is not part of this job.
            database.execute(
                "UPDATE images SET changed = 0 WHERE exam = ? AND changed <= ?",
                (one.exam, self._seen.pop(one.exam, 0)),
            )

    def _images(self, exam: str) -> dict[str, tuple[str, str]]:
        rows = self._queue.rows(
            "SELECT instance, content, path, view FROM images WHERE exam = ?", exam
        )
        # With the content: a whole image in place of a damaged one makes another job.
        return {f"{instance} {content}": (path, view) for instance, content, path, view in rows}

    def _join_answers(self, exam: str) -> bool:
        """Write the answers for an exam beside its images. Return whether there are any."""
        known = self._queue.rows(
            "SELECT answers.content, (SELECT COUNT(DISTINCT patient) FROM images AS others "
            "WHERE others.accession = answers.accession) FROM answers WHERE accession IN "
            "(SELECT accession FROM images WHERE exam = ? AND accession != '')",
            exam,
        )
        if not known:
            return False
        folder = self.folder / exam
        is_ambiguous = len(known) > 1 or known[0][1] > 1
        if is_ambiguous:
            is_news = not (folder / AMBIGUOUS).exists()
            write_file(folder / AMBIGUOUS, b"")
            if is_news:
                self._repeat_all_with_accession_of(exam)
        else:
            (folder / AMBIGUOUS).unlink(missing_ok=True)
            write_file(folder / QUESTIONNAIRE, known[0][0].encode())
        return True

    def _repeat_all_with_accession_of(self, exam: str) -> None:
        """Also those that were scored before it was known that the answers may be another's."""
        with self._queue.change() as database:
            database.execute(
                f"UPDATE images SET changed = {_NOW} WHERE accession != '' AND accession IN "
                "(SELECT accession FROM images WHERE exam = ?)",
                (exam,),
            )
            self._queue.tell(exam, "answers are ambiguous")

    def forget(self, older_than_s: float) -> int:
        """Remove the images and answers of exams that were scored, and whose images are old.

        Parameters
        ----------
        older_than_s : float
            Seconds since the last image.

        Returns
        -------
        int
            Number of exams that were removed.
        """
        before = self._queue.now() - older_than_s
        removed = 0
        # Over the query too: a late view that was confirmed since would be removed.
        with self._turn:
            for (exam,) in self._queue.rows(
                "SELECT exam FROM images GROUP BY exam HAVING MAX(at) < ? AND MAX(changed) = 0 "
                "AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.exam = images.exam "
                "AND state IN ('ready', 'running'))",
                before,
            ):
                with self._queue.change() as database:
                    database.execute("DELETE FROM images WHERE exam = ?", (exam,))
                    self._queue.tell(exam, "images removed")
                shutil.rmtree(self.folder / exam, ignore_errors=True)
                removed += 1
        with self._queue.change() as database:
            database.execute(
                "DELETE FROM answers WHERE at < ? AND accession NOT IN "
                "(SELECT accession FROM images)",
                (before,),
            )
        return removed
