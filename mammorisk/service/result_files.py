"""Names of the files of a result in its folder."""

from __future__ import annotations

#: The result itself, and the error of a job that has failed.
RESULT, FAILED = "result.json", "failed.json"
#: Files beside the result by the word that asks for them.
FORMATS = {
    "sr": "sr.dcm",
    "fhir": "fhir.json",
    "pdf": "report.pdf",
    "dicom-pdf": "report.dcm",
    "html": "report.html",
}
#: Those that are written unless others are asked for.
DEFAULT_FORMATS = ("sr", "fhir", "pdf", "html")
SR, DICOM_PDF = FORMATS["sr"], FORMATS["dicom-pdf"]
