"""The scene of each view of an exam: heights of lesions from the tissue around them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mammorisk.simulation.anatomy import Breast, draw_breasts
from mammorisk.simulation.calcifications import specks
from mammorisk.simulation.exam_plan import ExamPlan, ViewPlan
from mammorisk.simulation.exposure import attenuation
from mammorisk.simulation.lesions import Lesion
from mammorisk.simulation.rendering import frame_of, tissue_paths
from mammorisk.simulation.scene import BLUR_MM, ViewScene
from mammorisk.simulation.scene_structures import draw_lesion, ducts_at, mineral
from mammorisk.simulation.summations import draw_summations
from mammorisk.simulation.view_frame import ViewFrame

Single = NDArray[np.float32]

#: Pixel spacing at which contrasts are set, the same for files of any spacing, mm.
CONTRAST_PIXEL_MM = 0.8
#: Pixel spacing of the contrast of specks, mm.
SPECK_PIXEL_MM = 0.1
#: Limits of the SD of the tissue around a lesion, as a share of the path through parenchyma.
_SD_RANGE = (0.03, 0.25)
#: Limits of the height of a lesion in these shares.
_HEIGHT_RANGE = (0.03, 0.75)


@dataclass(frozen=True, kw_only=True)
class DrawnLesion:
    """A lesion in one view.

    Attributes
    ----------
    lesion : Lesion
    number : int
        Position of the view in the plan.
    height : float
        As a share of the path through parenchyma.
    contrast : float
        Mean difference to the ring around it in SD of the ring, in the picture without noise at
        :data:`CONTRAST_PIXEL_MM`. For calcifications, the median of the peaks of the specks in SD
        of the quantum noise of pixels of 0.1 mm.
    """

    lesion: Lesion
    number: int
    height: float
    contrast: float


@dataclass(frozen=True, kw_only=True)
class ExamScene:
    """Breasts and scenes of an exam.

    Attributes
    ----------
    breasts : dict of str to Breast
    views : tuple of (ViewScene or None)
        One for each view of the plan; None for plain exams.
    drawn : tuple of DrawnLesion
    """

    breasts: dict[str, Breast]
    views: tuple[ViewScene | None, ...]
    drawn: tuple[DrawnLesion, ...]


def scene_of(plan: ExamPlan, exponent: float) -> ExamScene:
    """Return breasts and scenes of a planned exam.

    Parameters
    ----------
    plan : ExamPlan
    exponent : float
        Exponent of the power spectrum of the parenchymal pattern.
    """
    breasts = draw_breasts(
        plan.anatomy_seed,
        area_percent=plan.area_percent,
        volumetric_percent=plan.volumetric_percent,
        exponent=exponent,
    )
    if not plan.detail:
        return ExamScene(breasts=breasts, views=(None,) * len(plan.views), drawn=())
    scenes, drawn = [], []
    for number, one in enumerate(plan.views):
        empty = ViewScene(
            detail=plan.detail[one.side],
            lesions=(),
            summations=(),
            seed=[*plan.noise_seed, 10 + number],
        )
        here = [
            lesion
            for lesion in plan.lesions
            if lesion.side == one.side and one.view in lesion.views
        ]
        overlaps = draw_summations(empty.seed, one.side, one.view)
        made = _set_contrast(plan, breasts[one.side], one, number, empty, [*here, *overlaps])
        heights = tuple((each.lesion, each.height) for each in made)
        drawn += made[: len(here)]
        scenes.append(
            ViewScene(
                detail=empty.detail,
                lesions=heights[: len(here)],
                summations=heights[len(here) :],
                seed=empty.seed,
            )
        )
    return ExamScene(breasts=breasts, views=tuple(scenes), drawn=tuple(drawn))


def view_frame(plan: ExamPlan, one: ViewPlan, pixel_mm: float) -> ViewFrame:
    """Return the frame of a view at a pixel spacing."""
    return frame_of(one.view, one.outline, plan.vendor, pixel_mm)


def _set_contrast(
    plan: ExamPlan,
    breast: Breast,
    one: ViewPlan,
    number: int,
    scene: ViewScene,
    lesions: list[Lesion],
) -> list[DrawnLesion]:
    if not lesions:
        return []
    frame = view_frame(plan, one, CONTRAST_PIXEL_MM)
    thickness = one.exposure.thickness_mm
    path, gland = tissue_paths(breast, frame, thickness, plan.texture, scene)
    full = breast.gland_share * thickness
    made = []
    for lesion in lesions:
        if lesion.type == "calcification":
            noise = _noise_mm(plan, one, frame, lesion, path, gland)
            contrast = mineral(full) * float(np.median(_peaks_mm(lesion, frame))) / noise
            made.append(DrawnLesion(lesion=lesion, number=number, height=1.0, contrast=contrast))
            continue
        inner, ring = _disc_and_ring(lesion, frame, path > 0)
        spread = float(gland[ring].std()) / full if ring.any() else _SD_RANGE[0]
        height = lesion.visibility * float(np.clip(spread, *_SD_RANGE))
        height = float(np.clip(height, *_HEIGHT_RANGE))
        after = gland.copy()
        draw_lesion(lesion, height, frame, after, full)
        contrast = np.nan
        if inner.any() and ring.any():
            contrast = float(
                (after[inner].mean() - after[ring].mean()) / max(float(after[ring].std()), 1e-6)
            )
        made.append(DrawnLesion(lesion=lesion, number=number, height=height, contrast=contrast))
    return made


def _peaks_mm(lesion: Lesion, frame: ViewFrame) -> Single:
    """Peak of each speck in pixels of 0.1 mm behind the detector, mm of fibroglandular tissue."""
    balls = specks(lesion, ducts_at(lesion.place))
    reach = int(np.abs(balls.centres_mm).max() / SPECK_PIXEL_MM) * 2 + 20
    local = ViewFrame(
        view=frame.view, outline=frame.outline, pixel_mm=SPECK_PIXEL_MM, shape=(2 * reach,) * 2
    )
    image = np.zeros(local.shape, dtype=np.float32)
    local.add_balls(image, balls, (reach, reach))
    blurred = cv2.GaussianBlur(image, (0, 0), BLUR_MM / SPECK_PIXEL_MM)
    highest = cv2.dilate(blurred, np.ones((3, 3)))
    places = np.round(local.offsets(balls.speck_centres()) + reach).astype(int)
    places = np.clip(places, 0, 2 * reach - 1)
    return np.asarray(highest[places[:, 0], places[:, 1]], dtype=np.float32)


def _noise_mm(
    plan: ExamPlan,
    one: ViewPlan,
    frame: ViewFrame,
    lesion: Lesion,
    path: Single,
    gland: Single,
) -> float:
    """SD of the quantum noise of a pixel of 0.1 mm at a place, mm of fibroglandular tissue."""
    row, column = (
        int(np.clip(v, 0, n - 1))
        for v, n in zip(frame.place(lesion.place), frame.shape, strict=True)
    )
    fat, dense = attenuation(one.exposure.energy_kev)
    lacking = float(path[row, column]) - one.exposure.thickness_mm
    signal = fat * lacking + (dense - fat) * float(gland[row, column])
    quanta = plan.vendor.detector_quanta_per_mm2 * SPECK_PIXEL_MM**2
    return float(np.exp(0.5 * signal) / np.sqrt(quanta) / (dense - fat))


def _disc_and_ring(
    lesion: Lesion, frame: ViewFrame, inside: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the disc of a lesion and the ring around it, from 1.2 to 2 radii."""
    row, column = frame.place(lesion.place)
    y, x = np.mgrid[: frame.shape[0], : frame.shape[1]]
    distance = np.hypot(y - row, x - column) * frame.pixel_mm / (lesion.size_mm / 2)
    return (distance < 0.9) & inside, (distance > 1.2) & (distance < 2.0) & inside
