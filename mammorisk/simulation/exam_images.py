"""Rendering of one exam: pictures with their lesions, for files and for arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mammorisk.simulation.exam_plan import ExamPlan, plan_exam
from mammorisk.simulation.exam_scene import ExamScene, scene_of
from mammorisk.simulation.lesion_table import lesion_rows
from mammorisk.simulation.options import StudyOptions
from mammorisk.simulation.rendering import Picture, render


@dataclass(frozen=True, kw_only=True)
class RenderedView:
    """Pixels of one view.

    Attributes
    ----------
    laterality : {"L", "R"}
    view : {"CC", "MLO"}
    pixels : ndarray of uint16, shape (rows, columns)
        As in the file, with the chest wall of a right breast at the right, but never inverted:
        bright is dense, and 0 is outside the breast.
    bits : int
        Bits of a pixel; the highest value is ``2**bits - 1``.
    spacing_mm : float
    """

    laterality: str
    view: str
    pixels: NDArray[np.uint16]
    bits: int
    spacing_mm: float


@dataclass(frozen=True, kw_only=True)
class RenderedExam:
    """Views and lesions of one exam.

    Attributes
    ----------
    exam_id, patient_id, vendor : str
    views : tuple of RenderedView
    lesions : DataFrame
        Rows of :attr:`mammorisk.Study.lesions` for these views, in pixels of ``views``.
    """

    exam_id: str
    patient_id: str
    vendor: str
    views: tuple[RenderedView, ...]
    lesions: pd.DataFrame


def render_exam(
    options: StudyOptions,
    woman: int,
    *,
    prior: bool = False,
    pixel_mm: float | None = None,
    laterality: str | None = None,
) -> RenderedExam:
    """Render one exam of a study as arrays, without files.

    Parameters
    ----------
    options : StudyOptions
        Options of the study, for example ``study.options``. Lesions are drawn if its option
        ``lesions`` asks for them.
    woman : int
        Number of the woman, 0 to ``options.n - 1``: the column ``woman`` of the truth.
    prior : bool
        Whether to render the exam of two years before.
    pixel_mm : float, optional
        Pixel spacing, 0.05-2 mm. None is the spacing of the study, or of the vendor. At that
        spacing the pixels are those of the file.
    laterality : {"L", "R"}, optional
        Render this side only, in half the time.

    Returns
    -------
    RenderedExam

    See Also
    --------
    mammorisk.simulate : Writes exams to files.

    Examples
    --------
    >>> from mammorisk.simulation import StudyOptions, render_exam
    >>> options = StudyOptions(n=10, seed=3, lesions={"mass": 1.0})
    >>> exam = render_exam(options, 2, pixel_mm=1.0)
    >>> [f"{view.laterality}-{view.view}" for view in exam.views]
    ['R-CC', 'L-CC', 'R-MLO', 'L-MLO']
    """
    plan = plan_exam(options, woman, prior=prior)
    scene = scene_of(plan, options.exponent)
    spacing = plan.pixel_mm if pixel_mm is None else pixel_mm
    views = []
    for number, one in enumerate(plan.views):
        if laterality is not None and one.side != laterality:
            continue
        pixels = picture_of(plan, scene, number, pixel_mm=spacing).pixels
        if one.side == "R":
            pixels = pixels[:, ::-1]
        views.append(
            RenderedView(
                laterality=one.side,
                view=one.view,
                pixels=np.ascontiguousarray(pixels),
                bits=plan.vendor.bits,
                spacing_mm=spacing,
            )
        )
    rows = lesion_rows(plan, scene, pixel_mm=spacing)
    if laterality is not None:
        rows = rows[rows["laterality"] == laterality].reset_index(drop=True)
    return RenderedExam(
        exam_id=plan.header.exam_id,
        patient_id=plan.header.patient_id,
        vendor=plan.vendor.name,
        views=tuple(views),
        lesions=rows,
    )


def lesion_table(options: StudyOptions, exams: Sequence[tuple[int, bool]]) -> pd.DataFrame:
    """Return the lesions in the files of exams.

    Parameters
    ----------
    options : StudyOptions
    exams : sequence of (int, bool)
        Number of the woman, and whether it is her prior exam.
    """
    parts = []
    for woman, prior in exams:
        plan = plan_exam(options, woman, prior=prior)
        if plan.lesions:
            scene = scene_of(plan, options.exponent)
            parts.append(lesion_rows(plan, scene, pixel_mm=plan.pixel_mm))
    plan = plan_exam(options, 0)
    empty = lesion_rows(plan, ExamScene(breasts={}, views=(), drawn=()), pixel_mm=1.0)
    return pd.concat(parts, ignore_index=True) if parts else empty


def picture_of(
    plan: ExamPlan, scene: ExamScene, number: int, *, pixel_mm: float, raw: bool = False
) -> Picture:
    """Render one view of a planned exam, with the chest wall at the left."""
    one = plan.views[number]
    return render(
        scene.breasts[one.side],
        one.view,
        one.outline,
        one.exposure,
        plan.vendor,
        plan.texture,
        pixel_mm=pixel_mm,
        rng=np.random.default_rng([*plan.noise_seed, number]),
        strength=plan.processing_strength,
        scene=scene.views[number],
        raw=raw,
    )
