"""Acquisition parameters: units, plausibility, and values in odd places and forms."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from mammorisk import Acquisition, read_exam
from mammorisk.io.acquisition import doubt_force_units
from tests import factories as f


def acquisition(path: Path) -> Acquisition:
    return next(iter(read_exam(path, allow_missing_views=True))).acquisition


def test_units(tmp_path: Path) -> None:
    a = acquisition(
        f.write_view(
            tmp_path / "a.dcm",
            OrganDose="0.0152",
            Exposure="71",
            ExposureInuAs="71400",
            FilterMaterial=["RHODIUM", "ALUMINIUM"],
            PositionerPrimaryAngle="-45",
            Grid="NONE",
        )
    )
    assert a.glandular_dose_mgy == pytest.approx(1.52)
    assert a.mas == pytest.approx(71.4)
    assert (a.force_n, a.thickness_mm, a.kvp) == (110, 58, 29)
    assert (a.anode, a.filter, a.grid, a.angle_deg) == ("tungsten", "rhodium/aluminum", False, 45)
    assert a.manufacturer == "hologic"
    assert a.summary() == "58 mm, 110 N, 29 kV, 71 mAs, Tungsten/Rhodium/aluminum"


def test_zero_is_missing_and_implausible_is_not_used(tmp_path: Path) -> None:
    a = acquisition(
        f.write_view(tmp_path / "a.dcm", CompressionForce="0", BodyPartThickness="4", KVP="280")
    )
    assert (a.force_n, a.thickness_mm, a.kvp) == (None, None, None)
    assert a.raw == {"BodyPartThickness": 4, "KVP": 280}
    assert {told.code for told in a.warnings} == {"acquisition-value"}
    assert {told.text for told in a.warnings} == {
        "CompressionForce: zero means missing",
        "BodyPartThickness: 4 is implausible, not used",
        "KVP: 280 is implausible, not used",
    }


@pytest.mark.parametrize(
    ("written", "value"),
    [(b"1.1e2 ", 110), (b" 110", 110), (b"110,0 ", 110), (b"", None), (b"abc ", None)],
)
def test_decimal_strings_in_the_wild(tmp_path: Path, written: bytes, value: float | None) -> None:
    dataset = f.mammogram()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset[Tag("CompressionForce")]._value = written.decode()
        f.save(dataset, tmp_path / "a.dcm")
    assert acquisition(tmp_path / "a.dcm").force_n == value


def test_tomosynthesis_keeps_its_values_in_a_sequence(tmp_path: Path) -> None:
    from mammorisk.io.acquisition import read_acquisition

    projection, item, dataset = Dataset(), Dataset(), Dataset()
    projection.KVP = "31"
    item.PerProjectionAcquisitionSequence = [projection]
    item.CompressionForce, item.BodyPartThickness = "9.963969e+01", "39"
    dataset.XRay3DAcquisitionSequence = [item]
    a = read_acquisition(dataset)
    assert (a.force_n, a.thickness_mm, a.kvp) == (pytest.approx(99.64, abs=0.01), 39, 31)
    assert any("XRay3DAcquisitionSequence" in told.text for told in a.warnings)


@pytest.mark.parametrize(
    ("name", "model", "maker"),
    [
        ("LORAD", "", "hologic"),
        ("GE MEDICAL SYSTEMS", "", "ge"),
        ("", "Mammomat Inspiration", "siemens"),
        ("Acme", "X", "acme"),
    ],
)
def test_manufacturers(tmp_path: Path, name: str, model: str, maker: str) -> None:
    path = f.write_view(tmp_path / "a.dcm", Manufacturer=name, ManufacturerModelName=model)
    assert acquisition(path).manufacturer == maker


def test_force_units_are_told_by_the_group_and_never_rescaled() -> None:
    def group(model: str, forces: list[float]) -> list[Acquisition]:
        return [
            Acquisition(model=model, force_n=v)
            if 10 <= v <= 250
            else Acquisition(model=model, raw={"CompressionForce": v})
            for v in forces
        ]

    images = [*group("a", [9, 12, 14]), *group("b", [100, 110, 12]), *group("c", [1000, 1200])]
    doubts = doubt_force_units([*images, Acquisition(model="d")])
    assert len(doubts) == 9
    for told in (*doubts[:3], *doubts[6:8]):
        assert told is not None
        assert (told.code, told.severity) == ("force-unit", "caution")
    texts = [str(told) for told in doubts if told is not None]
    assert ["daN" in text for text in texts] == [True] * 3 + [False] * 2
    assert ["dN" in text for text in texts] == [False] * 3 + [True] * 2
    assert doubts[3:6] == [None] * 3
    assert doubts[8] is None
    assert images[1].force_n == 12


def test_pixel_spacing(tmp_path: Path) -> None:
    def spacing(**attributes: object) -> float | None:
        path = f.write_view(tmp_path / "a.dcm", **attributes)
        return read_exam(path, allow_missing_views=True)["L-CC"].pixel_mm

    assert spacing() == 0.7
    assert spacing(
        ImagerPixelSpacing=["0.1", "0.1"], EstimatedRadiographicMagnificationFactor="1.07"
    ) == pytest.approx(0.1 / 1.07)
    assert spacing(ImagerPixelSpacing=None, PixelSpacing=["0.085", "0.085"]) == 0.085
    assert spacing(PixelSpacing=["53.96", "53.96"]) == 0.7
    assert spacing(PixelSpacing=["0.6", "0.6"], PixelSpacingCalibrationType="FIDUCIAL") == 0.6
    assert spacing(ImagerPixelSpacing=None) is None
    assert spacing(ImagerPixelSpacing=["0.1", "0.2"]) is None


@pytest.mark.parametrize(
    ("attributes", "codes"),
    [
        ({}, []),
        ({"PixelSpacing": ["0.7", "0.7"]}, []),
        ({"PixelSpacing": ["0.6", "0.6"], "PixelSpacingCalibrationType": "GEOMETRY"}, []),
        (
            {
                "PixelSpacing": ["0.654", "0.654"],
                "EstimatedRadiographicMagnificationFactor": "1.07",
            },
            [],
        ),
        ({"PixelSpacing": ["0.6", "0.6"]}, ["spacing-doubtful"]),
        ({"PixelSpacing": ["53.96", "53.96"]}, ["spacing-doubtful"]),
        ({"PixelSpacing": "53.96\\54", "ImagerPixelSpacing": None}, ["spacing-unknown"]),
        ({"ImagerPixelSpacing": None}, ["spacing-unknown"]),
    ],
)
def test_doubtful_pixel_spacing_is_warned_of(
    tmp_path: Path, attributes: dict[str, Any], codes: list[str]
) -> None:
    path = f.write_view(tmp_path / "a.dcm", **attributes)
    view = read_exam(path, allow_missing_views=True)["L-CC"]
    assert [told.code for told in view.warnings] == codes
