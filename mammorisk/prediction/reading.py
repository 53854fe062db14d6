"""Reading of one exam. Every view is decoded and segmented once, for all measurements."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from mammorisk._utils.parallel import map_parallel
from mammorisk.base import ImageModel, PreparedExam, PreparedView
from mammorisk.errors import ExamError, MammoriskError
from mammorisk.prediction.lesion_search import prepare_lesions, read_lesions
from mammorisk.records.acquisition import Acquisition
from mammorisk.records.exam import Exam, View
from mammorisk.warnings import ResultWarning, Warnings, make_warning, merge_views

if TYPE_CHECKING:
    from mammorisk.findings.base import Detector
    from mammorisk.findings.findings import Findings
    from mammorisk.findings.prepare import PreparedView as LesionView
    from mammorisk.imaging.density import DensityEstimate, ViewDensity

_Made = TypeVar("_Made")

#: Opens the exam of a row. Returns None if there is no exam.
Opener = Callable[[int], Exam | None]


@dataclass(frozen=True, kw_only=True)
class ExamReading:
    """Content of the files of one exam.

    Attributes
    ----------
    exam : Exam or None
        None if it cannot be read.
    error : MammoriskError or None
        Error that occurred, if the exam cannot be used.
    warnings : tuple of ResultWarning
        Warnings about headers and pixels, without duplicates.
    density : DensityEstimate or None
        None if the pixels were not read.
    prepared : PreparedExam or None
        Input of an image model.
    pixel_digests : dict of str to str
        SHA-256 of the stored pixels by view, with ``"prior "`` before those of the prior exam.
        Empty if the pixels were not read.
    lesion_views : dict of str to PreparedView
        Input of the search for lesions by view, or an error in its preparation. Empty without a
        search and after it.
    findings : Findings, MammoriskError or None
        Result of the search, or the reason why there is none. None without a search.
    searched : Exam or None
        The exam to search, if there is a reason why it gives no risk.
    """

    exam: Exam | None = None
    error: MammoriskError | None = None
    warnings: Warnings = ()
    density: DensityEstimate | None = None
    prepared: PreparedExam | None = None
    pixel_digests: dict[str, str] = field(default_factory=dict)
    lesion_views: Mapping[str, LesionView | MammoriskError] = field(default_factory=dict)
    findings: Findings | MammoriskError | None = None
    searched: Exam | None = None

    @property
    def acquisitions(self) -> list[Acquisition]:
        return [] if self.exam is None else [view.acquisition for view in self.exam]


def read_row(
    row: int,
    open_exam: Opener,
    open_prior: Opener | None,
    model: ImageModel | None,
    *,
    pixels: bool,
    parallel_views: bool = False,
    detector: Detector | None = None,
) -> ExamReading:
    """Read the exam of one row. An error is stored in the result and not raised.

    Parameters
    ----------
    row : int
        Argument of the openers.
    open_exam, open_prior : callable
    model : ImageModel or None
        Prepares the views.
    pixels : bool
        Whether to read the pixels for the risk, and not only the headers.
    parallel_views : bool
        Whether to read the views in parallel.
    detector : Detector, optional
        Prepares the views for a search for lesions.

    Returns
    -------
    ExamReading
    """
    exam = None
    try:
        exam = open_exam(row)
        if exam is None:
            return ExamReading()
        if not pixels:
            found = ExamReading(exam=exam, warnings=exam.all_warnings())
            return (
                found if detector is None else _with_lesions(found, exam, detector, parallel_views)
            )
        prior = None
        if model is not None:
            model.check_exam(exam)
            if model.uses_priors:
                # An exam given as the prior counts before one found beside the images.
                prior = None if open_prior is None else _open_prior(open_prior, row)
                prior = exam.prior if prior is None else prior
        return _read_pixels(exam, prior, model, detector, parallel_views)
    except MammoriskError as error:
        failed = ExamReading(error=error)
    except MemoryError:
        return ExamReading(error=ExamError("not enough memory to read the exam"))
    # An unexpected error in the measurement of one exam must not stop a cohort.
    except Exception as error:  # noqa: BLE001
        failed = ExamReading(
            error=ExamError(
                f"the exam cannot be measured ({type(error).__name__})",
                remedy="Please report this with a description of the images.",
            )
        )
    if exam is None or detector is None:
        return failed
    # The search does not depend on what the risk needs.
    return replace(_with_lesions(failed, exam, detector, parallel_views), searched=exam)


def _open_prior(open_prior: Opener, row: int) -> Exam | MammoriskError | None:
    try:
        return open_prior(row)
    except MammoriskError as error:
        return error


def _with_lesions(
    reading: ExamReading, exam: Exam, detector: Detector, parallel: bool
) -> ExamReading:
    """Read the pixels for the search alone: the risk does not depend on them."""

    def prepare(view: View) -> LesionView | MammoriskError:
        return read_lesions(view, detector)

    return replace(reading, lesion_views=_of_views(prepare, list(exam), parallel))


def _of_views(
    work: Callable[[View], _Made], views: Sequence[View], parallel: bool
) -> dict[str, _Made]:
    made = map_parallel(work, views) if parallel else [work(view) for view in views]
    return dict(zip([view.name for view in views], made, strict=True))


def _read_pixels(
    exam: Exam,
    prior: Exam | MammoriskError | None,
    model: ImageModel | None,
    detector: Detector | None,
    parallel: bool,
) -> ExamReading:
    from mammorisk.imaging.density import exam_density
    from mammorisk.imaging.quality import exam_findings

    def measure(view: View) -> _MeasuredView:
        return _measure(view, model, detector)

    found = _of_views(measure, list(exam), parallel)
    digests = {name: one.pixel_digest for name, one in found.items()}
    density = exam_density({name: one.density for name, one in found.items()})
    warnings = [
        *exam.single_warnings(),
        *exam_findings(
            exam,
            [list(one.quality) for one in found.values()],
            {name: one.area for name, one in found.items()},
        ),
        *density.warnings,
        *_copies(digests),
        *(
            replace(told, view=name)
            for name, one in found.items()
            if one.prepared is not None
            for told in one.prepared.warnings
        ),
    ]
    prepared, of_prior = None, {}
    if model is not None:
        if isinstance(prior, MammoriskError):
            text = f"the prior exam was not used: {prior.what}"
            warnings.append(make_warning("prior-exam", text))
        elif prior is not None:
            seen = {view.name: _measure(view, model) for view in prior}
            of_prior = {name: one.prepared for name, one in seen.items()}
            digests |= {f"prior {name}": one.pixel_digest for name, one in seen.items()}
        prepared = PreparedExam(
            exam=exam,
            views=_contents({name: one.prepared for name, one in found.items()}),
            prior_views=_contents(of_prior),
            density_probabilities=density.probabilities,
        )
    return ExamReading(
        exam=exam,
        warnings=_each_fact_once(warnings, len(exam)),
        density=density,
        prepared=prepared,
        pixel_digests=digests,
        lesion_views={name: one.lesions for name, one in found.items() if one.lesions is not None},
    )


def _copies(digests: Mapping[str, str]) -> list[ResultWarning]:
    """Doubts about views that show the same pixels, for example one image saved under two names."""
    first: dict[str, str] = {}
    told = []
    for name, digest in digests.items():
        same = first.setdefault(digest, name)
        if digest and same != name:
            text = f"shows the same pixels as {same}: one image under two names?"
            told.append(make_warning("view-doubtful", text, view=name))
    return told


@dataclass(frozen=True, kw_only=True)
class _MeasuredView:
    quality: Warnings
    area: float
    density: ViewDensity
    prepared: PreparedView | None
    pixel_digest: str
    lesions: LesionView | MammoriskError | None


def _measure(
    view: View, model: ImageModel | None, detector: Detector | None = None
) -> _MeasuredView:
    """Measure one view completely, so that memory holds one view per thread."""
    from mammorisk.imaging.density import measure_view_density
    from mammorisk.imaging.quality import breast_area, check_view
    from mammorisk.imaging.segmented_view import segment_view

    seen = segment_view(view, digest=True)
    quality = tuple(check_view(seen))
    return _MeasuredView(
        quality=quality,
        area=breast_area(seen),
        density=measure_view_density(seen, quality),
        prepared=None if model is None else model.prepare_view(seen),
        pixel_digest=seen.pixel_digest or "",
        lesions=None if detector is None else prepare_lesions(seen, detector, quality),
    )


def _contents(views: dict[str, PreparedView | None]) -> dict[str, object]:
    return {
        name: one.content
        for name, one in views.items()
        if one is not None and one.content is not None
    }


def _each_fact_once(warnings: list[ResultWarning], n_views: int) -> Warnings:
    """Drop repeated warnings of header, pixels and model. The last is the most specific one."""
    kept: list[ResultWarning] = []
    places: dict[tuple[str, str | None], int] = {}
    for one in warnings:
        place = places.get((one.code, one.view))
        if one.code in _TOLD_ONCE and place is not None:
            kept[place] = one
            continue
        places[one.code, one.view] = len(kept)
        kept.append(one)
    return merge_views(kept, n_views)


#: Codes of which a view has at most one warning.
_TOLD_ONCE = frozenset(
    {
        "burned-in-text",
        "for-processing",
        "implant",
        "muscle-not-found",
        "no-background",
        "no-breast",
        "spacing-unknown",
        "synthetic",
        "views-missing",
    }
)
