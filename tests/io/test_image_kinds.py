"""What an image is, told by codes and by the words of makers; and the layouts of public data."""

from __future__ import annotations

from pathlib import Path

import cv2
import imagecodecs
import numpy as np
import pytest
from pydicom.dataset import Dataset

from mammorisk import read_exam
from mammorisk.errors import NoImages, UnknownView, UnsupportedSyntax, ViewMissing
from mammorisk.io.pixels import check_syntax
from mammorisk.io.words import is_mask_name, is_recombined_name, is_synthetic_name, modifiers_in
from mammorisk.records.exam import ImageKind
from tests import factories as f

FOUR = ("R-CC", "L-CC", "R-MLO", "L-MLO")


@pytest.mark.parametrize(
    "words",
    [
        *("L CC C-View", "CView", "S-View", "Intelligent 2D", "GENERATED_2D", "L CC Insight 2D"),
        *("TOMO_2D", "V-Preview", "Synthetic 2D", "G-View 2D", "R MLO SYNTH"),
    ],
)
def test_names_of_synthetic_images(words: str) -> None:
    assert is_synthetic_name(words)


@pytest.mark.parametrize(
    "words", ["L CC", "PREMIUM_VIEW", "2D", "MAMMO SCREENING 2D", "SIMULATED", "R MLO Standard"]
)
def test_names_of_other_images(words: str) -> None:
    assert not is_synthetic_name(words)
    assert not is_recombined_name(words)
    assert not is_mask_name(words)
    assert modifiers_in(words) == []


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"PaddleDescription": "SPOT 9CM"}, "spot compression"),
        ({"PaddleDescription": "10CM MAG"}, "magnification"),
        ({"SeriesDescription": "L CC SPOT"}, "spot compression"),
        ({"ViewCodeSequence": None, "ViewPosition": "LMCC"}, "magnification"),
        ({"SeriesDescription": "L CC CEM SUBTRACTED"}, "recombined"),
        ({"ImageType": ["DERIVED", "PRIMARY", "", "RECOMBINED"]}, "recombined"),
        ({"ContrastBolusAgent": "IOHEXOL", "KVP": "47"}, "high-energy"),
        ({"SeriesDescription": "ACR PHANTOM"}, "phantom"),
        ({"PatientName": "PHANTOM^ACR"}, "phantom"),
        ({"ViewPosition": "FLATFIELD"}, "quality-control"),
        ({"SeriesDescription": "ROI mask images"}, "mask"),
    ],
)
def test_set_aside_by_words(tmp_path: Path, options: dict, reason: str) -> None:
    f.write_exam(tmp_path)
    f.write_view(tmp_path / "x.dcm", AcquisitionTime="235900", **options)
    exam = read_exam(tmp_path)
    assert exam["L-CC"].source == "LCC.dcm"
    (aside,) = exam.set_aside
    assert reason in aside.reason
    # The same choice from a mapping.
    files = {f"{path.stem[0]}-{path.stem[1:]}": path for path in tmp_path.glob("[LR]*.dcm")}
    mapping = {**files, "L-CC": [tmp_path / "x.dcm", files["L-CC"]]}
    assert read_exam(mapping)["L-CC"].source == "LCC.dcm"


def test_synthetic_images_of_makers_without_a_name_for_them(tmp_path: Path) -> None:
    link = Dataset()
    link.ReferencedSOPClassUID = f.TOMOSYNTHESIS
    for i, options in enumerate(
        (
            {"ManufacturerModelName": "FDR-3000AWS", "ImageType": ["DERIVED", "PRIMARY"]},
            {"SourceImageSequence": [link]},
        )
    ):
        path = f.write_view(tmp_path / f"{i}.dcm", **options)
        (view,) = read_exam(path, allow_missing_views=True)
        assert view.kind is ImageKind.SYNTHETIC


