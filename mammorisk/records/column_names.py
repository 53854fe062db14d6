"""Comparison of column names with the names of fields."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from mammorisk.errors import QuestionnaireError
from mammorisk.records.cohort import KEYS, OUTCOME_COLUMNS
from mammorisk.records.questionnaire_fields import FIELDS

#: Columns that are also read if their name differs in case, blanks and punctuation. ``weight`` is
#: not among them, because "Weight" is usually a body weight, not a sampling weight.
_READ = (*FIELDS, *KEYS, *(name for name in OUTCOME_COLUMNS if name != "weight"))

#: Names of other files for the same or a like thing (BCSC, SEER, BCRA, iCARE, OMOP and common
#: exports), without blanks and punctuation. They are never read, because their coding may differ.
_SYNONYMS: dict[str, tuple[str, ...]] = {
    "age": ("ageyears", "ageatexam", "agegroup", "t1"),
    "race_ethnicity": ("race", "ethnicity", "ethnicgroup", "raceeth", "ethnicbackground"),
    "menopausal_status": ("menopause", "menopausal", "menostatus", "currentmeno", "menopaus"),
    "age_menarche": ("menarche", "agemen", "ageatmenarche", "menarcheage", "agefirstperiod"),
    "age_menopause": ("menopauseage", "ageatmenopause"),
    "parity": ("births", "livebirths", "children", "numberofchildren", "parous", "nulliparous"),
    "age_first_birth": ("agefirst", "age1st", "agefirstchild", "firstbirth", "ageatfirstbirth"),
    "height_cm": ("height", "bodyheight", "ht"),
    "weight_kg": ("bodyweight", "wt", "weightlb", "weightlbs"),
    "bmi": ("bodymassindex", "bmigroup", "bmicurc"),
    "hrt_use": ("hrt", "mht", "hormonetherapy", "currenthrt", "menopausalhormones"),
    "oral_contraceptive": ("oc", "ocp", "ocever", "occurrent", "oralcontraception", "pill"),
    "alcohol_g_per_day": ("alcohol", "alcoholintake", "drinksperday", "drinksperweek"),
    "biopsies": ("biopsy", "nbiop", "biophx", "priorbiopsy", "breastbiopsy"),
    "atypical_hyperplasia": ("atypia", "hypplas", "hyperplasia", "adh", "alh"),
    "benign_breast_disease": ("bbd", "benign"),
    "first_degree_relatives": (
        *("famhist", "familyhistory", "famhx", "familyhx", "relatives", "nrels", "nrelbc", "fdr"),
        *("firstdegreehx", "affectedrelatives"),
    ),
    "brca": ("brcastatus", "brcamutation", "mutation", "carrier", "brca1", "brca2"),
    "ashkenazi": ("jewish", "jewishancestry"),
    "ovarian_cancer": ("ovca", "ovariancancerhistory"),
    "breast_density": ("density", "birads", "biradsdensity", "densitycategory", "breastdens"),
    "last_mammogram": ("priormammogram", "falsepositive"),
    "prior_breast_cancer": (
        *("priorcancer", "previouscancer", "cancerhistory", "breastcancerhistory"),
        *("historyofbreastcancer", "previousbreastcancer", "personalhistory", "hxbreastcancer"),
    ),
    "patient_id": ("id", "pid", "patient", "subject", "subjectid", "studyid", "womanid", "mrn"),
    "exam_id": ("exam", "accession", "accessionnumber", "studyinstanceuid"),
    "time": ("years", "followup", "followupyears", "timeyears", "survtime", "yearstoevent"),
    "event": ("status", "cancer", "case", "outcome", "breastcancer"),
}
_BY_SYNONYM = {word: field for field, words in _SYNONYMS.items() for word in words}
#: Smallest ratio of difflib. At 0.85 two letters of a name of eleven may be wrong.
_SIMILAR = 0.85


@dataclass(frozen=True, kw_only=True)
class ColumnMatch:
    """Interpretation of the columns of a table.

    Attributes
    ----------
    renamed : dict of str to str
        Columns that differ from a field only in case, blanks and punctuation, with the field.
    look_alikes : dict of str to str
        Columns that are not read, with a similar field that is not in the table.
    """

    renamed: Mapping[str, str]
    look_alikes: Mapping[str, str]


def match_columns(columns: Iterable[object]) -> ColumnMatch:
    """Compare the columns of a table with the names that are read.

    Parameters
    ----------
    columns : iterable of str

    Returns
    -------
    ColumnMatch

    Raises
    ------
    QuestionnaireError
        Two columns match the same field.

    Examples
    --------
    >>> from mammorisk.records.column_names import match_columns
    >>> found = match_columns(["age", "Prior_Breast_Cancer", "menarche"])
    >>> found.renamed, found.look_alikes
    ({'Prior_Breast_Cancer': 'prior_breast_cancer'}, {'menarche': 'age_menarche'})
    """
    names = [str(name) for name in columns]
    exact = {name for name in names if name in FIELDS or name in KEYS or name in OUTCOME_COLUMNS}
    by_compact = {_compact(name): name for name in _READ}
    renamed: dict[str, str] = {}
    taken: dict[str, str] = {name: name for name in exact}
    others = []
    for name in names:
        if name in exact:
            continue
        field = by_compact.get(_compact(name))
        if field is None:
            others.append(name)
        elif field in taken:
            raise QuestionnaireError(
                f"the columns {taken[field]!r} and {name!r} both look like {field}",
                remedy="Rename one of them, or leave it out.",
            )
        else:
            renamed[name] = field
            taken[field] = name
    absent = [field for field in (*FIELDS, *KEYS, "time", "event") if field not in taken]
    found = {name: _look_alike(name, absent) for name in others}
    return ColumnMatch(
        renamed=renamed,
        look_alikes={name: field for name, field in found.items() if field is not None},
    )


def read_names(columns: Iterable[object], known: Iterable[str]) -> dict[object, str]:
    """Names that differ from known ones in case, blanks and punctuation alone.

    For tables with a fixed set of columns, whose readers have no place for warnings.

    Parameters
    ----------
    columns : iterable of str
    known : iterable of str

    Returns
    -------
    dict
        Column -> known name, for ``DataFrame.rename``.

    Raises
    ------
    QuestionnaireError
        Two columns would be the same, or a column is nearly one of the known ones that is absent.

    Examples
    --------
    >>> from mammorisk.records.column_names import read_names
    >>> read_names(["age", "Mother ", "id"], ["age", "mother", "daughters"])
    {'Mother ': 'mother'}
    """
    names = list(columns)
    by_compact = {_compact(name): name for name in known}
    taken = {str(name): str(name) for name in names if str(name) in by_compact.values()}
    renamed: dict[object, str] = {}
    others = []
    for name in names:
        field = by_compact.get(_compact(str(name)))
        if field is None:
            others.append(name)
        elif str(name) != field:
            if field in taken:
                raise QuestionnaireError(
                    f"the columns {taken[field]!r} and {str(name)!r} both look like {field}",
                    remedy="Rename one of them, or leave it out.",
                )
            renamed[name] = field
            taken[field] = str(name)
    absent = {compact: field for compact, field in by_compact.items() if field not in taken}
    for name in others:
        close = get_close_matches(_compact(str(name)), list(absent), 1, _SIMILAR)
        if close:
            raise QuestionnaireError(
                f"the column {str(name)!r} is not read; it looks like {absent[close[0]]}",
                remedy="Rename it, or leave it out.",
            )
    return renamed


def _tokens(name: str) -> list[str]:
    """Split a name into words at punctuation, digits and capitals."""
    split = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)
    return re.findall(r"[a-z]+|\d+", split.lower())


def _compact(name: str) -> str:
    return "".join(_tokens(name))


def _look_alike(name: str, absent: list[str]) -> str | None:
    """Return a field that is not in the table and is similar to the name."""
    tokens = _tokens(name)
    compact = "".join(tokens)
    field = _BY_SYNONYM.get(compact)
    if field is not None:
        return field if field in absent else None
    for field in sorted(absent, key=len, reverse=True):
        if field in FIELDS and set(_tokens(field)) <= set(tokens):
            return field
    close = get_close_matches(compact, [_compact(field) for field in absent], 1, _SIMILAR)
    return next((field for field in absent if _compact(field) in close), None)
