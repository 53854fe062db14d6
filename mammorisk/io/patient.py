"""Facts about patient and time that distinguish exams of one or several women."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from pydicom.dataset import Dataset

from mammorisk.io.dataset import text
from mammorisk.warnings import ResultWarning, Warnings, make_warning

#: Plausible ages at screening. Other ages are results of de-identification.
PLAUSIBLE_AGES = (18.0, 110.0)

#: In CBIS-DDSM every image is a separate patient: "Mass-Training_P_00001_LEFT_CC_1".
_VIEW_IN_ID = re.compile(r"[_ -]+(LEFT|RIGHT|L|R)[_ -]+(CC|MLO)([_ -]*\d{1,2})?$", re.IGNORECASE)
#: CBIS-DDSM also puts the set before the woman: "Mass-Training_P_00001_LEFT_CC".
_SET_IN_ID = re.compile(r"^(?:Mass|Calc)-(?:Training|Test)_(?=P_\d)")

#: A date from 1950 to 2099 in a name: 20210310, 2021-03-10, or a year alone.
_DAY_IN_NAME = re.compile(
    r"(?<!\d)((?:19[5-9]|20\d)\d)(?:[-_.]?(0[1-9]|1[0-2])[-_.]?(0[1-9]|[12]\d|3[01]))?(?!\d)"
)
_PER_YEAR = {"D": 365.25, "W": 52.18, "M": 12.0, "Y": 1.0}


@dataclass(frozen=True, kw_only=True)
class PatientFacts:
    """Facts of an image about the woman and the exam. They are compared and never shown.

    Attributes
    ----------
    patient : str
        PatientID (0010,0020), else PatientName (0010,0010); empty if neither is stated.
    is_pseudo_patient : bool
        Whether the identifier contained side and view, which were ignored.
    study : str
        StudyInstanceUID (0020,000D).
    day : str or None
        AcquisitionDate (0008,0022), else StudyDate, as ``YYYYMMDD``. For pictures, the date in the
        name, which may be only a year. None for digitised film, whose dates are usually those of
        the scan.
    birth : str or None
        PatientBirthDate (0010,0030), if plausible.
    age_years : float or None
    sex : {"F", "M", "O"} or None
        PatientSex (0010,0040).
    warnings : tuple of ResultWarning
    """

    patient: str = field(default="", repr=False)
    is_pseudo_patient: bool = False
    study: str = field(default="", repr=False)
    day: str | None = field(default=None, repr=False)
    birth: str | None = field(default=None, repr=False)
    age_years: float | None = None
    sex: str | None = None
    warnings: Warnings = ()


def read_patient(dataset: Dataset, *, is_film: bool) -> PatientFacts:
    """Read the facts of a DICOM image. Call inside ``quiet_pydicom``.

    Parameters
    ----------
    dataset : Dataset
    is_film : bool
        Whether the image is a digitised film.
    """
    identifier = text(dataset, "PatientID") or text(dataset, "PatientName") or ""
    patient = _SET_IN_ID.sub("", _VIEW_IN_ID.sub("", identifier))
    day = text(dataset, "AcquisitionDate") or text(dataset, "StudyDate")
    birth = text(dataset, "PatientBirthDate")
    born, seen = _year(birth), _year(day)
    from_birth = None if born is None or seen is None else round(seen - born, 2)
    age, warnings = _stated_age(text(dataset, "PatientAge"))
    low, high = PLAUSIBLE_AGES
    if age is None and from_birth is not None and low <= from_birth <= high:
        age = from_birth
    return PatientFacts(
        patient=patient,
        is_pseudo_patient=patient != identifier,
        study=text(dataset, "StudyInstanceUID") or "",
        day=None if is_film or _year(day) is None else re.sub(r"\D", "", day or ""),
        birth=None if born is None else birth,
        age_years=age,
        sex=_sex(dataset),
        warnings=warnings,
    )


def picture_facts(name: str) -> PatientFacts:
    """Return the facts of a picture: the date in its name.

    Parameters
    ----------
    name : str
        Name of the file with the folders below the one that the user gave.
    """
    return PatientFacts(day=day_in_name(name))


def day_in_name(name: str) -> str | None:
    """Return the last date in a name, as ``YYYYMMDD`` or ``YYYY``.

    Examples
    --------
    >>> day_in_name("2018_L-CC.png"), day_in_name("2021-03-10/L-CC.png"), day_in_name("L-CC.png")
    ('2018', '20210310', None)
    """
    found = _DAY_IN_NAME.findall(name)
    return "".join(found[-1]) if found else None


def _sex(dataset: Dataset) -> str | None:
    written = (text(dataset, "PatientSex") or "").upper()
    return written if written in ("F", "M", "O") else None


def _stated_age(written: str | None) -> tuple[float | None, Warnings]:
    """Read PatientAge (0010,1010). The standard form is 057Y; files also contain others.

    >>> _stated_age("57y")[0], _stated_age("684M")[0], _stated_age("000Y")[0]
    (57.0, 57.0, None)
    """
    if written is None:
        return None, ()
    match = re.fullmatch(r"(\d{1,3})\s*([DWMY]?)", written.upper())
    if match is None:
        # Other text may be a name and is not shown.
        shown = f"{written!r}" if re.fullmatch(r"[\d.,]{1,5} ?[A-Za-z]?", written) else "no age"
        said = f"PatientAge (0010,1010) is {shown}, expected is an age like 057Y: not used"
        return None, (_not_used(said),)
    age = int(match[1]) / _PER_YEAR[match[2] or "Y"]
    low, high = PLAUSIBLE_AGES
    if low <= age <= high:
        return age, ()
    # Values such as 000Y mean that the age was removed.
    said = f"PatientAge (0010,1010) is {written!r}, outside {low:g} to {high:g} years: not used"
    return None, (() if age == 0 else (_not_used(said),))


def _not_used(said: str) -> ResultWarning:
    return make_warning("age-unreadable", said)


def _year(written: str | None) -> float | None:
    """Convert a DICOM date to a year with its fraction."""
    match = re.fullmatch(r"(\d{4})\.?(\d{2})\.?(\d{2})", written or "")
    if not match:
        return None
    year, month, day = (int(part) for part in match.groups())
    if not (1850 <= year <= 2200 and 1 <= month <= 12 and 1 <= day <= 31):
        return None
    return year + (month - 1 + (day - 1) / 31) / 12
