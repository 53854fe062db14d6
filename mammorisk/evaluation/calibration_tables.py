"""Calibration of every model."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from mammorisk._utils.typing import Floats
from mammorisk.evaluation.interval_methods import (
    NORMAL,
    POISSON,
    REGRESSION,
    WILSON,
    is_plain,
    of_observed_risk,
    of_ratio,
)
from mammorisk.evaluation.rows import row, rows_of, years_of
from mammorisk.metrics.calibration import Method, calibration_intercept, calibration_slope
from mammorisk.metrics.calibration_groups import calibration_by_group
from mammorisk.metrics.calibration_tests import (
    greenwood_nam_dagostino_test,
    hosmer_lemeshow_test,
    spiegelhalter_z,
)
from mammorisk.metrics.estimate import Estimate
from mammorisk.metrics.expected_observed import expected_observed_ratio
from mammorisk.metrics.incidence_ratio import expected_counts, standardised_incidence_ratio
from mammorisk.metrics.smooth_calibration import CalibrationCurve, calibration_curve
from mammorisk.records.alignment import Aligned
from mammorisk.records.outcome import Outcome

_STATISTIC = "a test statistic: it has no interval"
_DISTANCE = "a distance: no interval is computed"


def intercept_row(outcome: Outcome, values: Floats, year: float, level: float) -> dict[str, object]:
    """Calibration in the large; its sign always agrees with E/O.

    If all outcomes are known, it is the intercept of a logistic regression with the logit as
    offset.
    """
    complete = outcome.is_complete(year)
    method: Method = "logistic" if complete else "in-the-large"
    made = calibration_intercept(outcome, values, year, method=method, level=level)
    name = "calibration intercept" if complete else "calibration in the large"
    interval = REGRESSION if complete else NORMAL
    return row(made, name, outcome=outcome, horizon=year, interval=interval)


def calibration_table(
    aligned: Aligned, curves: Mapping[str, CalibrationCurve], level: float
) -> pd.DataFrame:
    """E/O at every horizon; intercept, slope, distances of the curve and tests at the last one."""
    rows: list[dict[str, object]] = []
    for model, risks in aligned.risks.items():
        years = years_of(aligned, model)
        if not years:
            continue
        found: list[dict[str, object]] = []
        for year in years:
            outcome, values = rows_of(aligned, model, year)
            ratio = expected_observed_ratio(outcome, values, year, level=level)
            found.append(
                row(ratio, "E/O", outcome=outcome, horizon=year, interval=of_ratio(ratio.events))
            )
        year = years[-1]
        outcome, values = rows_of(aligned, model, year)
        if not outcome.is_weighted and not outcome.is_complete(year):
            there = risks[years].notna().all(axis=1).to_numpy()
            some = aligned.outcome.take(there)
            counts = expected_counts(some, risks[years].to_numpy()[there], tuple(years), year)
            made = standardised_incidence_ratio(some, counts, year, level=level)
            found.append(
                row(made, "O/E over follow-up", outcome=some, horizon=year, interval=POISSON)
            )
        found.append(intercept_row(outcome, values, year, level))
        slope = calibration_slope(outcome, values, year, level=level)
        found.append(
            row(slope, "calibration slope", outcome=outcome, horizon=year, interval=REGRESSION)
        )
        curve = curves.get(model) or calibration_curve(outcome, values, year, level=level)
        for name, value in (("ICI", curve.ici), ("E50", curve.e50), ("E90", curve.e90)):
            made = Estimate(name=name, value=value, n=0, reason=curve.reason or _DISTANCE)
            found.append(row(made, name, outcome=outcome, horizon=year, interval=""))
        found += _tests(outcome, values, year)
        rows += [{"model": model, **one} for one in found]
    return pd.DataFrame(rows)


def _tests(outcome: Outcome, values: Floats, year: float) -> list[dict[str, object]]:
    if outcome.is_complete(year):
        tests = [
            ("Spiegelhalter z", spiegelhalter_z(outcome, values, year), "calibrated"),
            (
                "Hosmer-Lemeshow chi2",
                hosmer_lemeshow_test(outcome, values, year),
                "calibrated in every tenth",
            ),
        ]
    else:
        tests = [
            (
                "Greenwood-Nam-D'Agostino chi2",
                greenwood_nam_dagostino_test(outcome, values, year),
                "calibrated in every tenth",
            )
        ]
    found = []
    for name, made, null in tests:
        one = row(made, name, outcome=outcome, horizon=year, interval="", null=null)
        found.append(one | {"reason": made.reason or _STATISTIC})
    return found


def tenths(model: str, outcome: Outcome, values: Floats, year: float, level: float) -> pd.DataFrame:
    """Expected and observed risk by tenth of risk, with the method of the interval."""
    table = calibration_by_group(outcome, values, year, level=level)
    table = table.rename(columns={"cancers": "events"})
    table.insert(0, "model", model)
    table.insert(1, "horizon", year)
    plain = is_plain(outcome, year)
    table["interval"] = [
        None if pd.isna(low) else WILSON if plain else of_observed_risk(events)
        for low, events in zip(table["lower"], table["events"], strict=True)
    ]
    return table
