"""Acquisition of the images by device: ranges, outliers and doubts about units."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mammorisk.cohort_check.image_index import FIELDS, ImageIndex
from mammorisk.io.acquisition import PLAUSIBLE, doubt_force_median
from mammorisk.warnings import ResultWarning, make_warning

#: Robust standard deviations from the median of the device from which on a value is an outlier.
_FAR = 6.0
#: Scale of the median absolute distance that gives the standard deviation of a normal variable.
_NORMAL = 1.4826
#: Smallest robust standard deviation, as a share of the median: most devices have one value of some
#: attributes.
_SMALLEST = 0.01
#: Smallest number of values of a device for outliers, and for a doubt about its unit.
_FEWEST = 20
#: Outliers named for each device and field.
_NAMED = 50
#: Factors between units that are confused.
_FACTORS = (1000.0, 100.0, 10.0, 0.1, 0.01, 0.001)
_SHARES = (0.5, 0.01, 0.99, 0.0, 1.0)


def acquisition_table(
    index: ImageIndex, lines: NDArray[np.int64]
) -> tuple[pd.DataFrame, pd.DataFrame, list[ResultWarning]]:
    """Summarise the acquisition of each device.

    Returns
    -------
    acquisition : DataFrame
        ``device``, ``exams``, ``images``, ``field``, ``missing_share``, ``median``, ``p01``,
        ``p99``, ``lowest``, ``highest``, ``outliers`` (values more than six robust standard
        deviations from the median of the device).
    outliers : DataFrame
        ``line``, ``exam``, ``view``, ``device``, ``field``, ``value``, ``median``; at most 50 for
        each device and field.
    warnings : list of ResultWarning
    """
    rows, outliers, warnings = [], [], []
    for device, images, exams in index.devices():
        for name in FIELDS:
            there = index.count(device, name)
            row: dict[str, object] = {
                "device": device,
                "exams": exams,
                "images": images,
                "field": name,
                "missing_share": 1 - there / images,
            }
            if there:
                values = dict(zip(_SHARES, index.quantiles(device, name, _SHARES), strict=True))
                middle = values[0.5]
                n_outside, first = _outside(index, device, name, middle, there)
                row |= {"median": middle, "p01": values[0.01], "p99": values[0.99]}
                row |= {"lowest": values[0.0], "highest": values[1.0], "outliers": n_outside}
                outliers += [
                    (lines[at], _exam(prior), view, device, name, value, middle)
                    for at, prior, view, value in first
                ]
            rows.append(row)
        warnings += _doubt_units(index, device)
    names = ["device", "exams", "images", "field", "missing_share", "median", "p01", "p99"]
    table = pd.DataFrame(rows, columns=[*names, "lowest", "highest", "outliers"])
    table["outliers"] = table["outliers"].fillna(0).astype(np.int64)
    total = int(table["outliers"].sum())
    if total:
        text = f"{total:,} acquisition values are far from those of the same device"
        warnings.append(make_warning("acquisition-outlier", text))
    named = ["line", "exam", "view", "device", "field", "value", "median"]
    return table, pd.DataFrame(outliers, columns=named), [*warnings, *_doubt_spacing(table)]


def _outside(
    index: ImageIndex, device: str, name: str, middle: float, there: int
) -> tuple[int, list[tuple[int, int, str, float]]]:
    if there < _FEWEST:
        return 0, []
    spread = _NORMAL * index.median_distance(device, name, middle)
    away = _FAR * max(spread, _SMALLEST * abs(middle))
    return index.outside(device, name, middle - away, middle + away, _NAMED)


def _doubt_units(index: ImageIndex, device: str) -> list[ResultWarning]:
    """Warn of attributes of which a device has mostly values out of the plausible range."""
    found = []
    by_attribute = {spec[0]: (name, spec) for name, spec in PLAUSIBLE.items()}
    for attribute, n, middle in index.implausible(device):
        if attribute not in by_attribute:
            continue
        name, (_, factor, low, high) = by_attribute[attribute]
        good = index.count(device, name) if name in FIELDS else 0
        if n < max(_FEWEST, good):
            continue
        text = f"{device}: {n:,} of {n + good:,} values of {attribute} are implausible"
        fits = [one for one in _FACTORS if low <= middle * factor * one <= high]
        if fits and name != "force_n":
            text += f"; the median, {middle:g}, would be plausible times {fits[0]:g}"
        found.append(make_warning("units-suspected", text))
    forces = index.quantiles(device, "force_n", (0.5,))
    raw = [middle for name, _, middle in index.implausible(device) if name == "CompressionForce"]
    force = doubt_force_median(raw[0] if raw and not forces else forces[0] if forces else 0.0)
    if force is not None and index.count(device, "force_n") + len(raw) > 0:
        found.append(make_warning("force-unit", f"{device}: {force}"))
    return found


def _doubt_spacing(table: pd.DataFrame) -> list[ResultWarning]:
    spacing = table[(table["field"] == "pixel_mm") & (table["missing_share"] > 0)]
    gone = round(float((spacing["missing_share"] * spacing["images"]).sum()))
    if not gone:
        return []
    total = int(table.loc[table["field"] == "pixel_mm", "images"].sum())
    text = f"the pixel spacing of {gone:,} of {total:,} images is unknown"
    return [make_warning("spacing-unknown", text)]


def _exam(prior: int) -> str:
    return "prior exam" if prior else "exam"
