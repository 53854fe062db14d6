"""One stage of a fit with Lightning, which can be resumed in the middle of an epoch."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import lightning
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, EMAWeightAveraging
from safetensors.torch import load_file, save_file
from torch.utils.data import Dataset

from mammorisk._utils.atomic_write import atomic_write
from mammorisk.errors import OutputError
from mammorisk.records.outcome import Outcome
from mammorisk.risk_models.recipe import TrainingOptions
from mammorisk.training.exam_steps import EpochSampler, make_loader
from mammorisk.training.loggers import make_loggers
from mammorisk.training.training_log import TrainingLog, shown

#: Name of our part of a checkpoint.
_OURS = "mammorisk"


@dataclass(frozen=True, kw_only=True)
class StageOptions:
    """How a stage runs. Nothing of it changes the result on a processor.

    Attributes
    ----------
    progress : bool
        Show progress on standard error.
    workers : int
        Number of processes that read and augment exams.
    loggers : sequence of str
        Any of ``"tensorboard"``, ``"wandb"``, ``"mlflow"``, besides the CSV file.
    checkpoint_minutes : float
        Time between checkpoints within an epoch.
    key : str
        Identifies the fit. A checkpoint of another fit is refused.
    devices, strategy, accelerator
        Arguments of Lightning's Trainer.
    """

    progress: bool = False
    workers: int = 0
    loggers: Sequence[str] = ()
    checkpoint_minutes: float = 5.0
    key: str = ""
    devices: str | int = "auto"
    strategy: str = "auto"
    accelerator: str = "auto"
    on_one_processor: bool = field(default=False)

    @property
    def place(self) -> dict[str, Any]:
        """Arguments of Lightning's Trainer."""
        if self.on_one_processor:
            return {"devices": 1, "accelerator": "cpu", "strategy": "auto"}
        return {
            "devices": self.devices,
            "strategy": self.strategy,
            "accelerator": self.accelerator,
        }


class Checkpoints(Callback):
    """Save the state of a training within epochs, at steps of the optimizer, and after epochs.

    The file also has the place in the data: the epoch, and the number of its batches that are done.

    Parameters
    ----------
    file : Path
    seconds : float
        Time between checkpoints within an epoch.
    key : str
        Key of the fit.
    """

    def __init__(self, file: Path, seconds: float, key: str) -> None:
        self.file, self.seconds, self.key = file, seconds, key
        self._saved = time.monotonic()
        self._position: dict[str, Any] = {}

    def on_train_batch_end(
        self, trainer: lightning.Trainer, module: Any, outputs: Any, batch: Any, index: int
    ) -> None:
        done = index + 1
        at_step = done % trainer.accumulate_grad_batches == 0
        # After the last batch the validation follows, and then the checkpoint of the epoch.
        if not at_step or done >= trainer.num_training_batches:
            return
        late = time.monotonic() - self._saved >= self.seconds
        if trainer.strategy.broadcast(late):
            self._save(trainer, trainer.current_epoch, done)

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: Any) -> None:
        self._save(trainer, trainer.current_epoch + 1, 0)

    def _save(self, trainer: lightning.Trainer, epoch: int, batches: int) -> None:
        self._position = {
            "key": self.key,
            "epoch": epoch,
            "batches": batches,
            "stopped": bool(trainer.should_stop),
        }
        # Lightning writes the file atomically.
        trainer.save_checkpoint(self.file)
        self._saved = time.monotonic()

    def on_save_checkpoint(self, trainer: Any, module: Any, checkpoint: dict[str, Any]) -> None:
        checkpoint[_OURS] = self._position


class BestWeights(Callback):
    """Keep the weights of the epoch with the lowest validation loss, also after a restart.

    Parameters
    ----------
    file : Path
    average : EMAWeightAveraging, optional
        The average of the weights, which was validated.
    """

    def __init__(self, file: Path, average: EMAWeightAveraging | None = None) -> None:
        self.file, self.average, self.lowest = file, average, float("inf")

    def on_validation_end(self, trainer: lightning.Trainer, module: Any) -> None:
        loss = float(trainer.callback_metrics["validation_loss"])
        if loss < self.lowest:
            _save_weights(_validated(module, self.average), self.file)
        self.lowest = min(self.lowest, loss)

    def state_dict(self) -> dict[str, Any]:
        return {"lowest": self.lowest}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.lowest = float(state["lowest"])


Module = TypeVar("Module", bound=lightning.LightningModule)


