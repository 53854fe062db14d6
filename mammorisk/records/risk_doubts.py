"""Risks that are possible but improbable: percent below 1."""

from __future__ import annotations

import numpy as np

from mammorisk._utils.typing import Floats

#: Probability of an invasive breast cancer within ten years of the average US woman, by age. From
#: 30 to 70: National Cancer Institute, fact sheet "Breast Cancer Risk in American Women" (SEER,
#: 2015-2017: 0.49, 1.55, 2.40, 3.54 and 4.09%; 2014-2016: 0.48, 1.53, 2.38% at 30, 40 and 50),
#: cancer.gov/types/breast/risk-fact-sheet. At 20: American Cancer Society (DevCan, 2005-2007). At
#: 80: the table of the US Centers for Disease Control (3.02%), read at second hand.
_AGES = (20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0)
_TEN_YEARS = (0.0006, 0.0049, 0.0155, 0.0240, 0.0354, 0.0409, 0.0302)
#: Where the mean of a table is so many times the average woman's, it is probably in percent, which
#: would be 100 times. Carriers of BRCA1 have some 10 times her risk. An assumption.
SUSPECT_RATIO = 20.0


def doubt_risks(risk: Floats, horizon: float, age: Floats | None = None) -> str | None:
    """Return a text if risks are probably in percent.

    Parameters
    ----------
    risk : ndarray, shape (n,)
        Risk over ``horizon``; NaN is ignored.
    horizon : float
        Years.
    age : ndarray, shape (n,), optional
        Years. For an unknown age, the age with the highest risk is used.

    Returns
    -------
    str or None
        The evidence and the remedy.

    Examples
    --------
    >>> import numpy as np
    >>> from mammorisk.records.risk_doubts import doubt_risks
    >>> doubt_risks(np.array([0.32, 0.41, 0.55]), 5, np.array([41.0, 44, 47]))[:62]
    'the mean 5-year risk is 43%, 45 times that of average women of'
    """
    known = np.isfinite(risk)
    if not known.any():
        return None
    average = np.full(len(risk), max(_TEN_YEARS))
    if age is not None:
        average = np.where(np.isfinite(age), np.interp(age, _AGES, _TEN_YEARS), average)
    # Assume constant incidence, that of the first ten years also after them.
    expected = float(-np.expm1(np.log1p(-average[known]) * horizon / 10).mean())
    mean = float(risk[known].mean())
    if mean <= SUSPECT_RATIO * expected:
        return None
    return (
        f"the mean {horizon:g}-year risk is {100 * mean:.0f}%, {mean / expected:.0f} times that of "
        f"average women{' of these ages' if age is not None else ''}: divide by 100 if the risks "
        "are in percent"
    )
