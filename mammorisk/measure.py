"""What the images of an exam tell a published model: its density, and what is odd about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mammorisk.exam import Exam

if TYPE_CHECKING:
    from mammorisk.imaging.density import DensityEstimate


def measure_exam(exam: Exam) -> tuple[DensityEstimate, list[str]]:
    """Density, and quality findings that the headers did not already tell."""
    from mammorisk.imaging.density import measure_density
    from mammorisk.imaging.look import look_at_exam
    from mammorisk.imaging.quality import check_exam

    images = look_at_exam(exam)
    known = {flag.lower() for flag in exam.all_flags()}
    findings = [str(finding) for finding in check_exam(exam, images)]
    return measure_density(exam, images), [
        text for text in findings if text.lower() not in known and not text.startswith("no ")
    ]
