"""The Mammography CAD report: its tree, its codes and its references, and two validators."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sr import _concepts_dict

from mammorisk.errors import OutputError
from mammorisk.findings import cad_codes
from mammorisk.findings.candidate import LESION_TYPES, TYPES
from mammorisk.findings.content_items import Code
from mammorisk.findings.finding import Finding
from mammorisk.findings.findings import Findings, FoundView
from mammorisk.findings.sr import cad_sr, write_cad_sr
from mammorisk.records.dicom_source import DicomSource
from mammorisk.warnings import make_warning

NAMES = ("R-CC", "L-CC", "R-MLO", "L-MLO")


def _source(number: int) -> DicomSource:
    return DicomSource(
        sop_class="1.2.840.10008.5.1.4.1.1.1.2",
        sop_instance=f"1.2.3.4.{number}",
        series=f"1.2.3.3.{number % 2 + 1}",
        study="1.2.3.2",
        identity={"PatientName": "Somebody^Else", "PatientID": "1234", "StudyDate": "20200102"},
    )


def _view(number: int, name: str, searched: Sequence[str] = TYPES) -> FoundView:
    return FoundView(
        name=name,
        laterality=name[0],
        position=name[2:],
        rows=3000,
        columns=2400,
        pixel_mm=0.1,
        dicom=_source(number),
        scores={kind: 0.9 if kind in searched else float("nan") for kind in TYPES},
    )


def _findings(**changes: object) -> Findings:
    pair = {"pair_id": "P1", "pair_probability": 0.8, "quadrant": "upper outer"}
    every = (
        Finding(
            finding_id="F1", view="L-CC", type="mass", score=0.914, box_px=(100, 201, 300, 420),
            size_mm=12.0, depth=0.4, **pair,
        ),
        Finding(
            finding_id="F2", view="R-MLO", type="calcification", score=0.7,
            box_px=(10, 60, 20, 90), size_mm=7.0, n_specks=9,
        ),
        Finding(
            finding_id="F3", view="L-MLO", type="mass", score=0.5, box_px=(900, 990, 310, 400),
            size_mm=9.0, **pair,
        ),
        Finding(
            finding_id="F4", view="R-CC", type="asymmetry", score=0.4, box_px=(5, 9, 5, 9),
            p_malignant=0.125,
        ),
        Finding(
            finding_id="F5", view="R-CC", type="distortion", score=0.3, box_px=(50, 90, 50, 90)
        ),
    )  # fmt: skip
    made = Findings(
        findings=every,
        views=tuple(_view(i, name) for i, name in enumerate(NAMES, start=1)),
        model="findings-sim",
        simulated=True,
        exam_score=7.0,
        reference="made-up exams",
        warnings=(make_warning("trained-on-simulated", "trained on simulated lesions"),),
        provenance={"software": "mammorisk 1.0", "weights_sha256": "ab" * 32},
    )
    return replace(made, **changes)


def _walk(item: Dataset, path: tuple[int, ...] = (1,)) -> Iterator[tuple[tuple[int, ...], Dataset]]:
    yield path, item
    for number, child in enumerate(item.get("ContentSequence", ()), start=1):
        yield from _walk(child, (*path, number))


def _name(item: Dataset) -> str:
    return str(item.ConceptNameCodeSequence[0].CodeValue)


def _called(report: Dataset, name: Code) -> list[Dataset]:
    return [
        item
        for _, item in _walk(report)
        if "ConceptNameCodeSequence" in item and _name(item) == name.value
    ]


def test_every_code_is_in_ps3_16() -> None:
    groups = {
        6014: cad_codes.FINDINGS.values(),
        6016: cad_codes.FEATURES.values(),
        6022: cad_codes.SIDES.values(),
        6034: [cad_codes.REQUIRED],
        6035: [cad_codes.RELATED_SPATIALLY],
        6036: [cad_codes.ON_MULTIPLE_IMAGES],
        6042: [
            cad_codes.SUCCEEDED,
            cad_codes.PARTIALLY_SUCCEEDED,
            cad_codes.FAILED,
            cad_codes.NOT_ATTEMPTED,
        ],
        6043: [cad_codes.COLLOCATION],
        6047: cad_codes.SUMMARIES.values(),
        4014: cad_codes.VIEWS.values(),
    }
    known: dict[tuple[str, str], tuple[set[str], set[int]]] = {}
    for scheme, words in _concepts_dict.concepts.items():
        for codes in words.values():
            for value, (meaning, cids) in codes.items():
                meanings, found = known.setdefault((scheme, value), (set(), set()))
                meanings.add(meaning.replace("\u200b", "").lower())
                found.update(cids)
    for cid, codes in groups.items():
        assert all(cid in known[one.scheme, one.value][1] for one in codes), cid
    for name, one in vars(cad_codes).items():
        if isinstance(one, Code) and one.scheme == "DCM":
            assert one.meaning.lower() in known["DCM", one.value][0], name
        if isinstance(one, Code):
            assert len(one.meaning) <= 64


def test_findings_have_their_place() -> None:
    report = cad_sr(_findings())
    assert report.SOPClassUID.name == "Mammography CAD SR Storage"
    found = _called(report, cad_codes.FINDING)
    assert len(found) == 5
    paths = dict(_walk(report))
    for item in found:
        for spot in (*_called(item, cad_codes.CENTER), *_called(item, cad_codes.OUTLINE)):
            (link,) = spot.ContentSequence
            image = paths[tuple(link.ReferencedContentItemIdentifier)]
            assert image.ValueType == "IMAGE"
    mass = found[0]
    (centre,), (outline,) = _called(mass, cad_codes.CENTER), _called(mass, cad_codes.OUTLINE)
    assert list(centre.GraphicData) == [360.0, 150.5]
    assert list(outline.GraphicData) == [300, 100, 420, 100, 420, 201, 300, 201, 300, 100]
    shown = paths[tuple(centre.ContentSequence[0].ReferencedContentItemIdentifier)]
    assert shown.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == "1.2.3.4.2"
    (certainty,) = _called(mass, cad_codes.CERTAINTY_OF_FINDING)
    assert str(certainty.MeasuredValueSequence[0].NumericValue) == "91.4"
    (specks,) = _called(report, cad_codes.NUMBER_OF_CALCIFICATIONS)
    assert specks.MeasuredValueSequence[0].NumericValue == 9
    # Only one finding has a learnt probability.
    (learnt,) = _called(report, cad_codes.PROBABILITY_OF_CANCER)
    assert learnt.MeasuredValueSequence[0].NumericValue == 12.5


def test_a_pair_is_one_feature() -> None:
    report = cad_sr(_findings())
    (feature,) = _called(report, cad_codes.COMPOSITE)
    assert feature.ConceptCodeSequence[0].CodeValue == "129788004"
    inside = _called(feature, cad_codes.FINDING)
    assert [one.RelationshipType for one in inside] == ["INFERRED FROM"] * 2
    assert len(_called(report, cad_codes.IMPRESSION)) == 4
    assert _called(report, cad_codes.ANALYSES)[0].ConceptCodeSequence[0].CodeValue == "111222"
    alone = _findings(views=_findings().views[:2], findings=_findings().findings[4:])
    assert _called(cad_sr(alone), cad_codes.ANALYSES)[0].ConceptCodeSequence[0].CodeValue == (
        cad_codes.NOT_ATTEMPTED.value
    )


def test_what_was_not_searched_is_told() -> None:
    views = (*_findings().views[:3], _view(4, "L-MLO", LESION_TYPES))
    report = cad_sr(_findings(views=views, findings=()))
    summary = _called(report, cad_codes.SUMMARY)[0].ConceptCodeSequence[0].CodeValue
    assert summary == cad_codes.SUMMARIES[False, False].value
    (failed,) = _called(report, cad_codes.FAILED_DETECTIONS)
    (detection,) = failed.ContentSequence
    assert detection.ConceptCodeSequence[0].CodeValue == "129769006"
    (link,) = [one for one in detection.ContentSequence if "ReferencedContentItemIdentifier" in one]
    assert list(link.ReferencedContentItemIdentifier) == [1, 2, 4]
    whole = cad_sr(_findings())
    assert not _called(whole, cad_codes.FAILED_DETECTIONS)
    assert _called(whole, cad_codes.SUMMARY)[0].ConceptCodeSequence[0].CodeValue == "111242"


def _detections(report: Dataset) -> tuple[str, dict[str, list[int]], dict[str, list[int]]]:
    """Status, and the views by finding of successful and failed detections."""
    (summary,) = _called(report, cad_codes.DETECTIONS)
    found: list[dict[str, list[int]]] = []
    for name in (cad_codes.SUCCESSFUL_DETECTIONS, cad_codes.FAILED_DETECTIONS):
        found.append({})
        for container in _called(summary, name):
            for one in container.ContentSequence:
                links = [x for x in one.ContentSequence if "ReferencedContentItemIdentifier" in x]
                found[-1][one.ConceptCodeSequence[0].CodeMeaning] = [
                    link.ReferencedContentItemIdentifier[-1] for link in links
                ]
    return summary.ConceptCodeSequence[0].CodeMeaning, found[0], found[1]


DENSITY, CLUSTER, DISTORTION = (
    cad_codes.FINDINGS[kind].meaning for kind in ("mass", "calcification", "distortion")
)


def test_a_view_without_a_search_is_no_success() -> None:
    views = _findings().views[:2]
    blank = (_view(3, "R-MLO", ()), _view(4, "L-MLO", LESION_TYPES))
    status, done, failed = _detections(cad_sr(_findings(views=(*views, *blank), findings=())))
    assert status == "Partially Succeeded"
    assert done == {DENSITY: [1, 2, 4], CLUSTER: [1, 2], DISTORTION: [1, 2, 4]}
    assert failed == {DENSITY: [3], CLUSTER: [3, 4], DISTORTION: [3]}
    # A view that was not searched is not matched either: only the left breast has two views.
    report = cad_sr(_findings(views=(*views, *blank), findings=()))
    (analysis,) = _called(report, cad_codes.ANALYSIS)
    links = [x for x in analysis.ContentSequence if "ReferencedContentItemIdentifier" in x]
    assert [link.ReferencedContentItemIdentifier[-1] for link in links] == [2, 4]


def test_only_what_the_detector_searches_is_a_detection() -> None:
    clusters = tuple(_view(i, name, ["calcification"]) for i, name in enumerate(NAMES, start=1))
    report = cad_sr(_findings(views=clusters, findings=(), types=("calcification",)))
    assert _detections(report) == ("Succeeded", {CLUSTER: [1, 2, 3, 4]}, {})
    assert _called(report, cad_codes.SUMMARY)[0].ConceptCodeSequence[0].CodeValue == "111241"
    nothing = tuple(replace(view, scores={}) for view in clusters)
    report = cad_sr(_findings(views=nothing, findings=(), types=("mass",)))
    assert _detections(report) == ("Failed", {}, {DENSITY: [1, 2, 3, 4]})


def test_texts_and_identity(tmp_path: Path) -> None:
    report = cad_sr(_findings())
    told = _called(report, cad_codes.DESCRIPTION)[0].TextValue
    assert "not a medical device" in told
    assert "neither risks nor probabilities" in told
    assert "simulated" in told
    assert "7 of 10, relative to made-up exams" in told
    assert str(report.PatientName) == ""
    assert "Somebody" not in str(report)
    assert "20200102" not in str(report)
    named = cad_sr(_findings(), identity=True)
    assert str(named.PatientName) == "Somebody^Else"
    assert named.SOPInstanceUID != report.SOPInstanceUID
    # One file for the same findings, however often they are written.
    path = write_cad_sr(_findings(), tmp_path / "cad.dcm")
    before = path.read_bytes()
    assert write_cad_sr(_findings(), path).read_bytes() == before
    assert pydicom.dcmread(path).SOPInstanceUID == report.SOPInstanceUID


def test_views_that_are_no_dicom_files() -> None:
    views = _findings().views
    with pytest.raises(OutputError, match="no DICOM images"):
        cad_sr(_findings(views=tuple(replace(view, dicom=None) for view in views)))
    with pytest.raises(OutputError, match="1 of 4 views"):
        cad_sr(_findings(views=(replace(views[0], dicom=None), *views[1:])))


@pytest.mark.parametrize("identity", [False, True])
def test_validators_find_no_error(tmp_path: Path, identity: bool) -> None:
    views = (*_findings().views[:3], _view(4, "L-MLO", LESION_TYPES))
    nothing = tuple(replace(view, scores={}) for view in views)
    every = (
        _findings(),
        _findings(views=views, findings=()),
        _findings(views=nothing, findings=()),
        _findings(views=nothing, findings=(), types=()),
    )
    for number, made in enumerate(every):
        path = write_cad_sr(made, tmp_path / f"{number}.dcm", identity=identity)
        if shutil.which("dciodvfy") is not None:
            done = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True)
            assert "Error" not in done.stdout + done.stderr
        if shutil.which("dsrdump") is not None:
            done = subprocess.run(["dsrdump", str(path)], capture_output=True, text=True)
            assert done.returncode == 0
            assert "Mammography CAD Report" in done.stdout
            assert not [line for line in done.stderr.splitlines() if line.startswith("E:")]
