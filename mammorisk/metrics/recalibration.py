"""Recalibration of risks by horizon, saved with a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mammorisk._utils.typing import Floats
from mammorisk.errors import TrainingError

Method = Literal["none", "intercept", "cloglog", "platt", "beta", "isotonic"]
#: In the order of the number of parameters.
METHODS: tuple[Method, ...] = ("none", "intercept", "cloglog", "platt", "beta", "isotonic")
#: Cancers within the horizon needed before a method with a slope, or isotonic steps, is tried.
EVENTS_FOR_SLOPE, EVENTS_FOR_STEPS = 50, 200
#: How ``method="auto"`` chooses, for reports.
RULE = (
    "the map with the fewest parameters within one standard error of the lowest log score in "
    f"ten-fold cross-validation; maps with a slope from {EVENTS_FOR_SLOPE} cancers on, isotonic "
    f"steps from {EVENTS_FOR_STEPS}"
)
_SMALL = 1e-9


@dataclass(frozen=True, kw_only=True)
class Recalibration:
    """A monotone map of risks at one horizon.

    Attributes
    ----------
    method : str
        One of :data:`METHODS`.
    parameters : tuple of float
        Intercept (and slope, and second slope) on the method's scale.
    steps : tuple of (tuple of float, tuple of float)
        Risks and recalibrated risks of an isotonic map.

    See Also
    --------
    fit_recalibration : Fits it.
    """

    method: Method = "none"
    parameters: tuple[float, ...] = ()
    steps: tuple[tuple[float, ...], tuple[float, ...]] = ((), ())

    def apply(self, risk: Floats) -> Floats:
        """Recalibrated risks; NaN stays NaN."""
        if self.method == "none":
            return risk
        if self.method == "isotonic":
            return np.where(np.isnan(risk), np.nan, np.interp(risk, *self.steps))
        design = _design(self.method, risk)
        linear = design @ np.array(self.parameters)
        if self.method in ("intercept", "cloglog"):
            mapped = -np.expm1(-np.exp(np.minimum(linear, 10.0)))
        else:
            mapped = 1 / (1 + np.exp(-linear))
        return np.where(risk <= 0, 0.0, mapped)

    def to_dict(self) -> dict[str, Any]:
        return {
            "method": self.method,
            "parameters": list(self.parameters),
            "steps": [list(part) for part in self.steps],
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Recalibration:
        if data["method"] not in METHODS:
            raise ValueError(f"unknown method of recalibration {data['method']!r}")
        first, second = data["steps"]
        return cls(
            method=data["method"],
            parameters=tuple(float(v) for v in data["parameters"]),
            steps=(tuple(first), tuple(second)),
        )


def recalibrated_risks(
    maps: Mapping[int, Recalibration] | Mapping[float, Recalibration],
    risk: Floats,
    horizons: Sequence[float],
) -> Floats:
    """Recalibrated risks, which never decrease from horizon to horizon.

    Maps of several horizons could cross, but cumulative risk never decreases.

    Parameters
    ----------
    maps : mapping of float to Recalibration
        By horizon in years. Risks at other horizons are not mapped.
    risk : ndarray, shape (n, k)
    horizons : sequence of float, length k
        Ascending.

    Returns
    -------
    ndarray, shape (n, k)
        NaN stays NaN.
    """
    mapped = [
        maps[year].apply(values) if year in maps else values  # type: ignore[index]
        for year, values in zip(horizons, risk.T, strict=True)
    ]
    return np.asarray(np.maximum.accumulate(np.stack(mapped, axis=1), axis=1))


def log_hazard_change(found: Recalibration, risk: Floats) -> Floats:
    """What a recalibration adds to the log cumulative hazard.

    Parameters
    ----------
    found : Recalibration
    risk : ndarray, shape (n,)
        Before the recalibration.

    Returns
    -------
    ndarray, shape (n,)
        Not finite where a risk is missing, 0 or 1.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.log(np.log1p(-found.apply(risk)) / np.log1p(-risk)))


