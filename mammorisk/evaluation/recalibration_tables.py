"""Performance before and after recalibration, with cross-validation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mammorisk._utils.typing import Floats
from mammorisk.evaluation.calibration_tables import intercept_row
from mammorisk.evaluation.interval_methods import NORMAL, REGRESSION, of_auc, of_ratio
from mammorisk.evaluation.rows import row
from mammorisk.metrics.brier import brier_score
from mammorisk.metrics.calibration import calibration_slope
from mammorisk.metrics.censoring import fit_censoring
from mammorisk.metrics.delong import auc
from mammorisk.metrics.estimate import Estimate
from mammorisk.metrics.expected_observed import expected_observed_ratio
from mammorisk.metrics.recalibration import METHODS, choose_method, fit_recalibration
from mammorisk.metrics.smooth_calibration import calibration_curve
from mammorisk.records.outcome import Outcome

BEFORE, AFTER = "before", "after, cross-validated"
FOLDS = 10


@dataclass(frozen=True, kw_only=True, eq=False)
class CrossFitted:
    """Risks of women recalibrated without their own outcomes.

    Attributes
    ----------
    risk : ndarray, shape (n,)
    method : str
        Chosen from all women, and fitted to nine tenths of them at a time.
    """

    risk: Floats
    method: str


def cross_fit(
    outcome: Outcome, risk: Floats, year: float, *, method: str = "auto", seed: int = 0
) -> CrossFitted | None:
    """Recalibrate the risks of each tenth of women by the outcomes of the others.

    Parameters
    ----------
    outcome, risk
    year : float
        Horizon.
    method : str
        See :func:`mammorisk.recalibrate`.
    seed : int
        Seed of the division of women into ten parts; exams of one woman stay together.

    Returns
    -------
    CrossFitted or None
        None if there are no women with or without cancer outside of a part.
    """
    weight = fit_censoring(outcome).weights(year)
    if weight is None:
        return None
    case = outcome.is_case(year).astype(float)
    use = weight > 0
    if not case[use].any() or case[use].all():
        return None
    chosen: Any = method
    if method == "auto":
        chosen = choose_method([(risk[use], case[use], weight[use])], seed=seed)
    made = risk.astype(float).copy()
    if chosen == METHODS[0]:
        return CrossFitted(risk=made, method=chosen)
    fold = _folds(outcome, case > 0, seed)
    for k in range(FOLDS):
        fit, held = use & (fold != k), fold == k
        if not case[fit].any() or case[fit].all():
            return None
        found = fit_recalibration(risk[fit], case[fit], weight[fit], method=chosen)
        made[held] = found.apply(risk[held])
    return CrossFitted(risk=np.clip(made, 0.0, 1.0), method=chosen)


def _folds(outcome: Outcome, case: NDArray[np.bool_], seed: int) -> NDArray[np.int64]:
    """Parts of women with similar shares of cancers."""
    women = int(outcome.cluster.max()) + 1
    is_case = np.bincount(outcome.cluster, case, minlength=women) > 0
    shuffled = np.random.default_rng(seed).permutation(women)
    order = shuffled[np.argsort(is_case[shuffled], kind="stable")]
    fold = np.empty(women, dtype=np.int64)
    fold[order] = np.arange(women) % FOLDS
    return fold[outcome.cluster]


def before_and_after(
    outcome: Outcome,
    risk: Floats,
    year: float,
    *,
    method: str = "auto",
    seed: int = 0,
    level: float = 0.95,
) -> pd.DataFrame:
    """Calibration and accuracy of risks before and after their recalibration.

    Parameters
    ----------
    outcome, risk
    year : float
        Horizon.
    method, seed
        See :func:`cross_fit`.
    level : float

    Returns
    -------
    DataFrame
        ``stage`` (``"before"``; ``"after, cross-validated"``), ``method`` (chosen by
        :data:`mammorisk.metrics.recalibration.RULE` unless given), and the columns of
        :func:`mammorisk.evaluation.rows.row`. Intervals do not include the
        uncertainty of the recalibration itself.
    """
    fitted = cross_fit(outcome, risk, year, method=method, seed=seed)
    stages = [(BEFORE, risk)] + ([] if fitted is None else [(AFTER, fitted.risk)])
    rows = []
    for stage, values in stages:
        head = {"stage": stage, "method": None if fitted is None else fitted.method}
        rows += [head | one for one in _measures(outcome, values, year, level)]
    return pd.DataFrame(rows)


def _measures(
    outcome: Outcome, values: Floats, year: float, level: float
) -> list[dict[str, object]]:
    ratio = expected_observed_ratio(outcome, values, year, level=level)
    curve = calibration_curve(outcome, values, year, level=level)
    ici = Estimate(
        name="ICI",
        value=curve.ici,
        n=0,
        reason=curve.reason or "a distance: no interval is computed",
    )
    found: list[tuple[Estimate, str, str]] = [
        (ratio, "E/O", of_ratio(ratio.events)),
        (calibration_slope(outcome, values, year, level=level), "calibration slope", REGRESSION),
        (ici, "ICI", ""),
        (brier_score(outcome, values, year, level=level), "Brier score", NORMAL),
        (auc(outcome, values, year, level=level), "AUC", of_auc(outcome, year)),
    ]
    rows = [
        row(made, name, outcome=outcome, horizon=year, interval=interval)
        for made, name, interval in found
    ]
    return [rows[0], intercept_row(outcome, values, year, level), *rows[1:]]
