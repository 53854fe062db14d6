"""result_schema(): the JSON Schema of a result."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_SCHEMA = Path(__file__).parent / "schemas" / "result-v1.json"


def result_schema() -> dict[str, Any]:
    """Return the JSON Schema of a result, version 1.

    :meth:`mammorisk.Prediction.to_dict` and ``mammorisk predict --json`` follow it. Within version
    1 fields are only added. ``$defs/error`` is the schema of the JSON of an error, and
    ``$defs/audit`` that of a line of an audit log.

    Returns
    -------
    dict
        Draft 2020-12 of JSON Schema.

    See Also
    --------
    mammorisk.Prediction.to_dict : Returns a result that follows the schema.

    Examples
    --------
    >>> import mammorisk as mr
    >>> schema = mr.result_schema()
    >>> schema["properties"]["unit"]
    {'const': 'probability'}
    """
    found: dict[str, Any] = json.loads(_SCHEMA.read_text(encoding="utf-8"))
    return found
