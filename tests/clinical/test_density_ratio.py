"""The density part of the published baseline, computed alone, equals that of all its scores."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mammorisk.clinical.baseline import PublishedBaseline
from mammorisk.records.questionnaire_table import check_frame

WOMEN = pd.DataFrame(
    {
        "age": [36.0, 48.5, 55.0, 73.9, 84.0],
        "race": ["white", "black", None, "hispanic", "white"],
        "n_biopsies": [0.0, 1.0, np.nan, 2.0, 0.0],
    }
)


@pytest.mark.parametrize("category", ["a", "b", "c", "d"])
def test_density_alone(category: str) -> None:
    frame, _ = check_frame(WOMEN.assign(breast_density=category))
    baseline = PublishedBaseline()
    scores = baseline.score(frame, (5.0,))
    kept = np.isfinite(scores.risk).all(axis=1)
    assert kept.sum() >= 3
    np.testing.assert_allclose(
        baseline.density_ratio(frame)[kept], scores.density[kept], rtol=1e-12, atol=0
    )
    assert np.abs(scores.density[kept]).max() > 0.05


def test_without_a_density_model() -> None:
    frame = WOMEN.assign(breast_density="d")
    np.testing.assert_array_equal(PublishedBaseline(density=None).density_ratio(frame), 0.0)
