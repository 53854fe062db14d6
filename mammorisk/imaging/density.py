"""Breast density of an exam, as far as an image can tell it before any calibration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import NormalDist

import numpy as np

from mammorisk.cores import over_cores
from mammorisk.exam import Exam, ImageKind, Intent
from mammorisk.imaging.dense_tissue import DenseTissue, find_dense_tissue
from mammorisk.imaging.look import ViewImage, look_at_exam

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
    flags : tuple of str
    """

    percent_density: float | None
    percent_density_by_view: dict[str, float]
    volume_fraction_by_view: dict[str, float]
    dense_area_cm2_by_view: dict[str, float]
    dense_volume_cm3_by_view: dict[str, float]
    category: str | None
    probabilities: dict[str, float]
    tissue: dict[str, DenseTissue] = field(default_factory=dict, repr=False)
    flags: tuple[str, ...] = ()


def measure_density(exam: Exam, images: Mapping[str, ViewImage] | None = None) -> DensityEstimate:
    """Measure breast density in every view of an exam.

    Parameters
    ----------
    exam : Exam
    images : mapping of str to ViewImage, optional
        As :func:`mammorisk.imaging.look.look_at_exam` gives; read here where not given.

    Returns
    -------
    DensityEstimate

    Raises
    ------
    PixelError, TooLarge, UnsupportedSyntax
        The pixels of a view cannot be read.
    """
    seen = images if images is not None else look_at_exam(exam)
    flags: list[str] = []
    tissue: dict[str, DenseTissue] = {}
    for (name, view_image), found in zip(
        seen.items(), over_cores(_dense_tissue, seen.values()), strict=True
    ):
        if view_image.view.implant:
            flags.append(f"{name}: breast implant, density not measured")
        elif found is None:
            flags.append(f"{name}: not enough breast to measure density")
        else:
            tissue[name] = found
            flags.extend(_doubts(name, view_image))
    percent = {name: found.area_percent for name, found in tissue.items()}
    mean = float(np.mean(list(percent.values()))) if percent else None
    probabilities = category_probabilities(mean) if mean is not None else {}
    return DensityEstimate(
        percent_density=mean,
        percent_density_by_view=percent,
        volume_fraction_by_view={name: found.volume_fraction for name, found in tissue.items()},
        dense_area_cm2_by_view=_areas(seen, tissue),
        dense_volume_cm3_by_view=_volumes(seen, tissue),
        category=max(probabilities, key=lambda c: probabilities[c]) if probabilities else None,
        probabilities=probabilities,
        tissue=tissue,
        flags=tuple(flags),
    )


def _dense_tissue(seen: ViewImage) -> DenseTissue | None:
    return None if seen.view.implant else find_dense_tissue(seen.image, seen.mask)


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


def _doubts(name: str, view_image: ViewImage) -> list[str]:
    doubts = []
    if view_image.view.intent is Intent.PROCESSING:
        doubts.append(f"{name}: density measured on a for-processing image")
    if view_image.view.kind is ImageKind.SYNTHETIC:
        doubts.append(f"{name}: density measured on a synthetic 2D image")
    return doubts


def _areas(seen: Mapping[str, ViewImage], tissue: Mapping[str, DenseTissue]) -> dict[str, float]:
    areas = {}
    for name, found in tissue.items():
        view = seen[name].view
        if view.pixel_mm is not None:
            pixel_mm = view.pixel_mm * view.rows / found.dense.shape[0]
            areas[name] = float(found.dense.sum()) * pixel_mm**2 / 100.0
    return areas


def _volumes(seen: Mapping[str, ViewImage], tissue: Mapping[str, DenseTissue]) -> dict[str, float]:
    volumes = {}
    for name, found in tissue.items():
        view = seen[name].view
        thickness_mm = view.acquisition.thickness_mm
        if view.pixel_mm is not None and thickness_mm is not None:
            pixel_mm = view.pixel_mm * view.rows / found.measured.shape[0]
            area_mm2 = float(found.measured.sum()) * pixel_mm**2
            volumes[name] = found.volume_fraction * area_mm2 * thickness_mm / 1000.0
    return volumes
