"""The simulated exam behind the code of the start page."""

from __future__ import annotations

import shutil
from pathlib import Path

import mammorisk as mr


def make_exam(folder: Path = Path("exams/0001")) -> None:
    """Simulate an exam of four views into ``folder``, unless it is there.

    Parameters
    ----------
    folder : Path
        Relative to the working directory.
    """
    if folder.exists():
        return
    study = mr.simulate(
        1, seed=7, out="study", images=1, pixel_mm=0.2, prior_share=0, age_range=(54, 55)
    )
    shutil.copytree(Path("study") / study.cohort.exams["path"].iloc[0], folder)
