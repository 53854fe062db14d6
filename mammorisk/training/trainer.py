"""One stage of a fit with Lightning, which can be resumed."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from mammorisk._utils.atomic_write import atomic_write
from mammorisk.risk_models.recipe import TrainingOptions


class EpochSampler(Sampler[Tensor]):
    """Batches of rows in an order that depends only on the seed and the epoch.

    Parameters
    ----------
    rows : ndarray of int
    batch_size, seed : int
    probability : ndarray, optional
        Probabilities of drawing rows, with replacement.
    """

    def __init__(
        self,
        rows: NDArray[np.int64],
        batch_size: int,
        seed: int,
        probability: NDArray[np.float64] | None = None,
    ) -> None:
        self.rows, self.batch_size, self.seed = rows, batch_size, seed
        self.probability = probability
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __iter__(self) -> Iterator[Tensor]:
        rng = np.random.default_rng([self.seed, self.epoch])
        if self.probability is None:
            order = rng.permutation(self.rows)
        else:
            order = rng.choice(self.rows, len(self.rows), p=self.probability)
        rank, world = _place()
        # All processes need the same number of batches, or they would wait for each other.
        count = len(self) * world
        batches = [order[i : i + self.batch_size] for i in range(0, len(order), self.batch_size)]
        batches = (batches * 2)[:count] if count > len(batches) else batches
        for batch in batches[rank::world]:
            yield torch.from_numpy(batch)

    def __len__(self) -> int:
        batches = -(-len(self.rows) // self.batch_size)
        return -(-batches // _place()[1])


def _place() -> tuple[int, int]:
    """Index of this process in the training, and the number of processes."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return 0, 1


class _Batches(torch.utils.data.Dataset[Tensor]):
    """Dataset of row numbers. Samplers return whole batches."""

    def __getitem__(self, rows: Tensor) -> Tensor:
        return rows


def loader(sampler: EpochSampler) -> DataLoader[Tensor]:
    return DataLoader(_Batches(), sampler=sampler, batch_size=None)


class BestWeights(Callback):
    """Keep the weights of the epoch with the lowest validation loss, also after a restart.

    Parameters
    ----------
    file : Path
    """

    def __init__(self, file: Path) -> None:
        self.file, self.lowest = file, float("inf")

    def on_validation_end(self, trainer: lightning.Trainer, module: Any) -> None:
        loss = float(trainer.callback_metrics["validation_loss"])
        if trainer.is_global_zero and loss < self.lowest:
            self.lowest = loss
            state = {name: value.cpu().contiguous() for name, value in module.state_dict().items()}
            atomic_write(self.file, lambda path: save_file(state, path))

    def state_dict(self) -> dict[str, Any]:
        return {"lowest": self.lowest}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.lowest = float(state["lowest"])


Module = TypeVar("Module", bound=lightning.LightningModule)


def run_stage(
    module: Module,
    train: EpochSampler,
    validation: NDArray[np.int64],
    *,
    epochs: int,
    options: TrainingOptions,
    folder: Path,
    progress: bool,
    devices: str | int = "auto",
    strategy: str = "auto",
    accelerator: str = "auto",
) -> Module:
    """Fit a module. Continue from the last checkpoint of the folder if there is one.

    Parameters
    ----------
    module : LightningModule
        Module whose steps receive rows, and which logs ``validation_loss``.
    train : EpochSampler
    validation : ndarray of int
        Rows.
    epochs : int
    options : TrainingOptions
    folder : Path
        Folder of checkpoints and logs of this stage.
    progress : bool
    devices, strategy, accelerator
        Arguments of Lightning's Trainer.

    Returns
    -------
    LightningModule
        Module with the weights of the epoch with the lowest validation loss if ``patience`` is
        set, else of the last epoch.
    """
    last = ModelCheckpoint(folder, filename="last", save_last=False, enable_version_counter=False)
    callbacks: list[Callback] = [last]
    if options.patience:
        callbacks += [
            BestWeights(folder / "best.safetensors"),
            EarlyStopping("validation_loss", patience=options.patience),
        ]
    held = EpochSampler(validation, 4 * options.batch_size, seed=0)
    with _quiet():
        trainer = lightning.Trainer(
            max_epochs=epochs,
            callbacks=callbacks,
            logger=_loggers(folder),
            accumulate_grad_batches=options.accumulate_batches,
            precision=options.precision,  # type: ignore[arg-type]
            gradient_clip_val=5.0,
            enable_progress_bar=progress,
            enable_model_summary=False,
            deterministic=True,
            num_sanity_val_steps=0,
            devices=devices,
            strategy=strategy,
            accelerator=accelerator,
            use_distributed_sampler=False,
        )
        resumed = folder / "last.ckpt"
        trainer.fit(
            module,
            loader(train),
            loader(held),
            ckpt_path=resumed if resumed.is_file() else None,
            weights_only=True,
        )
        if options.patience and (folder / "best.safetensors").is_file():
            module.load_state_dict(load_file(folder / "best.safetensors"))
    return module.eval().cpu()


def _loggers(folder: Path) -> list[Logger]:
    """A CSV log, and a TensorBoard log if it is installed."""
    loggers: list[Logger] = [CSVLogger(folder, name="", version="")]
    if find_spec("tensorboard") is not None:
        loggers.append(TensorBoardLogger(folder, name="", version="tensorboard"))
    return loggers


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
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
