"""Access to attributes of an untrusted DICOM dataset. Call inside ``quiet_pydicom``.

pydicom's warnings are suppressed, because they quote values, which may be identities. A value in
the wrong form is None.
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

#: Exceptions that pydicom raises on malformed input, found by mutating valid files.
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

# pydicom's validation mode, warnings and logger are global, so only one thread may change them.
_PYDICOM = threading.RLock()


@contextmanager
def quiet_pydicom() -> Iterator[None]:
    """Context manager that suppresses warnings and logs of pydicom, which quote values."""
    logger = logging.getLogger("pydicom")
    with _PYDICOM, warnings.catch_warnings(), pydicom.config.disable_value_validation():
        warnings.simplefilter("ignore")
        was_disabled, logger.disabled = logger.disabled, True
        try:
            yield
        finally:
            logger.disabled = was_disabled


def text(dataset: Dataset, keyword: str) -> str | None:
    """Return the first value as stripped text; None if absent, empty or unreadable."""
    values = texts(dataset, keyword)
    return values[0] if values and values[0] else None


def label(written: str | None) -> str | None:
    """Return free text about equipment or display if it is short, printable and no person's name.

    Such attributes (LO, 64 characters) are shown to users. Text with control characters, or with
    ``^``, which separates the parts of a person's name, is therefore ignored.
    """
    if not written or len(written) > 64 or not written.isprintable() or "^" in written:
        return None
    return written


def texts(dataset: Dataset, keyword: str) -> list[str]:
    """Return all values as stripped text, including empty ones."""
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
    """Return the items of a sequence; empty if absent or not a sequence."""
    try:
        value = dataset.get(keyword)
    except PARSE_ERRORS:
        return []
    return list(value) if isinstance(value, pydicom.sequence.Sequence) else []


def numbers(dataset: Dataset, keyword: str) -> list[float]:
    """Return all values as floats. Decimal commas and padding are accepted.

    Raises
    ------
    ValueError
        A value is not a finite number.
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
    """Return the first value as a float; None if absent, empty or not a number."""
    try:
        return next(iter(numbers(dataset, keyword)), None)
    except ValueError:
        return None


def whole(dataset: Dataset, keyword: str) -> int | None:
    """Return the first value as an int; None if absent or not a whole number."""
    value = number(dataset, keyword)
    return int(value) if value is not None and value == int(value) else None


def yes_no(dataset: Dataset, keyword: str) -> bool | None:
    """Return True for YES and False for NO; None for other values."""
    return {"YES": True, "NO": False}.get((text(dataset, keyword) or "").upper())
