"""LeaveOneOut: performance in each left-out group of women, and its summary."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from mammorisk._utils.output_file import write_output
from mammorisk._utils.page import Section, drawn, folded, html_page
from mammorisk.evaluation.heterogeneity import SUMMARY
from mammorisk.evaluation.plots.look import PAGE, unless_set
from mammorisk.evaluation.plots.site_forest import draw_site_forest
from mammorisk.evaluation.table_text import as_html

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Measures with a column in the table of groups.
MEASURES = ("AUC", "E/O", "calibration slope")
_OF_SUMMARY = ["prediction_lower", "prediction_upper", "tau", "i2", "p", "reason"]


@dataclass(frozen=True, kw_only=True, eq=False)
class LeaveOneOut:
    """Result of :func:`mammorisk.leave_one_out`.

    Attributes
    ----------
    by : str
        Column of the groups.
    recipe : str
        Name of what was fitted.
    horizon : float
        Years.
    groups : DataFrame
        One row a left-out group: ``group``, ``exams``, ``women``, ``cancers`` (by the horizon),
        ``without_risk`` (exams), ``training_exams``, ``training_cancers``; for AUC, E/O and
        calibration slope ``value``, ``value_lower`` and ``value_upper`` under the name of the
        measure; ``reason`` where they were not estimated.
    summary : DataFrame
        One row a measure: random-effects mean with its interval (``lower``, ``upper``), interval
        for another group (``prediction_lower``, ``prediction_upper``), ``tau`` (standard deviation
        between groups, on the logit of AUC and the log of E/O), ``i2``, ``p`` (of Cochran's Q),
        ``groups`` (their number), ``reason``.
    estimates : DataFrame
        Every estimate as a row, as in the table ``heterogeneity`` of a report.
    risks : DataFrame
        ``patient_id``, ``exam_id``, the column of the groups, ``model`` and risks, each from the
        model that did not see the group. :func:`mammorisk.evaluate` takes it.
    simulated : bool
        Whether the women are simulated; figures and the page then say so.

    See Also
    --------
    mammorisk.leave_one_out : Makes it.
    mammorisk.evaluate : With ``cluster=``, heterogeneity of one model between sites.

    Examples
    --------
    >>> import mammorisk as mr
    >>> study = mr.simulate(30_000, seed=1)
    >>> def local(train, folder):
    ...     return mr.recalibrate("bcrat", train, method="intercept", horizons=[5])
    >>> found = mr.leave_one_out(study.cohort, local, by="site")
    >>> found.groups[["group", "cancers", "AUC"]].round(2)
        group  cancers   AUC
    0  site-1      101  0.62
    1  site-2      116  0.63
    2  site-3       93  0.62
    3  site-4      104  0.62
    """

    by: str
    recipe: str
    horizon: float
    groups: pd.DataFrame = field(repr=False)
    summary: pd.DataFrame = field(repr=False)
    estimates: pd.DataFrame = field(repr=False)
    risks: pd.DataFrame = field(repr=False)
    simulated: bool = False

    def plot(self, measure: str = "AUC", *, ax: Axes | None = None) -> Axes:
        """Draw a forest plot: each left-out group, the summary, and the prediction interval.

        Parameters
        ----------
        measure : {"AUC", "E/O", "calibration slope", "calibration in the large"}
        ax : Axes, optional
            Default: the axes of a new figure.

        Raises
        ------
        EvaluationError
            Another measure.
        """
        import matplotlib.pyplot as plt

        if ax is None:
            size = (7.2, 1.7 + 0.33 * len(self.groups))
            _, ax = plt.subplots(figsize=size, layout="constrained")
        draw_site_forest(ax, self.estimates, measure, simulated=self.simulated)
        return ax

    def to_page(self) -> str:
        """Return the result as one self-contained HTML page."""
        import matplotlib.pyplot as plt

        figures = []
        for measure in MEASURES:
            with plt.rc_context(unless_set(PAGE)):
                ax = self.plot(measure)
                figure: Any = ax.figure
                figures.append(drawn(figure, f"{measure} by left-out {self.by}, with a summary"))
        told = "<p><strong>Simulated women.</strong></p>" if self.simulated else ""
        lead = (
            f"{told}<p>Each {self.by} was left out once: the model ({self.recipe}) was fitted to "
            "the others and evaluated on its women. The diamond is the random-effects mean with "
            f"its interval, the dashed line the interval for another {self.by}.</p>"
        )
        sections = [
            Section(
                key="groups",
                title=f"Left-out {self.by}",
                parts=[*figures, as_html(readable_groups(self.groups))],
            ),
            Section(
                key="summary",
                title="Summary",
                parts=[as_html(self.summary), folded("Estimates", as_html(self.estimates))],
            ),
        ]
        return html_page(f"Leave-one-{self.by}-out", sections, lead=lead)

    def to_html(self, path: str | Path) -> Path:
        """Write the result as one self-contained HTML page.

        Raises
        ------
        OutputError
            The file cannot be written.
        """
        return _write(Path(path), self.to_page())

    def to_csv(self, folder: str | Path) -> Path:
        """Write ``groups``, ``summary``, ``estimates`` and ``risks`` as CSV files into a folder.

        Raises
        ------
        OutputError
            A file cannot be written.
        """
        for name in ("groups", "summary", "estimates", "risks"):
            table: pd.DataFrame = getattr(self, name)
            _write(Path(folder) / f"{name}.csv", table.to_csv(index=False))
        return Path(folder)

    def __repr__(self) -> str:
        known = int(self.groups["AUC"].notna().sum())
        lines = [
            f"<LeaveOneOut: {self.recipe} by {self.by}, {len(self.groups)} left out, {known} "
            "estimated>"
        ]
        for _, row in self.summary[self.summary["measure"].isin(MEASURES)].iterrows():
            if pd.isna(row["value"]):
                lines.append(f"  {row['measure']}: {row['reason']}")
            else:
                lines.append(
                    f"  {row['measure']}: {row['value']:.3f} ({row['lower']:.3f} to "
                    f"{row['upper']:.3f}), another {self.by} {row['prediction_lower']:.3f} to "
                    f"{row['prediction_upper']:.3f}"
                )
        return "\n".join(lines)


def summary_of(estimates: pd.DataFrame) -> pd.DataFrame:
    """Take the summaries from a table of heterogeneity."""
    rows = estimates[estimates["group"] == SUMMARY]
    names = ["measure", "horizon", "value", "lower", "upper", *_OF_SUMMARY[:-1]]
    table = rows[names].assign(groups=rows["sites"].astype("Int64"), reason=rows["reason"])
    return table.reset_index(drop=True)


def add_measures(groups: pd.DataFrame, estimates: pd.DataFrame) -> pd.DataFrame:
    """Add value and interval of each measure, and the reason if there is none, to the groups."""
    made = groups.copy()
    reasons = pd.Series([None] * len(made), index=made.index, dtype=object)
    for measure in MEASURES:
        own = estimates[estimates["measure"] == measure].set_index("group")
        for column, name in (("value", ""), ("lower", "_lower"), ("upper", "_upper")):
            made[f"{measure}{name}"] = made["group"].map(own[column]).astype(float)
        told = made["group"].map(own["reason"])
        reasons = reasons.where(made[measure].notna() | reasons.notna(), told)
    return made.assign(reason=reasons)


def readable_groups(groups: pd.DataFrame) -> pd.DataFrame:
    """Groups with value and interval in one column."""
    made = groups.drop(columns=[f"{one}_{end}" for one in MEASURES for end in ("lower", "upper")])
    for measure in MEASURES:
        made[measure] = [
            "not estimated"
            if pd.isna(value)
            else f"{value:.2f}"
            if pd.isna(low)
            else f"{value:.2f} ({low:.2f} to {high:.2f})"
            for value, low, high in zip(
                groups[measure],
                groups[f"{measure}_lower"],
                groups[f"{measure}_upper"],
                strict=True,
            )
        ]
    return made


def _write(path: Path, text: str) -> Path:
    return write_output(path, text, "the result", where=path.name, make_folder=True)
