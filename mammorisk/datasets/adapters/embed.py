"""EMBED: findings become exams, and pathology of any exam becomes the outcome of those before."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from mammorisk.datasets.adapter import Dataset, Reading
from mammorisk.datasets.dataset_cohort import VIEW_COLUMNS, DatasetCohort
from mammorisk.datasets.grouping import one_value
from mammorisk.datasets.release_files import dates, numbers, whole_codes, whole_ids

_DAYS = 365.25
_NO_BOX = (float("nan"),) * 4


class Embed(Dataset):
    """EMBED, the Open Data release of the EMory BrEast imaging Dataset.

    See Also
    --------
    mammorisk.datasets.list : All cohorts.
    """

    name = "embed"

    def cohort(
        self,
        root: str | Path,
        *,
        images: bool | None = None,
        exams: Literal["screening", "all"] = "screening",
        synthetic: bool = False,
        allow_missing_views: bool = False,
    ) -> DatasetCohort:
        """Read the cohort.

        Parameters
        ----------
        root : path
            Folder with ``tables`` and ``images``.
        images : bool or None
            True: an error if no image exists. False: without images, and the metadata table is
            not read. None: with those that exist.
        exams : {"screening", "all"}
            Screening exams are those whose ``desc`` contains "screen". Others count in any case for
            pathology and for the end of follow-up.
        synthetic : bool
            Also use synthetic images (C-View).
        allow_missing_views : bool
            Passed to :func:`mammorisk.read_exam`.

        Returns
        -------
        DatasetCohort
            One row for each exam: ``time`` and ``event``, ``age``, ``breast_density``, ``birads``,
            ``cancer_type`` and ``cancer_side`` of the first cancer, ``race_ethnicity`` where it is
            one of the groups of :class:`mammorisk.Questionnaire`.
        """
        reading = Reading(self, root)
        findings = self._findings(reading)
        table = self._exams(reading, findings, exams)
        views = None
        if images is not False:
            views = self._views(reading, table, synthetic)
            views = reading.find_images("metadata", views, images)
        if views is not None:
            keys = pd.MultiIndex.from_frame(views[["patient_id", "exam_id"]])
            there = pd.MultiIndex.from_frame(table[["patient_id", "exam_id"]]).isin(keys)
            table = _drop_exams(reading, table, ~there, "no image of the exam is there")
        return reading.cohort(
            table.drop(columns="rows"), views, allow_missing_views=allow_missing_views
        )

    def annotations(self, root: str | Path) -> pd.DataFrame:
        """Read the findings.

        Parameters
        ----------
        root : path

        Returns
        -------
        DataFrame
            One row for each finding and breast: ``patient_id``, ``exam_id``, ``laterality``,
            ``side_recorded``, ``birads``, ``pathology``, the descriptors of the release, and
            ``implied``: True for a breast of a bilateral exam that has no row of its own, since
            findings of the other breast alone mean that it was negative.
        """
        reading = Reading(self, root)
        rows = self._findings(reading)
        rows["side_recorded"] = rows["side"]
        both = rows["side"].isna() | (rows["side"] == "B")
        parts = [rows[~both].assign(laterality=rows["side"])]
        parts += [rows[both].assign(laterality=side) for side in "LR"]
        table = pd.concat(parts).sort_index(kind="stable").assign(implied=False)
        bilateral = table["desc"].fillna("").str.contains("bilat", case=False)
        sides = table[bilateral].groupby(["patient_id", "exam_id"])["laterality"].agg(set)
        alone = sides[sides.map(len) == 1].reset_index()
        alone["laterality"] = alone["laterality"].map(lambda one: "R" if one == {"L"} else "L")
        implied = alone.assign(birads="1", implied=True)
        found = pd.concat([table, implied], ignore_index=True)
        columns = ["patient_id", "exam_id", "laterality", "side_recorded", "numfind", "birads"]
        columns += ["pathology", "implied", "massshape", "massmargin", "massdens"]
        return found[[*columns, "calcfind", "calcdistri"]]

    def rois(self, root: str | Path) -> pd.DataFrame:
        """Read the regions of interest of the images.

        Parameters
        ----------
        root : path

        Returns
        -------
        DataFrame
            One row for each region: ``patient_id``, ``exam_id``, ``file_path``, ``laterality``,
            ``view``, ``x_min``, ``y_min``, ``x_max``, ``y_max`` in pixels of the stored image, and
            ``is_flipped``: whether the coordinates of the release were those of a flipped picture.
            Coordinates are empty where the table does not tell whether it was.
        """
        reading = Reading(self, root)
        rows = self._images(reading)
        width, _ = numbers(rows["Columns"])
        found = []
        # PatientOrientation is the text of a list: "['P', 'L']" or "P\L".
        letter = rows["PatientOrientation"].str.extract(r"([A-Z])", expand=False)
        keys = rows[list(VIEW_COLUMNS)].to_dict("records")
        for key, text, first, columns in zip(keys, rows["ROI_coords"], letter, width, strict=True):
            flipped = None if pd.isna(first) else first == "P"
            unknown = flipped is None or (flipped and np.isnan(columns))
            # A region that cannot be read is there, without coordinates.
            for y1, x1, y2, x2 in [_NO_BOX] if (boxes := _boxes(text)) is None else boxes:
                if unknown:
                    y1, x1, y2, x2 = _NO_BOX
                elif flipped:
                    x1, x2 = columns - 1 - x2, columns - 1 - x1
                box = {"x_min": x1, "y_min": y1, "x_max": x2, "y_max": y2, "is_flipped": flipped}
                found.append({str(name): value for name, value in key.items()} | box)
        names = [*VIEW_COLUMNS, "x_min", "y_min", "x_max", "y_max", "is_flipped"]
        return pd.DataFrame(found, columns=names)

    def _ids(self, reading: Reading, name: str) -> pd.DataFrame:
        rows = reading.table(name, patient_id="empi_anon").rename(columns={"acc_anon": "exam_id"})
        for key in ("patient_id", "exam_id"):
            ids, wrong = whole_ids(rows[key])
            rows = rows.assign(**{key: ids})
            reason = "an id is no whole number: a program that opened the table has rounded it"
            rows = reading.drop(name, rows, wrong, reason)
            rows = reading.drop(name, rows, rows[key].isna(), "an id is empty")
        return rows

    def _findings(self, reading: Reading) -> pd.DataFrame:
        """Findings of women, with the columns of the adapter."""
        rows = self._ids(reading, "clinical")
        for name in ("tissueden", "path_severity", "numfind"):
            rows[name] = whole_codes(rows[name])
        male = rows["GENDER_DESC"].str.lower().str.startswith("m").fillna(False).astype(bool)
        men = set(rows.loc[male, "patient_id"])
        reason = "the patient is male (GENDER_DESC)"
        rows = reading.drop("clinical", rows, rows["patient_id"].isin(men), reason)
        male_exams = set(rows.loc[rows["tissueden"] == "5", "exam_id"])
        reason = "the patient is male (tissueden 5)"
        rows = reading.drop("clinical", rows, rows["exam_id"].isin(male_exams), reason)
        date, wrong = dates(rows["study_date_anon"])
        rows = rows.assign(exam_date=date)
        rows = reading.drop("clinical", rows, date.isna(), "study_date_anon is empty or no date")
        procedure, wrong = dates(rows["procdate_anon"])
        reading.unread("procdate_anon", wrong)
        side = rows["side"].str.upper()
        return rows.assign(
            procedure=procedure,
            side=side.where(side.isin(["L", "R", "B"])),
            birads=reading.codes(rows["asses"].where(rows["asses"] != "X"), "asses"),
            density=reading.codes(rows["tissueden"], "tissueden"),
            pathology=reading.codes(rows["path_severity"], "path_severity"),
        )

    def _exams(self, reading: Reading, rows: pd.DataFrame, which: str) -> pd.DataFrame:
        age, wrong = numbers(rows["age_at_study"])
        reading.unread("age_at_study", wrong)
        rows = rows.assign(age=age, race=rows["RACE_DESC"].str.lower().str.split().str.join(" "))
        cancers = _first_cancers(rows)
        last = rows.groupby("patient_id")["exam_date"].max()
        screening = rows["desc"].fillna("").str.contains("screen", case=False)
        table = self._one_row_an_exam(reading, rows, screening)
        if which == "screening":
            table = _drop_exams(reading, table, ~table["is_screening"], "no screening exam")
        patient = table["patient_id"]
        diagnosed = cancers["date"].reindex(patient).to_numpy()
        undated = cancers["is_undated"].reindex(patient).fillna(False).to_numpy(dtype=bool)
        table = table.assign(
            diagnosed=diagnosed,
            cancer_type=cancers["kind"].reindex(patient).to_numpy(),
            cancer_side=cancers["side"].reindex(patient).to_numpy(),
            last=last.reindex(patient).to_numpy(),
        )
        reason = "a cancer of the woman has no date (procdate_anon)"
        table = _drop_exams(reading, table, undated, reason)
        late = (table["diagnosed"] < table["exam_date"]).to_numpy()
        table = _drop_exams(reading, table, late, "after a diagnosis of cancer")
        known = ((table["birads"] == "6") & table["diagnosed"].isna()).to_numpy()
        reason = "BI-RADS 6 without pathology: a cancer known before the exam"
        table = _drop_exams(reading, table, known, reason)
        end = table["diagnosed"].fillna(table["last"])
        table["time"] = (end - table["exam_date"]).dt.days / _DAYS
        table["event"] = table["diagnosed"].notna().astype(int)
        return table.drop(columns=["diagnosed", "last"])

    def _one_row_an_exam(
        self, reading: Reading, rows: pd.DataFrame, screening: pd.Series
    ) -> pd.DataFrame:
        codes = self.layout.codes
        groups = rows.groupby("exam_id", sort=False)
        several = set(groups["patient_id"].nunique().loc[lambda n: n > 1].index)
        reason = "the exam belongs to several women"
        rows = reading.drop("clinical", rows, rows["exam_id"].isin(several), reason)
        screening = screening.reindex(rows.index)
        groups = rows.groupby("exam_id", sort=False)
        table = groups[["patient_id", "desc", "cohort_num"]].first()
        table["exam_date"] = groups["exam_date"].min()
        table["is_screening"] = screening.groupby(rows["exam_id"], sort=False).any()
        for name, column in (("age", "age"), ("breast_density", "density"), ("race", "race")):
            values, differ = one_value(rows, "exam_id", column)
            reading.unread(f"{name} (the findings of an exam differ)", differ)
            table[name] = values
        order = {
            True: {one: i for i, one in enumerate(codes["screening_order"])},
            False: {one: i for i, one in enumerate(codes["diagnostic_order"])},
        }
        at = rows["exam_id"].map(table["is_screening"])
        rank = np.where(at, rows["asses"].map(order[True]), rows["asses"].map(order[False]))
        worst = pd.Series(rank, index=rows.index).groupby(rows["exam_id"], sort=False).min()
        names = {
            key: dict(enumerate(codes[f"{name}_order"]))
            for key, name in ((True, "screening"), (False, "diagnostic"))
        }
        letters = [
            None if np.isnan(one) else names[bool(is_screening)][int(one)]
            for one, is_screening in zip(worst, table["is_screening"], strict=True)
        ]
        table["birads"] = pd.Series(letters, index=table.index, dtype=object).map(codes["asses"])
        implant = rows["implanfind"].notna() & (rows["implanfind"].str.upper() != "X")
        table["implant_noted"] = implant.groupby(rows["exam_id"], sort=False).any()
        table["race_ethnicity"] = table["race"].map(codes["race_ethnicity"])
        table["rows"] = pd.Series(
            [tuple(lines) for lines in groups.groups.values()], index=list(groups.groups)
        ).reindex(table.index)
        return table.reset_index()

    def _images(self, reading: Reading) -> pd.DataFrame:
        rows = self._ids(reading, "metadata")
        path = rows["anon_dicom_path"].str.replace("\\", "/", regex=False)
        inside = path.str.extract(r"((?:cohort_\d+|images/cohort_\d+)/.*)$", expand=False)
        inside = inside.str.removeprefix("images/")
        folder = self.image_folder(reading.root)
        prefix = "" if folder == reading.root else f"{folder.name}/"
        rows = rows.assign(
            file_path=prefix + inside,
            laterality=rows["ImageLateralityFinal"],
            view=rows["ViewPosition"],
            spot=whole_codes(rows["spot_mag"]),
        )
        reason = "anon_dicom_path does not lead into a cohort folder"
        return reading.drop("metadata", rows, inside.isna(), reason)

    def _views(self, reading: Reading, table: pd.DataFrame, synthetic: bool) -> pd.DataFrame:
        rows = self._images(reading)
        keys = pd.MultiIndex.from_frame(table[["patient_id", "exam_id"]])
        known = pd.MultiIndex.from_frame(rows[["patient_id", "exam_id"]]).isin(keys)
        rows = reading.drop("metadata", rows, ~known, "its exam is not in the cohort")
        rows = reading.drop("metadata", rows, rows["spot"] == "1", "spot or magnification view")
        kind = rows["FinalImageType"].str.lower().map(self.layout.codes["FinalImageType"])
        reason = "FinalImageType is neither 2D nor cview"
        rows = reading.drop("metadata", rows, kind.isna(), reason)
        if not synthetic:
            is_synthetic = kind.reindex(rows.index) == "synthetic"
            reason = "synthetic image (cview): pass synthetic=True to use it"
            rows = reading.drop("metadata", rows, is_synthetic, reason)
        return reading.standard_views("metadata", rows)


def _first_cancers(rows: pd.DataFrame) -> pd.DataFrame:
    """Date, kind and side of the first cancer of each woman who has one."""
    found = rows[rows["path_severity"].isin(["0", "1"])]
    first = found.groupby("patient_id")["procedure"].min()
    on_date = found[found["procedure"] == found["patient_id"].map(first)]
    by_woman = on_date.groupby("patient_id")
    invasive = by_woman["path_severity"].agg(lambda codes: "0" in set(codes))
    side = on_date["bside"].str.upper().fillna(on_date["side"])
    both = side.groupby(on_date["patient_id"]).nunique() > 1
    sides = side.groupby(on_date["patient_id"]).first().mask(both, "B")
    table = pd.DataFrame({"date": first})
    table["is_undated"] = table["date"].isna()
    table["kind"] = invasive.map({True: "invasive", False: "in situ"})
    table["side"] = sides
    return table


def _drop_exams(reading: Reading, table: pd.DataFrame, excluded: Any, reason: str) -> pd.DataFrame:
    """Exclude exams, and account for the findings that they were made of."""
    mask = np.asarray(excluded, dtype=bool)
    if mask.any():
        gone = table[mask]
        lines = [line for rows in gone["rows"] for line in rows]
        names = [one for one, rows in zip(gone.index, gone["rows"], strict=True) for _ in rows]
        part = gone.loc[names, ["patient_id", "exam_id"]].set_index(pd.Index(lines))
        kept = table[~mask]
        reading.exclusions.drop("clinical", part, np.ones(len(part), dtype=bool), reason)
        left = sum(len(rows) for rows in kept["rows"])
        reading.exclusions.kept["clinical"] = (left, kept["patient_id"].nunique())
        return kept
    return table


def _boxes(text: Any) -> list[tuple[float, float, float, float]] | None:
    """Boxes of a text such as "((10, 20, 30, 40),)"; None if it cannot be read."""
    if text is None or pd.isna(text) or text in ("()", "[]"):
        return []
    try:
        found = ast.literal_eval(str(text))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    if isinstance(found, tuple) and len(found) == 4 and not isinstance(found[0], (tuple, list)):
        found = (found,)
    if not isinstance(found, (tuple, list)):
        return None
    boxes = []
    for box in found:
        if not isinstance(box, (tuple, list)) or len(box) != 4:
            return None
        if not all(isinstance(one, (int, float)) for one in box):
            return None
        boxes.append((float(box[0]), float(box[1]), float(box[2]), float(box[3])))
    return boxes


embed = Embed()
