"""Copies the notebooks of examples/ into the tutorials, since Sphinx reads below docs/ only."""

from __future__ import annotations

import shutil
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util.typing import ExtensionMetadata


def _copy(app: Sphinx, config: Config) -> None:
    target = Path(app.srcdir) / "tutorials" / "notebooks"
    target.mkdir(exist_ok=True)
    sources = {path.name: path for path in (Path(app.srcdir).parent / "examples").glob("*.ipynb")}
    for stale in target.glob("*.ipynb"):
        if stale.name not in sources:
            stale.unlink()
    for name, source in sources.items():
        copy = target / name
        # Unchanged copies keep their time, so that Sphinx does not read them again.
        if not copy.exists() or copy.read_bytes() != source.read_bytes():
            shutil.copyfile(source, copy)


def setup(app: Sphinx) -> ExtensionMetadata:
    app.connect("config-inited", _copy)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
