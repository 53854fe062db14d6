"""Words of the column ``split``: which exams train a model, and which validate it."""

from __future__ import annotations

import pandas as pd

from mammorisk._utils.text import as_labels

TRAIN_WORDS = frozenset({"train", "training"})
VALIDATION_WORDS = frozenset({"dev", "val", "valid", "validation", "tune"})
#: Words of the exams that a fit uses. Exams with other words are left out.
FIT_WORDS = TRAIN_WORDS | VALIDATION_WORDS


def split_words(exams: pd.DataFrame) -> pd.Series | None:
    """The column ``split`` without blanks and capitals, ``""`` where empty; None if there is none.

    Examples
    --------
    >>> import pandas as pd
    >>> from mammorisk.records.split_words import split_words
    >>> split_words(pd.DataFrame({"split": [" Train", None]})).tolist()
    ['train', '']
    """
    if "split" not in exams.columns:
        return None
    return as_labels(exams["split"], "").str.strip().str.lower()
