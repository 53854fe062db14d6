"""Fails the build if a page or style sheet loads anything from another server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.typing import ExtensionMetadata

REMOTE = re.compile(
    r"""<(?:script|img|iframe|source|video|audio)\b[^>]*\bsrc=["'](?:https?:)?//[^"']+"""
    r"""|<link\b[^>]*\bhref=["'](?:https?:)?//[^"']+"""
    r"""|@import\s+(?:url\()?["']?(?:https?:)?//[^"')]+"""
    r"""|url\(\s*["']?(?:https?:)?//[^"')]+""",
    re.IGNORECASE,
)


def remote_resources(site: Path) -> Iterator[str]:
    """Each resource of the built site that a browser would request from elsewhere."""
    for path in sorted([*site.rglob("*.html"), *site.rglob("*.css")]):
        for found in REMOTE.findall(path.read_text(encoding="utf-8")):
            yield f"{path.relative_to(site)}: {found}"


def _check(app: Sphinx, exception: Exception | None) -> None:
    if exception is not None or app.builder.format != "html":
        return
    found = list(remote_resources(Path(app.outdir)))
    if found:
        raise ExtensionError("the site loads from other servers:\n" + "\n".join(found))


def setup(app: Sphinx) -> ExtensionMetadata:
    app.connect("build-finished", _check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
