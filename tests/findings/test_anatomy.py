"""Depth, matching and quadrants of places whose answers are known."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from mammorisk.findings.anatomy import ViewAnatomy, anatomy_of
from mammorisk.findings.candidate import Candidate
from mammorisk.findings.matching import (
    Pair,
    PairModel,
    default_pair_model,
    match_views,
    pair_features,
)
from mammorisk.findings.quadrant import quadrant_of
from mammorisk.imaging.breast import BreastMask

CC = ViewAnatomy(
    position="CC", nipple_px=(100.0, 200.0), chest_wall="left", chest_px=0.0, pixel_mm=0.4
)
MLO = ViewAnatomy(
    position="MLO",
    nipple_px=(150.0, 200.0),
    chest_wall="left",
    chest_px=0.0,
    muscle_px=(100.0, -1.0),
    pixel_mm=0.4,
)


def _at(
    row: float, col: float, *, size: float = 20, kind: str = "mass", score: float = 0.7
) -> Candidate:
    half = size / 2
    box = (row + 0.5 - half, row + 0.5 + half, col + 0.5 - half, col + 0.5 + half)
    return Candidate(view="L-CC", type=kind, score=score, box_px=box)


def _mirrored(anatomy: ViewAnatomy, columns: int = 300) -> ViewAnatomy:
    row, col = anatomy.nipple_px or (0.0, 0.0)
    muscle = anatomy.muscle_px
    return replace(
        anatomy,
        nipple_px=(row, columns - 1 - col),
        chest_wall="right",
        chest_px=columns - 1 - anatomy.chest_px,
        muscle_px=None if muscle is None else (columns - 1 - muscle[0], -muscle[1]),
    )


def test_depth_in_a_cc_view() -> None:
    assert CC.depth(100, 200) == 0
    assert CC.depth(30, 0) == 1
    assert CC.depth(170, 50) == 0.75
    assert CC.depth(100, 230) == 0  # In front of the nipple.
    assert math.isnan(replace(CC, nipple_px=None).depth(100, 50))


def test_depth_in_an_mlo_view_is_perpendicular_to_the_muscle() -> None:
    # The muscle's edge is col + row = 100; the nipple is 250 / sqrt 2 away from it.
    assert MLO.depth(150, 200) == 0
    assert MLO.depth(60, 40) == 1
    assert MLO.depth(20, 20) == 1  # Within the muscle.
    assert MLO.depth(100, 125) == pytest.approx(0.5)
    assert MLO.depth(125, 100) == pytest.approx(0.5)
    assert replace(MLO, muscle_px=None).depth(100, 50) == 0.75


def test_a_right_view_is_the_mirror_image() -> None:
    for anatomy in (CC, MLO):
        other = _mirrored(anatomy)
        for row, col in ((40, 60), (160, 120), (90, 10)):
            assert other.depth(row, 299 - col) == pytest.approx(anatomy.depth(row, col))
            assert other.along_row(299 - col) == pytest.approx(anatomy.along_row(col))


def test_anatomy_of_a_mask() -> None:
    y, x = np.mgrid[:200, :300]
    breast = (np.hypot(x - 20, y - 100) < 90) & (x >= 20)
    muscle = breast & (x + y < 120)
    for mirrored in (False, True):
        turn = slice(None, None, -1 if mirrored else 1)
        mask = BreastMask(
            breast=breast[:, turn],
            pectoral=muscle[:, turn],
            chest_wall="right" if mirrored else "left",
            nipple=(100.0, 190.0 if mirrored else 109.0),
        )
        found = anatomy_of(mask, "MLO", 0.1)
        assert found.chest_px == (279 if mirrored else 20)
        assert found.muscle_px is not None
        start, slope = found.muscle_px
        assert slope == pytest.approx(1 if mirrored else -1, abs=0.03)
        # The edge is the last pixel of the muscle.
        assert start == pytest.approx(180 if mirrored else 119, abs=3)
        assert anatomy_of(replace(mask, pectoral=muscle & False), "CC", None).muscle_px is None


@pytest.mark.parametrize(
    ("lateral", "up", "quadrant"),
    [
        (0.4, 0.4, "upper outer"),
        (-0.4, 0.4, "upper inner"),
        (0.4, -0.4, "lower outer"),
        (-0.4, -0.4, "lower inner"),
        # Above the nipple in the MLO view because it is far lateral.
        (0.5, -0.2, "lower outer"),
        (-0.5, 0.2, "upper inner"),
    ],
)
@pytest.mark.parametrize("side", ["L", "R"])
def test_quadrants(lateral: float, up: float, quadrant: str, side: str) -> None:
    oblique = (lateral + up) / math.sqrt(2)
    cc = _at(100 - 200 * lateral, 100)
    mlo = _at(150 - 200 * oblique, 100)
    anatomies = (CC, MLO) if side == "L" else (_mirrored(CC), _mirrored(MLO))
    assert quadrant_of(cc, mlo, *anatomies, side) == quadrant


def test_near_the_axis_of_the_nipple_is_central() -> None:
    assert quadrant_of(_at(110, 170), _at(145, 170), CC, MLO, "L") == "central"
    assert quadrant_of(_at(110, 30), _at(145, 30), CC, MLO, "L") == "central"
    assert quadrant_of(_at(125, 170), _at(145, 170), CC, MLO, "L") == "upper inner"
    lost = replace(MLO, nipple_px=None)
    assert quadrant_of(_at(110, 170), _at(145, 170), CC, lost, "L") is None


MODEL = PairModel(
    intercept=2.0,
    coefficients={"depth": -2.0, "row": -20.0, "size": -2.0, "same_type": 1.0, "score": 0.1},
    typical={"depth": 0.1, "row": 0.1, "size": 0.3, "same_type": 0.5, "score": 0.0},
    limit=0.5,
    source="made up",
)


def test_the_most_probable_pair_comes_first() -> None:
    cc = [_at(50, 100), _at(150, 60, kind="calcification")]
    mlo = [_at(180, 62, kind="calcification"), _at(100, 101), _at(90, 104)]
    made = match_views(cc, mlo, CC, MLO, 0.4, 0.4, model=MODEL)
    assert [(one.cc, one.mlo) for one in made] == [(0, 1), (1, 0)]
    assert made[0].probability > made[1].probability > 0.5
    told = MODEL.probability(pair_features(cc, mlo, CC, MLO, 0.4, 0.4))
    assert told.shape == (2, 3)
    assert made[0] == Pair(cc=0, mlo=1, probability=told[0, 1])
    # Nothing is matched below the limit, and no candidate twice.
    strict = replace(MODEL, limit=(made[0].probability + made[1].probability) / 2)
    assert len(match_views(cc, mlo, CC, MLO, 0.4, 0.4, model=strict)) == 1
    assert len(match_views(cc[:1], mlo, CC, MLO, 0.4, 0.4, model=replace(MODEL, limit=0.0))) == 1
    assert match_views([], mlo, CC, MLO, 0.4, 0.4, model=MODEL) == ()


def test_what_is_not_known_takes_its_typical_value() -> None:
    lost = replace(CC, nipple_px=None)
    features = pair_features([_at(50, 100)], [_at(100, 101)], lost, MLO, None, 0.4)
    assert all(np.isnan(features[name]).all() for name in ("depth", "row", "size"))
    typical = {name: np.full((1, 1), value) for name, value in MODEL.typical.items()}
    told = MODEL.probability(features)
    assert told == pytest.approx(
        MODEL.probability({**features, **{n: typical[n] for n in ("depth", "row", "size")}})
    )
    # Without spacing, sizes are compared relative to the breast.
    twice = replace(MLO, nipple_px=(150.0, 400.0))
    relative = pair_features([_at(50, 100)], [_at(100, 200, size=40)], CC, twice, None, None)
    assert relative["size"] == pytest.approx(0)
    in_mm = pair_features([_at(50, 100)], [_at(100, 101, size=40)], CC, MLO, 0.4, 0.2)
    assert in_mm["size"] == pytest.approx(0)
    flat = replace(CC, chest_px=200.0)
    assert np.isnan(pair_features([_at(1, 2)], [_at(1, 2)], flat, MLO, None, None)["size"]).all()


def test_the_model_of_the_package() -> None:
    model = default_pair_model()
    assert set(model.coefficients) == set(model.typical) == {
        *("depth", "row", "size", "same_type", "score")
    }  # fmt: skip
    assert "simulated" in model.source
    near = match_views([_at(60, 100)], [_at(110, 102)], CC, MLO, 0.4, 0.4)
    assert near[0].probability > 0.5
    far = match_views([_at(60, 180)], [_at(110, 30, size=60, kind="distortion")], CC, MLO, 0.4, 0.4)
    assert far == ()
