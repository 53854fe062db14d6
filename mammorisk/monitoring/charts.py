"""Charts of a monitor: what is watched, how large a change is looked for, and its alarms."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mammorisk._utils.typing import Floats
from mammorisk.errors import EvaluationError
from mammorisk.io.acquisition import doubt_force_median
from mammorisk.monitoring.blocks import BLOCK, first_change
from mammorisk.monitoring.cusum import control_limit, cusum, first_crossing
from mammorisk.monitoring.observations import values_of
from mammorisk.monitoring.rank_scores import rank_scores
from mammorisk.records.questionnaire_fields import FIELDS

#: Lowest and highest probability of a false alarm that can be asked for.
PROBABILITIES = (1e-6, 0.5)
#: Exams of a device before its charts give alarms.
HOLD = 200
#: Factor between mean risks that the chart of the risk is made for.
RISK_FACTOR = 1.22
#: Allowance of a chart as a share of the change that it is made for. Half would be best for a
#: known mean (Moustakides 1986); here a change slowly enters the ranks of what is compared with.
_ALLOWANCE_SHARE = 0.3
#: Allowance of the other charts, in standard deviations.
_ALLOWANCE = 0.25
_SMALLEST, _LARGEST = 0.05, 0.5
#: Shares of the probability of a false alarm; the other charts have equal parts of the rest.
_SHARES = {"log_risk": 0.5, "density": 0.1}

#: Acquisition values whose absence is watched.
_HEADERS = ("thickness_mm", "force", "kvp", "glandular_dose_mgy", "anode_filter")
#: Combinations of anode and filter that a device is expected to have at most.
_BEAMS = 12


@dataclass(frozen=True, kw_only=True)
class ChartSpec:
    """What a chart shows.

    Attributes
    ----------
    name : str
    title, unit : str
    column : str
        Column of the observations; of proportions, the column from which flags are made.
    n_proportions : int
        Number of the proportions that it shows; 0 for a chart of a mean.
    is_logarithm : bool
        Whether its values are logarithms, so that a difference is a ratio.
    differs_by_vendor : bool
        Whether another vendor is expected to have other values: a difference between devices of
        two vendors is then reported, but is no alarm.
    """

    name: str
    title: str
    column: str
    unit: str = ""
    n_proportions: int = 0
    is_logarithm: bool = False
    differs_by_vendor: bool = False


CHARTS = (
    ChartSpec(
        name="log_risk",
        title="Risk relative to age",
        column="relative_log_risk",
        is_logarithm=True,
    ),
    ChartSpec(name="percent_density", title="Percent density", column="percent_density", unit="%"),
    ChartSpec(
        name="guard_distance",
        title="Distance to the training images",
        column="guard_distance",
        differs_by_vendor=True,
    ),
    ChartSpec(name="thickness", title="Thickness", column="thickness_mm", unit="mm"),
    ChartSpec(name="force", title="Compression force, as stated", column="force"),
    ChartSpec(name="kvp", title="Tube voltage", column="kvp", unit="kV", differs_by_vendor=True),
    ChartSpec(
        name="dose_for_thickness",
        title="Glandular dose relative to thickness",
        column="glandular_dose_mgy",
        is_logarithm=True,
        differs_by_vendor=True,
    ),
    ChartSpec(name="unknown_answers", title="Unknown answers", column="unknown_answers"),
    ChartSpec(name="density", title="Density category", column="density", n_proportions=4),
    ChartSpec(
        name="anode_filter",
        title="Anode and filter",
        column="anode_filter",
        n_proportions=_BEAMS,
        differs_by_vendor=True,
    ),
    ChartSpec(name="refused", title="No risk", column="refused", n_proportions=1),
    ChartSpec(
        name="outside_domain",
        title="Outside the domain",
        column="outside_domain",
        n_proportions=1,
    ),
    ChartSpec(name="images_used", title="Images used", column="images_used", n_proportions=1),
    ChartSpec(name="answers", title="Answers known", column="known", n_proportions=len(FIELDS)),
    ChartSpec(
        name="age_mismatch",
        title="Ages contradict each other",
        column="age_mismatch",
        n_proportions=1,
    ),
    ChartSpec(
        name="headers",
        title="Acquisition values stated",
        column="headers",
        n_proportions=len(_HEADERS),
    ),
)
_FORCE = next(one for one in CHARTS if one.name == "force")
#: Exams after which the smoothed risk of a device is shown.
_UNSTEADY = 50
#: Number of exams whose median force shows its unit.
_FORCES = 50
#: Of all jobs together, because a job that failed has no device.
FAILED = ChartSpec(name="failed", title="Jobs that failed", column="failed", n_proportions=1)


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """A change that a chart found.

    Attributes
    ----------
    chart, device : str
        Name of the chart, and the device with its software.
    exam : int
        Number of the exam of this device, from 1, at which it was found.
    since : int
        Number of the exam at which the change probably began.
    at : float
        Time of the exam at which it was found, seconds since 1970.
    text : str
        The change in words.
    """

    chart: str
    device: str
    exam: int
    since: int
    at: float
    text: str

    @property
    def id(self) -> str:
        """Name of the alarm in an acknowledgement."""
        return f"{self.device} / {self.chart} / {self.exam}"


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Probability of a false alarm of a device, and within how many exams.

    Attributes
    ----------
    probability : float
        From 1e-6 to 0.5.
    exams : int
        At least 100, the number of exams of a block.

    Raises
    ------
    EvaluationError
        A number is out of range.
    """

    probability: float = 0.01
    exams: int = 2000

    def __post_init__(self) -> None:
        low, high = PROBABILITIES
        if not low <= self.probability <= high:
            raise EvaluationError(
                f"{self.probability:g} is no probability from {low:g} to {high:g}",
                where="false_alarms",
                remedy="Give the probability of a false alarm of a device, such as 0.01.",
            )
        if not BLOCK <= self.exams < math.inf:
            raise EvaluationError(
                f"{self.exams:g} is below {BLOCK} or not finite",
                where="within_exams",
                remedy="Give the number of exams of that probability, such as 2000.",
            )

    def of(self, spec: ChartSpec) -> float:
        """Return the share of one chart."""
        # The chart of failed jobs is one more.
        others = len(CHARTS) + 1 - len(_SHARES)
        share = _SHARES.get(spec.name, (1 - sum(_SHARES.values())) / others)
        return self.probability * share


