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
