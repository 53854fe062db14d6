"""The guard flags what is far, and no more of its own domain than it says."""

from __future__ import annotations

import numpy as np

from mammorisk.domain_guard import FALSE_FLAG_SHARE, DomainGuard


def test_false_flags_and_strangers() -> None:
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(12, 12))
    training, held_out, fresh = (rng.normal(size=(n, 12)) @ mix for n in (3000, 1000, 4000))
    guard = DomainGuard.fit(training, held_out)
    assert np.mean(~guard.inside(fresh)) < 0.02
    assert np.mean(~guard.inside(held_out)) <= FALSE_FLAG_SHARE + 0.001
    # Far along a direction in which the domain hardly varies, though near in plain distance.
    _, _, directions = np.linalg.svd(training, full_matrices=False)
    near = fresh[:50] + 12 * training.dot(directions[-1]).std() * directions[-1]
    assert not guard.inside(near).any()
    assert not guard.inside(np.full((1, 12), np.nan)).any()
    # Units do not matter.
    scale = np.geomspace(1e-4, 1e4, 12)
    scaled = DomainGuard.fit(training * scale, held_out * scale)
    np.testing.assert_allclose(scaled.distance(fresh * scale), guard.distance(fresh), rtol=1e-3)
