"""Marks of lesions in four formats, and exams that cannot be used."""

from __future__ import annotations

import json
import plistlib
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mammorisk as mr
from mammorisk.datasets.adapters.cbis_ddsm import _mask_box
from mammorisk.errors import CohortError, UnreadableFile
from mammorisk.findings import (
    AnnotatedCohort,
    read_cbis_ddsm,
    read_coco,
    read_inbreast,
    read_vindr,
)
from mammorisk.findings.annotated import REQUIRED

from ..datasets import miniatures
from ..factories import write_view

pytestmark = pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
BOX = ["row_min_px", "row_max_px", "col_min_px", "col_max_px"]


def _images(folder: Path, **columns: list[Any]) -> mr.Cohort:
    """Two women with two views each; the files are never opened."""
    rows = [(w, f"e{w}", side, "CC") for w in ("w1", "w2") for side in "LR"]
    table = pd.DataFrame(rows, columns=["patient_id", "exam_id", "laterality", "view"])
    table["file_path"] = [f"{w}/{side}.png" for w, _, side, _ in rows]
    table.assign(**columns).to_csv(folder / "images.csv", index=False)
    return mr.read_cohort(folder / "images.csv", allow_missing_views=True)


def _coco(folder: Path, **changes: Any) -> Path:
    content = {
        "images": [
            {"id": 10 + i, "file_name": name}
            for i, name in enumerate(["w1/L.png", "w1/R.png", "w2/L.png", "w2/R.png"])
        ],
        "categories": [
            {"id": 1, "name": "Mass"},
            {"id": 2, "name": "Suspicious Calcification"},
            {"id": 3, "name": "Lymph node"},
        ],
        "annotations": [
            {"image_id": 10, "category_id": 1, "bbox": [10.5, 20, 30, 40.2], "pathology": "benign"},
            {"image_id": 11, "category_id": 2, "bbox": [1, 2, 3, 4], "attributes": {"birads": 4}},
            {"image_id": 11, "category_id": 3, "bbox": [1, 2, 3, 4]},
        ],
    }
    path = folder / "Somebody^Else.json"
    path.write_text(json.dumps(content | changes))
    return path


CALCIFICATION = {"suspicious calcification": "calcification"}


def test_coco(tmp_path: Path) -> None:
    found = read_coco(_coco(tmp_path), _images(tmp_path), types=CALCIFICATION)
    assert len(found) == 2
    first, second = found.lesions.to_dict("records")
    assert {name: first[name] for name in REQUIRED} == {
        **{"patient_id": "w1", "exam_id": "ew1", "laterality": "L", "view": "CC", "type": "mass"},
        **{"row_min_px": 20, "row_max_px": 61, "col_min_px": 10, "col_max_px": 41},
    }
    assert (first["pathology"], second["birads"], second["type"]) == ("benign", 4, "calcification")
    (told,) = found.warnings
    assert "1 Lymph node" in told.text


def test_names_of_files_may_be_the_end_of_a_path(tmp_path: Path) -> None:
    rows = [{"id": 10, "file_name": "L.png"}]
    with pytest.raises(CohortError, match="image 1 of the file matches 2 images"):
        read_coco(_coco(tmp_path, images=rows), _images(tmp_path))
    names = ["a/w1/L.png", "a/w1/R.png", "a/w2/L.png", "a/w2/R.png"]
    found = read_coco(_coco(tmp_path), _images(tmp_path, file_path=names), types=CALCIFICATION)
    assert len(found.lesions) == 2


def test_an_exam_with_an_image_that_was_not_marked_is_left_out(tmp_path: Path) -> None:
    names = ["w1/L.png", "w1/R.png", "w2/L.png"]
    images = [{"id": 10 + i, "file_name": name} for i, name in enumerate(names)]
    found = read_coco(_coco(tmp_path, images=images), _images(tmp_path), types=CALCIFICATION)
    assert found.cohort.exams["patient_id"].tolist() == ["w1"]
    assert any("1 exams are left out: marks that cannot be read" in one.text
               for one in found.warnings)  # fmt: skip
    # A box without an extent is a lesion whose place is not known.
    marks = [{"image_id": 12, "category_id": 1, "bbox": [1, 2, 0, 4]}]
    found = read_coco(_coco(tmp_path, annotations=marks), _images(tmp_path))
    assert found.cohort.exams["patient_id"].tolist() == ["w1"]
    assert found.lesions.empty
    assert isinstance(found, AnnotatedCohort)


def test_women_are_needed(tmp_path: Path) -> None:
    path = _coco(tmp_path)
    split = ["train", "train", "test", "test"]
    assert len(read_coco(path, _images(tmp_path, split=split))) == 2
    same = _images(tmp_path, split=split, patient_id=["w1"] * 4, exam_id=["a", "a", "b", "b"])
    with pytest.raises(CohortError, match="1 women are in several parts"):
        read_coco(path, same)
    cohort = _images(tmp_path)
    cohort.exams["patient_id"] = None
    with pytest.raises(CohortError, match="2 exams have no patient_id"):
        read_coco(path, cohort)


