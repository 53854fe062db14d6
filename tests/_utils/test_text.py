"""Text columns are the same under pandas 2 and pandas 3."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mammorisk._utils.text import as_labels, text_array


def test_none_is_missing_and_longer_words_fit() -> None:
    words = text_array(["a", None])
    words[0] = "longer than the first word"
    assert words[0] == "longer than the first word"
    assert pd.isna(words[1])


def test_labels_have_one_word_for_what_is_missing() -> None:
    for values in (
        pd.Series(["a", None, "b"]),
        pd.Series(["a", np.nan, "b"], dtype=object),
        pd.Series(["a", pd.NA, "b"], dtype="string"),
        pd.Series(["a", None, "b"], dtype="category"),
    ):
        assert as_labels(values, "unknown").tolist() == ["a", "unknown", "b"]
    assert as_labels(pd.Series([1, 2]), "unknown").tolist() == ["1", "2"]


def test_labels_sort() -> None:
    labels = as_labels(pd.Series(["b", None, "a"]), "unknown")
    assert np.sort(labels.unique()).tolist() == ["a", "b", "unknown"]