def test_contrast_agent_is_told(tmp_path: Path) -> None:
    f.write_exam(tmp_path, ContrastBolusAgent="IOHEXOL", SeriesDescription="CEM LOW ENERGY")
    exam = read_exam(tmp_path)
    assert [(one.code, one.view) for one in exam.all_warnings()] == [
        ("contrast-agent", "all views")
    ]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"Modality": "DX"}, "not-mammography"),
        ({"BodyPartExamined": "CHEST"}, "not-breast"),
        ({"LossyImageCompression": "01"}, "lossy-compression"),
        ({"PatientAge": "abc"}, "age-unreadable"),
        ({"PatientAge": "200Y"}, "age-unreadable"),
        ({"PatientAge": "054M"}, "age-unreadable"),
    ],
)
def test_doubts_of_the_header(tmp_path: Path, options: dict, code: str) -> None:
    f.write_exam(tmp_path, **options)
    assert [(one.code, one.view) for one in read_exam(tmp_path).all_warnings()] == [
        (code, "all views")
    ]


@pytest.mark.parametrize(("written", "years"), [("57Y", 57), ("57", 57), ("057y", 57), ("", None)])
def test_ages_in_other_forms(tmp_path: Path, written: str, years: float | None) -> None:
    assert read_exam(f.write_exam(tmp_path, PatientAge=written)).age_years == years


@pytest.mark.parametrize(
    ("options", "pixel_mm", "is_told"),
    [
        ({"PixelSpacing": ["0.7", "0.7"]}, 0.7, False),
        ({"PixelSpacing": ["1.4", "1.4"]}, 1.4, True),
        ({"PixelSpacing": ["1.4", "1.4"], "PixelSpacingCalibrationType": "GEOMETRY"}, 1.4, False),
        ({"EstimatedRadiographicMagnificationFactor": "1.07"}, 0.7 / 1.07, False),
        ({"PixelSpacing": ["53.9", "53.9"]}, 0.7, True),
        ({"ImagerPixelSpacing": None, "NominalScannedPixelSpacing": ["0.05", "0.05"]}, 0.05, False),
    ],
)
def test_pixel_spacing(tmp_path: Path, options: dict, pixel_mm: float, is_told: bool) -> None:
    (view,) = read_exam(f.write_view(tmp_path / "a.dcm", **options), allow_missing_views=True)
    assert view.pixel_mm == pytest.approx(pixel_mm)
    assert ("spacing-doubtful" in {one.code for one in view.warnings}) == is_told


def test_cbis_ddsm(tmp_path: Path) -> None:
    folders = ("RIGHT_CC", "LEFT_CC", "RIGHT_MLO", "LEFT_MLO")
    for i, name in enumerate(folders):
        side, view = name.split("_")
        f.write_view(
            tmp_path / name / "1-1.dcm",
            side[0],
            view,
            SOPClassUID="1.2.840.10008.5.1.4.1.1.7",
            PatientID=f"Mass-Training_P_00001_{name}",
            PatientName=f"Mass-Training_P_00001_{name}",
            StudyInstanceUID=f"1.2.{i}",
            StudyDate=f"2016072{i}",
            AcquisitionDate=None,
            ImageLaterality=None,
            Laterality=side[0],
            ViewPosition=None,
            ViewCodeSequence=None,
            PatientOrientation=view,
        )
    exam = read_exam(tmp_path)
    assert len(exam) == 4
    assert {one.code for one in exam.warnings} == {"exam-doubtful"}
    mapping = {
        name: tmp_path / folder / "1-1.dcm" for name, folder in zip(FOUR, folders, strict=True)
    }
    assert len(read_exam(mapping)) == 4