@pytest.mark.parametrize(
    "change",
    [{"images": None}, {"annotations": [{"image_id": 1}]}, {"categories": [{"id": 1}]}],
)
def test_what_is_no_coco(tmp_path: Path, change: dict[str, Any]) -> None:
    with pytest.raises(UnreadableFile, match="no COCO JSON") as told:
        read_coco(_coco(tmp_path, **change), _images(tmp_path))
    assert "Somebody" not in str(told.value)
    with pytest.raises(UnreadableFile):
        read_coco(tmp_path / "absent.json", _images(tmp_path))


def _release(name: str, folder: Path) -> tuple[Any, Path]:
    return getattr(mr.datasets, name), getattr(miniatures, name)(folder)


def test_vindr(tmp_path: Path) -> None:
    release, root = _release("vindr_mammo", tmp_path)
    cohort, marks = release.cohort(root), release.annotations(root)
    # The sample has a list that cannot be read: the only exam with findings is left out.
    found = read_vindr(cohort, marks)
    assert len(found) == 1
    assert found.lesions.empty
    marks = marks[marks["categories"].notna()]
    found = read_vindr(cohort, marks)
    assert found.lesions["type"].tolist() == ["calcification", "mass"]
    assert found.lesions[BOX].to_numpy().tolist() == [[6, 30, 5, 20]] * 2
    assert found.lesions["view"].tolist() == ["CC", "CC"]
    # Two kinds of asymmetry of a box are one lesion, and a lymph node is none.
    other = [("Asymmetry", "Focal Asymmetry", "Suspicious Lymph Node")]
    marks = marks.assign(categories=[*other, *[()] * (len(marks) - 1)])
    found = read_vindr(cohort, marks)
    assert found.lesions["type"].tolist() == ["asymmetry"]
    assert "1 Suspicious Lymph Node" in found.warnings[0].text


def test_cbis_ddsm(tmp_path: Path) -> None:
    release, root = _release("cbis_ddsm", tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cohort = release.cohort(root)
        marks = release.annotations(root, boxes=True)
    found = read_cbis_ddsm(cohort, marks)
    assert len(found) == len(cohort)
    assert (found.lesions[BOX].to_numpy() == [20, 30, 10, 20]).all()
    assert found.lesions["type"].value_counts().to_dict() == {"mass": 4, "calcification": 3}
    # The training rows of the woman who is also in the test are in no exam.
    assert any("1 marks are in images outside" in one.text for one in found.warnings)
    woman = found.lesions[found.lesions["patient_id"] == "P_00001"]
    assert woman["pathology"].tolist() == ["malignant"]
    with pytest.raises(CohortError, match="boxes=True"):
        read_cbis_ddsm(cohort, marks.drop(columns="row_min_px"))
    with pytest.raises(CohortError, match="women are in several parts"):
        read_cbis_ddsm(release.cohort(root, leaks="keep"), marks)
    shapes = ["ARCHITECTURAL_DISTORTION", "FOCAL_ASYMMETRIC_DENSITY", "IRREGULAR"]
    marks.loc[[1, 2, 3], "shape"] = shapes
    kinds = read_cbis_ddsm(cohort, marks).lesions["type"]
    assert kinds.tolist()[:3] == ["distortion", "asymmetry", "mass"]


def test_the_box_of_a_mask_of_another_size(tmp_path: Path) -> None:
    for name, shape in (("image", (120, 96)), ("mask", (60, 48)), ("other", (60, 60))):
        pixels = np.zeros(shape, np.uint16)
        pixels[20:30, 10:21] = 1
        write_view(tmp_path / f"{name}.dcm", "L", "CC", pixels=pixels)
    assert _mask_box(tmp_path, "mask.dcm", "image.dcm") == (40, 60, 20, 42)
    assert all(value != value for value in _mask_box(tmp_path, "other.dcm", "image.dcm"))
    assert all(value != value for value in _mask_box(tmp_path, None, "image.dcm"))


def test_inbreast(tmp_path: Path) -> None:
    release, root = _release("inbreast", tmp_path)
    outlines = [
        {"Name": "Mass", "Point_px": ["(10.5, 20.25)", "(31, 41)"]},
        {"Name": "Cluster", "Point_px": ["(100, 200)", "(150, 260)"]},
        {"Name": "Calcification", "Point_px": ["(120, 230)"]},
        {"Name": "Calcification", "Point_px": ["(12, 13)"]},
        {"Name": "Unnamed", "Point_px": ["(12, 13)"]},
    ]
    content = {"Images": [{"ImageIndex": 0, "ROIs": outlines}]}
    (root / "AllXML" / "20000001.xml").write_bytes(plistlib.dumps(content))
    cohort = release.cohort(root)
    # The outlines of another view of this exam cannot be read.
    found = read_inbreast(cohort, release.annotations(root))
    assert len(found) == len(cohort) - 1
    assert found.lesions.empty
    (root / "AllXML" / "20000002.xml").unlink()
    found = read_inbreast(cohort, release.annotations(root))
    assert len(found) == len(cohort)
    mass, cluster = found.lesions.to_dict("records")
    assert [mass[name] for name in BOX] == [20, 42, 10, 32]
    assert (cluster["type"], cluster["speck_rows_px"], cluster["speck_cols_px"]) == (
        *("calcification", [230.0], [120.0]),
    )
    assert mass["speck_rows_px"] == []
    assert "1 Unnamed" in found.warnings[0].text
