"""The nipple: in profile, without a bulge, in oblique views, and mirrored."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from mammorisk.imaging.breast import find_breast
from mammorisk.imaging.nipple import find_nipple
from mammorisk.imaging.pectoral import muscle_line

ROWS, COLUMNS = 500, 300


def _breast(bulge_at: float | None = None, *, radius: float = 9.0) -> np.ndarray:
    """Half an ellipse around row 250; the bulge is at an angle in degrees below its tip."""
    y, x = np.mgrid[:ROWS, :COLUMNS]
    breast = (x / 200) ** 2 + ((y - 250) / 220) ** 2 < 1
    if bulge_at is not None:
        row, column = _on_skin(bulge_at)
        breast |= np.hypot(y - row, x - column) < radius
    return breast


def _on_skin(angle_deg: float) -> tuple[float, float]:
    turn = np.deg2rad(angle_deg)
    return 250 + 220 * np.sin(turn), 200 * np.cos(turn)


def _picture(breast: np.ndarray) -> np.ndarray:
    """A breast that gets brighter from the skin to the inside, with grain."""
    inside = distance_transform_edt(np.pad(breast, ((0, 0), (1, 0)), mode="edge"))[:, 1:]
    grain = np.random.default_rng(1).normal(scale=0.005, size=breast.shape)
    grey = np.where(breast, 0.3 + 0.3 * np.minimum(inside / 50, 1), 0.02)
    return np.asarray(grey + grain, dtype=np.float32)


def test_the_farthest_point_without_a_bulge() -> None:
    found = find_nipple(_breast(), np.zeros((ROWS, COLUMNS), dtype=bool))
    assert found == pytest.approx((250, 199), abs=4)


@pytest.mark.parametrize("angle", [-12, 5, 12])
def test_a_bulge_near_the_farthest_point(angle: float) -> None:
    found = find_nipple(_breast(angle), np.zeros((ROWS, COLUMNS), dtype=bool))
    assert found == pytest.approx(_on_skin(angle), abs=5)


def test_a_bulge_far_from_it_is_not_the_nipple() -> None:
    found = find_nipple(_breast(50), np.zeros((ROWS, COLUMNS), dtype=bool))
    assert found == pytest.approx((250, 199), abs=6)


def test_a_muscle_moves_it_down() -> None:
    y, x = np.mgrid[:ROWS, :COLUMNS]
    muscle = (x < 120 * (1 - y / 240)) & _breast()
    line = muscle_line(_breast(), muscle)
    assert line is not None
    start, slope = line
    # At the top the muscle reaches the skin, which is not its edge.
    assert (start, slope) == pytest.approx((120, -0.5), rel=0.05)
    found = find_nipple(_breast(), muscle)
    # The point of the ellipse at which x - 0.45 * slope * y is largest.
    turn = np.arctan2(-0.45 * slope * 220, 200)
    assert found == pytest.approx((250 + 220 * np.sin(turn), 200 * np.cos(turn)), abs=8)


def test_it_moves_with_the_image() -> None:
    image = _picture(_breast(8))
    left = find_breast(image)
    right = find_breast(image[:, ::-1])
    assert left.nipple is not None
    assert right.nipple is not None
    assert (left.chest_wall, right.chest_wall) == ("left", "right")
    assert right.nipple == pytest.approx((left.nipple[0], COLUMNS - 1 - left.nipple[1]), abs=1.5)
    assert left.nipple == pytest.approx(_on_skin(8), abs=6)


def test_without_a_skin_line() -> None:
    nothing = np.zeros((ROWS, COLUMNS), dtype=bool)
    assert find_nipple(nothing, nothing) is None
    assert find_breast(np.zeros((ROWS, COLUMNS), np.float32)).nipple is None


def test_a_breast_that_touches_both_sides_has_the_wall_where_it_is_expected() -> None:
    y, x = np.mgrid[:400, :300]
    # Magnified, with the nipple beyond the right side, as in one film of mini-MIAS.
    image = _picture(np.hypot(x / 1.8, y - 200) < 190)
    for turned, wall in ((image, "left"), (image[:, ::-1], "right")):
        assert find_breast(turned, expected_wall=wall).chest_wall == wall
    both = _picture(np.abs(y - 200) < 150)
    for wall in ("left", "right"):
        assert find_breast(both, expected_wall=wall).chest_wall == wall
