"""read_table_file: what spreadsheets and statistics packages write; no row ever shifts."""

from __future__ import annotations

import gzip
from pathlib import Path

import pandas as pd
import pytest

from mammorisk.errors import ManifestError
from mammorisk.io.table_files import read_table_file

KEYS = ("patient_id", "exam_id")
PLAIN = "patient_id,exam_id,age,note\n007,1,54.5,a\n8,2,61,\n"


def read(tmp_path: Path, text: str | bytes, name: str = "t.csv") -> pd.DataFrame:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_table_file(path, KEYS).table


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        "\ufeff" + PLAIN,
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("\n", "\r"),
        PLAIN.replace(",", ";").replace("54.5", "54,5"),
        PLAIN.replace(",", ";"),
        "sep=;\n" + PLAIN.replace(",", ";").replace("54.5", "54,5"),
        '"sep=,"\n' + PLAIN,
        PLAIN.replace(",", "\t"),
        PLAIN.replace("\n", ",\n"),
        PLAIN.replace("note\n", "note,,\n").replace("a\n", "a,,\n"),
        PLAIN.replace("54.5,a", '"54.5","a"'),
        "\n" + PLAIN.replace("8,2", "\n8,2") + "\n\n",
    ],
    ids=[
        *("plain", "mark", "windows", "old mac", "decimal commas", "semicolons", "sep=;", "sep=,"),
        *("tabs", "trailing comma", "trailing commas in all", "quoted", "blank lines"),
    ],
)
def test_one_table_in_many_spellings(tmp_path: Path, text: str) -> None:
    table = read(tmp_path, text)
    assert list(table.columns) == ["patient_id", "exam_id", "age", "note"]
    assert table["patient_id"].tolist() == ["007", "8"]
    assert table["age"].tolist() == [54.5, 61]
    assert table["note"].isna().tolist() == [False, True]


def test_utf_16_and_gzip(tmp_path: Path) -> None:
    assert len(read(tmp_path, PLAIN.encode("utf-16"))) == 2
    assert len(read(tmp_path, gzip.compress(PLAIN.encode()), "t.csv.gz")) == 2


@pytest.mark.parametrize("quote", ["", '"'])
def test_a_line_longer_than_the_header_is_refused_with_its_number(
    tmp_path: Path, quote: str
) -> None:
    text = f"patient_id,exam_id,age\n1,{quote}1{quote},54,\n\n2,1,61,5\n3,1,47\n"
    with pytest.raises(ManifestError, match=r"1 of 3 rows have more fields .* line 4"):
        read(tmp_path, text)


def test_row_names_of_r_are_refused(tmp_path: Path) -> None:
    """write.table gives the header one name less than the rows have fields."""
    with pytest.raises(ManifestError, match="more fields than the header"):
        read(tmp_path, '"patient_id" "exam_id"\n"1" "w1" "e1"\n'.replace(" ", ","))


def test_short_lines_are_marked(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("patient_id,exam_id,age\n1,1,54\n2,1\n\n3,1,47\n")
    read_in = read_table_file(tmp_path / "t.csv", KEYS)
    assert read_in.short.tolist() == [False, True, False]
    assert read_in.lines.tolist() == [2, 3, 5]
    assert read_in.table["age"].isna().tolist() == [False, True, False]


def test_a_field_may_hold_separators_and_line_breaks(tmp_path: Path) -> None:
    text = 'patient_id,exam_id,note\n1,1,"a, b\nc ""d"""\n2,1,\x0be\n'
    table = read(tmp_path, text)
    assert table["note"].tolist() == ['a, b\nc "d"', "\x0be"]
    with pytest.raises(ManifestError, match="not closed, at or after line 3"):
        read(tmp_path, 'patient_id,exam_id,note\n1,1,a\n2,1,"b\n')


@pytest.mark.parametrize("text", ["age,b,age\n1,2,3\n", '"age","b","age"\n1,2,3\n'])
def test_a_column_twice(tmp_path: Path, text: str) -> None:
    with pytest.raises(ManifestError, match="columns appear twice: age"):
        read(tmp_path, text)


def test_none_stays_a_word(tmp_path: Path) -> None:
    """pandas would read it as an empty cell; of a count it means 0."""
    assert read(tmp_path, "biopsies,b\nNone,1\n2,1\n")["biopsies"].tolist() == ["None", "2"]


def test_words_beside_decimal_commas(tmp_path: Path) -> None:
    table = read(tmp_path, "age;city\n54,5;Bern\nUNK;St. Gallen, north\n")
    assert table["age"].tolist() == ["54.5", "UNK"]
    assert table["city"].tolist()[1] == "St. Gallen, north"


@pytest.mark.parametrize("kind", [".xls", ".ods", ".rds"])
def test_kinds_that_are_not_read_say_how(tmp_path: Path, kind: str) -> None:
    with pytest.raises(ManifestError, match=r"not read\. Save the table as CSV"):
        read(tmp_path, b"x", f"t{kind}")


def test_excel(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    frame = pd.DataFrame({"Patient ID": ["007", "8"], "exam_id": [1, 2], "age": [54.5, None]})
    frame.to_excel(tmp_path / "t.xlsx", index=False)
    table = read_table_file(tmp_path / "t.xlsx", KEYS).table
    assert table["Patient ID"].tolist() == ["007", "8"]
    assert table["exam_id"].tolist() == ["1", "2"]
    assert table["age"].tolist()[0] == 54.5
    (tmp_path / "t.xlsx").write_bytes(b"no workbook")
    with pytest.raises(ManifestError, match="cannot be read"):
        read_table_file(tmp_path / "t.xlsx", KEYS)


@pytest.mark.parametrize("kind", ["dta", "sav"])
def test_statistics_packages_give_labels_and_missing_values(tmp_path: Path, kind: str) -> None:
    pyreadstat = pytest.importorskip("pyreadstat")
    frame = pd.DataFrame(
        {"patient_id": [7.0, 8.0], "exam_id": ["a", "b"], "biopsies": [0.0, 9.0], "age": [54, None]}
    )
    path = tmp_path / f"t.{kind}"
    write = {"dta": pyreadstat.write_dta, "sav": pyreadstat.write_sav}[kind]
    write(frame, str(path), variable_value_labels={"biopsies": {9.0: "Unknown"}})
    table = read_table_file(path, KEYS).table
    assert table["patient_id"].tolist() == ["7", "8"]
    assert table["biopsies"].tolist() == [0, "Unknown"]
    assert table["age"].isna().tolist() == [False, True]
    path.write_bytes(b"something else")
    with pytest.raises(ManifestError, match="cannot be read"):
        read_table_file(path, KEYS)


def test_a_file_needs_its_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mammorisk._utils.optional.installed", lambda module: False)
    for kind in ("xlsx", "sav", "dta", "sas7bdat"):
        with pytest.raises(ImportError, match=r"mammorisk\[tables\]"):
            read(tmp_path, b"x", f"t.{kind}")
