"""PreparedView: what the search for lesions keeps of a view."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from mammorisk.findings.anatomy import ViewAnatomy, find_anatomy
from mammorisk.findings.base import Detector, ViewInput
from mammorisk.findings.findings import FoundView
from mammorisk.findings.plot import small_picture
from mammorisk.imaging.segmented_view import SegmentedView
from mammorisk.warnings import Warnings, make_warning


@dataclass(frozen=True, kw_only=True)
class PreparedView:
    """What the search keeps of a view. The full pixels are not part of it.

    Attributes
    ----------
    seen : FoundView
    pixels : ViewInput or None
        None if the view shows no breast.
    anatomy : ViewAnatomy or None
    warnings : tuple of ResultWarning
    pixel_digest : str or None
    """

    seen: FoundView
    pixels: ViewInput | None = field(repr=False)
    anatomy: ViewAnatomy | None = field(repr=False)
    warnings: Warnings = ()
    pixel_digest: str | None = None


def prepare(seen: SegmentedView, detector: Detector) -> PreparedView:
    """Prepare a segmented view for the search.

    Parameters
    ----------
    seen : SegmentedView
    detector : Detector

    Returns
    -------
    PreparedView
    """
    view = seen.view
    pixels: ViewInput | None = detector.prepare(seen)
    rows, columns = view.rows, view.columns
    if seen.turn.quarters % 2:
        rows, columns = columns, rows
    told = [*seen.warnings, *seen.mask.warnings]
    if pixels is None:
        if not any(one.code == "no-breast" for one in told):
            told.append(make_warning("no-breast"))
    else:
        told += pixels.warnings
    return PreparedView(
        seen=FoundView(
            name=view.name,
            laterality=view.laterality.value,
            position=view.position,
            rows=rows,
            columns=columns,
            pixel_mm=view.pixel_mm,
            dicom=view.dicom,
            calcifications_searched=pixels is not None and pixels.calcifications_searched,
            turn=seen.turn,
            picture=small_picture(seen.image, seen.mask.breast),
            chest_wall=seen.mask.chest_wall,
        ),
        pixels=pixels,
        anatomy=None if pixels is None else find_anatomy(seen),
        warnings=tuple(replace(one, view=view.name) for one in told),
        pixel_digest=seen.pixel_digest,
    )
