"""PredictionFiles: the documents of a prediction for a clinic."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mammorisk._utils.output_file import write_output
from mammorisk.prediction.findings_html import findings_picture
from mammorisk.prediction.prediction_result import PredictionResult


class PredictionFiles(PredictionResult):
    """The values of a prediction with their documents."""

    def to_sr(self, path: str | Path, *, identity: bool = False) -> Path:
        """Write a DICOM structured report (TID 1500): preliminary, unverified.

        The same exam under the same model has the same SOPInstanceUID. A file that already holds
        this instance is left as it is.

        Parameters
        ----------
        path : path
        identity : bool
            Copy the attributes of patient and study from the images, such as name, identifier and
            date of birth. An archive needs them to file the report under the patient. Without them
            the report refers to the study and the images by their UIDs alone.

        Returns
        -------
        Path

        Raises
        ------
        NoRisk
            There is no risk at any horizon.
        OutputError
            The exam has no DICOM images of one study, or the file cannot be written.
        MissingDependency
            highdicom is not installed (``mammorisk[clinic]``).

        See Also
        --------
        mammorisk.Prediction.to_fhir : The same risks as a FHIR resource.

        Examples
        --------
        >>> import mammorisk as mr
        >>> prediction = mr.predict("exam_folder")  # doctest: +SKIP
        >>> prediction.to_sr("risk.dcm", identity=True)  # doctest: +SKIP
        """
        from mammorisk.io.dicom_document import write_document
        from mammorisk.prediction.exports.sr import sr_dataset

        return write_document(
            sr_dataset(self.to_dict(), self.sources, identity=identity), Path(path)
        )

    def to_pdf(self, path: str | Path, *, identity: bool = False) -> Path:
        """Write one page (A4) with risks, warnings and provenance.

        Parameters
        ----------
        path : path
            A name that ends in ``.dcm`` is written as a DICOM Encapsulated PDF, any other as a PDF
            file.
        identity : bool
            As in :meth:`to_sr`, for the header of the DICOM file. The page itself never has an
            identity.

        Returns
        -------
        Path

        Raises
        ------
        OutputError
            The file cannot be written, or a DICOM file lacks images to refer to.

        See Also
        --------
        mammorisk.Prediction.to_html : The same as a web page.

        Examples
        --------
        >>> import tempfile
        >>> import mammorisk as mr
        >>> prediction = mr.predict(mr.Questionnaire(age=54), model="bcrat")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     prediction.to_pdf(f"{folder}/risk.pdf").read_bytes()[:5]
        b'%PDF-'
        """
        from mammorisk.io.dicom_document import write_document
        from mammorisk.prediction.exports.pdf import encapsulated_pdf, pdf_bytes

        path = Path(path)
        if path.suffix.lower() == ".dcm":
            document = encapsulated_pdf(self.to_dict(), self.sources, identity=identity)
            return write_document(document, path)
        return write_output(path, pdf_bytes(self.to_dict()), "the PDF")

    def to_html(self, path: str | Path) -> Path:
        """Write a web page in one file, with risks, baselines, warnings and provenance.

        Findings, if there are any, are shown for review, with a picture of the views.

        Parameters
        ----------
        path : path

        Returns
        -------
        Path

        Raises
        ------
        OutputError
            The file cannot be written.

        See Also
        --------
        mammorisk.Prediction.to_pdf : The same as one page of PDF.

        Examples
        --------
        >>> import tempfile
        >>> import mammorisk as mr
        >>> prediction = mr.predict(mr.Questionnaire(age=54), model="bcrat")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     page = prediction.to_html(f"{folder}/risk.html").read_text()
        >>> f"{100 * prediction.five_year:.2f}%" in page
        True
        """
        from mammorisk.prediction.exports.page import result_page

        picture = "" if self.findings is None else findings_picture(self.findings)
        page = result_page(self.to_dict(), picture)
        return write_output(Path(path), page, "the page")

    def to_fhir(
        self,
        path: str | Path | None = None,
        *,
        subject: str | None = None,
        identity: bool = False,
    ) -> dict[str, Any]:
        """Return a FHIR R4 RiskAssessment, and write it to a file if a path is given.

        Parameters
        ----------
        path : path, optional
        subject : str, optional
            Reference to the patient, such as ``"Patient/123"``.
        identity : bool
            Name the patient by the PatientID of the images, if ``subject`` is not given.

        Returns
        -------
        dict
            Plain JSON types. ``probabilityDecimal`` is in percent, as FHIR defines it, and
            ``whenPeriod`` starts on the day of the exam, or of the result if that is not known.

        Raises
        ------
        NoRisk
            There is no risk at any horizon.
        OutputError
            The file cannot be written.

        See Also
        --------
        mammorisk.Prediction.to_sr : The same risks as a DICOM structured report.

        Examples
        --------
        >>> import mammorisk as mr
        >>> resource = mr.predict(mr.Questionnaire(age=54), model="bcrat", horizons=5).to_fhir()
        >>> resource["prediction"][0]["probabilityDecimal"]
        0.75
        """
        from mammorisk.prediction.exports.fhir import fhir_text, risk_assessment

        resource = risk_assessment(self.to_dict(), self.sources, subject=subject, identity=identity)
        if path is not None:
            write_output(Path(path), fhir_text(resource), "the FHIR resource")
        return resource
