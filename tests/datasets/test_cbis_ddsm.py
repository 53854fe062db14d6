"""CBIS-DDSM: pseudo patients, women in two parts, crops and masks that are swapped."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pydicom
import pytest

import mammorisk as mr
from mammorisk.errors import DatasetError
from tests.datasets.miniatures import cbis_ddsm
from tests.factories import breast_pixels, save


def test_a_woman_in_two_parts_is_taken_out_of_training(tmp_path: Path) -> None:
    cbis_ddsm(tmp_path, images=False)
    cohort = mr.datasets.cbis_ddsm(tmp_path)
    split = cohort.exams.set_index("patient_id")["split"].to_dict()
    assert split == {"P_00001": "test", "P_00002": "train", "P_00003": "test", "P_00004": "train"}
    assert mr.datasets.check_split(cohort).empty
    gone = cohort.excluded.iloc[0]
    assert gone[["table", "line", "reason", "patient_id"]].tolist() == [
        "mass_train",
        2,
        "the woman is also in a test table",
        "P_00001",
    ]
    kept = mr.datasets.cbis_ddsm(tmp_path, leaks="keep")
    assert mr.datasets.check_split(kept).index.tolist() == ["P_00001"]


def test_both_spellings_and_density_0(tmp_path: Path) -> None:
    exams = mr.datasets.cbis_ddsm(cbis_ddsm(tmp_path, images=False)).exams
    by_woman = exams.set_index("patient_id")
    assert by_woman.loc["P_00001", "breast_density"] == "d"
    # 0 is no density; the other finding of the film has one.
    assert by_woman.loc["P_00002", "breast_density"] == "b"
    assert by_woman["cancer"].to_dict() == {"P_00001": 1, "P_00002": 0, "P_00003": 0, "P_00004": 0}
    assert by_woman.loc["P_00002", "findings"] == 2


def test_films_of_pseudo_patients_are_one_exam(tmp_path: Path) -> None:
    cohort = mr.datasets.cbis_ddsm(cbis_ddsm(tmp_path))
    # Two findings of one film are two rows of the table and one image.
    women = cohort.views["patient_id"].tolist()
    assert women == ["P_00002", "P_00004", "P_00003", "P_00004", "P_00004", "P_00001"]
    sizes = [len(cohort.open_exam(row)) for row in range(len(cohort))]
    assert dict(zip(cohort.exams["patient_id"], sizes, strict=True)) == {
        "P_00001": 1,
        "P_00002": 1,
        "P_00003": 1,
        "P_00004": 3,
    }
    assert cohort.exclusions["rows"].sum() == 8


def test_masks_and_crops_are_told_by_their_size(tmp_path: Path) -> None:
    found = mr.datasets.cbis_ddsm.annotations(cbis_ddsm(tmp_path))
    assert found["mask_path"].str.endswith("1-2.dcm").all()
    assert found["crop_path"].str.endswith("1-1.dcm").all()
    assert found["mask_fits"].all()
    swapped = found.groupby("patient_id")["was_swapped"].any()
    assert swapped["P_00003"]
    assert not swapped["P_00004"]


def test_masks_that_do_not_fit(tmp_path: Path) -> None:
    cbis_ddsm(tmp_path)
    (film,) = (tmp_path / "images" / "Calc-Training_P_00004_LEFT_CC").rglob("*.dcm")
    data = pydicom.dcmread(film)
    pixels = breast_pixels("L", "CC", rows=80, columns=48)
    data.Rows, data.Columns, data.PixelData = 80, 48, pixels.tobytes()
    save(data, film)
    found = mr.datasets.cbis_ddsm.annotations(tmp_path)
    fits = found.set_index(["patient_id", "laterality", "view"])["mask_fits"]
    assert not fits["P_00004", "L", "CC"]
    assert fits["P_00004", "L", "MLO"]


def test_folders_of_the_retriever(tmp_path: Path) -> None:
    """The retriever names folders by date and description; metadata.csv knows the series."""
    cbis_ddsm(tmp_path)
    lines = ["Series UID,Collection,File Location"]
    for i, folder in enumerate(sorted((tmp_path / "images").glob("*/*/*"))):
        uid = folder.name
        moved = folder.parent / f"{i:02d}-full mammogram images-{i}"
        folder.rename(moved)
        place = str(moved.relative_to(tmp_path)).replace("/", "\\")
        lines.append(f"{uid},CBIS-DDSM,.\\{place}")
    with_images = len(mr.datasets.cbis_ddsm(tmp_path, images=None).exams)
    assert not mr.datasets.cbis_ddsm(tmp_path).has_images
    (tmp_path / "metadata.csv").write_text("\n".join(lines))
    cohort = mr.datasets.cbis_ddsm(tmp_path)
    assert cohort.has_images
    assert len(cohort) == with_images
    (tmp_path / "metadata.csv").unlink()
    with pytest.raises(DatasetError, match="none of"):
        mr.datasets.cbis_ddsm(tmp_path, images=True)


def test_a_table_that_is_not_there(tmp_path: Path) -> None:
    cbis_ddsm(tmp_path, images=False)
    (tmp_path / "calc_case_description_test_set.csv").unlink()
    with pytest.raises(DatasetError, match="calc_case_description_test_set"):
        mr.datasets.cbis_ddsm(tmp_path)
    table = mr.datasets.cbis_ddsm.check(tmp_path).table
    assert table.set_index("part")["state"]["calc_test"] == "missing"
    assert isinstance(table, pd.DataFrame)
