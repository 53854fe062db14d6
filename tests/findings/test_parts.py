"""Parts of the detector: frames, peaks, clusters, fusion, scores and targets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mammorisk.findings.candidate_scores import score_of, start_weights
from mammorisk.findings.clusters import find_clusters
from mammorisk.findings.frame import ViewFrame
from mammorisk.findings.fusion import Fusion, Placed
from mammorisk.findings.peaks import find_peaks, keep_apart
from mammorisk.imaging.upright import Turn


@pytest.mark.parametrize("mirrored", [False, True])
def test_frame_maps_there_and_back(mirrored: bool) -> None:
    frame = ViewFrame(box_px=(10, 210, 30, 130), mirrored=mirrored, scale=0.25)
    points = np.array([[10.0, 30.0], [55.5, 99.0]])
    assert np.allclose(frame.to_view(frame.to_grid(points)), points)
    # The corner of the box at the chest wall is the first pixel of the grid.
    corner = [[10.0, 129.0 if mirrored else 30.0]]
    assert np.allclose(frame.to_grid(np.array(corner)), -0.375)


@pytest.mark.parametrize("quarters", range(4))
@pytest.mark.parametrize("flip", [False, True])
def test_turned_points_are_where_the_pixels_are(quarters: int, flip: bool) -> None:
    turn = Turn(quarters=quarters, flip=flip)
    stored = np.arange(15).reshape(3, 5)
    upright = turn.apply(stored)
    places = np.argwhere(stored >= 0)
    moved = turn.to_upright(places, (3, 5)).astype(int)
    assert (upright[tuple(moved.T)] == stored[tuple(places.T)]).all()
    assert (turn.to_stored(moved, upright.shape) == places).all()


def test_near_points_are_removed_by_the_highest() -> None:
    centres = np.array([[0.0, 0.0], [0.0, 3.0], [0.0, 9.0]])
    kept = keep_apart(centres, np.array([0.5, 0.9, 0.4]), np.full(3, 5.0))
    assert kept.tolist() == [1, 2]


def test_three_specks_in_a_square_centimetre_are_a_cluster_and_two_are_not() -> None:
    heat = np.zeros((400, 400), dtype=np.float32)
    for row, column in ((100, 100), (120, 110), (105, 130)):
        heat[row, column] = 0.9
    heat[300, 300] = heat[310, 300] = 0.9
    logits = np.zeros((25, 25), dtype=np.float32)
    (found,) = find_clusters(heat, logits, step_px=16, spacing_mm=0.1, lowest=0.1, most=10)
    assert sorted(map(tuple, found.specks.tolist())) == [(100, 100), (105, 130), (120, 110)]
    assert found.centre == (110.0, 115.0)
    spread = np.zeros_like(heat)
    for row in (20, 170, 320):
        spread[row, 200] = 0.9
    assert find_clusters(spread, logits, step_px=16, spacing_mm=0.1, lowest=0.1, most=10) == []


def test_score_of_a_cluster_is_read_at_its_place_in_a_padded_map() -> None:
    heat = np.zeros((100, 2000), dtype=np.float32)
    for row, column in ((50, 1890), (60, 1910), (50, 1910)):
        heat[row, column] = 0.9
    logits = np.full((8, 125), -5.0, dtype=np.float32)
    logits[55 // 16, 1900 // 16] = 3.0
    (found,) = find_clusters(heat, logits, step_px=16, spacing_mm=0.1, lowest=0.1, most=10)
    assert found.centre == (55.0, 1900.0)
    assert found.features[-1] == 3.0


def test_peak_must_be_the_highest_of_its_neighbours() -> None:
    rng = np.random.default_rng(1)
    heat = rng.random((40, 40)).astype(np.float32)
    found = find_peaks(heat, lowest=0.5, most=1000, radius=2)
    for row, column in zip(found.rows, found.columns, strict=True):
        part = heat[max(row - 2, 0) : row + 3, max(column - 2, 0) : column + 3]
        assert heat[row, column] == part.max()
    assert (np.diff(found.values) <= 0).all()


def _one(score: float, away: float = 40.0, kind: str = "mass") -> Placed:
    return Placed(type=kind, score=score, away_mm=away, size_mm=12.0)


def test_fusion_raises_what_both_views_show_and_keeps_a_view_alone() -> None:
    fusion = Fusion({"mass": (0.5, 0.0, 0.5, -0.2)})
    own = [_one(0.3)]
    alone = fusion.fuse(own, None)[0]
    same = fusion.fuse(own, [_one(0.8)])[0]
    elsewhere = fusion.fuse(own, [_one(0.8, away=90.0)])[0]
    other_type = fusion.fuse(own, [_one(0.8, kind="distortion")])[0]
    assert alone == 0.3
    assert same > alone > elsewhere
    assert other_type == pytest.approx(elsewhere, abs=0.02)
    # A type that was not learnt is not changed.
    assert fusion.fuse([_one(0.3, kind="asymmetry")], [_one(0.9)])[0] == pytest.approx(0.3)


def test_fusion_learns_that_true_lesions_are_in_both_views() -> None:
    from mammorisk.training.findings.scores import ViewCandidates, fit_scores

    rng = np.random.default_rng(0)
    exams = []
    for _ in range(60):
        place = rng.uniform(20, 80)
        views = {}
        for name in ("L-CC", "L-MLO"):
            false = [_one(rng.uniform(0.2, 0.7), rng.uniform(0, 100)) for _ in range(2)]
            true = _one(rng.uniform(0.2, 0.7), place + rng.normal(0, 3))
            views[name] = ViewCandidates(placed=[true, *false], is_hit=np.array([1, 0, 0], bool))
        exams.append(views)
    fitted = fit_scores(exams, {})
    both = fitted.fusion.fuse([_one(0.5, 50)], [_one(0.5, 50)])[0]
    single = fitted.fusion.fuse([_one(0.5, 50)], [_one(0.5, 95)])[0]
    assert both > 0.5 > single
    assert set(fitted.operating_points) == {"mass"}


def test_a_place_that_looks_like_two_types_keeps_both_with_their_features() -> None:
    pytest.importorskip("torch")
    from mammorisk.findings.detector import _peaks_of_type

    logits = np.full((3, 30, 30), -8.0, dtype=np.float32)
    logits[0, 10, 10], logits[1, 11, 10], logits[0, 12, 10], logits[0, 25, 25] = 2, 1, 0, -1
    heat = 1 / (1 + np.exp(-logits))
    size = np.full((2, 30, 30), 12.0, dtype=np.float32)
    frame = ViewFrame(box_px=(0, 480, 0, 480), mirrored=False, scale=0.25)
    mass, asymmetry = (_peaks_of_type("L-CC", frame, k, heat, logits, size) for k in (0, 1))
    # The second mass is nearer than half the size of the first.
    assert [one.features[0] for one in mass] == [2.0, -1.0]
    assert mass[0].features == pytest.approx((2, 2, 1, -8, np.log(12)))
    assert mass[1].features == pytest.approx((-1, -1, -8, -8, np.log(12)))
    assert [one.features[:3] for one in asymmetry] == [pytest.approx((1, 2, 1))]


def test_score_falls_where_another_type_is_more_likely() -> None:
    from mammorisk.training.findings.scores import ViewCandidates, fit_scores

    rng = np.random.default_rng(0)
    exams = []
    for _ in range(80):
        is_hit = rng.random(2) < 0.5
        other = np.where(is_hit, rng.normal(-4, 1, 2), rng.normal(1, 1, 2))
        features = [(0.5, 0.5, value, -8.0, 2.5) for value in other]
        exams.append(
            {"L-CC": ViewCandidates(placed=[_one(0.6)] * 2, is_hit=is_hit, features=features)}
        )
    fitted = fit_scores(exams, start_weights())
    low, high = (
        score_of((0.5, 0.5, value, -8.0, 2.5), fitted.score_weights["mass"]) for value in (1, -4)
    )
    assert low < 0.2 < 0.8 < high
    # A type without candidates keeps its weights.
    assert (fitted.score_weights["distortion"] == start_weights()["distortion"]).all()
    # Half of the exams have too few lesions for five features.
    few = fit_scores(exams[:40], start_weights())
    assert (few.score_weights["mass"] == start_weights()["mass"]).all()


def test_views_not_searched_for_calcifications_are_not_counted_for_them() -> None:
    from mammorisk.training.findings.scores import ViewCandidates, fit_scores

    none = np.zeros(1, dtype=bool)

    def searched(score: float) -> ViewCandidates:
        return ViewCandidates(placed=[_one(score, kind="calcification")], is_hit=none)

    coarse = ViewCandidates(placed=[], is_hit=none[:0], calcifications_searched=False)
    exams = [{"L-CC": searched(0.9 - 0.1 * i), "R-CC": coarse} for i in range(8)]
    # One false positive in eight of the views that were searched, not in sixteen views.
    assert fit_scores(exams, {}).operating_points == {"calcification": 0.9}
    # What was not searched in the other view changes no score.
    pairs = [{"L-CC": exam["L-CC"], "L-MLO": coarse} for exam in exams]
    fusion = Fusion({"calcification": (3.0, 0.0, 0.0, 0.0)})
    assert fit_scores(pairs, {}, fusion).operating_points == {"calcification": 0.9}
    assert fit_scores([{"R-CC": coarse}], {}).operating_points == {}


def test_a_place_has_one_finding_besides_its_calcifications() -> None:
    from mammorisk.findings.candidate import Candidate
    from mammorisk.findings.findings import FoundView
    from mammorisk.findings.search import _one_per_place

    def one(kind: str, score: float, row: float) -> Candidate:
        return Candidate(view="L-CC", type=kind, score=score, box_px=(row, row + 9, 50, 59))

    some = [
        one("mass", 0.5, 100),
        one("asymmetry", 0.6, 140),
        one("distortion", 0.4, 160),
        one("calcification", 0.3, 140),
    ]
    view = FoundView(
        name="L-CC", laterality="L", position="CC", rows=2400, columns=900, pixel_mm=0.1
    )
    # The mass is 4 mm from the asymmetry, and the distortion 2 mm.
    assert _one_per_place(some, view) == [some[1], some[3]]
    assert len(_one_per_place(some, replace(view, pixel_mm=0.2))) == 3
    # A height of 240 mm is assumed if the spacing is unknown.
    assert _one_per_place(some, replace(view, pixel_mm=None)) == [some[1], some[3]]


def test_targets_peak_at_the_lesion() -> None:
    torch = pytest.importorskip("torch")
    from mammorisk.training.findings.batches import lesion_targets, speck_targets

    box = np.array([[2, 41.5, 81.5, 20, 40]], dtype=np.float32)
    heat, size, at_peak = lesion_targets([box], (160, 160), torch.device("cpu"))
    assert heat[0, 2, 10, 20] == 1
    assert heat.sum(dim=(2, 3))[0, :2].sum() == 0
    assert heat[0, 2, 10, 22] > heat[0, 2, 12, 20]
    assert torch.allclose(size[0, :, 10, 20], torch.log(torch.tensor([0.8, 1.6])))
    assert at_peak.sum() == 9
    specks = speck_targets([np.array([[5.0, 7.0]])], 32, 1, 1.5, torch.device("cpu"))
    assert specks[0, 0, 5, 7] == 1
    assert (specks == 1).sum() == 1
