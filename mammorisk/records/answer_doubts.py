"""Answers that are possible but improbable: codes for "not known", and other units.

No value is changed. Each warning states the evidence and what the user can do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mammorisk._utils.typing import Floats
from mammorisk.records.questionnaire_fields import MISSING_CODES, NUMBERS, code_text
from mammorisk.records.questionnaire_table import POUND_KG, read_numbers
from mammorisk.records.table_warning import TableWarning
from mammorisk.warnings import make_warning

if TYPE_CHECKING:
    import pandas as pd

#: By field: distance up to which values around a code are counted, and smallest code that gives a
#: warning even in a single row because such an answer is improbable (None: a code gives a warning
#: only if it is more frequent than the values around it). Assumptions. The codes are those of
#: MISSING_CODES inside the plausible range.
_CODES: dict[str, tuple[float, float | None]] = {
    "age": (4, 98),
    "age_menarche": (1, None),
    "parity": (3, 20),
    "weight_kg": (3, None),
    "bmi": (8, 70),
    "alcohol_g_per_day": (20, 77),
    "biopsies": (4, 8),
    "first_degree_relatives": (4, 7),
}
#: Smallest number of rows with a code that may be an answer for a warning.
FEWEST_ROWS = 3
#: Plausible range of the body mass index, kg/m2. An assumption.
BMI_RANGE = (13.0, 60.0)
#: Median of a table above which weights are probably in pounds: kg/m2 and kg. An assumption: the
#: median of US adults was 25.5 kg/m2 in NHANES III (1988-1994, women 65.6 kg; Kuczmarski 1997,
#: doi:10.1002/j.1550-8528.1997.tb00575.x), and in pounds it would have been 56.
BMI_MEDIAN, WEIGHT_MEDIAN = 38.0, 105.0
#: Smallest number of women for a median.
WOMEN_FOR_A_MEDIAN = 5
#: In a table of too few women for a median, a body mass index from here on is doubted if it would
#: be an ordinary one, within this range, with the weight in pounds. An assumption: so high a body
#: mass index is rarer than a weight in pounds in most countries.
SINGLE_BMI = 50.0
ORDINARY_BMI = (17.0, 35.0)
#: A height that is a whole number of inches and no whole number of centimetres was converted. A
#: weight beside it that gives such a body mass index was probably not.
INCH_CM, CONVERTED_BMI = 2.54, 38.0


def doubt_answers(table: pd.DataFrame) -> list[TableWarning]:
    """Find improbable answers in a table of questionnaires.

    Parameters
    ----------
    table : DataFrame
        Columns are Questionnaire fields, before conversion.

    Returns
    -------
    list of TableWarning

    Examples
    --------
    >>> import pandas as pd
    >>> from mammorisk.records.answer_doubts import doubt_answers
    >>> (one,) = doubt_answers(pd.DataFrame({"age": [54, 61], "biopsies": [9, 1]}))
    >>> one.warning.code, one.rows.tolist()
    ('code-suspected', [True, False])
    """
    numbers = {name: read_numbers(name, table[name])[0] for name in NUMBERS if name in table}
    found = [
        one
        for name, values in numbers.items()
        if name in _CODES
        for one in _doubt_codes(name, values)
    ]
    return [*found, *_doubt_size(numbers)]


def _doubt_codes(name: str, values: Floats) -> list[TableWarning]:
    width, rare_from = _CODES[name]
    low, high, _ = NUMBERS[name]
    found = []
    for code in MISSING_CODES:
        if not low <= code <= high:
            continue
        rows = values == code
        n = int(np.count_nonzero(rows))
        if n == 0:
            continue
        near = int(np.count_nonzero(np.abs(values - code) <= width)) - n
        is_rare = rare_from is not None and code >= rare_from
        if n > near and (n >= FEWEST_ROWS or is_rare):
            text = f"{name} is {code:g}{_share(n, values)}: {code_text(name, code)}"
            found.append(TableWarning(warning=make_warning("code-suspected", text), rows=rows))
    return found


def _share(n: int, values: Floats) -> str:
    return "" if len(values) == 1 else f" in {n:,} of {len(values):,} rows"


def _doubt_size(numbers: dict[str, Floats]) -> list[TableWarning]:
    """Find weights in pounds and an improbable body mass index."""
    height, weight = numbers.get("height_cm"), numbers.get("weight_kg")
    bmi = numbers.get("bmi")
    if height is not None and weight is not None:
        low, high, _ = NUMBERS["height_cm"]
        metres = np.where((height >= low) & (height <= high), height, np.nan) / 100
        derived = weight / metres**2
        bmi = derived if bmi is None else np.where(np.isnan(derived), bmi, derived)
    if bmi is not None and (one := _doubt_median("bmi", bmi, BMI_MEDIAN, weight)) is not None:
        return [one]
    if weight is not None and bmi is None:
        one = _doubt_median("weight_kg", weight, WEIGHT_MEDIAN, weight)
        return [] if one is None else [one]
    if bmi is None:
        return []
    few = [] if weight is None else _doubt_few_weights(bmi, weight, height)
    if few:
        return few
    low, high, _ = NUMBERS["bmi"]
    odd = ((bmi < BMI_RANGE[0]) | (bmi > BMI_RANGE[1])) & (bmi >= low) & (bmi <= high)
    if not odd.any():
        return []
    text = (
        f"a body mass index outside {BMI_RANGE[0]:g} to {BMI_RANGE[1]:g} kg/m2 is improbable"
        f"{_share(int(odd.sum()), bmi)}: check the units of height_cm, weight_kg and bmi"
    )
    return [TableWarning(warning=make_warning("value-implausible", text), rows=odd)]


def _doubt_few_weights(bmi: Floats, weight: Floats, height: Floats | None) -> list[TableWarning]:
    """Weights of single women that are probably in pounds."""
    if int(np.isfinite(bmi).sum()) >= WOMEN_FOR_A_MEDIAN:
        return []
    in_pounds = bmi * POUND_KG
    ordinary = (in_pounds >= ORDINARY_BMI[0]) & (in_pounds <= ORDINARY_BMI[1])
    from_inches = np.zeros(len(bmi), dtype=bool)
    if height is not None:
        inches = height / INCH_CM
        whole = np.abs(inches - np.round(inches)) < 0.005
        from_inches = whole & (np.abs(height - np.round(height)) > 0.005)
    rows = (
        np.isfinite(weight)
        & ordinary
        & ((bmi >= SINGLE_BMI) | (from_inches & (bmi >= CONVERTED_BMI)))
    )
    if not rows.any():
        return []
    first = int(np.argmax(rows))
    text = (
        f"the body mass index is {bmi[first]:.1f} kg/m2{_share(int(rows.sum()), bmi)}; "
        f"if weight_kg is in pounds, multiply it by {POUND_KG:.4f}: it would be "
        f"{in_pounds[first]:.1f}"
    )
    if from_inches[first] and height is not None:
        text += f". The height is {height[first] / INCH_CM:.0f} inches exactly"
    return [TableWarning(warning=make_warning("units-suspected", text), rows=rows)]


def _doubt_median(
    name: str, values: Floats, limit: float, weight: Floats | None
) -> TableWarning | None:
    known: NDArray[np.bool_] = np.isfinite(values)
    if int(known.sum()) < WOMEN_FOR_A_MEDIAN or (median := float(np.median(values[known]))) < limit:
        return None
    unit = "kg/m2" if name == "bmi" else "kg"
    text = f"the median of {name} is {median:.1f} {unit} over {int(known.sum()):,} women"
    if weight is not None:
        text += (
            f"; if weight_kg is in pounds, multiply it by {POUND_KG:.4f}: "
            f"the median would be {median * POUND_KG:.1f}"
        )
    else:
        text += ": check its unit"
    return TableWarning(warning=make_warning("units-suspected", text), rows=known)
