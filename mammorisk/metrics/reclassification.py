"""Net reclassification improvement and reclassification tables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mammorisk._utils.typing import Floats
from mammorisk.errors import EvaluationError
from mammorisk.metrics.censoring import fit_censoring
from mammorisk.metrics.estimate import (
    Estimate,
    check_horizon,
    check_risk,
    from_influence,
    unavailable,
)
from mammorisk.metrics.incidence import cumulative_incidence
from mammorisk.records.alignment import check_thresholds
from mammorisk.records.outcome import Outcome

#: Shown with every net reclassification improvement.
CAUTION = (
    "Net reclassification increases with miscalibration and with uninformative markers. It is "
    "neither a proportion nor a utility (Pepe 2015, doi 10.1007/s12561-014-9118-0; Hilden and "
    "Gerds 2014, doi 10.1002/sim.5804). Report its parts and the net benefit too."
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Reclassification:
    """Movement of women between categories of risk.

    Attributes
    ----------
    nri, of_cases, of_controls : Estimate
        The sum, and its parts: share of cases that move up minus down, of controls down minus up.
    up_cases, down_cases, up_controls, down_controls : float
        Shares that move.
    table, table_cases, table_controls : ndarray of int, shape (k, k)
        Old category by row, new category by column: all women, known cases, and known controls.
    caution : str

    See Also
    --------
    net_reclassification_improvement : Computes it.

    Examples
    --------
    >>> from mammorisk.metrics import example_risks, net_reclassification_improvement
    >>> outcome, risk, other = example_risks()
    >>> moved = net_reclassification_improvement(outcome, other, risk, 5, cuts=0.1)
    >>> print(moved.of_cases)
    NRI, cases: -0.06414 (-0.1573 to 0.029)
    """

    nri: Estimate
    of_cases: Estimate
    of_controls: Estimate
    up_cases: float
    down_cases: float
    up_controls: float
    down_controls: float
    table: NDArray[np.int64]
    table_cases: NDArray[np.int64]
    table_controls: NDArray[np.int64]
    caution: str = CAUTION


def net_reclassification_improvement(
    outcome: Outcome,
    old: Floats,
    new: Floats,
    horizon: float | None = None,
    *,
    cuts: float | Sequence[float] | None = None,
    method: Literal["kaplan-meier", "ipcw"] = "kaplan-meier",
    level: float = 0.95,
) -> Reclassification:
    """Net reclassification improvement of a new model over an old one.

    Parameters
    ----------
    outcome : Outcome
    old, new : array_like, shape (n,)
        Risks in [0, 1].
    horizon : float
        Years; needed unless the outcome is from :meth:`Outcome.binary`.
    cuts : float or sequence of float, optional
        Borders of left-closed categories, risks in (0, 1), ascending. None gives the continuous
        index, where any change counts.
    method : {"kaplan-meier", "ipcw"}
        How censored women are counted: by the observed risk among women who move up, who move down
        and all (Kaplan-Meier or Aalen-Johansen; Pencina 2011), or by the inverse probability of
        censoring.
    level : float

    Returns
    -------
    Reclassification
        Standard errors: unrestricted binomial (Pencina 2008) for the parts where nothing is
        censored, weighted or clustered; else from influence values.

    Raises
    ------
    EvaluationError
        Risks are not probabilities, or ``cuts`` are not ascending fractions.

    See Also
    --------
    integrated_discrimination_improvement
    net_benefit : Net benefit of acting on every woman whose risk reaches a threshold.
    pencina_z : Standard error and z of a net reclassification under the null of no difference.

    References
    ----------
    Pencina 2008, doi 10.1002/sim.2929, and 2011, doi 10.1002/sim.4085.

    Examples
    --------
    >>> from mammorisk.metrics import example_risks, net_reclassification_improvement
    >>> outcome, risk, other = example_risks()
    >>> moved = net_reclassification_improvement(outcome, other, risk, 5, cuts=[0.1])
    >>> print(moved.nri)
    NRI: 0.07637 (-0.02307 to 0.1758)
    >>> print(moved.table)
    [[386  61]
     [194 359]]
    """
    before = check_risk(outcome, old, probability=True)
    after = check_risk(outcome, new, probability=True)
    year = check_horizon(horizon, outcome)
    if cuts is None:
        up, down = after > before, after < before
        edges: Floats = np.array([])
    else:
        edges = np.asarray(check_thresholds(cuts, "cuts"))
        if len(edges) == 0 or (np.diff(edges) <= 0).any():
            raise EvaluationError(
                "cuts must ascend",
                where="cuts",
                remedy="Give each cut once, for example cuts=[0.017, 0.03]; None for none.",
            )
        first = np.searchsorted(edges, before, side="right")
        second = np.searchsorted(edges, after, side="right")
        up, down = second > first, second < first
    case = outcome.is_case(year)
    known_control = outcome.is_event_free(year) | outcome.is_competing(year)
    tables = _tables(before, after, edges, outcome.weight > 0, case, known_control)
    n, events = int((outcome.weight > 0).sum()), int(case.sum())
    parts = _moves(outcome, up, down, year, method)
    if parts is None:
        nothing = unavailable("NRI", "no cases or controls, or no follow-up", n=n, events=events)
        nan = math.nan
        return Reclassification(
            nri=nothing, of_cases=nothing, of_controls=nothing,
            up_cases=nan, down_cases=nan, up_controls=nan, down_controls=nan,
            table=tables[0], table_cases=tables[1], table_controls=tables[2],
        )  # fmt: skip
    values, influences = parts
    of_cases = values[0] - values[1]
    of_controls = values[3] - values[2]
    kind = "NRI" if cuts is not None else "continuous NRI"
    made = []
    for name, value, pull in (
        (kind, of_cases + of_controls, influences @ np.array([1, -1, -1, 1])),
        (f"{kind}, cases", of_cases, influences @ np.array([1, -1, 0, 0])),
        (f"{kind}, controls", of_controls, influences @ np.array([0, 0, -1, 1])),
    ):
        ddof = 0 if outcome.is_complete(year) and not outcome.is_clustered else 1
        made.append(
            from_influence(
                name, value, pull, outcome, events=events, null=0.0, level=level, ddof=ddof
            )
        )
    return Reclassification(
        nri=made[0],
        of_cases=made[1],
        of_controls=made[2],
        up_cases=values[0],
        down_cases=values[1],
        up_controls=values[2],
        down_controls=values[3],
        table=tables[0],
        table_cases=tables[1],
        table_controls=tables[2],
    )


def _tables(
    before: Floats,
    after: Floats,
    edges: Floats,
    used: NDArray[np.bool_],
    case: NDArray[np.bool_],
    control: NDArray[np.bool_],
) -> list[NDArray[np.int64]]:
    k = len(edges) + 1
    first = np.searchsorted(edges, before, side="right")
    second = np.searchsorted(edges, after, side="right")
    found = []
    for rows in (used, used & case, used & control):
        flat = np.bincount(first[rows] * k + second[rows], minlength=k * k)
        found.append(flat.reshape(k, k))
    return found


def _moves(
    outcome: Outcome, up: NDArray[np.bool_], down: NDArray[np.bool_], year: float, method: str
) -> tuple[list[float], Floats] | None:
    """Shares up and down among cases and among controls, and their influence values."""
    if method == "ipcw" or outcome.is_complete(year):
        fitted = fit_censoring(outcome)
        weights = fitted.weights(year)
        if weights is None:
            return None
        case = outcome.is_case(year)
        values, columns = [], []
        for group in (case, ~case):
            whole = np.where(group, weights, 0.0)
            total = float(whole.sum())
            if not total > 0:
                return None
            for moved in (up, down):
                value = float(whole[moved].sum()) / total
                pull = whole * (moved - value) / total
                values.append(value)
                columns.append(pull + fitted.correction(pull, year))
        return values, np.column_stack(columns)
    if method != "kaplan-meier":
        raise EvaluationError(f"{method!r} is not a known method", where="method")
    whole_risk = cumulative_incidence(outcome, year)
    if whole_risk.influence is None or not 0 < whole_risk.value < 1:
        return None
    base = outcome.weight / outcome.weight.sum()
    cases: list[float] = []
    controls: list[float] = []
    case_columns, control_columns = [], []
    for moved in (up, down):
        share = float(base[moved].sum())
        risk, pull = 0.0, np.zeros(len(outcome))
        if moved.any():
            rows = np.flatnonzero(moved)
            inside = cumulative_incidence(outcome.take(rows), year)
            if inside.influence is None:
                return None
            risk = inside.value
            pull[rows] = inside.influence
        total = whole_risk.value
        cases.append(risk * share / total)
        controls.append((1 - risk) * share / (1 - total))
        change = (moved - share) * base
        joint = share * pull + risk * change
        case_columns.append(joint / total - risk * share / total**2 * whole_risk.influence)
        control_columns.append(
            (change - joint) / (1 - total)
            + (1 - risk) * share / (1 - total) ** 2 * whole_risk.influence
        )
    return [*cases, *controls], np.column_stack([*case_columns, *control_columns])


def pencina_z(found: Reclassification) -> tuple[float, float]:
    """Standard error and z of a net reclassification under the null of no difference.

    Parameters
    ----------
    found : Reclassification
        Computed from outcomes that are known for all rows.

    Returns
    -------
    se : float
        Standard error under the null.
    z : float
        The index over its standard error.

    See Also
    --------
    net_reclassification_improvement

    References
    ----------
    Pencina 2008, doi 10.1002/sim.2929.

    Examples
    --------
    >>> from mammorisk.records.outcome import Outcome
    >>> from mammorisk.metrics import example_risks, net_reclassification_improvement, pencina_z
    >>> outcome, risk, other = example_risks()
    >>> known = Outcome.binary(outcome.is_case(5))
    >>> moved = net_reclassification_improvement(known, other, risk, cuts=[0.1])
    >>> se, z = pencina_z(moved)
    >>> print(round(se, 4), round(z, 2))
    0.0498 1.28
    """
    n_cases = int(found.table_cases.sum())
    n_controls = int(found.table_controls.sum())
    variance = (found.up_cases + found.down_cases) / n_cases
    variance += (found.up_controls + found.down_controls) / n_controls
    se = math.sqrt(variance)
    return se, found.nri.value / se
