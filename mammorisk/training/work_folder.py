"""Folder of the checkpoints of a fit, with a check that they belong to the same fit."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from mammorisk._utils.atomic_write import atomic_write
from mammorisk.errors import OutputError
from mammorisk.risk_models.recipe import Recipe

if TYPE_CHECKING:
    from mammorisk.records.cohort import Cohort


class WorkFolder:
    """Folder of checkpoints: beside the model if it is saved, else temporary."""

    def __init__(self, out: str | Path | None, recipe: Recipe, cohort: Cohort) -> None:
        self.kept = None if out is None else Path(out).with_name(Path(out).name + ".work")
        text = recipe.model_dump_json() + "".join(cohort.exams["exam_id"].astype(str))
        self.key = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
        self.temporary: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> Path:
        if self.kept is None:
            self.temporary = tempfile.TemporaryDirectory()
            return Path(self.temporary.name)
        note = self.kept / "run.json"
        try:
            self.kept.mkdir(parents=True, exist_ok=True)
            if note.exists() and json.loads(note.read_text()).get("key") != self.key:
                raise OutputError(
                    "the folder contains an unfinished fit of another recipe or cohort",
                    where=self.kept.name,
                    remedy="Remove that folder, or use another out.",
                )
            atomic_write(note, lambda path: path.write_text(json.dumps({"key": self.key})))
        except (OSError, ValueError) as error:
            raise OutputError(
                f"the fit cannot be saved ({type(error).__name__})", where=self.kept.name
            ) from None
        return self.kept

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if self.temporary is not None:
            self.temporary.cleanup()
        elif kind is None and self.kept is not None:
            shutil.rmtree(self.kept, ignore_errors=True)
