"""Dataset: base class of the adapters of public cohorts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from mammorisk.datasets.card import DatasetCard
from mammorisk.datasets.check import DatasetCheck
from mammorisk.datasets.dataset_cohort import VIEW_COLUMNS, DatasetCohort, build_cohort
from mammorisk.datasets.exclusions import Exclusions
from mammorisk.datasets.layout import Layout, load_layout
from mammorisk.datasets.release_files import find_table, read_table, read_tables, shifted_rows
from mammorisk.errors import DatasetError
from mammorisk.io.remote import Place
from mammorisk.records.cohort import KEYS, OutcomeKind
from mammorisk.records.table_warning import TableWarning
from mammorisk.warnings import make_warning

#: Maximum number of image files that a check looks for.
_FILES_COUNTED = 200_000


class Dataset(ABC):
    """A public cohort: its card, a check of a download, its cohort and its annotations.

    Calling an adapter is the same as :meth:`cohort`.

    See Also
    --------
    mammorisk.datasets : The data sets by name.
    """

    name: ClassVar[str]
    #: Suffixes of image files, in lower case.
    suffixes: ClassVar[tuple[str, ...]] = (".dcm",)

    @property
    def layout(self) -> Layout:
        """Tables, columns and codes of the release."""
        return load_layout(self.name)

    @property
    def card(self) -> DatasetCard:
        """Source, licence, size, outcome and assumptions."""
        return self.layout.card

    def __call__(self, root: str | Path, **options: Any) -> DatasetCohort:
        return self.cohort(root, **options)

    def __repr__(self) -> str:
        card = self.card
        return f"<mammorisk.datasets.{card.name}: {card.title}; outcome: {card.outcome}>"

    @abstractmethod
    def cohort(self, root: str | Path) -> DatasetCohort:
        """Read the cohort from the folder of the release."""

    def annotations(self, root: str | Path) -> pd.DataFrame:
        """Read findings, if the release has them."""
        raise DatasetError(
            "the release has no annotations of findings",
            where=self.name,
            remedy=f"See {self.card.source}",
        )

    def check(self, root: str | Path) -> DatasetCheck:
        """Check which parts of the release are in a folder. Only the headers of tables are read.

        Parameters
        ----------
        root : path
            Folder of the release.

        Returns
        -------
        DatasetCheck
        """
        folder = open_folder(root, self.card)
        rows = []
        usable = True
        for name, table in self.layout.tables.items():
            state = find_table(folder, table)
            if state.path is None:
                told = ("missing", f"expected {' or '.join(table.files)}")
            elif state.problem is not None:
                told = ("unreadable", state.problem)
            elif state.missing:
                told = ("incomplete", f"{state.path.name} lacks {', '.join(state.missing)}")
            else:
                told = ("complete", str(state.path.relative_to(folder)))
            usable &= told[0] == "complete" or not table.required
            rows.append((name, *told))
        rows += self._check_images(folder)
        return DatasetCheck(
            card=self.card,
            table=pd.DataFrame(rows, columns=["part", "state", "detail"]),
            is_usable=usable,
        )

    def _check_images(self, root: Path) -> list[tuple[str, str, str]]:
        if not self.layout.images:
            return []
        n = 0
        for path in self.image_folder(root).rglob("*"):
            n += path.suffix.lower() in self.suffixes
            if n >= _FILES_COUNTED:
                break
        expected = self.card.images
        of = "" if expected is None else f" of {expected:,}"
        state = "missing" if n == 0 else "complete"
        if n and expected is not None and n < expected:
            state = "incomplete"
        return [("images", state, f"{n:,}{of} files")]

    def image_folder(self, root: Path) -> Path:
        """Folder with the images; the root if none of the usual folders exists."""
        for name in self.layout.images:
            if (root / name).is_dir():
                return root / name
        return root


def open_folder(root: str | Path, card: DatasetCard) -> Path:
    """The folder of a release as a path.

    Raises
    ------
    DatasetError
        There is no such folder.
    """
    folder = Path(root).expanduser()
    if not folder.is_dir():
        raise DatasetError(
            "there is no such folder",
            where=f"{card.name}, root",
            remedy=f"{card.download} Terms: {card.terms}",
        )
    return folder.resolve()


class Reading:
    """One pass over a release: its tables, exclusions and warnings."""

    def __init__(self, dataset: Dataset, root: str | Path) -> None:
        self.layout = dataset.layout
        self.card = dataset.card
        self.root = open_folder(root, self.card)
        self.exclusions = Exclusions()
        self.warnings: list[TableWarning] = []

    def table(self, name: str, *, patient_id: str | None = None) -> pd.DataFrame:
        """Read a table and start the account of its rows.

        Parameters
        ----------
        name : str
        patient_id : str, optional
            Column that identifies the woman; it is renamed to ``patient_id``.
        """
        found = read_table(self.root, self.layout, name)
        if patient_id is not None and patient_id != "patient_id":
            found = found.rename(columns={patient_id: "patient_id"})
        self.exclusions.start(name, found)
        shifted = shifted_rows(self.root, self.layout, name, found)
        return self.drop(name, found, shifted, "the line has another number of fields")

    def tables(self, name: str) -> dict[str, pd.DataFrame]:
        """Read a table that comes in several files, by the name of the file."""
        found = read_tables(self.root, self.layout, name)
        for file, rows in found.items():
            self.exclusions.start(file, rows)
        return found

    def drop(
        self, table: str, rows: pd.DataFrame, excluded: pd.Series | np.ndarray, reason: str
    ) -> pd.DataFrame:
        """Exclude rows for a reason."""
        return self.exclusions.drop(table, rows, excluded, reason)

    def drop_each(
        self, table: str, rows: pd.DataFrame, excluded: pd.Series, reason: Callable[[Any], str]
    ) -> pd.DataFrame:
        """Exclude the rows with a value, with a reason for each different value."""
        values = excluded.dropna().unique()
        for value in sorted(values, key=str):
            rows = self.drop(table, rows, excluded.reindex(rows.index) == value, reason(value))
        return rows

    def say(self, code: str, text: str) -> None:
        """Add a warning about the table as a whole."""
        self.warnings.append(TableWarning(warning=make_warning(code, text)))

    def unread(self, column: str, rows: np.ndarray) -> None:
        """Warn about values of a column that count as unknown, if there are any."""
        if n := int(np.asarray(rows).sum()):
            self.say("value-not-read", f"{column}: {n:,} values are not read and count as unknown")

    def codes(self, column: pd.Series, name: str) -> pd.Series:
        """Translate the codes of a column; a code that the release does not define is unknown."""
        codes = self.layout.codes[name]
        found = column.map(codes)
        self.unread(name, (found.isna() & column.notna() & ~column.isin(list(codes))).to_numpy())
        return found

    def standard_views(self, table: str, views: pd.DataFrame) -> pd.DataFrame:
        """Exclude images of other views than CC and MLO, and images without a side."""
        view, side = views["view"].str.upper(), views["laterality"].str.upper().str[:1]
        views = views.assign(view=view, laterality=side)
        odd = view.where(~view.isin(["CC", "MLO"])).mask(view.isna(), "")
        views = self.drop_each(
            table,
            views,
            odd,
            lambda name: f"the view {name} is none of CC and MLO" if name else "no view is stated",
        )
        return self.drop(table, views, ~views["laterality"].isin(["L", "R"]), "no side is stated")

    def find_images(
        self, table: str, views: pd.DataFrame, images: bool | None
    ) -> pd.DataFrame | None:
        """Images whose files exist; None if the cohort is read without images.

        Parameters
        ----------
        images : bool or None
            True: an error if no file is there. None: without images if no file is there. False:
            files are not looked for.
        """
        if images is False:
            return None
        place = Place.of(self.root)
        inside = np.array([place.holds(str(one)) for one in views["file_path"]], dtype=bool)
        views = self.drop(table, views, ~inside, "the path leads out of the root folder")
        there = np.array([(self.root / one).is_file() for one in views["file_path"]], dtype=bool)
        if not there.any():
            if images:
                raise DatasetError(
                    f"none of {len(views):,} image files is there",
                    where=self.card.name,
                    remedy=f"{self.card.download} The layout is: {self.card.layout}",
                )
            self.say("images-absent", "no image file is there: a cohort without images")
            return None
        if not there.all():
            self.say(
                "images-absent",
                f"{int((~there).sum()):,} of {len(there):,} image files are not there: "
                "their rows are excluded",
            )
        return self.drop(table, views, ~there, "the image file is not there")

    def with_images(
        self, table: str, exams: pd.DataFrame, views: pd.DataFrame | None
    ) -> pd.DataFrame:
        """Exclude exams without any image, if the cohort is read with images."""
        if views is None:
            return exams
        keys = pd.MultiIndex.from_frame(views[list(KEYS)])
        there = pd.MultiIndex.from_frame(exams[list(KEYS)]).isin(keys)
        return self.drop(table, exams, ~there, "no image of the exam is there")

    def tell_exclusions(self) -> None:
        """Warn about the number of rows of each table that are not in the cohort."""
        counts = self.exclusions.counts()
        for table, rows in counts.groupby("table", sort=False):
            gone = rows[rows["reason"] != "kept"].sort_values("rows", ascending=False)
            if len(gone):
                told = "; ".join(
                    f"{n:,}: {reason}"
                    for reason, n in zip(gone["reason"], gone["rows"], strict=True)
                )
                total = int(rows["rows"].sum())
                n = int(gone["rows"].sum())
                text = f"{table}: {n:,} of {total:,} rows are excluded ({told})"
                self.say("rows-excluded", text)

    def cohort(
        self,
        exams: pd.DataFrame,
        views: pd.DataFrame | None = None,
        *,
        outcome_kind: OutcomeKind | None = None,
        allow_missing_views: bool = False,
    ) -> DatasetCohort:
        """Build the cohort, with a warning about the rows of each table that are not in it.

        Parameters
        ----------
        exams : DataFrame
            One row for each exam, with ``patient_id`` and ``exam_id``.
        views : DataFrame, optional
            With the columns :data:`~mammorisk.datasets.dataset_cohort.VIEW_COLUMNS`. An image may
            be in several rows, for example one for each finding.
        outcome_kind : str, optional
            Default: that of the card.
        allow_missing_views : bool
            Passed to :func:`mammorisk.read_exam`.
        """
        self.tell_exclusions()
        return build_cohort(
            self.card,
            exams,
            None if views is None else views[list(VIEW_COLUMNS)].drop_duplicates(),
            self.exclusions,
            self.warnings,
            root=self.root,
            outcome_kind=outcome_kind,
            allow_missing_views=allow_missing_views,
        )