def fit_recalibration(
    risk: Floats,
    case: Floats,
    weight: Floats,
    *,
    method: Method | Literal["auto"] = "auto",
    seed: int = 0,
) -> Recalibration:
    """Fit one method, or choose a method by its cross-validated log score.

    Parameters
    ----------
    risk : ndarray, shape (n,)
    case : ndarray, shape (n,)
        1 for cancer by the horizon, else 0.
    weight : ndarray, shape (n,)
        Sampling weight times inverse probability of censoring; 0 where the outcome by the horizon
        is not known.
    method : str
        ``"auto"`` tries ``none`` and ``intercept``, with a slope from 50 cancers on, isotonic steps
        from 200 on.
    seed : int
        Seed of the random assignment to ten folds.

    Returns
    -------
    Recalibration

    Raises
    ------
    TrainingError
        There are no women with cancer, or no women without.

    See Also
    --------
    calibration_intercept
    calibration_slope

    Examples
    --------
    >>> from mammorisk.metrics import example_risks, fit_censoring, fit_recalibration
    >>> outcome, risk, other = example_risks()
    >>> weights = fit_censoring(outcome).weights(5)
    >>> case = outcome.is_case(5).astype(float)
    >>> fitted = fit_recalibration(other, case, weights, method="cloglog")
    >>> print([round(value, 2) for value in fitted.parameters])
    [-0.13, 1.04]
    >>> print(fitted.apply(other)[:3].round(3))
    [0.133 0.094 0.118]
    """
    use = np.isfinite(risk) & (weight > 0)
    risk, case, weight = risk[use], case[use], weight[use]
    cancers = int((case == 1).sum())
    if cancers == 0 or cancers == len(case):
        raise TrainingError("recalibration needs women with and without cancer by the horizon")
    if method == "auto":
        method = choose_method([(risk, case, weight)], seed=seed)
    return _fit(method, risk, case, weight)


def choose_method(horizons: list[tuple[Floats, Floats, Floats]], *, seed: int = 0) -> Method:
    """The simplest method whose cross-validated log score, summed over horizons, is near the best.

    A simpler method is chosen if its score is worse by no more than one standard error of the
    paired difference (Breiman 1984, ISBN 978-0412048418). With sampling weights a few women decide
    a score, and the best method is often best by chance.

    Parameters
    ----------
    horizons : list of (risk, case, weight)
        As in :func:`fit_recalibration`. One method is chosen for all horizons, so that curves keep
        their shape.
    seed : int

    Returns
    -------
    str
    """
    return best_method(method_losses(horizons, seed=seed))


def best_method(losses: Mapping[Method, list[Floats]]) -> Method:
    """The method that :data:`RULE` chooses from the losses of :func:`method_losses`."""
    scores = method_scores(losses)
    best = min(scores, key=lambda name: scores[name])
    if not np.isfinite(scores[best]):
        return "none"
    for name, own in losses.items():
        apart = [one - other for one, other in zip(own, losses[best], strict=True)]
        if not all(np.isfinite(one).all() for one in apart):
            continue
        # The horizons have the same women, so their errors are added.
        error = sum(float(np.sqrt(((one - one.mean()) ** 2).sum())) for one in apart)
        if scores[name] - scores[best] <= error:
            return name
    return best


def method_scores(losses: Mapping[Method, list[Floats]]) -> dict[Method, float]:
    """Cross-validated log score of every method, summed over horizons; lower is better."""
    return {name: sum(float(one.sum()) for one in own) for name, own in losses.items()}


