"""Files of one result for a clinic: DICOM SR, FHIR, PDF, HTML and CAD SR."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mammorisk.warnings import join_text

if TYPE_CHECKING:
    from mammorisk.prediction.prediction import Prediction

Sr = Annotated[
    Path | None,
    typer.Option("--sr", help="With EXAM: file for a DICOM structured report."),
]
Fhir = Annotated[
    Path | None, typer.Option("--fhir", help="With EXAM: file for a FHIR R4 RiskAssessment.")
]
Pdf = Annotated[
    Path | None,
    typer.Option(
        "--pdf", help="With EXAM: file for one page of PDF; .dcm for a DICOM Encapsulated PDF."
    ),
]
Html = Annotated[Path | None, typer.Option("--html", help="With EXAM: file for a web page.")]
CadSr = Annotated[
    Path | None,
    typer.Option(
        "--cad-sr", help="With EXAM: file for a DICOM Mammography CAD report of the findings."
    ),
]
Identity = Annotated[
    bool,
    typer.Option(
        "--identity",
        help="Copy the attributes of patient and study from the images into DICOM files, and the "
        "PatientID into --fhir. An archive needs them to file a document under the patient.",
    ),
]


@dataclass(frozen=True, kw_only=True)
class Exports:
    """Files to write, and whether they name the patient."""

    sr: Path | None = None
    fhir: Path | None = None
    pdf: Path | None = None
    html: Path | None = None
    cad_sr: Path | None = None
    identity: bool = False

    @property
    def any(self) -> bool:
        """Whether there is a file to write."""
        files = (self.sr, self.fhir, self.pdf, self.html, self.cad_sr)
        return any(one is not None for one in files)


def write_exports(result: Prediction, to: Exports) -> None:
    """Write the files of a result.

    Without a risk no structured report and no RiskAssessment are written, and the reason is printed
    on standard error. PDF and HTML then state the reason. The same holds for the report of the
    findings if there are none because the exam was not searched.
    """
    from mammorisk.errors import NoRisk

    try:
        if to.sr is not None:
            result.to_sr(to.sr, identity=to.identity)
        if to.fhir is not None:
            result.to_fhir(to.fhir, identity=to.identity)
    except NoRisk as error:
        typer.echo(f"refusal: {error}", err=True)
    if to.pdf is not None:
        result.to_pdf(to.pdf, identity=to.identity)
    if to.html is not None:
        result.to_html(to.html)
    if to.cad_sr is not None:
        if result.findings is None:
            print_not_searched(result, "--cad-sr")
        else:
            result.findings.to_sr(to.cad_sr, identity=to.identity)


def print_not_searched(result: Prediction, option: str) -> None:
    """Print on standard error that a file of findings was not written, and why."""
    why = [one for one in result.warnings if one.code == "lesions-not-searched"]
    why = why or [one for one in result.warnings if one.severity == "refusal"]
    typer.echo(f"no file for {option}: {join_text(why)}", err=True)
