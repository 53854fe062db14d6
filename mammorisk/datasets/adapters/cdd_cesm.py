"""CDD-CESM: low-energy images beside subtracted ones, which are no mammograms."""

from __future__ import annotations

from pathlib import Path

from mammorisk.datasets.adapter import Dataset, Reading
from mammorisk.datasets.dataset_cohort import DatasetCohort
from mammorisk.datasets.grouping import densest, exam_keys, image_paths, one_value
from mammorisk.datasets.release_files import numbers, whole_codes

_NAME = r"^P(?P<woman>\d+)_(?P<side>[LR])_(?P<kind>DM|CM)_(?P<position>[A-Z]+)"


class CddCesm(Dataset):
    """CDD-CESM: contrast-enhanced mammography, of which the low-energy images are used.

    See Also
    --------
    mammorisk.datasets.list : All cohorts.
    """

    name = "cdd_cesm"
    suffixes = (".jpg", ".jpeg", ".png")

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
            Folder with the table and the two folders of images.
        images : bool or None
            True: an error if no image exists. False: without images. None: with those that exist.
        allow_missing_views : bool
            Passed to :func:`mammorisk.read_exam`.

        Returns
        -------
        DatasetCohort
            One row for each woman: ``cancer`` (of either breast, at this exam), also by breast,
            ``age``, ``breast_density``. Subtracted images are excluded with the reason.
        """
        reading = Reading(self, root)
        rows = reading.table("images")
        name = rows["image_name"].str.strip().str.replace(r"\.jpe?g$", "", regex=True)
        parts = name.str.extract(_NAME)
        rows = rows.assign(
            image_name=name,
            patient_id=parts["woman"],
            exam_id=parts["woman"],
            laterality=parts["side"],
            view=parts["position"],
        )
        reason = "the name of the image does not tell woman, side and view"
        rows = reading.drop("images", rows, parts["woman"].isna(), reason)
        kind = parts["kind"].reindex(rows.index)
        reason = "a subtracted image with contrast agent (CM)"
        rows = reading.drop("images", rows, kind == "CM", reason)
        rows = reading.standard_views("images", rows)
        cancer = rows["pathology"].str.lower().map(self.layout.codes["pathology"])
        rows = rows.assign(cancer=cancer)
        reason = "the pathology is not Normal, Benign or Malignant"
        rows = reading.drop("images", rows, cancer.isna(), reason)
        rows["density"] = reading.codes(rows["density"].str.upper(), "density")
        rows["age"], wrong = numbers(rows["age"])
        reading.unread("age", wrong)
        rows["file_path"] = image_paths(
            self.image_folder(reading.root), rows["image_name"], self.suffixes
        )
        folder = self.image_folder(reading.root)
        if folder != reading.root:
            rows["file_path"] = f"{folder.name}/" + rows["file_path"]
        views = reading.find_images("images", rows, images)
        kept = rows if views is None else views
        exams = exam_keys(kept)
        ids = exams["exam_id"]
        age, differ = one_value(kept, "exam_id", "age")
        reading.unread("age (the images of a woman differ)", differ)
        exams["age"] = age.reindex(ids).to_numpy()
        exams["breast_density"] = densest(kept, "exam_id", "density").reindex(ids).to_numpy()
        birads = whole_codes(kept["birads"].astype(object))
        exams["birads"] = birads.groupby(kept["exam_id"]).max().reindex(ids).to_numpy()
        exams["cancer"] = kept.groupby("exam_id")["cancer"].max().reindex(ids).to_numpy()
        for side in "LR":
            of_side = kept[kept["laterality"] == side].groupby("exam_id")["cancer"].max()
            exams[f"cancer_{side}"] = of_side.reindex(ids).to_numpy()
        return reading.cohort(exams, views, allow_missing_views=allow_missing_views)


cdd_cesm = CddCesm()
