"""The public face of mammorisk.metrics."""

from __future__ import annotations

import inspect
import subprocess
import sys

import mammorisk.metrics as metrics


def test_every_name_is_what_the_stub_says() -> None:
    """A name must stay a function also where a file of the room was imported before it."""
    script = (
        "import importlib, pkgutil, inspect, mammorisk.metrics as m\n"
        "for file in pkgutil.iter_modules(m.__path__):\n"
        "    importlib.import_module(f'mammorisk.metrics.{file.name}')\n"
        "print([n for n in m.__all__ if inspect.ismodule(getattr(m, n))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_private_helpers_stay_out() -> None:
    for name in ("check_risk", "from_influence", "life_table", "count_pairs", "fit_glm", "Deaths"):
        assert name not in metrics.__all__
    assert set(metrics.__all__) <= set(dir(metrics))
    assert all(inspect.getdoc(getattr(metrics, name)) for name in metrics.__all__)


def test_importing_the_room_loads_nothing_heavy() -> None:
    heavy = "{'torch', 'matplotlib', 'pandas', 'scipy', 'statsmodels', 'lifelines'}"
    script = (
        "import sys, mammorisk.metrics as m\n"
        f"assert not {heavy} & set(sys.modules)\n"
        "[getattr(m, n) for n in m.__all__]\n"
        "print(sorted({'torch', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
