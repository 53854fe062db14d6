"""Quality checks of the images of an exam."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import cv2
import numpy as np

from mammorisk._utils.parallel import map_parallel
from mammorisk.imaging.breast import BreastMask
from mammorisk.imaging.chest_wall import wall_contact
from mammorisk.imaging.percentiles import median, percentile
from mammorisk.imaging.phantom import is_phantom_or_flat
from mammorisk.imaging.reduction import reduce_mask
from mammorisk.imaging.segmented_view import SegmentedView, segment_exam, usual_wall
from mammorisk.imaging.upright import looks_oblique
from mammorisk.records.exam import Exam, ImageKind, Intent
from mammorisk.warnings import ResultWarning, make_warning

#: Limits of the findings. They are judgement, not published limits.
SATURATED_SHARE = 0.02
CLIPPED_SHARE = 0.3
IMPLANT_SHARE = 0.2
IMPLANT_SPREAD = 0.015
SIZE_RATIO = 1.6
TEXT_MARKS = 8
LEAST_WALL_CONTACT = 0.3


def check_exam(
    exam: Exam, images: Mapping[str, SegmentedView] | None = None
) -> list[ResultWarning]:
    """Return the quality findings of an exam and of each of its views.

    Parameters
    ----------
    exam : Exam
    images : mapping of str to SegmentedView, optional
        Result of :func:`mammorisk.imaging.segmented_view.segment_exam`. By default the exam is
        segmented here.

    Returns
    -------
    list of ResultWarning
        Empty if there are no findings.
    """
    seen = images if images is not None else segment_exam(exam)
    of_views = map_parallel(check_view, seen.values())
    areas = {name: breast_area(one) for name, one in seen.items()}
    return exam_findings(exam, of_views, areas)


def exam_findings(
    exam: Exam, of_views: Iterable[list[ResultWarning]], areas: Mapping[str, float]
) -> list[ResultWarning]:
    """Return the findings of the exam as a whole, together with those of its views.

    Parameters
    ----------
    exam : Exam
    of_views : iterable of list of ResultWarning
        Results of :func:`check_view`.
    areas : mapping of str to float
        Results of :func:`breast_area` by view.

    Returns
    -------
    list of ResultWarning
    """
    found = [
        make_warning("views-missing", f"missing views: {', '.join(exam.missing)}")
        for _ in exam.missing[:1]
    ]
    told = [one for findings in of_views for one in findings]
    # One sign is not enough: the muscle must also be missing in the oblique view.
    without_muscle = {one.view for one in told if one.code == "muscle-not-found"}
    found += [
        one
        for one in told
        if one.code != "view-doubtful" or f"{(one.view or '')[:1]}-MLO" in without_muscle
    ]
    found.extend(_sizes(areas))
    return found


def check_view(seen: SegmentedView) -> list[ResultWarning]:
    """Return the quality findings of one view, from its header and its pixels."""
    view, mask, image = seen.view, seen.mask, seen.image
    # Shares, medians and structure are the same on a reduced copy.
    small, step = seen.reduced, seen.step
    small_breast, small_tissue = (reduce_mask(one, step) for one in (mask.breast, mask.tissue))
    found: list[ResultWarning] = []

    def add(code: str, text: str | None = None) -> None:
        found.append(make_warning(code, text, view=view.name))

    found.extend(replace(one, view=view.name) for one in seen.warnings)
    if view.intent is Intent.PROCESSING:
        add("for-processing")
    if view.kind is ImageKind.SYNTHETIC:
        add("synthetic")
    if view.acquisition.magnification is not None and view.acquisition.magnification > 1.3:
        add("magnified")
    if seen.inverted:
        add("inverted", "air was brighter than the breast: the grey levels have been inverted")
    if not mask.breast.any():
        found.extend(replace(one, view=view.name) for one in mask.warnings)
        if not any(one.code == "no-breast" for one in found):
            add("no-breast")
        return found
    if is_phantom_or_flat(small):
        add("not-a-breast")
        return found
    if view.chest_wall is not None and view.chest_wall != mask.chest_wall:
        add(
            "wrong-side",
            f"the chest wall is at the {mask.chest_wall} edge, the header says {view.chest_wall}: "
            "wrong side or mirrored image",
        )
    elif view.chest_wall is None and mask.chest_wall != usual_wall(view):
        add(
            "wrong-side",
            "the chest wall is not at the usual edge: sides exchanged or mirrored image",
        )
    if wall_contact(mask.breast)[mask.chest_wall] < LEAST_WALL_CONTACT:
        add("mask-implausible")
    if view.orientation is None and view.position == "CC" and looks_oblique(small):
        add("view-doubtful", "shows a pectoral muscle like an MLO view: CC and MLO exchanged?")
    if _clipped(mask):
        add("clipped", "the breast reaches the edge opposite the chest wall and may be cut off")
    if not seen.inverted and _inverted(small, small_breast):
        add("inverted", "the background is brighter than the breast: grey levels look inverted")
    if view.implant:
        add("implant")
    elif _implant_like(small, small_tissue, (image.shape[0] // 16, image.shape[1] // 16)):
        add("implant", "large, bright, uniform region: implant?")
    if _saturated(image[::step, ::step], mask.tissue[::step, ::step]):
        add("saturated", "a part of the breast is saturated white")
    if view.burned_in:
        add("burned-in-text", "burned-in annotation")
    elif _text_like(small, small_breast):
        add("burned-in-text", "marks outside the breast look like text")
    found.extend(replace(one, view=view.name) for one in mask.warnings)
    return found


def _clipped(mask: BreastMask) -> bool:
    """Whether the breast covers much of the edge opposite the chest wall."""
    top, bottom, left, right = mask.exposed or (0, mask.breast.shape[0], 0, mask.breast.shape[1])
    far = mask.breast[top:bottom, right - 1 if mask.chest_wall == "left" else left]
    # The length over which a curve touches its box, in pixels, grows with the root of its size.
    return bool(far.sum() > max(CLIPPED_SHARE * far.size, 3.2 * np.sqrt(far.size)))


def _inverted(image: np.ndarray, breast: np.ndarray) -> bool:
    outside = image[~breast]
    return bool(outside.size > 100 and median(outside) > median(image[breast]))


def _saturated(image: np.ndarray, tissue: np.ndarray) -> bool:
    inside = image[tissue]
    return bool(inside.size and (inside >= 0.999).mean() > SATURATED_SHARE)


def _implant_like(image: np.ndarray, tissue: np.ndarray, grid: tuple[int, int]) -> bool:
    """Whether there is one uniform, nearly white area: silicone absorbs most of the X-rays."""
    size = (max(8, grid[1]), max(8, grid[0]))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    inside = cv2.resize(tissue.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.5
    if inside.sum() < 50:
        return False
    bright = inside & (small > 0.9)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(bright.astype(np.uint8))
    if count < 2:
        return False
    largest = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    if stats[largest, cv2.CC_STAT_AREA] < IMPLANT_SHARE * inside.sum():
        return False
    # Dense tissue can be as bright, but it is never as uniform.
    return float(small[labels == largest].std()) < IMPLANT_SPREAD


def _text_like(image: np.ndarray, breast: np.ndarray) -> bool:
    """Whether there are more small, bright, separate marks than in a side marker."""
    scale = min(1.0, 1024 / max(image.shape))
    size = (max(8, round(image.shape[1] * scale)), max(8, round(image.shape[0] * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    inside = cv2.resize(breast.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.01
    far = cv2.dilate(inside.astype(np.uint8), np.ones((15, 15), np.uint8)) == 0
    marks = far & (small > 0.5 * percentile(small[inside], 95))
    count, _, stats, _ = cv2.connectedComponentsWithStats(marks.astype(np.uint8))
    areas = stats[1:, cv2.CC_STAT_AREA] if count > 1 else np.zeros(0)
    return int(((areas >= 4) & (areas <= 400)).sum()) >= TEXT_MARKS


def _sizes(areas: Mapping[str, float]) -> list[ResultWarning]:
    found = []
    for position in ("CC", "MLO"):
        known = [area for side in "RL" if (area := areas.get(f"{side}-{position}"))]
        if len(known) == 2 and max(known) > SIZE_RATIO * min(known):
            text = f"{position}: one breast has {max(known) / min(known):.1f} times the area"
            found.append(make_warning("size-asymmetry", text))
    return found


def breast_area(seen: SegmentedView) -> float:
    """Return the area of the breast in mm2, or in pixels if their spacing is unknown."""
    pixel_mm = seen.view.pixel_mm if seen.view.pixel_mm is not None else 1.0
    return float(seen.mask.breast.sum()) * pixel_mm**2
