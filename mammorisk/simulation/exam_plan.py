"""Plan of an exam before it is rendered: anatomy, positions and exposures."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from mammorisk.simulation.distractors import Detail, draw_detail
from mammorisk.simulation.exposure import Exposure, expose, habit_of
from mammorisk.simulation.follow_up import PRIOR_YEARS, visit
from mammorisk.simulation.lesions import Lesion, draw_lesions
from mammorisk.simulation.mammogram_file import Header
from mammorisk.simulation.options import StudyOptions
from mammorisk.simulation.outline import Outline, outline_of
from mammorisk.simulation.population import draw_population
from mammorisk.simulation.rendering import Texture, texture_of
from mammorisk.simulation.signals import CHANGE_PER_SCORE, draw_signals, fine_amplitude
from mammorisk.simulation.tables import exam_id, patient_id
from mammorisk.simulation.traits import densities_before
from mammorisk.simulation.vendors import VENDORS, Vendor

VIEWS = (("R", "CC"), ("L", "CC"), ("R", "MLO"), ("L", "MLO"))
#: Range of the density of a side, percent.
_AREA_RANGE, _VOLUME_RANGE = (1.0, 92.0), (0.5, 75.0)
#: SD of the logarithm of the strength of processing between exams (assumed).
_STRENGTH_SD = 0.12


@dataclass(frozen=True, kw_only=True)
class ViewPlan:
    """Plan of one view: the outline of the breast and the exposure."""

    side: str
    view: str
    outline: Outline
    exposure: Exposure


@dataclass(frozen=True, kw_only=True)
class ExamPlan:
    """Plan of one exam.

    Attributes
    ----------
    header : Header
    vendor : Vendor
    pixel_mm : float
    anatomy_seed : list of int
        Seed of the anatomy, the same for all exams of a woman.
    noise_seed : list of int
        Seed of the noise of this exam.
    area_percent, volumetric_percent : dict of str to float
        By side.
    texture : Texture
    processing_strength : float
        Relative gain of the contrast, which varies between exams independently of the acquisition.
    views : tuple of ViewPlan
    lesions : tuple of Lesion
    detail : dict of str to Detail
        By side; empty for plain exams without lesions and distractors.
    """

    header: Header
    vendor: Vendor
    pixel_mm: float
    anatomy_seed: list[int]
    noise_seed: list[int]
    area_percent: dict[str, float]
    volumetric_percent: dict[str, float]
    texture: Texture
    processing_strength: float
    views: tuple[ViewPlan, ...]
    lesions: tuple[Lesion, ...]
    detail: dict[str, Detail]


def plan_exam(options: StudyOptions, woman: int, *, prior: bool = False) -> ExamPlan:
    """Create the plan of an exam.

    Parameters
    ----------
    options : StudyOptions
    woman : int
        Number in the population.
    prior : bool
        Whether this is the exam two years before entry, with the same breasts at a younger age.

    Returns
    -------
    ExamPlan
    """
    drawn = draw_population(options.seed, 1, first=woman, age_range=options.age_range)
    row = drawn.iloc[0]
    visited = visit(options, woman, 1).iloc[0]
    vendor = VENDORS[visited["vendor"]]
    anatomy = _seed(options, "anatomy", woman)
    body = np.random.default_rng([*anatomy, 1])
    habit = habit_of(row, body)
    texture = texture_of(float(row["texture_score"]), int(body.integers(2**31)), options.exponent)
    signals = draw_signals(options, woman, 1).iloc[0]
    if "fine_score" in signals:
        texture = replace(texture, fine=fine_amplitude(float(signals["fine_score"])))
    area, volume = float(row["percent_density"]), float(row["volumetric_percent"])
    date, age = visited["exam_date"], float(row["age"])
    if prior:
        rise = CHANGE_PER_SCORE * float(signals.get("change_score", 0.0))
        area, volume = (float(v[0]) for v in densities_before(drawn, PRIOR_YEARS, rise))
        date, age = date - pd.Timedelta(days=round(365.25 * PRIOR_YEARS)), age - PRIOR_YEARS
    exam = _seed(options, "exam", woman)
    rng = np.random.default_rng([*exam, int(prior)])
    strength = float(np.exp(_STRENGTH_SD * rng.standard_normal()))
    views = []
    for side, view in VIEWS:
        exposure = expose(habit, vendor, view, gland_fraction=volume / 100, rng=rng)
        outline = outline_of(habit, side, view, exposure.thickness_mm, vendor, rng)
        views.append(ViewPlan(side=side, view=view, outline=outline, exposure=exposure))
    lesions: tuple[Lesion, ...] = ()
    detail: dict[str, Detail] = {}
    if options.lesions.detailed:
        lesions = draw_lesions(
            _seed(options, "lesions", woman), patient_id(woman), options.lesions, prior=prior
        )
        things = _seed(options, "distractors", woman)
        # Distractors are those of the age at entry in both exams.
        years, strength = float(row["age"]), texture.strength
        detail = {side: draw_detail(things, side, years, strength) for side in "LR"}
    ratio = float(row["log_ratio_left_right"])
    return ExamPlan(
        header=Header(
            patient_id=patient_id(woman),
            exam_id=exam_id(woman, prior=prior),
            study_seed=options.seed,
            exam_date=date.date(),
            age=age,
            site=str(visited["site"]),
        ),
        vendor=vendor,
        pixel_mm=options.pixel_mm if options.pixel_mm is not None else vendor.pixel_mm,
        anatomy_seed=anatomy,
        noise_seed=[*exam, 3 + int(prior)],
        area_percent=_sides(area, ratio, _AREA_RANGE),
        volumetric_percent=_sides(volume, ratio, _VOLUME_RANGE),
        texture=texture,
        processing_strength=strength,
        views=tuple(views),
        lesions=lesions,
        detail=detail,
    )


def _seed(options: StudyOptions, stream: str, woman: int) -> list[int]:
    return [options.seed, zlib.crc32(stream.encode()), woman]


def _sides(mean: float, log_ratio: float, limits: tuple[float, float]) -> dict[str, float]:
    return {
        side: float(np.clip(mean * np.exp(sign * log_ratio / 2), *limits))
        for side, sign in (("L", 1), ("R", -1))
    }
