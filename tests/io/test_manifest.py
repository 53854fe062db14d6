"""read_cohort: every fault of every row, with its line; nothing outside the root."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import mammorisk as mr
from mammorisk import read_cohort
from mammorisk.errors import ManifestError
from mammorisk.records.exam import ImageKind
from tests.factories import write_view


def write(folder: Path, text: str, name: str = "cohort.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_one_row_per_exam(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "patient_id,exam_id,path,age,parity,time,event,clinic\n"
        "007,e1,a/b,54,2,3.5,1,north\n007,e2,a/c,56,,1.5,0,north\n8,e3,a/d,61,0,5,2,south\n",
    )
    cohort = read_cohort(path)
    assert len(cohort) == 3
    assert cohort.exams["patient_id"].tolist() == ["007", "007", "8"]
    assert cohort.exams["clinic"].tolist() == ["north", "north", "south"]
    assert cohort.outcomes["event"].tolist() == [1, 0, 2]
    assert set(cohort.questionnaires) == {"patient_id", "exam_id", "age", "parity"}
    assert cohort.has_images
    assert "3 exams of 2 women, 1 cancers" in repr(cohort)


def test_parquet_and_csv_are_the_same_cohort(tmp_path: Path) -> None:
    text = "patient_id,exam_id,age,breast_density\n1,1,54,c\n2,1,60,\n"
    first = read_cohort(write(tmp_path, text))
    pd.read_csv(tmp_path / "cohort.csv").to_parquet(tmp_path / "manifest.parquet")
    second = read_cohort(tmp_path)
    pd.testing.assert_frame_equal(first.exams, second.exams)
    assert not first.has_images


def test_all_faulty_rows_are_told_at_once_with_their_lines(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "patient_id,exam_id,age,parity,age_first_birth,time,event\n"
        "1,1,54,2,25,3,1\n"
        "2,1,54,0,25,3,1\n"
        ",1,54,2,25,3,1\n"
        "4,1,54,2,25,-3,7\n"
        "1,1,54,2,25,3,1\n",
    )
    with pytest.raises(ManifestError) as caught:
        read_cohort(path)
    text = str(caught.value)
    assert "line 2:" not in text
    assert "line 3: parity 0 contradicts age_first_birth" in text
    assert "line 4: patient_id is empty" in text
    assert "line 5: event is not 0, 1 or 2; time is negative" in text
    assert "line 6: patient_id and exam_id appear before" in text
    kept = read_cohort(path, errors="flag")
    assert len(kept) == 5
    assert (kept.errors != "").tolist() == [False, True, True, True, True]


def test_mirai_csv_is_read_as_is(tmp_path: Path) -> None:
    rows = [
        f"p{p},x{p},{side},{view},img/{p}{side}{view}.png,{cancer},{followup},{split}"
        for p, cancer, followup, split in [(1, 2, 2, "train"), (2, 100, 7, "test")]
        for side in "RL"
        for view in ("CC", "MLO")
    ]
    header = (
        "patient_id,exam_id,laterality,view,file_path,"
        "years_to_cancer,years_to_last_followup,split_group"
    )
    path = tmp_path / "mirai.csv"
    path.write_text("\ufeff" + "\n".join([header, *rows]) + "\n", encoding="utf-8")
    cohort = read_cohort(path)
    assert len(cohort) == 2
    assert cohort.views is not None
    assert len(cohort.views) == 8
    assert cohort.exams["event"].tolist() == [1, 0]
    assert cohort.exams["time"].tolist() == [2.5, 7]
    assert cohort.exams["split"].tolist() == ["train", "test"]


@pytest.mark.parametrize("bad", ["../secret", "a/../../secret", "sub/../.."])
def test_paths_stay_under_the_root(tmp_path: Path, bad: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    path = write(root, f"patient_id,exam_id,path\n1,1,{bad}\n")
    with pytest.raises(ManifestError, match="leads out of the root"):
        read_cohort(path)


def test_a_link_out_of_the_root_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ManifestError, match="leads out of the root"):
        read_cohort(write(root, "patient_id,exam_id,path\n1,1,link\n"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "cannot be read"),
        ("patient_id,exam_id\n", "no rows"),
        ("exam_id,age\n1,54\n", "no column patient_id"),
        ("patient_id,exam_id,event\n1,1,1\n", "event without time"),
    ],
)
def test_unusable_tables(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ManifestError, match=told):
        read_cohort(write(tmp_path, text))


def test_not_a_table(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(ManifestError, match="cannot be read"):
        read_cohort(tmp_path / "x.parquet")
    (tmp_path / "y.csv").write_bytes(b"patient_id,exam_id\n\xff\xfe,1\n")
    with pytest.raises(ManifestError, match="not UTF-8"):
        read_cohort(tmp_path / "y.csv")
    with pytest.raises(ManifestError, match="no such file"):
        read_cohort(tmp_path / "missing.csv")


def test_a_faulty_answer_is_never_taken_for_unknown(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "patient_id,exam_id,age,race_ethnicity,biopsies\n1,1,54,white,99\n2,2,54,white,1\n",
    )
    cohort = read_cohort(path, errors="flag")
    for table, code in (
        (mr.predict(cohort, model="bcrat"), "row-invalid"),
        (mr.load_model("bcrat").predict(cohort), "row-invalid"),
        (mr.load_model("bcrat").predict(cohort.questionnaires), "questionnaire-invalid"),
    ):
        assert table["risk_5y"].isna().tolist() == [True, False]
        assert table["warning_codes"].iloc[0] == code
        assert "biopsies" in table["warnings"].iloc[0]


def test_a_view_listed_twice(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_view(tmp_path / f"{name}.dcm")
    path = write(
        tmp_path,
        "patient_id,exam_id,laterality,view,file_path\n1,1,L,CC,a.dcm\n1,1,left,cc,b.dcm\n",
    )
    cohort = read_cohort(path, allow_missing_views=True)
    assert cohort.open_exam is not None
    exam = cohort.open_exam(0)
    assert exam["L-CC"].source == "a.dcm"
    # Both are the same instance.
    assert [one.source for one in exam.set_aside] == ["b.dcm"]


def test_a_c_view_stands_back_behind_the_full_field_view(tmp_path: Path) -> None:
    """Mirai's manifest tells of it in the view; a picture has no header that would."""
    for name in ("a C-View", "b"):
        Image.fromarray(np.full((40, 30), 900, np.uint16)).save(tmp_path / f"{name}.png")
    text = "patient_id,exam_id,laterality,view,file_path\n"
    both = write(tmp_path, text + "1,1,L,CC C-View,a C-View.png\n1,1,L,CC,b.png\n")
    opened = read_cohort(both, allow_missing_views=True).open_exam
    assert opened is not None
    assert opened(0)["L-CC"].source == "b.png"
    (told,) = (one for one in opened(0).warnings if one.code == "several-images")
    assert str(told) == "L-CC: 2 images, the full-field one used"
    alone = write(tmp_path, text + "1,1,L,CC C-View,b.png\n")
    opened = read_cohort(alone, allow_missing_views=True).open_exam
    assert opened is not None
    assert opened(0)["L-CC"].kind is ImageKind.SYNTHETIC
    assert "synthetic" in {told.code for told in opened(0).all_warnings()}


