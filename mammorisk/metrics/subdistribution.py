"""Subdistribution hazard ratio of a score."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from mammorisk._utils.typing import Floats
from mammorisk.errors import EvaluationError
from mammorisk.metrics.censoring import Ties
from mammorisk.metrics.effect_size import ratio_from_fit, spread
from mammorisk.metrics.estimate import Estimate, check_horizon, check_risk, unavailable
from mammorisk.metrics.fine_gray import fit_fine_gray
from mammorisk.metrics.partial_likelihood import TiedCancers
from mammorisk.records.follow_up import CANCER
from mammorisk.records.outcome import Outcome


def subdistribution_hazard_ratio(
    outcome: Outcome,
    score: Floats,
    *,
    per: Literal["sd", "unit"] = "sd",
    horizon: float | None = None,
    adjust: ArrayLike | None = None,
    censoring: Ties = "riskregression",
    censoring_known: bool = False,
    ties: TiedCancers = "efron",
    level: float = 0.95,
) -> Estimate:
    """Subdistribution hazard ratio of cancer (Fine and Gray).

    A cause-specific hazard ratio describes the rate among women who are alive and free of cancer.
    This ratio describes the effect of the score on the cumulative incidence in the presence of
    competing events.

    Parameters
    ----------
    outcome : Outcome
        Competing events, weights, several exams of one woman and late entry are taken into account.
    score : array_like, shape (n,)
        Commonly the complementary log-log of a risk; with ``per="unit"`` also 0 and 1 for two
        groups.
    per : {"sd", "unit"}
        Ratio for one standard deviation of the score, or for one unit.
    horizon : float, optional
        Years; later cancers do not count. By default all of follow-up is used.
    adjust : array_like, shape (n,) or (n, k), optional
        Covariates, such as age.
    censoring : {"riskregression", "scikit-survival", "kaplan-meier"}
        Estimate of the probability of being followed; see :func:`fit_censoring`. R's ``finegray``
        is ``"riskregression"``, ``crr`` is ``"kaplan-meier"``.
    censoring_known : bool
        Leave out the uncertainty of that probability, as R's ``finegray`` with ``coxph`` does;
        ``crr`` includes it.
    ties : {"efron", "breslow"}
        Rule for cancers at the same time, as in ``coxph`` or as in ``crr``.
    level : float
        Confidence level of the interval.

    Returns
    -------
    Estimate
        Robust standard error; the interval is normal on the log scale; p against 1. NaN with a
        reason if all scores are equal, or for fewer than two cancers.

    Raises
    ------
    EvaluationError
        The length of the scores is wrong, or an option is unknown.

    See Also
    --------
    hazard_ratio_per_sd : The cause-specific hazard ratio.
    gray_test : Gray's test that groups have the same cumulative incidence of cancer.
    ratios_by_group : The same by groups of the score, with ``scale="subdistribution"``.

    Notes
    -----
    Women with a competing event stay in the risk set with the probability of still being followed.
    That probability is common to all women: censoring that depends on the score biases the ratio.
    With late entry the probability of having entered is estimated in the same way; the standard
    error treats it as known.

    References
    ----------
    Fine and Gray 1999, doi 10.1080/01621459.1999.10474144; Geskus 2011,
    doi 10.1111/j.1541-0420.2010.01420.x (late entry).

    Examples
    --------
    >>> import numpy as np
    >>> from mammorisk.metrics import example_risks, subdistribution_hazard_ratio
    >>> outcome, risk, other = example_risks()
    >>> print(subdistribution_hazard_ratio(outcome, np.log(-np.log1p(-risk))))
    subdistribution HR per SD: 1.984 (1.648 to 2.39)
    >>> print(subdistribution_hazard_ratio(outcome, risk > 0.1, per="unit"))
    subdistribution HR: 3.426 (2.315 to 5.068)
    """
    values = check_risk(outcome, score)
    if per not in ("sd", "unit"):
        raise EvaluationError(f"{per!r} is not a known unit", where="per", remedy='Use "sd".')
    name = "subdistribution HR per SD" if per == "sd" else "subdistribution HR"
    end = np.inf if horizon is None else check_horizon(horizon)
    used = outcome.weight > 0
    cancers = (outcome.event == CANCER) & (outcome.time <= end) & used
    n, events = int(used.sum()), int(cancers.sum())
    sd = spread(values, outcome.weight, used)
    if not sd > 0:
        return unavailable(name, "all women have the same score", n=n, events=events)
    columns = [values / sd if per == "sd" else values]
    if adjust is not None:
        columns.append(outcome.written_out(np.asarray(adjust, dtype=float)))
    fitted = fit_fine_gray(
        outcome,
        np.column_stack(columns),
        horizon=horizon,
        censoring=censoring,
        censoring_known=censoring_known,
        ties=ties,
    )
    return ratio_from_fit(name, fitted, 0, outcome, events, level)
