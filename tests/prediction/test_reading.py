"""What header, pixels and model tell of the same view becomes one warning, the most specific."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import mammorisk as mr
from mammorisk.base import ImageModel
from mammorisk.prediction.reading import read_row
from mammorisk.records.exam import Exam, Intent
from tests.factories import simulated_exam


def told(exam: Exam) -> dict[str, str]:
    model = mr.load_model("hybrid")
    assert isinstance(model, ImageModel)
    found = read_row(0, lambda _: exam, None, model, pixels=True)
    assert found.error is None
    assert len({one.code for one in found.warnings}) == len(found.warnings)
    return {one.code: str(one) for one in found.warnings}


def test_each_fact_once_and_the_last_word_counts(tmp_path: Path) -> None:
    exam = mr.read_exam(simulated_exam(tmp_path, pixel_mm=1.0))
    views = {
        name: replace(view, intent=Intent.PROCESSING, implant=True, pixel_mm=None)
        for name, view in exam.views.items()
    }
    found = told(replace(exam, views=views))
    assert found["for-processing"] == (
        "all views: only an image for processing, not used by the network"
    )
    assert found["implant"] == "all views: breast implant"
    one = {**exam.views, "L-CC": replace(exam["L-CC"], intent=Intent.PROCESSING)}
    assert told(replace(exam, views=one))["for-processing"].startswith("L-CC: only an image")
    assert "for-processing" not in told(exam)
    copied = {**exam.views, "R-MLO": replace(exam["R-CC"], position="MLO")}
    assert told(replace(exam, views=copied))["view-doubtful"] == (
        "R-MLO: shows the same pixels as R-CC: one image under two names?"
    )
