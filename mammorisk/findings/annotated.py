"""AnnotatedCohort: exams with lesions that were marked in their images."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from mammorisk.errors import CohortError
from mammorisk.findings.candidate import TYPES
from mammorisk.records.cohort import KEYS, Cohort
from mammorisk.records.match_ids import id_columns
from mammorisk.warnings import Warnings

#: Columns that a table of lesions needs.
REQUIRED = (
    "patient_id",
    "exam_id",
    "laterality",
    "view",
    "type",
    "row_min_px",
    "row_max_px",
    "col_min_px",
    "col_max_px",
)
#: Columns that it may have: None or NaN where not known.
OPTIONAL = (
    "lesion_id",
    "pathology",
    "birads",
    "shape",
    "margin",
    "morphology",
    "distribution",
    "speck_rows_px",
    "speck_cols_px",
)
#: Values that the columns of a lesion may have.
_VALUES = {"type": TYPES, "laterality": ("L", "R"), "view": ("CC", "MLO")}
#: Largest number of characters of a value in a message.
_SHOWN = 20


@dataclass(frozen=True, kw_only=True)
class AnnotatedCohort:
    """A cohort with images, and the lesions that were marked in them.

    Attributes
    ----------
    cohort : Cohort
        All exams that were read for lesions. An exam without a row in ``lesions`` has none.
    lesions : DataFrame
        One row per lesion and view: ``patient_id``, ``exam_id``, ``laterality`` (L, R), ``view``
        (CC, MLO), ``type``, the box ``row_min_px``, ``row_max_px``, ``col_min_px``, ``col_max_px``
        in pixels of the stored image (half-open). Optional columns are ``lesion_id`` (the same in
        two views of one lesion), ``pathology`` ("benign", "malignant"), ``birads``, ``shape``,
        ``margin``, ``morphology``, ``distribution``, ``speck_rows_px`` and ``speck_cols_px``.
        The lesions of :attr:`mammorisk.Study.lesions` have these columns.
    warnings : tuple of ResultWarning
        What was left out when the annotations were read.
    simulated : bool
        Whether the exams are simulated. A model fitted on them says so.

    Raises
    ------
    CohortError
        A column is missing, a type, laterality or view has another value, or a lesion is of an
        exam that the cohort does not have. Ids are compared as text.

    See Also
    --------
    mammorisk.fit : Fits a detector on annotated exams.
    mammorisk.Cohort : The exams.

    Examples
    --------
    >>> import pandas as pd
    >>> import mammorisk as mr
    >>> exams = pd.DataFrame({"patient_id": ["p1"], "exam_id": ["e1"]})
    >>> cohort = mr.Cohort(exams=exams, errors=pd.Series([""]))
    >>> boxes = pd.DataFrame(
    ...     {
    ...         "patient_id": ["p1"],
    ...         "exam_id": ["e1"],
    ...         "laterality": ["L"],
    ...         "view": ["CC"],
    ...         "type": ["mass"],
    ...         "row_min_px": [100],
    ...         "row_max_px": [180],
    ...         "col_min_px": [40],
    ...         "col_max_px": [120],
    ...     }
    ... )
    >>> mr.findings.AnnotatedCohort(cohort=cohort, lesions=boxes)
    <AnnotatedCohort: 1 exams, boxes: 1 mass>
    """

    cohort: Cohort
    lesions: pd.DataFrame = field(repr=False)
    warnings: Warnings = ()
    simulated: bool = False

    def __post_init__(self) -> None:
        lacking = [name for name in REQUIRED if name not in self.lesions.columns]
        if lacking:
            raise CohortError(
                f"the table of lesions has no column {', '.join(lacking)}",
                where="lesions",
                remedy="Read the annotations with a reader of mammorisk.findings, or name the "
                "columns as in AnnotatedCohort.",
            )
        for name, allowed in _VALUES.items():
            self._check_values(name, allowed)
        keys = [name for name in KEYS if name in self.cohort.exams.columns]
        if not keys:
            return
        ours, known = (id_columns(table, keys) for table in (self.lesions, self.cohort.exams))
        there = pd.MultiIndex.from_frame(ours).isin(pd.MultiIndex.from_frame(known))
        if lost := int((~there).sum()):
            raise CohortError(
                f"{lost} of {len(ours)} rows are of exams that the cohort does not have",
                where="lesions",
                remedy=f"Give both tables the same {' and '.join(keys)}, or leave these rows out.",
            )

    def _check_values(self, name: str, allowed: tuple[str, ...]) -> None:
        values = self.lesions[name]
        if values.isin(allowed).all():
            return
        others = sorted({str(one)[:_SHOWN] for one in values[~values.isin(allowed)]})
        raise CohortError(
            f"the table of lesions has the {name} {', '.join(others[:3])}",
            where="lesions",
            remedy=f"Allowed: {', '.join(allowed)}.",
        )

    def __len__(self) -> int:
        return len(self.cohort)

    def __repr__(self) -> str:
        kinds = ", ".join(f"{n} {name}" for name, n in self.lesions["type"].value_counts().items())
        return f"<AnnotatedCohort: {len(self)} exams, boxes: {kinds or 'none'}>"
