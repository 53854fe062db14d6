"""Conversion of tables of other libraries to pandas DataFrames."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def as_frame(data: object) -> pd.DataFrame | None:
    """Convert a table to a pandas DataFrame; return None for other objects.

    Parameters
    ----------
    data : object
        A DataFrame, or a table of polars, pyarrow, DuckDB or another library that has Arrow's
        PyCapsule interface for streams. A Series or column is not a table.

    Returns
    -------
    DataFrame or None

    Examples
    --------
    >>> import pyarrow
    >>> from mammorisk.records.frames import as_frame
    >>> as_frame(pyarrow.table({"age": [54, 61]}))["age"].tolist()
    [54, 61]
    """
    import pandas as pd

    if isinstance(data, pd.DataFrame):
        return data
    if isinstance(data, pd.Series) or not hasattr(data, "__arrow_c_stream__"):
        return None
    import pyarrow

    try:
        found: pd.DataFrame = pyarrow.table(data).to_pandas()
    except (TypeError, ValueError):
        # A column, such as a Series of polars, is a stream without names.
        return None
    return found
