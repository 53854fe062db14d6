"""One woman has one risk, one interval and the same warnings, however she is given."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mammorisk as mr
from mammorisk.warnings import join_codes, join_text
from tests.factories import counted_loads, simulated_exam, write_exam

ANSWERS = {
    "age": 52.0,
    "race_ethnicity": "white",
    "age_menarche": 12.0,
    "parity": 2.0,
    "age_first_birth": 27.0,
    "first_degree_relatives": 1.0,
    "biopsies": 0.0,
}
WOMAN = mr.Questionnaire(**ANSWERS)
MODELS = ("hybrid", "bcsc-2008", "bcrat", "icare-lit")


@pytest.fixture(scope="module", params=["simulated", "made up"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Inside and outside the domain of the bundled network, with a header that says 57 years."""
    root = tmp_path_factory.mktemp("ways")
    if request.param == "simulated":
        simulated_exam(root / "exam", seed=3, pixel_mm=1.0)
    else:
        write_exam(root / "exam", PatientAge="057Y", BreastImplantPresent="YES")
    (root / "exam" / "notes.txt").write_text("not an image")
    row = {"patient_id": "1", "exam_id": "a", "path": "exam", **ANSWERS}
    pd.DataFrame([row]).to_csv(root / "cohort.csv", index=False)
    return root


def as_row(found: mr.Prediction) -> dict[str, object]:
    row: dict[str, object] = {f"risk_{year:g}y": value for year, value in found.risk.items()}
    if found.interval is not None:
        for limit in ("lower", "upper"):
            row |= {f"risk_{y:g}y_{limit}": v for y, v in found.interval[limit].items()}
    return row | {
        "model": found.model,
        "images_used": found.images_used,
        "warnings": join_text(found.warnings),
        "warning_codes": join_codes(found.warnings),
    }


def table_row(table: pd.DataFrame) -> dict[str, object]:
    """The first row; without limits that are all missing, as a single prediction has none then."""
    row = table.iloc[0].drop(["patient_id", "exam_id"]).to_dict()
    limits = [name for name in row if name.endswith(("_lower", "_upper"))]
    if all(pd.isna(row[name]) for name in limits):
        row = {name: value for name, value in row.items() if name not in limits}
    return row


@pytest.mark.parametrize("name", MODELS)
def test_every_way_in_gives_the_same(folder: Path, name: str, tmp_path: Path) -> None:
    exam, model = mr.read_exam(folder / "exam"), mr.load_model(name)
    cohort = mr.read_cohort(folder / "cohort.csv")
    singles = [
        mr.predict(exam, WOMAN, model=name),
        mr.predict(folder / "exam", WOMAN, model=name),
        mr.predict(exam, WOMAN, model=model),
        model.predict(exam, WOMAN),
        model.predict(str(folder / "exam"), WOMAN),
    ]
    mr.predict_to_file(cohort, tmp_path / "risks.parquet", model=model)
    tables = [
        mr.predict(cohort, model=name),
        mr.predict(cohort, model=model),
        model.predict(cohort),
        pd.read_parquet(tmp_path / "risks.parquet"),
    ]
    rows = [as_row(one) for one in singles]
    rows += [table_row(table) for table in tables]
    first = rows[0]
    if name == "hybrid":
        assert np.isfinite(first["risk_5y"])  # type: ignore[call-overload]
    for row in rows[1:]:
        assert row.keys() == first.keys()
        for column, value in first.items():
            if isinstance(value, float):
                np.testing.assert_allclose(row[column], value, rtol=1e-12, err_msg=column)
            else:
                assert row[column] == value, column
    assert "age-contradiction" in str(first["warning_codes"])


@pytest.mark.parametrize("name", MODELS)
def test_questionnaires_too(name: str) -> None:
    model = mr.load_model(name)
    frame = pd.DataFrame([ANSWERS], index=[7])
    one = as_row(model.predict(WOMAN))
    for table in (model.predict(frame), mr.predict([WOMAN], model=name)):
        for column, value in one.items():
            got = table[column].iloc[0]
            assert got == value or (got != got and value != value), column


def test_a_man_gets_no_risk(tmp_path: Path) -> None:
    write_exam(tmp_path / "exam", PatientSex="M")
    for name in MODELS:
        found = mr.predict(tmp_path / "exam", WOMAN, model=name)
        assert found.risk.isna().all()
        assert [one.code for one in found.warnings] == ["male-patient"]


def test_a_measurement_that_fails_is_the_reason_of_its_row(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(seen: object) -> None:
        raise ZeroDivisionError("measurement")

    monkeypatch.setattr("mammorisk.imaging.quality.check_view", fail)
    risks = mr.predict(mr.read_cohort(folder / "cohort.csv"))
    assert risks["risk_5y"].isna().all()
    assert risks["warning_codes"].tolist() == ["exam-unreadable"]
    with pytest.raises(mr.errors.ExamError, match="ZeroDivisionError"):
        mr.predict(folder / "exam", WOMAN)


def test_a_prior_is_used_or_said_to_be_ignored(folder: Path) -> None:
    exam = mr.read_exam(folder / "exam")
    found = mr.predict(exam, WOMAN, prior=exam)
    assert "prior-exam" in [one.code for one in found.warnings]
    assert found.five_year == mr.predict(exam, WOMAN).five_year


@pytest.mark.parametrize("name", ["hybrid", "bcsc-2008"])
def test_every_view_is_decoded_once(folder: Path, name: str) -> None:
    exam = mr.read_exam(folder / "exam")
    watched, loads = counted_loads(exam)
    mr.predict(watched, WOMAN, model=name)
    assert sorted(loads) == sorted(exam.views)