def test_a_trailing_comma_shifts_no_column(tmp_path: Path) -> None:
    path = write(tmp_path, "patient_id,exam_id,age,weight_kg\nw1,e1,54,68,\nw2,e2,61,72,\n")
    exams = read_cohort(path).exams
    assert exams["age"].tolist() == [54, 61]
    assert exams["patient_id"].tolist() == ["w1", "w2"]
    worse = write(tmp_path, "patient_id,exam_id,age\nw1,e1,54,68\n")
    with pytest.raises(ManifestError, match=r"more fields than the header has names \(3\): line 2"):
        read_cohort(worse)


def test_what_is_doubtful_is_told_once_of_the_table_and_of_its_rows(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "Patient_ID,exam_id,age,first_degree_relatives,menarche\n"
        "1,1,54,9,12\n2,1,61,1,13\n3,1,47,0,\n",
    )
    cohort = read_cohort(path)
    assert [one.code for one in cohort.warnings] == [
        "column-renamed",
        "column-not-read",
        "code-suspected",
    ]
    assert "caution: the column 'menarche' was not read" in repr(cohort)
    risks = mr.predict(cohort, model="bcrat")
    told = risks["warning_codes"].str.split(",").tolist()
    assert ["code-suspected" in one for one in told] == [True, False, False]
    assert ["column-not-read" in one for one in told] == [True, True, False]
    assert all(one.count("column-renamed") == 1 for one in told)
    # A part of the cohort keeps what concerns it.
    assert "code-suspected" not in [one.code for one in cohort.select([1, 2]).warnings]
    assert cohort.select([2, 0]).table_warnings[-1].rows.tolist() == [False, True]
    mended = read_cohort(path, missing={"first_degree_relatives": [9]})
    assert "code-suspected" not in [one.code for one in mended.warnings]
    assert mr.predict(mended, model="bcrat")["risk_5y"].iloc[0] < risks["risk_5y"].iloc[0]


