"""Calibration of a fitted Mirai: one slope on the raw probability, and an intercept by year."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize
from scipy.special import expit

from mammorisk._utils.typing import Floats
from mammorisk.networks.mirai import YEARS
from mammorisk.training.objectives import censoring_weights
from mammorisk.training.outcomes import Outcomes

#: Smallest number of cancers within five years for a calibration.
FEWEST_CANCERS = 5
#: Prior standard deviation of the log slope around the network's own spread. An assumption: about
#: fifty cancers determine the slope, and a few cannot reverse the score.
_LOG_SLOPE_SD = 0.5
#: Bound of the intercepts.
_FURTHEST = 50.0


def fit_calibration(probability: Floats, outcomes: Outcomes) -> dict[str, dict[str, float]] | None:
    """Fit slope and intercept on the raw probability, by year.

    Parameters
    ----------
    probability : ndarray, shape (n, 5)
        Raw probabilities within one to five years.
    outcomes : Outcomes
        Outcomes of the same n exams. Sampling and censoring are weighted.

    Returns
    -------
    dict or None
        Calibration of a :class:`~mammorisk.risk_models.mirai.model.MiraiModel`. None if there are
        too few cancers, or none within one year.

    Notes
    -----
    This is Platt scaling of all years together. The slope is that of a logistic regression with
    free intercepts. It does not depend on the share of women with cancer in the sample (Prentice
    1979, doi:10.1093/biomet/66.3.403). It is positive, and with few cancers it is shrunk to the
    network's own spread, 1 / (p (1 - p)) at the mean probability. The intercepts then make the mean
    risk of every year equal to the observed one in the population that was sampled.
    """
    case = np.stack(
        [((outcomes.event == 1) & (outcomes.time <= y)).numpy() for y in range(1, YEARS + 1)],
        axis=1,
    )
    seen = torch.stack([censoring_weights(outcomes, y) for y in range(1, YEARS + 1)], dim=1)
    weights = (seen * outcomes.weight[:, None]).double().numpy()
    if not weights.any(axis=0).all():
        return None
    incidence = (weights * case).sum(axis=0) / weights.sum(axis=0)
    if case[:, -1].sum() < FEWEST_CANCERS or not ((incidence > 0) & (incidence < 1)).all():
        return None
    slope = _slope(probability, case, _within(weights, case))
    found = {}
    for year in range(1, YEARS + 1):
        p, w = probability[:, year - 1], weights[:, year - 1]

        def excess(intercept: float, p: Floats = p, w: Floats = w, year: int = year) -> float:
            return float((w * (expit(intercept + slope * p) - case[:, year - 1])).sum())

        intercept = brentq(excess, -_FURTHEST - slope, _FURTHEST)
        found[str(year)] = {"slope": slope, "intercept": float(intercept)}
    return found


def _within(weights: Floats, case: NDArray[np.bool_]) -> Floats:
    """Weights relative to their mean in women with and in women without cancer, by year."""
    found = np.zeros_like(weights)
    for group in (case, ~case):
        used = group & (weights > 0)
        found += np.where(used, weights * used.sum(axis=0) / (weights * used).sum(axis=0), 0.0)
    return found


def _slope(probability: Floats, case: NDArray[np.bool_], weights: Floats) -> float:
    """Slope of all years together, each with its own intercept."""
    usual = float(np.clip(probability.mean(), 1e-4, 1 - 1e-4))
    own = np.log(1 / (usual * (1 - usual)))
    centre = (weights * probability).sum(axis=0) / weights.sum(axis=0)
    moved = probability - centre

    def loss(x: Floats) -> tuple[float, Floats]:
        """Negative penalised log likelihood, and its gradient."""
        slope = np.exp(x[-1])
        logit = x[:-1] + slope * moved
        # The five years of one woman are not independent.
        each = weights * (np.logaddexp(0, logit) - case * logit) / YEARS
        rest = weights * (expit(logit) - case) / YEARS
        off = (x[-1] - own) / _LOG_SLOPE_SD
        gradient = np.append(rest.sum(axis=0), (rest * moved).sum() * slope + off / _LOG_SLOPE_SD)
        return float(each.sum() + off**2 / 2), gradient

    share = (weights * case).sum(axis=0) / weights.sum(axis=0)
    start = np.append(np.log(share / (1 - share)), own)
    return float(np.exp(minimize(loss, start, jac=True, method="BFGS").x[-1]))
