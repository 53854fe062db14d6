"""CSAW-CC: classes of time to the diagnosis, years instead of dates, and a sample of controls."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from mammorisk.datasets.adapter import Dataset, Reading
from mammorisk.datasets.dataset_cohort import DatasetCohort
from mammorisk.datasets.grouping import image_paths, one_value
from mammorisk.datasets.release_files import numbers, whole_codes
from mammorisk.errors import DatasetError

_DAYS = 365.25


class CsawCc(Dataset):
    """CSAW-CC, the case-control subset of the Cohort of Screen-Aged Women.

    See Also
    --------
    mammorisk.datasets.list : All cohorts.
    """

    name = "csaw_cc"

    def cohort(
        self,
        root: str | Path,
        *,
        images: bool | None = None,
        times: Literal["interval", "midpoint"] = "interval",
        control_follow_up_years: float = 0.0,
        control_sampling_fraction: float | None = None,
        allow_missing_views: bool = False,
    ) -> DatasetCohort:
        """Read the cohort.

        Parameters
        ----------
        root : path
            Folder with the table and, in any folder below it, the DICOM files.
        images : bool or None
            True: an error if no image exists. False: without images. None: with those that exist.
        times : {"interval", "midpoint"}
            ``"interval"``: columns ``time_lower`` and ``time_upper`` (years; empty = open) beside
            ``event``. ``"midpoint"``: also ``time``, the middle of the interval, or its lower end
            if it is open. Classes and calendar years are too coarse for horizons below 2 years.
        control_follow_up_years : float
            Years that a control is known to be free of cancer after her last exam. The table does
            not tell; 0 assumes nothing.
        control_sampling_fraction : float, optional
            Fraction of all women without cancer who are in the data: controls get the weight
            ``1 / fraction``, and cases 1. Without it there are no weights.
        allow_missing_views : bool
            Passed to :func:`mammorisk.read_exam`.

        Returns
        -------
        DatasetCohort
            One row for each woman and year. Ages are known as ``age_group`` only.
        """
        _refuse_fraction(control_sampling_fraction)
        reading = Reading(self, root)
        rows = reading.table("images", patient_id="anon_patientid")
        rows = rows.rename(columns={"imagelaterality": "laterality", "viewposition": "view"})
        rows = reading.drop("images", rows, rows["patient_id"].isna(), "no anon_patientid")
        year, _ = numbers(rows["exam_year"])
        rows = reading.drop("images", rows, ~year.between(1980, 2030), "no exam_year")
        year = year.reindex(rows.index).astype(int)
        rows = rows.assign(exam_year=year, exam_id=rows["patient_id"] + "-" + year.astype(str))
        rows = reading.standard_views("images", rows)
        twice = rows["anon_filename"].notna() & rows.duplicated("anon_filename")
        rows = reading.drop("images", rows, twice, "the anon_filename appears before")
        for name in ("x_age", "x_case", "x_type", "rad_timing", "rad_recall", "x_lymphnode_met"):
            rows[name] = whole_codes(rows[name])
        told = rows["anon_filename"].str.extract(r"_([LR])_(CC|MLO)_", expand=True)
        differs = (told[0].notna() & (told[0] != rows["laterality"])) | (
            told[1].notna() & (told[1] != rows["view"])
        )
        if differs.any():
            text = (
                f"{int(differs.sum()):,} file names state another view than the table, which counts"
            )
            reading.say("value-not-read", text)
        is_case = rows["x_case"].map({"0": 0, "1": 1})
        reading.unread("x_case", (is_case.isna() & rows["x_case"].notna()).to_numpy())
        rows = reading.drop("images", rows, is_case.isna(), "x_case is not 0 or 1")
        contradiction = (rows["x_case"] == "0") & rows["rad_timing"].notna()
        rows = reading.drop("images", rows, contradiction, "a control with a time to diagnosis")

        rows["file_path"] = image_paths(reading.root, rows["anon_filename"], self.suffixes)
        views = reading.find_images("images", rows, images)
        if views is not None:
            rows = views
        exams = self._exams(reading, rows)
        exams = _intervals(exams, self.layout.codes["days"], control_follow_up_years)
        if times == "midpoint":
            middle = (exams["time_lower"] + exams["time_upper"]) / 2
            exams["time"] = middle.fillna(exams["time_lower"])
            reading.say(
                "outcome-assumed",
                "time is the middle of a class of times or of calendar years: it tells nothing of "
                "horizons under 2 years",
            )
        if control_sampling_fraction is None:
            reading.say(
                "sampled-cohort",
                "controls are a sample of unknown fraction: pass control_sampling_fraction for "
                "weights; without them absolute risks cannot be compared",
            )
        else:
            exams["weight"] = np.where(exams["event"] == 0, 1 / control_sampling_fraction, 1.0)
        return reading.cohort(exams, views, allow_missing_views=allow_missing_views)

    def _exams(self, reading: Reading, rows: pd.DataFrame) -> pd.DataFrame:
        density, wrong = numbers(rows["libra_percentdensity"])
        wrong = wrong | ((density < 0) | (density > 100)).to_numpy()
        reading.unread("libra_percentdensity", wrong)
        rows = rows.assign(density=density.mask(wrong))
        by_exam = rows.groupby("exam_id", sort=False)
        exams = by_exam[["patient_id", "exam_year"]].first().reset_index()
        exams = exams[["patient_id", "exam_id", "exam_year"]]
        keep = ("x_age", "x_case", "x_type", "rad_timing", "rad_recall", "x_lymphnode_met")
        for name in keep:
            values, differ = one_value(rows, "exam_id", name)
            reading.unread(f"{name} (the images of an exam differ)", differ)
            exams[name] = values.reindex(exams["exam_id"]).to_numpy()
        side = rows["x_cancer_laterality"].str.upper().str[:1]
        exams["cancer_side"] = side.groupby(rows["exam_id"], sort=False).first().to_numpy()
        exams["percent_density"] = by_exam["density"].mean().to_numpy()
        for one in "LR":
            mean = rows[rows["laterality"] == one].groupby("exam_id")["density"].mean()
            exams[f"percent_density_{one}"] = mean.reindex(exams["exam_id"]).to_numpy()
        exams["age_group"] = reading.codes(exams["x_age"], "x_age")
        exams["cancer_type"] = reading.codes(exams["x_type"], "x_type")
        exams["timing"] = reading.codes(exams["rad_timing"], "rad_timing")
        exams["event"] = (exams["x_case"] == "1").astype(int)
        unknown = (exams["event"] == 1) & exams["timing"].isna()
        kept = reading.drop(
            "images",
            rows,
            rows["exam_id"].isin(exams.loc[unknown, "exam_id"]),
            "a case without rad_timing",
        )
        return exams[exams["exam_id"].isin(kept["exam_id"])].reset_index(drop=True)


def _intervals(exams: pd.DataFrame, days: dict[str, Any], after: float) -> pd.DataFrame:
    """Bounds of the time to the diagnosis, or of the time free of cancer, in years."""
    low = exams["timing"].map({name: pair[0] / _DAYS for name, pair in days.items()})
    high = exams["timing"].map(
        {name: np.nan if pair[1] is None else pair[1] / _DAYS for name, pair in days.items()}
    )
    last = exams.loc[exams.groupby("patient_id")["exam_year"].idxmax()].set_index("patient_id")
    gap = last["exam_year"].reindex(exams["patient_id"]).to_numpy() - exams["exam_year"].to_numpy()
    at_end = last["timing"].reindex(exams["patient_id"]).to_numpy()
    end = pd.DataFrame({"low": low.to_numpy(), "high": high.to_numpy(), "timing": at_end})
    of_last = {name: pair for name, pair in days.items() if pair[1] is not None}
    for name, (first, final) in of_last.items():
        rows = ((end["timing"] == name) & (exams["timing"] == "later").to_numpy()).to_numpy()
        end.loc[rows, "high"] = (gap + 1 + final / _DAYS)[rows]
        earliest = np.maximum(end["low"].to_numpy(), gap - 1 + first / _DAYS)
        end.loc[rows, "low"] = earliest[rows]
    control = (exams["event"] == 0).to_numpy()
    free = np.maximum(gap - 1, 0) + after
    return exams.assign(
        time_lower=np.where(control, free, end["low"]),
        time_upper=np.where(control, np.nan, end["high"]),
    )


def _refuse_fraction(fraction: float | None) -> None:
    if fraction is not None and not 0 < fraction <= 1:
        raise DatasetError(
            f"{fraction} is no fraction",
            where="control_sampling_fraction",
            remedy="Give controls in the data / women without cancer in the population.",
        )


csaw_cc = CsawCc()
