"""The exam that a service comes with. It is always the same, and so must be its risk."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

#: Folder of four small simulated views, compressed, so that a decoder is needed too, and answers.
#: ``benchmarks/make_own_exam.py`` made the views.
_FOLDER = "exam_of_the_service"


def own_images() -> list[Path]:
    """Return the images of the exam. The answers of the woman lie beside them."""
    return sorted(Path(str(files("mammorisk.service") / _FOLDER)).glob("*.dcm"))
