"""Rows of men in a table. The models are for women."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mammorisk.records.questionnaire_fields import blank_to_none

if TYPE_CHECKING:
    import pandas as pd

#: Names of columns with the sex, without case, blanks and punctuation.
_COLUMNS = {"sex", "gender", "patientsex", "patientgender", "sexatbirth", "administrativegender"}
#: Numbers are not read, because their coding differs between sources.
_MALE = {"m", "male", "man"}


def male_rows(table: pd.DataFrame) -> NDArray[np.bool_]:
    """Return the rows whose column of the sex says male.

    Parameters
    ----------
    table : DataFrame, n rows
        Any columns.

    Returns
    -------
    ndarray of bool, shape (n,)

    Examples
    --------
    >>> import pandas as pd
    >>> from mammorisk.records.sex import male_rows
    >>> male_rows(pd.DataFrame({"age": [54, 61], "Sex": ["F", "m"]}))
    array([False,  True])
    """
    male = np.zeros(len(table), dtype=bool)
    # By place, because a name can occur twice.
    for place, name in enumerate(table.columns):
        if re.sub(r"[^a-z]", "", str(name).lower()) in _COLUMNS:
            words = (blank_to_none(value) for value in table.iloc[:, place])
            male |= np.array(
                [isinstance(word, str) and word.strip().lower() in _MALE for word in words],
                dtype=bool,
            )
    return male
