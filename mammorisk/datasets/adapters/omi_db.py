"""OMI-DB: files of JSON for each woman, two spellings, and episodes that outrank each other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from mammorisk.datasets.adapter import Dataset, Reading
from mammorisk.datasets.dataset_cohort import VIEW_COLUMNS, DatasetCohort
from mammorisk.errors import DatasetError

_DAYS = 365.25
#: Parts of an episode with a pathologist's opinion.
_PATHOLOGY = ("SURGERY", "BIOPSYWIDE", "BIOPSYFINE")
_PROCEDURES = (*_PATHOLOGY, "INTERVALCANCER", "CLINICAL", "ASSESSMENT", "SCREENING")


class OmiDb(Dataset):
    """OMI-DB, the OPTIMAM Mammography Image Database.

    See Also
    --------
    mammorisk.datasets.list : All cohorts.
    """

    name = "omi_db"

    def cohort(
        self,
        root: str | Path,
        *,
        images: bool | None = None,
        exams: Literal["screening", "all"] = "screening",
        allow_missing_views: bool = False,
    ) -> DatasetCohort:
        """Read the cohort.

        Parameters
        ----------
        root : path
            Folder with ``data`` and ``images``.
        images : bool or None
            True: an error if no image exists. False: without images. None: with those that exist.
        exams : {"screening", "all"}
            Screening exams are those on the date of a screening of the woman. Others count in any
            case for the outcome.
        allow_missing_views : bool
            Passed to :func:`mammorisk.read_exam`.

        Returns
        -------
        DatasetCohort
            One row for each study: ``time`` and ``event``, ``status`` of its episode
            (``"interval cancer"``, ``"malignant"``, ``"benign"``, ``"normal"`` or empty).
        """
        reading = Reading(self, root)
        clients = list(_clients(reading))
        rows = _studies(reading, clients)
        if rows.empty:
            raise DatasetError(
                "no study can be read", where=self.name, remedy=f"The layout is: {self.card.layout}"
            )
        rows = reading.drop("studies", rows, rows["exam_date"].isna(), "the study has no date")
        if exams == "screening":
            reason = "not on the date of a screening"
            rows = reading.drop("studies", rows, ~rows["is_screening"].astype(bool), reason)
        reason = "a cancer of the woman has no date"
        rows = reading.drop("studies", rows, rows["is_undated"].astype(bool), reason)
        late = rows["diagnosed"] < rows["exam_date"]
        rows = reading.drop("studies", rows, late, "after a diagnosis of cancer")
        end = rows["diagnosed"].fillna(rows["last"])
        rows["time"] = (end - rows["exam_date"]).dt.days / _DAYS
        rows["event"] = rows["diagnosed"].notna().astype(int)
        views = None
        if images is not False:
            files = [one for names in rows["images"] for one in names]
            table = pd.DataFrame(files, columns=[*VIEW_COLUMNS, "intent", "pair"])
            reading.exclusions.start("images", table)
            views = reading.find_images("images", _without_raw_copies(reading, table), images)
        if views is not None:
            there = rows["exam_id"].isin(views["exam_id"])
            rows = reading.drop("studies", rows, ~there, "no image of the exam is there")
        reading.say(
            "sampled-cohort",
            "women with cancer were sampled more often than others, by an unknown fraction: "
            "absolute risks need weights",
        )
        return reading.cohort(
            rows.drop(columns=["images", "diagnosed", "last", "is_undated"]),
            views,
            allow_missing_views=allow_missing_views,
        )

    def annotations(self, root: str | Path) -> pd.DataFrame:
        """Read the marks of the readers.

        Parameters
        ----------
        root : path

        Returns
        -------
        DataFrame
            One row for each mark: ``patient_id``, ``exam_id``, ``image_id``, ``mark_id``,
            ``x_min`` ... ``y_max`` in pixels (empty if unreadable), ``conspicuity``.
        """
        reading = Reading(self, root)
        found = []
        for client, _, imagedb in _clients(reading):
            for study, content in _parts(imagedb, "STUDIES"):
                for _, series in _parts(content):
                    for image, marks in _parts(series):
                        for _, mark in _parts(marks):
                            box = [_number(mark.get(name)) for name in ("X1", "Y1", "X2", "Y2")]
                            told = (mark.get("MarkID"), *box, mark.get("Conspicuity"))
                            found.append((client, study, image, *told))
        columns = ["patient_id", "exam_id", "image_id", "mark_id", "x_min", "y_min", "x_max"]
        return pd.DataFrame(found, columns=[*columns, "y_max", "conspicuity"])


def _clients(reading: Reading) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Client, NBSS and image database of each woman whose files can be read."""
    data = reading.root / "data"
    if not data.is_dir():
        raise DatasetError(
            "the folder has no data",
            where=reading.card.name,
            remedy=f"{reading.card.download} The layout is: {reading.card.layout}",
        )
    folders = sorted(one for one in data.iterdir() if one.is_dir())
    names = [one.name for one in folders]
    content: dict[str, list[Any]] = {
        "patient_id": names,
        "nbss": [_load(folder, ("nbss", "NBSS")) for folder in folders],
        "imagedb": [_load(folder, ("imagedb", "IMAGEDB")) for folder in folders],
    }
    table = pd.DataFrame(content, index=pd.RangeIndex(1, len(names) + 1))
    reading.exclusions.start("clients", table)
    for name in ("nbss", "imagedb"):
        problem = table[name].map(lambda one: one if isinstance(one, str) else None)
        table = reading.drop_each("clients", table, problem, str)
    yield from zip(table["patient_id"], table["nbss"], table["imagedb"], strict=True)


