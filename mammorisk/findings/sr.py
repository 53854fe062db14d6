"""Findings as a DICOM Mammography CAD structured report (PS3.16, TID 4000)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pydicom.dataset import Dataset
from pydicom.uid import MammographyCADSRStorage

from mammorisk._utils.style import NOTICE
from mammorisk.errors import OutputError
from mammorisk.findings import cad_codes as codes
from mammorisk.findings.candidate import TYPES
from mammorisk.findings.content_items import (
    Code,
    code,
    container,
    coordinates,
    date,
    image,
    number,
    reference,
    text,
)
from mammorisk.findings.finding import Finding
from mammorisk.io.dicom_document import (
    MANUFACTURER,
    check_sources,
    derived_uid,
    image_reference,
    patient_and_study,
    write_document,
)
from mammorisk.records.dicom_source import DicomSource

if TYPE_CHECKING:
    from mammorisk.findings.findings import Findings, FoundView

_SERIES_NUMBER = 9017
#: Number of the Image Library among the items of the report.
_LIBRARY = 2


def write_cad_sr(findings: Findings, path: str | Path, *, identity: bool = False) -> Path:
    """Write findings as a Mammography CAD structured report.

    Parameters
    ----------
    findings : Findings
    path : path
    identity : bool
        Whether to copy the attributes of patient and study from the images.

    Returns
    -------
    Path

    Raises
    ------
    OutputError
        A view is not of a DICOM file, the views are of several studies, or the file cannot be
        written.
    """
    return write_document(cad_sr(findings, identity=identity), Path(path))


def cad_sr(findings: Findings, *, identity: bool = False) -> Dataset:
    """Build the Mammography CAD structured report of findings.

    Each finding is a Single Image Finding (TID 4006) with its centre and outline. The two findings
    of a matched pair are one Composite Feature (TID 4004). The score is written as the certainty of
    the finding in percent; a probability of cancer is written only if the model learnt it. The
    report is unverified.

    Parameters
    ----------
    findings : Findings
    identity : bool
        Whether to copy the attributes of patient and study from the images.

    Returns
    -------
    Dataset

    Raises
    ------
    OutputError
        A view is not of a DICOM file, or the views are of several studies.
    """
    sources = _sources(findings.views)
    made = patient_and_study(sources, identity)
    made.SOPClassUID = MammographyCADSRStorage
    content = json.dumps(findings.to_dict(), sort_keys=True)
    images = sorted(source.sop_instance for source in sources)
    made.SOPInstanceUID = derived_uid("cad-sr", content, str(identity), *images)
    made.Modality = "SR"
    made.SeriesInstanceUID = derived_uid("cad-sr", "series", sources[0].study, findings.model)
    made.SeriesNumber = _SERIES_NUMBER
    made.SeriesDescription = f"Mammography CAD, {findings.model}"[:64]
    made.ReferencedPerformedProcedureStepSequence = []
    made.Manufacturer = MANUFACTURER
    made.ManufacturerModelName = findings.model[:64]
    made.SoftwareVersions = str(findings.provenance.get("software", MANUFACTURER))[:64]
    made.DeviceSerialNumber = str(findings.provenance.get("weights_sha256", ""))[:64]
    made.InstanceNumber = 1
    made.CompletionFlag = "COMPLETE"
    made.VerificationFlag = "UNVERIFIED"
    now = datetime.now(UTC)
    made.ContentDate, made.ContentTime = now.strftime("%Y%m%d"), now.strftime("%H%M%S")
    made.TimezoneOffsetFromUTC = "+0000"
    made.PerformedProcedureCodeSequence = []
    made.CurrentRequestedProcedureEvidenceSequence = [_evidence(sources)]
    made.update(_root(findings, sources, identity))
    template = Dataset()
    template.MappingResource, template.TemplateIdentifier = "DCMR", "4000"
    made.ContentTemplateSequence = [template]
    return made


def _sources(views: Sequence[FoundView]) -> list[DicomSource]:
    sources = [view.dicom for view in views if view.dicom is not None]
    check_sources(sources)
    if len(sources) < len(views):
        raise OutputError(
            f"{len(views) - len(sources)} of {len(views)} views are not of DICOM files, and the "
            "report cannot refer to them",
            remedy="Write a JSON file (to_json), or find lesions in DICOM images.",
        )
    return sources


def _evidence(sources: Sequence[DicomSource]) -> Dataset:
    study = Dataset()
    study.StudyInstanceUID = sources[0].study
    study.ReferencedSeriesSequence = []
    for name in dict.fromkeys(source.series for source in sources):
        series = Dataset()
        series.SeriesInstanceUID = name
        series.ReferencedSOPSequence = [
            image_reference(source) for source in sources if source.series == name
        ]
        study.ReferencedSeriesSequence.append(series)
    return study


def _root(findings: Findings, sources: Sequence[DicomSource], identity: bool) -> Dataset:
    algorithm = _algorithm(findings)
    parts = [
        code("HAS CONCEPT MOD", codes.LANGUAGE, codes.ENGLISH),
        container(
            codes.IMAGE_LIBRARY,
            [
                image(source, _library_entry(view, source, identity))
                for view, source in zip(findings.views, sources, strict=True)
            ],
        ),
        _summary(findings, algorithm),
        _detections(findings),
        _analyses(findings, algorithm),
    ]
    return container(codes.REPORT, parts, relationship=None)


def _library_entry(view: FoundView, source: DicomSource, identity: bool) -> Iterator[Dataset]:
    """TID 4020."""
    yield code("HAS ACQ CONTEXT", codes.LATERALITY, codes.SIDES[view.laterality])
    if view.position in codes.VIEWS:
        yield code("HAS ACQ CONTEXT", codes.VIEW, codes.VIEWS[view.position])
    if identity and (day := source.identity.get("StudyDate")):
        yield date("HAS ACQ CONTEXT", codes.STUDY_DATE, day)
    if view.pixel_mm is not None:
        for name in (codes.HORIZONTAL_SPACING, codes.VERTICAL_SPACING):
            yield number("HAS ACQ CONTEXT", name, f"{view.pixel_mm:.6g}", codes.MILLIMETRE)


def _summary(findings: Findings, algorithm: list[Dataset]) -> Dataset:
    """TID 4001."""
    succeeded = all(set(findings.types) <= set(view.types_searched) for view in findings.views)
    value = codes.SUMMARIES[succeeded, len(findings) > 0]
    told = text("HAS PROPERTIES", codes.DESCRIPTION, _told(findings))
    impressions = [
        container(codes.IMPRESSION, parts, relationship="INFERRED FROM")
        for parts in _impressions(findings, algorithm)
    ]
    return code("CONTAINS", codes.SUMMARY, value, [told, *impressions])


def _told(findings: Findings) -> str:
    """What the reader of the report must know."""
    parts = [NOTICE, "Scores order findings. They are neither risks nor probabilities."]
    if findings.simulated:
        parts.append("The detector was trained on simulated lesions.")
    if findings.exam_score == findings.exam_score:
        parts.append(f"Exam score {findings.exam_score:g} of 10, relative to {findings.reference}.")
    parts += [str(one) for one in findings.warnings]
    return " ".join(part if part.endswith(".") else f"{part}." for part in parts)


def _impressions(findings: Findings, algorithm: list[Dataset]) -> Iterator[list[Dataset]]:
    """TID 4003: one impression of each pair, and of each finding without a pair."""
    numbers = {view.name: i for i, view in enumerate(findings.views, start=1)}
    pairs: dict[str, list[Finding]] = {}
    for one in findings.findings:
        pairs.setdefault(one.pair_id or one.finding_id, []).append(one)
    for members in pairs.values():
        single = [_finding(one, numbers[one.view], algorithm) for one in members]
        yield [
            code("HAS CONCEPT MOD", codes.RENDERING, codes.REQUIRED),
            text("CONTAINS", codes.DESCRIPTION, " ".join(_words(one) for one in members)),
            single[0] if len(single) == 1 else _feature(members, single, algorithm),
        ]


def _words(one: Finding) -> str:
    size = "" if one.size_mm is None else f", {one.size_mm:.0f} mm"
    place = "" if one.quadrant is None else f", {one.quadrant}"
    return f"{one.view}: {one.type}{size}{place}, score {one.score:.2f}, for review."


def _feature(
    members: Sequence[Finding], single: list[Dataset], algorithm: list[Dataset]
) -> Dataset:
    """TID 4004 with TID 4005: the same lesion in two views."""
    best = max(members, key=lambda one: one.score)
    parts = [
        code("HAS CONCEPT MOD", codes.RENDERING, codes.REQUIRED),
        code("HAS PROPERTIES", codes.COMPOSITE_TYPE, codes.RELATED_SPATIALLY),
        code("HAS PROPERTIES", codes.SCOPE, codes.ON_MULTIPLE_IMAGES),
        *algorithm,
        _percent(codes.CERTAINTY_OF_FEATURE, best.pair_probability),
    ]
    for one in single:
        one.RelationshipType = "INFERRED FROM"
    return code("CONTAINS", codes.COMPOSITE, codes.FEATURES[best.type], [*parts, *single])


def _finding(one: Finding, view: int, algorithm: list[Dataset]) -> Dataset:
    """TID 4006."""
    parts = [
        code("HAS CONCEPT MOD", codes.RENDERING, codes.REQUIRED),
        *algorithm,
        _percent(codes.CERTAINTY_OF_FINDING, one.score),
    ]
    if one.p_malignant == one.p_malignant:
        parts.append(_percent(codes.PROBABILITY_OF_CANCER, one.p_malignant))
    parts += _geometry(one, view)
    if one.n_specks is not None:
        parts.append(
            number(
                "HAS PROPERTIES",
                codes.NUMBER_OF_CALCIFICATIONS,
                str(one.n_specks),
                codes.NO_UNITS,
            )
        )
    return code("CONTAINS", codes.FINDING, codes.FINDINGS[one.type], parts)


def _geometry(one: Finding, view: int) -> list[Dataset]:
    """TID 4021, in pixels of the stored image; edges of pixels are whole numbers."""
    top, bottom, left, right = one.box_px
    corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
    shown = reference("SELECTED FROM", (1, _LIBRARY, view))
    middle = ((left + right) / 2, (top + bottom) / 2)
    return [
        coordinates("HAS PROPERTIES", codes.CENTER, "POINT", [middle], [shown]),
        coordinates("HAS PROPERTIES", codes.OUTLINE, "POLYLINE", corners, [shown]),
    ]


def _percent(name: Code, share: float) -> Dataset:
    return number("HAS PROPERTIES", name, f"{100 * share:.1f}", codes.PERCENT)


def _algorithm(findings: Findings, *parameters: str) -> list[Dataset]:
    """TID 4019."""
    provenance = findings.provenance
    told = [
        *parameters,
        *(
            f"{name}: {provenance[name]}"
            for name in ("weights_sha256", "config_sha256")
            if name in provenance
        ),
    ]
    return [
        text("HAS PROPERTIES", codes.ALGORITHM_NAME, findings.model),
        text("HAS PROPERTIES", codes.ALGORITHM_VERSION, str(provenance.get("software", ""))),
        text("HAS PROPERTIES", codes.ALGORITHM_MANUFACTURER, MANUFACTURER),
        *(text("HAS PROPERTIES", codes.ALGORITHM_PARAMETERS, one) for one in told),
    ]


def _detections(findings: Findings) -> Dataset:
    """Summary of detections with TID 4015 and TID 4017."""
    done, failed = [], []
    for value in dict.fromkeys(codes.FINDINGS[kind] for kind in TYPES if kind in findings.types):
        kinds = {kind for kind in findings.types if codes.FINDINGS[kind] == value}
        algorithm = _algorithm(findings, f"types: {', '.join(sorted(kinds))}")
        every = range(1, len(findings.views) + 1)
        searched = [i for i in every if kinds <= set(findings.views[i - 1].types_searched)]
        left_out = [i for i in every if i not in searched]
        if searched:
            done.append(_performed(codes.DETECTION, value, algorithm, searched))
        if left_out:
            failed.append(_performed(codes.DETECTION, value, algorithm, left_out))
    parts = [
        container(name, some, relationship="INFERRED FROM")
        for name, some in (
            (codes.SUCCESSFUL_DETECTIONS, done),
            (codes.FAILED_DETECTIONS, failed),
        )
        if some
    ]
    if done and failed:
        status = codes.PARTIALLY_SUCCEEDED
    else:
        status = codes.SUCCEEDED if done else codes.FAILED if failed else codes.NOT_ATTEMPTED
    return code("CONTAINS", codes.DETECTIONS, status, parts)


def _analyses(findings: Findings, algorithm: list[Dataset]) -> Dataset:
    """Summary of analyses with TID 4016 and TID 4018: the matching of views."""
    names = {view.name for view in findings.views if view.types_searched}
    paired = [
        i
        for i, view in enumerate(findings.views, start=1)
        if {f"{view.laterality}-CC", f"{view.laterality}-MLO"} <= names
        and view.position in ("CC", "MLO")
    ]
    if not paired:
        return code("CONTAINS", codes.ANALYSES, codes.NOT_ATTEMPTED)
    done = _performed(codes.ANALYSIS, codes.COLLOCATION, algorithm, paired)
    parts = [container(codes.SUCCESSFUL_ANALYSES, [done], relationship="INFERRED FROM")]
    return code("CONTAINS", codes.ANALYSES, codes.SUCCEEDED, parts)


def _performed(name: Code, value: Code, algorithm: list[Dataset], views: list[int]) -> Dataset:
    images = [reference("HAS PROPERTIES", (1, _LIBRARY, i)) for i in views]
    return code("CONTAINS", name, value, [*algorithm, *images])
