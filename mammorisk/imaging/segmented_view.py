"""SegmentedView: pixels, display grey levels and breast mask of a view, computed once."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from mammorisk._utils.digests import array_digest
from mammorisk._utils.parallel import map_parallel
from mammorisk.imaging.breast import BreastMask, find_breast
from mammorisk.imaging.exposed_area import exposed_box
from mammorisk.imaging.polarity import is_inverted, turn_grey
from mammorisk.imaging.reduction import reduce_image, reduction_step
from mammorisk.imaging.upright import Turn, needed_turn
from mammorisk.imaging.window_fit import fitting_display
from mammorisk.records.exam import Exam, Laterality, View
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
        Display grey levels in [0, 1], tissue brighter than air.
    mask : BreastMask
    inverted : bool
        Whether air was brighter than tissue; the grey levels have then been inverted.
    warnings : tuple of ResultWarning
        Warnings that arose while the view was loaded and brought upright.
    pixel_digest : str or None
        SHA-256 of the pixels as they are stored in the file; None if it was not asked for.
    turn : Turn
        Rotation from the pixels as they are stored to these.
    """

    view: View
    raw: RawImage = field(repr=False)
    image: np.ndarray = field(repr=False)
    mask: BreastMask = field(repr=False)
    inverted: bool = False
    warnings: Warnings = ()
    pixel_digest: str | None = None
    turn: Turn = field(default_factory=Turn, repr=False)

    @property
    def step(self) -> int:
        """Factor by which :attr:`reduced` is smaller than the image."""
        return reduction_step(self.image.shape)

    @cached_property
    def reduced(self) -> np.ndarray:
        """The image reduced to 1024 to 2047 rows, or the image if it is not larger."""
        return reduce_image(self.image, self.step)


def segment_view(view: View, *, digest: bool = False) -> SegmentedView:
    """Load a view, bring it upright and find its breast.

    Parameters
    ----------
    view : View
    digest : bool
        Whether to compute the digest of its pixels.

    Raises
    ------
    PixelError, TooLarge, UnsupportedSyntax
        Its pixels cannot be read.
    """
    image, raw = fitting_display(view.load())
    # Before the image is brought upright, so that others can compute the same digest.
    pixel_digest = array_digest(raw.pixels) if digest else None
    small = reduce_image(image, reduction_step(image.shape))
    exposed = exposed_box(small)
    inverted = is_inverted(small, exposed)
    if inverted:
        image = turn_grey(image)
        greyscale = replace(raw.greyscale, inverted=not raw.greyscale.inverted)
        raw = replace(raw, greyscale=greyscale)
    mask = find_breast(
        image,
        position=view.position,
        expected_wall=expected_wall(view),
        exposed=exposed if image is small else None,
    )
    turn = needed_turn(view, image, mask)
    if not turn.is_none:
        image = turn.apply(image)
        raw = replace(raw, pixels=turn.apply(raw.pixels))
        view = turn.view(view)
        mask = find_breast(image, position=view.position, expected_wall=expected_wall(view))
    return SegmentedView(
        view=view,
        raw=raw,
        image=image,
        mask=mask,
        inverted=inverted,
        warnings=(*raw.warnings, *turn.warnings),
        pixel_digest=pixel_digest,
        turn=turn,
    )


def expected_wall(view: View) -> str:
    """Image edge of the chest wall according to the header, else as in the usual display."""
    return view.chest_wall if view.chest_wall in ("left", "right") else usual_wall(view)


def usual_wall(view: View) -> str:
    """Image edge at which the chest wall of a side lies in the usual display."""
    return "right" if view.laterality is Laterality.RIGHT else "left"


def segment_exam(exam: Exam) -> dict[str, SegmentedView]:
    """Segment all views of an exam, with one thread per usable core.

    Raises
    ------
    PixelError, TooLarge, UnsupportedSyntax
        The pixels of a view cannot be read.
    """
    return {seen.view.name: seen for seen in map_parallel(segment_view, exam)}
