"""Text columns that are the same under pandas 2 and pandas 3.

Under pandas 2, ``dtype="str"`` is the fixed-width text type of NumPy: it converts None to
``"None"`` and truncates longer values that are assigned later. ``astype(str)`` converts a missing
value to ``"nan"`` under pandas 2 and keeps it missing under pandas 3.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

#: Text with NaN for missing values, called ``"str"`` in pandas 3.
TEXT = pd.StringDtype(na_value=np.nan)


def text_array(words: Iterable[str | None]) -> pd.api.extensions.ExtensionArray:
    """Return text as a pandas array.

    Parameters
    ----------
    words : iterable of str or None
        None is a missing value.

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
    """Convert values to text labels, with one label for missing values.

    Parameters
    ----------
    values : Series
    missing : str
        Label of missing values.

    Returns
    -------
    Series of :data:`TEXT`
        Without missing values.

    Examples
    --------
    >>> import pandas as pd
    >>> from mammorisk._utils.text import as_labels
    >>> as_labels(pd.Series(["north", None, 3]), "unknown").tolist()
    ['north', 'unknown', '3']
    """
    known = values.notna()
    return values.astype(object).where(known, missing).map(str).astype(TEXT)
