"""Means and standard deviations with which a head standardises the features of views."""

from __future__ import annotations

import copy
from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor, nn

from mammorisk._utils.typing import Rows
from mammorisk.inputs.exam_set import ExamSet
from mammorisk.inputs.standard_exam import to_float
from mammorisk.networks.hybrid import Batch, HybridHead
from mammorisk.training.in_parts import some_at_a_time
from mammorisk.training.module import freeze_layers

#: Training exams from which the standardisation before the training of an encoder is taken.
_EXAMS_AT_START = 64


def standardize(head: HybridHead, batch: Batch, rows: Rows) -> None:
    """Fit the standardisation of a head to the features of the views of some women."""
    parts = some_at_a_time(torch.from_numpy(rows))
    _fit(head, (batch.features[some][batch.mask[some]] for some in parts))


def standardize_at_start(
    head: HybridHead,
    encoder: nn.Module,
    exams: ExamSet,
    train: Rows,
    batch_size: int,
    frozen_layers: int = 0,
) -> None:
    """Fit the standardisation of a head before its encoder is trained.

    Parameters
    ----------
    head : HybridHead
    encoder : Module
        It is not changed.
    exams : ExamSet
    train : ndarray of int
        Training rows, of which some are used.
    batch_size : int
        Exams of a batch, as in the training.
    frozen_layers : int
        Number of groups of layers that are not trained.
    """
    # As in the training: batch normalisation of an encoder with random weights has no other scale.
    run = copy.deepcopy(encoder).train()
    for module in freeze_layers(run, frozen_layers):
        module.eval()
    there = train[np.asarray(exams.present.any(axis=1))[train]]
    rows = np.random.default_rng(0).permutation(there)[:_EXAMS_AT_START]
    found = []
    with torch.no_grad():
        for first in range(0, len(rows), batch_size):
            some = exams.take(np.sort(rows[first : first + batch_size]))
            views, tokens = np.nonzero(some.present)
            found.append(run(torch.from_numpy(to_float(some.pixels[views, tokens]))[:, None]))
    _fit(head, found)


def _fit(head: HybridHead, parts: Iterable[Tensor]) -> None:
    head.fusion.standardization.fit(parts)  # type: ignore[operator]


def copy_standardization(source: nn.Module, head: HybridHead) -> None:
    """Give a new head the standardisation of another."""
    head.fusion.standardization.load_state_dict(source.fusion.standardization.state_dict())  # type: ignore[union-attr]
