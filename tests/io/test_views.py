"""Which image stands for which view, and what is set aside."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import snomed_mapping

from mammorisk import read_exam
from mammorisk.errors import (
    IntentMismatch,
    MixedPatients,
    NoImages,
    UnknownView,
    UnreadableFile,
    ViewMissing,
)
from mammorisk.io.views import MODIFIER_CODES, VIEW_CODES, ViewWords, parse_view_words
from mammorisk.records.exam import Exam, ImageKind, Laterality
from tests import factories as f


def one(path: Path) -> Exam:
    return read_exam(path, allow_missing_views=True)


@pytest.mark.parametrize(
    ("group", "table"), [(codes.cid4014, VIEW_CODES), (codes.cid4015, MODIFIER_CODES)]
)
def test_codes_are_those_of_the_standard(group: object, table: dict[str, str]) -> None:
    """Every code of the context group, in SNOMED CT and SNOMED-RT, with one name for both."""
    values = [getattr(group, name).value for name in group.dir()]  # type: ignore[attr-defined]
    older = [snomed_mapping["SCT"][value] for value in values]
    assert set(table) == {*values, *older}
    assert [table[value] for value in values] == [table[value] for value in older]


def test_the_names_of_codes() -> None:
    views = {name: VIEW_CODES[getattr(codes.cid4014, name).value] for name in codes.cid4014.dir()}
    assert views == {
        "CaudoCranial": "FB",
        "CranioCaudal": "CC",
        "CranioCaudalExaggeratedLaterally": "XCCL",
        "CranioCaudalExaggeratedMedially": "XCCM",
        "InferomedialToSuperolateralOblique": "ISO",
        "LateroMedial": "LM",
        "LateroMedialOblique": "LMO",
        "MedioLateralObliqueProjection": "MLO",
        "MedioLateralProjection": "ML",
        "SuperolateralToInferomedialOblique": "SIO",
        "TissueSpecimenFromBreast": "specimen",
    }
    for name in codes.cid4015.dir():
        words = MODIFIER_CODES[getattr(codes.cid4015, name).value].title().replace("-", "")
        assert words.replace(" ", "").lower() == name.lower()


@pytest.mark.parametrize(
    ("name", "side", "position"),
    [
        ("L-CC", "L", "CC"),
        ("LCC", "L", "CC"),
        ("left_mlo", "L", "MLO"),
        ("rmlo", "R", "MLO"),
        ("ddsm_tiryaki_A_0040_RIGHT_MLO", "R", "MLO"),
        ("Mass-Test_P_00016_LEFT_CC", "L", "CC"),
        ("12345.R.CC.16bit", "R", "CC"),
        ("exam", None, None),
        ("L_R_CC", None, "CC"),
        ("CC", None, "CC"),
    ],
)
def test_names(name: str, side: str | None, position: str | None) -> None:
    assert parse_view_words(name) == ViewWords(Laterality(side) if side else None, position)


def test_four_views(tmp_path: Path) -> None:
    exam = read_exam(f.write_exam(tmp_path))
    assert [view.name for view in exam] == ["R-CC", "L-CC", "R-MLO", "L-MLO"]
    assert exam.warnings == ()
    assert exam["R-CC"].chest_wall == "right"
    assert exam["L-CC"].chest_wall == "left"


def test_reading_an_exam_reads_no_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    f.write_exam(tmp_path)

    def never(*args: object, **kwargs: object) -> None:
        raise AssertionError("pixels were read")

    monkeypatch.setattr("mammorisk.io.dicom.load_pixels", never)
    exam = read_exam(tmp_path)
    with pytest.raises(AssertionError):
        exam["L-CC"].load()


@pytest.mark.parametrize(
    ("scheme", "value", "view"),
    [("SCT", "399162004", "CC"), ("SNM3", "R-10242", "CC"), ("SRT", "R-10226", "MLO")],
)
def test_the_code_is_trusted_before_the_word(
    tmp_path: Path, scheme: str, value: str, view: str
) -> None:
    other = "MLO" if view == "CC" else "CC"
    path = f.write_view(
        tmp_path / "a.dcm", ViewCodeSequence=[f.code(value, scheme=scheme)], ViewPosition=other
    )
    (found,) = one(path)
    assert found.position == view
    (told,) = found.warnings
    assert told.code == "view-contradiction"
    assert "disagree" in told.text


def test_laterality_in_order_of_trust(tmp_path: Path) -> None:
    group, anatomy = Dataset(), Dataset()
    anatomy.FrameLaterality = "R"
    group.FrameAnatomySequence = [anatomy]
    path = f.write_view(
        tmp_path / "a.dcm",
        ImageLaterality=None,
        Laterality="L",
        SharedFunctionalGroupsSequence=[group],
    )
    assert "R-CC" in one(path).views
    path = f.write_view(tmp_path / "b.dcm", ImageLaterality=None, Laterality="L")
    assert "L-CC" in one(path).views
    path = f.write_view(
        tmp_path / "c.dcm",
        ImageLaterality=None,
        ViewCodeSequence=None,
        ViewPosition=None,
        SeriesDescription="R MLO screening",
        PatientOrientation=["P", "FL"],
    )
    (view,) = one(path)
    assert view.name == "R-MLO"
    assert [(told.code, told.text) for told in view.warnings] == [
        ("view-inferred", "view inferred from SeriesDescription"),
        ("view-inferred", "laterality inferred from SeriesDescription"),
    ]


def test_an_unknown_view_names_attribute_and_remedy(tmp_path: Path) -> None:
    path = f.write_view(tmp_path / "a.dcm", ImageLaterality="")
    with pytest.raises(UnknownView, match=r"ImageLaterality \(0020,0062\).*read_exam\(\{"):
        one(path)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"modifiers": ("399055006",)}, "spot compression"),
        ({"modifiers": ("R-102D6",)}, "magnification"),
        ({"EstimatedRadiographicMagnificationFactor": "1.8"}, "magnification"),
        ({"QualityControlImage": "YES"}, "quality-control"),
        ({"ImageType": ["DERIVED", "PRIMARY", "STEREO", "LEFT"]}, "stereo"),
        ({"SOPClassUID": f.TOMOSYNTHESIS, "NumberOfFrames": 40}, "tomosynthesis"),
        ({"Modality": "CT"}, "Modality"),
        ({"view": "ML"}, "ML view"),
        ({"ImageLaterality": "B"}, "both sides"),
    ],
)
def test_set_aside_with_the_reason(tmp_path: Path, options: dict, reason: str) -> None:
    f.write_exam(tmp_path)
    f.write_view(tmp_path / "x.dcm", **{"laterality": "L", **options})
    exam = read_exam(tmp_path)
    (aside,) = exam.set_aside
    assert aside.source == "x.dcm"
    assert reason in aside.reason


@pytest.mark.parametrize(
    ("better", "worse", "why"),
    [
        ({}, {"modifiers": ("399209000",)}, "without a view modifier"),
        (
            {},
            {"PresentationIntentType": "FOR PROCESSING", "SOPClassUID": f.PROCESSING},
            "for presentation",
        ),
        ({}, {"ImageType": ["DERIVED", "PRIMARY", "", "GENERATED_2D"]}, "full-field"),
        ({}, {"SeriesDescription": "L CC C-View"}, "full-field"),
        ({}, {"PartialView": "YES"}, "complete"),
        ({"AcquisitionTime": "120500"}, {"AcquisitionTime": "120100"}, "latest"),
    ],
)
def test_of_several_the_standard_one_wins(
    tmp_path: Path, better: dict, worse: dict, why: str
) -> None:
    f.write_exam(tmp_path)
    (tmp_path / "LCC.dcm").unlink()
    f.write_view(tmp_path / "z-better.dcm", **better)
    f.write_view(tmp_path / "a-worse.dcm", **worse)
    exam = read_exam(tmp_path)
    assert exam["L-CC"].source == "z-better.dcm"
    (told,) = exam.warnings
    assert (told.code, told.view) == ("several-images", "L-CC")
    assert told.text.startswith("2 images")
    assert why in told.text
    assert exam.set_aside[0].source == "a-worse.dcm"


def test_the_raw_copy_of_an_exposure_is_dropped(tmp_path: Path) -> None:
    f.write_exam(tmp_path)
    raw = f.mammogram(PresentationIntentType="FOR PROCESSING", SOPClassUID=f.PROCESSING)
    f.save(raw, tmp_path / "raw.dcm")
    link = Dataset()
    link.ReferencedSOPInstanceUID = raw.SOPInstanceUID
    f.write_view(tmp_path / "LCC.dcm", SourceImageSequence=[link])
    exam = read_exam(tmp_path)
    assert exam["L-CC"].source == "LCC.dcm"
    assert exam.warnings == ()
    assert "for-processing copy" in exam.set_aside[0].reason


def test_for_processing_alone_is_refused_unless_allowed(tmp_path: Path) -> None:
    f.write_exam(tmp_path, PresentationIntentType="FOR PROCESSING", SOPClassUID=f.PROCESSING)
    with pytest.raises(IntentMismatch, match="allow_processing=True"):
        read_exam(tmp_path)
    exam = read_exam(tmp_path, allow_processing=True)
    assert [told.code for told in exam.warnings] == ["for-processing"] * 4
    (told,) = exam.all_warnings()
    assert (told.code, told.view) == ("for-processing", "all views")


def test_kinds_and_marks(tmp_path: Path) -> None:
    (view,) = one(
        f.write_view(
            tmp_path / "a.dcm",
            BreastImplantPresent="YES",
            PartialView="YES",
            BurnedInAnnotation="YES",
            SeriesDescription="S-View",
        )
    )
    assert view.kind is ImageKind.SYNTHETIC
    assert view.implant
    assert view.partial
    assert [told.code for told in view.warnings] == [
        "implant",
        "partial-view",
        "burned-in-text",
        "synthetic",
    ]


def test_a_missing_view_says_what_is_there(tmp_path: Path) -> None:
    f.write_exam(tmp_path)
    (tmp_path / "LMLO.dcm").unlink()
    with pytest.raises(ViewMissing, match=r"no L-MLO view; found R-CC, L-CC, R-MLO.*allow_miss"):
        read_exam(tmp_path)
    exam = one(tmp_path)
    assert exam.missing == ("L-MLO",)
    (told,) = exam.warnings
    assert (told.code, str(told)) == ("views-missing", "missing views: L-MLO")
    with pytest.raises(ViewMissing):
        exam["L-MLO"]


@pytest.mark.parametrize(
    ("attribute", "value"),
    [("PatientID", "SECRET-77"), ("PatientBirthDate", "19500102"), ("PatientSex", "M")],
)
def test_two_patients_in_one_folder(tmp_path: Path, attribute: str, value: str) -> None:
    f.write_exam(tmp_path, PatientBirthDate="19700101", PatientSex="F")
    f.write_view(tmp_path / "other.dcm", **{attribute: value})
    with pytest.raises(MixedPatients, match=attribute) as caught:
        read_exam(tmp_path)
    assert value not in str(caught.value)


def test_one_damaged_file_among_good_ones(tmp_path: Path) -> None:
    f.write_exam(tmp_path)
    (tmp_path / "extra.dcm").write_bytes((tmp_path / "LCC.dcm").read_bytes()[:300])
    exam = read_exam(tmp_path)
    assert exam.set_aside[0].source == "extra.dcm"
    (tmp_path / "LCC.dcm").write_bytes((tmp_path / "LCC.dcm").read_bytes()[:300])
    with pytest.raises(UnreadableFile, match="file 1 of 5") as caught:
        read_exam(tmp_path)
    assert caught.value.source == "LCC.dcm"


def test_lists_and_mappings(tmp_path: Path) -> None:
    f.write_exam(tmp_path)
    files = sorted(tmp_path.iterdir())
    assert len(read_exam(files)) == 4
    named = {name.stem: name for name in files}
    assert len(read_exam(named)) == 4
    with pytest.raises(UnknownView, match="its header says L-CC"):
        read_exam({**named, "RCC": tmp_path / "LCC.dcm"})
    with pytest.raises(UnknownView, match="not the name of a view"):
        read_exam({"front": files[0]})


def test_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(NoImages, match="no image was found"):
        read_exam(tmp_path)
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(NoImages, match="not an image file"):
        read_exam(tmp_path)
    with pytest.raises(NoImages, match="no such file or folder"):
        read_exam(tmp_path / "nowhere")


def test_age_at_the_exam(tmp_path: Path) -> None:
    for age, expected in [("049Y", 49), ("000Y", None), ("001D", None), ("588M", 49), ("x", None)]:
        assert one(f.write_view(tmp_path / "a.dcm", PatientAge=age)).age_years == expected
    born = f.write_view(tmp_path / "b.dcm", PatientBirthDate="19700101")
    assert one(born).age_years == pytest.approx(55, abs=0.01)
