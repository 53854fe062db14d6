"""Breast and muscle on made-up views whose outlines are known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mammorisk.imaging.breast import find_breast


def phantom(
    *,
    rows: int = 600,
    columns: int = 400,
    top: float = 0.45,
    wall: float = 0.55,
    glow: float = 0.0,
    label: bool = True,
    dense: float = 0.25,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """An MLO view, chest wall left: image, true breast, true muscle.

    ``top`` and ``wall`` are where the muscle's edge crosses the top and the chest wall, as shares
    of the columns and rows; ``glow`` is the grey of the background.
    """
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:rows, :columns].astype(np.float32)
    radius = np.sqrt((x / (0.8 * columns)) ** 2 + ((y - 0.52 * rows) / (0.62 * rows)) ** 2)
    breast = radius < 1
    edge = top * columns * (1 - y / (wall * rows))
    edge = edge + 0.02 * columns * np.sin(np.pi * np.clip(y / (wall * rows), 0, 1))
    muscle = (x < edge) & breast
    noise = cv2.GaussianBlur(rng.normal(size=(rows, columns)).astype(np.float32), (0, 0), 12)
    texture = noise / noise.std()
    gland = np.exp(-(((x - 0.45 * columns) / (0.2 * columns)) ** 2))
    gland = gland * np.exp(-(((y - 0.62 * rows) / (0.2 * rows)) ** 2))
    grey = 0.32 + dense * gland + 0.03 * texture
    grey = np.where(muscle, 0.62 + 0.02 * texture, grey)
    grey = grey * np.clip((1 - radius) / 0.12, 0.25, 1)
    image = np.where(breast, grey + glow, glow) + rng.normal(0, 0.006, (rows, columns))
    if label:
        image[30:60, -70:-20] = 0.95
    return np.clip(image, 0, 1).astype(np.float32), breast, muscle


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return float(2 * (a & b).sum() / max(1, a.sum() + b.sum()))


@pytest.mark.parametrize("glow", [0.0, 0.05, 0.1])
@pytest.mark.parametrize(("top", "wall"), [(0.3, 0.4), (0.45, 0.55), (0.55, 0.75)])
def test_outlines(glow: float, top: float, wall: float) -> None:
    image, breast, muscle = phantom(glow=glow, top=top, wall=wall)
    found = find_breast(image, position="MLO")
    assert found.chest_wall == "left"
    assert iou(found.breast, breast) > 0.95
    assert dice(found.pectoral, muscle) > 0.85
    assert not found.breast[30:60, -70:-20].any()
    assert not (found.pectoral & ~found.breast).any()


@pytest.mark.parametrize("frame", [4, 20])
def test_a_digitised_film(frame: int) -> None:
    """Grey background, white frame, letters, and a blacked-out name."""
    image, breast, muscle = phantom(glow=0.14)
    image[:frame], image[-frame:], image[:, -frame:] = 1.0, 1.0, 1.0
    for hidden in (breast, muscle):
        hidden[:frame], hidden[-frame:], hidden[:, -frame:] = False, False, False
    image[200:330, -40:-15] = 0.0
    for i in range(4):
        image[80 : 100 + 5 * i, -60 + 12 * i : -54 + 12 * i] = 0.98
    found = find_breast(image, position="MLO")
    assert iou(found.breast, breast) > 0.95
    assert dice(found.pectoral, muscle) > 0.85
    assert not found.breast[:, -frame:].any()


def test_many_views_have_a_good_median() -> None:
    rng = np.random.default_rng(4)
    ious, dices = [], []
    for seed in range(40):
        options = {
            "top": rng.uniform(0.2, 0.6),
            "wall": rng.uniform(0.3, 0.8),
            "glow": rng.choice([0, 0.03, 0.08]),
            "dense": rng.uniform(0, 0.4),
        }
        image, breast, muscle = phantom(rows=400, columns=260, seed=seed, **options)
        found = find_breast(image, position="MLO")
        ious.append(iou(found.breast, breast))
        dices.append(dice(found.pectoral, muscle))
    assert np.median(ious) > 0.95
    assert np.median(dices) > 0.85


@settings(max_examples=15, deadline=None)
@given(gain=st.floats(0.3, 1.0), offset=st.floats(0, 0.0))
def test_contrast_does_not_matter(gain: float, offset: float) -> None:
    image, _, _ = phantom(rows=300, columns=200)
    first = find_breast(image, position="MLO")
    second = find_breast(image * np.float32(gain) + np.float32(offset), position="MLO")
    assert iou(first.breast, second.breast) > 0.995
    assert dice(first.pectoral, second.pectoral) > 0.98


def test_a_mirrored_view_gives_mirrored_masks() -> None:
    image, _, _ = phantom()
    left = find_breast(image, position="MLO")
    right = find_breast(np.ascontiguousarray(image[:, ::-1]), position="MLO")
    assert right.chest_wall == "right"
    assert iou(left.breast, right.breast[:, ::-1]) > 0.99
    assert dice(left.pectoral, right.pectoral[:, ::-1]) > 0.98


def test_no_muscle_is_looked_for_in_cc() -> None:
    image, _, _ = phantom()
    assert not find_breast(image, position="CC").pectoral.any()


def test_no_muscle_where_there_is_none() -> None:
    rng = np.random.default_rng(1)
    image, _, _ = phantom(top=1e-6, dense=0.0)
    found = find_breast(
        image + rng.normal(0, 0.002, image.shape).astype(np.float32), position="MLO"
    )
    assert found.pectoral.mean() < 0.05


def test_dark_fat_at_the_chest_wall_is_breast() -> None:
    image, _, _ = phantom(label=False)
    image[280:340, :40] = 0.0
    assert find_breast(image, position="CC").breast[300, 5]


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((200, 150)),
        np.ones((200, 150)),
        np.full((200, 150), np.nan),
        np.random.default_rng(0).random((200, 150)),
        np.zeros((3, 3)),
        np.zeros((1, 1)),
        np.pad(np.ones((1, 1)), 80),
    ],
    ids=["black", "white", "nan", "noise", "3x3", "1x1", "dot"],
)
def test_odd_images_never_crash(image: np.ndarray) -> None:
    found = find_breast(image.astype(np.float32), position="MLO")
    assert found.breast.shape == image.shape
    assert found.breast.dtype == bool
