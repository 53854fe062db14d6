"""The embedded example is a valid exam, says it is simulated, and is the same every time."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest

import mammorisk as mr
from mammorisk.errors import OutputError
from mammorisk.imaging.density import measure_density
from mammorisk.questionnaire_table import check_frame
from mammorisk.simulation.example import example_women, write_example_exam


def test_same_seed_same_files(tmp_path: Path) -> None:
    first, second = (write_example_exam(tmp_path / name, seed=3) for name in "ab")
    for file in sorted(first.iterdir()):
        assert file.read_bytes() == (second / file.name).read_bytes()
    dataset = pydicom.dcmread(first / "L-CC.dcm")
    assert "simulated" in dataset.SeriesDescription
    assert dataset.PatientID.startswith("SIMULATED")


def test_measured_density_follows_the_simulated_one(tmp_path: Path) -> None:
    measured = []
    for i, density in enumerate((0.08, 0.2, 0.4, 0.6)):
        exam = mr.read_exam(write_example_exam(tmp_path / str(i), density=density, seed=i))
        assert exam.flags == ()
        estimate = measure_density(exam)
        assert estimate.percent_density is not None
        measured.append(estimate.percent_density)
    assert measured == sorted(measured)
    assert measured[0] < 20
    assert measured[-1] > 45


def test_out_of_range_and_unwritable(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="density"):
        write_example_exam(tmp_path, density=2)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        write_example_exam(tmp_path / "file" / "exam")


def test_simulated_women_contradict_nothing() -> None:
    women = example_women(2000)
    _, problems = check_frame(women)
    assert (problems == "").all()
    assert mr.load_model("bcrat").predict(women)["risk_5y"].notna().all()
