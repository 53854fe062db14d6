"""What the header says of grey levels reaches the Greyscale record."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset

from mammorisk import read_exam
from mammorisk.records.stored_image import Greyscale, Window
from tests import factories as f


def greyscale(path: Path) -> Greyscale:
    return read_exam(path, allow_missing_views=True)["L-CC"].load().greyscale


def lut(values: list[int], first: int, bits: int) -> Dataset:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [len(values) % 65536, first, bits])
    item.add_new("LUTData", "OW", np.asarray(values, dtype="<u2").tobytes())
    item.LUTExplanation = "NORMAL"
    return item


def test_windows(tmp_path: Path) -> None:
    g = greyscale(
        f.write_view(
            tmp_path / "a.dcm",
            WindowCenter=[2653, 2713],
            WindowWidth=[900, 750],
            WindowCenterWidthExplanation=["NORMAL", "HARDER"],
            VOILUTFunction="SIGMOID",
            PhotometricInterpretation="MONOCHROME1",
            RescaleSlope="2",
            RescaleIntercept="-5",
            PixelPaddingValue=0,
            PixelPaddingRangeLimit=30,
        )
    )
    assert g.windows == (
        Window(center=2653, width=900, function="SIGMOID", explanation="NORMAL"),
        Window(center=2713, width=750, function="SIGMOID", explanation="HARDER"),
    )
    assert g.inverted
    assert (g.slope, g.intercept, g.padding) == (2, -5, (0, 30))


def test_tables(tmp_path: Path) -> None:
    table = list(range(0, 8192, 2))
    g = greyscale(
        f.write_view(
            tmp_path / "a.dcm",
            VOILUTSequence=[lut(table, 10, 13)],
            ModalityLUTSequence=[lut(table, 0, 16)],
        )
    )
    (voi,) = g.voi_luts
    assert (voi.first, voi.bits, voi.explanation) == (10, 13, "NORMAL")
    np.testing.assert_array_equal(voi.values, table)
    assert g.modality_lut is not None


@pytest.mark.parametrize(
    ("attributes", "told"),
    [
        ({"WindowCenter": 100, "WindowWidth": 0}, "WindowWidth is out of range"),
        ({"VOILUTFunction": "CUBIC"}, "VOILUTFunction is unknown"),
        ({"VOILUTSequence": [lut([1, 2, 3], 0, 99)]}, "VOILUTSequence"),
        ({"VOILUTSequence": [Dataset()]}, "VOILUTSequence"),
        ({"PresentationLUTShape": "INVERSE"}, "PresentationLUTShape contradicts"),
    ],
)
def test_what_cannot_be_used_is_warned_of(tmp_path: Path, attributes: dict, told: str) -> None:
    exam = read_exam(f.write_view(tmp_path / "a.dcm", **attributes), allow_missing_views=True)
    (warning,) = exam["L-CC"].warnings
    assert warning.code == "greyscale-header"
    assert told in warning.text
    exam["L-CC"].load()
