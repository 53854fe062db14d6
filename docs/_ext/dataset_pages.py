"""Writes reference/datasets/: a table of all public cohorts, and a page for each from its card."""

from __future__ import annotations

import inspect
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util.typing import ExtensionMetadata

import mammorisk as mr
from mammorisk.datasets.card import DatasetCard
from mammorisk.datasets.layout import layout_names

OPENING = """# Public cohorts

`mr.datasets.list()` gives this table. Each cohort has a page.
[Read a public cohort](../../how-to/public-cohorts.md)
shows how to use them. Nothing is downloaded by the library, and the terms are those of the owner.

| name | women | images | outcome | density | acquisition | licence |
|---|---|---|---|---|---|---|
"""
VERIFIED = {
    "release": "seen in the tables or programs of the release",
    "owner": "stated by the owner",
    "third party": "found in public code of other users",
    "not verified": "**not verified**",
}


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def index() -> str:
    """The table as Markdown."""
    rows = []
    for name in layout_names():
        card = getattr(mr.datasets, name).card
        cells = [f"[`{name}`]({name}.md)", _number(card.women), _number(card.images), card.outcome]
        cells += [card.density, card.acquisition, card.licence]
        rows.append("| " + " | ".join(_cell(one) for one in cells) + " |")
    tree = "\n".join(["```{toctree}", ":hidden:", "", *layout_names(), "```"])
    return OPENING + "\n".join(rows) + "\n\n" + tree + "\n"


def _options(name: str) -> str:
    """The documented options of ``cohort``, as a list."""
    doc = inspect.getdoc(type(getattr(mr.datasets, name)).cohort) or ""
    part = doc.split("Parameters\n----------\n", 1)[-1].split("\nReturns\n", 1)[0]
    items: list[str] = []
    for line in part.splitlines():
        if line and not line.startswith(" "):
            parameter, _, kind = line.partition(" : ")
            items.append(f"- `{parameter}` ({kind}):")
        elif line.strip() and items:
            items[-1] += " " + line.strip().replace("``", "`").replace(":func:`", "`")
    return "\n".join(items)


def page(card: DatasetCard) -> str:
    """The page of a cohort as Markdown."""
    facts = [f"- {fact.says}: {VERIFIED[fact.verified]}" for fact in card.facts]
    doi = f" [doi:{card.doi}](https://doi.org/{card.doi})" if card.doi else ""
    rows = [
        ("version", card.version),
        ("source", f"<{card.source}>"),
        ("licence", card.licence),
        ("terms", card.terms),
        ("how to get it", card.download),
        ("women, exams, images", ", ".join(map(_number, (card.women, card.exams, card.images)))),
        ("outcome", f"{card.outcome}: {card.follow_up}"),
        ("density", card.density),
        ("acquisition", card.acquisition),
        ("images", card.images_are),
        ("splits", card.splits),
        ("layout", card.layout),
    ]
    table = "\n".join(f"| {name} | {_cell(text)} |" for name, text in rows)
    assumed = [f"- {text}" for text in card.assumptions] or ["- nothing"]
    return "\n".join(
        [
            f"# {card.title}",
            "",
            "```python",
            "import mammorisk as mr",
            "",
            f'check = mr.datasets.{card.name}.check("folder")',
            f'cohort = mr.datasets.{card.name}("folder")',
            "```",
            "",
            "| | |",
            "|---|---|",
            table,
            "",
            f"Cite: {card.citation}{doi}",
            "",
            "## Options",
            "",
            _options(card.name),
            "",
            "## What the adapter relies on",
            "",
            *facts,
            "",
            "## What it assumes",
            "",
            *assumed,
            "",
        ]
    )


def _write(app: Sphinx, config: Config) -> None:
    folder = Path(app.srcdir) / "reference" / "datasets"
    folder.mkdir(exist_ok=True)
    pages = {"index": index()}
    pages |= {name: page(getattr(mr.datasets, name).card) for name in layout_names()}
    for stale in folder.glob("*.md"):
        if stale.stem not in pages:
            stale.unlink()
    for name, text in pages.items():
        path = folder / f"{name}.md"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> ExtensionMetadata:
    app.connect("config-inited", _write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
