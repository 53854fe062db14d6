"""The guard flags what is far, and no more of its own domain than it says."""

from __future__ import annotations

import numpy as np

from mammorisk.risk_models.hybrid.domain_guard import FALSE_FLAG_SHARE, DomainGuard


def test_false_flags_and_strangers() -> None:
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(12, 12))
    views = 3 * rng.normal(size=(4, 12))

    def draw(n: int) -> np.ndarray:
        """Exams whose views share a woman and have a place each."""
        woman = rng.normal(size=(n, 1, 12)) @ mix
        return views + woman + 0.5 * rng.normal(size=(n, 4, 12)) @ mix

    training, held_out, fresh = draw(3000), draw(1000), draw(4000)
    guard = DomainGuard.fit(training, held_out)
    assert np.mean(~guard.inside(fresh)) < 0.02
    assert np.mean(~guard.inside(held_out)) <= FALSE_FLAG_SHARE + 0.001
    for missing in ([0], [1, 3], [0, 1, 2]):
        part = fresh.copy()
        part[:, missing] = np.nan
        assert np.mean(~guard.inside(part)) < 0.03
    # Far along a direction in which the domain hardly varies, though near in plain distance.
    centred = (training - views).mean(axis=1)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    near = fresh[:50] + 60 * centred.dot(directions[-1]).std() * directions[-1]
    assert not guard.inside(near).any()
    assert not guard.inside(np.full((1, 4, 12), np.nan)).any()
    # Units do not matter.
    scale = np.geomspace(1e-4, 1e4, 12)
    scaled = DomainGuard.fit(training * scale, held_out * scale)
    np.testing.assert_allclose(scaled.distance(fresh * scale), guard.distance(fresh), rtol=1e-3)


def test_every_set_of_views_has_its_own_limit() -> None:
    rng = np.random.default_rng(1)

    def draw(n: int) -> np.ndarray:
        """Exams whose views 0 and 1 are alike, and so vary more in their mean than 2 and 3."""
        exams = rng.normal(size=(n, 4, 6))
        exams[:, 1] = exams[:, 0]
        return exams

    guard = DomainGuard.fit(draw(3000), draw(2000))
    fresh = draw(4000)
    for missing in ([0, 1], [2, 3], [0, 2]):
        part = fresh.copy()
        part[:, missing] = np.nan
        assert 0.004 < np.mean(~guard.inside(part)) < 0.02
    assert guard.limits[0b0011] > 1.2 * guard.limits[0b1100]


def test_a_rare_set_takes_the_largest_limit_of_smaller_sets() -> None:
    rng = np.random.default_rng(2)
    training, held_out = rng.normal(size=(2, 200, 4, 3))
    held_out[:-5, 3] = np.nan
    guard = DomainGuard.fit(training, held_out)
    assert guard.limits[0b1000] == guard.limits[[0b0001, 0b0010, 0b0100]].max()
    assert guard.limits[0] == -np.inf
