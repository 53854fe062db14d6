"""Studies on disk: whole or not at all, the same on any number of workers, resumable."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
import time
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mammorisk as mr
from mammorisk._utils.progress import show_progress
from mammorisk.errors import OutputError, SimulationError
from mammorisk.records.questionnaire_fields import FIELDS
from mammorisk.simulation import tables
from mammorisk.simulation.exam_folders import write_exam_of
from mammorisk.simulation.options import Effects
from mammorisk.simulation.population import draw_population
from mammorisk.simulation.simulate import simulate

# No regression on a reference sample is needed where nothing has an effect.
FLAT: dict[str, Any] = {
    "effects": Effects(questionnaire=0, density_hr=1, texture_hr=1, asymmetry_hr=1)
}


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


@pytest.mark.networks
def test_a_study_is_read_as_an_archive(tmp_path: Path) -> None:
    study = simulate(300, seed=4, out=tmp_path / "study", images=2, **FLAT)
    cohort = mr.read_cohort(tmp_path / "study")
    assert len(cohort) == len(study.cohort) == 2
    assert cohort.open_exam is not None
    assert len(cohort.open_exam(0)) == 4
    assert mr.predict(cohort)["risk_5y"].notna().all()
    assert "SIMULATED" in json.loads((tmp_path / "study" / "study.json").read_text())["note"]
    assert cohort.exams["weight"].sum() == pytest.approx(300)
    assert len(study.women) == len(study.truth) == 300
    assert list(study.women["exam_id"]) == list(study.truth["exam_id"])
    assert study.population.index.equals(pd.RangeIndex(300))


def test_memory_and_folder_agree(tmp_path: Path) -> None:
    kept = simulate(400, seed=9, **FLAT)
    written = simulate(400, seed=9, out=tmp_path / "study", **FLAT)
    for name in ("women", "truth"):
        pd.testing.assert_frame_equal(
            getattr(kept, name), getattr(written, name), check_dtype=False
        )
    assert len(kept.cohort) == len(written.cohort) == 400
    assert (kept.cohort.errors == "").all()


def test_a_woman_is_the_same_in_a_larger_study(monkeypatch: pytest.MonkeyPatch) -> None:
    large = simulate(500, seed=3, **FLAT)
    monkeypatch.setattr(tables, "BLOCK", 64)
    small = simulate(200, seed=3, **FLAT)
    pd.testing.assert_frame_equal(small.women, large.women.head(200))
    pd.testing.assert_frame_equal(small.truth, large.truth.head(200))
    alone = draw_population(3, 1, first=123)
    fields = [name for name in alone.columns if name in FIELDS]
    pd.testing.assert_frame_equal(
        alone[fields].reset_index(drop=True), large.women.loc[[123], fields].reset_index(drop=True)
    )


def test_interrupted_and_resumed_on_more_workers_gives_identical_files(tmp_path: Path) -> None:
    options: dict[str, Any] = {"seed": 6, "images": 3, "prior_share": 1.0, **FLAT}

    def stop_after_one(stage: str, done: int, total: int) -> None:
        if stage == "exams" and done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(100, out=tmp_path / "a", on_progress=stop_after_one, **options)
    assert not (tmp_path / "a" / "manifest.parquet").exists()
    # Leftovers of a kill.
    (tmp_path / "a" / "women.parquet.123.new").write_bytes(b"half")
    (tmp_path / "a" / "exams" / "SIM-00000000-1.123.new").mkdir()
    simulate(100, out=tmp_path / "a", workers=2, **options)
    study = simulate(100, out=tmp_path / "b", **options)
    first = files_of(tmp_path / "a")
    assert first == files_of(tmp_path / "b")
    exams = study.cohort.exams
    priors = exams["prior_path"].dropna()
    assert len(priors) > 0
    assert sum(name.endswith(".dcm") for name in first) == 4 * (3 + len(priors))
    assert len(mr.read_exam(tmp_path / "a" / priors.iloc[0])) == 4
    # Again: nothing is done. Alone: the same exam.
    told: list[str] = []
    simulate(100, out=tmp_path / "a", on_progress=lambda *stage: told.append(stage[0]), **options)
    assert told == []
    woman = int(study.cohort.exams["exam_id"].iloc[0][4:-2])
    alone = write_exam_of(study.options, woman, tmp_path)
    assert files_of(alone) == files_of(tmp_path / "a" / "exams" / alone.name)


def test_a_study_needs_a_folder_or_tables() -> None:
    with pytest.raises(SimulationError, match="a folder or tables"):
        mr.Study(options=mr.simulate(300, seed=1).options)


@pytest.mark.slow
@pytest.mark.skipif(
    not Path("/proc/thread-self/children").is_file(), reason="finds processes by /proc"
)
def test_workers_end_with_a_killed_parent(tmp_path: Path) -> None:
    code = (
        "import sys, mammorisk as mr\n"
        "if __name__ == '__main__':\n"
        "    mr.simulate(5_000, seed=6, images=400, workers=2, out=sys.argv[1])\n"
    )
    (tmp_path / "run.py").write_text(code)
    run = subprocess.Popen([sys.executable, str(tmp_path / "run.py"), str(tmp_path / "study")])
    exams = tmp_path / "study" / "exams"
    _until(lambda: exams.is_dir() and any(exams.glob("SIM-*")))
    children = Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()
    assert len(children) >= 2
    run.kill()
    run.wait()
    _until(lambda: not any(_runs(int(child)) for child in children))


def _until(happened: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.1)


def _runs(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize(
    ("design", "more"),
    [("case-cohort", {"subcohort_fraction": 0.1}), ("nested-case-control", {})],
)
def test_sampled_designs_hold_every_cancer(
    monkeypatch: pytest.MonkeyPatch, design: Any, more: dict[str, Any]
) -> None:
    monkeypatch.setattr(tables, "BLOCK", 7_000)
    whole = simulate(20_000, seed=8, **FLAT).women
    sampled = simulate(20_000, seed=8, design=design, **more, **FLAT).women
    assert len(sampled) < 0.35 * len(whole)
    cancers = whole.loc[whole["event"] == 1, "patient_id"]
    assert set(cancers) <= set(sampled["patient_id"])
    assert (sampled.loc[sampled["event"] == 1, "weight"] == 1).all()
    assert sampled["weight"].sum() == pytest.approx(len(whole), rel=0.1)
    same = whole.set_index("exam_id").loc[sampled["exam_id"], "time"]
    np.testing.assert_array_equal(same, sampled["time"])


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"n": 0}, "n:"),
        ({"n": 10, "age_range": (30, 50)}, "age_range"),
        ({"n": 10, "follow_up_years": 11}, "follow_up_years"),
        ({"n": 10, "follow_up_years": 3, "recruitment_years": 3}, "recruitment_years"),
        ({"n": 10, "effects": {"density_hr": 50}}, "density_hr"),
        ({"n": 10, "design": "case-control"}, "design"),
        ({"n": 10, "images": 2}, "images"),
        ({"n": 10, "images": -1}, "images"),
        ({"n": 10, "workers": 0}, "workers"),
        ({"n": 10, "pixel_mm": 0.01}, "pixel_mm"),
        ({"n": 10, "exponent": 7}, "exponent"),
        ({"n": 10, "vendors": ("acme",)}, "vendors"),
        ({"n": 10, "lesions": {"mass": 4}}, "lesions.mass"),
        ({"n": 10, "compression": "zip"}, "compression"),
    ],
)
def test_options_out_of_range_are_named(options: dict[str, Any], named: str) -> None:
    with pytest.raises(SimulationError, match=named):
        simulate(**options)


def test_folders_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("keep")
    with pytest.raises(OutputError, match="not empty"):
        simulate(10, out=tmp_path / "mine", **FLAT)
    assert [file.name for file in (tmp_path / "mine").iterdir()] == ["thesis.txt"]
    with pytest.raises(OutputError, match="cannot be written"):
        simulate(10, out=tmp_path / "mine" / "thesis.txt" / "study", **FLAT)
    simulate(10, out=tmp_path / "study", **FLAT)
    with pytest.raises(OutputError, match="other options"):
        simulate(11, out=tmp_path / "study", **FLAT)


def test_a_full_disk_leaves_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow.parquet as pq

    def no_space(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(pq.ParquetWriter, "write_table", no_space)
        with pytest.raises(OutputError, match="disk is full"):
            simulate(50, out=tmp_path / "study", **FLAT)
    assert [file.name for file in (tmp_path / "study").iterdir()] == ["study.json"]
    assert len(simulate(50, out=tmp_path / "study", **FLAT).cohort) == 50


def test_progress_is_lines_in_a_pipe_and_a_bar_on_a_terminal() -> None:
    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    pipe, terminal = StringIO(), Terminal()
    for stream in (pipe, terminal):
        with show_progress(stream, every_s=0) as tell:
            for done in range(4):
                tell("exams", done, 3)
    lines = pipe.getvalue().splitlines()
    assert lines[-1].startswith("3 of 3 exams")
    assert "a second" in lines[1]
    assert "left" in lines[1]
    assert "\x1b" not in pipe.getvalue()
    assert "3/3" in terminal.getvalue()
