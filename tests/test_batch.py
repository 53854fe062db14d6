"""predict_to_file: whole parts, resumed after a kill, never mixed with another run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mammorisk as mr
from mammorisk import batch
from mammorisk.errors import OutputError


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    rng = np.random.default_rng(1)
    n = 60
    table = pd.DataFrame(
        {
            "patient_id": np.arange(n),
            "exam_id": np.arange(n),
            "age": rng.integers(40, 75, n),
            "race_ethnicity": rng.choice(["white", "black"], n),
            "breast_density": rng.choice(list("abcd"), n),
        }
    )
    path = tmp_path / "cohort.csv"
    table.to_csv(path, index=False)
    return path


def test_file_equals_memory(manifest: Path, tmp_path: Path) -> None:
    cohort = mr.read_cohort(manifest)
    mr.predict_to_file(cohort, tmp_path / "r.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "r.parquet"), mr.predict(cohort))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cohort.csv", "r.parquet"]


SLOW_RUN = """
import sys, time
import mammorisk as mr
from mammorisk import batch
batch.EXAMS_PER_PART_WITHOUT_IMAGES = 3
cohort = mr.read_cohort(sys.argv[1])
mr.predict_to_file(cohort, sys.argv[2], on_part=lambda done, n: (print(done, flush=True),
                                                               time.sleep(0.01)))
"""


def test_killed_at_any_moment_it_resumes(manifest: Path, tmp_path: Path) -> None:
    out = tmp_path / "r.parquet"
    rng = np.random.default_rng(7)
    command = [sys.executable, "-c", SLOW_RUN, str(manifest), str(out)]
    kills = 0
    for _ in range(6):
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()  # imports are over: kills fall into the work
        time.sleep(rng.uniform(0, 0.1))
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
        if out.exists():
            break
    assert kills >= 1
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    got = pd.read_parquet(out)
    pd.testing.assert_frame_equal(got, mr.predict(mr.read_cohort(manifest)))


def test_killed_after_the_file_appeared(manifest: Path, tmp_path: Path) -> None:
    cohort = mr.read_cohort(manifest)
    out = tmp_path / "r.parquet"
    first = mr.predict_to_file(cohort, out)
    (tmp_path / "r.parquet.done").mkdir()
    pd.testing.assert_frame_equal(mr.predict_to_file(cohort, out), first)
    assert not (tmp_path / "r.parquet.done").exists()


def test_another_run_is_never_mixed_in(
    manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "EXAMS_PER_PART_WITHOUT_IMAGES", 20)
    cohort = mr.read_cohort(manifest)

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        mr.predict_to_file(cohort, tmp_path / "r.csv", model="bcrat", on_part=stop)
    with pytest.raises(OutputError, match="unfinished run"):
        mr.predict_to_file(cohort, tmp_path / "r.csv", model="average")
    done = mr.predict_to_file(cohort, tmp_path / "r.csv", model="bcrat")
    assert (done["model"] == "bcrat").all()


def test_an_existing_file_is_kept(manifest: Path, tmp_path: Path) -> None:
    out = tmp_path / "r.csv"
    out.write_text("precious")
    with pytest.raises(OutputError, match="exists"):
        mr.predict_to_file(mr.read_cohort(manifest), out)
    assert out.read_text() == "precious"
    with pytest.raises(OutputError, match=r"parquet or \.csv"):
        mr.predict_to_file(mr.read_cohort(manifest), tmp_path / "r.xlsx")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_folder(manifest: Path, tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    with pytest.raises(OutputError, match="cannot be written"):
        mr.predict_to_file(mr.read_cohort(manifest), locked / "r.csv")


def test_a_full_disk(manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_parquet", full)
    with pytest.raises(OutputError, match="No space left"):
        mr.predict_to_file(mr.read_cohort(manifest), tmp_path / "r.parquet")
    assert not (tmp_path / "r.parquet").exists()
