"""Rows of a table of risks to which no policy applies, by the warnings of the prediction."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mammorisk.warnings import CODES

#: Codes of refusals that concern the patient or her answers, and not the model alone. A policy may
#: have a group for a woman whom a model refuses, such as a carrier.
NO_POLICY = ("male-patient", "row-invalid", "questionnaire-invalid")


def refusals(risks: pd.DataFrame) -> NDArray[np.object_]:
    """Return the reason why no policy applies to each row; None where one may apply.

    Parameters
    ----------
    risks : DataFrame, n rows
        With ``warning_codes``, as :func:`mammorisk.predict` returns it, or without.

    Returns
    -------
    ndarray of object, shape (n,)

    Examples
    --------
    >>> import pandas as pd
    >>> from mammorisk.policy.refused import refusals
    >>> refusals(pd.DataFrame({"warning_codes": ["male-patient", "views-missing"]})).tolist()
    ['the table or the image header says that the patient is male', None]
    """
    found = np.full(len(risks), None, dtype=object)
    if "warning_codes" in risks.columns:
        codes = risks["warning_codes"].fillna("").astype(str).str.split(",")
        for code in NO_POLICY:
            found[codes.map(lambda told, code=code: code in told).to_numpy(dtype=bool)] = CODES[
                code
            ].meaning
    return found
