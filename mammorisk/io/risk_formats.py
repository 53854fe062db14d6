"""Formats of the risk files of other tools: columns, units and horizons, with their sources.

A format that could not be checked against a file of the tool is marked, and reading it gives a
warning.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

Unit = Literal["fraction", "percent"]


@dataclass(frozen=True, kw_only=True)
class RiskFormat:
    """The format of one tool.

    Attributes
    ----------
    name : str
    model : str
        Value of the column ``model``.
    patient, exam : tuple of str
        Names of the columns with ids. The first one found is used. All names are compared without
        case, blanks and punctuation.
    risks : tuple of (str, float or "lifetime" or None)
        Patterns of columns with risks, and their horizon in years. None if the years are the group
        of the pattern.
    unit : {"fraction", "percent"} or None
        None if it differs between exports, so that the user must state it.
    horizon_needed : bool
        Whether the user must state the horizon, because the file does not.
    lifetime_to : float or None
        Age at which the lifetime risks of the tool end.
    verified : bool
        Whether the format was checked against a published file or the code of the tool.
    source : str
    separator : str or None
        Separator as a regular expression, for files without a header line.
    columns : tuple of str
        Names of the columns of a file without a header line.
    """

    name: str
    model: str
    patient: tuple[str, ...]
    exam: tuple[str, ...] = ()
    risks: tuple[tuple[str, float | Literal["lifetime"] | None], ...]
    unit: Unit | None
    horizon_needed: bool = False
    lifetime_to: float | None = None
    verified: bool
    source: str
    separator: str | None = None
    columns: tuple[str, ...] = field(default=())

    def horizon_of(self, column: str) -> float | Literal["lifetime"] | None:
        """Return the horizon of a column with risks; None for other columns."""
        plain = plain_name(column)
        for pattern, years in self.risks:
            if (found := re.fullmatch(pattern, plain)) is not None:
                return float(found.group(1)) if years is None else years
        return None


def plain_name(name: str) -> str:
    """Return a column name without case, blanks and punctuation."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


_PATIENT = ("patient_id", "patientid", "id", "subjectid", "studyid", "womanid")
_EXAM = ("exam_id", "examid", "accession", "accessionnumber")

FORMATS: dict[str, RiskFormat] = {
    one.name: one
    for one in (
        RiskFormat(
            name="mammorisk",
            model="model",
            patient=("patient_id",),
            exam=("exam_id",),
            risks=((r"risk(\d+)y", None), (r"risklifetime", "lifetime")),
            unit="fraction",
            verified=True,
            source="mammorisk.predict",
        ),
        RiskFormat(
            name="mirai",
            model="mirai",
            patient=("patient_exam_id", "patient_id"),
            exam=("exam_id",),
            risks=((r"(\d+)yearrisk", None),),
            unit="fraction",
            verified=True,
            source="README of github.com/yala/Mirai (patient_exam_id is patient_id, tab, exam_id)",
        ),
        RiskFormat(
            name="bcra",
            model="bcrat",
            patient=("ID", *_PATIENT),
            exam=_EXAM,
            risks=(),
            unit="percent",
            verified=True,
            source="R package BCRA 2.1.2, manual and code of risk.summary (AbsRisk in percent, "
            "over T1 to T2)",
        ),
        RiskFormat(
            name="brest-ai",
            model="brest-ai",
            patient=("ClientID", *_PATIENT),
            exam=("EpisodeID", *_EXAM),
            risks=((r"predictedprobability", 3.0),),
            unit="fraction",
            verified=True,
            source="episodeLevel-inference.py of github.com/gmontana/BREST: a score of cancer "
            "within three years, trained on a case-control sample; not an absolute risk",
        ),
        RiskFormat(
            name="ibis",
            model="ibis",
            patient=("id",),
            risks=((r"risk", None),),
            unit="fraction",
            horizon_needed=True,
            verified=False,
            source="IBIS Breast Cancer Risk Evaluator, command line, which is licensed and whose "
            "files are not documented in public: one line a woman without a "
            "header, separated by blanks, id first and her risk second, as other software reads "
            "it; the horizon is that of the run",
            separator=r"\s+",
            columns=("id", "risk"),
        ),
        RiskFormat(
            name="canrisk",
            model="boadicea",
            patient=("FamID", "family_id", *_PATIENT),
            exam=_EXAM,
            risks=(
                (
                    r"(?:bc|breastcancer|breast)?(?:risk)?(\d+)(?:y|yr|yrs|year|years)(?:risk)?",
                    None,
                ),
                (r"(?:bc|breastcancer|breast)?lifetime(?:risk)?", "lifetime"),
            ),
            unit=None,
            lifetime_to=80.0,
            verified=False,
            source="canrisk.org, web-service results: risks as decimals and as percent; the "
            "columns of CSV exports are not documented",
        ),
        RiskFormat(
            name="canrisk-service",
            model="boadicea",
            patient=("FamID",),
            risks=((r"risk(\d+)y", None), (r"risklifetime", "lifetime")),
            unit="fraction",
            lifetime_to=80.0,
            verified=True,
            source="run_webservice.py and pedigree.py of github.com/CCGE-BOADICEA/bws (option -t): "
            "decimals up to each age, from one year after the present age",
        ),
        RiskFormat(
            name="bcsc",
            model="bcsc",
            patient=_PATIENT,
            exam=_EXAM,
            risks=(
                (r"(?:bcsc|invasive)?risk(\d+)(?:y|yr|yrs|year|years)", None),
                (r"(?:bcsc|invasive)?(\d+)(?:y|yr|yrs|year|years)(?:bcsc)?risk", None),
            ),
            unit=None,
            verified=False,
            source="tools.bcsc-scc.org: risks over 5 and 10 years; its SAS program is public, "
            "names of the columns of its output are not documented",
        ),
    )
}
