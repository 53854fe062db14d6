"""find(): from an exam to its findings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, overload

from mammorisk._utils.optional import NETWORKS, require
from mammorisk._utils.parallel import map_parallel
from mammorisk._utils.progress import progress_bar
from mammorisk.errors import CohortError, EvaluationError
from mammorisk.findings.candidate import TYPES
from mammorisk.findings.cohort_findings import CohortFindings
from mammorisk.findings.exam_score import score_exam
from mammorisk.findings.findings import Findings
from mammorisk.findings.registry import open_detector
from mammorisk.findings.search_error import search_error
from mammorisk.imaging.segmented_view import segment_view
from mammorisk.io.read_exam import read_exam
from mammorisk.records.cohort import Cohort
from mammorisk.records.exam import Exam, View

if TYPE_CHECKING:
    import pandas as pd

    from mammorisk.findings.base import Detector
    from mammorisk.findings.exam_score import ReferenceScores
    from mammorisk.findings.prepare import PreparedView

#: Detector that is used if none is named.
DEFAULT = "findings-sim"


@overload
def find(
    data: Exam | str | Path,
    *,
    model: str | Path | Detector = DEFAULT,
    reference: ReferenceScores | None = None,
    minimum_score: float | None = None,
    progress: bool = False,
) -> Findings: ...
@overload
def find(
    data: Cohort,
    *,
    model: str | Path | Detector = DEFAULT,
    reference: ReferenceScores | None = None,
    minimum_score: float | None = None,
    progress: bool = False,
) -> pd.DataFrame: ...
def find(
    data: Exam | Cohort | str | Path,
    *,
    model: str | Path | Detector = DEFAULT,
    reference: ReferenceScores | None = None,
    minimum_score: float | None = None,
    progress: bool = False,
) -> Findings | pd.DataFrame:
    """Find masses, calcifications, asymmetries and distortions in mammograms.

    The bundled detector was trained on simulated exams alone. Its results on real mammograms are
    for development and teaching. A score is neither a risk nor a probability of cancer.

    Parameters
    ----------
    data : Exam, path or Cohort
        An exam, or the folder that holds it; views may be missing. Or a cohort with images.
    model : str, path or Detector
        ``"findings-sim"``, or the folder of a detector that :func:`mammorisk.fit` made.
    reference : ReferenceScores, optional
        Scores of a named set of exams, for ``exam_score``.
    minimum_score : float, optional
        Lowest score of a finding, 0-1. The default is the operating point of the detector for each
        type. With it, a place has one mass, asymmetry or distortion: the one with the highest
        score. Pass 0 for an FROC analysis, in which a place can have one of each type.
    progress : bool
        Show the progress for a cohort, on standard error.

    Returns
    -------
    Findings
        For one exam.
    DataFrame
        For a cohort: ``patient_id``, ``exam_id`` and the columns of
        :attr:`mammorisk.Findings.table`. An exam without findings has no row. ``attrs["exams"]``
        is a list of records of the exams that were searched, also of those without findings: keys,
        ``highest_score``, ``exam_score``, ``warnings`` and ``warning_codes``.
        ``pandas.DataFrame(found.attrs["exams"])`` is the input of triage. ``attrs["errors"]`` is a
        list of records of the exams that cannot be searched: keys, ``code``, ``what``, ``where``
        and ``remedy``.

    Raises
    ------
    ExamError
        ``data`` is one exam and it cannot be read, or its header states a man.
    CohortError
        ``data`` has another type, or the cohort has no images.
    EvaluationError
        ``minimum_score`` is not between 0 and 1, or ``reference`` is of another detector.
    UnknownModel, ModelError
        There is no such detector.
    MissingDependency
        torch is not installed.

    See Also
    --------
    mammorisk.Findings : The result.
    mammorisk.predict : Predicts the risk of a woman.
    mammorisk.fit : Fits a detector on annotated exams.

    Notes
    -----
    Warnings are records in the result. ``calcifications-not-searched`` says that the pixel spacing
    of a view is unknown or above 0.15 mm: the view may have calcifications that are not listed.

    On a busy machine, PyTorch with several threads can take several times the processor time of
    one thread with ``OMP_WAIT_POLICY=passive``.

    Examples
    --------
    >>> import tempfile
    >>> import mammorisk as mr
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     study = mr.simulate(1, seed=1, out=f"{folder}/study", images="all", pixel_mm=0.4)
    ...     found = mr.find(study.cohort.open_exam(0))
    >>> sorted({warning.code for warning in found.warnings})
    ['calcifications-not-searched', 'trained-on-simulated']
    """
    require("torch", NETWORKS, what="the detection of lesions")
    detector = open_detector(model)
    if minimum_score is not None and not 0 <= minimum_score <= 1:
        raise EvaluationError(
            f"{minimum_score!r} is not a score",
            where="minimum_score",
            remedy="Give a number from 0 to 1.",
        )
    if reference is not None:
        # Raises for the reference set of another detector before any exam is read.
        score_exam((), reference, model=detector.card.name)
    if isinstance(data, (str, Path)):
        data = read_exam(data, allow_missing_views=True)
    if isinstance(data, Exam):
        return find_in_exam(data, detector, reference=reference, minimum_score=minimum_score)
    if not isinstance(data, Cohort):
        raise CohortError(
            f"{type(data).__name__} is not a valid input of find",
            remedy="Pass an exam, its path, or a cohort with images.",
        )
    return _find_in_cohort(data, detector, reference, minimum_score, progress)


def find_in_exam(
    exam: Exam,
    detector: Detector,
    *,
    reference: ReferenceScores | None = None,
    minimum_score: float | None = None,
) -> Findings:
    """Find lesions in one exam with a loaded detector. Each view is decoded and segmented once."""
    from mammorisk.findings.prepare import check_exam, prepare
    from mammorisk.findings.search import search

    check_exam(exam)

    def prepared(view: View) -> PreparedView:
        return prepare(segment_view(view, digest=True), detector)

    views = map_parallel(prepared, list(exam))
    return search(
        {one.seen.name: one for one in views},
        detector,
        reference=reference,
        minimum_score=minimum_score,
        warnings=exam.single_warnings(),
    )


def _find_in_cohort(
    cohort: Cohort,
    detector: Detector,
    reference: ReferenceScores | None,
    minimum_score: float | None,
    progress: bool,
) -> pd.DataFrame:
    if not cohort.has_images:
        raise CohortError(
            "the cohort has no images", remedy="Give its manifest a column path or file_path."
        )
    gathered = CohortFindings(cohort, TYPES if reference is None else reference.types)
    with progress_bar("exams", len(cohort), show=progress) as tell:
        for row in range(len(cohort)):
            try:
                exam = cohort.open_row(row)
                found = find_in_exam(
                    exam, detector, reference=reference, minimum_score=minimum_score
                )
                gathered.add(row, found)
            # No error in one exam must stop a cohort.
            except Exception as error:  # noqa: BLE001
                gathered.fail(row, search_error(error))
            if tell is not None:
                tell(row + 1, len(cohort))
    return gathered.table()
