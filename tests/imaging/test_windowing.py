"""Window formulas to the letter of DICOM PS3.3 C.11.2, and the order of the transformations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mammorisk.errors import PixelError
from mammorisk.imaging.windowing import apply_window, padding_mask, to_display
from mammorisk.records.stored_image import Greyscale, Lut, RawImage, Window

RAMP = np.arange(4096, dtype=np.uint16).reshape(64, 64)


def display(pixels: np.ndarray = RAMP, *, voi: str = "auto", **fields: object) -> np.ndarray:
    grey = Greyscale(bits_stored=12, **fields)  # type: ignore[arg-type]
    return to_display(RawImage(pixels=pixels, greyscale=grey), voi=voi)


@given(
    center=st.floats(-1000, 5000),
    width=st.floats(1.5, 5000),
    value=st.integers(-2000, 6000),
)
def test_linear(center: float, width: float, value: int) -> None:
    got = apply_window(np.array([value]), Window(center=center, width=width))[0]
    if value <= center - 0.5 - (width - 1) / 2:
        want = 0.0
    elif value > center - 0.5 + (width - 1) / 2:
        want = 1.0
    else:
        want = (value - (center - 0.5)) / (width - 1) + 0.5
    assert got == pytest.approx(want, abs=1e-12)


def test_the_standards_own_example() -> None:
    """C.11.2.1.2.1, note: centre 2048, width 4096 maps 0 ... 4095 to the full range."""
    got = apply_window(np.array([0, 4095]), Window(center=2048, width=4096))
    np.testing.assert_allclose(got, [0, 1], atol=1e-12)
    exact = apply_window(
        np.array([0.0, 2048, 4096]), Window(center=2048, width=4096, function="LINEAR_EXACT")
    )
    np.testing.assert_allclose(exact, [0, 0.5, 1])


def test_a_window_of_one_is_a_step() -> None:
    got = apply_window(np.array([9, 10, 11]), Window(center=10, width=1))
    np.testing.assert_array_equal(got, [0, 1, 1])


def test_sigmoid() -> None:
    window = Window(center=2653, width=900, function="SIGMOID")
    x = np.array([0, 2653, 3553, 100_000])
    np.testing.assert_allclose(
        apply_window(x, window), 1 / (1 + np.exp(-4 * (x - 2653) / 900)), rtol=1e-12
    )
    assert np.isfinite(apply_window(np.array([-1e9, 1e9]), window)).all()


def test_windows_and_tables_that_mean_the_same_agree_within_a_grey_level() -> None:
    """A header may hold three SIGMOID windows and the tables they were rounded to."""
    windows, tables = [], []
    for name, center, width in (
        ("NORMAL", 2653, 900),
        ("HARDER", 2713, 750),
        ("SOFTER", 2569, 1050),
    ):
        window = Window(center=center, width=width, function="SIGMOID", explanation=name)
        values = np.round(4095 * apply_window(np.arange(4096), window)).astype(int)
        windows.append(window)
        tables.append(Lut(values=values, first=0, bits=12, explanation=name))
    for i in range(3):
        by_table = display(voi=f"lut:{i}", windows=tuple(windows), voi_luts=tuple(tables))
        by_window = display(voi=f"window:{i}", windows=tuple(windows), voi_luts=tuple(tables))
        assert np.abs(by_table - by_window).max() * 4095 <= 1.0
    assert np.array_equal(
        display(windows=tuple(windows), voi_luts=tuple(tables)),
        display(voi="lut:0", windows=tuple(windows), voi_luts=tuple(tables)),
    )


def test_tables_clamp_at_both_ends() -> None:
    lut = Lut(values=np.array([10, 20, 30]), first=100, bits=8)
    got = display(voi_luts=(lut,))
    assert got.flat[0] == pytest.approx(10 / 255)
    assert got.flat[101] == pytest.approx(20 / 255)
    assert got.flat[-1] == pytest.approx(30 / 255)


def test_inversion_comes_after_voi_and_padding_is_black() -> None:
    window = Window(center=2048, width=4096)
    straight = display(windows=(window,))
    inverted = display(windows=(window,), inverted=True, padding=(0, 10))
    np.testing.assert_allclose(inverted[1:], 1 - straight[1:], atol=1e-6)
    assert (inverted.flat[:11] == 0).all()
    raw = RawImage(pixels=RAMP, greyscale=Greyscale(bits_stored=12, padding=(0, 10)))
    assert padding_mask(raw).sum() == 11


def test_rescale_and_modality_table() -> None:
    window = Window(center=100, width=200, function="LINEAR_EXACT")
    got = display(windows=(window,), slope=0.5, intercept=-10)
    np.testing.assert_allclose(got.flat[:300], np.clip((np.arange(300) * 0.5 - 10) / 200, 0, 1))
    table = Lut(values=np.arange(4096)[::-1].copy(), first=0, bits=12)
    flipped = display(modality_lut=table, windows=(Window(center=2048, width=4096),))
    assert flipped.flat[0] == 1
    assert flipped.flat[-1] == 0


def test_signed_pixels() -> None:
    pixels = (RAMP.astype(np.int16) - 2048).astype(np.int16)
    np.testing.assert_allclose(display(pixels, signed=True, voi="minmax"), RAMP / 4095, atol=1e-6)


def test_without_windows_the_range_of_what_is_not_padding() -> None:
    pixels = RAMP.copy()
    pixels[pixels < 100] = 0
    got = display(pixels, padding=(0, 0))
    assert got[pixels == 100][0] == 0
    assert got.max() == 1


def test_unknown_voi_is_refused() -> None:
    for voi in ("lut:0", "window:3", "window:x", "gamma"):
        with pytest.raises(PixelError):
            display(voi=voi)
