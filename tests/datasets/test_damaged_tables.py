"""Damaged, truncated and altered tables: an error of the package or a reason, never a crash."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import mammorisk as mr
from mammorisk.errors import MammoriskError
from tests.datasets import miniatures

BUILDERS: dict[str, Callable[..., Path]] = {
    name: getattr(miniatures, name)
    for name in mr.datasets.list().index
    if hasattr(miniatures, name)
}
WITHOUT_IMAGES = ("bcs_dbt", "bmcd", "bcsc_risk_factors", "bcsc_risk_estimation", "mammo_mx")
SUFFIXES = (".csv", ".txt", ".json", ".xlsx", ".xml")


def build(name: str, root: Path) -> None:
    if name in WITHOUT_IMAGES:
        BUILDERS[name](root)
    else:
        BUILDERS[name](root, images=False)


def damage(raw: bytes, kind: int, rng: np.random.Generator) -> bytes:
    place = int(rng.integers(1, max(len(raw), 2)))
    if kind == 0:
        return raw[:place]
    if kind == 1:
        return raw[:place] + bytes(rng.integers(0, 256, 8, dtype=np.uint8)) + raw[place:]
    if kind == 2:
        return raw.replace(b",", b";").replace(b"1", b"x", 3)
    if kind == 3:
        lines = raw.split(b"\n")
        return b"\n".join([*lines, lines[min(1, len(lines) - 1)] * 2, b'"', b",,,,,,"])
    if kind == 4:
        return raw.replace(b"\n", b"\r\n") + b"\x00"
    return b""


def error_of(call: Callable[[Path], object], root: Path) -> MammoriskError | None:
    """The error of the package; any other is not caught."""
    try:
        call(root)
    except MammoriskError as error:
        return error
    return None


def test_every_cohort_has_a_miniature() -> None:
    assert sorted(BUILDERS) == sorted(mr.datasets.list().index)


@pytest.mark.parametrize("name", sorted(BUILDERS))
def test_damage_never_crashes(name: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(17)
    build(name, tmp_path)
    adapter = getattr(mr.datasets, name)
    files = [path for path in tmp_path.rglob("*") if path.suffix in SUFFIXES]
    for path in files[:6]:
        raw = path.read_bytes()
        for kind in [0, 0, 0, 1, 1, 1, 2, 3, 4, 5]:
            path.write_bytes(damage(raw, kind, rng))
            for call in (adapter, adapter.check, adapter.annotations):
                told = error_of(call, tmp_path)
                # Says what is wrong, and holds no path of this machine.
                assert told is None or (told.what and str(tmp_path) not in str(told))
        path.write_bytes(raw)
    if name != "mini_mias":
        assert len(adapter(tmp_path)) > 0


@pytest.mark.parametrize("name", sorted(BUILDERS))
def test_rows_add_up(name: str, tmp_path: Path) -> None:
    """Rows kept and rows excluded are the rows of each table."""
    build(name, tmp_path)
    cohort = getattr(mr.datasets, name)(tmp_path)
    counts = cohort.exclusions
    gone = counts[counts["reason"] != "kept"]
    assert gone["rows"].sum() == len(cohort.excluded)
    assert (counts["rows"] >= 0).all()
    for table, rows in counts.groupby("table"):
        path = next(iter(tmp_path.rglob(f"{Path(str(table)).stem}.csv")), None)
        if path is not None and '"' not in (text := path.read_text(encoding="utf-8-sig")):
            lines = [line for line in text.splitlines() if line.strip()]
            assert rows["rows"].sum() == len(lines) - 1
