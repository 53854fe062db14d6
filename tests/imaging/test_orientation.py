"""Polarity, the chest wall's side, and images without a breast, told by the pixels."""

from __future__ import annotations

import numpy as np
import pytest

from mammorisk.imaging.breast import find_breast
from mammorisk.imaging.exposed_area import exposed_box
from mammorisk.imaging.orientation import chest_wall_side
from mammorisk.imaging.phantom import is_phantom_or_flat
from mammorisk.imaging.polarity import is_inverted, turn_grey
from tests.imaging.test_breast import iou, phantom


@pytest.mark.parametrize("glow", [0.0, 0.1])
@pytest.mark.parametrize("dense", [0.15, 0.4])
def test_polarity(glow: float, dense: float) -> None:
    image, _, _ = phantom(glow=glow, dense=dense)
    assert not is_inverted(image)
    assert is_inverted(1 - image)
    padding = ((40, 60), (30, 0))
    assert not is_inverted(np.pad(image, padding))
    assert is_inverted(np.pad(1 - image, padding))


def test_turned_grey_keeps_padding_black() -> None:
    image, breast, _ = phantom(glow=0.05)
    padded = np.pad(1 - image, 50)
    turned = turn_grey(padded)
    assert (turned[:40] == 0).all()
    np.testing.assert_allclose(turned[60:-60, 60:-60], np.pad(image, 50)[60:-60, 60:-60], atol=1e-6)
    assert iou(find_breast(turned).breast, np.pad(breast, 50)) > 0.95


def test_no_polarity_without_contrast() -> None:
    assert not is_inverted(np.ones((200, 100), np.float32))


def test_the_side_of_the_chest_wall() -> None:
    image, _, _ = phantom()
    turned = {
        "left": image,
        "right": image[:, ::-1],
        "bottom": np.rot90(image),
        "top": np.rot90(image, -1),
    }
    for side, one in turned.items():
        found = chest_wall_side(np.ascontiguousarray(one))
        assert found.side == side
        assert found.confidence > 0.3
    assert chest_wall_side(np.zeros((200, 100), np.float32)).side is None


def test_phantoms_and_noise_are_no_breasts() -> None:
    rng = np.random.default_rng(0)
    block = np.pad(0.5 + 0.01 * rng.normal(size=(300, 200)), ((100, 100), (0, 200)))
    block[200:210, 60:70] += 0.2
    for image in (
        rng.random((400, 300)),
        0.5 + 0.01 * rng.random((400, 300)),
        np.tile(np.linspace(0.40, 0.43, 300), (400, 1)),
        block,
        np.zeros((400, 300)),
    ):
        assert is_phantom_or_flat(image.astype(np.float32))
    assert not is_phantom_or_flat(phantom()[0])
    assert not is_phantom_or_flat(phantom(dense=0.0, top=1e-6)[0])


def test_the_exposed_area() -> None:
    image, _, _ = phantom(glow=0.1, label=False)
    rows, columns = image.shape
    top, bottom, left, right = exposed_box(np.pad(image, ((30, 50), (70, 20))))
    # Air that fills whole rows or columns is border too.
    assert (top, left) == pytest.approx((30, 70), abs=2)
    assert 25 + 0.8 * columns < right - 45 < 27 + columns
    assert bottom <= 32 + rows
    white = np.pad(image, ((0, 0), (0, 40)), constant_values=1.0)
    assert exposed_box(white)[3] <= columns + 2
    flat = np.full((100, 80), 0.5, np.float32)
    assert exposed_box(flat) == (0, 100, 0, 80)


def test_a_slanted_white_film_edge_is_not_breast() -> None:
    image, breast, _ = phantom(glow=0.05, label=False)
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    edge = x > 385 - 0.04 * y
    image[edge] = 1.0
    found = find_breast(image).breast
    assert not (found & edge).any()
    assert iou(found, breast & ~edge) > 0.93


def test_a_label_that_touches_the_breast_is_removed() -> None:
    image, breast, _ = phantom(glow=0.03, label=False)
    # The skin at row 120 lies near column 235.
    column = int(np.flatnonzero(breast[120])[-1])
    image[95:145, column - 2 : column + 60] = 0.98
    found = find_breast(image).breast
    assert found[95:145, column + 10 : column + 60].mean() < 0.1
    assert iou(found, breast) > 0.93


def test_padding_moves_no_mask() -> None:
    image, breast, muscle = phantom(glow=0.05)
    found = find_breast(np.pad(image, ((60, 120), (40, 80))), position="MLO")
    inner = (slice(60, 60 + image.shape[0]), slice(40, 40 + image.shape[1]))
    assert iou(found.breast[inner], breast) > 0.95
    assert iou(found.pectoral[inner], muscle) > 0.75
    assert found.chest_wall == "left"
    assert found.nipple is not None
    row, column = found.nipple
    assert row - 60 == pytest.approx(0.52 * image.shape[0], abs=0.2 * image.shape[0])
    assert column - 40 == pytest.approx(0.8 * image.shape[1], abs=0.05 * image.shape[1])
