"""Exams in one folder are told apart by study, date and age, and women are never merged."""

from __future__ import annotations

from pathlib import Path

import imagecodecs
import pytest

from mammorisk import read_exam
from mammorisk.errors import AmbiguousView, MixedPatients
from tests import factories as f

OLD = {"StudyDate": "20220101", "AcquisitionDate": "20220101", "PatientAge": "051Y"}
NEW = {"PatientAge": "054Y"}


def codes(exam: object) -> set[str]:
    return {one.code for one in exam.warnings}  # type: ignore[attr-defined]


def pictures(folder: Path, names: list[str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for i, name in enumerate(names):
        pixels = f.breast_pixels(seed=i, bits=16)
        (folder / f"{name}.png").write_bytes(imagecodecs.png_encode(pixels))
    return folder


@pytest.mark.parametrize("study", ["1.2.3.4", "9.8.7"])
def test_the_latest_complete_exam_is_taken_and_the_one_before_is_its_prior(
    tmp_path: Path, study: str
) -> None:
    f.write_exam(tmp_path / "new", **NEW)
    f.write_exam(tmp_path / "old", StudyInstanceUID=study, **OLD)
    exam = read_exam(tmp_path)
    assert exam.age_years == 54
    assert {view.source.split("/")[0] for view in exam} == {"new"}
    assert codes(exam) == {"several-exams"}
    assert exam.prior is not None
    assert (exam.prior.age_years, len(exam.prior)) == (51, 4)
    (tmp_path / "new" / "LCC.dcm").unlink()
    exam = read_exam(tmp_path)
    assert exam.age_years == 51
    (told,) = exam.warnings
    assert "a later one is incomplete" in told.text
    assert exam.prior is None


def test_ages_order_exams_without_dates(tmp_path: Path) -> None:
    none = {"StudyDate": None, "AcquisitionDate": None, "AcquisitionTime": None}
    f.write_exam(tmp_path / "new", **none, **NEW)
    f.write_exam(tmp_path / "old", **none, PatientAge="051Y")
    exam = read_exam(tmp_path)
    assert exam.age_years == 54
    assert "different age" in exam.warnings[0].text


def test_facts_that_conflict_without_identifiers_are_refused(tmp_path: Path) -> None:
    nobody = {"PatientID": None, "PatientName": None, "StudyInstanceUID": None}
    f.write_exam(tmp_path / "new", **nobody, **NEW)
    f.write_exam(tmp_path / "old", **nobody, **OLD)
    with pytest.raises(MixedPatients, match="no identifier"):
        read_exam(tmp_path)


def test_two_ages_on_one_date_are_two_women(tmp_path: Path) -> None:
    f.write_exam(tmp_path, **NEW)
    f.write_view(tmp_path / "LCC.dcm", PatientAge="061Y")
    with pytest.raises(MixedPatients, match="ages in images of one date differ"):
        read_exam(tmp_path)


def test_two_exams_that_nothing_orders_are_refused(tmp_path: Path) -> None:
    none = {"StudyDate": None, "AcquisitionDate": None, "AcquisitionTime": None}
    f.write_exam(tmp_path / "one", **none)
    f.write_exam(tmp_path / "two", StudyInstanceUID="9.8.7", **none)
    with pytest.raises(MixedPatients, match="no date shows which one is the latest"):
        read_exam(tmp_path)


def test_a_study_of_its_own_for_every_image(tmp_path: Path) -> None:
    for i, name in enumerate(("RCC", "LCC", "RMLO", "LMLO")):
        f.write_view(tmp_path / f"{name}.dcm", name[0], name[1:], StudyInstanceUID=f"1.2.{i}")
    exam = read_exam(tmp_path)
    assert len(exam) == 4
    assert [one.code for one in exam.warnings] == ["exam-doubtful"]


def test_views_of_one_day_spread_over_two_studies(tmp_path: Path) -> None:
    f.write_exam(tmp_path)
    for name in ("RMLO", "LMLO"):
        f.write_view(tmp_path / f"{name}.dcm", name[0], name[1:], StudyInstanceUID="9.8.7")
    exam = read_exam(tmp_path)
    assert len(exam) == 4
    assert "several studies on one date" in exam.warnings[0].text


def test_dates_in_the_names_of_pictures_count(tmp_path: Path) -> None:
    four = ["L-CC", "R-CC", "L-MLO", "R-MLO"]
    one = pictures(tmp_path / "one", [f"2021_{name}" for name in four])
    assert read_exam(one).warnings == ()
    two = pictures(tmp_path / "two", ["2018_L-CC", "2021_R-CC", "2021_L-MLO", "2021_R-MLO"])
    with pytest.raises(MixedPatients, match="different date"):
        read_exam(two)
    # A mapping vouches for them.
    exam = read_exam({path.stem[5:]: path for path in two.iterdir()})
    assert codes(exam) == {"exam-doubtful"}


def test_two_pictures_of_a_view_that_nothing_tells_apart(tmp_path: Path) -> None:
    folder = pictures(tmp_path, ["L-CC", "other L-CC", "R-CC", "L-MLO", "R-MLO"])
    with pytest.raises(AmbiguousView, match="several pictures of L-CC"):
        read_exam(folder)
