"""FROC: sensitivity for lesions over the number of false positives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mammorisk._utils.style import COLOURS, DASHES, MARKERS
from mammorisk._utils.typing import Floats
from mammorisk.errors import EvaluationError
from mammorisk.metrics.detections import Detections, Per
from mammorisk.metrics.estimate import FEWEST_EVENTS, Estimate, few_events, unavailable
from mammorisk.metrics.resampling import resampling_weights
from mammorisk.metrics.roc import largest_at
from mammorisk.records.outcome import Outcome

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Numbers of false positives per view over which sensitivity is averaged (Setio 2017).
RATES = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)


@dataclass(frozen=True, kw_only=True, eq=False)
class FrocCurve:
    """Operating points of a detector, from no mark to all marks.

    Attributes
    ----------
    threshold : ndarray, shape (k,)
        Marks with at least this score count; infinite, then the distinct scores descending.
    sensitivity : ndarray, shape (k,)
        Share of lesions that are marked.
    false_positives : ndarray, shape (k,)
        False positives per view.
    false_positives_per_normal_exam : ndarray, shape (k,)
        False positives per exam without any lesion; NaN if there is no such exam.

    See Also
    --------
    froc_curve
    """

    threshold: Floats
    sensitivity: Floats
    false_positives: Floats
    false_positives_per_normal_exam: Floats

    def sensitivity_at(self, false_positives: float) -> float:
        """Sensitivity at this number of false positives per view.

        It is interpolated linearly between operating points, and is constant beyond the last one.
        """
        return largest_at(self.false_positives, self.sensitivity, false_positives)

    def threshold_at(self, false_positives: float) -> float:
        """Lowest score at which there are at most this many false positives per view."""
        return float(self.threshold[self.false_positives <= false_positives + 1e-12][-1])

    def mean_sensitivity(self, false_positives: Sequence[float] = RATES) -> float:
        """Mean of the sensitivities at several numbers of false positives per view."""
        return float(np.mean([self.sensitivity_at(rate) for rate in false_positives]))

    def plot(self, ax: Axes | None = None, *, label: str | None = None, look: int = 0) -> Axes:
        """Draw the curve over false positives per view, on a logarithmic axis.

        Parameters
        ----------
        ax : Axes, optional
            Default: the axes of a new figure.
        label : str, optional
            Name in the legend.
        look : int
            Number of the colour, line style and marker, from 0.
        """
        import matplotlib.pyplot as plt
        from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

        if ax is None:
            _, ax = plt.subplots(figsize=(5.4, 4.2), layout="constrained")
        # 30 steps between two neighbouring rates, which have the markers.
        shown = np.geomspace(RATES[0], RATES[-1], 30 * (len(RATES) - 1) + 1)
        ax.plot(
            shown,
            [self.sensitivity_at(rate) for rate in shown],
            color=COLOURS[look % len(COLOURS)],
            ls=DASHES[look % len(DASHES)],
            marker=MARKERS[look % len(MARKERS)],
            markevery=30,
            label=label,
        )
        ax.set_xscale("log", base=2)
        ax.xaxis.set_major_locator(FixedLocator(list(RATES)))
        ax.xaxis.set_major_formatter(FixedFormatter([_fraction(rate) for rate in RATES]))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.set(ylim=(0, 1), xlabel="false positives per view", ylabel="sensitivity", title="FROC")
        ax.grid(color="0.9", lw=0.6)
        if label is not None:
            ax.legend(loc="lower right")
        return ax


def _fraction(rate: float) -> str:
    return f"{rate:g}" if rate >= 1 else f"1/{1 / rate:g}"


def froc_curve(detections: Detections, *, per: Per = "view") -> FrocCurve:
    """Sensitivity for lesions over the number of false positives.

    Parameters
    ----------
    detections : Detections
    per : {"view", "lesion"}
        ``"view"`` counts a lesion in each view that shows it. ``"lesion"`` counts it once; it is
        found if it is marked in one view.

    Returns
    -------
    FrocCurve

    Raises
    ------
    EvaluationError
        There is no lesion, or ``per="lesion"`` and the lesions have no ``lesion_id``.

    See Also
    --------
    match_detections : Compares the marks of a detector with lesions.
    froc_sensitivity : Sensitivity at a number of false positives, with an interval.

    Notes
    -----
    Operating points at which some mark has the threshold as its score agree with those of MONAI's
    ``compute_froc_curve_data``, which leaves out the lowest score.

    References
    ----------
    Bunch 1978, doi 10.1117/12.955926; Setio 2017, doi 10.1016/j.media.2017.06.015.

    Examples
    --------
    >>> from mammorisk.metrics import example_findings, froc_curve, match_detections
    >>> curve = froc_curve(match_detections(*example_findings()))
    >>> print(round(curve.sensitivity_at(0.5), 3), round(curve.mean_sensitivity(), 3))
    0.806 0.827
    """
    counts = _Counts.of(detections, per)
    if not len(counts.lesion_place):
        raise EvaluationError("there are no lesions", where="lesions")
    ones = np.ones(len(detections.views))
    sensitivity, false = counts.points(ones)
    return FrocCurve(
        threshold=np.r_[np.inf, counts.scores],
        sensitivity=sensitivity,
        false_positives=false,
        false_positives_per_normal_exam=np.r_[0.0, counts.per_normal_exam()],
    )


def froc_sensitivity(
    detections: Detections,
    false_positives: float = 0.5,
    *,
    per: Per = "view",
    resamples: int = 500,
    seed: int = 1,
    level: float = 0.95,
) -> Estimate:
    """Sensitivity at a number of false positives per view.

    Parameters
    ----------
    detections : Detections
    false_positives : float
        Per view.
    per : {"view", "lesion"}
        As in :func:`froc_curve`.
    resamples, seed : int
        Bootstrap samples of women, drawn separately among women with and without target lesions.
    level : float
        Confidence level of the interval.

    Returns
    -------
    Estimate
        With the percentile interval; ``n`` counts views and ``events`` lesions. No interval with
        fewer than ten lesions.

    Raises
    ------
    EvaluationError
        ``false_positives`` is not a positive number, or ``per="lesion"`` and the lesions have no
        ``lesion_id``.

    See Also
    --------
    froc_curve : Sensitivity for lesions over the number of false positives.
    mean_froc_sensitivity

    Examples
    --------
    >>> from mammorisk.metrics import example_findings, froc_sensitivity, match_detections
    >>> print(froc_sensitivity(match_detections(*example_findings()), 0.5, resamples=200))
    sensitivity at 0.5 false positives per view: 0.8063 (0.7375 to 0.8689)
    """
    if not 0 < false_positives < np.inf:
        raise EvaluationError(
            f"{false_positives!r} is not a number of false positives", where="false_positives"
        )
    return _estimated(
        f"sensitivity at {false_positives:g} false positives per view",
        detections,
        per,
        lambda sensitivity, false: largest_at(false, sensitivity, false_positives),
        resamples=resamples,
        seed=seed,
        level=level,
    )


def mean_froc_sensitivity(
    detections: Detections,
    false_positives: Sequence[float] = RATES,
    *,
    per: Per = "view",
    resamples: int = 500,
    seed: int = 1,
    level: float = 0.95,
) -> Estimate:
    """Mean sensitivity over several numbers of false positives per view.

    Parameters
    ----------
    detections : Detections
    false_positives : sequence of float
        Per view; by default 1/8, 1/4, 1/2, 1, 2, 4 and 8.
    per : {"view", "lesion"}
        As in :func:`froc_curve`.
    resamples, seed : int
    level : float

    Returns
    -------
    Estimate
        As :func:`froc_sensitivity`.

    Raises
    ------
    EvaluationError
        A number of false positives is not positive, or ``per="lesion"`` and the lesions have no
        ``lesion_id``.

    See Also
    --------
    froc_sensitivity : Sensitivity at a number of false positives per view.

    References
    ----------
    Setio 2017, doi 10.1016/j.media.2017.06.015.

    Examples
    --------
    >>> from mammorisk.metrics import example_findings, match_detections, mean_froc_sensitivity
    >>> print(mean_froc_sensitivity(match_detections(*example_findings()), resamples=200))
    mean sensitivity at 0.125-8 false positives per view: 0.8268 (0.7741 to 0.8716)
    """
    rates = list(false_positives)
    if not rates or not all(0 < rate < np.inf for rate in rates):
        raise EvaluationError("give positive numbers of false positives", where="false_positives")
    return _estimated(
        f"mean sensitivity at {min(rates):g}-{max(rates):g} false positives per view",
        detections,
        per,
        lambda sensitivity, false: float(
            np.mean([largest_at(false, sensitivity, rate) for rate in rates])
        ),
        resamples=resamples,
        seed=seed,
        level=level,
    )


def normal_false_positives(
    detections: Detections,
    threshold: float,
    *,
    resamples: int = 500,
    seed: int = 1,
    level: float = 0.95,
) -> Estimate:
    """False positives per exam without any lesion, at a threshold of the score.

    Parameters
    ----------
    detections : Detections
    threshold : float
        Marks with at least this score count.
    resamples, seed : int
        Bootstrap samples of women.
    level : float

    Returns
    -------
    Estimate
        With the percentile interval; ``n`` counts exams.

    See Also
    --------
    froc_curve : Sensitivity for lesions over the number of false positives.

    Examples
    --------
    >>> from mammorisk.metrics import example_findings, froc_curve, match_detections
    >>> from mammorisk.metrics import normal_false_positives
    >>> found = match_detections(*example_findings())
    >>> print(normal_false_positives(found, froc_curve(found).threshold_at(0.5)))
    false positives per normal exam: 2 (1.712 to 2.263)
    """
    name = "false positives per normal exam"
    exam, is_normal = normal_exams(detections)
    false = detections.false_positives
    at = false["at"].to_numpy()[false["score"].to_numpy() >= threshold]
    counts = np.bincount(exam[at], minlength=len(is_normal))[is_normal].astype(float)
    if not len(counts):
        return unavailable(name, "every exam has a lesion", n=0)
    women = detections.views["patient_id"].astype(str).to_numpy()
    of_exam = np.empty(len(is_normal), dtype=women.dtype)
    of_exam[exam] = women
    outcome = Outcome.binary(np.zeros(len(counts)), cluster=of_exam[is_normal])
    found = [
        float(counts @ times / times.sum())
        for times in resampling_weights(outcome, 1.0, resamples, seed)
    ]
    return from_samples(name, float(counts.mean()), found, n=len(counts), level=level)


def normal_exams(detections: Detections) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Code of the exam of each view, and whether each exam has no lesion."""
    import pandas as pd

    keys = pd.MultiIndex.from_frame(detections.views[["patient_id", "exam_id"]].astype(str))
    exam = np.asarray(pd.factorize(keys)[0], dtype=np.int64)
    with_lesion = np.bincount(exam, detections.views["has_lesion"].to_numpy(dtype=float)) > 0
    return exam, ~with_lesion


