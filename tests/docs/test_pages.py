"""The Python code of the documentation uses names that exist."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import mammorisk as mr

ROOT = Path(__file__).parents[2]
PAGES = sorted(path for path in (ROOT / "docs").rglob("*.md") if "notebooks" not in path.parts)
BLOCK = re.compile(r"```python\n(.*?)```|\.\. plot::.*?\n\n(.*?)```", re.DOTALL)

pytestmark = pytest.mark.skipif(not PAGES, reason="installed without its documentation")


def _blocks(page: Path) -> Iterator[str]:
    for fenced, plotted in BLOCK.findall(page.read_text(encoding="utf-8")):
        yield fenced or re.sub(r"^ {3}", "", plotted, flags=re.MULTILINE)


def _imported(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("mammorisk"):
            yield from ((str(node.module), alias.name) for alias in node.names)


def _attributes(tree: ast.Module) -> Iterator[list[str]]:
    """Names after ``mr.``, outermost first."""
    for node in ast.walk(tree):
        names: list[str] = []
        inner: Any = node
        while isinstance(inner, ast.Attribute):
            names.insert(0, inner.attr)
            inner = inner.value
        if names and isinstance(inner, ast.Name) and inner.id == "mr":
            yield names


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md"], ids=lambda path: path.stem)
def test_names_exist(page: Path) -> None:
    missing = []
    for block in _blocks(page):
        tree = ast.parse(block)
        for module, name in _imported(tree):
            if not hasattr(importlib.import_module(module), name):
                missing.append(f"{module}.{name}")
        for names in _attributes(tree):
            found: Any = mr
            for name in names:
                found = getattr(found, name, None)
            if found is None:
                missing.append("mr." + ".".join(names))
    assert missing == []


def test_blocks_are_found() -> None:
    assert sum(len(list(_blocks(page))) for page in PAGES) > 20
    assert any("mr.predict" in block for block in _blocks(ROOT / "docs" / "index.md"))
