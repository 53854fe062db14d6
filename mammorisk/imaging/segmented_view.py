"""SegmentedView: a view decoded, displayed and segmented once, for everything that uses it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mammorisk._utils.parallel import map_parallel
from mammorisk.imaging.breast import BreastMask, find_breast
from mammorisk.imaging.windowing import to_display
from mammorisk.records.exam import Exam, View
from mammorisk.records.stored_image import RawImage


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
    """

    view: View
    raw: RawImage = field(repr=False)
    image: np.ndarray = field(repr=False)
    mask: BreastMask = field(repr=False)


def segment_view(view: View) -> SegmentedView:
    """Load a view and find its breast.

    Raises
    ------
    PixelError, TooLarge, UnsupportedSyntax
        Its pixels cannot be read.
    """
    raw = view.load()
    image = to_display(raw)
    mask = find_breast(image, position=view.position)
    return SegmentedView(view=view, raw=raw, image=image, mask=mask)


def segment_exam(exam: Exam) -> dict[str, SegmentedView]:
    """Segment all views of an exam, on as many threads as there are usable cores.

    Raises
    ------
    PixelError, TooLarge, UnsupportedSyntax
        The pixels of a view cannot be read.
    """
    return {seen.view.name: seen for seen in map_parallel(segment_view, exam)}
