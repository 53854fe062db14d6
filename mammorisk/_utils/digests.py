"""SHA-256 of JSON values and of arrays."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np

from mammorisk._utils.model_folder import ModelState, plain


def json_digest(value: object) -> str:
    """Return the SHA-256 of a JSON value in hexadecimal.

    The value is written with sorted keys and without blanks, and numbers are written as floats, so
    that equal values have equal digests.

    Parameters
    ----------
    value : JSON type
        Tuples count as lists, and NumPy scalars as numbers. NaN and None are the same.

    Examples
    --------
    >>> from mammorisk._utils.digests import json_digest
    >>> json_digest({"age": 54, "parity": 2}) == json_digest({"parity": 2.0, "age": 54.0})
    True
    """
    text = json.dumps(_canonical(value), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def array_digest(array: np.ndarray[Any, Any]) -> str:
    """Return the SHA-256 of an array in hexadecimal: of its shape, type and little-endian values.

    Examples
    --------
    >>> import numpy as np
    >>> from mammorisk._utils.digests import array_digest
    >>> array_digest(np.zeros((2, 3))) == array_digest(np.zeros((3, 2)))
    False
    """
    kind = array.dtype.newbyteorder("<")
    digest = hashlib.sha256(f"{kind.str} {array.shape}".encode())
    digest.update(np.ascontiguousarray(array, dtype=kind).data)
    return digest.hexdigest()


def config_digest(state: ModelState) -> str:
    """Return the SHA-256 of the configuration of a model and of the models within it."""
    return json_digest(_configuration(state))


def _configuration(state: ModelState) -> dict[str, Any]:
    parts = {name: _configuration(part) for name, part in state.parts.items()}
    return {"config": state.config, "parts": parts}


def _canonical(value: Any) -> Any:
    if isinstance(value, dict) or hasattr(value, "items"):
        return {str(key): _canonical(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_canonical(one) for one in value]
    if isinstance(value, np.generic):
        value = plain(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return None if value != value else float(value)
    return value