def test_warnings_of_a_manifest_of_views_follow_its_exams(tmp_path: Path) -> None:
    lines = ["patient_id,exam_id,laterality,view,file_path,age,biopsies"]
    lines += [f"{p},1,L,{v},{p}{v}.dcm,54,{b}" for p, b in ((1, 0), (2, 9)) for v in ("CC", "MLO")]
    cohort = read_cohort(write(tmp_path, "\n".join(lines)))
    (told,) = cohort.table_warnings
    assert told.rows is not None
    assert told.rows.tolist() == [False, True]


def test_short_lines_are_told(tmp_path: Path) -> None:
    path = write(tmp_path, "patient_id,exam_id,age,parity\n1,1,54,2\n2,1,61\n")
    risks = mr.predict(read_cohort(path), model="bcrat")
    assert risks["warning_codes"].str.contains("row-short").tolist() == [False, True]
    assert "the first is line 3" in risks["warnings"].iloc[1]


def test_lines_are_counted_in_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, 'sep=,\npatient_id,exam_id,age,note\n1,1,54,"a\nb"\n\n2,1,154,c\n')
    with pytest.raises(ManifestError, match="line 6: age"):
        read_cohort(path)


def test_words_for_unknown_and_events_in_words(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "patient_id,exam_id,age,race_ethnicity,biopsies,time,event\n"
        "w1,1,54,Unknown,Unknown,3,cancer\nw2,1,61,white,.,UNK,.\nw3,1,47,white,none,2,Censored\n",
    )
    cohort = read_cohort(path)
    assert cohort.exams["event"].tolist()[::2] == [1, 0]
    assert cohort.exams["time"].isna().tolist() == [False, True, False]
    assert mr.predict(cohort, model="bcrat")["risk_5y"].notna().all()


def test_two_columns_for_one_field(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="'age' and 'AGE' both look like age"):
        read_cohort(write(tmp_path, "patient_id,exam_id,age,AGE\n1,1,54,45\n"))
    with pytest.raises(ManifestError, match="no column 'biopsy'"):
        read_cohort(write(tmp_path, "patient_id,exam_id,age\n1,1,54\n"), missing={"biopsy": [9]})


def test_frequencies_are_checked_with_the_manifest(tmp_path: Path) -> None:
    path = write(
        tmp_path, "patient_id,exam_id,time,event,frequency_weight\n1,1,2,0,3\n2,1,2,0,1.5\n"
    )
    with pytest.raises(ManifestError, match="line 3: frequency_weight is not a whole number"):
        read_cohort(path)


@pytest.mark.networks
@pytest.mark.parametrize(
    "images",
    [{"path": "gone/exam"}, {"laterality": "L", "view": "CC", "file_path": "gone/a.dcm"}],
)
def test_no_file_is_named_in_the_warnings_of_a_row(tmp_path: Path, images: dict[str, str]) -> None:
    row = {"patient_id": "p1", "exam_id": "e1", "age": 50} | images
    pd.DataFrame([row]).to_csv(tmp_path / "m.csv", index=False)
    row_told = mr.predict(read_cohort(tmp_path / "m.csv")).iloc[0]
    assert row_told["warning_codes"] == "exam-unreadable"
    assert "gone" not in row_told["warnings"]
    assert "a.dcm" not in row_told["warnings"]
    assert str(tmp_path) not in row_told["warnings"]


def test_a_table_is_a_manifest_too() -> None:
    table = pd.DataFrame(
        {"patient_id": [7, 8], "exam_id": ["1", "1"], "Age": [54, 61], "event": [1, 0]},
        index=[3, 4],
    ).assign(time=[2.0, 5.0])
    before = table.copy()
    cohort = read_cohort(table)
    assert cohort.exams["patient_id"].tolist() == ["7", "8"]
    assert [warning.code for warning in cohort.warnings] == ["column-renamed"]
    pd.testing.assert_frame_equal(table, before)
    with pytest.raises(ManifestError, match="line 3: event is not 0, 1 or 2"):
        read_cohort(table.assign(event=[1, 7]))
    with pytest.raises(ManifestError, match="a int is neither a path nor a table"):
        read_cohort(5)  # type: ignore[arg-type]
