"""INbreast: women named in file names alone, semicolons, ML for MLO, outlines as property lists."""

from __future__ import annotations

import plistlib
import re
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError

import pandas as pd

from mammorisk.datasets.adapter import Dataset, Reading, open_folder
from mammorisk.datasets.dataset_cohort import DatasetCohort
from mammorisk.datasets.grouping import densest, exam_keys, list_images
from mammorisk.datasets.release_files import whole_codes

_NAME = re.compile(r"(?P<number>\d+)_(?P<woman>[0-9a-f]{16})_MG_(?P<side>[LR])_(?P<view>CC|MLO?)_")
_POINT = re.compile(r"\(\s*(-?[\d.]+(?:e[+-]?\d+)?)\s*,\s*(-?[\d.]+(?:e[+-]?\d+)?)\s*\)")


class InBreast(Dataset):
    """INbreast: densities, BI-RADS and exact outlines, without outcome.

    See Also
    --------
    mammorisk.datasets.list : All cohorts.
    """

    name = "inbreast"

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
            Folder with INbreast.csv and AllDICOMs.
        images : bool or None
            True: an error if no image exists. False: the files are not opened; their names are
            needed in any case, because only they identify the women.
        allow_missing_views : bool
            Passed to :func:`mammorisk.read_exam`.

        Returns
        -------
        DatasetCohort
            One row for each woman and month: ``breast_density``, ``birads`` ("1" ... "6", with
            "4a" to "4c").
        """
        reading = Reading(self, root)
        rows = reading.table("images")
        rows["file_name"] = whole_codes(rows["file_name"])
        reason = "no File Name: a row below the table"
        rows = reading.drop("images", rows, rows["file_name"].isna(), reason)
        files = _files(reading.root)
        name = rows["file_name"]
        rows = rows.assign(
            patient_id=name.map({number: one[0] for number, one in files.items()}),
            file_path=name.map({number: one[1] for number, one in files.items()}),
        )
        reason = "no file of this number, whose name alone tells the woman"
        rows = reading.drop("images", rows, rows["patient_id"].isna(), reason)
        rows = reading.standard_views("images", rows)
        month = whole_codes(rows["date"]).fillna("unknown")
        rows["exam_id"] = rows["patient_id"] + "-" + month
        rows["density"] = reading.codes(whole_codes(rows["acr"]), "acr")
        rows["rank"] = reading.codes(whole_codes(rows["birads"]).str.lower(), "birads")
        views = reading.find_images("images", rows, images)
        exams = exam_keys(rows)
        ids = exams["exam_id"]
        exams["exam_month"] = ids.str.rsplit("-", n=1).str[1]
        exams["breast_density"] = densest(rows, "exam_id", "density").reindex(ids).to_numpy()
        names = {rank: code for code, rank in self.layout.codes["birads"].items()}
        rank = rows.groupby("exam_id")["rank"].max().reindex(ids)
        exams["birads"] = rank.map(names).to_numpy()
        return reading.cohort(exams, views, allow_missing_views=allow_missing_views)

    def annotations(self, root: str | Path) -> pd.DataFrame:
        """Read the outlines.

        Parameters
        ----------
        root : path

        Returns
        -------
        DataFrame
            One row for each outline: ``patient_id``, ``file_name``, ``laterality``, ``view``,
            ``finding``, ``points`` (tuple of (x, y) in pixels of the stored image) and ``problem``
            (why a file of outlines cannot be read, in a row of its own; else empty).
        """
        folder = open_folder(root, self.card)
        files = _files(folder)
        found: list[dict[str, Any]] = []
        for path in sorted(folder.glob("**/AllXML/*.xml")):
            woman, _, side, view = files.get(path.stem, (None, None, None, None))
            row = {"patient_id": woman, "file_name": path.stem, "laterality": side, "view": view}
            outlines, problem = _outlines(path)
            for finding, points in outlines:
                found.append({**row, "finding": finding, "points": points, "problem": None})
            if problem is not None:
                found.append({**row, "finding": None, "points": None, "problem": problem})
        columns = ["patient_id", "file_name", "laterality", "view", "finding", "points", "problem"]
        return pd.DataFrame(found, columns=columns)


def _files(root: Path) -> dict[str, tuple[str, str, str, str]]:
    """Number of an image -> woman, path, side and view, from the names of the files."""
    found = {}
    for path in list_images(root, (".dcm", ".png")):
        name = _NAME.match(Path(path).name)
        if name is not None and name["number"] not in found:
            view = "CC" if name["view"] == "CC" else "MLO"
            found[name["number"]] = (name["woman"], path, name["side"], view)
    return found


def _outlines(path: Path) -> tuple[list[tuple[str, tuple[tuple[float, float], ...]]], str | None]:
    try:
        with open(path, "rb") as handle:
            content = plistlib.load(handle)
        regions = [one for image in content["Images"] for one in image["ROIs"]]
        found = []
        for region in regions:
            points = [_POINT.search(str(point)) for point in region.get("Point_px", [])]
            pairs = tuple((float(one[1]), float(one[2])) for one in points if one is not None)
            found.append((str(region.get("Name", "")), pairs))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ExpatError) as error:
        return [], f"the outlines cannot be read ({type(error).__name__})"
    return found, None


inbreast = InBreast()
