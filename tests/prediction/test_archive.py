"""predict_to_file: whole parts, resumed after a kill, never mixed with another run."""

from __future__ import annotations

import copy
import multiprocessing
import os
import signal
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import mammorisk as mr
from mammorisk.errors import CohortError, OutputError
from mammorisk.prediction import archive as archive_module


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


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten small exams, one of them damaged."""
    folder = tmp_path_factory.mktemp("archive")
    study = mr.simulate(200, seed=8, out=folder, images=10, pixel_mm=2.0, prior_share=0)
    third = sorted((folder / str(study.cohort.exams["path"].iloc[2])).iterdir())
    third[0].write_bytes(third[0].read_bytes()[:3_000])
    return folder / "manifest.parquet"


def run_archive(manifest: str, out: str, model: str, exams_per_part: int) -> None:
    cohort = mr.read_cohort(manifest)
    mr.predict_to_file(cohort, out, model=model, exams_per_part=exams_per_part)


def kill_at_random(
    manifest: Path, folder: Path, name: str, *, kills: int, model: str, exams_per_part: int
) -> int:
    """Run until finished, killed again and again; how many runs finished."""
    # A server that has all imported forks each run: kills fall into the work.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["tests.prediction.test_archive", "mammorisk.prediction.image_rows"]
    )
    rng = np.random.default_rng(7)
    arguments = (str(manifest), "", model, exams_per_part)
    done, longest = 0, 0.3
    expected = mr.predict(mr.read_cohort(manifest), model=model)
    while kills > 0:
        out = folder / f"{done}-{name}"
        for _ in range(100):
            process = context.Process(
                target=run_archive, args=(arguments[0], str(out), *arguments[2:])
            )
            started = time.monotonic()
            process.start()
            process.join(rng.uniform(0, longest) if kills > 0 else None)
            process.kill()
            process.join()
            # Killed after all was done, a CSV is refused by the next call; Parquet is known again.
            if process.exitcode == 0 or (process.exitcode == 1 and out.suffix == ".csv"):
                longest = max(0.3, time.monotonic() - started)
                break
            assert process.exitcode == -signal.SIGKILL
            kills -= 1
        got = pd.read_parquet(out) if out.suffix != ".csv" else pd.read_csv(out, dtype=KEYS)
        # No row lost or doubled, and every figure as without a kill.
        pd.testing.assert_frame_equal(
            got, expected, check_dtype=False, rtol=1e-6, check_categorical=False
        )
        done += 1
    assert [p for p in folder.iterdir() if p.name.endswith((".new", ".parts", ".done"))] == []
    return done


KEYS = {"patient_id": str, "exam_id": str}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["r.parquet", "r"])
def test_killed_at_twenty_moments_images_are_finished(
    archive: Path, tmp_path: Path, name: str
) -> None:
    kill_at_random(archive, tmp_path, name, kills=20, model="hybrid", exams_per_part=1)


@pytest.mark.parametrize("name", ["r.parquet", "r.csv"])
def test_killed_at_many_moments_it_resumes(manifest: Path, tmp_path: Path, name: str) -> None:
    kill_at_random(manifest, tmp_path, name, kills=20, model="bcrat", exams_per_part=3)


def test_a_damaged_exam_keeps_its_row_and_its_error(archive: Path, tmp_path: Path) -> None:
    cohort = mr.read_cohort(archive)
    written = mr.predict_to_file(cohort, tmp_path / "r.parquet", exams_per_part=4)
    assert (written.exams, written.without_risk) == (10, 1)
    assert written.failures[0][0] == cohort.exams["exam_id"].iloc[2]
    got = pd.read_parquet(tmp_path / "r.parquet")
    assert got["risk_5y"].isna().sum() == 1
    assert "truncated" in got["warnings"].iloc[2]
    pd.testing.assert_frame_equal(got, mr.predict(cohort), check_dtype=False, rtol=1e-6)


def test_a_folder_is_a_data_set_and_the_same_call_finds_it_done(
    manifest: Path, tmp_path: Path
) -> None:
    cohort = mr.read_cohort(manifest)
    first = mr.predict_to_file(cohort, tmp_path / "r", exams_per_part=25)
    assert len(list((tmp_path / "r").glob("*.parquet"))) == 3
    assert first.exams == 60
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "r"), mr.predict(cohort))
    assert mr.predict_to_file(cohort, tmp_path / "r", exams_per_part=25) == first
    with pytest.raises(OutputError, match="another cohort, model"):
        mr.predict_to_file(cohort, tmp_path / "r", exams_per_part=25, model="bcrat")


@pytest.mark.parametrize("name", ["r.parquet", "r", "r.csv"])
def test_results_say_how_they_were_made(archive: Path, tmp_path: Path, name: str) -> None:
    cohort = mr.read_cohort(archive).select([0, 1])
    first = mr.predict_to_file(cohort, tmp_path / name, model="hybrid", horizons=(1, 5))
    if name == "r.csv":
        assert first.provenance == {}
        return
    told = first.provenance
    assert (told["model"], told["backend"], told["horizons"]) == ("hybrid", "torch", [1, 5])
    assert told["software"] == f"mammorisk {mr.__version__}"
    assert "simulated" in told["training_data"].lower()
    again = mr.predict_to_file(cohort, tmp_path / name, model="hybrid", horizons=(1, 5))
    assert again == first


def test_another_fit_of_the_same_name_is_another_model(archive: Path, tmp_path: Path) -> None:
    cohort = mr.read_cohort(archive)
    model = mr.load_model("hybrid")
    other = copy.deepcopy(model)
    with torch.no_grad():
        next(other.head.parameters()).add_(0.1)  # type: ignore[attr-defined]
    mr.predict_to_file(cohort, tmp_path / "r", model=model)
    with pytest.raises(OutputError, match="another cohort, model"):
        mr.predict_to_file(cohort, tmp_path / "r", model=other)


def test_a_finished_file_is_known_again(manifest: Path, tmp_path: Path) -> None:
    cohort, out = mr.read_cohort(manifest), tmp_path / "r.parquet"
    first = mr.predict_to_file(cohort, out, model="bcrat")
    written = out.stat().st_mtime_ns
    assert mr.predict_to_file(cohort, out, model="bcrat") == first
    assert out.stat().st_mtime_ns == written
    with pytest.raises(OutputError, match="another cohort, model"):
        mr.predict_to_file(cohort, out, model="average")
    for foreign in (b"precious", b""):
        out.write_bytes(foreign)
        with pytest.raises(OutputError, match="the output exists"):
            mr.predict_to_file(cohort, out, model="bcrat")
    pd.DataFrame({"a": [1]}).to_parquet(out)
    with pytest.raises(OutputError, match="the output exists"):
        mr.predict_to_file(cohort, out, model="bcrat")


def test_an_empty_cohort_is_refused(manifest: Path, tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="no exams"):
        mr.predict_to_file(mr.read_cohort(manifest).select([]), tmp_path / "r.parquet")


@pytest.mark.parametrize("out", ["s3://bucket/risks.parquet", Path("gs://bucket/risks")])
def test_a_url_is_no_output(
    manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str | Path
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OutputError, match="not to a URL"):
        mr.predict_to_file(mr.read_cohort(manifest), out)
    assert list(tmp_path.iterdir()) == [manifest]


def test_killed_after_the_file_appeared(manifest: Path, tmp_path: Path) -> None:
    cohort = mr.read_cohort(manifest)
    out = tmp_path / "r.parquet"
    first = mr.predict_to_file(cohort, out)
    (tmp_path / "r.parquet.done").mkdir()
    assert mr.predict_to_file(cohort, out) == first
    assert not (tmp_path / "r.parquet.done").exists()


def test_another_run_is_never_mixed_in(
    manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_module, "EXAMS_PER_PART_WITHOUT_IMAGES", 20)
    cohort = mr.read_cohort(manifest)

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        mr.predict_to_file(cohort, tmp_path / "r.csv", model="bcrat", on_part=stop)
    with pytest.raises(OutputError, match="another cohort, model"):
        mr.predict_to_file(cohort, tmp_path / "r.csv", model="average")
    mr.predict_to_file(cohort, tmp_path / "r.csv", model="bcrat")
    assert (pd.read_csv(tmp_path / "r.csv")["model"] == "bcrat").all()


def test_an_existing_file_is_kept(manifest: Path, tmp_path: Path) -> None:
    out = tmp_path / "r.csv"
    out.write_text("precious")
    with pytest.raises(OutputError, match="exists"):
        mr.predict_to_file(mr.read_cohort(manifest), out)
    assert out.read_text() == "precious"
    with pytest.raises(OutputError, match="neither a"):
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
