"""mini-MIAS: origin at the bottom left, sides by number, several rows of a film, notes."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

import mammorisk as mr
from mammorisk.errors import DatasetError, EvaluationError
from tests.datasets.miniatures import mini_mias

SHARED = Path(__file__).parents[3] / "shared" / "exams" / "mias"


def test_pairs_are_women(tmp_path: Path) -> None:
    cohort = mr.datasets.mini_mias(mini_mias(tmp_path))
    exams = cohort.exams
    assert exams["patient_id"].tolist() == ["001", "003"]
    assert exams["cancer"].tolist() == [0, 1]
    assert exams["tissue_L"].tolist() == ["fatty-glandular", "fatty"]
    assert "breast_density" not in exams
    exam = cohort.open_exam(0)
    assert [view.name for view in exam] == ["R-MLO", "L-MLO"]
    assert [view.source.rsplit("/")[-1] for view in exam] == ["mdb001.pgm", "mdb002.pgm"]


def test_coordinates_count_from_the_top(tmp_path: Path) -> None:
    found = mr.datasets.mini_mias.annotations(mini_mias(tmp_path, images=False))
    assert found["film"].tolist() == ["mdb001", "mdb005", "mdb005", "mdb006"]
    assert found.loc[0, ["x", "y", "radius"]].tolist() == [535, 1023 - 425, 197]
    assert found["laterality"].tolist() == ["R", "R", "R", "L"]
    # A note in place of coordinates.
    assert np.isnan(found.loc[3, "x"])


def test_lines_that_cannot_be_used(tmp_path: Path) -> None:
    cohort = mr.datasets.mini_mias(mini_mias(tmp_path, images=False))
    assert cohort.exclusions.set_index("reason")["rows"].to_dict() == {
        "tissue class or abnormality is not known": 1,
        "an abnormality without severity": 1,
        "kept": 5,
    }
    assert cohort.excluded["line"].tolist() == [8, 9]
    (tmp_path / "Info.txt").write_text("nothing")
    with pytest.raises(DatasetError, match="lists no film"):
        mr.datasets.mini_mias(tmp_path)


def test_evaluation_is_refused(tmp_path: Path) -> None:
    cohort = mr.datasets.mini_mias(mini_mias(tmp_path, images=False))
    with pytest.raises(EvaluationError, match="detection, not risk"):
        mr.evaluate({"score": [0.1, 0.2]}, cohort, horizons=[5])


@pytest.mark.local
@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the reference material")
def test_real_films(tmp_path: Path) -> None:
    """100 real films, with their table written in the format of the release."""
    lines = []
    with open(SHARED / "labels.csv", encoding="utf-8", newline="") as handle:
        table = list(csv.DictReader(handle))
    for row in table:
        if row["abnormality"] == "NORM":
            lines.append(f"{row['film']} {row['tissue']} NORM")
            continue
        place = f"{row['x']} {row['y']} {row['radius']}" if row["x"] else "*NOTE 3*"
        lines.append(
            f"{row['film']} {row['tissue']} {row['abnormality']} {row['severity']} {place}"
        )
    (tmp_path / "Info.txt").write_text("\n".join(lines))
    for film in SHARED.glob("*.png"):
        (tmp_path / film.name).symlink_to(film)
    assert mr.datasets.mini_mias.check(tmp_path).table.loc[0, "state"] == "incomplete"
    # Links lead out of the root folder, which is refused.
    with pytest.raises(DatasetError):
        mr.datasets.mini_mias(tmp_path, images=True)
    for film in tmp_path.glob("*.png"):
        film.unlink()
        film.write_bytes((SHARED / film.name).read_bytes())
    cohort = mr.datasets.mini_mias(tmp_path)
    assert len(cohort) == 50
    assert len(cohort.views) == 100
    assert cohort.exclusions.set_index("reason")["rows"].to_dict() == {"kept": len(table)}
    malignant = {row["woman"].zfill(3) for row in table if row["severity"] == "M"}
    women = {f"{(int(one) + 1) // 2:03d}" for one in malignant}
    assert set(cohort.exams.loc[cohort.exams["cancer"] == 1, "patient_id"]) == women
    assert len(cohort.open_exam(0)) == 2
    # Abnormalities lie on the breast and not on the black around it, if the origin is right.
    found = mr.datasets.mini_mias.annotations(tmp_path)
    import cv2

    grey = []
    for film, x, y in found.loc[found["x"].notna(), ["film", "x", "y"]].itertuples(index=False):
        pixels = cv2.imread(str(tmp_path / f"{film}.png"), cv2.IMREAD_UNCHANGED)
        grey.append((pixels[int(y), int(x)], pixels[1023 - int(y), int(x)]))
    right, wrong = np.array(grey).T
    assert (right > 40).mean() >= 0.95
    assert (wrong > 40).mean() < (right > 40).mean()
