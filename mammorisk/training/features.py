"""Features of all views of a cohort in a file, computed part by part."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from mammorisk._utils.atomic_write import atomic_write
from mammorisk._utils.progress import ShowProgress
from mammorisk.errors import OutputError
from mammorisk.inputs.exam_set import ExamSet
from mammorisk.risk_models.hybrid.model import encode
from mammorisk.runtime.torch_encoder import torch_encoder

#: Number of exams after which the features are on disk.
_EXAMS_A_PART = 64


def keep_features(
    folder: Path,
    encoder: nn.Module,
    exams: ExamSet,
    width: int,
    *,
    on_exam: ShowProgress | None = None,
) -> Tensor:
    """Compute the features of every view, and continue where an interrupted call stopped.

    Parameters
    ----------
    folder : Path
        Folder of ``features.npy``.
    encoder : Module
    exams : ExamSet, n exams
    width : int
        Number of features of a view.
    on_exam : callable, optional

    Returns
    -------
    Tensor, shape (n, tokens, width)
        0 where there is no view. It is a map of the file, so it does not fill the memory.

    Raises
    ------
    OutputError
        The disk is full. What was computed is kept.
    """
    file, note = folder / "features.npy", folder / "features.done"
    shape = (len(exams), exams.tokens, width)
    done = json.loads(note.read_text())["exams"] if file.is_file() and note.is_file() else 0
    run = torch_encoder(encoder)
    try:
        kept = np.lib.format.open_memmap(
            file, mode="r+" if done else "w+", dtype=np.float32, shape=None if done else shape
        )
        for first in range(done, len(exams), _EXAMS_A_PART):
            rows = np.arange(first, min(first + _EXAMS_A_PART, len(exams)))
            kept[rows] = encode(run, exams.take(rows), width).numpy()
            kept.flush()
            told = json.dumps({"exams": int(rows[-1]) + 1})
            atomic_write(note, lambda path, told=told: path.write_text(told))  # type: ignore[misc]
            if on_exam is not None:
                on_exam("exams encoded", int(rows[-1]) + 1, len(exams))
    except OSError as error:
        raise OutputError(
            f"the features of the views cannot be written ({error.strerror})",
            where=folder.name,
            remedy="Free space, and start the same call again: it goes on.",
        ) from None
    # Copy-on-write, because torch wants arrays that can be written.
    return torch.from_numpy(np.load(file, mmap_mode="c"))
