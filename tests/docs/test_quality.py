"""The quality documents: the anomalies follow their schema, every library has its line."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from mammorisk.warnings import CODES

ROOT = Path(__file__).parents[2]
QUALITY = ROOT / "docs" / "quality"

pytestmark = pytest.mark.skipif(not QUALITY.is_dir(), reason="installed without its documentation")


@pytest.fixture(scope="module")
def pages():  # type: ignore[no-untyped-def]
    pytest.importorskip("sphinx")
    sys.path.insert(0, str(ROOT / "docs" / "_ext"))
    try:
        import quality_pages
    finally:
        sys.path.pop(0)
    return quality_pages


def test_the_anomalies_follow_their_schema() -> None:
    import yaml
    from jsonschema import Draft202012Validator

    schema = json.loads((QUALITY / "known_anomalies.schema.json").read_text(encoding="utf-8"))
    known = yaml.safe_load((QUALITY / "known_anomalies.yaml").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    assert [error.message for error in validator.iter_errors(known)] == []
    faulty = (
        [{**known[0], "id": "1"}],
        [{**known[0], "status": "fixed"}],
        [{**known[0], "until": "0.2.0"}],
        [{name: text for name, text in known[0].items() if name != "workaround"}],
    )
    assert [validator.is_valid(one) for one in faulty] == [False] * len(faulty)
    numbers = [one["id"] for one in known]
    assert numbers == sorted(set(numbers))
    for one in known:
        assert (ROOT / "docs" / one["source"]).is_file(), one["id"]
        named = one["shown"].split("`")[1::2]
        assert set(named) <= set(CODES), one["id"]


def test_every_library_has_its_line(pages) -> None:  # type: ignore[no-untyped-def]
    sheet, purposes = pages.sheet(), pages.purposes()
    names = [name for packages in pages.dependencies().values() for name, _ in packages]
    assert len(names) > 30
    assert [name for name in names if name not in sheet] == []
    assert [name for name in names if name not in purposes] == []
    assert all(set(one) == {"fails", "found"} for one in sheet.values())
    text = pages.soup_page()
    assert all(f"[{name}](" in text or f"| {name} |" in text for name in names)
    assert "| [numpy](https://github.com/numpy/numpy" in text
