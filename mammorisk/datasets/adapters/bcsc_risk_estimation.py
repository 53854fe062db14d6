"""BCSC Risk Estimation: a table without a header, and cancers within one year."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from mammorisk.datasets.adapter import Dataset, Reading
from mammorisk.datasets.dataset_cohort import DatasetCohort
from mammorisk.datasets.frequency_table import read_groups
from mammorisk.errors import DatasetError

#: Rows and mammograms of the release: another sum means another order of columns.
_MAMMOGRAMS = 2_392_998


class BcscRiskEstimation(Dataset):
    """BCSC Risk Estimation Dataset: answers at a mammogram, and cancer within one year.

    See Also
    --------
    mammorisk.datasets.list : All cohorts.
    """

    name = "bcsc_risk_estimation"

    def cohort(
        self, root: str | Path, *, times: Literal["interval", "midpoint"] = "interval"
    ) -> DatasetCohort:
        """Read the cohort.

        Parameters
        ----------
        root : path
            Folder with risk.txt.
        times : {"interval", "midpoint"}
            ``"interval"``: ``time_lower`` and ``time_upper`` in years, 0 to 1 for cancers and 1 to
            open for the others, beside ``event``. ``"midpoint"``: also ``time``, 0.5 or 1. Only the
            horizon of 1 year is known.

        Returns
        -------
        DatasetCohort
            One row for each group of equal mammograms, with ``frequency_weight``, Questionnaire
            fields, ``cancer_type`` and the official ``split``.
        """
        reading = Reading(self, root)
        rows = reading.table("groups")
        for name in ("cancer", "invasive", "training"):
            reason = f"{name} is not 0 or 1"
            rows = reading.drop("groups", rows, ~rows[name].isin(["0", "1"]), reason)
        reason = "invasive cancer in a row without cancer"
        contradiction = (rows["invasive"] == "1") & (rows["cancer"] == "0")
        rows = reading.drop("groups", rows, contradiction, reason)
        exams = read_groups(reading, "groups", rows)
        if exams.empty:
            raise DatasetError(
                "no row of risk.txt can be used", where=self.name, remedy=self.card.layout
            )
        exams.loc[exams["hispanic"] == "1", "race_ethnicity"] = None
        total = int(exams["frequency_weight"].sum())
        if total != _MAMMOGRAMS:
            reading.say(
                "outcome-assumed",
                f"the counts add up to {total:,} mammograms and not to {_MAMMOGRAMS:,}: a part, or "
                "another order of columns",
            )
        exams["event"] = (exams["cancer"] == "1").astype(int)
        invasive = exams["invasive"].map({"1": "invasive", "0": "in situ"})
        exams["cancer_type"] = invasive.where(exams["event"] == 1)
        exams["split"] = np.where(exams["training"] == "1", "train", "validation")
        exams["time_lower"] = np.where(exams["event"] == 1, 0.0, 1.0)
        exams["time_upper"] = np.where(exams["event"] == 1, 1.0, np.nan)
        if times == "midpoint":
            exams["time"] = np.where(exams["event"] == 1, 0.5, 1.0)
            text = "cancers are put at the middle of the year: only the horizon of 1 year is known"
            reading.say("outcome-assumed", text)
        return reading.cohort(exams)


bcsc_risk_estimation = BcscRiskEstimation()
