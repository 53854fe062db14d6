"""Check of a model card that was read from a file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from mammorisk.base.card import ModelCard
from mammorisk.records.questionnaire_fields import FIELDS

#: Families for which policies are written.
FAMILIES = ("questionnaire", "density", "family history", "average", "image", "hybrid")
_OLDEST = 120
_LISTS = ("inputs", "required")
_FLAGS = ("competing_mortality", "simulated")


def card_faults(card: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with a card, as one clause each. Empty if nothing is.

    Parameters
    ----------
    card : mapping
        Fields of :class:`mammorisk.ModelCard` as in JSON.

    Examples
    --------
    >>> from dataclasses import asdict
    >>> import mammorisk as mr
    >>> from mammorisk.base.card_check import card_faults
    >>> card = asdict(mr.load_model("bcrat").card)
    >>> card_faults(card)
    []
    >>> card_faults({**card, "limits": "", "ages": [85, 35]})
    ['ages are not two ages in ascending order within 0 to 120 years', 'limits is empty']
    """
    known = {field.name: field for field in fields(ModelCard)}
    missing = [n for n, field in known.items() if n not in card and field.default is MISSING]
    unknown = sorted(str(name) for name in card if name not in known)
    found = [f"{name} is missing" for name in missing]
    found += [f"{name} is not a field of a card" for name in unknown]
    for name in known:
        if name in card and (fault := _fault(name, card[name])):
            found.append(fault)
    return found or _contradictions(card)


def _fault(name: str, value: Any) -> str | None:
    if name in _FLAGS:
        return None if isinstance(value, bool) else f"{name} is neither true nor false"
    if name == "ages":
        return None if _are_ages(value) else _AGES_FAULT
    if name in _LISTS:
        fits = isinstance(value, (list, tuple)) and all(isinstance(one, str) for one in value)
        return None if fits and value else f"{name} is not a list of names"
    if not isinstance(value, str):
        return f"{name} is not a text"
    return None if value.strip() else f"{name} is empty"


_AGES_FAULT = f"ages are not two ages in ascending order within 0 to {_OLDEST} years"


def _are_ages(value: Any) -> bool:
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        return False
    numbers = all(isinstance(one, (int, float)) and not isinstance(one, bool) for one in value)
    return numbers and all(map(math.isfinite, value)) and 0 <= value[0] < value[1] <= _OLDEST


def _contradictions(card: Mapping[str, Any]) -> list[str]:
    found = []
    if card["family"] not in FAMILIES:
        found.append(f"the family {card['family']!r} is not known")
    inputs = set(card["inputs"])
    for name in sorted(inputs - {*FIELDS, "images"}):
        found.append(f"the input {name!r} does not exist")
    # Words, such as "onset_... of at least one affected relative", are no name.
    for name in card["required"]:
        if " " not in name and name not in inputs:
            found.append(f"{name!r} is required but is no input")
    if card["family"] in ("image", "hybrid") and "images" not in inputs:
        found.append(f"the family is {card['family']!r}, but images are no input")
    return found
