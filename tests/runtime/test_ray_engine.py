"""Archives on a local Ray cluster, one worker killed while it works."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pandas as pd
import pytest

import mammorisk as mr

ray = pytest.importorskip("ray")


@pytest.fixture(scope="module")
def cluster() -> object:
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.mark.slow
def test_a_killed_worker_loses_nothing(tmp_path: Path, cluster: object) -> None:
    study = mr.simulate(300, seed=9, out=tmp_path / "s", images=24, pixel_mm=1.0, prior_share=0)
    expected = mr.predict(study.cohort)
    out, killed = tmp_path / "risks", []

    def kill_one() -> None:
        """The first process that has written a part."""
        while not killed:
            time.sleep(0.01)
            if list((tmp_path / "risks.parts").glob("part-*")):
                killed.append(_kill_a_worker())

    watcher = threading.Thread(target=kill_one)
    watcher.start()
    written = mr.predict_to_file(study.cohort, out, engine="ray", workers=2, exams_per_part=1)
    watcher.join(timeout=60)
    assert killed == [True]
    assert written.exams == 24
    got = pd.read_parquet(out).sort_values("exam_id", ignore_index=True)
    expected = expected.sort_values("exam_id", ignore_index=True)
    pd.testing.assert_frame_equal(got, expected, check_dtype=False, rtol=1e-5)


def _kill_a_worker() -> bool:
    """SIGKILL to a process of ours that runs a map worker."""
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            told = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if told.startswith(b"ray::") and b"MapWorker" in told:
            os.kill(int(folder.name), signal.SIGKILL)
            return True
    return False
