"""CBIS-DDSM: pseudo patients, four tables, and files that are not what the tables call them."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pydicom
from pydicom.errors import InvalidDicomError

from mammorisk.datasets.adapter import Dataset, Reading
from mammorisk.datasets.dataset_cohort import DatasetCohort
from mammorisk.datasets.grouping import densest, list_images
from mammorisk.datasets.release_files import numbers, whole_codes

#: Largest relative difference of the aspect of a mask from that of its image.
_SHAPE_TOLERANCE = 0.01
_TABLES = ("mass_train", "mass_test", "calc_train", "calc_test")


class CbisDdsm(Dataset):
    """CBIS-DDSM: digitised films with masses and calcifications, and their pathology.

    See Also
    --------
    mammorisk.datasets.list : All cohorts.
    """

    name = "cbis_ddsm"

    def cohort(
        self,
        root: str | Path,
        *,
        images: bool | None = None,
        leaks: Literal["drop", "keep"] = "drop",
        allow_missing_views: bool = True,
    ) -> DatasetCohort:
        """Read the cohort.

        Parameters
        ----------
        root : path
            Folder with the four tables and the DICOM files.
        images : bool or None
            True: an error if no image exists. False: without images. None: with those that exist.
        leaks : {"drop", "keep"}
            Women who are in a training table and in a test table: ``"drop"`` excludes their
            training rows, so that the official test set stays whole.
        allow_missing_views : bool
            Passed to :func:`mammorisk.read_exam`. Most women have films of one breast.

        Returns
        -------
        DatasetCohort
            One row for each woman and part of the official split: ``cancer`` (a malignant finding
            at this exam), ``breast_density``, ``assessment``, ``split``.
        """
        reading = Reading(self, root)
        rows = self._findings(reading)
        if leaks == "drop":
            tested = set(rows.loc[rows["split"] == "test", "patient_id"])
            leak = (rows["split"] == "train") & rows["patient_id"].isin(tested)
            if n := rows.loc[leak, "patient_id"].nunique():
                text = (
                    f"{n:,} women are in a training table and in a test table: their training "
                    "rows are excluded"
                )
                reading.say("rows-excluded", text)
            rows = _drop(reading, rows, leak, "the woman is also in a test table")
        # With leaks kept, a woman has an exam in each part.
        rows["exam_id"] = rows["patient_id"] + "-" + rows["split"]
        views = None
        if images is not False:
            index = _series_files(reading.root)
            rows["file_path"] = [_full_image(index, path) for path in rows["image_path"]]
            there = rows["file_path"].notna()
            if not there.any() and images is None:
                reading.say("images-absent", "no image file is there: a cohort without images")
            else:
                rows = _drop(reading, rows, ~there, "the image file is not there")
                views = rows
                if images and views.empty:
                    views = reading.find_images("mass_train", views.iloc[:0], True)
        exams = rows.groupby("exam_id", sort=False)[["patient_id", "split"]].first().reset_index()
        exams = exams[["patient_id", "exam_id", "split"]]
        ids = exams["exam_id"]
        exams["breast_density"] = densest(rows, "exam_id", "density").reindex(ids).to_numpy()
        by_exam = rows.groupby("exam_id")
        for name in ("cancer", "assessment", "subtlety"):
            exams[name] = by_exam[name].max().reindex(ids).to_numpy()
        exams["findings"] = by_exam.size().reindex(ids).to_numpy()
        return reading.cohort(exams, views, allow_missing_views=allow_missing_views)

    def annotations(self, root: str | Path, *, boxes: bool = False) -> pd.DataFrame:
        """Read the findings, and find out which file is the mask and which the crop.

        Parameters
        ----------
        root : path
        boxes : bool
            Whether to read the masks for the boxes of the findings.

        Returns
        -------
        DataFrame
            One row for each finding: ``patient_id``, ``laterality``, ``view``, ``type``, its
            descriptors, ``pathology``, ``cancer``, ``split``, ``file_path``, ``mask_path``,
            ``crop_path`` (empty if the file does not exist), ``was_swapped`` (the tables call the
            mask the crop) and ``mask_fits`` (the mask has the size of the image). With ``boxes``
            also ``row_min_px``, ``row_max_px``, ``col_min_px``, ``col_max_px`` (half-open) in
            pixels of the image; NaN if there is no mask, or if it has another shape than the
            image. A mask of another size but the same shape is scaled.
        """
        reading = Reading(self, root)
        rows = self._findings(reading)
        index = _series_files(reading.root)
        found = []
        for _, row in rows.iterrows():
            image = _full_image(index, row["image_path"])
            told = _roi_files(reading.root, index, row["mask_path"], row["crop_path"])
            mask, crop, swapped = told
            sizes = [_size(reading.root / one) if one else None for one in (image, mask)]
            fits = sizes[0] == sizes[1] if None not in sizes else None
            found.append((image, mask, crop, swapped, fits))
        names = ["file_path", "mask_path", "crop_path", "was_swapped", "mask_fits"]
        files = pd.DataFrame(found, columns=names, index=rows.index, dtype=object)
        keep = ["patient_id", "laterality", "view", "abnormality_id", "abnormality_type", "shape"]
        keep += ["margins", "calc_type", "calc_distribution", "assessment", "subtlety"]
        keep += ["pathology", "cancer", "density", "split"]
        made = pd.concat([rows[keep], files], axis=1).reset_index(drop=True)
        if boxes:
            corners = [
                _mask_box(reading.root, *pair)
                for pair in zip(made["mask_path"], made["file_path"], strict=True)
            ]
            made[["row_min_px", "row_max_px", "col_min_px", "col_max_px"]] = corners
        return made

    def _findings(self, reading: Reading) -> pd.DataFrame:
        parts = []
        for name in _TABLES:
            rows = reading.table(name)
            woman = rows["patient_id"].str.extract(r"(P_\d+)", expand=False)
            rows = rows.assign(patient_id=woman, table=name, split=name.partition("_")[2])
            rows = reading.drop(name, rows, woman.isna(), "patient_id has no P_ and number")
            rows = rows.assign(laterality=rows["side"])
            rows = reading.standard_views(name, rows)
            cancer = rows["pathology"].str.upper().map(self.layout.codes["pathology"])
            rows = rows.assign(cancer=cancer)
            rows = reading.drop(name, rows, cancer.isna(), "the pathology is not known")
            parts.append(rows)
        rows = pd.concat([part.reset_index(names="line") for part in parts], ignore_index=True)
        density = whole_codes(rows["breast_density"])
        rows["density"] = reading.codes(density.mask(density == "0"), "breast_density")
        for name in ("assessment", "subtlety"):
            rows[name], wrong = numbers(rows[name])
            reading.unread(name, wrong)
        return rows


def _drop(reading: Reading, rows: pd.DataFrame, out: pd.Series, reason: str) -> pd.DataFrame:
    """Exclude rows of the four tables, each under its own name and line."""
    mask = np.asarray(out, dtype=bool)
    for name, part in rows.groupby("table", sort=False):
        of_part = part.set_index("line")
        reading.drop(str(name), of_part, mask[part.index.to_numpy()], reason)
    return rows[~mask].reset_index(drop=True)


def _series_files(root: Path) -> dict[str, list[str]]:
    """Files by series UID (of folders named by it, and of metadata.csv of the retriever), and by
    pseudo patient, which are folders in some downloads."""
    found: dict[str, list[str]] = {}
    by_folder: dict[str, list[str]] = {}
    for path in list_images(root, (".dcm",)):
        folder = Path(path).parent
        for name in folder.parts:
            found.setdefault(name, []).append(path)
        by_folder.setdefault(folder.as_posix(), []).append(path)
    manifest = next(iter(sorted(root.glob("**/metadata.csv"))), None)
    if manifest is None:
        return found
    try:
        with open(manifest, encoding="utf-8-sig", newline="") as handle:
            for row in csv.DictReader(handle):
                place = str(row.get("File Location") or "").replace("\\", "/").strip("./ ")
                uid = str(row.get("Series UID") or "").strip()
                base = manifest.parent.relative_to(root)
                files = by_folder.get((base / place).as_posix())
                if uid and files:
                    found.setdefault(uid, files)
    except (OSError, UnicodeDecodeError, csv.Error):
        return found
    return found


def _files_of(index: dict[str, list[str]], path: Any) -> list[str]:
    """Files of the series in a path of the tables, which may end in a line break or have quotes."""
    if not isinstance(path, str):
        return []
    parts = [one for one in path.strip().strip('"').strip().split("/") if one]
    if len(parts) < 2:
        return []
    return index.get(parts[-2]) or index.get(parts[0]) or []


def _full_image(index: dict[str, list[str]], path: Any) -> str | None:
    return next(iter(_files_of(index, path)), None)


def _roi_files(
    root: Path, index: dict[str, list[str]], mask_path: Any, crop_path: Any
) -> tuple[str | None, str | None, bool | None]:
    """Mask, crop, and whether the tables name them the other way round.

    A mask has the size of the film, and a crop is a part of it: the larger one is the mask. Of two
    of one size the one with two grey levels is.
    """
    paths: list[str] = []
    for path in (mask_path, crop_path):
        for file in _files_of(index, path):
            if file not in paths:
                paths.append(file)
    sizes = {one: size for one in paths if (size := _size(root / one)) is not None}
    if not sizes:
        return None, None, None
    if len(sizes) == 1:
        # One file: a mask has two grey levels.
        only = next(iter(sizes))
        return (only, None, None) if _is_binary(root / only) else (None, only, None)
    areas = {one: rows * columns for one, (rows, columns) in sizes.items()}
    mask, crop = max(areas, key=lambda one: areas[one]), min(areas, key=lambda one: areas[one])
    if areas[mask] == areas[crop]:
        first, second = list(areas)[:2]
        mask, crop = (first, second) if _is_binary(root / first) else (second, first)
    named = _named_file(index, mask_path)
    return mask, crop, None if named is None else named != mask


def _named_file(index: dict[str, list[str]], path: Any) -> str | None:
    """The file that a path of the tables names: 000000.dcm is 1-1.dcm, 000001.dcm is 1-2.dcm."""
    files = _files_of(index, path)
    name = str(path).strip().strip('"').strip().rsplit("/", 1)[-1]
    stem = name.removesuffix(".dcm")
    wanted = {name} | ({f"1-{int(stem) + 1}.dcm"} if stem.isdigit() else set())
    found = [one for one in files if Path(one).name in wanted]
    return found[0] if found else None


def _size(path: Path) -> tuple[int, int] | None:
    try:
        header = pydicom.dcmread(path, specific_tags=["Rows", "Columns"], stop_before_pixels=True)
        return int(header.Rows), int(header.Columns)
    except (OSError, InvalidDicomError, AttributeError, TypeError, ValueError, EOFError):
        return None


def _is_binary(path: Path) -> bool:
    pixels = _pixels(path)
    return pixels is not None and len(np.unique(pixels)) <= 2


def _pixels(path: Path) -> np.ndarray | None:
    try:
        return pydicom.dcmread(path).pixel_array
    except (OSError, InvalidDicomError, AttributeError, ValueError, RuntimeError, EOFError):
        return None


def _mask_box(root: Path, mask: Any, image: Any) -> tuple[float, float, float, float]:
    """Rows and columns of a mask, half-open, in pixels of its image."""
    nothing = (math.nan,) * 4
    if not isinstance(mask, str) or not isinstance(image, str):
        return nothing
    pixels, size = _pixels(root / mask), _size(root / image)
    if pixels is None or size is None or not pixels.any():
        return nothing
    scale = size[0] / pixels.shape[0], size[1] / pixels.shape[1]
    if abs(scale[0] / scale[1] - 1) > _SHAPE_TOLERANCE:
        return nothing
    edges: list[float] = []
    for axis in (0, 1):
        places = np.flatnonzero(pixels.any(axis=1 - axis))
        edges += [
            math.floor(places[0] * scale[axis]),
            math.ceil((places[-1] + 1) * scale[axis]),
        ]
    return edges[0], edges[1], edges[2], edges[3]


cbis_ddsm = CbisDdsm()
