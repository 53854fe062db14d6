"""Breast density of an exam, as far as an image can tell it before any calibration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import NormalDist

import numpy as np

from mammorisk._utils.parallel import map_parallel
from mammorisk.imaging.dense_tissue import DenseTissue, find_dense_tissue
from mammorisk.imaging.segmented_view import SegmentedView, segment_exam
from mammorisk.records.exam import Exam, ImageKind, Intent
from mammorisk.warnings import ResultWarning, Warnings, make_warning

#: Percent density by area at which the suggested BI-RADS category changes. An assumption: limits of
#: Boyd's categories of percent density (1995, doi:10.1093/jnci/87.9.670), of which 10, 25 and 50%
#: come nearest to readers' a | b | c | d. To be replaced by a local calibration.
CATEGORY_LIMITS_PERCENT = (10.0, 25.0, 50.0)

#: Spread (standard deviation, logit scale) of a reader's category around the measured percent
#: density. An assumption: it makes the most likely category right about two times in three.
LOGIT_SPREAD = 0.6


@dataclass(frozen=True, kw_only=True)
class DensityEstimate:
    """Breast density estimated from images, not calibrated on a cohort.

    Attributes
    ----------
    percent_density : float or None
        Dense share of the breast's area in percent, mean of the views; None where no view could
        be measured.
    percent_density_by_view : dict of str to float
    volume_fraction_by_view : dict of str to float
        Thickness-corrected dense share of the beam's path, 0-1.
    dense_area_cm2_by_view : dict of str to float
        Where the pixel spacing is known.
    dense_volume_cm3_by_view : dict of str to float
        Where pixel spacing and compressed thickness are known.
    category : {"a", "b", "c", "d"} or None
        Most likely BI-RADS category.
    probabilities : dict of str to float
        Of each category, summing to 1; empty where none could be estimated.
    tissue : dict of str to DenseTissue
        What was measured, by view.
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
        As :func:`mammorisk.imaging.segmented_view.segment_exam` gives; read here where not given.

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
    """What :func:`measure_view_density` found in one view.

    Attributes
    ----------
    tissue : DenseTissue or None
        None where density could not be measured.
    area_cm2, volume_cm3 : float or None
        Of dense tissue; None where pixel spacing, or thickness, is not known.
    warnings : tuple of ResultWarning
    """

    tissue: DenseTissue | None = None
    area_cm2: float | None = None
    volume_cm3: float | None = None
    warnings: Warnings = ()


def measure_view_density(seen: SegmentedView) -> ViewDensity:
    """Measure breast density in one view."""
    view, name = seen.view, seen.view.name
    if view.implant:
        return _not_measured("breast implant, density not measured", name)
    tissue = find_dense_tissue(seen.image, seen.mask)
    if tissue is None:
        return _not_measured("not enough breast to measure density", name)
    area_cm2 = volume_cm3 = None
    if view.pixel_mm is not None:
        pixel_mm = view.pixel_mm * view.rows / tissue.dense.shape[0]
        area_cm2 = float(tissue.dense.sum()) * pixel_mm**2 / 100.0
        thickness_mm = view.acquisition.thickness_mm
        if thickness_mm is not None:
            measured_mm2 = float(tissue.measured.sum()) * pixel_mm**2
            volume_cm3 = tissue.volume_fraction * measured_mm2 * thickness_mm / 1000.0
    return ViewDensity(
        tissue=tissue, area_cm2=area_cm2, volume_cm3=volume_cm3, warnings=tuple(_doubts(seen))
    )


def _not_measured(why: str, view: str) -> ViewDensity:
    return ViewDensity(warnings=(make_warning("density-not-measured", why, view=view),))


def exam_density(views: Mapping[str, ViewDensity]) -> DensityEstimate:
    """Density of an exam from that of its views, by name."""
    tissue = {name: one.tissue for name, one in views.items() if one.tissue is not None}
    percent = {name: found.area_percent for name, found in tissue.items()}
    mean = float(np.mean(list(percent.values()))) if percent else None
    probabilities = category_probabilities(mean) if mean is not None else {}
    return DensityEstimate(
        percent_density=mean,
        percent_density_by_view=percent,
        volume_fraction_by_view={name: found.volume_fraction for name, found in tissue.items()},
        dense_area_cm2_by_view=_known({name: one.area_cm2 for name, one in views.items()}),
        dense_volume_cm3_by_view=_known({name: one.volume_cm3 for name, one in views.items()}),
        category=max(probabilities, key=lambda c: probabilities[c]) if probabilities else None,
        probabilities=probabilities,
        tissue=tissue,
        warnings=tuple(warning for one in views.values() for warning in one.warnings),
    )


def _known(values: Mapping[str, float | None]) -> dict[str, float]:
    return {name: value for name, value in values.items() if value is not None}


def category_probabilities(percent_density: float) -> dict[str, float]:
    """Probability of each BI-RADS category at a percent density.

    Parameters
    ----------
    percent_density : float
        0-100.

    Returns
    -------
    dict of str to float
        Keys a-d. A normal spread of ``LOGIT_SPREAD`` around the logit of the measured value, cut at
        ``CATEGORY_LIMITS_PERCENT``.
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
