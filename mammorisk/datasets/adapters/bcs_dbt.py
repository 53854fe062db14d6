"""BCS-DBT: a class in four columns, views with numbers, tomosynthesis volumes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from mammorisk.datasets.adapter import Dataset, Reading
from mammorisk.datasets.dataset_cohort import DatasetCohort
from mammorisk.datasets.release_files import find_table, numbers

_TABLES = {"labels": "train", "labels_validation": "validation", "labels_test": "test"}
_VIEW = r"^([lr])(cc|mlo)\d*$"


class BcsDbt(Dataset):
    """BCS-DBT, tomosynthesis exams of Duke: classes and boxes, without images.

    See Also
    --------
    mammorisk.datasets.list : All cohorts.
    """

    name = "bcs_dbt"

    def cohort(self, root: str | Path) -> DatasetCohort:
        """Read the cohort.

        Parameters
        ----------
        root : path
            Folder with the CSV files. The labels of validation and test are read where they are
            there.

        Returns
        -------
        DatasetCohort
            One row for each study: ``cancer`` (at this exam), ``finding`` (Normal, Actionable,
            Benign or Cancer: the most serious view), ``cancer_L``, ``cancer_R``, the official
            ``split``. Tomosynthesis volumes are not read.
        """
        reading = Reading(self, root)
        parts = []
        for name, split in _TABLES.items():
            if name != "labels" and find_table(reading.root, self.layout.tables[name]).path is None:
                continue
            rows = reading.table(name, patient_id="PatientID").rename(
                columns={"StudyUID": "exam_id"}
            )
            unnamed = rows["patient_id"].isna() | rows["exam_id"].isna()
            rows = reading.drop(name, rows, unnamed, "no PatientID or no StudyUID")
            view = rows["View"].str.lower().str.extract(_VIEW)
            rows = reading.drop(name, rows, view[0].isna(), "the view is not CC or MLO of a side")
            classes = self.layout.codes["classes"]
            flags = np.column_stack([numbers(rows[one])[0].to_numpy() for one in classes])
            one_class = (flags == 1).sum(axis=1) == 1
            rank = np.where(one_class, (flags == 1).argmax(axis=1), -1)
            rows = rows.assign(rank=rank, side=view[0].reindex(rows.index).str.upper(), split=split)
            rows = reading.drop(name, rows, ~one_class, "not exactly one of the four classes is 1")
            parts.append(rows)
        rows = pd.concat(parts, ignore_index=True)
        exams = rows.groupby("exam_id", sort=False)[["patient_id", "split"]].first().reset_index()
        exams = exams[["patient_id", "exam_id", "split"]]
        ids = exams["exam_id"]
        worst = rows.groupby("exam_id")["rank"].max().reindex(ids)
        exams["finding"] = worst.map(dict(enumerate(self.layout.codes["classes"]))).to_numpy()
        last = len(self.layout.codes["classes"]) - 1
        exams["cancer"] = (worst == last).astype(int).to_numpy()
        for side in "LR":
            of_side = rows[rows["side"] == side].groupby("exam_id")["rank"].max()
            exams[f"cancer_{side}"] = (of_side == last).astype(float).reindex(ids).to_numpy()
        reading.say(
            "images-absent", "the images are tomosynthesis volumes, which are not read: no images"
        )
        return reading.cohort(exams)

    def annotations(self, root: str | Path) -> pd.DataFrame:
        """Read the boxes of the training part.

        Parameters
        ----------
        root : path

        Returns
        -------
        DataFrame
            One row for each box: ``patient_id``, ``exam_id``, ``laterality``, ``view``, ``slice``,
            ``x_min`` ... ``y_max``, ``finding``, in pixels of the volume brought upright: the
            release stores some volumes turned by 180 degrees, and boxes are of the upright ones.
        """
        reading = Reading(self, root)
        rows = reading.table("boxes", patient_id="PatientID")
        view = rows["View"].str.lower().str.extract(_VIEW)
        place = {name: numbers(rows[name])[0] for name in ("Slice", "X", "Y", "Width", "Height")}
        return pd.DataFrame(
            {
                "patient_id": rows["patient_id"],
                "exam_id": rows["StudyUID"],
                "laterality": view[0].str.upper(),
                "view": view[1].str.upper(),
                "slice": place["Slice"],
                "x_min": place["X"],
                "y_min": place["Y"],
                "x_max": place["X"] + place["Width"],
                "y_max": place["Y"] + place["Height"],
                "finding": rows["Class"],
            }
        ).reset_index(drop=True)


bcs_dbt = BcsDbt()
