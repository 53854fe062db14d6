"""Faulty exams from public reports, beside a developer's checkout: a right number or a reason."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import mammorisk as mr
from mammorisk.errors import ExamError, MammoriskError
from mammorisk.prediction.prediction import Prediction

CASES = Path(__file__).parents[2] / "shared" / "cases" / "imaging"
pytestmark = [
    pytest.mark.local,
    pytest.mark.skipif(not CASES.is_dir(), reason="the reference material is absent"),
]

#: Percent density may differ by as much from that of the sound exam.
POINTS = 3.0


def predict(case: str, folder: str = "exam") -> Prediction:
    woman = mr.Questionnaire(**json.loads((CASES / "base" / "woman.json").read_text()))
    return mr.predict(mr.read_exam(CASES / case / folder), woman, model="bcsc-2008")


def codes(found: Prediction) -> set[str]:
    return {one.code for one in found.warnings}


def rows(case: str) -> list[dict[str, object]]:
    cohort = mr.read_cohort(CASES / case / "cohort.csv", errors="flag")
    table = mr.predict(cohort, model="bcsc-2008")
    return table[["risk_5y", "warnings", "warning_codes"]].to_dict("records")


@pytest.fixture(scope="module")
def base() -> Prediction:
    return predict("base")


def same_density(found: Prediction, base: Prediction) -> bool:
    percent, sound = (one.density.get("percent_density") for one in (found, base))
    return percent is None or abs(percent - sound) <= POINTS


#: Case -> codes of which one must be told; None where the exam is read without a flag.
READ: dict[str, set[str] | None] = {
    "8-bit-window-on-12-bit-pixels": {"window-misfit"},
    "age-without-zeros": None,
    "cbis-ddsm": {"exam-doubtful"},
    "contrast-enhanced-recombined": {"contrast-agent"},
    "high-bit-15": {"pixels-contradict-header"},
    "inbreast-ml-names": {"view-inferred"},
    "inverted-png": {"inverted"},
    "jpeg-files": {"lossy-compression"},
    "manifest-magnification-first": None,
    "masks-beside-images": {"image-set-aside"},
    "mirrored-in-a-cohort": {"wrong-side"},
    "padded-to-square": None,
    "padding-unsigned-in-signed-image": {"pixels-contradict-header"},
    "pixel-spacing-differs-from-imager": {"spacing-doubtful"},
    "rotated-180-as-its-header-says": {"turned"},
    "side-contradicts-patient-orientation": {"orientation-header"},
    "spot-told-by-paddle": {"image-set-aside"},
    "synthetic-of-other-makers": {"several-images"},
    "two-dates-one-exam": {"several-exams"},
    "values-beyond-bits-stored": {"pixels-contradict-header"},
}
#: Cases whose pixels are those of the sound exam.
SAME_PIXELS = [
    "age-without-zeros",
    "contrast-enhanced-recombined",
    "inverted-png",
    "manifest-magnification-first",
    "mirrored-in-a-cohort",
    "pixel-spacing-differs-from-imager",
    "rotated-180-as-its-header-says",
    "side-contradicts-patient-orientation",
    "spot-told-by-paddle",
    "synthetic-of-other-makers",
    "values-beyond-bits-stored",
]


@pytest.mark.parametrize("case", READ)
def test_read_and_flagged(case: str) -> None:
    found = predict(case)
    wanted = READ[case]
    if wanted is not None:
        assert codes(found) & wanted
    assert not any(".dcm" in str(one) or ".png" in str(one) for one in found.warnings)


@pytest.mark.parametrize("case", SAME_PIXELS)
def test_density_as_in_the_sound_exam_or_none(case: str, base: Prediction) -> None:
    assert same_density(predict(case), base)


def test_age_without_zeros() -> None:
    assert mr.read_exam(CASES / "age-without-zeros" / "exam").age_years == 57


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("few-tags", "Pass a mapping"),
        ("picture-hides-missing-view", "no L-MLO view"),
        ("two-dates-in-png-names", "different date"),
    ],
)
def test_refused_with_the_true_reason(case: str, words: str) -> None:
    with pytest.raises(ExamError, match=words) as caught:
        mr.read_exam(CASES / case / "exam")
    assert ".png" not in str(caught.value).replace("L-CC.png", "")


@pytest.mark.parametrize(
    "case",
    ["cbis-ddsm", "few-tags", "manifest-magnification-first", "mirrored-in-a-cohort"],
)
def test_rows_of_a_manifest_have_a_risk(case: str) -> None:
    (row,) = rows(case)
    assert 0 < float(str(row["risk_5y"])) < 0.2
    assert case != "mirrored-in-a-cohort" or "wrong-side" in str(row["warning_codes"])


@pytest.mark.parametrize("case", ["age-word-beside-empty-age", "inverted-16-bit-crash"])
def test_the_other_row_keeps_its_risk(case: str) -> None:
    first, second = rows(case)
    assert first["risk_5y"] != first["risk_5y"]
    assert first["warnings"]
    assert 0 < float(str(second["risk_5y"])) < 0.2


def test_a_mapping_is_a_way_in() -> None:
    folder = CASES / "cbis-ddsm" / "exam"
    files = {
        f"{side[0]}-{view}": folder / f"Mass-Training_P_00001_{side}_{view}" / "1-1.dcm"
        for side in ("LEFT", "RIGHT")
        for view in ("CC", "MLO")
    }
    assert len(mr.read_exam(files)) == 4


def _every_case() -> list[str]:
    return sorted(path.name for path in CASES.iterdir()) if CASES.is_dir() else []


@pytest.mark.parametrize("case", _every_case())
def test_no_case_ends_in_a_foreign_error(case: str) -> None:
    def tried(call: Callable[[], object]) -> None:
        try:
            call()
        except MammoriskError:
            return

    for folder in ("exam", "e1", "e2", "sound"):
        if (CASES / case / folder).is_dir():
            tried(lambda folder=folder: predict(case, folder))  # type: ignore[misc]
    if (CASES / case / "cohort.csv").exists():
        tried(lambda: rows(case))
