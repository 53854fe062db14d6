"""Every notebook runs from top to bottom, and shows what the code gives today."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.ipynb"))


#: What a notebook must have found in the sizes of the test, where its outputs are not compared.
CHECKS = {
    "05_fine_tune": """
def weights(name):
    return {k: v for k, v in models[name].encoder.state_dict().items() if v.is_floating_point()}

def equal(name):
    return all((v == weights("bundled")[k]).all() for k, v in weights(name).items())

assert table[["AUC", "expected / observed"]].notna().all(axis=None)
assert equal("head trained") and not equal("all trained")
# Images of a new system are outside the domain of the bundled model only.
assert table.loc[["bundled", "recalibrated"], "images used (%)"].eq(0).all()
assert table.loc[["head trained", "all trained"], "images used (%)"].gt(50).all()
assert table["AUC"].nunique() >= 5
""",
    "06_evaluate": """
ratios = report.calibration.query("horizon == 5 and measure == 'E/O'").set_index("model")
assert ratios.loc["true risk", "lower"] < 1 < ratios.loc["true risk", "upper"]
assert report.heterogeneity["n"].gt(0).any() and report.table_one.notna().any(axis=None)
assert set(report.table_two.columns) and len(report.recalibration)
assert all(__import__("os").path.exists(f"report.{kind}") for kind in ("html", "xlsx", "docx"))
""",
    "07_stratify": """
high = risks["risk_5y"] >= 0.03
assert high.any() and (own["label"] == own["label"][high.idxmax()]).tolist() == high.tolist()
assert set(comparison.summary["policy"]) > {"nccn-classic", "mypebs", "bcsc-interval-2015"}
assert len(strata) == len(cohort) == 3_000
""",
    "08_mirai": """
def same(one, other):
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all((a == b).all() for a, b in pairs)

assert same(tuned.encoder, mirai.encoder) and not same(tuned.transformer, mirai.transformer)
assert len({round(p.five_year, 9) for p in predictions.values()}) == 3
assert table.notna().all(axis=None) and len(table) == len(test)
assert table.nunique().gt(len(test) / 2).all()
""",
    "09_archive": """
lost = cohort.exams["exam_id"].iloc[[3, 7]].tolist()
assert risks.loc[risks["risk_5y"].isna(), "exam_id"].tolist() == lost
assert [name for name, _ in written.failures] == lost
assert list(risks["exam_id"]) == list(cohort.exams["exam_id"])
assert (abs(difference) < 1e-6).all() and largest < 1e-6
assert process.returncode == -9
""",
    "12_embeddings": """
assert X.shape[0] == len(cohort) == 40 and known.sum() > 30
assert found[0][0] == 0 and distance[0][0] < 1e-6 and (distance[0][1:] > 1e-3).all()
assert set(score.shape) == {known.sum(), 2} and dense[known].any()
""",
    "13_findings": """
assert pairs["pair_id"].value_counts().eq(2).all() and len(pairs)
# Of six lesions in two views, some are found and some are missed.
assert 0 < np.isfinite(one_matched.lesions["score"]).sum() < len(one_matched.lesions)
assert 1 <= scored.exam_score <= 10
assert tuned.card.simulated and tuned.card.name == "findings-sim-tuned"
assert len(after) and set(after["score"]) != set(candidates["score"])
""",
}


def test_there_are_examples() -> None:
    assert CHECKS.keys() <= {path.stem for path in EXAMPLES}


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
    if check := CHECKS.get(path.stem):
        notebook.cells.append(nbformat.v4.new_code_cell(check))
    NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    ).execute()
    if not any("small" in cell.metadata for cell in notebook.cells):
        shown = nbformat.read(path, as_version=4)
        assert printed(notebook) == printed(shown), "run the notebook again: its outputs are old"
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    last = cells[-2 if path.stem in CHECKS else -1]
    assert last.outputs, "an example ends in a table or a picture"
