"""The exam score: tenths of a named set, and no score where exams cannot be compared."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from mammorisk.errors import EvaluationError, UnreadableFile
from mammorisk.findings.exam_score import ReferenceScores, highest_score, score_exam
from mammorisk.findings.findings import Findings, FoundView
from mammorisk.metrics import PUBLISHED_TRIAGE_POINTS, triage_curve, triage_point

NAN = float("nan")


def _view(mass: float, calcification: float = 0.1) -> FoundView:
    scores = {"mass": mass, "calcification": calcification, "asymmetry": 0.0, "distortion": 0.0}
    return FoundView(
        name="L-CC", laterality="L", position="CC", rows=9, columns=9, pixel_mm=0.1, scores=scores
    )


def _reference(**changes: object) -> ReferenceScores:
    options = {"name": "a set", "model": "one", "scores": np.arange(1, 1001) / 1000}
    return ReferenceScores(**(options | changes))  # type: ignore[arg-type]


def test_each_score_has_a_tenth_of_the_set() -> None:
    reference = _reference()
    found = np.array([reference.exam_score(score) for score in reference.scores])
    assert np.unique(found).tolist() == list(range(1, 11))
    assert np.bincount(found.astype(int))[1:].tolist() == [100] * 10
    assert reference.exam_score(-1) == 1
    assert reference.exam_score(2) == 10
    assert math.isnan(reference.exam_score(NAN))


def test_ties_go_to_the_lower_tenth() -> None:
    reference = _reference(scores=np.r_[np.zeros(350), np.linspace(0.1, 1, 650)])
    assert reference.exam_score(0.0) == 1
    assert reference.exam_score(0.05) == 4


def test_the_score_of_an_exam() -> None:
    views = [_view(0.2), _view(0.65, 0.3)]
    assert highest_score(views) == 0.65
    assert score_exam(views, _reference(), model="one") == 7
    assert math.isnan(score_exam(views, None))
    assert math.isnan(score_exam([], _reference()))
    with pytest.raises(EvaluationError, match="of one, and the exam was searched by other"):
        score_exam(views, _reference(), model="other")
    # Calcifications were not searched in one view: the exam cannot be compared with the set.
    coarse = [_view(0.2), _view(0.65, NAN)]
    assert math.isnan(score_exam(coarse, _reference()))
    others = _reference(types=("mass", "asymmetry", "distortion"))
    assert score_exam(coarse, others) == 7
    assert highest_score([_view(0.2, 0.9)], others.types) == 0.2


def test_a_set_of_findings(tmp_path: Path) -> None:
    def found(score: float, **options: object) -> Findings:
        view = _view(score, NAN)
        return Findings(findings=(), views=(view,), model="one", simulated=True, **options)  # type: ignore[arg-type]

    made = ReferenceScores.from_findings("mine", [found(i / 100) for i in range(100)])
    assert made.types == ("mass", "asymmetry", "distortion")
    assert made.simulated
    read = ReferenceScores.load(made.save(tmp_path / "mine.json"))
    assert (read.name, read.model, read.types, read.simulated) == (
        *("mine", "one", made.types),
        True,
    )
    np.testing.assert_allclose(read.scores, made.scores, atol=1e-6)
    with pytest.raises(EvaluationError, match="99 exams are too few"):
        ReferenceScores.from_findings("mine", [found(i / 100) for i in range(99)])
    other = Findings(findings=(), views=(_view(0.1),), model="two")
    with pytest.raises(EvaluationError, match="searched by one and two"):
        ReferenceScores.from_findings("mine", [found(0.1), other])


def test_what_is_no_reference_set(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="no name"):
        _reference(name=" ")
    with pytest.raises(EvaluationError, match="is missing"):
        _reference(scores=np.r_[np.ones(200), NAN])
    with pytest.raises(EvaluationError, match="cancer is not a type"):
        _reference(types=("cancer",))
    path = tmp_path / "Somebody^Else.json"
    for text in (None, "[]", '{"name": "x"}', "no json"):
        if text is not None:
            path.write_text(text)
        with pytest.raises(UnreadableFile) as told:
            ReferenceScores.load(path)
        assert "Somebody" not in str(told.value)


def test_triage_takes_exam_scores() -> None:
    rng = np.random.default_rng(3)
    cancer = np.arange(4000) % 100 == 0
    score = rng.normal(size=4000) + 1.5 * cancer
    reference = _reference(scores=rng.normal(size=2000))
    exam_score = np.array([reference.exam_score(value) for value in score])
    curve = triage_curve(cancer, exam_score)
    assert curve["threshold"].tolist() == [-np.inf, *range(1, 11)]
    for threshold, share in ((2, 0.2), (5, 0.5)):
        point = triage_point(cancer, exam_score, threshold)
        assert point["not_read"].value == pytest.approx(share, abs=0.03)
        assert point["cancers_missed"].value < share / 2
    assert {point.name[-1] for point in PUBLISHED_TRIAGE_POINTS} == {"2", "5"}
