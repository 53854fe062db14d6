"""check_cohort(): what a cohort can teach, before hours are spent on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mammorisk._utils.progress import progress_bar
from mammorisk.cohort_check.acquisition import acquisition_table
from mammorisk.cohort_check.counts import doubt_counts, follow_up_table, group_table
from mammorisk.cohort_check.facts import Facts, lines_of, read_facts
from mammorisk.cohort_check.image_index import ImageIndex
from mammorisk.cohort_check.image_pass import PassResult, read_images
from mammorisk.cohort_check.leaks import (
    copies_table,
    doubt_leaks,
    kind_of_copies,
    repeated_files,
    split_table,
)
from mammorisk.cohort_check.missing import doubt_missing, missing_table
from mammorisk.cohort_check.recipes import recipe_table
from mammorisk.cohort_check.result import CohortCheck
from mammorisk.errors import CohortError
from mammorisk.metrics.estimate import check_horizon
from mammorisk.records.simulated_ids import are_simulated
from mammorisk.warnings import CODES, ResultWarning, make_warning

if TYPE_CHECKING:
    from mammorisk.records.cohort import Cohort

#: Largest number of rows in the table of copies.
_COPIES = 1000
_HORIZONS = (1.0, 2.0, 3.0, 4.0, 5.0)


def check_cohort(
    cohort: Cohort,
    *,
    headers: bool = True,
    pixels: bool = False,
    horizon: float = 5.0,
    progress: bool = False,
) -> CohortCheck:
    """Check what a cohort can teach: cancers, follow-up, leaks, images, recipes.

    Parameters
    ----------
    cohort : Cohort
    headers : bool
        Open every exam and prior exam and read the headers of its images. Pixels are not decoded.
    pixels : bool
        Also decode every image and compare the pixels of all of them: finds copies of an image
        under several names. This takes about as long as one prediction of the cohort.
    horizon : float
        Horizon of cancers and of the completeness of follow-up, years.
    progress : bool
        Show progress while exams are read.

    Returns
    -------
    CohortCheck
        Tables, warnings, and a page.

    Raises
    ------
    CohortError
        The cohort has no rows.
    EvaluationError
        The horizon is not a positive number.

    See Also
    --------
    mammorisk.CohortCheck : The result.
    mammorisk.fit : Makes the checks that need no images, and refuses splits that leak.
    mammorisk.read_cohort : Reads the cohort; with ``errors="flag"`` faulty rows are counted here.

    Notes
    -----
    Exams that cannot be read are counted and listed by their line in the manifest; nothing stops
    the check. No table and no warning contains an id of a woman or the name of a file. Facts of
    images are kept in a temporary file, so that memory does not grow with their number.

    Examples
    --------
    >>> import mammorisk as mr
    >>> check = mr.check_cohort(mr.simulate(4000, seed=1).cohort)
    >>> check
    <CohortCheck: 4,000 exams of 4,000 SIMULATED women, 72 cancers>
      info: the cohort has no images
    >>> needs = check.recipes.set_index("recipe")[["cancers", "cancers_needed", "verdict"]]
    >>> needs.loc[["recalibrate (slope)", "density-fit"]]
                         cancers  cancers_needed          verdict
    recipe
    recalibrate (slope)       72              50       reasonable
    density-fit               72             245  too few cancers
    """
    if not len(cohort):
        raise CohortError("the cohort has no exams", where="cohort")
    year = check_horizon(horizon)
    facts, lines = read_facts(cohort), lines_of(cohort)
    counted = group_table(cohort.exams, facts, year)
    horizons = tuple(sorted({*_HORIZONS, year}))
    followed = follow_up_table(cohort.exams, facts, horizons)
    missing = missing_table(cohort.exams)
    copies = repeated_files(cohort, facts)
    tables: dict[str, pd.DataFrame] = {
        "groups": counted,
        "follow_up": followed,
        "missing": missing,
        "splits": split_table(facts),
        "recipes": recipe_table(cohort, facts),
    }
    warnings = [*cohort.warnings, *_doubt_rows(cohort)]
    warnings += doubt_counts(counted, followed, facts, year)
    result, of_images, more = PassResult(), list[ResultWarning](), 0
    if cohort.has_images and (headers or pixels):
        with ImageIndex() as index:
            with progress_bar("exams read", len(cohort), show=progress) as tell:
                result = read_images(cohort, index, pixels=pixels, on_exam=tell)
            acquisition, outliers, of_images = acquisition_table(index, lines)
            tables |= {"acquisition": acquisition, "outliers": outliers}
            if pixels:
                found, more = _pixel_copies(index, facts, lines)
                copies = pd.concat([copies, found], ignore_index=True)
                of_images += _doubt_flat(index, lines)
    tables["image_warnings"] = _image_warnings(result)
    tables["copies"] = copies
    tables["unreadable"] = _unreadable(cohort, result, lines)
    warnings += doubt_leaks(facts, copies, lines, more=more)
    warnings += [*of_images, *_doubt_images(cohort, result, headers or pixels, pixels)]
    warnings += doubt_missing(missing)
    tables["overview"] = _overview(counted, cohort, result, facts)
    return CohortCheck(
        tables=tables,
        warnings=tuple(dict.fromkeys(warnings)),
        horizon=year,
        simulated=are_simulated(cohort.exams),
    )


def _overview(
    counted: pd.DataFrame, cohort: Cohort, result: PassResult, facts: Facts
) -> pd.DataFrame:
    whole = counted.iloc[0]
    rows: list[tuple[str, object]] = [
        ("exams", int(whole["exams"])),
        ("women", int(whole["women"])),
        ("rows in error", int((cohort.errors != "").sum())),
        ("exams without outcome", int(whole["without_outcome"])),
        ("exams followed by cancer", int(whole["cancers"])),
        ("women with cancer", int(whole["women_with_cancer"])),
        ("cancers per 1,000 years", _rounded(whole["per_1000_years"])),
        ("median follow-up, years", _rounded(whole["median_follow_up"])),
        ("sampling weights", "yes" if facts.is_weighted and np.ptp(facts.weight) > 0 else "no"),
    ]
    if cohort.has_images:
        parts = [one.part for one in result.failures]
        rows += [
            ("exams read", result.exams),
            ("prior exams read", result.priors),
            ("images read", result.images),
            ("exams that cannot be read", parts.count("exam")),
            ("prior exams that cannot be read", parts.count("prior exam")),
            ("images whose pixels cannot be read", sum("," in part for part in parts)),
            ("exams with another age in the header", result.other_age),
        ]
    items, values = zip(*rows, strict=True)
    return pd.DataFrame({"item": items, "value": pd.Series(values, dtype=object)})


def _rounded(value: float) -> float | None:
    return round(float(value), 2) if np.isfinite(value) else None


def _doubt_rows(cohort: Cohort) -> list[ResultWarning]:
    n = int((cohort.errors != "").sum())
    if not n:
        return []
    text = f"{n:,} rows of the manifest are in error: see the table unreadable"
    return [make_warning("rows-in-error", text)]


def _doubt_images(
    cohort: Cohort, result: PassResult, opened: bool, pixels: bool
) -> list[ResultWarning]:
    if not cohort.has_images:
        return [make_warning("no-images", "the cohort has no images")]
    if not opened:
        return [make_warning("pixels-not-compared", "images were not opened (headers=False)")]
    found = []
    if n := len({(one.row, one.part.split(",")[0]) for one in result.failures}):
        text = f"{n:,} exams or prior exams cannot be read: see the table unreadable"
        found.append(make_warning("exams-unreadable", text))
    if result.other_age:
        text = f"the age in header and table differs in {result.other_age:,} exams"
        found.append(make_warning("age-contradiction", text))
    if not pixels:
        text = "copies of images under other names were not searched: pass pixels=True (--pixels)"
        found.append(make_warning("pixels-not-compared", text))
    return found


def _doubt_flat(index: ImageIndex, lines: NDArray[np.int64]) -> list[ResultWarning]:
    flat = index.flat_images()
    if not flat:
        return []
    text = f"{len(flat):,} images have the same value everywhere, the first in line "
    return [make_warning("image-flat", f"{text}{lines[flat[0][0]]}, {flat[0][2]}")]


def _pixel_copies(
    index: ImageIndex, facts: Facts, lines: NDArray[np.int64]
) -> tuple[pd.DataFrame, int]:
    """Copies by their pixels, and the number of those left out of the table."""
    counts: dict[tuple[str, tuple[int, ...]], int] = {}
    more = 0
    for rows, priors in index.copies():
        kind = kind_of_copies(facts, np.array(rows), np.array(priors))
        if kind is None:
            continue
        key = kind, tuple(sorted(set(rows)))
        if key in counts or len(counts) < _COPIES:
            counts[key] = counts.get(key, 0) + 1
        else:
            more += 1
    found = [(kind, "pixels", n, rows) for (kind, rows), n in counts.items()]
    return copies_table(found, lines), more


def _image_warnings(result: PassResult) -> pd.DataFrame:
    rows = [
        (code, CODES[code].severity, n, CODES[code].meaning)
        for code, n in result.warning_counts.most_common()
    ]
    return pd.DataFrame(rows, columns=["code", "severity", "exams", "meaning"])


def _unreadable(cohort: Cohort, result: PassResult, lines: NDArray[np.int64]) -> pd.DataFrame:
    """Rows in error, and exams that cannot be read, by line of the manifest."""
    faulty = np.flatnonzero((cohort.errors != "").to_numpy(dtype=bool))
    rows = [
        (int(lines[row]), "row", "ManifestError", str(cohort.errors.iloc[row])) for row in faulty
    ]
    rows += [(int(lines[one.row]), one.part, one.error, one.reason) for one in result.failures]
    table = pd.DataFrame(rows, columns=["line", "part", "error", "reason"])
    return table.sort_values("line", kind="stable", ignore_index=True)
