"""Leaks that the table of a cohort shows: a woman in several splits, a file listed twice."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mammorisk.cohort_check.facts import Facts, lines_of
from mammorisk.warnings import ResultWarning, make_warning

if TYPE_CHECKING:
    from mammorisk.records.cohort import Cohort

#: Kinds of copies of an image, the worst first.
KINDS = ("across splits", "across women", "within a woman")
#: Largest number of lines of the manifest in one cell, and in a message.
LINES_NAMED = 20
_LINES_TOLD = 5
COLUMNS = ("kind", "found_by", "images", "rows", "lines")


def women_in_splits(facts: Facts) -> NDArray[np.int64]:
    """Return the numbers of women who are in several splits."""
    if facts.splits is None:
        return np.empty(0, dtype=np.int64)
    used = (facts.splits != "") & (facts.women >= 0)
    pairs = pd.DataFrame({"woman": facts.women[used], "split": facts.splits[used]})
    splits = pairs.groupby("woman")["split"].nunique()
    return splits.index[splits > 1].to_numpy(dtype=np.int64)


def split_table(facts: Facts) -> pd.DataFrame:
    """Women that each pair of splits has in common.

    Returns
    -------
    DataFrame
        ``split``, ``other``, ``women_in_both``; empty without a column ``split``.
    """
    names = ["split", "other", "women_in_both"]
    if facts.splits is None:
        return pd.DataFrame(columns=names)
    words = sorted(set(facts.splits) - {""})
    members = {
        word: set(facts.women[(facts.splits == word) & (facts.women >= 0)]) for word in words
    }
    rows = [
        (one, other, len(members[one] & members[other]))
        for i, one in enumerate(words)
        for other in words[i + 1 :]
    ]
    return pd.DataFrame(rows, columns=names)


def repeated_files(cohort: Cohort, facts: Facts) -> pd.DataFrame:
    """Files and folders that the manifest lists for several exams.

    A prior exam may be an exam of the same woman in another row.

    Returns
    -------
    DataFrame
        ``kind`` (one of :data:`KINDS`), ``found_by`` (``"path"``), ``images`` (files or folders
        with the same rows), ``rows`` (number of rows), ``lines`` (of the manifest; of many the
        first). The worst first.
    """
    listed = _listed(cohort)
    if not len(listed):
        return pd.DataFrame(columns=list(COLUMNS))
    copies = listed[listed.duplicated("path", keep=False)]
    lines = lines_of(cohort)
    found: dict[tuple[str, tuple[int, ...]], int] = {}
    for _, group in copies.groupby("path", sort=False):
        rows = group["row"].to_numpy(dtype=np.int64)
        kind = kind_of_copies(facts, rows, group["is_prior"].to_numpy(dtype=bool))
        if kind is not None:
            key = kind, tuple(np.unique(rows))
            found[key] = found.get(key, 0) + 1
    return copies_table([(kind, "path", n, rows) for (kind, rows), n in found.items()], lines)


def kind_of_copies(
    facts: Facts, rows: NDArray[np.int64], is_prior: NDArray[np.bool_]
) -> str | None:
    """Return the kind of copies of one image in some rows; None if they are as they should be."""
    splits = set() if facts.splits is None else set(facts.splits[rows]) - {""}
    if len(splits) > 1:
        return KINDS[0]
    women = facts.women[rows]
    if len(set(women[women >= 0])) > 1:
        return KINDS[1]
    return KINDS[2] if len(set(rows[~is_prior])) > 1 else None


def copies_table(
    found: list[tuple[str, str, int, tuple[int, ...]]], lines: NDArray[np.int64]
) -> pd.DataFrame:
    """Make the table of copies from kind, how they were found, number of images, and rows."""
    found = sorted(found, key=lambda one: (KINDS.index(one[0]), one[3]))
    table = [
        (kind, by, images, len(rows), _named(lines[list(rows)], LINES_NAMED))
        for kind, by, images, rows in found
    ]
    return pd.DataFrame(table, columns=list(COLUMNS))


def doubt_leaks(
    facts: Facts, copies: pd.DataFrame, lines: NDArray[np.int64], *, more: int = 0
) -> list[ResultWarning]:
    """Warn of women in several splits and of copies of images.

    Parameters
    ----------
    facts : Facts
    copies : DataFrame
        As from :func:`repeated_files`.
    lines : ndarray of int
        Lines of the manifest.
    more : int
        Copies that are not in the table, because there are too many.
    """
    found = []
    shared = women_in_splits(facts)
    if len(shared):
        rows = np.flatnonzero(np.isin(facts.women, shared))
        text = (
            f"{len(shared):,} women are in several splits (lines "
            f"{_named(lines[rows], _LINES_TOLD)}): give all exams of a woman the same split"
        )
        found.append(make_warning("woman-in-splits", text))
    for kind, told in zip(KINDS, ("several splits", "several women", "several rows"), strict=True):
        of_kind = copies[copies["kind"] == kind]
        if not len(of_kind):
            continue
        # The same copies may be found by their path and by their pixels.
        by_pixels = of_kind[of_kind["found_by"] == "pixels"]
        what = "images" if len(by_pixels) else "files or folders"
        of_kind = by_pixels if len(by_pixels) else of_kind
        at_least = "at least " if more else ""
        text = (
            f"{at_least}{int(of_kind['images'].sum()):,} {what} are in {told}, for example in "
            f"lines {of_kind['lines'].iloc[0]}"
        )
        if kind == KINDS[0]:
            found.append(make_warning("image-in-splits", text))
        elif kind == KINDS[1]:
            found.append(make_warning("image-of-women", text))
        else:
            found.append(make_warning("exam-repeated", f"{text} of the same woman"))
    return found


def _listed(cohort: Cohort) -> pd.DataFrame:
    parts = []
    rows = np.arange(len(cohort))
    for column, is_prior in (("path", False), ("prior_path", True)):
        if column in cohort.exams:
            parts.append(_part(cohort.exams[column], rows, is_prior))
    if cohort.views is not None:
        keys = ["patient_id", "exam_id"]
        place = pd.MultiIndex.from_frame(cohort.exams[keys].astype(str))
        own = pd.MultiIndex.from_frame(cohort.views[keys].astype(str))
        at = pd.Series(rows, index=place)
        at = at[~at.index.duplicated()]
        parts.append(_part(cohort.views["file_path"], at.reindex(own).to_numpy(), False))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _part(paths: pd.Series, rows: NDArray[np.int64], is_prior: bool) -> pd.DataFrame:
    there = (paths.notna() & (paths.astype(str).str.strip() != "")).to_numpy(dtype=bool)
    places = [posixpath.normpath(str(path).strip()) for path in paths[there]]
    return pd.DataFrame({"path": places, "row": rows[there].astype(np.int64), "is_prior": is_prior})


def _named(lines: NDArray[np.int64], most: int) -> str:
    told = ", ".join(str(line) for line in np.sort(lines)[:most])
    return f"{told} and {len(lines) - most:,} more" if len(lines) > most else told
