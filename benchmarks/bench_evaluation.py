"""Speed of evaluation, beside the libraries that compute part of it.

python benchmarks/bench_evaluation.py            # 100,000 women, five horizons
"""

from __future__ import annotations

import argparse
import os
import platform
import time

import numpy as np
import pandas as pd
from timing import best_of

import mammorisk as mr
from mammorisk.metrics import (
    brier_score,
    concordance_index,
    cumulative_dynamic_auc,
    fit_censoring,
    multiplier_intervals,
)
from mammorisk.records.outcome import Outcome

YEARS = (1, 2, 3, 4, 5)


def line(name: str, ours: float, peer: str = "", theirs: float | None = None) -> None:
    ratio = "" if theirs is None else f"{ours / theirs:.3g}"
    shown = "" if theirs is None else f"{theirs:.3f}"
    print(f"| {name} | {ours:.3f} | {peer} | {shown} | {ratio} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--women", type=int, default=100_000)
    parser.add_argument("--slow", action="store_true", help="also time peers that take minutes")
    arguments = parser.parse_args()
    n = arguments.women
    rng = np.random.default_rng(0)
    score = rng.normal(size=n)
    cancer = rng.exponential(1 / (0.115 * np.exp(0.5 * score)))
    lost = rng.uniform(0, 10, n)
    event = (cancer <= lost).astype(int)
    outcome = Outcome(time=np.minimum(cancer, lost), event=event)
    risks = {h: 1 - np.exp(-0.115 * h * np.exp(0.5 * score)) for h in YEARS}
    print(
        f"Python {platform.python_version()}, {os.cpu_count()} cores, {n:,} women, "
        f"{100 * event.mean():.0f}% with cancer\n"
    )
    print("| | s | other library | s | ratio |\n| --- | --- | --- | --- | --- |")
    _auc_and_brier(outcome, risks)
    _concordance(outcome, score, arguments.slow)
    estimates = [cumulative_dynamic_auc(outcome, risks[h], h) for h in YEARS]
    estimates += [brier_score(outcome, risks[h], h) for h in YEARS]
    estimates += [
        concordance_index(outcome, score),
        concordance_index(outcome, score, weighting="uno", truncation=5),
    ]
    bootstrap = best_of(lambda: multiplier_intervals(estimates, outcome, resamples=1000), 1)
    line("1,000 multiplier-bootstrap intervals of AUC, Brier and C", bootstrap)
    _report()


def _auc_and_brier(outcome: Outcome, risks: dict[int, np.ndarray]) -> None:
    from sksurv.metrics import brier_score as peer_brier
    from sksurv.metrics import cumulative_dynamic_auc as peer_auc
    from sksurv.util import Surv

    y = Surv.from_arrays(outcome.event == 1, outcome.time)
    table = np.column_stack([risks[h] for h in YEARS])

    def auc() -> None:
        fitted = fit_censoring(outcome)
        for h in YEARS:
            cumulative_dynamic_auc(outcome, risks[h], h, censoring=fitted)

    def brier() -> None:
        fitted = fit_censoring(outcome)
        for h in YEARS:
            brier_score(outcome, risks[h], h, censoring=fitted)

    peer = best_of(lambda: peer_auc(y, y, table, YEARS))
    line(
        "AUC at five horizons, with standard errors", best_of(auc), "scikit-survival, without", peer
    )
    peer = best_of(lambda: peer_brier(y, y, 1 - table, YEARS))
    line("Brier score, the same", best_of(brier), "scikit-survival, without", peer)


def _concordance(outcome: Outcome, score: np.ndarray, slow: bool) -> None:
    from lifelines.utils import concordance_index as peer_concordance

    peer = best_of(lambda: peer_concordance(outcome.time, -score, outcome.event), 1)
    harrell = best_of(lambda: concordance_index(outcome, score))
    line("Harrell's C, with standard error", harrell, "lifelines, without", peer)
    uno = best_of(lambda: concordance_index(outcome, score, weighting="uno", truncation=5))
    if not slow:
        line("Uno's C to five years, with standard error", uno)
        return
    from sksurv.metrics import concordance_index_censored, concordance_index_ipcw
    from sksurv.util import Surv

    y = Surv.from_arrays(outcome.event == 1, outcome.time)
    peer = best_of(lambda: concordance_index_ipcw(y, y, score, tau=5), 1)
    line("Uno's C to five years, with standard error", uno, "scikit-survival, without", peer)
    peer = best_of(lambda: concordance_index_censored(outcome.event == 1, outcome.time, score), 1)
    line("Harrell's C again", harrell, "scikit-survival, without", peer)


def _report() -> None:
    study = mr.simulate(20_000, seed=3)
    truth = study.truth
    risks = pd.DataFrame({f"risk_{h}y": truth[f"risk_{h}y"] for h in YEARS})
    risks = risks.assign(exam_id=truth["exam_id"], model="true risk")
    start = time.perf_counter()
    report = mr.evaluate(risks, study.cohort, by=["race_ethnicity", "age"])
    tables = time.perf_counter() - start
    line(f"every table, 20,000 women, {len(report.models)} models", tables)
    start = time.perf_counter()
    report.to_page()
    line("the page", time.perf_counter() - start)


if __name__ == "__main__":
    main()
