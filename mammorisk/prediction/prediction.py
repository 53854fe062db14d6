"""Prediction: the risk curve of one woman, with its inputs and warnings."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mammorisk._utils.output_file import write_output
from mammorisk._utils.style import NOTICE
from mammorisk.errors import ModelError
from mammorisk.policy.from_age import Scorer
from mammorisk.policy.policy import Policy
from mammorisk.prediction.findings_html import findings_line, findings_picture
from mammorisk.prediction.percent import horizon_name, percent
from mammorisk.prediction.plain import plain_series
from mammorisk.prediction.policy_result import marks, policy_result
from mammorisk.prediction.prediction_html import prediction_html
from mammorisk.prediction.provenance import SCHEMA_VERSION
from mammorisk.prediction.result_frame import result_frame
from mammorisk.prediction.status import Status, status_of
from mammorisk.records.dicom_source import DicomSource
from mammorisk.warnings import Warnings

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from matplotlib.axes import Axes

    from mammorisk.findings.findings import Findings
    from mammorisk.risk_models.hybrid.saliency import Explanation

#: Level of the intervals of the models.
INTERVAL_LEVEL = 0.95
_ESTIMAND = "absolute risk given the inputs that were used"


@dataclass(frozen=True, kw_only=True, repr=False)
class Prediction:
    """The absolute risk of breast cancer of one woman.

    Attributes
    ----------
    model : str
        Name of the model that gave ``risk``.
    risk : Series
        Absolute risk in [0, 1] by horizon in years; NaN where the model gives none.
    baselines : DataFrame, shape (n_models, n_horizons)
        Absolute risk by every other published model; NaN where a model gives none.
    contributions : Series
        Log relative risk of each factor or modality, relative to the reference woman of the model.
    density : dict
        ``category`` (a-d or None), ``source`` (``"reader"``, ``"estimated from the image"`` or
        ``"unknown"``) and, where measured, ``percent_density`` (0-100) and ``probabilities``.
    warnings : tuple of ResultWarning
        Reasons for a missing risk, assumptions, estimates and doubts.
    images_used : bool
        Whether the network used the images.
    provenance : dict
        Software and library versions; SHA-256 of pixels, questionnaire, weights and
        configuration; calibration, backend and domain guard; model and its source, known fields,
        and views with their acquisition. ``key`` names the result: the same exam under the same
        model has the same key. The fields are described in :func:`mammorisk.result_schema`.
    interval : DataFrame or None
        ``lower`` and ``upper`` limits of the 95% interval by horizon, where the model has one. The
        estimand is the risk given the inputs that were used.
    answers : dict
        Known answers of the questionnaire as they were used.
    policy : dict or None
        What a surveillance policy states; see :meth:`with_policy`.
    findings : Findings or None
        Lesions for review, where :func:`mammorisk.predict` was asked for them. No risk depends on
        them.
    sources : tuple of DicomSource
        Identifiers of the DICOM images, to which documents refer. They are not part of
        :meth:`to_dict`.
    explainer, scorer : callable or None
        Functions that :meth:`explain` and :meth:`with_policy` call.

    See Also
    --------
    mammorisk.predict : Returns a prediction.
    mammorisk.result_schema : JSON Schema of :meth:`to_dict`.

    Examples
    --------
    >>> import mammorisk as mr
    >>> woman = mr.Questionnaire(age=54, race_ethnicity="white", breast_density="c")
    >>> prediction = mr.predict(woman)
    >>> prediction.risk.round(4)
    1    0.0033
    2    0.0067
    3    0.0103
    4    0.0140
    5    0.0179
    Name: risk, dtype: float64
    >>> prediction.density
    {'category': 'c', 'source': 'reader'}
    >>> round(float(prediction.baselines.loc["average", 5]), 4)
    0.0144
    """

    model: str
    risk: pd.Series
    baselines: pd.DataFrame
    contributions: pd.Series
    density: dict[str, Any] = field(default_factory=dict)
    warnings: Warnings = ()
    images_used: bool = False
    provenance: dict[str, Any] = field(default_factory=dict)
    interval: pd.DataFrame | None = None
    answers: dict[str, Any] = field(default_factory=dict)
    policy: dict[str, Any] | None = None
    findings: Findings | None = None
    sources: tuple[DicomSource, ...] = field(default=(), compare=False)
    explainer: Callable[[str], Explanation] | None = field(default=None, compare=False)
    scorer: Scorer | None = field(default=None, compare=False)

    @property
    def five_year(self) -> float:
        """Absolute risk over five years. NaN if the model gives none."""
        return float(self.risk.get(5, math.nan))

    @property
    def has_risk(self) -> bool:
        """Whether there is a risk at any horizon."""
        return bool(self.risk.notna().any())

    @property
    def status(self) -> Status:
        """``"done"``, ``"incomplete"``, ``"unusable"`` or ``"refused"``.

        ``"incomplete"``: there is no risk because a value is not known or the horizon is not
        answered. ``"unusable"``: the input is faulty. ``"refused"``: the model does not apply.
        """
        return status_of(self.has_risk, [one.code for one in self.warnings])

    def to_dict(self) -> dict[str, Any]:
        """Return all fields as plain JSON types.

        Returns
        -------
        dict
            It follows :func:`mammorisk.result_schema`. A missing risk is None. No field has a name,
            an identifier or a date of the patient.

        See Also
        --------
        mammorisk.result_schema : JSON Schema of the result.

        Examples
        --------
        >>> import mammorisk as mr
        >>> prediction = mr.predict(mr.Questionnaire(age=54), model="bcrat", horizons=5)
        >>> {year: round(risk, 4) for year, risk in prediction.to_dict()["risk"].items()}
        {'5': 0.0075}
        """
        provenance = dict(self.provenance)
        return {
            "schema_version": SCHEMA_VERSION,
            "key": provenance.pop("key", None),
            "created_utc": provenance.pop("created_utc", None),
            "status": self.status,
            "model": self.model,
            "unit": "probability",
            "risk": plain_series(self.risk),
            "baselines": {name: plain_series(row) for name, row in self.baselines.iterrows()},
            "contributions": plain_series(self.contributions),
            "interval": None
            if self.interval is None
            else {"level": INTERVAL_LEVEL, "estimand": _ESTIMAND}
            | {name: plain_series(self.interval[name]) for name in ("lower", "upper")},
            "density": self.density,
            "answers": self.answers,
            "images_used": self.images_used,
            "warnings": [one.to_dict() for one in self.warnings],
            "policy": self.policy,
            "findings": None if self.findings is None else self.findings.to_dict(),
            "provenance": provenance,
            "notice": NOTICE,
        }

    def to_frame(self) -> pd.DataFrame:
        """Return the result as a table of one row, with the columns of the table of a cohort.

        Returns
        -------
        DataFrame, 1 row
            ``model``, ``risk_1y`` ..., ``images_used``, ``warnings``, ``warning_codes`` and the
            known answers.

        See Also
        --------
        mammorisk.stratify : Accepts a prediction as well as a table.

        Examples
        --------
        >>> import mammorisk as mr
        >>> prediction = mr.predict(mr.Questionnaire(age=54), model="bcrat", horizons=5)
        >>> prediction.to_frame()[["model", "age"]].values.tolist()
        [['bcrat', 54.0]]
        """
        return result_frame(self.to_dict())

    def with_policy(self, policy: str | Path | Policy) -> Prediction:
        """Return the prediction with what a surveillance policy states for it. Not care advice.

        A policy may use the risk from a fixed age, such as that between 40 and 50. The same woman
        is then scored at that age, from her questionnaire alone.

        Parameters
        ----------
        policy : str, path or Policy
            As in :func:`mammorisk.stratify`.

        Returns
        -------
        Prediction
            ``policy`` has the columns of :func:`mammorisk.stratify` and the risks that were used.
            The digest of the policy is part of the provenance.

        Raises
        ------
        PolicyError
            The policy forbids the model, or needs a risk that the prediction does not have.

        See Also
        --------
        mammorisk.stratify : Applies a policy to a table of risks.

        Examples
        --------
        >>> import mammorisk as mr
        >>> woman = mr.Questionnaire(age=46, race_ethnicity="white", first_degree_relatives=2)
        >>> prediction = mr.predict(woman, model="icare-lit").with_policy("nice-cg164")
        >>> prediction.policy["category"], prediction.policy["policy_model_match"]
        ('moderate', 'off-label')
        """
        found = policy_result(self.to_frame(), policy, self.scorer)
        digests = {**self.provenance.get("sha256", {}), "policy": found["sha256"]}
        return replace(self, policy=found, provenance={**self.provenance, "sha256": digests})

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

    def explain(
        self, method: Literal["grad-cam", "integrated-gradients"] = "grad-cam"
    ) -> Explanation:
        """Compute saliency maps of the views.

        Parameters
        ----------
        method : {"grad-cam", "integrated-gradients"}

        Returns
        -------
        Explanation
            Saliency of each view, and the contributions. Its method ``plot`` draws both.

        Raises
        ------
        ModelError
            The prediction did not use the images, or the model has no saliency maps by the method.

        Examples
        --------
        >>> import mammorisk as mr
        >>> prediction = mr.predict("exam_folder", model="hybrid")  # doctest: +SKIP
        >>> prediction.explain().plot()  # doctest: +SKIP
        """
        if self.explainer is None:
            raise ModelError(
                f"{self.model} used no images in this prediction: there is nothing to explain",
                remedy="Predict an exam with model='hybrid'.",
            )
        return self.explainer(method)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Plot cumulative risk by year, with the baselines and the average woman of her age.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Axes to draw into. Default: a new figure.

        Returns
        -------
        matplotlib Axes

        Examples
        --------
        >>> import mammorisk as mr
        >>> ax = mr.predict(mr.Questionnaire(age=54), model="bcrat").plot()
        >>> ax.get_xlabel()
        'years from the exam'
        """
        from mammorisk.prediction.plot import plot_risk

        return plot_risk(self.risk, self.baselines, model=self.model, interval=self.interval, ax=ax)

    def __repr__(self) -> str:
        lines = [f"Prediction by {self.model}"]
        years = ", ".join(f"{horizon_name(h)} {percent(r)}" for h, r in self.risk.items())
        lines.append(f"  absolute risk: {years}")
        if self.interval is not None and self.risk.notna().any():
            limits = ", ".join(
                f"{h:g} y {percent(row['lower'])}-{percent(row['upper'])}"
                for h, row in self.interval.iterrows()
                if isinstance(h, (int, float))
            )
            lines.append(f"  95% interval of the risk given the inputs: {limits}")
        if self.density.get("category"):
            lines.append(f"  breast density: {self.density['category']} ({self.density['source']})")
        for name, row in self.baselines.iterrows():
            lines.append(f"  {name}: " + ", ".join(percent(r) for r in row))
        if self.policy is not None:
            lines.append(f"  policy {self.policy['policy']}: {self.policy['category']}")
            lines.extend(f"  ! {one}" for one in marks(self.policy))
        lines.extend(f"  ! {one}" for one in self.warnings)
        if self.findings is not None:
            lines.append(f"  {findings_line(self.findings.to_dict())}")
        lines.append(f"  {NOTICE}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return prediction_html(self.to_dict())


def to_json(prediction: Prediction) -> str:
    """Return the prediction as a JSON object with the keys of :meth:`Prediction.to_dict`."""
    return json.dumps(prediction.to_dict(), allow_nan=False, indent=2)
