"""One look at a view: its display grey levels and its breast mask, made once and shared."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mammorisk._utils.parallel import over_cores
from mammorisk.imaging.breast import BreastMask, find_breast
from mammorisk.imaging.windowing import to_display
from mammorisk.records.exam import Exam, View


@dataclass(frozen=True, kw_only=True)
class ViewImage:
    """A view with its pixels.

    Attributes
    ----------
    view : View
    image : ndarray of float32, shape (rows, columns)
        Display grey levels in [0, 1].
    mask : BreastMask
    """

    view: View
    image: np.ndarray = field(repr=False)
    mask: BreastMask = field(repr=False)


def look_at_view(view: View) -> ViewImage:
    """Load a view and find its breast.

    Raises
    ------
    PixelError, TooLarge, UnsupportedSyntax
        Its pixels cannot be read.
    """
    image = to_display(view.load())
    return ViewImage(view=view, image=image, mask=find_breast(image, position=view.position))


def look_at_exam(exam: Exam) -> dict[str, ViewImage]:
    """Load all views of an exam, on as many threads as there are cores.

    Raises
    ------
    PixelError, TooLarge, UnsupportedSyntax
        The pixels of a view cannot be read.
    """
    return {seen.view.name: seen for seen in over_cores(look_at_view, exam)}
