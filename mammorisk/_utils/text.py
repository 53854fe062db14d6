"""Columns of text that are the same under pandas 2 and pandas 3.

``dtype="str"`` is NumPy's fixed-width text under pandas 2, which turns None into ``"None"`` and
cuts what is assigned later. ``astype(str)`` turns a missing value into ``"nan"`` under pandas 2 and
keeps it missing under pandas 3.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

#: Text with NaN where it is missing: what pandas 3 calls ``"str"``.
TEXT = pd.StringDtype(na_value=np.nan)


def text_array(words: Iterable[str | None]) -> pd.api.extensions.ExtensionArray:
    """Words as an array of text; None is missing.

    Parameters
    ----------
    words : iterable of str or None

    Returns
    -------
    ExtensionArray of :data:`TEXT`

    Examples
    --------
    >>> from mammorisk._utils.text import text_array
    >>> text_array(["mammography", None]).isna().tolist()
    [False, True]
    """
    return pd.array(list(words), dtype=TEXT)


def as_labels(values: pd.Series, missing: str) -> pd.Series:
    """Values as text, with one word for those that are missing.

    Parameters
    ----------
    values : Series
    missing : str
        Stands for a missing value.

    Returns
    -------
    Series of :data:`TEXT`, without missing values

    Examples
    --------
    >>> import pandas as pd
    >>> from mammorisk._utils.text import as_labels
    >>> as_labels(pd.Series(["north", None, 3]), "unknown").tolist()
    ['north', 'unknown', '3']
    """
    known = values.notna()
    return values.astype(object).where(known, missing).map(str).astype(TEXT)