def woman_weights(detections: Detections, resamples: int, seed: int) -> Iterator[Floats]:
    """How often each view is drawn in bootstrap samples of women."""
    women = detections.views["patient_id"].astype(str).to_numpy()
    outcome = Outcome.binary(detections.is_target, cluster=women)
    return resampling_weights(outcome, 1.0, resamples, seed)


def from_samples(
    name: str,
    value: float,
    samples: Sequence[float],
    *,
    n: int,
    events: int | None = None,
    level: float,
) -> Estimate:
    """Estimate with standard error and percentile interval of bootstrap samples.

    Samples in which the statistic is NaN are left out.
    """
    there = np.asarray(samples)[np.isfinite(samples)]
    tail = (1 - level) / 2
    low, high = np.quantile(there, [tail, 1 - tail])
    return Estimate(
        name=name,
        value=value,
        se=float(np.std(there, ddof=1)),
        lower=float(low),
        upper=float(high),
        n=n,
        events=events,
        reason=f"undefined in {len(samples) - len(there)} of {len(samples)} samples"
        if len(there) < len(samples)
        else None,
    )


def lesion_scores(detections: Detections, per: Per) -> tuple[Floats, NDArray[np.int64]]:
    """Score of each lesion, and a view of its woman."""
    lesions = detections.lesions
    if per == "view":
        return lesions["score"].to_numpy(dtype=np.float64), lesions["at"].to_numpy(dtype=np.int64)
    if per != "lesion":
        raise EvaluationError(f"{per!r} is not a known unit", where="per")
    if "lesion_id" not in lesions.columns:
        raise EvaluationError(
            "the table has no column lesion_id",
            where="lesions",
            remedy="Count lesions in views with per='view'.",
        )
    made = lesions.groupby(["patient_id", "exam_id", "lesion_id"], sort=False).agg(
        score=("score", "max"), at=("at", "first")
    )
    return made["score"].to_numpy(dtype=np.float64), made["at"].to_numpy(dtype=np.int64)


