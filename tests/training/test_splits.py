"""Splits that share no site."""

from __future__ import annotations

import pandas as pd

from mammorisk.training.splits import split_rows


def test_rows_without_a_site_stay_together() -> None:
    sites = ["north", None, "south", None, "east", "north"]
    exams = pd.DataFrame({"patient_id": list("abcdef"), "site": sites})
    for seed in range(8):
        train, validation = split_rows(exams, by="site", share=0.25, seed=seed)
        assert sorted([*train, *validation]) == list(range(6))
        known = exams["site"].fillna("unknown")
        assert not set(known.iloc[train]) & set(known.iloc[validation])


def test_rows_without_a_word_of_split_are_left_out() -> None:
    exams = pd.DataFrame({"patient_id": list("abc"), "split": ["train", None, "dev"]})
    train, validation = split_rows(exams, by="patient", share=0.5, seed=0)
    assert (list(train), list(validation)) == ([0], [2])