def test_bare_headers(tmp_path: Path) -> None:
    keep = {"SamplesPerPixel", "PhotometricInterpretation", "Rows", "Columns", "BitsAllocated"}
    keep |= {"BitsStored", "HighBit", "PixelRepresentation", "PixelData"}
    files = {}
    for name in FOUR:
        dataset = f.mammogram(*name.split("-"))
        for element in list(dataset):
            if element.keyword not in keep:
                del dataset[element.tag]
        dataset.save_as(tmp_path / f"{name}.dicom", enforce_file_format=False)
        files[name] = tmp_path / f"{name}.dicom"
    exam = read_exam(files)
    assert len(exam) == 4
    assert "view-as-given" in {one.code for one in exam.all_warnings()}
    with pytest.raises(UnknownView, match="side and view cannot be determined"):
        read_exam(list(files.values()))


def test_inbreast_names(tmp_path: Path) -> None:
    png = imagecodecs.png_encode(f.breast_pixels(bits=16))
    for part in ("R_CC", "L_CC", "R_ML", "L_ML"):
        (tmp_path / f"20586908_6c613a14b80a8591_MG_{part}_ANON.png").write_bytes(png)
    exam = read_exam(tmp_path)
    assert exam.missing == ()
    assert "view-inferred" in {one.code for one in exam["L-MLO"].warnings}
    (tmp_path / "20586908_6c613a14b80a8591_MG_L_ML_ANON.png").rename(tmp_path / "L-ML.png")
    with pytest.raises(ViewMissing, match="contains ML, which is not one of the four views"):
        read_exam(tmp_path)


@pytest.mark.parametrize("suffix", ["bmp", "pgm", "jpg", "png"])
def test_pictures_of_other_formats(tmp_path: Path, suffix: str) -> None:
    pixels = f.breast_pixels(bits=8)
    for name in FOUR:
        assert cv2.imwrite(str(tmp_path / f"{name}.{suffix}"), pixels)
    exam = read_exam(tmp_path)
    loaded = exam["L-CC"].load().pixels
    assert np.abs(loaded.astype(int) - pixels).max() <= (40 if suffix == "jpg" else 0)
    told = {one.code for one in exam.all_warnings()}
    assert "eight-bit" in told
    assert ("lossy-compression" in told) == (suffix == "jpg")


def test_a_pgm_of_sixteen_bits(tmp_path: Path) -> None:
    pixels = f.breast_pixels(bits=16)
    head = b"P5\n# made up\n%d %d\n65535\n" % pixels.shape[::-1]
    (tmp_path / "L-CC.pgm").write_bytes(head + pixels.astype(">u2").tobytes())
    (view,) = read_exam(tmp_path, allow_missing_views=True)
    np.testing.assert_array_equal(view.load().pixels, pixels)
    assert "eight-bit" not in {one.code for one in view.warnings}


def test_messages_name_the_format(tmp_path: Path) -> None:
    (tmp_path / "L-CC.jxl").write_bytes(b"\xff\x0a" + b"\0" * 200)
    with pytest.raises(NoImages, match="JPEG XL"):
        read_exam(tmp_path)
    with pytest.raises(UnsupportedSyntax, match="JPEG XL"):
        check_syntax("1.2.840.10008.1.2.4.110")


def test_masks_beside_pictures_and_a_report(tmp_path: Path) -> None:
    png = imagecodecs.png_encode(f.breast_pixels(bits=16))
    for name in FOUR:
        (tmp_path / f"DOE^JANE {name}.png").write_bytes(png)
        (tmp_path / f"DOE^JANE {name} mask.png").write_bytes(png)
    (tmp_path / "report.png").write_bytes(png)
    exam = read_exam(tmp_path)
    assert not any("mask" in view.source for view in exam)
    assert "DOE" not in " ".join(map(str, exam.all_warnings()))
    (tmp_path / "DOE^JANE L-MLO.png").unlink()
    with pytest.raises(ViewMissing, match="no L-MLO view") as caught:
        read_exam(tmp_path)
    assert "does not contain side and view" in str(caught.value)
    assert "DOE" not in str(caught.value)
    assert "report" not in str(caught.value)
