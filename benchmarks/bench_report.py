"""Time and memory of the report tables on a large cohort, by step.

python benchmarks/bench_report.py                       # 1,000,000 women, five models
python benchmarks/bench_report.py --women 200000 --profile
"""

from __future__ import annotations

import argparse
import cProfile
import os
import platform
import pstats
import resource
import time

import numpy as np
import pandas as pd

import mammorisk as mr

YEARS = (1, 2, 3, 4, 5)


def cohort(n: int, models: int, *, seed: int = 0) -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    """Women followed for 2 to 9 years, and the risks of models that see more and more."""
    rng = np.random.default_rng(seed)
    score = rng.normal(size=n)
    rate, death = 0.004 * np.exp(0.6 * score), 0.004
    times = np.column_stack(
        [rng.uniform(2, 9, n), rng.exponential(1 / rate), rng.exponential(1 / death, n)]
    )
    table = pd.DataFrame(
        {
            "patient_id": np.arange(n),
            "time": times.min(axis=1),
            "event": times.argmin(axis=1),
            "age": rng.uniform(40, 75, n).round(1),
            "site": rng.choice(["north", "south", "west"], n),
        }
    )
    risks = {}
    for k in range(models):
        share = 1 - 0.15 * k
        seen = share * 0.6 * score + 0.6 * np.sqrt(1 - share**2) * rng.normal(size=n)
        hazard = 0.004 * np.exp(seen)
        risks[f"model {k + 1}"] = pd.DataFrame(
            {"patient_id": table["patient_id"]}
            | {f"risk_{year}y": -np.expm1(-hazard * year) for year in YEARS}
        )
    return table, risks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--women", type=int, default=1_000_000)
    parser.add_argument("--models", type=int, default=5)
    parser.add_argument("--profile", action="store_true", help="print where the time goes")
    arguments = parser.parse_args()
    table, risks = cohort(arguments.women, arguments.models)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    # Processor time: what runs beside the benchmark does not count.
    profile = cProfile.Profile(time.process_time)
    start, busy = time.perf_counter(), time.process_time()
    if arguments.profile:
        profile.enable()
    report = mr.evaluate(risks, table, by=["site"], published=())
    profile.disable()
    wall, busy = time.perf_counter() - start, time.process_time() - busy
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"Python {platform.python_version()}, {os.cpu_count()} cores, {arguments.women:,} women, "
        f"{int((table['event'] == 1).sum()):,} cancers, {len(report.models)} models, "
        f"{len(report.horizons)} horizons\n"
    )
    print("| | |\n| --- | --- |")
    print(f"| report tables, s | {wall:.1f} |")
    print(f"| processor time, s | {busy:.1f} |")
    print(f"| memory before, GiB | {before:.2f} |")
    print(f"| peak memory, GiB | {peak:.2f} |")
    if arguments.profile:
        pstats.Stats(profile).sort_stats("cumulative").print_stats(60)


if __name__ == "__main__":
    main()
