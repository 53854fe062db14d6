"""VinDr-Mammo: stripped headers, identifiers that are no UIDs, lists written as text."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import mammorisk as mr
from mammorisk.errors import DatasetError, EvaluationError
from tests.datasets.miniatures import vindr_mammo


def test_densities_and_assessments(tmp_path: Path) -> None:
    cohort = mr.datasets.vindr_mammo(vindr_mammo(tmp_path, images=False))
    first = cohort.exams.iloc[0]
    # The denser breast, and the worse one.
    assert first[["breast_density", "density_L", "density_R"]].tolist() == ["c", "c", "b"]
    assert first[["birads", "birads_L", "birads_R"]].tolist() == [4, 1, 4]
    assert cohort.exams["split"].tolist() == ["train", "test"]
    assert mr.datasets.check_split(cohort).empty
    assert cohort.exclusions.to_numpy().tolist() == [["breasts", "kept", 8, 2]]


def test_stripped_headers_are_read(tmp_path: Path) -> None:
    cohort = mr.datasets.vindr_mammo(vindr_mammo(tmp_path))
    exam = cohort.open_exam(0)
    assert [view.name for view in exam] == ["R-CC", "L-CC", "R-MLO", "L-MLO"]
    assert exam.age_years is None
    acquisition = exam["L-CC"].acquisition
    assert acquisition.force_n is None
    assert acquisition.kvp is None


def test_there_is_no_outcome(tmp_path: Path) -> None:
    cohort = mr.datasets.vindr_mammo(vindr_mammo(tmp_path, images=False))
    assert "time" not in cohort.exams
    with pytest.raises(EvaluationError, match="no outcome"):
        mr.evaluate({"score": [0.1, 0.2]}, cohort, horizons=[5])


def test_findings(tmp_path: Path) -> None:
    found = mr.datasets.vindr_mammo.annotations(vindr_mammo(tmp_path, images=False))
    assert found["categories"].tolist() == [("Suspicious Calcification", "Mass"), (), None]
    assert found.loc[0, ["x_min", "y_min", "x_max", "y_max", "birads"]].tolist() == [
        5.5,
        6,
        20,
        30,
        4,
    ]
    assert found.loc[1, ["x_min", "birads"]].isna().all()


def test_unknown_codes_and_repeated_images(tmp_path: Path) -> None:
    path = vindr_mammo(tmp_path, images=False) / "breast-level_annotations.csv"
    lines = path.read_text().splitlines()
    lines[1] = lines[1].replace("DENSITY C", "DENSITY E")
    path.write_text("\n".join([*lines, lines[-1], lines[2].replace(",MLO,", ",,")]))
    cohort = mr.datasets.vindr_mammo(tmp_path)
    counts = cohort.exclusions.set_index("reason")["rows"].to_dict()
    assert counts == {"no view is stated": 1, "the image_id appears before": 1, "kept": 8}
    assert any(one.text.startswith("breast_density: 1 values") for one in cohort.warnings)


def test_wrong_encoding(tmp_path: Path) -> None:
    path = vindr_mammo(tmp_path, images=False) / "breast-level_annotations.csv"
    path.write_bytes(path.read_bytes() + "é".encode("latin-1"))
    with pytest.raises(DatasetError, match="not UTF-8"):
        mr.datasets.vindr_mammo(tmp_path)
    path.write_bytes(b"\0\1\2")
    assert not mr.datasets.vindr_mammo.check(tmp_path).is_usable


def test_images_that_are_demanded(tmp_path: Path) -> None:
    vindr_mammo(tmp_path, images=False)
    with pytest.raises(DatasetError, match="none of 8 image files") as error:
        mr.datasets.vindr_mammo(tmp_path, images=True)
    assert "physionet" in str(error.value)


def test_paths_do_not_leave_the_folder(tmp_path: Path) -> None:
    path = vindr_mammo(tmp_path) / "breast-level_annotations.csv"
    text = path.read_text()
    study = text.splitlines()[1].split(",")[0]
    path.write_text(text.replace(study, "../../etc", 1))
    cohort = mr.datasets.vindr_mammo(tmp_path)
    assert "the path leads out of the root folder" in set(cohort.exclusions["reason"])


def test_damaged_image(tmp_path: Path) -> None:
    cohort = mr.datasets.vindr_mammo(vindr_mammo(tmp_path))
    next((tmp_path / "images").rglob("*.dicom")).write_bytes(b"")
    risks = mr.predict(cohort, model="density-only")
    assert len(risks) == 2
    assert pd.notna(risks["warnings"]).all()
