"""The search for lesions in the prepared views of an exam: detection, fusion and matching."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mammorisk._utils.digests import config_digest
from mammorisk._utils.model_folder import weights_digest
from mammorisk._version import __version__
from mammorisk.findings.anatomy import ViewAnatomy
from mammorisk.findings.candidate import LESION_TYPES, TYPES, Candidate
from mammorisk.findings.detector_input import USUAL_HEIGHT_MM
from mammorisk.findings.exam_score import ReferenceScores, score_exam
from mammorisk.findings.finding import Finding
from mammorisk.findings.findings import Findings, FoundView
from mammorisk.findings.fusion import Placed, same_breast
from mammorisk.findings.matching import Pair, match_views
from mammorisk.findings.peaks import keep_apart
from mammorisk.findings.prepare import PreparedView
from mammorisk.findings.quadrant import quadrant_of
from mammorisk.warnings import ResultWarning, make_warning, merge_views

if TYPE_CHECKING:
    from mammorisk.findings.base import Detector

#: Two findings whose centres are nearer are at the same place.
_SAME_PLACE_MM = 5.0


def search(
    views: Mapping[str, PreparedView],
    detector: Detector,
    *,
    reference: ReferenceScores | None = None,
    minimum_score: float | None = None,
    warnings: Sequence[ResultWarning] = (),
) -> Findings:
    """Find lesions in the prepared views of an exam.

    Parameters
    ----------
    views : mapping of str to PreparedView
        By name.
    detector : Detector
    reference : ReferenceScores, optional
    minimum_score : float, optional
        Lowest score of a finding. Default: the operating point of the detector for each type, and
        one mass, asymmetry or distortion at a place: the one with the highest score.
    warnings : sequence of ResultWarning
        About the exam.

    Returns
    -------
    Findings
    """
    pixels = {name: one.pixels for name, one in views.items() if one.pixels is not None}
    return conclude(
        detector.find(pixels),
        views,
        detector,
        reference=reference,
        minimum_score=minimum_score,
        warnings=warnings,
    )


def conclude(
    raw: Mapping[str, list[Candidate]],
    views: Mapping[str, PreparedView],
    detector: Detector,
    *,
    reference: ReferenceScores | None = None,
    minimum_score: float | None = None,
    warnings: Sequence[ResultWarning] = (),
) -> Findings:
    """Fuse the candidates of the views of an exam, match them and place them.

    Parameters
    ----------
    raw : mapping of str to list of Candidate
        What the networks found in each view.
    views, detector, reference, minimum_score, warnings
        As for :func:`search`.

    Returns
    -------
    Findings
    """
    fused = fuse_views(raw, views, detector)
    kept = {
        name: [one for one in some if one.score >= _least(one.type, detector, minimum_score)]
        for name, some in fused.items()
    }
    if minimum_score is None:
        kept = {name: _one_per_place(some, views[name].seen) for name, some in kept.items()}
    findings = _findings(kept, views)
    of_views = [one for view in views.values() for one in view.warnings]
    known = {(one.code, one.view) for one in of_views}
    # What a view says of its pixels is more specific than what its header says.
    told = [*(one for one in warnings if (one.code, one.view) not in known), *of_views]
    card = detector.card
    if card.simulated:
        text = f"{card.name} was trained on simulated lesions: it is not for real exams"
        told.append(make_warning("trained-on-simulated", text))
    elif card.start_simulated:
        text = f"the training of {card.name} began on simulated lesions and went on with others"
        told.append(make_warning("trained-on-simulated", text))
    state = detector.state()
    scored = tuple(_scored(one, fused.get(name, []), card.types) for name, one in views.items())
    return Findings(
        findings=findings,
        views=scored,
        warnings=merge_views(dict.fromkeys(told), len(views)),
        exam_score=score_exam(scored, reference, model=detector.card.name),
        reference=None if reference is None else reference.name,
        model=detector.card.name,
        types=tuple(card.types),
        simulated=detector.card.simulated,
        provenance={
            "software": f"mammorisk {__version__}",
            "weights_sha256": weights_digest(state),
            "config_sha256": config_digest(state),
            "pixels_sha256": {n: one.pixel_digest for n, one in views.items() if one.pixel_digest},
        },
    )


def _one_per_place(some: Sequence[Candidate], view: FoundView) -> list[Candidate]:
    """Leave out a mass, an asymmetry or a distortion at the place of one with a higher score.

    A lesion can look like more than one type. Calcifications in a mass are a finding of their own.
    """
    pixel_mm = view.pixel_mm or USUAL_HEIGHT_MM / max(view.rows, view.columns)
    same_place = [i for i, one in enumerate(some) if one.type in LESION_TYPES]
    centres = np.array([some[i].centre_px for i in same_place]).reshape(-1, 2) * pixel_mm
    scores = np.array([some[i].score for i in same_place], dtype=np.float64)
    chosen = keep_apart(centres, scores, np.full(len(scores), _SAME_PLACE_MM))
    left_out = set(same_place) - {same_place[i] for i in chosen}
    return [one for i, one in enumerate(some) if i not in left_out]


def _least(kind: str, detector: Detector, minimum: float | None) -> float:
    return detector.operating_points.get(kind, 0.5) if minimum is None else minimum


def fuse_views(
    raw: Mapping[str, list[Candidate]], views: Mapping[str, PreparedView], detector: Detector
) -> dict[str, list[Candidate]]:
    """Return the candidates of each view with the scores after the fusion of CC and MLO."""
    return {name: _fused(name, raw, views, detector) for name in raw}


def _fused(
    name: str,
    found: Mapping[str, list[Candidate]],
    views: Mapping[str, PreparedView],
    detector: Detector,
) -> list[Candidate]:
    other = same_breast(name)
    own = _all_placed(found[name], views[name])
    others = _all_placed(found[other], views[other]) if other in found else None
    scores = detector.fusion.fuse(own, others)
    # What was not searched in the other view is not absent there.
    kept = other in views and not views[other].calcifications_searched
    return [
        one if kept and one.type == "calcification" else replace(one, score=float(score))
        for one, score in zip(found[name], scores, strict=True)
    ]


def _all_placed(found: Sequence[Candidate], view: PreparedView) -> list[Placed]:
    return [placed(one, view.anatomy, view.seen.pixel_mm) for one in found]


def placed(one: Candidate, anatomy: ViewAnatomy | None, pixel_mm: float | None) -> Placed:
    """Return what the fusion reads of a candidate."""
    away = size = float("nan")
    if pixel_mm is not None:
        size = one.size_px * pixel_mm
        if anatomy is not None:
            away = anatomy.along_row(one.centre_px[1]) * anatomy.length_px * pixel_mm
    return Placed(type=one.type, score=one.score, away_mm=away, size_mm=size)


def _scored(view: PreparedView, found: Sequence[Candidate], types: Sequence[str]) -> FoundView:
    """The view with its highest score of each type; NaN for types that were not searched."""
    scores = {
        kind: max((one.score for one in found if one.type == kind), default=0.0)
        if view.pixels is not None and kind in types
        else float("nan")
        for kind in TYPES
    }
    if not view.calcifications_searched:
        scores["calcification"] = float("nan")
    return replace(view.seen, scores=scores)


def _findings(
    kept: Mapping[str, Sequence[Candidate]], views: Mapping[str, PreparedView]
) -> tuple[Finding, ...]:
    facts: dict[tuple[str, int], dict[str, Any]] = {}
    number = 0
    for side in ("R", "L"):
        cc, mlo = f"{side}-CC", f"{side}-MLO"
        if cc not in kept or mlo not in kept:
            continue
        for pair in _pairs(kept, views, cc, mlo):
            number += 1
            two = kept[cc][pair.cc], kept[mlo][pair.mlo]
            shared = {
                "pair_id": f"P{number}",
                "pair_probability": pair.probability,
                "quadrant": _quadrant(two, views[cc], views[mlo], side),
            }
            facts[cc, pair.cc] = facts[mlo, pair.mlo] = shared
    every = [
        (one, name, facts.get((name, i), {}))
        for name, some in kept.items()
        for i, one in enumerate(some)
    ]
    every.sort(key=lambda item: -item[0].score)
    return tuple(
        _finding(f"F{i}", one, views[name], shared)
        for i, (one, name, shared) in enumerate(every, start=1)
    )


def _pairs(
    kept: Mapping[str, Sequence[Candidate]],
    views: Mapping[str, PreparedView],
    cc: str,
    mlo: str,
) -> tuple[Pair, ...]:
    anatomies = views[cc].anatomy, views[mlo].anatomy
    if anatomies[0] is None or anatomies[1] is None:
        return ()
    return match_views(
        kept[cc],
        kept[mlo],
        anatomies[0],
        anatomies[1],
        views[cc].seen.pixel_mm,
        views[mlo].seen.pixel_mm,
    )


def _quadrant(
    pair: tuple[Candidate, Candidate], cc: PreparedView, mlo: PreparedView, side: str
) -> str | None:
    if cc.anatomy is None or mlo.anatomy is None:
        return None
    return quadrant_of(pair[0], pair[1], cc.anatomy, mlo.anatomy, side)


def _finding(
    finding_id: str, one: Candidate, view: PreparedView, shared: Mapping[str, Any]
) -> Finding:
    box = _stored_box(one, view.seen)
    pixel_mm = view.seen.pixel_mm
    lengths: dict[str, Any] = {}
    if pixel_mm is not None:
        top, bottom, left, right = (round(v * pixel_mm, 2) for v in box)
        lengths = {
            "box_mm": (top, bottom, left, right),
            "centre_mm": (round((top + bottom) / 2, 2), round((left + right) / 2, 2)),
            "size_mm": round(max(bottom - top, right - left), 2),
        }
    depth = float("nan") if view.anatomy is None else float(view.anatomy.depth(*one.centre_px))
    return Finding(
        finding_id=finding_id,
        view=one.view,
        type=one.type,
        score=one.score,
        box_px=box,
        depth=depth,
        p_malignant=one.p_malignant,
        n_specks=len(one.specks_px) if one.type == "calcification" else None,
        warnings=view.warnings,
        **lengths,
        **shared,
    )


def _stored_box(one: Candidate, view: FoundView) -> tuple[int, int, int, int]:
    """The box in whole pixels of the stored image, within the image."""
    top, bottom, left, right = one.box_px
    turned = view.turn.quarters % 2 == 1
    shape = (view.columns, view.rows) if turned else (view.rows, view.columns)
    corners: NDArray[np.float64] = np.array([[top - 0.5, left - 0.5], [bottom - 0.5, right - 0.5]])
    moved = view.turn.to_stored(corners, shape) + 0.5
    low, high = np.floor(moved.min(axis=0)), np.ceil(moved.max(axis=0))
    limits = (view.rows, view.columns)
    first = [int(np.clip(v, 0, n - 1)) for v, n in zip(low, limits, strict=True)]
    last = [int(np.clip(v, f + 1, n)) for v, f, n in zip(high, first, limits, strict=True)]
    return first[0], last[0], first[1], last[1]
