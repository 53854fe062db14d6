"""Errors say what, where and what to do, and survive the way between processes."""

from __future__ import annotations

import copy

import pytest

from mammorisk import errors


def test_the_message_has_its_three_parts() -> None:
    error = errors.ViewMissing("the exam has no L-MLO view", where="exam 12", remedy="Add it.")
    assert str(error) == "exam 12: the exam has no L-MLO view. Add it."


@pytest.mark.parametrize(
    "kind", [k for k in vars(errors).values() if isinstance(k, type)], ids=lambda k: k.__name__
)
def test_every_error_is_of_the_house_and_travels(kind: type[errors.MammoriskError]) -> None:
    assert issubclass(kind, errors.MammoriskError)
    error = copy.copy(kind("what", where="where", remedy="Remedy."))
    assert type(error) is kind
    assert (error.what, error.where, error.remedy) == ("what", "where", "Remedy.")
