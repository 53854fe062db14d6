"""NL-Breast-Screening: paths of another system, and folders that a first version named wrongly."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from mammorisk.datasets.adapter import Dataset, Reading
from mammorisk.datasets.dataset_cohort import DatasetCohort
from mammorisk.datasets.grouping import exam_keys, one_value
from mammorisk.datasets.release_files import numbers, whole_codes


class Nlbs(Dataset):
    """NL-Breast-Screening, exams of the screening programme of Newfoundland and Labrador.

    See Also
    --------
    mammorisk.datasets.list : All cohorts.
    """

    name = "nlbs"

    def cohort(
        self,
        root: str | Path,
        *,
        images: bool | None = None,
        allow_missing_views: bool = False,
    ) -> DatasetCohort:
        """Read the cohort.

        Parameters
        ----------
        root : path
            Folder with NLBSP-metadata.csv and images.
        images : bool or None
            True: an error if no image exists. False: without images. None: with those that exist.
        allow_missing_views : bool
            Passed to :func:`mammorisk.read_exam`.

        Returns
        -------
        DatasetCohort
            One row for each exam: ``cancer``, ``false_positive``, ``age``.
        """
        reading = Reading(self, root)
        rows = reading.table("images")
        path = rows["path"].str.replace("\\", "/", regex=False).str.replace(r"^\./", "", regex=True)
        rows = rows.assign(file_path=path)
        exam = path.str.extract(r"(?:^|/)(\d{12})(?:/|$)", expand=False)
        rows = rows.assign(patient_id=exam, exam_id=exam)
        reason = "no number of 12 digits in the path"
        rows = reading.drop("images", rows, exam.isna(), reason)
        rows = reading.standard_views("images", rows)
        self._tell_folders(reading, rows)
        for name in ("cancer", "false_positive"):
            word = whole_codes(rows[name]).str.lower()
            values = word.map(self.layout.codes["yes_no"])
            reading.unread(name, (values.isna() & word.notna()).to_numpy())
            rows[name] = values
        rows["age"], wrong = numbers(rows["age"])
        reading.unread("age", wrong)
        views = reading.find_images("images", rows, images)
        kept = rows if views is None else views
        exams = exam_keys(kept)
        ids = exams["exam_id"]
        age, differ = one_value(kept, "exam_id", "age")
        reading.unread("age (the images of an exam differ)", differ)
        exams["age"] = age.reindex(ids).to_numpy()
        for name in ("cancer", "false_positive"):
            exams[name] = kept.groupby("exam_id")[name].max().reindex(ids).to_numpy()
        return reading.cohort(exams, views, allow_missing_views=allow_missing_views)

    def _tell_folders(self, reading: Reading, rows: pd.DataFrame) -> None:
        folder = rows["file_path"].str.lower()
        side = folder.str.extract(r"/(left|right)/", expand=False).str[0].str.upper()
        view = folder.str.extract(r"/(cc|mlo)/", expand=False).str.upper()
        differs = (side.notna() & (side != rows["laterality"])) | (
            view.notna() & (view != rows["view"])
        )
        if n := int(differs.sum()):
            reading.say(
                "view-contradiction",
                f"{n:,} folders name another view than the table, which counts: version 1 of the "
                f"release has wrong names; this adapter reads version {self.card.version}",
            )


nlbs = Nlbs()