def run_stage(
    module: Module,
    train: EpochSampler,
    held: EpochSampler,
    steps: tuple[Dataset[Any], Dataset[Any]],
    *,
    epochs: int,
    options: TrainingOptions,
    folder: Path,
    stage: StageOptions,
    name: str = "exams",
    outcome: Outcome | None = None,
) -> Module:
    """Fit a module. Continue from the last checkpoint of the folder if there is one.

    Parameters
    ----------
    module : LightningModule
        Module that logs ``loss`` and ``validation_loss``.
    train, held : EpochSampler
        Draws for training and validation.
    steps : tuple of Dataset
        Data of the draws for training and for validation.
    epochs : int
    options : TrainingOptions
    folder : Path
        Folder of checkpoints and logs of this stage.
    stage : StageOptions
    name : str
        What the progress counts.
    outcome : Outcome, optional
        Outcomes of all women, for the C index of the women in validation.

    Returns
    -------
    LightningModule
        Module with the weights of the epoch with the lowest validation loss if ``patience`` is
        set, else of the last epoch. With ``ema_decay`` they are averaged weights.

    Raises
    ------
    OutputError
        The checkpoint belongs to another fit, or cannot be written.
    """
    final, best = folder / "final.safetensors", folder / "best.safetensors"
    if final.is_file():
        module.load_state_dict(load_file(final))
        return module.eval().cpu()
    last = folder / "last.ckpt"
    position = _position(last, stage.key)
    average = EMAWeightAveraging(decay=options.ema_decay) if options.ema_decay else None
    callbacks: list[Callback] = [] if average is None else [average]
    if options.patience:
        callbacks += [
            BestWeights(best, average),
            EarlyStopping("validation_loss", patience=options.patience),
        ]
    with _quiet(), shown(stage.progress) as tell:
        log = TrainingLog(folder / "log.csv", outcome, name, len(train.rows), tell)
        # The checkpoint is saved last, because it has the states of the others.
        callbacks += [log, Checkpoints(last, 60 * stage.checkpoint_minutes, stage.key)]
        trainer = lightning.Trainer(
            max_epochs=epochs,
            callbacks=callbacks,
            logger=make_loggers(stage.loggers, folder) or False,
            accumulate_grad_batches=options.accumulate_batches,
            precision=options.precision,
            gradient_clip_val=5.0,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            # On a GPU some operations have no deterministic form; on a processor all have one.
            deterministic="warn",
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            **stage.place,
        )
        if position is not None:
            train.resume(position["epoch"], position["batches"])
        folder.mkdir(parents=True, exist_ok=True)
        if position is None or not position["stopped"]:
            trainer.fit(
                module,
                make_loader(steps[0], train, stage.workers),
                make_loader(steps[1], held, stage.workers),
                ckpt_path=None if position is None else last,
                weights_only=True,
            )
        else:
            # Stopped early, and interrupted before the end of the stage.
            module.load_state_dict(torch.load(last, weights_only=True)["state_dict"])
        if options.patience and best.is_file():
            module.load_state_dict(load_file(best))
    _save_weights(module.state_dict(), final)
    return module.eval().cpu()


def _position(file: Path, key: str) -> dict[str, Any] | None:
    """Place in the data of a checkpoint; None without one."""
    if not file.is_file():
        return None
    try:
        found = torch.load(file, map_location="cpu", weights_only=True, mmap=True)[_OURS]
    except (OSError, RuntimeError, KeyError, EOFError, ValueError):
        raise OutputError(
            "the checkpoint of the interrupted fit is damaged",
            where=file.parent.name,
            remedy="Remove this folder: the stage then starts again.",
        ) from None
    if found["key"] != key:
        raise OutputError(
            "the checkpoint belongs to a fit of another recipe or cohort",
            where=file.parent.name,
            remedy="Remove this folder, or use another out.",
        )
    position: dict[str, Any] = found
    return position


def _validated(module: Any, average: EMAWeightAveraging | None) -> dict[str, torch.Tensor]:
    if average is None or average._average_model is None:
        state: dict[str, torch.Tensor] = module.state_dict()
    else:
        state = average._average_model.module.state_dict()
    return state


def _save_weights(state: dict[str, torch.Tensor], file: Path) -> None:
    # Copies, because tensors that share memory cannot be saved.
    found = {name: value.detach().cpu().clone().contiguous() for name, value in state.items()}
    atomic_write(file, lambda path: save_file(found, path))


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress Lightning's advice on workers and hardware, which is not useful to users."""
    names = ("lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero")
    levels = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning")
            warnings.filterwarnings("ignore", "(?s).*deterministic", UserWarning)
            # Workers only read files and compute, which is safe after a fork.
            warnings.filterwarnings("ignore", "This process .* is multi-threaded, use of fork")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
