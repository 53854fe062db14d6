"""Loggers of Lightning by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from lightning.pytorch.loggers import Logger, MLFlowLogger, TensorBoardLogger, WandbLogger

from mammorisk.errors import MissingDependency, TrainingError

_MAKE: dict[str, Callable[[Path], Logger]] = {
    "tensorboard": lambda folder: TensorBoardLogger(folder, name="", version="tensorboard"),
    "wandb": lambda folder: WandbLogger(project="mammorisk", save_dir=folder),
    "mlflow": lambda folder: MLFlowLogger("mammorisk", tracking_uri=f"file:{folder / 'mlflow'}"),
}
#: Names of loggers.
LOGGERS = tuple(_MAKE)


def make_loggers(names: Sequence[str], folder: Path) -> list[Logger]:
    """Create loggers, which write to a folder of the fit, and to wandb's server if it is set up.

    Parameters
    ----------
    names : sequence of str
        Any of :data:`LOGGERS`.
    folder : Path

    Raises
    ------
    TrainingError
        There is no logger of a name.
    MissingDependency
        Its library is not installed.
    """
    unknown = [name for name in names if name not in _MAKE]
    if unknown:
        raise TrainingError(
            f"there is no logger {unknown[0]!r}", where="loggers", remedy=f"Use {', '.join(_MAKE)}."
        )
    made = []
    for name in names:
        try:
            made.append(_MAKE[name](folder))
        except (ModuleNotFoundError, ImportError):
            raise MissingDependency(
                f"the logger {name} is not installed", remedy=f"pip install {name}"
            ) from None
    return made
