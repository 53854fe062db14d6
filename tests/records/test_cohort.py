"""Some of the exams of a cohort."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import mammorisk as mr
from mammorisk.errors import CohortError
from mammorisk.records.cohort import Cohort


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    folder = tmp_path_factory.mktemp("study")
    mr.simulate(60, seed=3, out=folder, images=5, pixel_mm=2.0)
    return mr.read_cohort(folder)


def test_a_mask_and_positions_agree(cohort: Cohort) -> None:
    mask = np.array([False, True, False, False, True])
    by_mask, by_position = cohort.select(mask), cohort.select([1, 4])
    assert list(by_mask.exams["exam_id"]) == list(cohort.exams["exam_id"].iloc[[1, 4]])
    assert by_mask.exams.equals(by_position.exams)
    assert list(by_mask.exams.index) == [0, 1]
    assert len(cohort.select([])) == 0


def test_each_exam_keeps_its_images(cohort: Cohort) -> None:
    chosen = cohort.select([4, 0]).select([1, 0])
    assert chosen.open_exam is not None
    assert cohort.open_exam is not None
    for row, original in enumerate((0, 4)):
        found, wanted = (c.open_exam(i)["L-CC"] for c, i in ((chosen, row), (cohort, original)))
        assert found.digest() == wanted.digest()


@pytest.mark.parametrize("rows", [[True], [5], [-1], [0.5], [[0, 1]]])
def test_rows_that_are_not_there(cohort: Cohort, rows: list[object]) -> None:
    with pytest.raises(CohortError):
        cohort.select(rows)  # type: ignore[arg-type]


def test_views_are_those_of_the_woman(tmp_path: Path) -> None:
    lines = ["patient_id,exam_id,age,laterality,view,file_path"]
    lines += [f"{who},1,50,L,CC,{who}.dcm" for who in ("a", "b")]
    (tmp_path / "m.csv").write_text("\n".join(lines))
    views = mr.read_cohort(tmp_path / "m.csv").select([1]).views
    assert views is not None
    assert views["file_path"].tolist() == ["b.dcm"]
