"""RSNA 2022: cancers found at the exam itself, and columns that only one site filled in."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pandas as pd

from mammorisk.datasets.adapter import Dataset, Reading
from mammorisk.datasets.dataset_cohort import DatasetCohort
from mammorisk.datasets.grouping import densest, exam_keys, one_value
from mammorisk.datasets.release_files import numbers, whole_codes, whole_ids

#: Ages are not stated beyond this one.
_TOP_AGE = 89
#: Shares of known values at two sites further apart than this are said to be missing by site.
_FAR_APART = 0.5


class Rsna2022(Dataset):
    """RSNA Screening Mammography Breast Cancer Detection, the competition of 2022.

    See Also
    --------
    mammorisk.datasets.list : All cohorts.
    """

    name = "rsna_2022"

    def cohort(
        self,
        root: str | Path,
        *,
        images: bool | None = None,
        part: Literal["train", "test"] = "train",
        allow_missing_views: bool = False,
    ) -> DatasetCohort:
        """Read the cohort.

        Parameters
        ----------
        root : path
            Folder with train.csv and train_images.
        images : bool or None
            True: an error if no image exists. False: without images. None: with those that exist.
        part : {"train", "test"}
            The test part has no outcome.
        allow_missing_views : bool
            Passed to :func:`mammorisk.read_exam`.

        Returns
        -------
        DatasetCohort
            One row for each woman: ``cancer`` (of either breast, at this exam), also by breast,
            ``age`` (top-coded at 89: ``age_top_coded``), ``breast_density``, ``birads``, ``site``,
            ``implant``. There are no ``time`` and ``event``: :func:`mammorisk.evaluate` refuses
            the cohort.
        """
        name = f"{part}.csv"
        reading = Reading(self, root)
        rows = reading.table(name)
        for key in ("patient_id", "image_id"):
            ids, _ = whole_ids(rows[key])
            rows = rows.assign(**{key: ids})
            reason = f"{key} is empty or no whole number"
            rows = reading.drop(name, rows, rows[key].isna(), reason)
        rows = rows.assign(exam_id=rows["patient_id"])
        rows = reading.standard_views(name, rows)
        folder = f"{part}_images/"
        rows["file_path"] = folder + rows["patient_id"] + "/" + rows["image_id"] + ".dcm"
        views = reading.find_images(name, rows, images)
        kept = (rows if views is None else views).copy()
        kept["site"] = whole_codes(kept["site_id"])
        exams = self._exams(reading, kept, part)
        _tell_sites(reading, exams)
        return reading.cohort(
            exams,
            views,
            outcome_kind="cross-sectional" if part == "train" else "none",
            allow_missing_views=allow_missing_views,
        )

    def _exams(self, reading: Reading, rows: pd.DataFrame, part: str) -> pd.DataFrame:
        exams = exam_keys(rows)
        ids = exams["exam_id"]
        rows["age"], wrong = numbers(rows["age"])
        reading.unread("age", wrong)
        rows["implant"], wrong = numbers(rows["implant"])
        reading.unread("implant", wrong)
        for name in ("age", "site", "machine_id"):
            values, differ = one_value(rows, "exam_id", name)
            reading.unread(f"{name} (the images of an exam differ)", differ)
            exams[name] = values.reindex(ids).to_numpy()
        exams["age_top_coded"] = exams["age"] >= _TOP_AGE
        exams["implant"] = rows.groupby("exam_id")["implant"].max().reindex(ids).to_numpy()
        if part == "test":
            return exams
        rows["density"] = reading.codes(rows["density"], "density")
        exams["breast_density"] = densest(rows, "exam_id", "density").reindex(ids).to_numpy()
        for name in ("cancer", "invasive", "biopsy", "BIRADS"):
            rows[name], wrong = numbers(rows[name])
            reading.unread(name, wrong)
        # BI-RADS 0 (additional imaging needed) counts as higher than 1 and 2 (no suspicion).
        worst = rows["BIRADS"].map({0: 3, 1: 1, 2: 2})
        back = {3: "0", 1: "1", 2: "2"}
        exams["birads"] = worst.groupby(rows["exam_id"]).max().reindex(ids).map(back).to_numpy()
        for name in ("cancer", "invasive", "biopsy"):
            exams[name] = rows.groupby("exam_id")[name].max().reindex(ids).to_numpy()
            for side in "LR":
                of_side = rows[rows["laterality"] == side].groupby("exam_id")[name].max()
                exams[f"{name}_{side}"] = of_side.reindex(ids).to_numpy()
        difficult = rows["difficult_negative_case"].str.lower() == "true"
        exams["difficult_negative_case"] = (
            difficult.groupby(rows["exam_id"]).any().reindex(ids).to_numpy()
        )
        return exams


def _tell_sites(reading: Reading, exams: pd.DataFrame) -> None:
    """Warn about columns that are missing at one site: missingness then identifies the site."""
    for name in ("breast_density", "birads", "age"):
        if name not in exams or exams["site"].nunique() < 2:
            continue
        known = exams[name].notna().groupby(exams["site"]).mean()
        if known.max() - known.min() > _FAR_APART:
            shares = ", ".join(
                f"{100 * share:.0f} % at site {site}" for site, share in known.items()
            )
            text = (
                f"{name} is known for {shares}: a model that sees whether it is missing sees the "
                "site"
            )
            reading.say("missing-by-site", text)


rsna_2022 = Rsna2022()
