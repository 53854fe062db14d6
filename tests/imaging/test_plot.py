"""The hanging: right breast on the viewer's left, chest walls meeting in the middle."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np

import mammorisk as mr
from tests.factories import write_exam

matplotlib.use("Agg")


def test_hanging(tmp_path: Path) -> None:
    write_exam(tmp_path, AnodeTargetMaterial="${$")
    (tmp_path / "LMLO.dcm").unlink()
    figure = mr.plot_exam(mr.read_exam(tmp_path, allow_missing_views=True))
    axes = figure.axes
    assert [ax.get_xlabel().split(",")[0] for ax in axes[:3]] == ["R-CC", "L-CC", "R-MLO"]
    assert "58 mm, 110 N, 29 kV" in axes[0].get_xlabel()
    assert "missing" in axes[3].texts[0].get_text()
    for ax, wall in ((axes[0], "right"), (axes[1], "left"), (axes[2], "right")):
        shown = np.asarray(ax.images[0].get_array())[..., 2]
        columns = shown.mean(axis=0)
        quarter = len(columns) // 4
        brighter = "left" if columns[:quarter].mean() > columns[-quarter:].mean() else "right"
        assert brighter == wall
    plain = mr.plot_exam(mr.read_exam(tmp_path, allow_missing_views=True), overlay=False)
    assert not plain.axes[0].collections
    assert "${$" in plain.axes[0].get_xlabel()
    # The text of a header is drawn as it is.
    plain.canvas.draw()
