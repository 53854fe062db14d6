"""Scoring of one exam to the files that a service writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset

from mammorisk.base import RiskModel
from mammorisk.errors import QuestionnaireError
from mammorisk.io.answers_file import read_answers_file
from mammorisk.io.dicom_document import document_bytes
from mammorisk.io.read_exam import read_exam
from mammorisk.prediction.api import predict
from mammorisk.prediction.exports.fhir import fhir_text, risk_assessment
from mammorisk.prediction.exports.page import result_page
from mammorisk.prediction.exports.pdf import encapsulated_pdf, pdf_bytes
from mammorisk.prediction.exports.sr import sr_dataset
from mammorisk.prediction.prediction import to_json
from mammorisk.records.questionnaire import Questionnaire
from mammorisk.service.arrived_exam import AMBIGUOUS, QUESTIONNAIRE, conflicts, read_study
from mammorisk.service.result_files import DEFAULT_FORMATS, DICOM_PDF, FORMATS, RESULT, SR
from mammorisk.warnings import make_warning


@dataclass(frozen=True, kw_only=True)
class ExamScorer:
    """Scores exams and makes their files.

    Attributes
    ----------
    model : RiskModel
    formats : sequence of {"sr", "fhir", "pdf", "dicom-pdf", "html"}
        Files beside ``result.json``.
    identity : bool
        Whether to copy the attributes of patient and study from the images.
    allow_missing_views : bool
    """

    model: RiskModel
    formats: Sequence[str] = DEFAULT_FORMATS
    identity: bool = False
    allow_missing_views: bool = False

    def __call__(self, files: Sequence[Path], predecessor: Path | None) -> dict[str, bytes]:
        """Score the images of an exam.

        Parameters
        ----------
        files : sequence of Path
        predecessor : Path or None
            The structured report of an earlier job of the exam.

        Returns
        -------
        dict of str to bytes
            Content by file name. Without a risk there is no structured report and no FHIR resource.

        Raises
        ------
        MammoriskError
            The exam cannot be scored.
        """
        exam = read_exam(list(files), allow_missing_views=self.allow_missing_views)
        if any(conflicts(folder) for folder in {file.parent for file in files}):
            exam = replace(exam, warnings=(*exam.warnings, make_warning("image-conflict")))
        found = predict(exam, _questionnaire(files), model=self.model)
        result = found.to_dict()
        made = {RESULT: to_json(found).encode()}
        if "html" in self.formats:
            made[FORMATS["html"]] = result_page(result).encode()
        if "pdf" in self.formats:
            made[FORMATS["pdf"]] = pdf_bytes(result)
        if "dicom-pdf" in self.formats:
            document = encapsulated_pdf(result, found.sources, identity=self.identity)
            made[DICOM_PDF] = _same_bytes(document, predecessor, DICOM_PDF)
        if found.has_risk and "fhir" in self.formats:
            resource = risk_assessment(result, found.sources, identity=self.identity)
            made[FORMATS["fhir"]] = fhir_text(resource).encode()
        if found.has_risk and "sr" in self.formats:
            before = None if predecessor is None else _document(predecessor)
            report = sr_dataset(result, found.sources, identity=self.identity, predecessor=before)
            made[SR] = _same_bytes(report, predecessor, SR)
        return made


def _document(path: Path) -> Dataset | None:
    return pydicom.dcmread(path) if path.is_file() else None


def _same_bytes(document: Dataset, predecessor: Path | None, name: str) -> bytes:
    """The content of a document: that of the earlier job, if it is the same instance.

    What is new was not used then. An instance must not have two contents.
    """
    if predecessor is not None:
        path = predecessor.with_name(name)
        before = _document(path)
        if before is not None and before.SOPInstanceUID == document.SOPInstanceUID:
            return path.read_bytes()
    return document_bytes(document)


def _questionnaire(files: Sequence[Path]) -> Questionnaire | None:
    """Read the answers beside the images; None if there are none."""
    for folder in dict.fromkeys(file.parent for file in files):
        path = folder / QUESTIONNAIRE
        if (folder / AMBIGUOUS).is_file():
            raise QuestionnaireError(
                "several patients have the accession number of the answers",
                where="accession number",
                remedy="Correct the accession number, and send the answers again.",
            )
        if path.is_file():
            if _has_another_study(folder, files):
                raise QuestionnaireError(
                    "the answers lie beside images of several studies",
                    where=QUESTIONNAIRE,
                    remedy="Put the images and the answers of each study into their own folder.",
                )
            return Questionnaire(**read_answers_file(path))
    return None


def _has_another_study(folder: Path, files: Sequence[Path]) -> bool:
    """Whether a folder has images of another study than these files."""
    own = {read_study(file) for file in files}
    others = (file for file in folder.iterdir() if file.is_file() and file not in files)
    return any(study is not None and study not in own for study in map(read_study, others))
