"""Folder of the checkpoints and logs of a fit, with a check that they belong to the same fit."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from mammorisk._utils.atomic_write import atomic_write
from mammorisk._utils.digests import config_digest
from mammorisk._utils.model_folder import weights_digest
from mammorisk.errors import OutputError
from mammorisk.findings.recipe import FindingsRecipe
from mammorisk.records.cohort import KEYS, OUTCOME_COLUMNS
from mammorisk.risk_models.recipe import Recipe
from mammorisk.training.processes import process_place

if TYPE_CHECKING:
    from mammorisk.base import RiskModel
    from mammorisk.findings.base import Detector
    from mammorisk.records.cohort import Cohort

#: Other columns that a fit uses: division of the women, labels of breasts, prior exams, images.
_USED = ("split", "site", "vendor", "exam_date", "cancer_laterality", "prior_exam_id", "path")
#: Files that are removed when the fit is done.
_INTERIM = {".ckpt", ".safetensors", ".npy", ".done"}


class WorkFolder:
    """Folder of checkpoints and logs: beside the model if it is saved, else temporary.

    After the fit only logs and pictures stay.

    Parameters
    ----------
    out : path or None
    recipe : Recipe or FindingsRecipe
    cohort : Cohort
    inputs : str
        What else identifies the fit, such as embeddings or the initial model.
    """

    def __init__(
        self,
        out: str | Path | None,
        recipe: Recipe | FindingsRecipe,
        cohort: Cohort,
        inputs: str = "",
    ) -> None:
        self.kept = None if out is None else Path(out).with_name(Path(out).name + ".work")
        columns = [c for c in cohort.exams.columns if c in (*KEYS, *OUTCOME_COLUMNS, *_USED)]
        rows = pd.util.hash_pandas_object(cohort.exams[columns].astype(str), index=False)
        key = hashlib.blake2b(recipe.model_dump_json().encode(), digest_size=8)
        answers = pd.util.hash_pandas_object(cohort.questionnaires.astype(str), index=False)
        for part in (rows, answers):
            key.update(part.to_numpy().tobytes())
        key.update(inputs.encode())
        self.key = key.hexdigest()
        self.temporary: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> Path:
        if self.kept is None:
            self.temporary = tempfile.TemporaryDirectory()
            return Path(self.temporary.name)
        note = self.kept / "run.json"
        try:
            told = json.loads(note.read_text()) if note.exists() else {}
            if told.get("done"):
                shutil.rmtree(self.kept)
            elif told and told.get("key") != self.key:
                raise OutputError(
                    "the folder contains an unfinished fit of another recipe or cohort, or of "
                    "other inputs",
                    where=self.kept.name,
                    remedy="Remove that folder, or use another out.",
                )
            self.kept.mkdir(parents=True, exist_ok=True)
            kept = {"exams": told["exams"]} if "exams" in told and not told.get("done") else {}
            _write(note, {"key": self.key, **kept})
        except (OSError, ValueError) as error:
            raise OutputError(
                f"the fit cannot be saved ({type(error).__name__})", where=self.kept.name
            ) from None
        return self.kept

    def check_exams(self, digest: str) -> None:
        """Refuse other images than those with which an unfinished fit began.

        Parameters
        ----------
        digest : str
            Of the exams as they were read.

        Raises
        ------
        OutputError
        """
        if self.kept is None:
            return
        note = self.kept / "run.json"
        told = json.loads(note.read_text())
        if told.setdefault("exams", digest) != digest:
            raise OutputError(
                "the folder contains an unfinished fit of other images",
                where=self.kept.name,
                remedy="Remove that folder, or use another out.",
            )
        _write(note, told)

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if self.temporary is not None:
            self.temporary.cleanup()
        elif kind is None and self.kept is not None and process_place()[0] == 0:
            for other in self.kept.glob("process-*"):
                shutil.rmtree(other, ignore_errors=True)
            _write(self.kept / "run.json", {"key": self.key, "done": True})
            shutil.rmtree(self.kept / "images", ignore_errors=True)
            for file in self.kept.rglob("*"):
                if file.is_file() and file.suffix in _INTERIM:
                    file.unlink(missing_ok=True)
            shutil.rmtree(self.kept / "views", ignore_errors=True)


def digest_of(begin: RiskModel | Detector | None) -> str:
    """Digest of an initial model, for the inputs of a fit; empty without one."""
    if begin is None:
        return ""
    state = begin.state()
    return f"{weights_digest(state)} {config_digest(state)}"


def _write(note: Path, told: dict[str, object]) -> None:
    atomic_write(note, lambda path: path.write_text(json.dumps(told)))
