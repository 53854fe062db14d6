"""What holds for every test: threads, marks that choose tests, and what an install lacks."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

from mammorisk._utils.optional import installed

if "PYTEST_XDIST_WORKER" in os.environ:
    # Workers of a parallel run share the cores: one thread each.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# Hypothesis's limit of 200 ms an example is one of wall-clock time, which a busy machine breaks.
settings.register_profile("mammorisk", deadline=None)
settings.load_profile("mammorisk")

#: Folders of tests that need torch to be imported at all.
_NETWORKS = (
    "demo",
    "embeddings/test_embed.py",
    "embeddings/test_encoders.py",
    "inputs",
    "risk_models/hybrid",
    "risk_models/mirai",
    "networks",
    "prediction",
    "runtime",
    "service",
    "training",
    "risk_models/test_hub.py",
    "risk_models/test_recalibration.py",
    "cli",
    "test_examples.py",
)

collect_ignore = [] if installed("torch") else list(_NETWORKS)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out tests of wall-clock limits unless asked for, and of networks without torch."""
    chosen = config.getoption("markexpr")
    kept, left_out = [], []
    for item in items:
        out = "timed" not in chosen and item.get_closest_marker("timed") is not None
        (left_out if out else kept).append(item)
        if item.get_closest_marker("networks") is not None and not installed("torch"):
            item.add_marker(pytest.mark.skip(reason="needs mammorisk[networks]"))
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = kept
