"""The views of a simulated exam in memory, as records, with their lesions and without files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mammorisk.records.acquisition import Acquisition
from mammorisk.records.exam import Intent, Laterality, Orientation, View
from mammorisk.records.stored_image import Greyscale, RawImage
from mammorisk.simulation import RenderedView, StudyOptions, render_exam

_ORIENTATION = {
    ("L", "CC"): ("A", "R"),
    ("L", "MLO"): ("A", "FR"),
    ("R", "CC"): ("P", "L"),
    ("R", "MLO"): ("P", "FL"),
}


@dataclass(frozen=True)
class Rendered:
    """A view in memory, and the lesions in it."""

    view: View
    lesions: pd.DataFrame
    vendor: str


def render_views(options: StudyOptions, woman: int, pixel_mm: float) -> Iterator[Rendered]:
    """Render the four views of an exam, as they would be in its files."""
    exam = render_exam(options, woman, pixel_mm=pixel_mm)
    for one in exam.views:
        mine = (exam.lesions["laterality"] == one.laterality) & (exam.lesions["view"] == one.view)
        yield Rendered(_view(one, exam.vendor), exam.lesions[mine], exam.vendor)


def _view(one: RenderedView, vendor: str) -> View:
    pixels = np.ascontiguousarray(one.pixels)
    rows, columns = _ORIENTATION[one.laterality, one.view]
    return View(
        laterality=Laterality(one.laterality),
        position=one.view,
        load=lambda: RawImage(pixels=pixels, greyscale=Greyscale(bits_stored=one.bits)),
        source="simulated",
        rows=pixels.shape[0],
        columns=pixels.shape[1],
        intent=Intent.PRESENTATION,
        pixel_mm=one.spacing_mm,
        orientation=Orientation(rows=rows, columns=columns),
        acquisition=Acquisition(manufacturer=vendor),
    )
