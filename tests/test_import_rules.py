"""What an import may cost, and what must never be imported; .importlinter holds the layers."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import mammorisk

PACKAGE = Path(mammorisk.__file__).parent

TORCH = {"torch", "torchvision", "timm", "lightning"}


def imports(path: Path) -> set[str]:
    """Modules imported anywhere in a file, except for the eyes of the type checker."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for statement in node.body
        for child in ast.walk(statement)
    }
    found = set()
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_nothing_is_unpickled(path: Path) -> None:
    names = imports(path)
    # The checkpoints of an interrupted fit are read as tensors and numbers only.
    for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "torch.load":
            assert path.name == "trainer.py"
            assert "weights_only=True" in ast.unparse(call)
    if path.name == "restricted_unpickler.py":
        return
    assert not {name.split(".")[0] for name in names} & {"pickle", "dill", "joblib", "shelve"}


def loaded_after(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint(*sorted({{m.split('.')[0] for m in sys.modules}}))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120
    )
    return set(done.stdout.split())


def test_import_is_light() -> None:
    for name in ("mammorisk", "mammorisk.clinical"):
        assert not loaded_after(f"import {name}") & (TORCH | {"pandas", "scipy", "matplotlib"})


@pytest.mark.timed
def test_import_takes_less_than_half_a_second() -> None:
    script = (
        "import time\nstart = time.perf_counter()\nimport mammorisk\n"
        "print(time.perf_counter() - start)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120
    )
    assert float(done.stdout) < 0.5


def test_published_models_never_load_torch() -> None:
    code = (
        "import mammorisk as mr\n"
        "mr.predict(mr.Questionnaire(age=54, race_ethnicity='white'))\n"
        "mr.models()"
    )
    assert not loaded_after(code) & TORCH


@pytest.mark.networks
def test_prediction_never_imports_lightning() -> None:
    code = "import mammorisk as mr\nmr.predict(mr.Questionnaire(age=54), model='hybrid')"
    assert "lightning" not in loaded_after(code)


def test_every_public_name_resolves() -> None:
    for name in mammorisk.__all__:
        found = getattr(mammorisk, name)
        if inspect.ismodule(found):
            assert found.__name__ == f"mammorisk.{name}"
        elif name != "__version__":
            assert found.__name__ == name
            assert found.__module__.startswith("mammorisk.")
    for name in mammorisk.clinical.__all__:
        assert not inspect.ismodule(getattr(mammorisk.clinical, name))


def test_dependencies_that_had_holes_are_new_enough() -> None:
    root = PACKAGE.parent / "pyproject.toml"
    if not root.is_file():
        pytest.skip("installed without its source")
    project = tomllib.loads(root.read_text(encoding="utf-8"))["project"]
    wanted = project["dependencies"]
    extras = project["optional-dependencies"]
    assert "pydicom>=3.0.2" in wanted
    assert "torch>=2.10" in extras["networks"]
    assert not {"torch", "torchvision", "timm", "lightning", "captum"} & set(map(_name, wanted))
    # GDCM had holes; pylibjpeg-libjpeg and scikit-survival are GPL.
    unwanted = {"python-gdcm", "pylibjpeg-libjpeg", "scikit-survival"}
    installed = [*wanted, *extras["networks"], *extras["fast"], *extras["ray"], *extras["cloud"]]
    assert not unwanted & set(map(_name, installed))


def _name(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9-]", requirement, maxsplit=1)[0].lower()