def chart_values(spec: ChartSpec, rows: pd.DataFrame) -> pd.Series:
    """Return the values of a chart, without the unknown ones.

    Parameters
    ----------
    spec : ChartSpec
        Of a mean.
    rows : DataFrame
        Observations of one device, in order of time.

    Returns
    -------
    Series
        Indexed by the position of the exam.
    """
    if spec.name == "dose_for_thickness":
        return _dose_for_thickness(rows)
    return values_of(rows, spec.column)


def _dose_for_thickness(rows: pd.DataFrame) -> pd.Series:
    """Logarithm of the dose less a line in the thickness, fitted to the first exams."""
    dose, thickness = values_of(rows, "glandular_dose_mgy"), values_of(rows, "thickness_mm")
    both = dose.index.intersection(thickness.index)
    log_dose: pd.Series = np.log(dose[both])
    x = thickness[both]
    first = slice(0, HOLD)
    if len(both) < 2 or np.ptp(x.to_numpy()[first]) == 0:
        return log_dose
    slope, level = np.polyfit(x.to_numpy()[first], log_dose.to_numpy()[first], 1)
    rest: pd.Series = log_dose - slope * x - level
    return rest


def chart_flags(spec: ChartSpec, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the flags of a chart of proportions.

    Parameters
    ----------
    spec : ChartSpec
        Of proportions.
    rows : DataFrame
        Observations of one device, in order of time.

    Returns
    -------
    DataFrame of bool
        One column for each proportion, indexed by the position of the exam.
    """
    rows = rows.reset_index(drop=True)
    if spec.name == "answers":
        return pd.DataFrame({name: [name in known for known in rows["known"]] for name in FIELDS})
    if spec.name == "headers":
        return pd.DataFrame({name: rows[name].notna() for name in _HEADERS})
    column = rows[spec.column]
    if spec.column in ("density", "anode_filter"):
        known = column.dropna()
        return pd.DataFrame({str(one): known == one for one in sorted(known.unique())})
    return pd.DataFrame({spec.title.lower(): column.astype(bool)})


def alarms_of(
    spec: ChartSpec, rows: pd.DataFrame, device: str, budget: Budget, hold: int = HOLD
) -> list[Alarm]:
    """Return the alarms of a chart. After each it starts again with the exams that follow.

    Parameters
    ----------
    spec : ChartSpec
    rows : DataFrame
        Observations of one device and software version, in order of time.
    device : str
    budget : Budget
    hold : int
        Number of exams before the chart gives alarms.
    """
    series: pd.Series | pd.DataFrame
    series = chart_flags(spec, rows) if spec.n_proportions else chart_values(spec, rows)
    times = rows["at"].to_numpy(dtype=float)
    found: list[Alarm] = []
    start = 0
    while len(series) - start > hold:
        rest = series.iloc[start:]
        if isinstance(rest, pd.DataFrame):
            change = _proportion_change(spec, rest, hold, budget.of(spec), budget.exams)
        else:
            change = _mean_change(spec, rest, hold, budget.of(spec), budget.exams)
        if change is None:
            break
        at, since, text = change
        exams = rest.index
        found.append(
            Alarm(
                chart=spec.name,
                device=device,
                exam=int(exams[at]) + 1,
                since=int(exams[since]) + 1,
                at=float(times[exams[at]]),
                text=f"{spec.title}: {text}",
            )
        )
        start += at + 1
    return found


def allowance_of(spec: ChartSpec, values: Floats) -> float:
    """Return the allowance of a chart.

    Parameters
    ----------
    spec : ChartSpec
    values : ndarray
        Its first values, from which the standard deviation is estimated.

    Returns
    -------
    float
        In standard deviations.
    """
    spread = float(values.std(ddof=1))
    if spec.name != "log_risk" or spread == 0:
        return _ALLOWANCE
    return min(_LARGEST, max(_SMALLEST, _ALLOWANCE_SHARE * math.log(RISK_FACTOR) / spread))


def force_unit_alarms(rows: pd.DataFrame, device: str) -> list[Alarm]:
    """Return an alarm where the median force of a block of exams begins to be in another unit.

    A unit that was wrong from the first exam on is no change, and so is not found by a chart.

    Parameters
    ----------
    rows : DataFrame
        Observations of one device, in order of time.
    device : str
    """
    forces = chart_values(_FORCE, rows)
    before, found = None, []
    for start in range(0, len(forces) - _FORCES + 1, _FORCES):
        block = forces.iloc[start : start + _FORCES]
        doubt = doubt_force_median(float(block.median()))
        if doubt is not None and doubt != before:
            at = int(block.index[-1])
            found.append(
                Alarm(
                    chart="force_unit",
                    device=device,
                    exam=at + 1,
                    since=int(block.index[0]) + 1,
                    at=float(rows["at"].iloc[at]),
                    text=doubt,
                )
            )
        before = doubt
    return found


def risk_line(rows: pd.DataFrame, smoothing: float = 0.02) -> pd.DataFrame:
    """Return the smoothed risk relative to age for a figure, without the first exams.

    Parameters
    ----------
    rows : DataFrame
    smoothing : float
        Weight of the newest exam in the exponentially weighted mean.

    Returns
    -------
    DataFrame
        ``at`` and ``ratio``, the exponentially weighted geometric mean of the risk over that of
        the average woman of the same age.
    """
    values = chart_values(CHARTS[0], rows)
    smooth = np.exp(values.ewm(alpha=smoothing, adjust=True).mean())
    at = rows["at"].reset_index(drop=True)[values.index]
    # The mean of a few exams says nothing, and would stretch the axis.
    return pd.DataFrame({"at": at, "ratio": smooth}).iloc[_UNSTEADY:]


def _mean_change(
    spec: ChartSpec, series: pd.Series, hold: int, probability: float, exams: int
) -> tuple[int, int, str] | None:
    values = series.to_numpy(dtype=float)
    allowance = allowance_of(spec, values[:hold])
    sums = cusum(rank_scores(values)[hold:], allowance)
    crossing = first_crossing(sums, control_limit(allowance, probability, exams))
    if crossing is None:
        return None
    at, since = crossing.at + hold, crossing.start + hold
    before, after = float(values[:since].mean()), float(values[since : at + 1].mean())
    if spec.is_logarithm:
        return at, since, f"{math.exp(after - before):.2f} times that before"
    unit = f" {spec.unit}" if spec.unit else ""
    return at, since, f"mean {after:.3g}{unit}, before {before:.3g}{unit}"


def _proportion_change(
    spec: ChartSpec, flags: pd.DataFrame, hold: int, probability: float, exams: int
) -> tuple[int, int, str] | None:
    change = first_change(flags.to_numpy(dtype=bool), hold, probability, exams, spec.n_proportions)
    if change is None:
        return None
    name = str(flags.columns[change.column]).replace("_", " ")
    text = f"{name} {100 * change.after:.1f}%, before {100 * change.before:.1f}%"
    return change.at, change.start, text
