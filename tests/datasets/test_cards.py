"""Every cohort has a complete card, and says what it does not know."""

from __future__ import annotations

import inspect
from pathlib import Path

import pandas as pd
import pytest

import mammorisk as mr
from mammorisk.datasets.adapter import Dataset
from mammorisk.datasets.layout import layout_names, load_layout
from mammorisk.errors import CohortError, DatasetError

COHORTS = layout_names()
HOSPITAL = ["omop", "fhir", "redcap"]
DOCS = Path(__file__).parents[2] / "docs"


def test_every_cohort_is_public_and_listed() -> None:
    adapters = [
        name for name in mr.datasets.__all__ if isinstance(getattr(mr.datasets, name), Dataset)
    ]
    assert sorted(adapters) == COHORTS == list(mr.datasets.list().index)


@pytest.mark.parametrize("name", [*COHORTS, *HOSPITAL])
def test_cards(name: str) -> None:
    card = load_layout(name).card
    assert card.name == name
    assert card.facts
    for text in (card.licence, card.terms, card.download, card.citation, card.layout):
        assert text
    if card.doi is not None:
        assert card.doi.startswith("10.")


def test_the_table_says_what_was_not_verified() -> None:
    table = mr.datasets.list()
    told = table["not_verified"]
    assert "order" not in told["vindr_mammo"]
    assert "sampling fraction" in told["csaw_cc"]
    assert set(table["outcome"]) == {"survival", "interval-censored", "cross-sectional", "none"}


@pytest.mark.parametrize("name", COHORTS)
def test_adapters_refuse_an_empty_folder(name: str, tmp_path: Path) -> None:
    adapter = getattr(mr.datasets, name)
    with pytest.raises(DatasetError) as error:
        adapter(tmp_path)
    # What is missing, and where to get it.
    assert error.value.remedy
    check = adapter.check(tmp_path)
    assert check.card.terms in repr(check)
    with pytest.raises(DatasetError, match="no such folder"):
        adapter.check(tmp_path / "none")


@pytest.mark.parametrize("name", COHORTS)
def test_adapters_are_documented(name: str) -> None:
    adapter = getattr(mr.datasets, name)
    doc = inspect.getdoc(type(adapter).cohort) or ""
    assert "Parameters" in doc
    for parameter in inspect.signature(type(adapter).cohort).parameters:
        assert parameter == "self" or f"\n{parameter} : " in doc, parameter


def test_nothing_is_downloaded() -> None:
    """No adapter imports what could fetch anything."""
    folder = Path(inspect.getfile(mr.datasets.Dataset)).parent
    for path in folder.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        for word in ("urllib", "requests", "fsspec", "http.client", "socket"):
            assert f"import {word}" not in text, path.name


def test_split_fractions() -> None:
    exams = pd.DataFrame({"patient_id": [f"w{i}" for i in range(4000)]})
    part = mr.datasets.split_by_woman(exams, {"train": 0.7, "validation": 0.1, "test": 0.2})
    shares = part.value_counts(normalize=True)
    assert shares["train"] == pytest.approx(0.7, abs=0.03)
    assert shares["test"] == pytest.approx(0.2, abs=0.03)
    again = mr.datasets.split_by_woman(
        exams.sample(frac=1, random_state=1), {"train": 0.7, "validation": 0.1, "test": 0.2}
    )
    assert (again.sort_index() == part).all()
    with pytest.raises(CohortError, match="add up"):
        mr.datasets.split_by_woman(exams, {"train": 0.7, "test": 0.2})
    with pytest.raises(CohortError, match="no column split"):
        mr.datasets.check_split(exams)


def test_rows_with_more_cells_than_the_header(tmp_path: Path) -> None:
    """An unquoted comma shifts a row: it is excluded, not read shifted."""
    from tests.datasets.miniatures import rsna_2022

    path = rsna_2022(tmp_path, images=False) / "train.csv"
    lines = path.read_text().splitlines()
    lines[2] = lines[2].replace("MLO", "ML,O")
    path.write_text("\n".join(lines))
    cohort = mr.datasets.rsna_2022(tmp_path)
    gone = cohort.excluded.iloc[0]
    assert (gone["line"], gone["reason"]) == (3, "the line has another number of fields")
