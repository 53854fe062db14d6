"""The log of a training: one row an epoch, written as CSV, and its progress with the loss."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import pandas as pd
import torch
from lightning.pytorch.callbacks import Callback

from mammorisk._utils.atomic_write import atomic_write
from mammorisk._utils.progress import ShowProgress, show_progress
from mammorisk.metrics import concordance_index
from mammorisk.records.outcome import Outcome
from mammorisk.training.exam_steps import Step
from mammorisk.training.processes import process_place


class TrainingLog(Callback):
    """Collect the losses, C index, learning rates and speed of each epoch.

    Parameters
    ----------
    file : Path
        CSV file, written after each epoch, also if the fit is interrupted later.
    outcome : Outcome or None
        Outcomes of all women, for the C index of the women in validation. None leaves it out.
    stage : str
        Name of the stage for the progress.
    exams : int
        Number of exams of an epoch.
    tell : callable, optional
        Shows the progress.

    Attributes
    ----------
    rows : list of dict
        ``epoch`` (from 1), ``steps``, ``loss``, ``validation_loss``, ``c_index``, one
        ``learning_rate`` a group, ``seconds``, ``exams_per_second`` and ``waiting_share``, the
        share of the time in which the training waited for data.
    """

    def __init__(
        self,
        file: Path,
        outcome: Outcome | None,
        stage: str,
        exams: int,
        tell: ShowProgress | None = None,
    ) -> None:
        self.file, self.outcome = file, outcome
        self.stage, self.exams, self.tell = stage, exams, tell
        self.rows: list[dict[str, float]] = []
        self._loss = float("nan")
        self._begun = self._last = 0.0
        self._waited, self._seen = 0.0, 0

    def on_train_epoch_start(self, trainer: lightning.Trainer, module: Any) -> None:
        self._restart_clock()

    def on_train_start(self, trainer: lightning.Trainer, module: Any) -> None:
        self._restart_clock()

    def _restart_clock(self) -> None:
        self._begun = self._last = time.perf_counter()
        self._waited, self._seen = 0.0, 0

    def on_train_batch_start(self, trainer: Any, module: Any, batch: Any, index: int) -> None:
        self._waited += time.perf_counter() - self._last

    def on_train_batch_end(
        self, trainer: Any, module: Any, outputs: Any, batch: Any, index: int
    ) -> None:
        self._last = time.perf_counter()
        size = batch.size if isinstance(batch, Step) else len(batch)
        self._seen += size
        if self.tell is None:
            return
        loss = float(outputs["loss"]) if isinstance(outputs, dict) else float("nan")
        # A running mean, because the loss of a batch with few cancers says little.
        self._loss = loss if np.isnan(self._loss) else 0.95 * self._loss + 0.05 * loss
        total = trainer.max_epochs * self.exams
        # The last batch may be smaller than the others.
        ends = index + 1 >= trainer.num_training_batches
        inside = self.exams if ends else (index + 1) * size
        done = trainer.current_epoch * self.exams + inside
        self.tell(self.stage, done, total, note=self._note(trainer))

    def _note(self, trainer: lightning.Trainer) -> str:
        parts = [f"epoch {trainer.current_epoch + 1} of {trainer.max_epochs}"]
        parts.append(f"loss {self._loss:.4g}")
        if self.rows:
            parts.append(f"validation {self.rows[-1]['validation_loss']:.4g}")
        return ", ".join(parts)

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: Any) -> None:
        seconds = time.perf_counter() - self._begun
        told = trainer.callback_metrics
        row: dict[str, float] = {
            "epoch": trainer.current_epoch + 1,
            "steps": trainer.global_step,
            "loss": float(told.get("loss", torch.tensor(float("nan")))),
            "validation_loss": float(told["validation_loss"]),
            "c_index": self._concordance(module),
        }
        for group in trainer.optimizers[0].param_groups:
            if group["weight_decay"] or len(trainer.optimizers[0].param_groups) == 1:
                row[f"learning_rate {group.get('name', '')}".strip()] = float(group["lr"])
        row["seconds"] = seconds
        row["exams_per_second"] = self._seen / seconds if seconds > 0 else float("nan")
        row["waiting_share"] = self._waited / seconds if seconds > 0 else float("nan")
        self.rows.append(row)
        for logger in trainer.loggers:
            extra = {"c_index", "exams_per_second", "waiting_share"}
            logger.log_metrics({k: row[k] for k in extra}, step=trainer.global_step)
        table = self.table()
        atomic_write(self.file, lambda path: table.to_csv(path, index=False))

    def table(self) -> pd.DataFrame:
        """One row an epoch."""
        return pd.DataFrame(self.rows)

    def _concordance(self, module: Any) -> float:
        risk = getattr(module, "held_risk", None)
        if self.outcome is None or risk is None:
            return float("nan")
        known = np.isfinite(risk)
        if process_place()[1] > 1:
            # Each process has the risks of its own women.
            both = torch.from_numpy(np.stack([np.where(known, risk, 0.0), known]))
            both = both.to(module.device)
            torch.distributed.all_reduce(both)
            total, count = both.cpu().numpy()
            known = count > 0
            risk = np.where(known, total / np.maximum(count, 1), np.nan)
        held = np.flatnonzero(known)
        return float(concordance_index(self.outcome.take(held), risk[held]).value)

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.rows = list(state["rows"])


@contextmanager
def shown(show: bool) -> Iterator[ShowProgress | None]:
    """Context manager for progress on standard error; None if it is not shown."""
    with ExitStack() as stack:
        yield stack.enter_context(show_progress(sys.stderr)) if show else None
