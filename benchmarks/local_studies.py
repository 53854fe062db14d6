"""What the scripts on local cohorts share: simulated studies of other vendors, and their tables."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import mammorisk as mr
from mammorisk._utils.progress import show_progress
from mammorisk.evaluation.recalibration_tables import cross_fit
from mammorisk.metrics.calibration import calibration_slope
from mammorisk.metrics.estimate import Estimate, difference
from mammorisk.metrics.expected_observed import expected_observed_ratio
from mammorisk.metrics.time_dependent_auc import cumulative_dynamic_auc
from mammorisk.records.outcome import Outcome
from mammorisk.risk_models.hybrid.model import HybridModel

#: Vendors that the bundled reference model was not trained on.
OTHER_VENDORS = ("elm", "fir")
YEARS = 5


def make_study(work: Path, name: str, workers: int, options: Mapping[str, Any]) -> Any:
    """Simulate a case-cohort study with images, or go on with an interrupted one."""
    with show_progress(sys.stderr) as tell:
        return mr.simulate(
            **options,
            design="case-cohort",
            vendors=OTHER_VENDORS,
            out=work / name,
            images="all",
            workers=workers,
            on_progress=tell,
        )


def fit_once(out: Path, fit: Callable[[], object]) -> HybridModel:
    """Fit a network, or load it if an earlier call has finished the fit."""
    model: object = mr.load_model(out) if (out / "config.json").is_file() else fit()
    if not isinstance(model, HybridModel):
        raise SystemExit(f"{out} is not the folder of a network")
    return model


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def shown(estimate: Estimate, digits: int = 3) -> str:
    low, high = (f"{value:.{digits}f}" for value in (estimate.lower, estimate.upper))
    return f"{estimate.value:.{digits}f} ({low} to {high})"


def measures(outcome: Outcome, risk: np.ndarray, against: np.ndarray | None) -> list[str]:
    """AUC, its difference to another risk, E/O and slope of calibration, in words."""
    auc = cumulative_dynamic_auc(outcome, risk, YEARS)
    apart = "" if against is None else difference_of(outcome, risk, against)
    ratio = expected_observed_ratio(outcome, risk, YEARS)
    slope = calibration_slope(outcome, risk, YEARS, method="ipcw")
    return [shown(auc), apart, shown(ratio, 2), shown(slope, 2)]


def recalibrated_measures(outcome: Outcome, risk: np.ndarray) -> list[str]:
    """E/O and slope after recalibration on other women: nine tenths of those compared, in turn."""
    if np.ptp(risk) == 0:
        return ["all risks are equal", ""]
    fitted = cross_fit(outcome, risk, YEARS, method="cloglog")
    if fitted is None:
        return ["", ""]
    ratio = expected_observed_ratio(outcome, fitted.risk, YEARS)
    slope = calibration_slope(outcome, fitted.risk, YEARS, method="ipcw")
    return [shown(ratio, 2), shown(slope, 2)]


def difference_of(outcome: Outcome, risk: np.ndarray, against: np.ndarray) -> str:
    first, second = (cumulative_dynamic_auc(outcome, one, YEARS) for one in (risk, against))
    return shown(difference(first, second, outcome))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    print("\n| " + " | ".join(columns) + " |\n|" + " --- |" * len(columns))
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |")
    sys.stdout.flush()


def risk_of(frame: pd.DataFrame) -> np.ndarray:
    return frame[f"risk_{YEARS}y"].to_numpy(dtype=float)
