"""Public docstrings: the sections of numpydoc, in order, with types, for every public name."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import textwrap
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

pytest.importorskip("numpydoc")
pytest.importorskip("torch")
from numpydoc.docscrape import get_doc_object
from numpydoc.validate import validate

pytestmark = pytest.mark.networks
ROOT = Path(__file__).parents[2]
#: Checks of numpydoc: layout and order of sections, summary, parameters with types, returns,
#: yields, See Also, Examples.
CHECKS = frozenset(
    (
        *("GL01", "GL02", "GL03", "GL05", "GL06", "GL07", "GL08", "GL10"),
        *("SS01", "SS02", "SS03", "SS04", "PR01", "PR02", "PR03", "PR04", "PR06"),
        *("RT01", "RT02", "YD01", "SA01", "EX01"),
    )
)


def _listing() -> ModuleType:
    """The module that lists the public names for the API pages."""
    path = ROOT / "docs" / "_ext" / "public_api.py"
    spec = importlib.util.spec_from_file_location("public_api", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _faults(found: Any, listed_above: bool) -> list[str]:
    """What is missing in a docstring.

    ``listed_above``: whether the package itself exports the name. Classes of rooms are results and
    bases; the function that makes them has the example.
    """
    doc = inspect.getdoc(found) or ""
    excused = {
        # Fields of a class are documented as attributes.
        "PR01": inspect.isclass(found) and "\nAttributes\n---" in doc,
        "SA01": "\nReferences\n---" in doc,
        "EX01": inspect.isclass(found) and not listed_above,
    }
    faults = [
        f"{code} {text}"
        for code, text in _validate(found)
        if code in CHECKS and not excused.get(code, False)
    ]
    source = textwrap.dedent(inspect.getsource(inspect.unwrap(found)))
    raises = any(isinstance(node, ast.Raise) and node.exc for node in ast.walk(ast.parse(source)))
    if inspect.isroutine(found) and raises and "\nRaises\n---" not in doc:
        faults.append("it raises, and has no Raises section")
    return faults


def _validate(found: Any) -> list[tuple[str, str]]:
    # The object itself: some modules have the name of their function.
    errors: list[tuple[str, str]] = validate(get_doc_object(inspect.unwrap(found)))["errors"]
    return errors


def test_public_docstrings_are_complete() -> None:
    listing = _listing()
    above = {path for paths in listing.sections().values() for path in paths}
    every = above | {path for paths in listing.rooms().values() for path in paths}
    assert len(every) > 150
    faults = {
        path: found
        for path in sorted(every)
        if (found := _faults(listing.resolve(path), path.count(".") == 1))
    }
    assert not faults, "\n".join(f"{path}: {'; '.join(one)}" for path, one in faults.items())


def test_a_poor_docstring_is_found() -> None:
    def poor(risk: float) -> float:
        """Risk."""
        if risk > 1:
            raise ValueError
        return risk

    found = " ".join(_faults(poor, True))
    for code in ("PR01", "RT01", "SA01", "EX01", "no Raises section"):
        assert code in found
