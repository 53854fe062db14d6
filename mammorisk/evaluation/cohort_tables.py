"""Flow of the cohort: rows left at each step, outcomes and follow-up."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mammorisk.evaluation.interval_methods import of_observed_risk
from mammorisk.metrics.follow_up import median_follow_up
from mammorisk.metrics.incidence import cumulative_incidence
from mammorisk.records.alignment import Aligned
from mammorisk.records.follow_up import CANCER, COMPETING


def flow_table(aligned: Aligned, year: float) -> pd.DataFrame:
    """Rows left at each step, outcomes and follow-up.

    Returns
    -------
    DataFrame
        ``item``, ``value``, ``lower``, ``upper`` and ``interval`` (its method). Counts are
        integers; the observed risk is a fraction.
    """
    outcome, weight = aligned.outcome, aligned.outcome.weight
    case, competing = outcome.is_case(year), outcome.is_competing(year)
    free = outcome.is_event_free(year) & ~(case | competing)
    rows: list[tuple[str, int | float | str]] = [*aligned.flow]
    rows += [
        ("women", int(outcome.n_independent)),
        (f"cancers within {year:g} y", int(case.sum())),
        (f"competing events within {year:g} y", int(competing.sum())),
        (f"free of both at {year:g} y", int(free.sum())),
        (f"follow-up ended before {year:g} y", int((~(case | competing | free)).sum())),
        ("cancers in follow-up", int((outcome.event == CANCER).sum())),
        ("competing events in follow-up", int((outcome.event == COMPETING).sum())),
    ]
    median = median_follow_up(outcome)
    if np.isfinite(median.value):
        rows.append(("median follow-up (reverse Kaplan-Meier), y", round(median.value, 2)))
    rows.append(("longest follow-up, y", round(float(outcome.time.max()), 2)))
    if outcome.has_entry:
        rows.append(("rows with late entry", int((outcome.entry > 0).sum())))
    if outcome.is_weighted:
        used = weight[weight > 0]
        rows.append(("range of weights", f"{used.min():.4g} to {used.max():.4g}"))
        rows.append(("sum of weights", float(round(weight.sum(), 1))))
        rows.append(
            ("effective sample size", float(round(weight.sum() ** 2 / (weight**2).sum(), 1)))
        )
    risk = cumulative_incidence(outcome, year)
    if np.isfinite(risk.value):
        rows.append((f"observed risk by {year:g} y", risk.value))
    items, values = zip(*rows, strict=True)
    # Counts stay integers in a column with years and risks.
    table = pd.DataFrame({"item": items, "value": pd.Series(values, dtype=object)})
    limits = np.where(table["item"].str.startswith("observed risk"), 1.0, np.nan)
    method = of_observed_risk(risk.events)
    return table.assign(
        lower=limits * risk.lower,
        upper=limits * risk.upper,
        interval=pd.Series([method if there == 1 else None for there in limits], dtype=object),
    )
