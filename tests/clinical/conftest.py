from __future__ import annotations

import pandas as pd
import pytest


@pytest.fixture
def women() -> pd.DataFrame:
    """Twelve women who differ in most answers; two that no model can score."""
    return pd.DataFrame(
        {
            "age": [40, 47.5, 50, 52.25, 60, 64.9, 65, 71, 74.5, 36, 55, 45],
            "race_ethnicity": [
                "white",
                "black",
                "hispanic_us_born",
                "hispanic_foreign_born",
                "chinese",
                "native_american",
                None,
                "unknown",
                "other",
                "hawaiian",
                "white",
                "white",
            ],
            "menopausal_status": ["pre", "peri", "post", "pre", "post", None] * 2,
            "age_menarche": [11, 12.5, 13, 14, None, 15, 10, 16, 12, 13, 11, 99],
            "parity": [0, 1, 2, 3, None, 0, 5, 1, 2, 0, 3, 1],
            "age_first_birth": [None, 31, 19, 24.5, 27, None, 20, 35, 29.9, None, 22, 25],
            "biopsies": [0, 1, 2, None, 3, 1, 0, None, 1, 0, 1, 0],
            "atypical_hyperplasia": [
                None,
                True,
                False,
                True,
                False,
                None,
                None,
                True,
                False,
                None,
                False,
                None,
            ],
            "first_degree_relatives": [0, 1, 2, None, 3, 0, 1, 2, 0, 1, None, 0],
            "breast_density": list("abcdabcdabcd"),
            "height_cm": [163, 170, None, 158, 160, 149.5] * 2,
            "weight_kg": [60, 95, 70, None, 50, 45] * 2,
            "oral_contraceptive": ["never", "former", None, "current"] * 3,
            "alcohol_g_per_day": [0, 0.5, 5, 30, None, 60] * 2,
            "hrt_use": ["never", None, "current", "former"] * 3,
            "benign_breast_disease": [True, False, None] * 4,
            "onset_mother": [45, None, "", 70] * 3,
            "onset_full_sisters": [None, "38 61", "52", None] * 3,
            "prior_breast_cancer": [None] * 10 + [True, False],
        }
    )