@dataclass(frozen=True, kw_only=True)
class _Counts:
    """Lesions and false positives by the rank of their score."""

    scores: Floats
    lesion_place: NDArray[np.int64]
    lesion_at: NDArray[np.int64]
    false_place: NDArray[np.int64]
    false_at: NDArray[np.int64]
    exam: NDArray[np.int64]
    is_normal: NDArray[np.bool_]

    @classmethod
    def of(cls, detections: Detections, per: Per) -> _Counts:
        score, at = lesion_scores(detections, per)
        false = detections.false_positives["score"].to_numpy(dtype=np.float64)
        scores = np.unique(np.r_[score[np.isfinite(score)], false])[::-1]
        # A lesion that was missed comes after all scores.
        place = np.searchsorted(-scores, -score)
        exam, is_normal = normal_exams(detections)
        return cls(
            scores=scores,
            lesion_place=place,
            lesion_at=at,
            false_place=np.searchsorted(-scores, -false),
            false_at=detections.false_positives["at"].to_numpy(dtype=np.int64),
            exam=exam,
            is_normal=is_normal,
        )

    def points(self, weight: Floats) -> tuple[Floats, Floats]:
        """Sensitivity and false positives per view, where views have weights."""
        k = len(self.scores)
        of_lesions, of_false = weight[self.lesion_at], weight[self.false_at]
        found = np.bincount(self.lesion_place, of_lesions, minlength=k + 1)[:k]
        false = np.bincount(self.false_place, of_false, minlength=k)
        return (
            np.r_[0.0, np.cumsum(found)] / of_lesions.sum(),
            np.r_[0.0, np.cumsum(false)] / weight.sum(),
        )

    def per_normal_exam(self) -> Floats:
        normal = self.is_normal[self.exam[self.false_at]]
        false = np.bincount(self.false_place[normal], minlength=len(self.scores))
        exams = int(self.is_normal.sum())
        return np.cumsum(false) / exams if exams else np.full(len(self.scores), np.nan)


def _estimated(
    name: str,
    detections: Detections,
    per: Per,
    statistic: Callable[[Floats, Floats], float],
    *,
    resamples: int,
    seed: int,
    level: float,
) -> Estimate:
    counts = _Counts.of(detections, per)
    lesions, views = len(counts.lesion_place), len(detections.views)
    if not lesions:
        return unavailable(name, "there are no lesions", n=views, events=0)
    value = statistic(*counts.points(np.ones(views)))
    if lesions < FEWEST_EVENTS:
        return Estimate(
            name=name, value=value, n=views, events=lesions, reason=few_events(lesions, "lesion")
        )
    samples = [
        statistic(*counts.points(weight)) for weight in woman_weights(detections, resamples, seed)
    ]
    return from_samples(name, value, samples, n=views, events=lesions, level=level)
