"""Breast density of an exam, estimated from its images without calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import NormalDist

import numpy as np

from mammorisk._utils.parallel import map_parallel
from mammorisk.imaging.dense_tissue import (
    DenseTissue,
    TissueReading,
    mark_dense,
    percent_density,
    read_tissue,
)
from mammorisk.imaging.quality import check_view
from mammorisk.imaging.segmented_view import SegmentedView, segment_exam
from mammorisk.records.exam import Exam, ImageKind, Intent
from mammorisk.warnings import ResultWarning, Warnings, make_warning

#: Percent density by area at which the suggested BI-RADS category changes. An assumption: of the
#: limits of Boyd's categories of percent density (1995, doi:10.1093/jnci/87.9.670), 10, 25 and 50%
#: are nearest to the limits of readers. The middle one is lowered to 18%, from which readers call
#: films dense-glandular (docs/explanation/imaging.md). Use a local calibration where you have one.
CATEGORY_LIMITS_PERCENT = (10.0, 18.0, 50.0)

#: Standard deviation, on the logit scale, of the density that a reader sees around the measured
#: percent density. An assumption: with it the most likely category is right in about two of three
#: exams.
LOGIT_SPREAD = 0.6

#: Weight of the measurement of a view against the mean of all views. The breasts of a woman have
#: nearly the same density, and the error of one view is about as large as the difference between
#: views. An assumption.
OWN_WEIGHT = 0.5

#: Codes of quality findings with which density is not measured.
UNUSABLE = (
    "inverted",
    "saturated",
    "clipped",
    "no-background",
    "no-breast",
    "mask-implausible",
    "not-a-breast",
    "implant",
)


@dataclass(frozen=True, kw_only=True)
class DensityEstimate:
    """Breast density estimated from images, not calibrated on a cohort.

    Attributes
    ----------
    percent_density : float or None
        Dense share of the breast area in percent, mean of the views. None if no view could be
        measured.
    percent_density_by_view : dict of str to float
    volume_fraction_by_view : dict of str to float
        Dense share of the volume of the breast, 0-1.
    dense_area_cm2_by_view : dict of str to float
        Only of views with a known pixel spacing.
    dense_volume_cm3_by_view : dict of str to float
        Only of views with a known pixel spacing and compressed thickness.
    category : {"a", "b", "c", "d"} or None
        Most likely BI-RADS category.
    probabilities : dict of str to float
        Probability of each category; the sum is 1. Empty if density could not be measured.
    tissue : dict of str to DenseTissue
        Mask and measurements of dense tissue, by view.
    warnings : tuple of ResultWarning
    """

    percent_density: float | None
    percent_density_by_view: dict[str, float]
    volume_fraction_by_view: dict[str, float]
    dense_area_cm2_by_view: dict[str, float]
    dense_volume_cm3_by_view: dict[str, float]
    category: str | None
    probabilities: dict[str, float]
    tissue: dict[str, DenseTissue] = field(default_factory=dict, repr=False)
    warnings: Warnings = ()


def measure_density(
    exam: Exam, images: Mapping[str, SegmentedView] | None = None
) -> DensityEstimate:
    """Measure breast density in every view of an exam.

    Parameters
    ----------
    exam : Exam
    images : mapping of str to SegmentedView, optional
        Result of :func:`mammorisk.imaging.segmented_view.segment_exam`. By default the exam is
        segmented here.

    Returns
    -------
    DensityEstimate

    Raises
    ------
    PixelError, TooLarge, UnsupportedSyntax
        The pixels of a view cannot be read.
    """
    seen = images if images is not None else segment_exam(exam)
    found = map_parallel(measure_view_density, seen.values())
    return exam_density(dict(zip(seen, found, strict=True)))


@dataclass(frozen=True, kw_only=True)
class ViewDensity:
    """Result of :func:`measure_view_density` for one view.

    Attributes
    ----------
    reading : TissueReading or None
        None if density was not measured.
    pixel_mm, thickness_mm : float or None
        Spacing of the image's pixels, and compressed thickness of the breast.
    warnings : tuple of ResultWarning
    """

    reading: TissueReading | None = None
    pixel_mm: float | None = None
    thickness_mm: float | None = None
    warnings: Warnings = ()


def measure_view_density(
    seen: SegmentedView, findings: Sequence[ResultWarning] | None = None
) -> ViewDensity:
    """Measure the tissue of one view, unless its quality does not permit it.

    Parameters
    ----------
    seen : SegmentedView
    findings : sequence of ResultWarning, optional
        Result of :func:`mammorisk.imaging.quality.check_view`. By default the view is checked here.

    Returns
    -------
    ViewDensity
    """
    view = seen.view
    for one in check_view(seen) if findings is None else findings:
        if one.code in UNUSABLE:
            return _not_measured(f"{one.text}: density not measured", view.name)
    reading = read_tissue(seen.image, seen.mask)
    if reading is None:
        return _not_measured("not enough breast to measure density", view.name)
    return ViewDensity(
        reading=reading,
        pixel_mm=view.pixel_mm,
        thickness_mm=view.acquisition.thickness_mm,
        warnings=tuple(_doubts(seen)),
    )


def _not_measured(why: str, view: str) -> ViewDensity:
    return ViewDensity(warnings=(make_warning("density-not-measured", why, view=view),))


def exam_density(views: Mapping[str, ViewDensity]) -> DensityEstimate:
    """Return the density of an exam from the measurements of its views, by view name.

    Views without muscle are compared with the muscle of the other views. The percent density of
    each view is averaged with the mean of all views (``OWN_WEIGHT``).
    """
    readings = {name: one.reading for name, one in views.items() if one.reading is not None}
    levels = [one.muscle for one in readings.values() if one.muscle is not None]
    muscle = float(np.mean(levels)) if levels else None
    own = {name: percent_density(one, muscle) for name, one in readings.items()}
    known = {name: percent for name, percent in own.items() if percent is not None}
    mean = float(np.mean(list(known.values()))) if known else None
    percents = {
        name: OWN_WEIGHT * percent + (1 - OWN_WEIGHT) * float(mean or 0.0)
        for name, percent in known.items()
    }
    tissue = {name: mark_dense(readings[name], p, muscle) for name, p in percents.items()}
    probabilities = category_probabilities(mean) if mean is not None else {}
    areas = {name: _area_cm2(found, views[name]) for name, found in tissue.items()}
    volumes = {name: _volume_cm3(found, views[name]) for name, found in tissue.items()}
    warnings = [warning for one in views.values() for warning in one.warnings]
    text = "uniform grey and no muscle to compare it with: density cannot be measured"
    warnings += [
        make_warning("density-not-measured", text, view=name)
        for name, percent in own.items()
        if percent is None
    ]
    return DensityEstimate(
        percent_density=mean,
        percent_density_by_view=percents,
        volume_fraction_by_view={name: found.volume_fraction for name, found in tissue.items()},
        dense_area_cm2_by_view=_known(areas),
        dense_volume_cm3_by_view=_known(volumes),
        category=max(probabilities, key=lambda c: probabilities[c]) if probabilities else None,
        probabilities=probabilities,
        tissue=tissue,
        warnings=tuple(warnings),
    )


def _measured_cm2(tissue: DenseTissue, view: ViewDensity) -> float | None:
    if view.pixel_mm is None:
        return None
    pixel_mm = view.pixel_mm * (tissue.box[1] - tissue.box[0]) / tissue.measured.shape[0]
    area_cm2: float = float(tissue.measured.sum()) * pixel_mm**2 / 100.0
    return area_cm2


def _area_cm2(tissue: DenseTissue, view: ViewDensity) -> float | None:
    measured = _measured_cm2(tissue, view)
    return None if measured is None else tissue.area_percent / 100.0 * measured


def _volume_cm3(tissue: DenseTissue, view: ViewDensity) -> float | None:
    measured = _measured_cm2(tissue, view)
    if measured is None or view.thickness_mm is None:
        return None
    return tissue.volume_fraction * measured * view.thickness_mm / 10.0


def _known(values: Mapping[str, float | None]) -> dict[str, float]:
    return {name: value for name, value in values.items() if value is not None}


def category_probabilities(percent_density: float) -> dict[str, float]:
    """Return the probability of each BI-RADS category at a percent density.

    Parameters
    ----------
    percent_density : float
        0-100.

    Returns
    -------
    dict of str to float
        Keys a-d. A normal distribution with standard deviation ``LOGIT_SPREAD`` around the logit of
        the measured value, divided at ``CATEGORY_LIMITS_PERCENT``.
    """
    spread = NormalDist(_logit(percent_density), LOGIT_SPREAD)
    below = [0.0, *(spread.cdf(_logit(limit)) for limit in CATEGORY_LIMITS_PERCENT), 1.0]
    return {c: below[i + 1] - below[i] for i, c in enumerate("abcd")}


def _logit(percent: float) -> float:
    share = min(max(percent / 100.0, 1e-3), 1 - 1e-3)
    return float(np.log(share / (1 - share)))


def _doubts(seen: SegmentedView) -> list[ResultWarning]:
    name = seen.view.name
    doubts: list[ResultWarning] = []
    if seen.view.intent is Intent.PROCESSING:
        text = "density measured on a for-processing image"
        doubts.append(make_warning("density-doubtful", text, view=name))
    if seen.view.kind is ImageKind.SYNTHETIC:
        text = "density measured on a synthetic 2D image"
        doubts.append(make_warning("density-doubtful", text, view=name))
    return doubts
