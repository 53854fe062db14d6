"""AuditLog: one JSON line for each result that was computed, without identities."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mammorisk._utils.utc_time import utc_now
from mammorisk.base import Horizon, RiskModel
from mammorisk.errors import MammoriskError, OutputError, PolicyRefused
from mammorisk.prediction.plain import plain_series
from mammorisk.prediction.provenance import (
    SOFTWARE,
    RunRecord,
    library_versions,
    row_record,
    run_record,
)
from mammorisk.prediction.status import status_of
from mammorisk.warnings import Warnings

if TYPE_CHECKING:
    import pandas as pd

    from mammorisk.prediction.rows import ScoredRows

#: Parts of the provenance that a line contains.
_OF_PROVENANCE = (
    *("created_utc", "key", "software", "libraries", "model", "backend", "calibration", "sha256"),
    "guard",
)


def audit_result(path: Path, result: Mapping[str, Any]) -> None:
    """Append a line for one finished result, with the digest of its policy.

    Parameters
    ----------
    path : Path
    result : mapping
        As :meth:`mammorisk.Prediction.to_dict` returns it.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    record = {**result, **result["provenance"]}
    line = {name: record[name] for name in (*_OF_PROVENANCE, "status", "risk", "images_used")}
    codes = list(dict.fromkeys(one["code"] for one in result["warnings"]))
    append_lines(path, [line | {"warning_codes": codes}])


@contextmanager
def audited_errors(path: Path | None) -> Iterator[None]:
    """Append a line for an exam that cannot be scored, with the code of the error.

    The line has no key and no digests, because nothing was computed.

    Parameters
    ----------
    path : Path or None
        None writes nothing.

    Raises
    ------
    MammoriskError
        The error, after the line is on disk.
    OutputError
        The file cannot be written.
    """
    try:
        yield
    except MammoriskError as error:
        if path is not None:
            line = {
                "created_utc": utc_now(),
                "software": SOFTWARE,
                "libraries": library_versions(),
                "status": "refused" if isinstance(error, PolicyRefused) else "unusable",
                "error": type(error).__name__,
            }
            append_lines(path, [line])
        raise


def _line(
    record: dict[str, Any], risk: pd.Series, images_used: bool, warnings: Warnings
) -> dict[str, Any]:
    """Return what the log keeps of one row: key, digests, versions, risks and warning codes."""
    codes = list(dict.fromkeys(one.code for one in warnings))
    return {name: record[name] for name in _OF_PROVENANCE} | {
        "status": status_of(bool(risk.notna().any()), codes),
        "risk": plain_series(risk),
        "images_used": images_used,
        "warning_codes": codes,
    }


class AuditLog:
    """Appends a line for each result to a file. Lines are never changed.

    Parameters
    ----------
    path : path
        File of JSON lines. It is created if it does not exist.
    model : RiskModel
    horizons : tuple of float or "lifetime"
    """

    def __init__(self, path: str | Path, model: RiskModel, horizons: tuple[Horizon, ...]) -> None:
        self.path = Path(path)
        self._model = model
        self._horizons = horizons
        self._run: RunRecord | None = None

    def write(self, found: ScoredRows) -> None:
        """Append a line for each row, and flush them to disk.

        Raises
        ------
        OutputError
            The file cannot be written.
        """
        # Recorded after the first scores, because some models choose their backend then.
        run = self._run = self._run or run_record(self._model, self._horizons)
        scores = found.scores
        used = scores.images_used
        append_lines(
            self.path,
            [
                _line(
                    row_record(run, found, row, self._model),
                    scores.risk.iloc[row],
                    bool(used is not None and used.iloc[row]),
                    scores.warnings.iloc[row],
                )
                for row in range(len(scores.risk))
            ],
        )


def append_lines(path: Path, lines: list[dict[str, Any]]) -> None:
    """Append JSON lines to a file in one write, and flush them to disk.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    text = "".join(json.dumps(line, allow_nan=False, sort_keys=True) + "\n" for line in lines)
    try:
        with open(path, "a", encoding="utf-8") as handle:
            handle.write(text)
            handle.flush()
            os.fsync(handle.fileno())
    except OSError as error:
        raise OutputError(
            f"the audit log cannot be written ({error.strerror or type(error).__name__})",
            remedy="Choose a file in a folder that can be written to, with enough free space.",
        ) from None
