"""Rendering of one exam: pictures with their lesions, for files and for arrays."""

from __future__ import annotations

from dataclasses import dataclass
from operator import index

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mammorisk.errors import SimulationError
from mammorisk.simulation.exam_plan import VIEWS, ExamPlan, plan_exam
from mammorisk.simulation.exam_scene import ExamScene, scene_of, view_frame
from mammorisk.simulation.lesion_table import lesion_records, lesion_table, nipple_place
from mammorisk.simulation.options import StudyOptions
from mammorisk.simulation.rendering import Picture, render

#: Range of pixel spacings, as that of a study.
_FINEST_MM, _COARSEST_MM = 0.05, 2.0


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
    nipple_px : (float, float)
        Row and column of the nipple in ``pixels``; outside of many parts.

    See Also
    --------
    RenderedExam : The views of an exam.
    """

    laterality: str
    view: str
    pixels: NDArray[np.uint16]
    bits: int
    spacing_mm: float
    nipple_px: tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class RenderedExam:
    """Views and lesions of one exam.

    Attributes
    ----------
    exam_id, patient_id, vendor : str
    views : tuple of RenderedView
    lesions : DataFrame
        Rows of :attr:`mammorisk.Study.lesions` for these views, in pixels of ``views``.

    See Also
    --------
    mammorisk.simulate : Writes such exams as DICOM files.
    """

    exam_id: str
    patient_id: str
    vendor: str
    views: tuple[RenderedView, ...]
    lesions: pd.DataFrame


class ExamRenderer:
    """One exam of a study, whose views are rendered on demand, whole or in part.

    Parameters
    ----------
    options : StudyOptions
        Options of the study, for example ``study.options``. Lesions are drawn if its option
        ``lesions`` asks for them.
    woman : int
        Number of the woman, 0 to ``options.n - 1``: the column ``woman`` of the truth.
    prior : bool
        Whether to render the exam of two years before.

    Attributes
    ----------
    exam_id, patient_id, vendor : str

    Raises
    ------
    SimulationError
        The study has no such woman.

    See Also
    --------
    render_exam : All views at once.

    Examples
    --------
    >>> from mammorisk.simulation import ExamRenderer, StudyOptions
    >>> exam = ExamRenderer(StudyOptions(n=10, seed=3, lesions={"mass": 1.0}), 2)
    >>> exam.view("L", "CC", pixel_mm=1.0, part=(slice(90, 130), slice(0, 60))).pixels.shape
    (40, 60)
    """

    def __init__(self, options: StudyOptions, woman: int, *, prior: bool = False) -> None:
        if not 0 <= woman < options.n:
            raise SimulationError(
                f"the study has no woman {woman}",
                where="woman",
                remedy=f"Give a number from 0 to {options.n - 1}.",
            )
        self._plan = plan_exam(options, woman, prior=prior)
        self._scene = scene_of(self._plan, options.exponent)
        self.exam_id = self._plan.header.exam_id
        self.patient_id = self._plan.header.patient_id
        self.vendor = self._plan.vendor.name

    def view(
        self,
        laterality: str,
        view: str,
        *,
        pixel_mm: float | None = None,
        part: tuple[slice, slice] | None = None,
    ) -> RenderedView:
        """Render one view.

        Parameters
        ----------
        laterality : {"L", "R"}
        view : {"CC", "MLO"}
        pixel_mm : float, optional
            Pixel spacing, 0.05-2 mm. None is the spacing of the study, or of the vendor. At that
            spacing the pixels are those of the file.
        part : (slice, slice), optional
            Rows and columns of the file to render, which may reach beyond it: a negative row lies
            above it. An open end is that of the file. A part has another draw of the noise than the
            whole, and no label.

        Returns
        -------
        RenderedView

        Raises
        ------
        SimulationError
            There is no such view, the spacing is out of range, or the part is empty.
        """
        if (laterality, view) not in VIEWS:
            raise SimulationError(
                "an exam has no such view",
                where="view",
                remedy="Give 'L' or 'R', and 'CC' or 'MLO'.",
            )
        number = VIEWS.index((laterality, view))
        spacing = self._spacing(pixel_mm)
        frame = view_frame(self._plan, self._plan.views[number], spacing)
        wanted = part = None if part is None else _bounds(part, frame.shape)
        if part is not None and laterality == "R":
            columns = frame.shape[1]
            part = (part[0], slice(columns - part[1].stop, columns - part[1].start))
        picture = picture_of(self._plan, self._scene, number, pixel_mm=spacing, part=part)
        pixels = picture.pixels[:, ::-1] if laterality == "R" else picture.pixels
        row, column = nipple_place(frame, laterality)
        if wanted is not None:
            row, column = row - wanted[0].start, column - wanted[1].start
        return RenderedView(
            laterality=laterality,
            view=view,
            pixels=np.ascontiguousarray(pixels),
            bits=self._plan.vendor.bits,
            spacing_mm=spacing,
            nipple_px=(row, column),
        )

    def lesions(self, pixel_mm: float | None = None) -> pd.DataFrame:
        """Return the lesions of the exam, as :attr:`mammorisk.Study.lesions`.

        Parameters
        ----------
        pixel_mm : float, optional
            Spacing of the pictures in which places are given; as in :meth:`view`.

        Returns
        -------
        DataFrame
        """
        rows = lesion_records(self._plan, self._scene, pixel_mm=self._spacing(pixel_mm))
        return lesion_table([rows])

    def _spacing(self, pixel_mm: float | None) -> float:
        if pixel_mm is None:
            return self._plan.pixel_mm
        if not _FINEST_MM <= pixel_mm <= _COARSEST_MM:
            raise SimulationError(
                "pixel_mm is out of range",
                where="pixel_mm",
                remedy=f"Give {_FINEST_MM} to {_COARSEST_MM} mm.",
            )
        return pixel_mm


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

    Raises
    ------
    SimulationError
        The study has no such woman, there is no such side, or the spacing is out of range.

    See Also
    --------
    ExamRenderer : Renders single views, or parts of them.
    mammorisk.simulate : Writes exams to files.

    Examples
    --------
    >>> from mammorisk.simulation import StudyOptions, render_exam
    >>> options = StudyOptions(n=10, seed=3, lesions={"mass": 1.0})
    >>> exam = render_exam(options, 2, pixel_mm=1.0)
    >>> [f"{view.laterality}-{view.view}" for view in exam.views]
    ['R-CC', 'L-CC', 'R-MLO', 'L-MLO']
    """
    if laterality not in (None, "L", "R"):
        raise SimulationError(
            "an exam has no such side", where="laterality", remedy="Give 'L', 'R' or None."
        )
    exam = ExamRenderer(options, woman, prior=prior)
    rows = exam.lesions(pixel_mm)
    if laterality is not None:
        rows = rows[rows["laterality"] == laterality].reset_index(drop=True)
    return RenderedExam(
        exam_id=exam.exam_id,
        patient_id=exam.patient_id,
        vendor=exam.vendor,
        views=tuple(
            exam.view(side, view, pixel_mm=pixel_mm)
            for side, view in VIEWS
            if laterality in (None, side)
        ),
        lesions=rows,
    )


def _bounds(part: tuple[slice, slice], shape: tuple[int, int]) -> tuple[slice, slice]:
    """Complete the ends of a part of a picture.

    Raises
    ------
    SimulationError
        The part is not two slices, or is empty.
    """
    try:
        found = tuple(
            slice(
                0 if one.start is None else index(one.start),
                size if one.stop is None else index(one.stop),
            )
            for one, size in zip(part, shape, strict=True)
            if one.step in (None, 1)
        )
    except (TypeError, ValueError, AttributeError):
        found = ()
    if len(found) != 2 or any(one.stop <= one.start for one in found):
        raise SimulationError(
            "the part is not a slice of rows and one of columns, or is empty",
            where="part",
            remedy="Give (slice(row, row), slice(column, column)) in pixels, without a step.",
        )
    return found[0], found[1]


def picture_of(
    plan: ExamPlan,
    scene: ExamScene,
    number: int,
    *,
    pixel_mm: float,
    raw: bool = False,
    part: tuple[slice, slice] | None = None,
) -> Picture:
    """Render one view of a planned exam, or a part of it, with the chest wall at the left."""
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
        part=part,
    )
