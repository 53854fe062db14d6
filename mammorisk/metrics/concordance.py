"""Concordance of scores with times: Harrell's C, Uno's C and related indices."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

import numpy as np

from mammorisk._utils.typing import Floats
from mammorisk.errors import EvaluationError
from mammorisk.metrics.estimate import (
    Estimate,
    check_horizon,
    check_risk,
    from_influence,
    unavailable,
)
from mammorisk.metrics.life_table import life_table
from mammorisk.metrics.marginal_censoring import marginal_censoring
from mammorisk.metrics.ranking import count_pairs
from mammorisk.records.follow_up import CANCER, COMPETING
from mammorisk.records.outcome import Outcome

Weighting = Literal["harrell", "uno", "S", "S/G", "I"]
Competing = Literal["never", "censor"]


def concordance_index(
    outcome: Outcome,
    risk: Floats,
    *,
    weighting: Weighting = "harrell",
    truncation: float | None = None,
    competing: Competing = "never",
    level: float = 0.95,
) -> Estimate:
    """Probability that, of two women, the one whose cancer comes first scores higher.

    The index is the weighted share of correctly ordered pairs among all pairs where one woman is
    known to have cancer first; ties in the score count one half. Two cancers at the same time are
    not a pair. A cancer comes before a censoring at the same time.

    Parameters
    ----------
    outcome : Outcome
        With late entry, a woman is compared only from her entry on.
    risk : array_like, shape (n,)
        Any score, higher for more risk.
    weighting : {"harrell", "uno", "S", "S/G", "I"}
        Weight of a pair whose earlier cancer is at t: 1, G(t-)^-2, or those of Therneau's
        ``concordance(timewt=)``: S(t-)/n(t), S(t-)/(G(t-) n(t)), 1/n(t), with S and G the
        survivor functions of cancer and of censoring and n(t) the weight at risk.
    truncation : float, optional
        Only pairs whose earlier cancer is at or before this time (years) are counted. For Uno's C
        some women must be followed beyond it.
    competing : {"never", "censor"}
        ``"never"``: a woman with a competing event never gets cancer and stays comparable
        (Wolbers 2009; for Uno's weights Wolbers 2014: such a woman with her event before the
        other's cancer weighs 1/(G(T_i-) G(T_j-))). ``"censor"``: she is censored at that event.
    level : float
        Confidence level of the interval.

    Returns
    -------
    Estimate
        In [0, 1]; p against 0.5. The standard error is the infinitesimal jackknife and treats
        the weights over time as known, as survival does. NaN with a reason if there is no pair.

    Raises
    ------
    EvaluationError
        Risks of another length than the outcome, or an unknown option.

    See Also
    --------
    cumulative_dynamic_auc
    paired_concordance

    Notes
    -----
    Results agree with R's survival for ``competing="censor"`` or without competing events. For
    Uno's weights with competing events Wolbers 2014 takes one factor of G at t and one just before
    t; here both are just before t, as in Uno 2011, which differs at times that cancers and
    censorings share.

    Harrell's C depends on the distribution of censoring; Uno's does not.

    References
    ----------
    Harrell 1996, doi 10.1002/(SICI)1097-0258(19960229)15:4<361::AID-SIM168>3.0.CO;2-4; Uno 2011,
    doi 10.1002/sim.4154; Wolbers 2009, doi 10.1097/EDE.0b013e3181a39056, and 2014,
    doi 10.1093/biostatistics/kxt059; Therneau and Watson 2017, Mayo Clinic technical report 85.

    Examples
    --------
    >>> from mammorisk.metrics import concordance_index, example_risks
    >>> outcome, risk, other = example_risks()
    >>> print(concordance_index(outcome, risk))
    C index: 0.681 (0.6316 to 0.7305)
    >>> print(concordance_index(outcome, risk, weighting="uno", truncation=5))
    C index to 5 y: 0.6666 (0.6112 to 0.722)
    """
    score = check_risk(outcome, risk)
    tau = math.inf if truncation is None else check_horizon(truncation)
    if competing not in ("never", "censor"):
        raise EvaluationError(
            f"{competing!r} is not a known rule for competing events", where="competing"
        )
    name = "C index" if truncation is None else f"C index to {tau:g} y"
    case = (outcome.event == CANCER) & (outcome.time <= tau) & (outcome.weight > 0)
    n, events = int((outcome.weight > 0).sum()), int(case.sum())
    pair_weight = _pair_weight(outcome, weighting, competing)
    if not np.isfinite(pair_weight[case]).all():
        return unavailable(
            name, "nobody is followed beyond the last cancer; give a truncation time",
            n=n, events=events,
        )  # fmt: skip
    first = np.where(case, outcome.weight * np.where(case, pair_weight, 0.0), 0.0)
    # Under Uno's weights those with an earlier competing event have weights of their own.
    apart = competing == "never" and weighting == "uno"
    right, total = _later(
        outcome, score, first, stays=competing == "never" and not apart, apart=apart
    )
    if apart:
        earlier = _earlier_competing(outcome, score, np.where(case, np.sqrt(pair_weight), 0.0))
        right, total = right + earlier[0], total + earlier[1]
    # Each pair counts for both of its members.
    comparable = float(total.sum()) / 2
    if not comparable > 0:
        return unavailable(name, "no two women can be compared", n=n, events=events)
    value = float(right.sum() / 2 / comparable)
    return from_influence(
        name,
        value,
        (right - value * total) / comparable,
        outcome,
        events=events,
        null=0.5,
        level=level,
        bounds=(0.0, 1.0),
        ddof=0,
    )


def _pair_weight(outcome: Outcome, weighting: Weighting, competing: Competing) -> Floats:
    """Weight of the pairs whose earlier cancer is each row's; infinite or NaN if undefined."""
    if weighting == "harrell":
        return np.ones(len(outcome))
    if weighting not in ("uno", "S", "S/G", "I"):
        raise EvaluationError(f"{weighting!r} is not a known weighting of pairs", where="weighting")
    if competing == "censor":
        outcome = _competing_as_censored(outcome)
    fitted = marginal_censoring(outcome)
    life = life_table(outcome)
    free = np.concatenate([[1.0], fitted.free])[:-1]
    hazard = np.divide(life.cancers, life.at_risk, out=np.zeros(len(free)), where=life.at_risk > 0)
    surviving = np.concatenate([[1.0], np.cumprod(1 - hazard)])[:-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        by_time = {
            "uno": 1 / free**2,
            "S": surviving / life.at_risk,
            "S/G": surviving / (free * life.at_risk),
            "I": 1 / life.at_risk,
        }[weighting]
    return by_time[life.position]


def _competing_as_censored(outcome: Outcome) -> Outcome:
    return Outcome(
        time=outcome.time,
        event=np.where(outcome.event == CANCER, CANCER, 0),
        weight=outcome.weight,
        entry=outcome.entry,
        cluster=outcome.cluster,
    )


def _later(
    outcome: Outcome, score: Floats, first: Floats, *, stays: bool, apart: bool
) -> tuple[Floats, Floats]:
    """Pairs of a cancer and a row under observation, free of cancer, beyond its time.

    ``stays``: a row with a competing event never gets cancer. ``apart``: rows whose competing event
    is not later are left out.
    """
    time = outcome.time
    if stays:
        time = np.where(outcome.event == COMPETING, math.inf, time)
    kind = np.where(outcome.event == CANCER, 1, 2)
    if apart:
        # Competing events of the same time as a cancer are counted among the earlier ones.
        kind[outcome.event == COMPETING] = 0
    right, total = count_pairs(time, kind, score, first, outcome.weight)
    if outcome.has_entry:
        # Subtract the pairs whose second member had not yet entered.
        n = len(outcome)
        nothing = np.zeros(n)
        early_right, early_total = count_pairs(
            np.concatenate([time, outcome.entry]),
            np.repeat([1, 2], n),
            np.concatenate([score, score]),
            np.concatenate([first, nothing]),
            np.concatenate([nothing, outcome.weight]),
        )
        right = right - early_right[:n] - early_right[n:]
        total = total - early_total[:n] - early_total[n:]
    return right, total


def _earlier_competing(
    outcome: Outcome, score: Floats, case_weight: Floats
) -> tuple[Floats, Floats]:
    """Pairs of a cancer and a row with a competing event before it or at the same time."""
    is_competing = outcome.event == COMPETING
    if not is_competing.any():
        return np.zeros(len(outcome)), np.zeros(len(outcome))
    free = marginal_censoring(outcome)
    weights = np.concatenate([[1.0], free.free])[:-1][free.life.position]
    second = np.zeros(len(outcome))
    second[is_competing] = outcome.weight[is_competing] / weights[is_competing]
    # Backward in time, so that the cancer comes first.
    return count_pairs(
        -outcome.time, is_competing.astype(np.int64), score, outcome.weight * case_weight, second
    )


def paired_concordance(
    outcome: Outcome, first: Floats, second: Floats, *, level: float = 0.95
) -> Estimate:
    """Probability that the first score separates two comparable women more than the second does.

    Parameters
    ----------
    outcome : Outcome
    first, second : array_like, shape (n,)
        Scores on the same scale.
    level : float
        Confidence level of the interval.

    Returns
    -------
    Estimate
        0.5 means that neither score is more concordant. Two times the estimate, minus one, is the
        index of Hmisc's ``rcorrp.cens``.

    See Also
    --------
    concordance_index
    difference : Difference of two estimates on the same rows, with their covariance.

    References
    ----------
    Harrell 2015, doi 10.1007/978-3-319-19425-7, section on paired concordance.

    Examples
    --------
    >>> from mammorisk.metrics import example_risks, paired_concordance
    >>> outcome, risk, other = example_risks()
    >>> print(paired_concordance(outcome, risk, other))
    first score more concordant: 0.5571 (0.4971 to 0.6172)
    """
    apart = check_risk(outcome, first) - check_risk(outcome, second)
    return replace(
        concordance_index(outcome, apart, competing="censor", level=level),
        name="first score more concordant",
    )
