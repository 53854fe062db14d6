"""mini-MIAS: a list in plain text, an origin at the bottom left, sides in the numbers of films."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd

from mammorisk.datasets.adapter import Dataset, Reading
from mammorisk.datasets.dataset_cohort import DatasetCohort
from mammorisk.datasets.grouping import exam_keys, image_paths
from mammorisk.errors import DatasetError

_TABLE = "Info.txt"
#: Rows and columns of every film.
_PIXELS = 1024
_LINE = re.compile(r"^(mdb(\d{3}))[a-z]*\b(.*)$", re.IGNORECASE)
_CLASSES = ("CALC", "CIRC", "SPIC", "MISC", "ARCH", "ASYM", "NORM")


class MiniMias(Dataset):
    """mini-MIAS: 322 digitised films with tissue classes and abnormalities.

    See Also
    --------
    mammorisk.datasets.list : All cohorts.
    """

    name = "mini_mias"
    suffixes = (".pgm", ".png")

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
            Folder with Info.txt and the films (PGM, or PNG of the same name).
        images : bool or None
            True: an error if no film exists. False: without images. None: with those that exist.
        allow_missing_views : bool
            Passed to :func:`mammorisk.read_exam`. There are no CC views.

        Returns
        -------
        DatasetCohort
            One row for each woman: ``tissue_L``, ``tissue_R``, ``cancer`` (a malignant abnormality
            on a film of this day). The tissue classes are not BI-RADS densities, so that
            ``breast_density`` is left out.
        """
        reading = Reading(self, root)
        rows = self._findings(reading)
        rows["file_path"] = image_paths(reading.root, rows["film"], self.suffixes)
        views = reading.find_images(_TABLE, rows, images)
        kept = rows if views is None else views
        reading.say(
            "view-inferred",
            "sides are read from the numbers of the films (odd = right), which letters on several "
            "films contradict",
        )
        exams = exam_keys(kept)
        for side in "LR":
            tissue = kept[kept["laterality"] == side].groupby("exam_id")["tissue"].first()
            exams[f"tissue_{side}"] = tissue.reindex(exams["exam_id"]).to_numpy()
        cancer = kept.groupby("exam_id")["cancer"].max()
        exams["cancer"] = cancer.reindex(exams["exam_id"]).to_numpy()
        return reading.cohort(exams, views, allow_missing_views=allow_missing_views)

    def annotations(self, root: str | Path) -> pd.DataFrame:
        """Read the abnormalities.

        Parameters
        ----------
        root : path

        Returns
        -------
        DataFrame
            One row for each abnormality: ``patient_id``, ``film``, ``laterality``, ``finding``
            (CALC, CIRC, SPIC, MISC, ARCH, ASYM), ``cancer``, ``x``, ``y``, ``radius`` in pixels
            from the top left corner (empty where the release has a note instead).
        """
        rows = self._findings(Reading(self, root))
        rows = rows[rows["finding"] != "NORM"]
        columns = ["patient_id", "film", "laterality", "finding", "cancer", "x", "y", "radius"]
        return rows[columns].reset_index(drop=True)

    def _findings(self, reading: Reading) -> pd.DataFrame:
        path = reading.root / _TABLE
        if not path.is_file():
            raise DatasetError(
                f"the folder has no {_TABLE}", where=self.name, remedy=self.card.download
            )
        found, lines = [], []
        # The text around the list is in the encoding of its time.
        for number, line in enumerate(path.read_text(encoding="latin-1").splitlines(), start=1):
            match = _LINE.match(line.strip())
            if match is not None:
                found.append((match[1].lower(), int(match[2]), match[3].split()))
                lines.append(number)
        if not found:
            raise DatasetError(
                f"{_TABLE} lists no film", where=self.name, remedy=self.card.download
            )
        rows = pd.DataFrame(found, columns=["film", "number", "parts"], index=lines)
        woman = (rows["number"] + 1) // 2
        # A file of 161 women: two films each.
        ids = woman.map("{:03d}".format)
        rows = rows.assign(patient_id=ids, exam_id=ids, view="MLO")
        rows["laterality"] = np.where(rows["number"] % 2 == 0, "L", "R")
        reading.exclusions.start(_TABLE, rows)
        told = [_parts(parts) for parts in rows["parts"]]
        names = ["tissue", "finding", "severity", "x", "y", "radius"]
        rows[names] = pd.DataFrame(told, columns=names, index=rows.index)
        reason = "tissue class or abnormality is not known"
        faulty = ~rows["tissue"].isin(["F", "G", "D"]) | ~rows["finding"].isin(_CLASSES)
        rows = reading.drop(_TABLE, rows, faulty, reason)
        rows["tissue"] = rows["tissue"].map(self.layout.codes["tissue"])
        severity = rows["severity"].map(self.layout.codes["severity"])
        reason = "an abnormality without severity"
        unknown = severity.isna() & (rows["finding"] != "NORM")
        rows = reading.drop(_TABLE, rows.assign(cancer=severity.fillna(0)), unknown, reason)
        rows["y"] = _PIXELS - 1 - rows["y"]
        return rows


def _parts(parts: list[str]) -> tuple[str | None, str | None, str | None, float, float, float]:
    """Tissue, abnormality, severity, x, y and radius of a line."""
    words = [*parts, *[None] * 3][:3]
    finding = words[1]
    if finding == "NORM":
        words[2] = None
    numbers = [float(one) for one in parts[3:6] if one.isdigit()]
    x, y, radius = numbers if len(numbers) == 3 else [float("nan")] * 3
    return words[0], finding, words[2], x, y, radius


mini_mias = MiniMias()
