"""The data of the steps of a training: which exams, their random numbers, and their views.

Everything that is random depends only on the seed, the epoch and the place of an exam in the order
of that epoch. It is the same in this process and in workers, in one process and in several, and
after an interruption.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler, get_worker_info

from mammorisk._utils.free_memory import give_back_memory
from mammorisk.errors import MammoriskError
from mammorisk.inputs.map_in_workers import FORK, unchanged
from mammorisk.inputs.stored_pixels import StoredPixels
from mammorisk.risk_models.augment_options import AugmentOptions
from mammorisk.training.augment import augment_view, drop_views
from mammorisk.training.processes import process_place

#: Number of exams after which a worker gives its free memory back.
_EXAMS_TO_GIVE_BACK = 32


@dataclass(frozen=True)
class Draw:
    """Exams of one step in this process.

    Attributes
    ----------
    epoch : int
    rows : ndarray of int
    places : ndarray of int
        Places of the rows in the order of the epoch.
    size : int
        Number of exams of the step in all processes.
    share : float
        Weight of the mean over the rows, so that the mean over the processes is the mean over the
        step.
    """

    epoch: int
    rows: NDArray[np.int64]
    places: NDArray[np.int64]
    size: int
    share: float


class Step(NamedTuple):
    """Data of one step.

    Attributes
    ----------
    epoch, size, share
        As in :class:`Draw`.
    rows : Tensor of int, shape (n,)
    draws : Tensor, shape (n, 3)
        Uniform random numbers of the exams.
    mask : Tensor of bool, shape (n, tokens), or None
        Views that are used. None without images.
    pixels : Tensor, shape (views, 1, rows, columns), or None
        The views of the mask: bytes, or grey if they were augmented.
    """

    epoch: int
    size: int
    share: float
    rows: Tensor
    draws: Tensor
    mask: Tensor | None
    pixels: Tensor | None


class EpochSampler(Sampler[Draw]):
    """Batches of rows in an order that depends only on the seed and the epoch.

    Several processes share each batch.

    Parameters
    ----------
    rows : ndarray of int
    batch_size, seed : int
        The batch size counts the exams of all processes.
    probability : ndarray, optional
        Probabilities of drawing rows, with replacement.
    shared : bool
        False gives every process whole batches, for stages that each process runs alone.
    """

    def __init__(
        self,
        rows: NDArray[np.int64],
        batch_size: int,
        seed: int,
        probability: NDArray[np.float64] | None = None,
        *,
        shared: bool = True,
    ) -> None:
        self.shared = shared
        self.rows, self.batch_size, self.seed = rows, batch_size, seed
        self.probability = probability
        self.epoch = 0
        self._done = (0, 0)

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def resume(self, epoch: int, batches: int) -> None:
        """Start with an epoch of which some batches were done before an interruption."""
        self.epoch, self._done = epoch, (epoch, batches)

    def __iter__(self) -> Iterator[Draw]:
        rng = np.random.default_rng([self.seed, self.epoch])
        if self.probability is None:
            order = rng.permutation(self.rows)
        else:
            order = rng.choice(self.rows, len(self.rows), p=self.probability)
        epoch, done = self._done
        begin = done if self.epoch == epoch else 0
        rank, world = process_place() if self.shared else (0, 1)
        for batch in range(begin, len(self)):
            places = np.arange(batch * self.batch_size, len(order))[: self.batch_size]
            own = places[rank::world]
            share = len(own) * world / len(places)
            # Every process takes part in every step, also in one with fewer exams than processes.
            own = own if len(own) else places[:1]
            yield Draw(self.epoch, order[own], own, len(places), share)

    def __len__(self) -> int:
        """Number of batches of an epoch."""
        return -(-len(self.rows) // self.batch_size)


class ExamSteps(Dataset["Step | MammoriskError"]):
    """Dataset that turns the draws of a sampler into the data of steps.

    Parameters
    ----------
    seed : int
    pixels : ndarray of uint8 or StoredPixels, shape (n, tokens, rows, columns), or None
    present : ndarray of bool, shape (n, tokens), or None
    augmentation : AugmentOptions or None
        None leaves views unchanged.
    """

    def __init__(
        self,
        seed: int,
        pixels: NDArray[np.uint8] | StoredPixels | None = None,
        present: NDArray[np.bool_] | None = None,
        augmentation: AugmentOptions | None = None,
    ) -> None:
        self.seed, self.pixels, self.present = seed, pixels, present
        self.augmentation = augmentation
        self._exams_made = 0

    def __getitem__(self, draw: Draw) -> Step | MammoriskError:
        try:
            return self._step(draw)
        except MammoriskError as error:
            # Raised in the main process. An exception of a worker would lose its parts.
            return error
        finally:
            if get_worker_info() is not None:
                self._limit_memory(len(draw.rows))

    def _limit_memory(self, exams: int) -> None:
        """Give memory back after some exams. After every exam it would take a fifth of the time."""
        self._exams_made += exams
        if self._exams_made >= _EXAMS_TO_GIVE_BACK:
            self._exams_made = 0
            give_back_memory()

    def _step(self, draw: Draw) -> Step:
        rngs = [np.random.default_rng([self.seed, draw.epoch, place]) for place in draw.places]
        draws = np.stack([rng.random(3) for rng in rngs])
        mask: Tensor | None = None
        pixels: Tensor | None = None
        if self.pixels is not None and self.present is not None:
            masks, views = [], []
            for row, rng in zip(draw.rows, rngs, strict=True):
                kept, found = self._views(int(row), rng)
                masks.append(kept)
                views += found
            mask = torch.from_numpy(np.stack(masks))
            shape = (0, 1, *self.pixels.shape[2:])
            pixels = torch.stack(views) if views else torch.zeros(shape, dtype=torch.uint8)
        return Step(
            epoch=draw.epoch,
            size=draw.size,
            share=draw.share,
            rows=torch.from_numpy(draw.rows),
            draws=torch.from_numpy(draws).float(),
            mask=mask,
            pixels=pixels,
        )

    def _views(self, row: int, rng: np.random.Generator) -> tuple[NDArray[np.bool_], list[Tensor]]:
        assert self.pixels is not None
        assert self.present is not None
        kept = self.present[row]
        if self.augmentation is None:
            exam = self.pixels[row] if kept.any() else ()
            return kept, [torch.from_numpy(exam[i])[None] for i in np.flatnonzero(kept)]
        kept = drop_views(kept, self.augmentation.view_dropout, rng)
        exam = self.pixels[row] if kept.any() else ()
        # Half precision is finer than the bytes of the cache, and halves what workers send.
        return kept, [
            augment_view(exam[i], self.augmentation, rng).half() for i in np.flatnonzero(kept)
        ]


class DrawnRows(Dataset[Tensor]):
    """Dataset of the rows of draws alone, for modules that read their data themselves."""

    def __getitem__(self, draw: Draw) -> Tensor:
        return torch.from_numpy(draw.rows)


def make_loader(steps: Dataset[Any], sampler: EpochSampler, workers: int = 0) -> DataLoader[Any]:
    """Create the loader of the steps of a training.

    Parameters
    ----------
    steps : Dataset
    sampler : EpochSampler
    workers : int
        Number of processes that read and augment. With 0 this process does it.
    """
    return DataLoader(
        steps,
        sampler=sampler,
        batch_size=None,
        collate_fn=unchanged,
        num_workers=workers,
        persistent_workers=workers > 0,
        multiprocessing_context=FORK if workers else None,
        pin_memory=torch.cuda.is_available(),
        # The seed of workers is not used. It is not taken from the generator of this process.
        generator=torch.Generator(),
    )
