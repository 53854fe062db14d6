"""Performance by site, and its summary by random-effects meta-analysis."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from mammorisk._utils.typing import Floats
from mammorisk.evaluation.interval_methods import LOG, NORMAL, REGRESSION, of_auc
from mammorisk.evaluation.rows import row
from mammorisk.metrics.calibration import calibration_intercept, calibration_slope
from mammorisk.metrics.delong import auc
from mammorisk.metrics.estimate import Estimate, unavailable
from mammorisk.metrics.expected_observed import expected_observed_ratio
from mammorisk.records.outcome import Outcome

SUMMARY = "summary"
#: Columns of summaries only.
_OF_SUMMARY = ("sites", "tau", "i2", "prediction_lower", "prediction_upper")
_METHOD = "random effects (Paule-Mandel, Hartung-Knapp-Sidik-Jonkman)"
_FEWEST_SITES = 3


@dataclass(frozen=True, kw_only=True)
class RandomEffects:
    """Summary of the estimates of k sites.

    Attributes
    ----------
    value, lower, upper : float
        Mean over sites, with its interval.
    prediction_lower, prediction_upper : float
        Interval for the value of another site.
    tau : float
        Standard deviation between sites.
    i2 : float
        Share of the variation that is between sites, in [0, 1].
    p : float
        p value of Cochran's Q, against no difference between sites.
    """

    value: float
    lower: float
    upper: float
    prediction_lower: float
    prediction_upper: float
    tau: float
    i2: float
    p: float


def random_effects(values: Floats, errors: Floats, *, level: float = 0.95) -> RandomEffects:
    """Random-effects summary of independent estimates.

    Parameters
    ----------
    values, errors : ndarray, shape (k,)
        Estimates and their standard errors, on a scale on which they are about normal; k >= 2.
    level : float

    Returns
    -------
    RandomEffects

    Notes
    -----
    Variance between sites by Paule and Mandel 1982, interval of the mean by Hartung and Knapp 2001
    (doi 10.1002/sim.791) and Sidik and Jonkman 2002, by statsmodels; the prediction interval has
    k - 2 degrees of freedom (Higgins 2009, doi 10.1111/j.1467-985X.2008.00552.x).

    Examples
    --------
    >>> import numpy as np
    >>> from mammorisk.evaluation.heterogeneity import random_effects
    >>> found = random_effects(np.array([0.1, 0.3, 0.6, 0.2]), np.array([0.1, 0.1, 0.15, 0.2]))
    >>> round(found.value, 2), round(found.i2, 2)
    (0.29, 0.62)
    """
    from statsmodels.stats.meta_analysis import combine_effects

    k = len(values)
    found = combine_effects(values, errors**2, method_re="iterated", use_t=True, alpha=1 - level)
    mean, tau2 = float(found.mean_effect_re), max(float(found.tau2), 0.0)
    se = float(found.sd_eff_w_re_hksj)
    half = float(stats.t.ppf(0.5 + level / 2, k - 1)) * se
    wide = math.nan
    if k > 2:
        wide = float(stats.t.ppf(0.5 + level / 2, k - 2)) * math.sqrt(tau2 + se**2)
    return RandomEffects(
        value=mean,
        lower=mean - half,
        upper=mean + half,
        prediction_lower=mean - wide,
        prediction_upper=mean + wide,
        tau=math.sqrt(tau2),
        i2=max(float(found.i2), 0.0),
        p=float(stats.chi2.sf(float(found.q), k - 1)),
    )


@dataclass(frozen=True, kw_only=True)
class _Measure:
    compute: Callable[[Outcome, Floats], Estimate]
    interval: str
    #: To the scale of the summary, back from it, and the slope of the former.
    to: Callable[[float], float]
    back: Callable[[float], float]
    slope: Callable[[float], float]


def _same(x: float) -> float:
    return x


def _measures(outcome: Outcome, year: float, level: float) -> dict[str, _Measure]:
    """On the scales of Snell 2018, doi 10.1177/0962280217705678."""

    def large(o: Outcome, r: Floats) -> Estimate:
        return calibration_intercept(o, r, year, method="in-the-large", level=level)

    return {
        "AUC": _Measure(
            compute=lambda o, r: auc(o, r, year, level=level),
            interval=of_auc(outcome, year),
            to=lambda x: math.log(x / (1 - x)),
            back=lambda x: 1 / (1 + math.exp(-x)),
            slope=lambda x: 1 / (x * (1 - x)),
        ),
        "E/O": _Measure(
            compute=lambda o, r: expected_observed_ratio(o, r, year, level=level),
            interval=LOG,
            to=math.log,
            back=math.exp,
            slope=lambda x: 1 / x,
        ),
        "calibration in the large": _Measure(
            compute=large, interval=NORMAL, to=_same, back=_same, slope=lambda x: 1.0
        ),
        "calibration slope": _Measure(
            compute=lambda o, r: calibration_slope(o, r, year, level=level),
            interval=REGRESSION,
            to=_same,
            back=_same,
            slope=lambda x: 1.0,
        ),
    }


def heterogeneity_table(
    outcome: Outcome,
    risk: Floats,
    sites: pd.Series,
    year: float,
    *,
    fewest_cancers: int = 20,
    level: float = 0.95,
) -> pd.DataFrame:
    """AUC and calibration by site, with a random-effects summary of each.

    Parameters
    ----------
    outcome, risk
    sites : Series of str, length n
    year : float
        Horizon.
    fewest_cancers : int
        Sites with fewer cancers are listed, but are not part of the summary.
    level : float

    Returns
    -------
    DataFrame
        ``column``, ``group`` (the site, or ``"summary"``), the columns of
        :func:`mammorisk.evaluation.rows.row`, and for summaries ``sites`` (their number), ``tau``
        (on the scale of the summary: logit of AUC, log of E/O), ``i2``, ``prediction_lower`` and
        ``prediction_upper``. ``p`` of a summary is of Cochran's Q.
    """
    names = sites.to_numpy()
    groups = sorted(set(names))
    rows: list[dict[str, object]] = []
    used = outcome.weight > 0
    for measure, one in _measures(outcome, year, level).items():
        scaled: list[tuple[float, float]] = []
        kept = np.zeros(len(outcome), dtype=bool)
        for group in groups:
            inside = (names == group) & used
            if not inside.any():
                continue
            own = outcome.take(np.flatnonzero(inside))
            head = {"column": sites.name, "group": group}
            cancers = int(own.is_case(year).sum())
            if cancers < fewest_cancers:
                why = f"fewer than {fewest_cancers} cancers: suppressed, not in the summary"
                made = unavailable(measure, why, n=len(own), events=cancers)
            else:
                made = one.compute(own, risk[inside])
            rows.append(
                row(made, measure, outcome=own, horizon=year, interval=one.interval, **head)
            )
            # The scale of the summary is infinite at the ends of its range.
            if (
                made.se > 0
                and np.isfinite(made.value)
                and not (measure == "AUC" and made.value == 1)
            ):
                scaled.append((one.to(made.value), one.slope(made.value) * made.se))
                kept |= inside
        rows.append(
            _summary(measure, one, scaled, outcome, kept, year, level)
            | {"column": sites.name, "group": SUMMARY}
        )
    table = pd.DataFrame(rows)
    return table.assign(**{name: np.nan for name in _OF_SUMMARY if name not in table})


def _summary(
    measure: str,
    one: _Measure,
    scaled: list[tuple[float, float]],
    outcome: Outcome,
    kept: np.ndarray,
    year: float,
    level: float,
) -> dict[str, object]:
    if len(scaled) < _FEWEST_SITES:
        why = f"{len(scaled)} sites have an estimate; a summary needs {_FEWEST_SITES}"
        made = unavailable(measure, why, n=0)
        used = outcome.take(np.flatnonzero(kept)) if kept.any() else None
        return row(made, measure, outcome=used, horizon=year, interval="") | {"sites": len(scaled)}
    values, errors = (np.array(part) for part in zip(*scaled, strict=True))
    found = random_effects(values, errors, level=level)
    made = Estimate(
        name=measure,
        value=one.back(found.value),
        lower=one.back(found.lower),
        upper=one.back(found.upper),
        n=0,
        p=found.p,
    )
    return row(
        made,
        measure,
        outcome=outcome.take(np.flatnonzero(kept)),
        horizon=year,
        interval=_METHOD,
        null="no difference between sites",
    ) | {
        "sites": len(scaled),
        "tau": found.tau,
        "i2": found.i2,
        "prediction_lower": one.back(found.prediction_lower),
        "prediction_upper": one.back(found.prediction_upper),
    }
