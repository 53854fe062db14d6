"""Mammo-MX: no table; the names of the files say everything."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pandas as pd

from mammorisk.datasets.adapter import Dataset, Reading
from mammorisk.datasets.dataset_cohort import DatasetCohort
from mammorisk.datasets.grouping import densest, exam_keys, list_images
from mammorisk.errors import DatasetError

_NAME = re.compile(r"^(\d{6})_([LR])_([A-Z]+)_B(\d)_D(\d)(?:\.dcm)?$", re.IGNORECASE)


class MammoMx(Dataset):
    """Mammo-MX: BI-RADS and density of full-field mammograms of Mexican women.

    See Also
    --------
    mammorisk.datasets.list : All cohorts.
    """

    name = "mammo_mx"
    suffixes = ("",)

    def cohort(self, root: str | Path, *, allow_missing_views: bool = True) -> DatasetCohort:
        """Read the cohort.

        Parameters
        ----------
        root : path
            Folder with the folders B0, B1 ...; the names of the files are the table.
        allow_missing_views : bool
            Passed to :func:`mammorisk.read_exam`.

        Returns
        -------
        DatasetCohort
            One row for each woman: ``breast_density``, ``birads``.
        """
        reading = Reading(self, root)
        found = []
        for path in list_images(reading.root, self.suffixes):
            match = _NAME.match(os.path.basename(path))
            told = (None,) * 5 if match is None else match.groups()
            found.append((path, *told))
        columns = ["file_path", "patient_id", "laterality", "view", "birads", "density"]
        rows = pd.DataFrame(found, columns=columns, dtype=object)
        rows.index = pd.RangeIndex(1, len(rows) + 1)
        reading.exclusions.start("files", rows)
        reason = "the name of the file does not tell woman, side, view, BI-RADS and density"
        rows = reading.drop("files", rows, rows["patient_id"].isna(), reason)
        if rows.empty:
            raise DatasetError(
                "no file has a name of this release",
                where=self.name,
                remedy=f"{self.card.download} The layout is: {self.card.layout}",
            )
        rows = rows.assign(exam_id=rows["patient_id"])
        folder = rows["file_path"].str.extract(r"(?:^|/)B(\d)/", expand=False)
        differs = folder.notna() & (folder != rows["birads"])
        if n := int(differs.sum()):
            text = f"birads: {n:,} names state another BI-RADS than their folder; the name counts"
            reading.say("value-not-read", text)
        rows = reading.standard_views("files", rows)
        rows["density"] = reading.codes(rows["density"], "density")
        exams = exam_keys(rows)
        ids = exams["exam_id"]
        exams["breast_density"] = densest(rows, "exam_id", "density").reindex(ids).to_numpy()
        exams["birads"] = rows.groupby("exam_id")["birads"].max().reindex(ids).to_numpy()
        return reading.cohort(exams, rows, allow_missing_views=allow_missing_views)


mammo_mx = MammoMx()
