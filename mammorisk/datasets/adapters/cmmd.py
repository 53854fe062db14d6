"""CMMD: a row a breast, views in the headers alone, and breasts that nobody labelled."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from mammorisk.datasets.adapter import Dataset, Reading
from mammorisk.datasets.dataset_cohort import DatasetCohort
from mammorisk.datasets.grouping import exam_keys, list_images, one_value
from mammorisk.datasets.image_headers import read_headers
from mammorisk.datasets.release_files import numbers
from mammorisk.errors import DatasetError


class Cmmd(Dataset):
    """CMMD, the Chinese Mammography Database: findings with biopsy.

    See Also
    --------
    mammorisk.datasets.list : All cohorts.
    """

    name = "cmmd"

    def cohort(
        self,
        root: str | Path,
        *,
        images: bool | None = None,
        allow_missing_views: bool = True,
    ) -> DatasetCohort:
        """Read the cohort.

        Parameters
        ----------
        root : path
            Folder with the clinical table and the DICOM files.
        images : bool or None
            True: an error if no image exists. False: without images. None: with those that exist;
            the header of each is read, because woman and view are stated only there.
        allow_missing_views : bool
            Passed to :func:`mammorisk.read_exam`. Many women have images of one breast.

        Returns
        -------
        DatasetCohort
            One row for each woman: ``cancer`` (1 if a breast is malignant, 0 if one is benign and
            none malignant), ``cancer_L`` and ``cancer_R`` (empty for a breast without a row), the
            same for ``abnormality`` and ``subtype``, ``age``. Every woman has a finding: absolute
            risks cannot be learnt from them.
        """
        reading = Reading(self, root)
        rows = reading.table("breasts")
        rows = reading.drop("breasts", rows, rows["patient_id"].isna(), "no ID1")
        side = rows["side"].str.upper().str[:1]
        rows = rows.assign(exam_id=rows["patient_id"], side=side)
        rows = reading.drop("breasts", rows, ~side.isin(["L", "R"]), "LeftRight is not L or R")
        cancer = rows["classification"].str.lower().map(self.layout.codes["classification"])
        rows = rows.assign(cancer=cancer)
        reason = "classification is not Benign or Malignant"
        rows = reading.drop("breasts", rows, cancer.isna(), reason)
        rows["age"], wrong = numbers(rows["age"])
        reading.unread("age", wrong)
        exams = exam_keys(rows)
        ids = exams["exam_id"]
        age, differ = one_value(rows, "exam_id", "age")
        reading.unread("age (the rows of a woman differ)", differ)
        exams["age"] = age.reindex(ids).to_numpy()
        exams["cancer"] = rows.groupby("exam_id")["cancer"].max().reindex(ids).to_numpy()
        for letter in "LR":
            of_side = rows[rows["side"] == letter]
            for name in ("cancer", "abnormality", "subtype"):
                groups = of_side.groupby("exam_id")[name]
                # Two findings of a breast: malignant counts, and words are kept side by side.
                value = groups.max() if name == "cancer" else groups.agg(_joined)
                exams[f"{name}_{letter}"] = value.reindex(ids).to_numpy()
        text = "every woman has a finding with biopsy: absolute risks cannot be learnt from them"
        reading.say("sampled-cohort", text)
        views = None if images is False else self._images(reading, exams, images)
        if views is not None:
            there = exams["exam_id"].isin(views["exam_id"])
            gone = rows["exam_id"].isin(exams.loc[~there, "exam_id"])
            reading.drop("breasts", rows, gone, "no image of the woman is there")
            exams = exams[there]
        return reading.cohort(exams, views, allow_missing_views=allow_missing_views)

    def _images(
        self, reading: Reading, exams: pd.DataFrame, images: bool | None
    ) -> pd.DataFrame | None:
        paths = list_images(reading.root, self.suffixes)
        if not paths:
            if images:
                raise DatasetError(
                    "no image file is there", where=self.name, remedy=self.card.download
                )
            reading.say("images-absent", "no image file is there: a cohort without images")
            return None
        rows = read_headers(reading.root, paths).rename(columns={"position": "view"})
        rows = rows.assign(exam_id=rows["patient_id"])
        reading.exclusions.start("images", rows)
        rows = reading.drop_each("images", rows, rows["problem"], str)
        rows = reading.standard_views("images", rows)
        known = rows["exam_id"].isin(exams["exam_id"])
        return reading.drop("images", rows, ~known, "its woman is not in the clinical table")


def _joined(words: pd.Series) -> str | None:
    found = list(dict.fromkeys(words.dropna()))
    return "; ".join(found) if found else None


cmmd = Cmmd()