def _load(folder: Path, prefixes: tuple[str, str]) -> dict[str, Any] | str:
    """Content of a JSON file in either spelling, or why there is none."""
    for prefix in prefixes:
        path = folder / f"{prefix}_{folder.name}.json"
        if path.is_file():
            return _json(path) or f"{prefixes[0]}_*.json cannot be read"
    return f"there is no {prefixes[0]}_*.json"


def _json(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _parts(content: Any, name: str | None = None) -> list[tuple[str, dict[str, Any]]]:
    """Named parts of a part that are objects themselves."""
    if name is not None:
        content = content.get(name) if isinstance(content, dict) else None
    if not isinstance(content, dict):
        return []
    return [(key, value) for key, value in content.items() if isinstance(value, dict)]


def _studies(
    reading: Reading, clients: list[tuple[str, dict[str, Any], dict[str, Any]]]
) -> pd.DataFrame:
    found = []
    for client, nbss, imagedb in clients:
        episodes = [_Episode(key, content) for key, content in _parts(nbss)]
        studies = _parts(imagedb, "STUDIES")
        dates = [_date(content.get("StudyDate")) for _, content in studies]
        every = [*dates, *(date for one in episodes for date in one.dates)]
        last = max((one for one in every if one is not None), default=None)
        cancers = [one for one in episodes if one.status in ("interval cancer", "malignant")]
        known = [one.diagnosed for one in cancers if one.diagnosed is not None]
        screened = {date for one in episodes for date in one.screened}
        for (study, content), date in zip(studies, dates, strict=True):
            episode = next(
                (one for one in episodes if one.name == str(content.get("EpisodeID"))), None
            )
            found.append(
                {
                    "patient_id": client,
                    "exam_id": study,
                    "exam_date": date,
                    "is_screening": date is not None and date in screened,
                    "status": None if episode is None else episode.status,
                    "diagnosed": min(known, default=None),
                    "is_undated": bool(cancers) and not known,
                    "last": last,
                    "images": _images(reading.root, client, study, content),
                }
            )
    rows = pd.DataFrame(found)
    if len(rows):
        for name in ("exam_date", "diagnosed", "last"):
            rows[name] = pd.to_datetime(rows[name])
        rows.index = pd.RangeIndex(1, len(rows) + 1)
        reading.exclusions.start("studies", rows)
    return rows


class _Episode:
    """Result of an episode of screening.

    Precedence: interval cancer, malignant, benign, normal, as in the omidb package.
    """

    def __init__(self, name: str, content: dict[str, Any]) -> None:
        self.name = name
        self.content = content
        others = [one for _, one in _parts(content, "OTHERSCREENING")]
        self.screened = self._dates(("SCREENING",)) + [d for one in others for d in _days(one)]
        opened = [_date(content.get(key)) for key in ("EpisodeOpenedDate", "EpisodeClosedDate")]
        interval = _date(content.get("IntervalCancerDateOfDiagnosis"))
        every = (*opened, interval, *self.screened, *self._dates(_PROCEDURES))
        self.dates = [one for one in every if one is not None]
        opinions = {part: self._opinions(part) for part in _PATHOLOGY}
        is_malignant = any("OM" in one for one in opinions.values())
        is_interval = _is(content.get("EpisodeType"), "CI", "Interval case")
        contradicted = not is_malignant and any(part in content for part in _PATHOLOGY)
        if is_interval:
            self.status = None if contradicted else "interval cancer"
        elif is_malignant:
            self.status = "malignant"
        elif any("OB" in one for one in opinions.values()):
            self.status = "benign"
        else:
            self.status = None if "SURGERY" in content else "normal"
        malignant = [part for part in _PATHOLOGY if "OM" in opinions[part]]
        self.diagnosed = (
            interval
            or min(self._dates(("INTERVALCANCER",)), default=None)
            or min(self._dates(tuple(malignant)), default=None)
        )
        if self.diagnosed is None and self.status == "malignant":
            self.diagnosed = min(self._dates(_PROCEDURES), default=None)

    def _opinions(self, part: str) -> set[str]:
        content = self.content.get(part)
        if not isinstance(content, dict):
            return set()
        told = [content.get("left_opinion"), content.get("right_opinion")]
        words = {"OM": "Malignant", "OB": "Benign"}
        return {code for code, word in words.items() for one in told if _is(one, code, word)}

    def _dates(self, parts: tuple[str, ...]) -> list[pd.Timestamp]:
        return [date for part in parts for date in _days(self.content.get(part))]


def _days(event: Any) -> list[pd.Timestamp]:
    """Dates of an event: its own, and those of its sides and their lesions."""
    if not isinstance(event, dict):
        return []
    told = [event.get("dateperformed"), event.get("DatePerformed")]
    for side in ("L", "R"):
        of_side = event.get(side)
        if isinstance(of_side, dict):
            told += [of_side.get("DateTaken"), of_side.get("DatePerformed")]
            told += [lesion.get("DatePerformed") for _, lesion in _parts(of_side)]
    return [date for one in told if (date := _date(one)) is not None]


def _is(value: Any, code: str, word: str) -> bool:
    return isinstance(value, str) and value.strip().lower() in (code.lower(), word.lower())


def _date(value: Any) -> pd.Timestamp | None:
    if not isinstance(value, str):
        return None
    for form in ("%Y-%m-%d", "%Y%m%d"):
        date = pd.to_datetime(value.strip(), format=form, errors="coerce")
        if not pd.isna(date):
            return pd.Timestamp(date)
    return None


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")


def _images(root: Path, client: str, study: str, content: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Images of a study with the content of their header files."""
    found = []
    for _, series in _parts(content):
        for image in series:
            if not image.replace(".", "").isdigit():
                continue
            header = _header(root / "data" / client / study, image)
            told = (header.get("side"), header.get("view"))
            path = f"images/{client}/{study}/{image}.dcm"
            pair = (client, study, *told, header.get("time"))
            found.append((client, study, *told, path, header.get("intent"), pair))
    return found


def _header(folder: Path, image: str) -> dict[str, str | None]:
    for name in (f"{image}.json", f"{image}.dcm.json"):
        content = _json(folder / name) if (folder / name).is_file() else None
        if content is not None:
            tags = {"side": "00200062", "view": "00185101", "intent": "00080068"}
            tags["time"] = "00080032"
            return {key: _tag(content, tag) for key, tag in tags.items()}
    return {}


def _tag(content: dict[str, Any], tag: str) -> str | None:
    element = content.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    return str(values[0]).strip() or None if isinstance(values, list) and values else None


def _without_raw_copies(reading: Reading, table: pd.DataFrame) -> pd.DataFrame:
    """The same exposure is there for processing and for presentation: the latter is used."""
    shown = table["intent"].fillna("").str.upper() == "FOR PRESENTATION"
    raw = table["intent"].fillna("").str.upper() == "FOR PROCESSING"
    has_shown = table["pair"].isin(table.loc[shown, "pair"])
    reason = "for-processing copy of an image that is also there for presentation"
    return reading.drop("images", table, raw & has_shown, reason)


omi_db = OmiDb()
