"""Writes reference/command-line.md: every command with its options, as the program defines them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util.typing import ExtensionMetadata

from mammorisk.cli.app import app as commands

OPENING = """# Command line

Exit codes: 0 done; 1 no risk for some exams, which are named; 2 unusable input; 3 refused. Errors
are printed on standard error in one or two lines; `--debug` adds the traceback. `monitor` ends with
1 if an alarm is open, and `recalibrate` if its result does not pass.
"""


def _parameter(parameter: Any) -> str:
    option = parameter.param_type_name == "option"
    names = [*parameter.opts, *parameter.secondary_opts] if option else [parameter.name.upper()]
    title = ", ".join(f"`{name}`" for name in names)
    if parameter.required:
        title += " (required)"
    elif option and not parameter.is_flag and parameter.default not in (None, "", ()):
        title += f" (default `{parameter.default}`)"
    return f"{title}\n: {parameter.help or ''}\n"


def page() -> str:
    """The page as Markdown."""
    parts = [OPENING]
    for name, command in typer.main.get_command(commands).commands.items():
        shown = [one for one in command.params if not one.hidden and one.name != "help"]
        parts.append(f"## mammorisk {name}\n\n{command.help or ''}\n")
        parts += [_parameter(one) for one in shown]
    return "\n".join(parts)


def _write(app: Sphinx, config: Config) -> None:
    path = Path(app.srcdir) / "reference" / "command-line.md"
    text = page()
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> ExtensionMetadata:
    app.connect("config-inited", _write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
