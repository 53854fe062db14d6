"""VinDr-Mammo: exams without women, headers without acquisition, lists written as text."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pandas as pd

from mammorisk.datasets.adapter import Dataset, Reading
from mammorisk.datasets.dataset_cohort import DatasetCohort
from mammorisk.datasets.grouping import densest, exam_keys, one_value
from mammorisk.datasets.release_files import numbers


class VindrMammo(Dataset):
    """VinDr-Mammo: BI-RADS assessments, densities and findings, without outcome.

    See Also
    --------
    mammorisk.datasets.list : All cohorts.
    """

    name = "vindr_mammo"
    suffixes = (".dicom", ".dcm")

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
            Folder of the release, version 1.0.0.
        images : bool or None
            True: an error if no image exists. False: without images. None: with those that exist.
        allow_missing_views : bool
            Passed to :func:`mammorisk.read_exam`.

        Returns
        -------
        DatasetCohort
            One row for each study: ``breast_density`` of the denser breast, ``birads`` of the worse
            one, both also by breast, and the official ``split``.
        """
        reading = Reading(self, root)
        rows = reading.table("breasts", patient_id="study_id")
        rows = reading.drop("breasts", rows, rows["patient_id"].isna(), "no study_id")
        rows = rows.assign(exam_id=rows["patient_id"])
        rows = rows.rename(columns={"view_position": "view"})
        rows = reading.standard_views("breasts", rows)
        twice = rows.duplicated("image_id")
        rows = reading.drop("breasts", rows, twice, "the image_id appears before")
        for name in ("breast_density", "breast_birads"):
            rows[name] = reading.codes(rows[name], name)
        rows["split"] = reading.codes(rows["split"], "split")
        rows["file_path"] = "images/" + rows["patient_id"] + "/" + rows["image_id"] + ".dicom"
        views = reading.find_images("breasts", rows, images)
        kept = rows if views is None else views
        exams = exam_keys(kept)
        ids = exams["exam_id"]
        exams["breast_density"] = densest(kept, "exam_id", "breast_density").reindex(ids).to_numpy()
        birads = kept.groupby("exam_id", sort=False)["breast_birads"].max()
        exams["birads"] = birads.reindex(ids).to_numpy()
        for side in "LR":
            of_side = kept[kept["laterality"] == side]
            for name in ("breast_density", "breast_birads"):
                values, differ = one_value(of_side, "exam_id", name)
                reading.unread(f"{name} (the images of a breast differ)", differ)
                exams[f"{name.removeprefix('breast_')}_{side}"] = values.reindex(ids).to_numpy()
        split, differ = one_value(kept, "exam_id", "split")
        reading.unread("split (the images of an exam differ)", differ)
        exams["split"] = split.reindex(ids).to_numpy()
        return reading.cohort(exams, views, allow_missing_views=allow_missing_views)

    def annotations(self, root: str | Path) -> pd.DataFrame:
        """Read the findings.

        Parameters
        ----------
        root : path

        Returns
        -------
        DataFrame
            One row for each finding, and one for each image without: ``patient_id``, ``exam_id``,
            ``image_id``, ``laterality``, ``view``, ``categories`` (tuple of str, empty for an image
            without finding, None if unreadable), ``birads``, ``x_min`` ... ``y_max`` in pixels of
            the stored image, ``split``.
        """
        reading = Reading(self, root)
        rows = reading.table("findings", patient_id="study_id")
        found = pd.DataFrame(
            {
                "patient_id": rows["patient_id"],
                "exam_id": rows["patient_id"],
                "image_id": rows["image_id"],
                "laterality": rows["laterality"],
                "view": rows["view_position"],
                "categories": [read_list(text) for text in rows["finding_categories"]],
                "birads": reading.codes(rows["finding_birads"], "finding_birads"),
            }
        )
        for corner in ("xmin", "ymin", "xmax", "ymax"):
            found[f"{corner[0]}_{corner[1:]}"] = numbers(rows[corner])[0]
        found["split"] = reading.codes(rows["split"], "split")
        return found.reset_index(drop=True)


def read_list(text: Any) -> tuple[str, ...] | None:
    """A list that was written as text: ``"['Mass', 'Asymmetry']"``; None if it cannot be read.

    Examples
    --------
    >>> from mammorisk.datasets.adapters.vindr_mammo import read_list
    >>> read_list("['Suspicious Calcification', 'Mass']"), read_list("['No Finding']")
    (('Suspicious Calcification', 'Mass'), ())
    """
    try:
        found = ast.literal_eval(str(text))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        return None
    return tuple(one for one in found if one != "No Finding")


vindr_mammo = VindrMammo()
