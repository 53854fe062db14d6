"""KAU-BCMD: pictures in folders of BI-RADS, and everything else in their names."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pandas as pd

from mammorisk.datasets.adapter import Dataset, Reading
from mammorisk.datasets.dataset_cohort import DatasetCohort
from mammorisk.datasets.grouping import exam_keys, list_images
from mammorisk.errors import DatasetError

_NAME = re.compile(r"^(\d{4})_BC(\d+)_\s*([A-Z]+)_([LR])(?:EFT|IGHT)?\W", re.IGNORECASE)
_FOLDER = re.compile(r"(?:^|/)birads?[ _-]?(\d)(?:/|$)", re.IGNORECASE)


class Bmcd(Dataset):
    """KAU-BCMD: pictures with a BI-RADS assessment.

    See Also
    --------
    mammorisk.datasets.list : All cohorts.
    """

    name = "bmcd"
    suffixes = (".jpg", ".jpeg", ".png")

    def cohort(self, root: str | Path, *, allow_missing_views: bool = True) -> DatasetCohort:
        """Read the cohort.

        Parameters
        ----------
        root : path
            Folder with the folders of BI-RADS; the names of the files are the table.
        allow_missing_views : bool
            Passed to :func:`mammorisk.read_exam`.

        Returns
        -------
        DatasetCohort
            One row for each woman and year: ``birads``.
        """
        reading = Reading(self, root)
        found = []
        for path in list_images(reading.root, self.suffixes):
            match = _NAME.match(os.path.basename(path))
            folder = _FOLDER.search(path)
            told = (None,) * 4 if match is None else match.groups()
            found.append((path, *told, None if folder is None else folder[1]))
        columns = ["file_path", "year", "patient_id", "view", "laterality", "birads"]
        rows = pd.DataFrame(found, columns=columns, dtype=object)
        rows.index = pd.RangeIndex(1, len(rows) + 1)
        reading.exclusions.start("files", rows)
        reason = "the name of the file does not tell year, woman, view and side"
        rows = reading.drop("files", rows, rows["patient_id"].isna(), reason)
        reason = "not in a folder of a BI-RADS"
        rows = reading.drop("files", rows, rows["birads"].isna(), reason)
        if rows.empty:
            raise DatasetError(
                "no file has a name and a folder of this release",
                where=self.name,
                remedy=f"{self.card.download} The layout is: {self.card.layout}",
            )
        rows = rows.assign(exam_id=rows["patient_id"] + "-" + rows["year"])
        rows = reading.standard_views("files", rows)
        exams = exam_keys(rows)
        by_exam = rows.groupby("exam_id")["birads"]
        exams["birads"] = by_exam.max().reindex(exams["exam_id"]).to_numpy()
        if n := int((by_exam.nunique() > 1).sum()):
            text = (
                f"birads: the images of {n:,} exams lie in several folders; the higher one counts"
            )
            reading.say("value-not-read", text)
        return reading.cohort(exams, rows, allow_missing_views=allow_missing_views)


bmcd = Bmcd()
