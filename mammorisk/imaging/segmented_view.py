"""SegmentedView: a view decoded, displayed and segmented once, for everything that uses it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from mammorisk._utils.parallel import map_parallel
from mammorisk.imaging.breast import BreastMask, find_breast
from mammorisk.imaging.upright import needed_turn
from mammorisk.imaging.window_fit import fitting_display
from mammorisk.records.exam import Exam, View
from mammorisk.records.stored_image import RawImage
from mammorisk.warnings import Warnings


@dataclass(frozen=True, kw_only=True)
class SegmentedView:
    """A view with its pixels and its breast mask.

    Attributes
    ----------
    view : View
    raw : RawImage
        Stored pixels, shape (rows, columns).
    image : ndarray of float32, shape (rows, columns)
        Display grey levels in [0, 1].
    mask : BreastMask
    warnings : tuple of ResultWarning
        What was found while the view was loaded and turned.
    """

    view: View
    raw: RawImage = field(repr=False)
    image: np.ndarray = field(repr=False)
    mask: BreastMask = field(repr=False)
    warnings: Warnings = ()


def segment_view(view: View) -> SegmentedView:
    """Load a view, bring it upright and find its breast.

    Raises
    ------
    PixelError, TooLarge, UnsupportedSyntax
        Its pixels cannot be read.
    """
    image, raw = fitting_display(view.load())
    mask = find_breast(image, position=view.position)
    turn = needed_turn(view, image, mask)
    if not turn.is_none:
        image = turn.apply(image)
        raw = replace(raw, pixels=turn.apply(raw.pixels))
        view = turn.view(view)
        mask = find_breast(image, position=view.position)
    warnings = (*raw.warnings, *turn.warnings)
    return SegmentedView(view=view, raw=raw, image=image, mask=mask, warnings=warnings)


def segment_exam(exam: Exam) -> dict[str, SegmentedView]:
    """Segment all views of an exam, on as many threads as there are usable cores.

    Raises
    ------
    PixelError, TooLarge, UnsupportedSyntax
        The pixels of a view cannot be read.
    """
    return {seen.view.name: seen for seen in map_parallel(segment_view, exam)}
