"""Writes quality/known-anomalies.md and quality/soup.md from YAML, pyproject.toml, the lock and the
metadata of the installed packages.
"""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any

import yaml
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util.typing import ExtensionMetadata

DOCS = Path(__file__).parents[1]
QUALITY = DOCS / "quality"
#: Extras that only developers install. Their packages are not part of a result.
DEVELOPMENT = ("test", "lint", "dev", "docs", "benchmarks")

ANOMALIES = """# Known anomalies

Behaviour that a user would not expect, and known gaps. `docs/quality/known_anomalies.yaml` has the
same as data; its fields are checked by the tests. Anomalies of libraries are in their own
[trackers](soup.md).

| number | title | part | versions | status |
| --- | --- | --- | --- | --- |
"""
SOUP = """# Libraries (SOUP)

Software of unknown provenance (IEC 62304): the libraries that a result can depend on. This page is
made from `pyproject.toml`, `constraints.txt`, the metadata of the installed packages,
[the table of dependencies](../architecture.md#dependencies) and `docs/quality/soup.yaml`.

- **Versions**: the oldest that is allowed, and the one in the lock. Every result records the
  versions that it was computed with (`provenance.libraries`).
- **Licence**: as the package declares it.
- **If it fails**: the effect of a fault of the library on a result, and what would show it.
- **Requirements**: Python 3.11 to 3.14, 64 bits; tested on Linux. Networks also run on NVIDIA GPUs.
- **Known anomalies**: the link at the name leads to the tracker, or else to the source.

Libraries for tests and development are not listed. Dependencies of the dependencies are in the
[bill of materials](index.md#bill-of-materials).
"""


def anomalies() -> list[dict[str, Any]]:
    """The anomalies as in the file."""
    text = (QUALITY / "known_anomalies.yaml").read_text(encoding="utf-8")
    return list(yaml.safe_load(text))


def anomalies_page() -> str:
    """The page of the anomalies as Markdown."""
    rows, parts = [], []
    for one in anomalies():
        versions = f"from {one['since']}" + (f", until {one['until']}" if "until" in one else "")
        anchor = one["id"].lower()
        rows.append(
            f"| [{one['id']}](#{anchor}) | {one['title']} | {one['part']} | {versions} "
            f"| {one['status']} |"
        )
        parts.append(
            f"## {one['id']}\n\n**{one['title']}.** {one['effect'].strip()}\n\n"
            f"- Shown: {one['shown'].strip()}\n- Workaround: {one['workaround'].strip()}\n"
            f"- See: [{Path(one['source']).stem}](../{one['source']})\n"
        )
    return ANOMALIES + "\n".join(rows) + "\n\n" + "\n".join(parts)


def dependencies() -> dict[str, list[tuple[str, str]]]:
    """Packages with their lowest version, by extra of users; ``""`` is the default install."""
    project = tomllib.loads((DOCS.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = {"": project["dependencies"], **project["optional-dependencies"]}
    return {
        extra: [_split(one) for one in wanted if not one.startswith("mammorisk[")]
        for extra, wanted in groups.items()
        if extra not in DEVELOPMENT
    }


def _split(requirement: str) -> tuple[str, str]:
    found = re.match(r"([A-Za-z0-9_.-]+)(?:\[[^\]]*\])?\s*(?:>=\s*([0-9.]+))?", requirement)
    return (found[1], found[2] or "") if found else (requirement, "")


def sheet() -> dict[str, dict[str, str]]:
    """What ``soup.yaml`` has of each package."""
    return dict(yaml.safe_load((QUALITY / "soup.yaml").read_text(encoding="utf-8")))


def purposes() -> dict[str, str]:
    """Purpose of each package, from the tables of docs/architecture.md."""
    text = (DOCS / "architecture.md").read_text(encoding="utf-8")
    text = text[text.index("## Dependencies") :]
    found = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and len(cells) in (3, 4):
            for name in cells[-3].split(", "):
                found.setdefault(name, cells[-2])
    return found


def locked() -> dict[str, str]:
    """Version of each package in constraints.txt; the last one where they differ by platform."""
    lines = (DOCS.parent / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return dict(re.findall(r"^([A-Za-z0-9_.-]+)==([^\s;]+)", "\n".join(lines), flags=re.MULTILINE))


def soup_page() -> str:
    """The sheet of the libraries as Markdown."""
    text, told, uses, versions = SOUP, sheet(), purposes(), locked()
    for extra, packages in dependencies().items():
        text += f"\n## {'Default install' if not extra else f'Extra `{extra}`'}\n\n"
        text += "| library | versions | licence | purpose | if it fails | what would show it |\n"
        text += "| --- | --- | --- | --- | --- | --- |\n"
        for name, lowest in packages:
            licence, address = _declared(name)
            label = f"[{name}]({address})" if address else name
            tested = versions.get(name.lower(), "not in the lock")
            text += (
                f"| {label} | from {lowest}; {tested} | {licence} | {uses[name]} "
                f"| {told[name]['fails']} | {told[name]['found']} |\n"
            )
    return text


def _declared(name: str) -> tuple[str, str]:
    """Licence and address of an installed package."""
    try:
        found = metadata(name)
    except PackageNotFoundError:
        return "not installed where this page was built", ""
    licence = found.get("License-Expression") or ""
    if not licence:
        classifiers = found.get_all("Classifier") or []
        names = [one.rsplit(" :: ", 1)[1] for one in classifiers if one.startswith("License :: ")]
        first = (found.get("License") or "").strip().splitlines()
        licence = ", ".join(names) or (first[0][:60] if first else "not declared")
    return licence.replace("|", "/"), _address(found)


def _address(found: Any) -> str:
    """Address of the tracker of known anomalies, else of the source or the home page."""
    urls = {}
    for line in found.get_all("Project-URL") or []:
        label, _, address = line.partition(",")
        urls[label.strip().lower()] = address.strip()
    wanted = ("issues", "issue tracker", "bug tracker", "tracker", "bug reports", "source")
    wanted += ("source code", "repository", "homepage", "github")
    return next((urls[name] for name in wanted if name in urls), found.get("Home-page") or "")


def _write(app: Sphinx, config: Config) -> None:
    pages = {"known-anomalies.md": anomalies_page(), "soup.md": soup_page()}
    for name, text in pages.items():
        path = Path(app.srcdir) / "quality" / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> ExtensionMetadata:
    app.connect("config-inited", _write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
