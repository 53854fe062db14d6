"""HTML page of the demo, in one self-contained file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mammorisk._utils.atomic_write import atomic_write
from mammorisk._utils.page import Section, drawn, html_page, picture
from mammorisk._utils.style import BLUE, NOTICE, ORANGE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mammorisk.simulation.study import Study


def write_page(
    file: Path, study: Study, five_year: pd.DataFrame, table: pd.DataFrame, pictures: Path
) -> Path:
    """Write the page of the demo.

    Parameters
    ----------
    file : Path
        The page to write.
    study : Study
    five_year : DataFrame, shape (n_women, n_models)
        Risks over five years.
    table : DataFrame
        AUC by model.
    pictures : Path
        Folder with ``exam.png``, ``risk.png`` and ``explanation.png``.

    Returns
    -------
    Path
        ``file``.

    Raises
    ------
    OSError
        The page cannot be written.
    """
    cancers = int((study.women["event"] == 1).sum())
    lead = (
        f"<p>{len(study.women):,} simulated women ({cancers:,} with cancer in follow-up), sampled "
        f"from {study.options.n:,}, each with a four-view exam. Sampling weights represent the "
        "whole population.</p>"
    )
    scores = [
        "<div class='wide'>" + table.round(3).to_html(na_rep="", border=0) + "</div>",
        "<p>The intervals are 95% confidence intervals. The right column is the AUC of the true "
        "risk given the same inputs; a model can exceed it only by chance. "
        "<a href='report.html'>report.html</a> shows calibration, net benefit and more.</p>",
        drawn(
            _truth_figure(study, five_year),
            "Predicted and true risk, and calibration",
            dpi=100,
        ),
    ]
    woman = [
        picture((pictures / name).read_bytes(), alt)
        for name, alt in (
            ("exam.png", "Four views with breast outline and dense tissue"),
            ("risk.png", "Cumulative risk by year and model"),
            ("explanation.png", "Saliency and contributions"),
        )
    ]
    page = html_page(
        "mammorisk demo",
        [
            Section(key="auc", title="Discrimination of cancer within five years", parts=scores),
            Section(key="woman", title="One woman", parts=woman),
        ],
        lead=lead,
        notice=f"SIMULATED data. {NOTICE}",
        links=False,
    )
    atomic_write(file, lambda path: path.write_text(page, encoding="utf-8"))
    return file


def _truth_figure(study: Study, five_year: pd.DataFrame) -> Figure:
    import matplotlib.pyplot as plt

    true = study.truth["risk_5y"].to_numpy()
    weight = study.cohort.exams["weight"].to_numpy()
    fig, axes = plt.subplots(1, 2, figsize=(10, 4.4), layout="constrained")
    for name, colour in (("density-only", ORANGE), ("hybrid", BLUE)):
        risk = five_year[name].to_numpy(dtype=float)
        known = np.isfinite(risk)
        kept = np.corrcoef(np.log(risk[known]), np.log(true[known]))[0, 1]
        axes[0].scatter(
            100 * true[known],
            100 * risk[known],
            s=6,
            alpha=0.5,
            color=colour,
            label=f"{name} (correlation of logs {kept:.2f})",
        )
        groups = pd.qcut(risk[known], 5, labels=False)
        mean = [
            np.average(v[known][groups == g], weights=weight[known][groups == g])
            for v in (risk, true)
            for g in range(5)
        ]
        axes[1].plot(
            100 * np.array(mean[:5]), 100 * np.array(mean[5:]), "o-", color=colour, label=name
        )
    for ax, title in zip(axes, ("Each woman", "Fifths of predicted risk"), strict=True):
        low, high = ax.get_xlim()[0], max(ax.get_xlim()[1], ax.get_ylim()[1])
        ax.plot([low, high], [low, high], "--", color="0.5", lw=1)
        ax.set_title(title)
        ax.legend(fontsize=8)
    axes[0].set(xscale="log", yscale="log", xlabel="true five-year risk (%)")
    axes[0].set_ylabel("predicted five-year risk (%)")
    axes[1].set(xlabel="mean predicted five-year risk (%)", ylabel="mean true five-year risk (%)")
    return fig