def method_losses(
    horizons: list[tuple[Floats, Floats, Floats]], *, seed: int = 0
) -> dict[Method, list[Floats]]:
    """Cross-validated losses of every method that the number of cancers allows.

    Parameters
    ----------
    horizons, seed
        See :func:`choose_method`.

    Returns
    -------
    dict of str to list of ndarray
        By method, from few parameters to many, and horizon: the weighted negative log score of each
        woman. The sum over women is the mean score.
    """
    cancers = max(int((case == 1).sum()) for _, case, _ in horizons)
    tried: list[Method] = ["none", "intercept"]
    if cancers >= EVENTS_FOR_SLOPE:
        tried += ["cloglog", "platt", "beta"]
    if cancers >= EVENTS_FOR_STEPS:
        tried.append("isotonic")
    losses: dict[Method, list[Floats]] = {name: [] for name in tried}
    for risk, case, weight in horizons:
        # Folds are stratified by outcome.
        shuffled = np.random.default_rng(seed).permutation(len(risk))
        order = shuffled[np.argsort(case[shuffled], kind="stable")]
        folds = np.empty(len(risk), dtype=np.int64)
        folds[order] = np.arange(len(risk)) % 10
        for name in tried:
            losses[name].append(_held_out_losses(name, risk, case, weight, folds))
    return losses


def _held_out_losses(
    method: Method, risk: Floats, case: Floats, weight: Floats, folds: NDArray[np.int64]
) -> Floats:
    """Weighted negative log score of each woman, fitted without her fold."""
    out = np.zeros(len(risk))
    for fold in range(10):
        inside = folds == fold
        if not case[~inside].any():
            return np.full(len(risk), np.inf)
        mapped = _fit(method, risk[~inside], case[~inside], weight[~inside]).apply(risk[inside])
        mapped = np.clip(mapped, 1e-7, 1 - 1e-7)
        score = case[inside] * np.log(mapped) + (1 - case[inside]) * np.log1p(-mapped)
        out[inside] = -weight[inside] * score / weight.sum()
    return out


def _fit(method: Method, risk: Floats, case: Floats, weight: Floats) -> Recalibration:
    if method == "none":
        return Recalibration()
    if method == "isotonic":
        from sklearn.isotonic import IsotonicRegression

        fitted = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip")
        fitted.fit(risk, case, sample_weight=weight)
        return Recalibration(
            method=method,
            steps=(
                tuple(map(float, fitted.X_thresholds_)),
                tuple(map(float, fitted.y_thresholds_)),
            ),
        )
    parameters = _maximise(method, _design(method, risk), case, weight)
    return Recalibration(method=method, parameters=tuple(map(float, parameters)))


def _design(method: Method, risk: Floats) -> Floats:
    risk = np.clip(risk, _SMALL, 1 - _SMALL)
    one = np.ones_like(risk)
    if method in ("intercept", "cloglog"):
        return np.stack([one, np.log(-np.log1p(-risk))], axis=1)
    if method == "platt":
        return np.stack([one, np.log(risk) - np.log1p(-risk)], axis=1)
    # Kull 2017, doi:10.1214/17-EJS1338SI.
    return np.stack([one, np.log(risk), -np.log1p(-risk)], axis=1)


def _maximise(method: Method, design: Floats, case: Floats, weight: Floats) -> Floats:
    """Weighted maximum likelihood; the slope of ``intercept`` is fixed at 1."""
    from scipy.optimize import minimize

    link = "cloglog" if method in ("intercept", "cloglog") else "logit"
    start = np.zeros(design.shape[1])
    start[1] = 1.0
    free = np.array([True, *([method != "intercept"] * (design.shape[1] - 1))])

    def loss(values: Floats) -> float:
        parameters = start.copy()
        parameters[free] = values
        linear = design @ parameters
        if link == "cloglog":
            hazard = np.exp(np.clip(linear, -40, 5))
            log_case, log_free = np.log(-np.expm1(-hazard) + 1e-300), -hazard
        else:
            log_case, log_free = -np.logaddexp(0, -linear), -np.logaddexp(0, linear)
        return float(-(weight * (case * log_case + (1 - case) * log_free)).sum() / weight.sum())

    bounds = [
        # Slopes below zero would reverse the order of women.
        (None, None) if i == 0 else (0.0, None)
        for i in np.flatnonzero(free)
    ]
    found = minimize(loss, start[free], method="L-BFGS-B", bounds=bounds, tol=1e-12)
    parameters = start.copy()
    parameters[free] = found.x
    return parameters
