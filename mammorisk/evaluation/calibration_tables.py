"""Calibration of every model."""

from __future__ import annotations

import pandas as pd

from mammorisk.evaluation.discrimination_tables import row, rows_of
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


def calibration_table(
    aligned: Aligned, curves: dict[str, CalibrationCurve], level: float
) -> pd.DataFrame:
    """E/O at every horizon; intercept, slope, distances of the curve and tests at the last."""
    rows = []
    for model, risks in aligned.risks.items():
        years = [float(y) for y in risks.columns if risks[y].notna().any()]
        if not years:
            continue
        for year in years:
            outcome, values = rows_of(aligned, model, year)
            rows.append(
                row(model, expected_observed_ratio(outcome, values, year, level=level), year)
            )
        year = years[-1]
        outcome, values = rows_of(aligned, model, year)
        if not outcome.is_weighted and not outcome.is_complete(year):
            there = risks[years].notna().all(axis=1).to_numpy()
            some = aligned.outcome.take(there)
            counts = expected_counts(some, risks[years].to_numpy()[there], tuple(years), year)
            rows.append(
                row(model, standardised_incidence_ratio(some, counts, year, level=level), year)
            )
        large: Method = "logistic" if outcome.is_complete(year) else "in-the-large"
        rows.append(
            row(
                model,
                calibration_intercept(outcome, values, year, method=large, level=level),
                year,
            )
        )
        rows.append(row(model, calibration_slope(outcome, values, year, level=level), year))
        curve = curves.get(model) or calibration_curve(outcome, values, year, level=level)
        n, events = len(values), int(outcome.is_case(year).sum())
        for name, value in (("ICI", curve.ici), ("E50", curve.e50), ("E90", curve.e90)):
            made = Estimate(
                name=f"{name} at {year:g} y",
                value=value,
                n=n,
                events=events,
                reason=curve.reason or "a distance: no interval is computed",
            )
            rows.append(row(model, made, year))
        if outcome.is_complete(year):
            rows.append(row(model, spiegelhalter_z(outcome, values, year), year))
            legacy = hosmer_lemeshow_test(outcome, values, year)
        else:
            legacy = greenwood_nam_dagostino_test(outcome, values, year)
        rows.append(row(model, legacy, year))
    return pd.DataFrame(rows)


def curves(
    aligned: Aligned, year: float, level: float
) -> tuple[pd.DataFrame, dict[str, CalibrationCurve]]:
    """Expected and observed risk by tenth of risk, and the smooth calibration curve, by model."""
    tables, found = [], {}
    for model, risks in aligned.risks.items():
        if year not in risks.columns or risks[year].notna().sum() == 0:
            continue
        outcome, values = rows_of(aligned, model, year)
        table = calibration_by_group(outcome, values, year, level=level)
        table.insert(0, "model", model)
        tables.append(table)
        found[model] = calibration_curve(outcome, values, year, level=level)
    return pd.concat(tables, ignore_index=True), found
