"""Time and memory of mr.find for one exam with four views of 0.07 mm, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd

import mammorisk as mr

_CODE = """
import json, resource, sys, time
import mammorisk as mr
from mammorisk.findings.registry import open_detector
detector = open_detector("findings-sim")
seconds, spent = [], []
for _ in range(3):
    start, used = time.perf_counter(), time.process_time()
    found = mr.find(sys.argv[1], model=detector)
    seconds.append(time.perf_counter() - start)
    spent.append(time.process_time() - used)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print(json.dumps({"seconds": min(seconds), "cpu": min(spent), "gb": peak}))
"""


def speed_table() -> pd.DataFrame:
    """Best of three runs, without loading the detector."""
    with tempfile.TemporaryDirectory() as folder:
        study = mr.simulate(
            1, seed=1, out=f"{folder}/study", images="all", pixel_mm=0.07, lesions={"mass": 1.0}
        )
        exam = Path(folder) / "study" / str(study.cohort.exams["path"].iloc[0])
        done = subprocess.run(
            [sys.executable, "-c", _CODE, str(exam)], capture_output=True, text=True, check=True
        )
    told = json.loads(done.stdout)
    return pd.DataFrame(
        [
            {
                "measure": "four views of 0.07 mm, seconds",
                "value": f"{told['seconds']:.1f}",
                "asked": "2",
            },
            {"measure": "processor seconds", "value": f"{told['cpu']:.1f}", "asked": ""},
            {"measure": "peak memory, GB", "value": f"{told['gb']:.1f}", "asked": "2.5"},
        ]
    )
