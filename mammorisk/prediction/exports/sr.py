"""A result as a DICOM structured report: TID 1500 with one number for each horizon."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydicom.dataset import Dataset

from mammorisk._utils.optional import require
from mammorisk._utils.style import NOTICE
from mammorisk.io.dicom_document import (
    CHARACTER_SET,
    MANUFACTURER,
    check_sources,
    derived_uid,
    patient_and_study,
)
from mammorisk.prediction.exports.content import (
    Outcome,
    StatedRisk,
    interval_words,
    model_words,
    notes,
    outcome_kind,
    outcome_words,
    required_risks,
)
from mammorisk.prediction.exports.document_uids import document_uid, series_uid
from mammorisk.records.dicom_source import DicomSource

#: Extra of this package that writes structured reports.
CLINIC = "clinic"
#: Coding scheme of the concepts that no public scheme has.
SCHEME = "99MAMMORISK"
SCHEME_NAME = "Concepts of mammorisk: absolute risk of breast cancer"
_SERIES_NUMBER = 9016


#: Last part of the code of a risk.
_SHORT: dict[Outcome, str] = {
    "invasive breast cancer": "INV",
    "invasive or in situ breast cancer": "ANY",
    "breast cancer": "UNS",
}


def risk_code(horizon: float | str, outcome: Outcome) -> tuple[str, str]:
    """Return value and meaning of the concept of a risk.

    Parameters
    ----------
    horizon : float or "lifetime"
    outcome : str
        As :func:`mammorisk.prediction.exports.content.outcome_kind` returns it.

    Examples
    --------
    >>> from mammorisk.prediction.exports.sr import risk_code
    >>> risk_code(5.0, "invasive breast cancer")
    ('RISK-5Y-INV', '5-year absolute risk of invasive breast cancer')
    """
    period, words = (
        ("LIFE", "Lifetime") if isinstance(horizon, str) else (f"{horizon:g}Y", f"{horizon:g}-year")
    )
    return f"RISK-{period}-{_SHORT[outcome]}", f"{words} absolute risk of {outcome}"


def sr_dataset(
    result: Mapping[str, Any],
    sources: Sequence[DicomSource],
    *,
    identity: bool = False,
    predecessor: Dataset | None = None,
) -> Dataset:
    """Build the structured report of a result.

    It is a Comprehensive SR with a measurement report (TID 1500): a measurement in percent for each
    horizon, the algorithm with the digests of its weights and configuration (TID 4019), the source
    images, and each warning as a comment. It is preliminary and unverified.

    Parameters
    ----------
    result : mapping
        As :meth:`mammorisk.Prediction.to_dict` returns it.
    sources : sequence of DicomSource
        Images of one study.
    identity : bool
        Whether to copy the attributes of patient and study from the images.
    predecessor : Dataset, optional
        The report that this one replaces, for PredecessorDocumentsSequence (0040,A360).

    Raises
    ------
    NoRisk
        The result has no risk.
    OutputError
        There are no DICOM images, or they are of several studies.
    MissingDependency
        highdicom is not installed.
    """
    require("highdicom", CLINIC, what="a DICOM structured report")
    import highdicom.sr as hd
    from highdicom.sr.coding import CodedConcept

    risks = required_risks(result, "the structured report")
    check_sources(sources)
    instance = document_uid("sr", result, sources, identity)
    content = hd.MeasurementReport(
        observation_context=hd.ObservationContext(
            observer_device_context=hd.ObserverContext(
                observer_type=CodedConcept("121007", "DCM", "Device"),
                observer_identifying_attributes=hd.DeviceObserverIdentifyingAttributes(
                    uid=derived_uid("device", result["provenance"]["software"]),
                    name=MANUFACTURER,
                    manufacturer_name=MANUFACTURER,
                    model_name=result["provenance"]["software"],
                ),
            )
        ),
        procedure_reported=CodedConcept("71651007", "SCT", "Mammography"),
        imaging_measurements=[_measurements(result, risks, sources, instance)],
        title=CodedConcept("126000", "DCM", "Imaging Measurement Report"),
    )
    # dsr2html and others run the items of CONTINUOUS containers together.
    for container in _containers(content[0]):
        container.ContinuityOfContent = "SEPARATE"
    with warnings.catch_warnings():
        # highdicom asks for names with a caret; that of the source is copied as it is.
        warnings.simplefilter("ignore")
        report = hd.ComprehensiveSR(
            evidence=[_evidence(one, sources, identity) for one in sources],
            content=content[0],
            series_instance_uid=series_uid("sr", result, sources),
            series_number=_SERIES_NUMBER,
            sop_instance_uid=instance,
            instance_number=1,
            manufacturer=MANUFACTURER,
            manufacturer_model_name=result["model"][:64],
            software_versions=result["provenance"]["software"],
            series_description=f"Breast cancer risk, {result['model']}"[:64],
            is_complete=True,
            is_final=False,
            is_verified=False,
            specific_character_set=CHARACTER_SET,
            previous_versions=None if predecessor is None else [predecessor],
        )
    return _finished(report, result)


def _measurements(
    result: Mapping[str, Any],
    risks: Sequence[StatedRisk],
    sources: Sequence[DicomSource],
    instance: str,
) -> Any:
    import highdicom.sr as hd
    from highdicom.sr.coding import CodedConcept

    percent = CodedConcept("%", "UCUM", "percent")
    measured = []
    for risk in risks:
        value, meaning = risk_code(risk.horizon, outcome_kind(result))
        one = hd.Measurement(
            name=CodedConcept(value, SCHEME, meaning), value=float(risk.digits), unit=percent
        )
        # Text keeps two decimals: the number 1.8 would lose one.
        one[0].MeasuredValueSequence[0].NumericValue = risk.digits
        measured.append(one)
    group = hd.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.TrackingIdentifier(
            uid=derived_uid("tracking", instance), identifier="Breast cancer risk"
        ),
        finding_type=CodedConcept("RISK", SCHEME, "Absolute risk of breast cancer"),
        finding_sites=[hd.FindingSite(CodedConcept("76752008", "SCT", "Breast structure"))],
        algorithm_id=hd.AlgorithmIdentification(
            name=result["model"],
            version=result["provenance"]["software"],
            parameters=_parameters(result),
        ),
        measurements=measured,
        source_images=[
            hd.SourceImageForMeasurementGroup(source.sop_class, source.sop_instance)
            for source in sources
        ],
    )
    comments = [f"Risk of {outcome_words(result)} from the exam on.", model_words(result)]
    comments += [
        f"{interval_words(result)}, {risk.period}: {risk.lower}% to {risk.upper}%."
        for risk in risks
        if risk.lower is not None
    ]
    for text in (*comments, *notes(result), NOTICE):
        group[0].ContentSequence.append(
            hd.TextContentItem(
                name=CodedConcept("121106", "DCM", "Comment"),
                value=text,
                relationship_type=hd.RelationshipTypeValues.CONTAINS,
            )
        )
    return group


def _parameters(result: Mapping[str, Any]) -> list[str]:
    provenance = result["provenance"]
    digests = {
        f"SHA-256 of {name}": provenance["sha256"][name]
        for name in ("weights", "config", "pixels", "questionnaire")
    }
    told = {
        "result key": result["key"],
        **digests,
        "calibration": provenance["calibration"],
        "backend": provenance["backend"],
    }
    return [f"{name}: {value}" for name, value in told.items() if value is not None]


def _containers(item: Dataset) -> Iterator[Dataset]:
    if item.ValueType == "CONTAINER":
        yield item
    for child in item.get("ContentSequence", ()):
        yield from _containers(child)


def _evidence(source: DicomSource, sources: Sequence[DicomSource], identity: bool) -> Dataset:
    dataset = patient_and_study(sources, identity)
    dataset.SOPClassUID, dataset.SOPInstanceUID = source.sop_class, source.sop_instance
    dataset.SeriesInstanceUID = source.series
    return dataset


def _finished(report: Dataset, result: Mapping[str, Any]) -> Dataset:
    """Set the date of the result, in UTC, and name the coding scheme."""
    day, time = result["created_utc"][:10].replace("-", ""), result["created_utc"][11:19]
    for keyword in ("ContentDate", "SeriesDate", "InstanceCreationDate"):
        setattr(report, keyword, day)
    for keyword in ("ContentTime", "SeriesTime", "InstanceCreationTime"):
        setattr(report, keyword, time.replace(":", ""))
    report.TimezoneOffsetFromUTC = "+0000"
    scheme = Dataset()
    scheme.CodingSchemeDesignator = SCHEME
    scheme.CodingSchemeName = SCHEME_NAME
    scheme.CodingSchemeResponsibleOrganization = MANUFACTURER
    report.CodingSchemeIdentificationSequence = [scheme]
    return report
