"""read_risks: files of other tools, made here after their documentation."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import mammorisk as mr
from mammorisk.errors import EvaluationError, ManifestError
from mammorisk.io.risk_formats import FORMATS


def write(folder: Path, text: str) -> Path:
    path = folder / "risks.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_mirai(tmp_path: Path) -> None:
    years = ",".join(f"{year}_year_risk" for year in range(1, 6))
    path = write(
        tmp_path,
        f"patient_exam_id,{years}\n007\te1,0.01,0.02,0.03,0.04,0.05\n8\te1,0.1,0.2,0.2,0.3,0.4\n",
    )
    risks = mr.read_risks(path, format="mirai")
    assert risks["patient_id"].tolist() == ["007", "8"]
    assert risks["exam_id"].tolist() == ["e1", "e1"]
    assert risks["risk_1y"].tolist() == [0.01, 0.1]
    assert risks["risk_5y"].tolist() == [0.05, 0.4]
    assert set(risks["model"]) == {"mirai"}
    assert risks.attrs["verified"] is True


def test_bcra_gives_percent_over_the_interval_of_each_row(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "ID,T1,T2,Proj_Intvl,Race,AbsRisk,AbsRisk_Avg\n"
        "1,50.2,55.2,5,1,1.31,1.2\n2,61,71,10,1,3.4,3.1\n3,40,45,5,0,NA,NA\n",
    )
    risks = mr.read_risks(path, format="bcra")
    assert risks["risk_5y"].round(6).tolist()[0] == 0.0131
    assert risks["risk_10y"].round(6).tolist()[1] == 0.034
    assert risks[["risk_5y", "risk_10y"]].notna().sum().tolist() == [1, 1]
    with pytest.raises(ManifestError, match="not a whole number of years in 1 rows"):
        mr.read_risks(write(tmp_path, "ID,T1,T2,AbsRisk\n1,50,53.1,1\n"), format="bcra")
    with pytest.raises(ManifestError, match="no column T2, AbsRisk"):
        mr.read_risks(write(tmp_path, "ID,T1\n1,50\n"), format="bcra")


def test_brest_has_no_ids_of_its_own(tmp_path: Path) -> None:
    path = write(tmp_path, "Episode Label,Predicted Probability\n0,0.41\n1,0.87\n")
    with pytest.raises(ManifestError, match="no column of ids"):
        mr.read_risks(path, format="brest-ai")
    with pytest.raises(ManifestError, match="1 ids for 2 rows"):
        mr.read_risks(path, format="brest-ai", ids=["a"])
    risks = mr.read_risks(path, format="brest-ai", ids=["a", "b"])
    assert risks["risk_3y"].tolist() == [0.41, 0.87]
    assert set(risks["warning_codes"]) == {"uncalibrated"}


def test_ibis_states_no_horizon(tmp_path: Path) -> None:
    path = write(tmp_path, "w1 0.0312 0.0280 0.001\nw2  0.0518 0.0290 0.002\n")
    with pytest.raises(ManifestError, match="do not state the horizon"):
        mr.read_risks(path, format="ibis")
    risks = mr.read_risks(path, format="ibis", horizon=10)
    assert risks["risk_10y"].tolist() == [0.0312, 0.0518]
    assert set(risks["warning_codes"]) == {"format-unverified"}
    assert "risk_lifetime" in mr.read_risks(path, format="ibis", horizon="lifetime")
    for wrong in (-1, "ten", 0):
        with pytest.raises(ManifestError, match="is not a horizon"):
            mr.read_risks(path, format="ibis", horizon=wrong)  # type: ignore[arg-type]
    with pytest.raises(ManifestError, match="fewer than 2 fields"):
        mr.read_risks(write(tmp_path, "w1\n"), format="ibis", horizon=10)


@pytest.mark.parametrize(
    ("format", "header"),
    [
        ("canrisk", "FamID,BC 5 yr risk,BC 10 year risk,BC lifetime risk"),
        ("canrisk", "family_id,Risk 5y,Risk 10y,Lifetime risk"),
        ("bcsc", "id,risk5yr,risk10yr,other"),
        ("bcsc", "patient_id,5-year risk,10-year risk,other"),
    ],
)
def test_formats_whose_unit_must_be_stated(tmp_path: Path, format: str, header: str) -> None:
    path = write(tmp_path, f"{header}\na,1.2,2.9,11\nb,0.8,1.7,9\n")
    with pytest.raises(ManifestError, match="fractions or percent"):
        mr.read_risks(path, format=format)
    with pytest.raises(EvaluationError, match="1 risks are outside 0 to 1, read as fraction"):
        mr.read_risks(path, format=format, unit="fraction")
    risks = mr.read_risks(path, format=format, unit="percent")
    assert risks["risk_5y"].round(6).tolist() == [0.012, 0.008]
    assert risks["risk_10y"].round(6).tolist() == [0.029, 0.017]
    assert ("risk_lifetime" in risks) is (format == "canrisk")
    assert risks["warning_codes"].str.contains("format-unverified").all()
    if format == "canrisk":
        assert risks["warnings"].str.contains("lifetime ends at age 80").all()


def service_file(present: int, family: str, *, scale: float = 1.0) -> str:
    """A block as run_webservice.py writes it, for a woman of this age."""
    ages = [
        age
        for age in range(present + 1, 81)
        if age <= present + 5 or age % 5 == 0 or age == present + 10
    ]
    head = "FamID\tIndivID\tAge\tBCRisk          \tBCRisk%    \tOCRisk          \tOCRisk%\r\n"
    rows = "".join(
        f"{family}\t11\t{age}\t{scale * (age - present) / 500} (0.001)\t0.1 (0.1)\t0.001 (0.001)"
        "\t0.1 (0.1)\r\n"
        for age in ages
    )
    return f"{head}{rows}\r\n"


def test_the_file_of_the_canrisk_service(tmp_path: Path) -> None:
    text = (
        "version\t5.0.0\r\ntimestamp\t2024-01-01\r\ncancer incidence rates\tUK\r\n"
        "note: baseline cancer risks are provided in brackets\r\n"
    )
    text += service_file(42, "F1") + service_file(69, "F2", scale=2)
    text += "FamID\tIndivID\tAge\tOCRisk          \tOCRisk%\r\nF1\t11\t43\t0.9 (0.1)\t90 (1)\r\n"
    risks = mr.read_risks(write(tmp_path, text), format="canrisk-service")
    assert risks["patient_id"].tolist() == ["F1", "F2"]
    assert risks["risk_5y"].tolist() == [0.01, 0.02]
    assert risks["risk_10y"].tolist() == [0.02, 0.04]
    assert risks["risk_lifetime"].round(9).tolist() == [38 / 500, 22 / 500]
    assert set(risks["model"]) == {"boadicea"}
    assert set(risks["warning_codes"]) == {"lifetime-end"}
    for wrong in ("id,risk\n1,0.1\n", text.replace("\t43\t", "\tx\t")):
        with pytest.raises(ManifestError):
            mr.read_risks(write(tmp_path, wrong), format="canrisk-service")


def test_own_tables_come_back_whole(tmp_path: Path) -> None:
    women = pd.DataFrame({"patient_id": ["007", "8"], "age": [54, 61], "race_ethnicity": "white"})
    before = mr.predict(women, model="bcrat").assign(clinic=["a", "b"])
    before.to_csv(tmp_path / "r.csv", index=False)
    after = mr.read_risks(tmp_path / "r.csv")
    pd.testing.assert_frame_equal(
        after[list(before.columns)], before, check_dtype=False, rtol=1e-12
    )


def test_percent_is_suspected(tmp_path: Path) -> None:
    path = write(tmp_path, "patient_id,risk_5y,age\na,0.32,41\nb,0.41,44\nc,0.55,47\n")
    risks = mr.read_risks(path)
    assert risks["warning_codes"].tolist() == ["units-suspected"] * 3
    assert "divide by 100" in risks["warnings"].iloc[0]
    assert mr.read_risks(path, unit="percent")["warning_codes"].tolist() == [""] * 3


def test_ids_are_checked(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text("patient_id,exam_id,age\n007,1,54\n008,1,61\n")
    cohort = mr.read_cohort(tmp_path / "c.csv")
    path = write(tmp_path, "patient_id,risk_5y\n7,0.01\n8,0.02\n")
    with pytest.raises(ManifestError, match=r"0 of 2 ids .* '7' .* '007'"):
        mr.read_risks(path, cohort=cohort)
    good = write(tmp_path, "patient_id,risk_5y\n007,0.01\n008,0.02\n")
    assert len(mr.read_risks(good, cohort=cohort)) == 2
    with pytest.raises(ManifestError, match="1 rows repeat a patient_id"):
        mr.read_risks(write(tmp_path, "patient_id,risk_5y\n7,0.01\n7,0.02\n"))
    with pytest.raises(ManifestError, match="1 rows have no id"):
        mr.read_risks(write(tmp_path, "patient_id,risk_5y\n7,0.01\n,0.02\n"))


def test_slips_end_in_errors_that_help(tmp_path: Path) -> None:
    path = write(tmp_path, "patient_id,risk_5y\na,1.7%\n")
    with pytest.raises(EvaluationError, match="not numbers"):
        mr.read_risks(path)
    with pytest.raises(ManifestError, match="is not a format of risks"):
        mr.read_risks(path, format="gail")
    with pytest.raises(ManifestError, match="is not a unit"):
        mr.read_risks(path, unit="%")  # type: ignore[arg-type]
    with pytest.raises(ManifestError, match="no such file"):
        mr.read_risks(tmp_path / "none.csv")
    with pytest.raises(ManifestError, match="no column of a risk"):
        mr.read_risks(write(tmp_path, "patient_id,score\na,1\n"))
    with pytest.raises(ManifestError, match="several columns are risks over one horizon"):
        mr.read_risks(
            write(tmp_path, "id,risk5yr,5-year risk\na,1,2\n"), format="bcsc", unit="percent"
        )


def test_every_format_states_its_source() -> None:
    assert all(one.source for one in FORMATS.values())
    assert {name for name, one in FORMATS.items() if not one.verified} == {
        "ibis",
        "canrisk",
        "bcsc",
    }
