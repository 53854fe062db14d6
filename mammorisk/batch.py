"""Predicting a whole archive into a file, in parts that survive an interruption.

Each part is a Parquet file that appears whole or not at all, beside the file asked for. Started
again with the same command, finished parts are kept and the rest is done; at the end the parts
become one file and go.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mammorisk._version import __version__
from mammorisk.cohort import Cohort
from mammorisk.errors import OutputError
from mammorisk.files import write_whole
from mammorisk.model import load_model
from mammorisk.predict_cohort import predict_rows
from mammorisk.risk_model import DEFAULT_HORIZONS, Horizon, RiskModel, check_horizons

if TYPE_CHECKING:
    import pandas as pd

#: Exams a part holds: small enough to lose little to an interruption.
EXAMS_PER_PART_WITH_IMAGES = 32
EXAMS_PER_PART_WITHOUT_IMAGES = 100_000


def predict_to_file(
    cohort: Cohort,
    out: str | Path,
    *,
    model: str | Path | RiskModel | None = None,
    horizons: Sequence[Horizon] = DEFAULT_HORIZONS,
    on_part: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Predict a cohort into a Parquet or CSV file; the same call resumes after an interruption.

    Parameters
    ----------
    cohort : Cohort
    out : path
        Ends in ``.parquet`` or ``.csv``. Appears whole when all is done.
    model, horizons
        As in :func:`mammorisk.predict`.
    on_part : callable, optional
        Called with the number of exams done and in all after each part.

    Returns
    -------
    DataFrame
        The table written.

    Raises
    ------
    OutputError
        The file exists, cannot be written, or a started run was of another cohort, model or
        version.
    """
    import pandas as pd

    out = Path(out)
    if out.suffix not in (".parquet", ".csv"):
        raise OutputError(
            "results are written as .parquet or .csv", where=out.name, remedy="Rename the output."
        )
    parts = out.with_name(out.name + ".parts")
    done = out.with_name(out.name + ".done")
    if out.exists() and (done.exists() or parts.exists()):
        # Killed after the file appeared, before the parts were gone.
        shutil.rmtree(parts, ignore_errors=True)
        shutil.rmtree(done, ignore_errors=True)
        return pd.read_parquet(out) if out.suffix == ".parquet" else pd.read_csv(out)
    if out.exists():
        raise OutputError(
            "the file exists", where=out.name, remedy="Remove it or choose another name."
        )
    chosen = load_model(model) if isinstance(model, (str, Path)) else model
    wanted = check_horizons(horizons)
    try:
        parts.mkdir(parents=True, exist_ok=True)
        # What a kill in the middle of writing the result left behind.
        for stale in out.parent.glob(f"{glob.escape(out.name)}.*.new"):
            stale.unlink()
        _check_run(parts, _fingerprint(cohort, chosen, wanted))
        step = EXAMS_PER_PART_WITH_IMAGES if cohort.has_images else EXAMS_PER_PART_WITHOUT_IMAGES
        files = []
        for start in range(0, len(cohort), step):
            rows = range(start, min(start + step, len(cohort)))
            file = parts / f"part-{start:09d}.parquet"
            files.append(file)
            if not file.exists():
                _write_table(file, predict_rows(cohort, rows, chosen, wanted))
            if on_part is not None:
                on_part(rows.stop, len(cohort))
        table = pd.concat([pd.read_parquet(file) for file in files], ignore_index=True)
        _write_table(out, table)
        os.replace(parts, done)
        shutil.rmtree(done)
    except OSError as error:
        raise OutputError(
            f"the results cannot be written ({error.strerror or type(error).__name__})",
            where=out.name,
            remedy="Check the folder, its rights and the free space; the same call resumes.",
        ) from None
    return table


def _fingerprint(cohort: Cohort, model: RiskModel | None, horizons: tuple[Horizon, ...]) -> str:
    import pandas as pd

    digest = hashlib.sha256()
    # As text: the hash of a category depends on the categories that other rows have.
    exams = cohort.exams.astype(str)
    digest.update(pd.util.hash_pandas_object(exams, index=False).to_numpy().tobytes())
    if cohort.views is not None:
        views = cohort.views.astype(str)
        digest.update(pd.util.hash_pandas_object(views, index=False).to_numpy().tobytes())
    digest.update(repr((repr(model), horizons, __version__)).encode())
    return digest.hexdigest()


def _check_run(parts: Path, fingerprint: str) -> None:
    """Parts of another run must never be mixed in."""
    note = parts / "run.json"
    if note.exists():
        if json.loads(note.read_text(encoding="utf-8")).get("fingerprint") != fingerprint:
            raise OutputError(
                "an unfinished run of another cohort, model or version lies here",
                where=parts.name,
                remedy="Remove that folder, or choose another output.",
            )
        return
    text = json.dumps({"fingerprint": fingerprint})
    write_whole(note, lambda path: path.write_text(text, encoding="utf-8"))


def _write_table(file: Path, table: pd.DataFrame) -> None:
    if file.suffix == ".csv":
        write_whole(file, lambda path: table.to_csv(path, index=False))
    else:
        write_whole(file, lambda path: table.to_parquet(path, index=False))
