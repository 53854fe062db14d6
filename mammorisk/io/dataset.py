"""A DICOM dataset questioned without trusting a byte of it; call inside ``quiet_pydicom``.

pydicom's warnings, which quote values and so possibly identities, are silenced, and a value in the
wrong form is None.
"""

from __future__ import annotations

import logging
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import pydicom
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError

#: What pydicom lets escape on malformed input, found by mutating valid files.
PARSE_ERRORS = (
    InvalidDicomError,
    BytesLengthException,
    struct.error,
    zlib.error,
    RecursionError,
    MemoryError,
    EOFError,
    OSError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    NotImplementedError,
    OverflowError,
    AssertionError,
)

# pydicom's validation mode, warnings and logger belong to the process, so one thread at a time.
_PYDICOM = threading.RLock()


@contextmanager
def quiet_pydicom() -> Iterator[None]:
    """pydicom neither warns nor logs in here: its messages quote values."""
    logger = logging.getLogger("pydicom")
    with _PYDICOM, warnings.catch_warnings(), pydicom.config.disable_value_validation():
        warnings.simplefilter("ignore")
        was_disabled, logger.disabled = logger.disabled, True
        try:
            yield
        finally:
            logger.disabled = was_disabled


def text(dataset: Dataset, keyword: str) -> str | None:
    """First value of an attribute as stripped text; None when absent, empty or unreadable."""
    values = texts(dataset, keyword)
    return values[0] if values and values[0] else None


def label(written: str | None) -> str | None:
    """Free text about equipment or display, if it can be one: short, printable, no person's name.

    Such attributes (LO, 64 characters) are shown to users, so what they hold is not trusted: text
    with control characters, or with the ``^`` that parts the names of a person, is left out.
    """
    if not written or len(written) > 64 or not written.isprintable() or "^" in written:
        return None
    return written


def texts(dataset: Dataset, keyword: str) -> list[str]:
    """All values as stripped text, empty ones included."""
    try:
        value = dataset.get(keyword)
    except PARSE_ERRORS:
        return []
    if value is None:
        return []
    many = value if isinstance(value, (list, tuple, pydicom.multival.MultiValue)) else [value]
    try:
        return [str(item).strip(" \0\t\r\n") for item in many]
    except PARSE_ERRORS:
        return []


def items(dataset: Dataset, keyword: str) -> list[Dataset]:
    """Items of a sequence; empty when absent or not a sequence."""
    try:
        value = dataset.get(keyword)
    except PARSE_ERRORS:
        return []
    return list(value) if isinstance(value, pydicom.sequence.Sequence) else []


def numbers(dataset: Dataset, keyword: str) -> list[float]:
    """All finite values as floats, decimal commas and padding forgiven.

    Raises
    ------
    ValueError
        A value is there and is not a number.
    """
    tag = tag_for_keyword(keyword)
    assert tag is not None
    if tag not in dataset:
        return []
    element = dataset.get_item(tag)
    raw = element.value if element is not None else None
    kind = getattr(element, "VR", None) or dictionary_VR(tag)
    if isinstance(raw, bytes) and kind in ("DS", "IS"):
        raw = raw.decode("latin-1").split("\\")
    else:
        try:
            raw = dataset[tag].value
        except PARSE_ERRORS:
            raise ValueError(keyword) from None
    many = raw if isinstance(raw, (list, tuple, pydicom.multival.MultiValue)) else [raw]
    found = []
    for item in many:
        word = str(item).strip(" \0\t\r\n").replace(",", ".") if item is not None else ""
        if not word:
            continue
        value = float(word)
        if value != value or value in (float("inf"), float("-inf")):
            raise ValueError(keyword)
        found.append(value)
    return found


def number(dataset: Dataset, keyword: str) -> float | None:
    """First value as a float; None when absent, empty or not a number."""
    try:
        return next(iter(numbers(dataset, keyword)), None)
    except ValueError:
        return None


def whole(dataset: Dataset, keyword: str) -> int | None:
    """First value as an int; None when absent or not a whole number."""
    value = number(dataset, keyword)
    return int(value) if value is not None and value == int(value) else None


def yes_no(dataset: Dataset, keyword: str) -> bool | None:
    """YES or NO; None for anything else."""
    return {"YES": True, "NO": False}.get((text(dataset, keyword) or "").upper())
