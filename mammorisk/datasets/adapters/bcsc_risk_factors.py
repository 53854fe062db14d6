"""BCSC Risk Factors: groups of women as rows, 9 for not known, and counts that are weights."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from mammorisk.datasets.adapter import Dataset, Reading
from mammorisk.datasets.dataset_cohort import DatasetCohort
from mammorisk.datasets.frequency_table import read_groups


class BcscRiskFactors(Dataset):
    """BCSC Risk Factors Dataset: answers of women at a mammogram, without outcome.

    See Also
    --------
    mammorisk.datasets.list : All cohorts.
    """

    name = "bcsc_risk_factors"

    def cohort(self, root: str | Path) -> DatasetCohort:
        """Read the cohort.

        Parameters
        ----------
        root : path
            Folder with the CSV files; one of the three is enough.

        Returns
        -------
        DatasetCohort
            One row for each group of equal women: Questionnaire fields, the columns of the release,
            and ``frequency_weight``, the number of women. ``patient_id`` is the position of the
            row.
        """
        reading = Reading(self, root)
        parts = [
            read_groups(reading, file, rows) for file, rows in reading.tables("groups").items()
        ]
        exams = pd.concat(parts, ignore_index=True)
        return reading.cohort(exams)


bcsc_risk_factors = BcscRiskFactors()
