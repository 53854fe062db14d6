"""Warning records: merging, joining, and the table of codes against what the package uses."""

from __future__ import annotations

import ast
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from typing import get_args

import pytest

import mammorisk as mr
from mammorisk.warnings import (
    CODES,
    ResultWarning,
    Severity,
    is_refused,
    join_codes,
    join_text,
    make_warning,
    merge_views,
)

PACKAGE = Path(mr.__file__).parent


def test_a_record_takes_its_severity_and_text_from_the_table() -> None:
    plain = make_warning("implant", view="L-CC")
    assert plain == ResultWarning(
        code="implant", severity="caution", view="L-CC", text="breast implant"
    )
    assert str(plain) == "L-CC: breast implant"
    assert str(make_warning("lcis", "not for her")) == "not for her"
    assert plain.to_dict() == {
        "code": "implant",
        "severity": "caution",
        "view": "L-CC",
        "text": "breast implant",
    }
    with pytest.raises(KeyError):
        make_warning("no-such-code")
    with pytest.raises(FrozenInstanceError):
        plain.code = "lcis"  # type: ignore[misc]


def test_a_fact_of_several_views_is_one_record() -> None:
    found = merge_views(
        [
            make_warning("implant", view="R-CC"),
            make_warning("partial-view", view="R-CC"),
            make_warning("implant", view="L-CC"),
            make_warning("implant", view="R-CC"),
            make_warning("views-missing"),
            make_warning("views-missing"),
        ],
        n_views=4,
    )
    assert [(told.code, told.view) for told in found] == [
        ("implant", "R-CC, L-CC"),
        ("partial-view", "R-CC"),
        ("views-missing", None),
    ]


def test_a_fact_of_every_view_is_of_all_views() -> None:
    pair = [make_warning("implant", view=name) for name in ("R-CC", "L-CC")]
    assert [told.view for told in merge_views(pair, n_views=2)] == ["all views"]
    assert [told.view for told in merge_views(pair, n_views=3)] == ["R-CC, L-CC"]
    assert [told.view for told in merge_views(pair)] == ["R-CC, L-CC"]
    # The only view of an exam keeps its name.
    assert [told.view for told in merge_views(pair[:1], n_views=1)] == ["R-CC"]
    assert merge_views([], n_views=4) == ()


def test_facts_with_other_texts_or_codes_stay_apart() -> None:
    one = make_warning("view-modifier", "view modifier: cleavage", view="R-CC")
    other = replace(one, text="view modifier: tangential", view="L-CC")
    third = make_warning("clipped", "view modifier: cleavage", view="L-CC")
    assert merge_views([one, other, third], n_views=2) == (one, other, third)


def test_joined_for_a_table() -> None:
    told = [
        make_warning("implant", view="L-CC"),
        make_warning("lcis", "not for women with LCIS"),
        make_warning("implant", "an implant?", view="R-CC"),
    ]
    assert join_text(told) == "L-CC: breast implant; not for women with LCIS; R-CC: an implant?"
    assert join_codes(told) == "implant,lcis"
    assert join_text(()) == join_codes(()) == ""
    assert is_refused(told)
    assert not is_refused(told[::2])
    assert not is_refused([make_warning("answer-missing")])


def test_the_public_table() -> None:
    table = mr.warning_codes()
    assert table.index.name == "code"
    assert list(table.columns) == ["severity", "meaning"]
    assert table.index.tolist() == list(CODES)
    assert table.index.is_unique
    assert set(table["severity"]) == set(get_args(Severity))
    assert table["meaning"].str.len().gt(0).all()
    # Codes are joined by commas and compared as they are.
    assert table.index.str.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*").all()


def imported_names(tree: ast.Module) -> set[str]:
    return {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def module_constants(tree: ast.Module) -> dict[str, object]:
    return {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def code_argument(call: ast.Call, imported: set[str]) -> ast.expr | None:
    """The argument of a call that holds a code; None for a call that makes no warning."""
    is_method = isinstance(call.func, ast.Attribute)
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    place = None
    if name == "make_warning":
        place = 0
    elif name == "say" and (is_method or "make_warning" in imported):
        place = 0  # the adapters of public cohorts: say(code, text)
    elif name == "add" and not is_method and "make_warning" in imported:
        place = 0  # the local function of the quality checks: add(code, text)
    elif name == "add" and is_method and "Notes" in imported:
        place = 1  # Notes.add(rows, code, text)
    if place is None:
        return None
    named = [word.value for word in call.keywords if word.arg == "code"]
    return named[0] if named else call.args[place]


def codes_in(path: Path) -> tuple[set[str], list[str]]:
    """Codes that a file makes warnings with, and calls whose code is not a literal."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported, constants = imported_names(tree), module_constants(tree)
    codes: set[str] = set()
    passed_on: list[str] = []
    for node in ast.walk(tree):
        argument = code_argument(node, imported) if isinstance(node, ast.Call) else None
        if argument is None:
            continue
        value: object = argument.value if isinstance(argument, ast.Constant) else None
        if isinstance(argument, ast.Name):
            value = constants.get(argument.id)
        if isinstance(value, str):
            codes.add(value)
        else:
            passed_on.append(f"{path.relative_to(PACKAGE).as_posix()}: {ast.unparse(argument)}")
    return codes, passed_on


SOURCES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "warnings.py")


def test_every_code_in_use_is_in_the_table_and_the_other_way_round() -> None:
    used: dict[str, list[str]] = {}
    passed_on: list[str] = []
    for path in SOURCES:
        codes, unknown = codes_in(path)
        passed_on += unknown
        for code in codes:
            used.setdefault(code, []).append(path.name)
    assert {code: files for code, files in used.items() if code not in CODES} == {}
    assert [code for code in CODES if code not in used] == []
    # These helpers pass a code on; whoever calls them holds the literal.
    assert sorted(passed_on) == [
        "clinical/notes.py: code",
        "datasets/adapter.py: code",
        "datasets/hospital/fhir.py: code",
        "datasets/hospital/omop.py: code",
        "imaging/quality.py: code",
        # Codes of stored findings, which this version wrote.
        "prediction/findings_column.py: one['code']",
        # Codes of a table of embeddings, each looked up in CODES.
        "prediction/from_embeddings.py: code",
    ]


def test_records_are_made_by_make_warning_alone() -> None:
    """Otherwise a record could have a severity that is not that of its code."""
    made = [
        path.name
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "ResultWarning"
    ]
    assert made == []


def test_the_scan_finds_the_argument_that_holds_the_code() -> None:
    tree = ast.parse(
        "from mammorisk.clinical.notes import Notes\n"
        "notes.add(rows, 'one', 'text')\n"
        "notes.add(rows, text='text', code='two')\n"
        "mammorisk.warnings.make_warning('three')\n"
        "seen.update('four')\n"
    )
    found = [
        argument.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(argument := code_argument(node, imported_names(tree)), ast.Constant)
    ]
    assert found == ["one", "two", "three"]
