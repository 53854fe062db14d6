"""Weights of the answers of women without images, fitted on such women."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from mammorisk._utils.typing import Floats
from mammorisk.networks.head_ensemble import HeadEnsemble
from mammorisk.networks.hybrid import Batch, HybridHead
from mammorisk.risk_models.recipe import Loss
from mammorisk.training.objectives import censoring_weights, loss_of
from mammorisk.training.outcomes import Outcomes

#: Largest number of iterations of the optimizer. The problem is convex and has few weights.
_ITERATIONS = 60


def fit_answers_alone(
    heads: HeadEnsemble,
    batch: Batch,
    density: Floats,
    outcomes: Outcomes,
    *,
    loss: Loss = "case_control",
    seed: int = 0,
) -> HeadEnsemble:
    """Give the heads of an ensemble separate weights of the answers of women without images.

    Parameters
    ----------
    heads : HeadEnsemble
        Not changed.
    batch : Batch, n women
        Without views.
    density : ndarray, shape (n,)
        Published log hazard ratio of the density category, a part of ``batch.offset``.
    outcomes : Outcomes, n women
    loss : {"case_control", "likelihood", "binary_5y"}
    seed : int
        Of the bootstrap samples, one a head, and of the women whose density category is known.

    Returns
    -------
    HeadEnsemble
        Risks of women with images are the same as before.

    Notes
    -----
    The density category of every second woman is not used. The answers explain a part of density,
    so that their weights with it are others than without it, and one set of weights has to serve
    both.
    """
    women = len(batch)
    rng = np.random.default_rng(seed)
    unused = np.where(rng.random(women) < 0.5, density, 0.0)
    batch = replace(batch, offset=batch.offset - torch.from_numpy(unused).float()[:, None])
    weights = censoring_weights(outcomes)
    # Part of the age that the ensemble adds to that of its heads.
    parts = heads.contributions(batch)
    shift = parts["age"] - torch.stack(
        [one.contributions(batch)["age"] for one in heads.members if isinstance(one, HybridHead)]
    ).mean(dim=0)
    batch = replace(batch, offset=batch.offset + shift.detach()[:, None])
    fitted = []
    for member in heads.members:
        assert isinstance(member, HybridHead)
        settings = member.settings.model_copy(update={"answers_alone": True})
        head = HybridHead(settings)
        head.load_state_dict(member.state_dict(), strict=False)
        rows = np.arange(women)
        if len(heads.members) > 1:
            rows = rng.integers(0, women, women)
        _fit(head, batch, outcomes, weights, loss, torch.from_numpy(rows))
        fitted.append(head)
    made = HeadEnsemble(fitted)
    for name, centre in heads.named_buffers(recurse=False):
        getattr(made, name).copy_(centre)
    return made.eval()


def _fit(
    head: HybridHead, batch: Batch, outcomes: Outcomes, weights: Tensor, loss: Loss, rows: Tensor
) -> None:
    """Minimise the mean loss over the weights of the answers alone, from 0."""
    some, follow_up, censoring = batch.take(rows), outcomes.take(rows), weights[rows]
    layer = head.answers_alone
    torch.nn.init.zeros_(layer.weight)
    cancers = float((follow_up.weight * (follow_up.event == 1)).sum())
    optimizer = torch.optim.LBFGS(
        layer.parameters(), max_iter=_ITERATIONS, line_search_fn="strong_wolfe"
    )
    # Without views the other parts of a head do not depend on the answers.
    head.eval()
    with torch.no_grad():
        rest = head(some) - torch.where(some.answered, layer(some.questionnaire), 0.0)[:, None]

    def step() -> Tensor:
        optimizer.zero_grad()
        answers = torch.where(some.answered, layer(some.questionnaire), 0.0)
        each = loss_of(loss, rest + answers[:, None], None, follow_up, censoring)
        total = each.sum() / max(cancers, 1.0)
        total.backward()  # type: ignore[no-untyped-call]
        return total

    optimizer.step(step)  # type: ignore[no-untyped-call]
