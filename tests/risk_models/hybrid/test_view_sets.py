"""ViewSets: which exams with missing views keep their image contribution."""

from __future__ import annotations

import numpy as np

from mammorisk.risk_models.hybrid.view_sets import ViewSets

WHOLE = np.linspace(0.005, 0.05, 400)
WEIGHT = np.ones(400)


def measured(**factor: float | np.ndarray) -> ViewSets:
    risks = {int(name[1:]): WHOLE * value for name, value in factor.items()}
    return ViewSets.measure(risks, WHOLE, WEIGHT, (15,))


def test_a_set_that_agrees_is_usable_and_one_that_is_shifted_is_not() -> None:
    found = measured(v12=np.float64(1.02), v11=np.float64(1.08), v3=np.float64(0.9))
    assert found.usable == (12, 15)
    assert found.agreement[11]["median"] == 1.08
    assert found.agreement[3]["share"] == 1.0


def test_a_set_is_usable_only_if_the_same_views_of_the_other_breast_agree() -> None:
    good, bad = np.float64(1.0), np.float64(1.2)
    assert measured(v5=good, v10=bad, v3=good).usable == (3, 15)
    assert measured(v5=good, v10=good).usable == (5, 10, 15)
    # Both views of a pair are the mirror image of themselves.
    assert measured(v12=good, v3=bad).usable == (12, 15)


def test_one_missing_view_must_also_agree_woman_by_woman() -> None:
    alternating = np.where(np.arange(400) % 2, 1.6, 1 / 1.6)
    centred = alternating / alternating.mean() * 1.0
    found = ViewSets.measure({7: WHOLE * centred, 3: WHOLE * centred}, WHOLE, WEIGHT, ())
    # Medians of two values jump: only the share distinguishes the sets here.
    assert found.agreement[7]["share"] < 0.9
    assert 7 not in found.usable


def test_the_median_is_weighted() -> None:
    ratio = np.where(np.arange(400) < 100, 2.0, 1.0)
    heavy = np.where(np.arange(400) < 100, 10.0, 1.0)
    found = ViewSets.measure({3: WHOLE * ratio}, WHOLE, heavy, ())
    assert found.agreement[3]["median"] == 2.0


def test_it_survives_saving() -> None:
    found = measured(v7=np.float64(1.02))
    assert ViewSets.from_dict(found.to_dict()) == found
