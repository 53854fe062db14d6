"""Every notebook runs from top to bottom, and shows what the code gives today."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.ipynb"))


def test_there_are_examples() -> None:
    assert EXAMPLES


def printed(notebook: nbformat.NotebookNode) -> list[list[str]]:
    """What each code cell prints or returns as text; pictures and addresses left out."""
    return [
        [
            re.sub(r"0x[0-9a-f]+|<Figure [^>]*>", "", text)
            for output in cell.outputs
            if (text := output.get("data", {}).get("text/plain") or output.get("text"))
            and output.get("name") != "stderr"
        ]
        for cell in notebook.cells
        if cell.cell_type == "code" and "timing" not in cell.metadata.get("tags", [])
    ]


@pytest.mark.slow
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_notebook_runs(path: Path, tmp_path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        # Sizes for the test, beside the sizes a reader sees.
        if "small" in cell.metadata:
            cell.source = cell.metadata["small"]
    NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    ).execute()
    if not any("small" in cell.metadata for cell in notebook.cells):
        shown = nbformat.read(path, as_version=4)
        assert printed(notebook) == printed(shown), "run the notebook again: its outputs are old"
    last = [cell for cell in notebook.cells if cell.cell_type == "code"][-1]
    assert last.outputs, "an example ends in a table or a picture"
