"""Annotations in COCO JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from mammorisk.errors import CohortError, UnreadableFile
from mammorisk.findings.annotated import OPTIONAL, AnnotatedCohort
from mammorisk.findings.annotations.marked import VIEW, annotated_cohort, box_of
from mammorisk.findings.candidate import TYPES
from mammorisk.records.cohort import Cohort

#: Names of categories, in lower case.
NAMES = {
    **{name: name for name in TYPES},
    "masses": "mass",
    "calcifications": "calcification",
    "microcalcification": "calcification",
    "microcalcifications": "calcification",
    "calcification cluster": "calcification",
    "focal asymmetry": "asymmetry",
    "global asymmetry": "asymmetry",
    "developing asymmetry": "asymmetry",
    "architectural distortion": "distortion",
}


def read_coco(
    path: str | Path, cohort: Cohort, *, types: Mapping[str, str] | None = None
) -> AnnotatedCohort:
    """Read lesions from a COCO JSON file.

    Parameters
    ----------
    path : path
        File with ``images`` (``id``, ``file_name``), ``annotations`` (``image_id``,
        ``category_id``, ``bbox`` as x, y, width, height in pixels of the stored image) and
        ``categories`` (``id``, ``name``). An annotation may have ``lesion_id``, ``pathology``,
        ``birads`` and the descriptors of an AnnotatedCohort, itself or in ``attributes``.
    cohort : Cohort
        With one row per image in ``views``, as :func:`mammorisk.read_cohort` reads it from a
        manifest of images. COCO files have no women.
    types : mapping of str to str, optional
        Type of lesion of each name of a category that is not that of a type, such as
        ``{"Suspicious Calcification": "calcification"}``.

    Returns
    -------
    AnnotatedCohort
        Exams all of whose images are in the file. ``warnings`` says what was left out.

    Raises
    ------
    UnreadableFile
        The file is no COCO JSON.
    CohortError
        The cohort has no images, an exam has no woman, a woman is in several splits, an image of
        the file matches several of the cohort, or no exam is left.

    See Also
    --------
    mammorisk.fit : Fits a detector to the result.
    mammorisk.read_cohort : Reads the cohort.

    References
    ----------
    https://cocodataset.org/#format-data

    Examples
    --------
    >>> import json, tempfile
    >>> from pathlib import Path
    >>> import mammorisk as mr
    >>> folder = Path(tempfile.mkdtemp())
    >>> rows = "\\n".join(f"w1,e1,{side},{view},{side}{view}.png" for side in "LR"
    ...                  for view in ("CC", "MLO"))
    >>> _ = (folder / "images.csv").write_text(
    ...     "patient_id,exam_id,laterality,view,file_path\\n" + rows)
    >>> names = ["LCC", "LMLO", "RCC", "RMLO"]
    >>> coco = {
    ...     "images": [{"id": i, "file_name": f"{name}.png"} for i, name in enumerate(names)],
    ...     "categories": [{"id": 1, "name": "Mass"}],
    ...     "annotations": [{"image_id": 0, "category_id": 1, "bbox": [10, 20, 30, 40]}],
    ... }
    >>> _ = (folder / "coco.json").write_text(json.dumps(coco))
    >>> mr.findings.read_coco(folder / "coco.json", mr.read_cohort(folder / "images.csv"))
    <AnnotatedCohort: 1 exams, boxes: 1 mass>
    """
    told = _content(Path(path))
    views = cohort.views
    if views is None:
        raise CohortError(
            "the cohort has no table of images",
            remedy="Read it from a manifest with one row per image (file_path).",
        )
    rows = _rows_of([one["file_name"] for one in told["images"]], views)
    marks = _marks(told, rows, views)
    listed = set(rows.values())
    unread = views.loc[[i not in listed for i in range(len(views))], VIEW]
    known = {**NAMES, **{name.strip().lower(): kind for name, kind in (types or {}).items()}}
    return annotated_cohort(
        cohort,
        marks,
        types=known,
        unread=[tuple(map(str, row)) for row in unread.itertuples(index=False)],
    )


def _content(path: Path) -> dict[str, list[dict[str, Any]]]:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        found = {name: list(told[name]) for name in ("images", "annotations", "categories")}
        for image in found["images"]:
            image["id"], str(image["file_name"])
        for mark in found["annotations"]:
            mark["image_id"], mark["category_id"], [float(v) for v in mark["bbox"]]
        for category in found["categories"]:
            category["id"], category["name"]
    except (OSError, UnicodeDecodeError, ValueError, KeyError, TypeError) as error:
        raise UnreadableFile(
            f"the file is no COCO JSON ({type(error).__name__})",
            remedy="It needs images (id, file_name), annotations (image_id, category_id, bbox) and "
            "categories (id, name).",
            source=str(path),
        ) from None
    return found


def _rows_of(names: list[str], views: pd.DataFrame) -> dict[int, int]:
    """Position of an image in the file -> row of the table of images; others are left out.

    A name is a whole path, or else the end of one path only.
    """
    paths = [PurePosixPath(str(one).replace("\\", "/")).as_posix() for one in views["file_path"]]
    exact = {path: row for row, path in enumerate(paths)}
    ends: dict[str, list[int]] = {}
    for row, path in enumerate(paths):
        parts = path.split("/")
        for start in range(len(parts)):
            ends.setdefault("/".join(parts[start:]), []).append(row)
    found = {}
    for place, name in enumerate(names):
        plain = PurePosixPath(str(name).replace("\\", "/")).as_posix()
        rows = [exact[plain]] if plain in exact else ends.get(plain, [])
        if len(rows) > 1:
            raise CohortError(
                f"the name of image {place + 1} of the file matches {len(rows)} images of the "
                "cohort",
                where="file_name",
                remedy="Give the path as it is in the manifest.",
            )
        if rows:
            found[place] = rows[0]
    twice = [row for row, n in Counter(found.values()).items() if n > 1]
    if twice:
        raise CohortError(
            f"{len(twice)} images of the cohort are several times in the file", where="images"
        )
    return found


def _marks(
    told: dict[str, list[dict[str, Any]]], rows: dict[int, int], views: pd.DataFrame
) -> pd.DataFrame:
    places = {image["id"]: place for place, image in enumerate(told["images"])}
    names = {one["id"]: str(one["name"]) for one in told["categories"]}
    found = []
    for mark in told["annotations"]:
        place = places.get(mark["image_id"])
        row = None if place is None else rows.get(place)
        keys: dict[Any, Any] = dict.fromkeys(VIEW, "")
        if row is not None:
            keys = views.iloc[row][VIEW].to_dict()
        box = np.array([*(float(v) for v in mark["bbox"]), *[np.nan] * 4])[:4]
        attributes = mark.get("attributes")
        facts = {**(attributes if isinstance(attributes, dict) else {}), **mark}
        found.append(
            {
                **keys,
                "finding": names.get(mark["category_id"], "category without a name"),
                "x": box[0],
                "y": box[1],
                "width": box[2],
                "height": box[3],
                **{name: facts.get(name) for name in OPTIONAL},
            }
        )
    columns = [*VIEW, "finding", "x", "y", "width", "height", *OPTIONAL]
    made = pd.DataFrame(found, columns=columns)
    edges = box_of(made["y"], made["y"] + made["height"], made["x"], made["x"] + made["width"])
    # A box without an extent is none.
    empty = ~((made["width"] > 0) & (made["height"] > 0))
    return made.assign(**{name: values.mask(empty) for name, values in edges.items()})
