"""CohortCheck: the tables, warnings and page of a check."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from mammorisk._utils.output_file import write_output
from mammorisk.cohort_check.page import check_page
from mammorisk.warnings import Warnings, is_refused


@dataclass(frozen=True, kw_only=True, eq=False)
class CohortCheck:
    """Result of :func:`mammorisk.check_cohort`.

    Attributes
    ----------
    tables : mapping of str to DataFrame
        Every table by name.
    warnings : tuple of ResultWarning
        A refusal (``woman-in-splits``, ``image-in-splits``, ``image-of-women``) is a leak.
    horizon : float
        Years.
    simulated : bool
        Whether the women are those of :func:`mammorisk.simulate`.
    overview, groups, follow_up, missing, splits, copies, unreadable, recipes : DataFrame
        Tables of every cohort: numbers; exams, women and cancers by site, vendor, calendar year and
        split; completeness of follow-up; missing fields; women in common of splits; copies of
        images; rows and exams that cannot be read, by line of the manifest; recipes with the
        cancers they need.
    image_warnings : DataFrame
        Number of exams by code of a warning.
    acquisition, outliers : DataFrame
        Acquisition by device, and values far from those of the device. Empty without images.

    See Also
    --------
    mammorisk.check_cohort : Makes the check.

    Examples
    --------
    >>> import mammorisk as mr
    >>> check = mr.check_cohort(mr.simulate(1000, seed=1).cohort)
    >>> check.is_leaking
    False
    >>> check.groups.query("column == 'site'")[["group", "exams", "cancers"]]
        group  exams  cancers
    1  site-1    263        8
    2  site-2    263        1
    3  site-3    246        6
    4  site-4    228        6
    """

    tables: Mapping[str, pd.DataFrame] = field(repr=False)
    warnings: Warnings
    horizon: float
    simulated: bool = False

    @property
    def is_leaking(self) -> bool:
        """Whether a woman or an image is in several splits, or an image in several women."""
        return is_refused(self.warnings)

    @property
    def overview(self) -> pd.DataFrame:
        return self.tables["overview"]

    @property
    def groups(self) -> pd.DataFrame:
        return self.tables["groups"]

    @property
    def follow_up(self) -> pd.DataFrame:
        return self.tables["follow_up"]

    @property
    def missing(self) -> pd.DataFrame:
        return self.tables["missing"]

    @property
    def splits(self) -> pd.DataFrame:
        return self.tables["splits"]

    @property
    def copies(self) -> pd.DataFrame:
        return self.tables["copies"]

    @property
    def unreadable(self) -> pd.DataFrame:
        return self.tables["unreadable"]

    @property
    def recipes(self) -> pd.DataFrame:
        return self.tables["recipes"]

    @property
    def image_warnings(self) -> pd.DataFrame:
        return self.tables["image_warnings"]

    @property
    def acquisition(self) -> pd.DataFrame:
        return self.tables.get("acquisition", pd.DataFrame())

    @property
    def outliers(self) -> pd.DataFrame:
        return self.tables.get("outliers", pd.DataFrame())

    def to_page(self, title: str | None = None) -> str:
        """Return the check as one self-contained HTML page."""
        kind = "SIMULATED cohort" if self.simulated else "cohort"
        title = title or f"Check of a {kind}"
        return check_page(self.tables, self.warnings, self.horizon, title)

    def to_html(self, path: str | Path, title: str | None = None) -> Path:
        """Write the check as one self-contained HTML page.

        Raises
        ------
        OutputError
            The file cannot be written.
        """
        text = self.to_page(title)
        return _write(Path(path), text)

    def to_csv(self, folder: str | Path) -> Path:
        """Write every table as a CSV file into a folder, made where there is none; the warnings as
        ``warnings.csv``.

        Raises
        ------
        OutputError
            A file cannot be written.
        """
        told = pd.DataFrame(
            [one.to_dict() for one in self.warnings], columns=["code", "severity", "view", "text"]
        )
        for name, table in {**self.tables, "warnings": told}.items():
            _write(Path(folder) / f"{name}.csv", table.to_csv(index=False))
        return Path(folder)

    def __repr__(self) -> str:
        numbers = dict(self.overview.to_numpy().tolist())
        kind = "SIMULATED women" if self.simulated else "women"
        lines = [
            f"<CohortCheck: {numbers['exams']:,} exams of {numbers['women']:,} {kind}, "
            f"{numbers['exams followed by cancer']:,} cancers>"
        ]
        return "\n".join([*lines, *(f"  {one.severity}: {one.text}" for one in self.warnings)])


def _write(path: Path, text: str) -> Path:
    return write_output(path, text, "the check", where=path.name, make_folder=True)
