"""What the images of an exam tell a published model: its density, and what is odd about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mammorisk._utils.parallel import over_cores
from mammorisk.records.exam import Exam, View

if TYPE_CHECKING:
    from mammorisk.imaging.density import DensityEstimate, ViewDensity
    from mammorisk.imaging.quality import Finding


def measure_exam(exam: Exam) -> tuple[DensityEstimate, list[str]]:
    """Density, and quality findings that the headers did not already tell.

    Raises
    ------
    PixelError, TooLarge, UnsupportedSyntax
        The pixels of a view cannot be read.
    """
    from mammorisk.imaging.density import exam_density
    from mammorisk.imaging.quality import exam_findings

    views = list(exam)
    measured = dict(
        zip((view.name for view in views), over_cores(_measure_view, views), strict=True)
    )
    found = exam_findings(
        exam,
        [findings for findings, _, _ in measured.values()],
        {name: area for name, (_, area, _) in measured.items()},
    )
    known = {flag.lower() for flag in exam.all_flags()}
    return exam_density({name: density for name, (_, _, density) in measured.items()}), [
        str(one) for one in found if str(one).lower() not in known and one.code != "missing-view"
    ]


def _measure_view(view: View) -> tuple[list[Finding], float, ViewDensity]:
    """All of a view at once: no more of them are in memory than there are cores."""
    from mammorisk.imaging.density import measure_view_density
    from mammorisk.imaging.quality import breast_area, check_view
    from mammorisk.imaging.segmented_view import look_at_view

    seen = look_at_view(view)
    return check_view(seen), breast_area(seen), measure_view_density(seen)
