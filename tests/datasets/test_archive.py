"""The manifest of an archive: reasons, resumption, pseudonyms, and outcomes of a registry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import mammorisk as mr
from mammorisk.cli.app import app
from mammorisk.datasets.archive import scan as scan_module
from mammorisk.errors import DatasetError
from tests.datasets.miniatures import image

KEY = "a secret of more than sixteen characters"
DAYS = 365.25


def archive(root: Path) -> Path:
    for woman, date in (("W1", "20150101"), ("W1", "20170101"), ("W2", "20160601")):
        for side in "LR":
            for view in ("CC", "MLO"):
                image(
                    root / woman / date / f"{side}{view}.dcm",
                    side,
                    view,
                    PatientID=woman,
                    PatientAge="055Y",
                    StudyInstanceUID=f"1.2.{woman[1]}.{date}",
                    StudyDate=date,
                    AcquisitionDate=date,
                )
    image(root / "W2" / "nobody.dcm", "L", "CC", PatientID="", PatientName="")
    image(root / "W2" / "ml.dcm", "L", "ML", PatientID="W2")
    image(root / "W2" / "ct.dcm", "L", "CC", PatientID="W2", Modality="CT")
    (root / "W2" / "report.txt").write_text("no image")
    (root / "W2" / "cut.dcm").write_bytes((root / "W2" / "ml.dcm").read_bytes()[:400])
    (root / "W2" / "link.dcm").symlink_to(root / "W2" / "ml.dcm")
    return root


def test_manifest(tmp_path: Path) -> None:
    found = mr.datasets.scan_archive(archive(tmp_path / "a"), tmp_path / "m.parquet", workers=1)
    assert (found.n_images, found.n_exams, found.n_women) == (12, 3, 2)
    assert found.n_excluded == 6
    assert found.reasons["not a DICOM file"] == 1
    assert found.reasons["no PatientID"] == 1
    assert found.reasons["a link, not followed"] == 1
    assert found.reasons["ML view, not one of the four"] == 1
    gone = pd.read_parquet(found.excluded)
    assert len(gone) == 6
    assert gone["reason"].notna().all()
    cohort = mr.read_cohort(found.manifest, root=tmp_path / "a")
    assert len(cohort) == 3
    assert not cohort.open_exam(0).missing
    assert cohort.exams["age"].tolist() == [55, 55, 55]
    table = pd.read_parquet(found.manifest)
    assert table["force_n"].tolist() == [110] * 12
    assert not (tmp_path / "m.parquet.parts").exists()


def test_an_interrupted_scan_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, out = archive(tmp_path / "a"), tmp_path / "m.parquet"
    whole = mr.datasets.scan_archive(root, tmp_path / "whole.parquet", workers=1)
    monkeypatch.setattr(scan_module, "FILES_A_PART", 4)
    read = scan_module._read
    seen: list[str] = []

    def interrupted(root: Path, limits: Any, name: str) -> dict[str, Any]:
        seen.append(name)
        if len(seen) == 11:
            raise KeyboardInterrupt
        return read(root, limits, name)

    monkeypatch.setattr(scan_module, "_read", interrupted)
    with pytest.raises(KeyboardInterrupt):
        mr.datasets.scan_archive(root, out, workers=1)
    assert not out.exists()
    # Another archive, or another key, must not go on with these parts.
    with pytest.raises(DatasetError, match="unfinished scan"):
        mr.datasets.scan_archive(tmp_path, out, workers=1)
    with pytest.raises(DatasetError, match="unfinished scan"):
        mr.datasets.scan_archive(root, out, workers=1, hash_key=KEY)
    again: list[str] = []

    def counted(root: Path, limits: Any, name: str) -> dict[str, Any]:
        again.append(name)
        return read(root, limits, name)

    monkeypatch.setattr(scan_module, "_read", counted)
    found = mr.datasets.scan_archive(root, out, workers=1)
    # Two parts of four were written; nothing of them is read again.
    assert len(again) == 18 - 8
    assert not set(again) & set(seen[:8])
    order = ["file_path"]
    pd.testing.assert_frame_equal(
        pd.read_parquet(found.manifest).sort_values(order, ignore_index=True),
        pd.read_parquet(whole.manifest).sort_values(order, ignore_index=True),
    )


def test_pseudonyms(tmp_path: Path) -> None:
    root = archive(tmp_path / "a")
    plain = pd.read_parquet(
        mr.datasets.scan_archive(root, tmp_path / "p.parquet", workers=1).manifest
    ).set_index("file_path")
    hashed = pd.read_parquet(
        mr.datasets.scan_archive(root, tmp_path / "h.parquet", workers=1, hash_key=KEY).manifest
    ).set_index("file_path")
    assert not set(hashed["patient_id"]) & set(plain["patient_id"])
    assert not set(hashed["exam_id"]) & set(plain["exam_id"])
    assert hashed["patient_id"].nunique() == 2
    # One shift a woman: intervals between her exams stay.
    shift = pd.to_datetime(hashed["exam_date"]) - pd.to_datetime(plain["exam_date"])
    by_woman = shift.groupby(plain["patient_id"]).unique()
    assert (by_woman.map(len) == 1).all()
    assert abs(by_woman.map(lambda one: one[0].days)).max() <= 182
    assert shift.nunique() == 2
    with pytest.raises(DatasetError, match="fewer than 16"):
        mr.datasets.scan_archive(root, tmp_path / "x.parquet", hash_key="short")


def test_in_processes(tmp_path: Path) -> None:
    found = mr.datasets.scan_archive(archive(tmp_path / "a"), tmp_path / "m.parquet", workers=2)
    assert found.n_images == 12


REGISTRY = pd.DataFrame(
    {
        "patient_id": ["W1", "W1", "W3", "W9"],
        "diagnosis_date": ["2016-01-01", "2018-06-01", None, "2019-01-01"],
        "laterality": ["L", "R", None, None],
        "death_date": [None, None, "2018-01-01", None],
    }
)


def exams(*rows: tuple[str, str, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["patient_id", "exam_id", "exam_date"])


def test_outcomes_by_woman_and_side() -> None:
    manifest = exams(
        ("W1", "1", "2015-01-01"),
        ("W1", "2", "2017-01-01"),
        ("W2", "3", "2016-06-01"),
        ("W3", "4", "2016-06-01"),
    )
    linked = mr.datasets.link_outcomes(manifest, REGISTRY, follow_up_end="2020-06-01")
    table = linked.table.set_index("exam_id")
    assert table["event"].to_dict() == {"1": 1, "3": 0, "4": 2}
    assert table.loc["1", "time"] == pytest.approx(365 / DAYS)
    assert table.loc["1", "detection"] == "interval"
    assert table.loc["1", "cancer_side"] == "L"
    # The other breast was ill later.
    assert table.loc["1", ["event_L", "event_R"]].tolist() == [1, 1]
    assert table.loc["1", "time_R"] == pytest.approx(1247 / DAYS)
    assert table.loc["3", "time"] == pytest.approx(4, abs=0.01)
    assert table.loc["4", "time"] == pytest.approx(579 / DAYS)
    assert linked.excluded[["exam_id", "reason"]].to_numpy().tolist() == [
        ["2", "after a diagnosis of cancer"]
    ]
    assert linked.n_unmatched == 1


def test_a_side_that_is_not_known() -> None:
    registry = REGISTRY.assign(laterality=None)
    table = mr.datasets.link_outcomes(
        exams(("W1", "1", "2015-01-01")), registry, follow_up_end="2020-06-01"
    ).table
    assert table.loc[0, "event"] == 1
    assert np.isnan(table.loc[0, "event_L"])
    assert np.isnan(table.loc[0, "event_R"])


def test_lead_time() -> None:
    manifest = exams(("W1", "1", "2015-11-15"), ("W1", "2", "2015-01-01"))
    found = mr.datasets.link_outcomes(manifest, REGISTRY, follow_up_end="2020-06-01")
    assert found.table["detection"].tolist() == ["at exam", "interval"]
    late = mr.datasets.link_outcomes(
        manifest, REGISTRY, follow_up_end="2020-06-01", lead_time_days=180
    )
    assert late.table["exam_id"].tolist() == ["2"]
    assert late.excluded["reason"].tolist() == ["a diagnosis within 180 days of the exam"]


def test_cancers_after_the_end_of_the_registry_do_not_count() -> None:
    manifest = exams(("W1", "1", "2015-01-01"), ("W1", "2", "2015-12-30"))
    table = mr.datasets.link_outcomes(manifest, REGISTRY, follow_up_end="2015-07-01")
    assert table.table["event"].tolist() == [0]
    assert table.excluded["reason"].tolist() == ["after the end of follow-up"]


def test_the_same_key_links_pseudonyms(tmp_path: Path) -> None:
    root = archive(tmp_path / "a")
    options: dict[str, Any] = {"follow_up_end": "2020-06-01"}
    plain = mr.datasets.link_outcomes(
        mr.datasets.scan_archive(root, tmp_path / "p.parquet", workers=1).manifest,
        REGISTRY,
        **options,
    ).table.set_index("file_path")
    hashed = mr.datasets.link_outcomes(
        mr.datasets.scan_archive(root, tmp_path / "h.parquet", workers=1, hash_key=KEY).manifest,
        REGISTRY,
        hash_key=KEY,
        **options,
    ).table.set_index("file_path")
    ill = plain["event"] == 1
    assert ill.sum() == 4
    pd.testing.assert_series_equal(plain.loc[ill, "time"], hashed.loc[ill, "time"])
    assert (plain["event"] == hashed["event"]).all()


@pytest.mark.parametrize("wrong", ["01/02/2015", "2015", "soon"])
def test_dates_that_can_be_read_in_two_ways(wrong: str) -> None:
    with pytest.raises(DatasetError, match="no dates"):
        mr.datasets.link_outcomes(exams(("W1", "1", wrong)), REGISTRY, follow_up_end="2020-06-01")


def test_command(tmp_path: Path) -> None:
    root, out = archive(tmp_path / "a"), tmp_path / "m.parquet"
    REGISTRY.to_csv(tmp_path / "registry.csv", index=False)
    run = CliRunner().invoke
    common = ["scan", str(root), "--out", str(out), "--workers", "1"]
    registry = ["--registry", str(tmp_path / "registry.csv")]
    missing = run(app, [*common, *registry])
    assert missing.exit_code == 2
    assert "--follow-up-end" in missing.output
    done = run(app, [*common, *registry, "--follow-up-end", "2020-06-01"])
    assert done.exit_code == 0, done.output
    assert "12 images of 3 exams of 2 women" in done.output
    assert "after a diagnosis of cancer" in done.output
    cohort = mr.read_cohort(out, root=root)
    assert cohort.exams["event"].tolist() == [1, 0]
    assert run(app, ["scan", str(tmp_path / "none"), "--out", str(out)]).exit_code == 2
