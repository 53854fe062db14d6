"""Selection of the images of one exam. Images of two women are never merged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from mammorisk.errors import MixedPatients
from mammorisk.io.dicom import ReadImage
from mammorisk.records.exam import STANDARD_VIEWS
from mammorisk.warnings import ResultWarning, make_warning

#: Largest difference in age between images of one exam, years. Some ages are in completed years,
#: others are computed from the date of birth.
AGE_TOLERANCE_YEARS = 1.0

_REMEDY = "Give the files of one exam."


@dataclass(frozen=True, kw_only=True)
class OneExam:
    """Images of the exam that is used, and of others.

    Attributes
    ----------
    images : list of ReadImage
    prior : list of ReadImage
        Images of the previous exam; empty if there is none.
    others : list of ReadImage
        All images of other exams, including those of ``prior``.
    warnings : list of ResultWarning
    """

    images: list[ReadImage]
    prior: list[ReadImage]
    others: list[ReadImage]
    warnings: list[ResultWarning]


def find_exam(images: Sequence[ReadImage], *, views_are_given: bool = False) -> OneExam:
    """Group images to exams by study, date and age, and choose the latest complete exam.

    Parameters
    ----------
    images : sequence of ReadImage
    views_are_given : bool
        Whether the user gave the view of each file. Pictures whose names contain several dates then
        count as one exam, with a warning.

    Returns
    -------
    OneExam

    Raises
    ------
    MixedPatients
        The images are of several women, or of several exams that cannot be identified or ordered.
    """
    warnings: list[ResultWarning] = []
    _check_one_woman(images, warnings)
    by_day = _known(one.patient.day for one in images)
    if views_are_given and len(by_day) > 1 and all(one.is_picture for one in images):
        warnings.append(
            make_warning("exam-doubtful", "the names of the pictures contain several dates")
        )
        return OneExam(images=list(images), prior=[], others=[], warnings=warnings)
    groups, told_by = _groups(images, warnings)
    if len(groups) < 2:
        return OneExam(images=list(images), prior=[], others=[], warnings=warnings)
    _check_identified(images, told_by)
    if not _is_ordered(groups):
        complete = [group for group in groups if _is_complete(group)]
        if len(complete) != 1:
            raise MixedPatients(
                f"the files belong to {len(groups)} exams (different {told_by}), and no date shows "
                "which one is the latest",
                remedy=_REMEDY,
            )
        groups.sort(key=lambda group: group is not complete[0])
    chosen = next((group for group in groups if _is_complete(group)), groups[0])
    skipped = groups.index(chosen)
    text = f"the files belong to {len(groups)} exams (different {told_by}): "
    if not _is_complete(chosen):
        text += "none is complete, the latest was used"
    else:
        text += "the latest complete one was used"
        text += ", a later one is incomplete" if skipped else ""
    warnings.append(make_warning("several-exams", text))
    earlier = groups[skipped + 1 :]
    return OneExam(
        images=chosen,
        prior=earlier[0] if earlier and _is_ordered(groups) else [],
        others=[one for group in groups if group is not chosen for one in group],
        warnings=warnings,
    )


def _known(values: Iterable[str | None]) -> set[str]:
    return {value for value in values if value}


def _check_one_woman(images: Sequence[ReadImage], warnings: list[ResultWarning]) -> None:
    for attribute, values in (
        ("PatientID (0010,0020)", {one.patient.patient for one in images}),
        ("PatientBirthDate (0010,0030)", {one.patient.birth for one in images}),
        ("PatientSex (0010,0040)", {one.patient.sex for one in images} - {"O"}),
    ):
        known = _known(values)
        if len(known) > 1:
            raise MixedPatients(
                f"the files belong to {len(known)} patients, told by {attribute}", remedy=_REMEDY
            )
    if any(one.patient.is_pseudo_patient for one in images):
        text = "the patient identifier contains side and view, which were ignored"
        warnings.append(make_warning("exam-doubtful", text))


def _groups(
    images: Sequence[ReadImage], warnings: list[ResultWarning]
) -> tuple[list[list[ReadImage]], str]:
    """Return the images of each exam, latest exam first, and the attributes that differ."""
    studies = _known(one.patient.study for one in images)
    days = _known(one.patient.day for one in images)
    use_study = len(studies) > 1
    headed = [one for one in images if not one.is_picture]
    if use_study and len(studies) == len(headed):
        text = "every image has its own study: they were treated as one exam"
        warnings.append(make_warning("exam-doubtful", text))
        use_study = False
    keys: dict[tuple[str, str], list[ReadImage]] = {}
    loose = []
    # Some names contain only a year.
    digits = min((len(day) for day in days), default=0)
    for one in images:
        study, day = one.patient.study if use_study else "", (one.patient.day or "")[:digits]
        if (use_study and not study) or (days and not day):
            loose.append(one)
        else:
            keys.setdefault((day, study), []).append(one)
    if len(keys) > 1 and len({day for day, _ in keys}) == 1 and days and _make_one(keys):
        text = "the views are from several studies on one date: they were treated as one exam"
        warnings.append(make_warning("exam-doubtful", text))
        return [list(images)], ""
    for one in loose:
        _join(one, keys)
    groups = []
    told = [
        name
        for name, apart in (
            ("date", len({day for day, _ in keys}) > 1),
            ("StudyInstanceUID (0020,000D)", len({study for _, study in keys}) > 1),
        )
        if apart
    ]
    by_age = False
    for (day, _), group in keys.items():
        parts = _by_age(group)
        if len(parts) > 1 and day:
            raise MixedPatients(
                "the ages in images of one date differ: they belong to several women or exams",
                remedy=_REMEDY,
            )
        by_age |= len(parts) > 1
        groups += parts
    groups.sort(key=_latest_first, reverse=True)
    return groups, " and ".join([*told, *(["age"] if by_age else [])])


def _make_one(keys: Mapping[tuple[str, str], list[ReadImage]]) -> bool:
    """Whether the studies of one woman are complete only together."""
    images = [one for group in keys.values() for one in group]
    alone = any(_is_complete(group) for group in keys.values())
    return not alone and _is_complete(images) and all(one.patient.patient for one in images)


def _join(one: ReadImage, keys: dict[tuple[str, str], list[ReadImage]]) -> None:
    """Add an image without date or study to the only exam that fits it, else to a new one."""
    fitting = [
        group
        for (day, study), group in keys.items()
        if one.patient.study in ("", study) and (one.patient.day or day)[: len(day)] == day
    ] or [
        group
        for group in keys.values()
        if one.patient.study and any(one.patient.study == two.patient.study for two in group)
    ]
    if len(fitting) == 1:
        fitting[0].append(one)
    else:
        keys.setdefault((one.patient.day or "", one.patient.study), []).append(one)


def _by_age(group: list[ReadImage]) -> list[list[ReadImage]]:
    """Split where ages differ by more than the tolerance. Unknown ages join the highest age."""
    aged = sorted(
        (one for one in group if one.patient.age_years is not None),
        key=lambda one: -(one.patient.age_years or 0.0),
    )
    parts: list[list[ReadImage]] = []
    for one in aged:
        last = parts[-1][-1].patient.age_years if parts else None
        if last is not None and last - (one.patient.age_years or 0.0) <= AGE_TOLERANCE_YEARS:
            parts[-1].append(one)
        else:
            parts.append([one])
    unknown = [one for one in group if one.patient.age_years is None]
    if not parts:
        return [unknown]
    parts[0] += unknown
    return parts


def _check_identified(images: Sequence[ReadImage], told_by: str) -> None:
    """Refuse several exams without an identifier that shows that they are of one woman."""
    patients = [one.patient.patient for one in images]
    studies = {one.patient.study for one in images}
    if all(patients) or (len(studies) == 1 and "" not in studies):
        return
    raise MixedPatients(
        f"the files belong to several exams (different {told_by}), and no identifier shows that "
        "they are of one woman",
        remedy=_REMEDY,
    )


def _latest_first(group: list[ReadImage]) -> tuple[str, float, str]:
    return (
        max((one.patient.day or "" for one in group), default=""),
        max((one.patient.age_years or 0.0 for one in group), default=0.0),
        max((one.view.acquired_at or "" for one in group), default=""),
    )


def _is_ordered(groups: list[list[ReadImage]]) -> bool:
    """Whether dates, ages or times determine the order of the exams."""
    tests: tuple[Callable[[ReadImage], object], ...] = (
        lambda one: one.patient.day,
        lambda one: one.patient.age_years,
        lambda one: one.view.acquired_at,
    )
    for told in tests:
        values = [max((str(told(one) or "") for one in group), default="") for group in groups]
        if all(values) and len(set(values)) == len(values):
            return True
    return False


def _is_complete(group: list[ReadImage]) -> bool:
    return {one.view.name for one in group} >= set(STANDARD_VIEWS)
