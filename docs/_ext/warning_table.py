"""Writes reference/warnings.md from the package's table of warning codes."""

from __future__ import annotations

from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util.typing import ExtensionMetadata

from mammorisk.warnings import CODES

OPENING = """# Warnings

A warning is a record with four fields:

- `code`: a stable name from the table below,
- `severity`: `info` (what was assumed, estimated or left out), `caution` (the risk may be wrong),
  `incomplete` (there is no risk because something is unknown) or `refusal` (there is no risk
  because the model does not apply or the input cannot be used),
- `view`: the views concerned, or None for the woman or the exam as a whole,
- `text`: one sentence.

`prediction.warnings` holds these records. Tables of risks have two columns: `warnings` (the texts)
and `warning_codes` (the codes). `mr.warning_codes()` gives this table.

| code | severity | meaning |
| --- | --- | --- |
"""


def page() -> str:
    """The page as Markdown."""
    rows = [f"| `{code}` | {row.severity} | {row.meaning} |" for code, row in CODES.items()]
    return OPENING + "\n".join(rows) + "\n"


def _write(app: Sphinx, config: Config) -> None:
    path = Path(app.srcdir) / "reference" / "warnings.md"
    text = page()
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> ExtensionMetadata:
    app.connect("config-inited", _write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
