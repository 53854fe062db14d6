"""Questionnaire: answers of a woman and facts of her record. Only age is required.

A table with the same fields as columns represents many women.
:func:`mammorisk.records.questionnaire_table.check_frame` checks it with the same rules.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, ValidationInfo

from mammorisk.errors import QuestionnaireError
from mammorisk.records.questionnaire_fields import (
    CATEGORIES,
    NUMBERS,
    BrcaStatus,
    BreastDensity,
    HrtType,
    LastMammogram,
    MenopausalStatus,
    MenopauseType,
    RaceEthnicity,
    Use,
    range_text,
    read_ages,
    read_category,
    read_number,
    read_yes_no,
)
from mammorisk.records.questionnaire_table import check_frame

if TYPE_CHECKING:
    import pandas as pd


def _read_number(value: Any, info: ValidationInfo) -> Any:
    return read_number(info.field_name or "", value)


def _read_category(value: Any, info: ValidationInfo) -> Any:
    return read_category(info.field_name or "", value)


# Types only. check_frame checks ranges and contradictions, as for tables.
Age = Annotated[float, BeforeValidator(_read_number)]
Number = Annotated[float | None, BeforeValidator(_read_number)]
WholeNumber = Annotated[int | None, BeforeValidator(_read_number)]
Text = BeforeValidator(_read_category)
YesNo = Annotated[bool | None, BeforeValidator(read_yes_no)]
OnsetAges = Annotated[tuple[float, ...] | None, BeforeValidator(read_ages)]


class Questionnaire(BaseModel):
    """Answers of one woman at her exam. None means unknown, never "no".

    Attributes
    ----------
    age : float
        Age at the exam in years.
    race_ethnicity : str, optional
        One of the groups of ``CATEGORIES["race_ethnicity"]``.
    menopausal_status : {"pre", "peri", "post"}, optional
    age_menarche, age_menopause : float, optional
        Years.
    menopause_type : {"natural", "surgical"}, optional
    parity : int, optional
        Number of births.
    age_first_birth : float, optional
        Years, at first live birth.
    height_cm, weight_kg, bmi : float, optional
        BMI (kg/m2) is derived from height and weight. Give it only if they are not known.
    hrt_use : {"never", "former", "current"}, optional
    hrt_type : {"combined", "estrogen", "unknown"}, optional
    oral_contraceptive : {"never", "former", "current"}, optional
    alcohol_g_per_day : float, optional
    biopsies : int, optional
        Number of breast biopsies.
    atypical_hyperplasia, lcis, benign_breast_disease : bool, optional
    first_degree_relatives : int, optional
        Mother, sisters and daughters with breast cancer.
    brca : {"untested", "negative", "brca1", "brca2"}, optional
    ashkenazi, ovarian_cancer, prior_breast_cancer : bool, optional
    breast_density : {"a", "b", "c", "d"}, optional
        BI-RADS category given by a reader.
    last_mammogram : {"negative", "false_positive"}, optional
    onset_mother, onset_daughters, ... : sequence of float, optional
        Ages at onset of breast cancer of the affected relatives of this relation. An empty sequence
        means that none is affected.

    Raises
    ------
    QuestionnaireError
        A value is out of range, or two fields contradict each other. The message names the fields.

    See Also
    --------
    mammorisk.predict : Predicts the risk from a questionnaire, with or without an exam.
    mammorisk.read_cohort : Reads the answers of many women from a table.

    Examples
    --------
    >>> import mammorisk as mr
    >>> woman = mr.Questionnaire(age=54, race_ethnicity="white", height_cm=163, weight_kg=64)
    >>> round(woman.bmi, 1), woman.biopsies is None
    (24.1, True)
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    age: Age
    race_ethnicity: Annotated[RaceEthnicity | None, Text] = None
    menopausal_status: Annotated[MenopausalStatus | None, Text] = None
    age_menarche: Number = None
    age_menopause: Number = None
    menopause_type: Annotated[MenopauseType | None, Text] = None
    parity: WholeNumber = None
    age_first_birth: Number = None
    height_cm: Number = None
    weight_kg: Number = None
    bmi: Number = None
    hrt_use: Annotated[Use | None, Text] = None
    hrt_type: Annotated[HrtType | None, Text] = None
    oral_contraceptive: Annotated[Use | None, Text] = None
    alcohol_g_per_day: Number = None
    biopsies: WholeNumber = None
    atypical_hyperplasia: YesNo = None
    lcis: YesNo = None
    benign_breast_disease: YesNo = None
    first_degree_relatives: WholeNumber = None
    brca: Annotated[BrcaStatus | None, Text] = None
    ashkenazi: YesNo = None
    ovarian_cancer: YesNo = None
    breast_density: Annotated[BreastDensity | None, Text] = None
    last_mammogram: Annotated[LastMammogram | None, Text] = None
    prior_breast_cancer: YesNo = None
    onset_mother: OnsetAges = None
    onset_daughters: OnsetAges = None
    onset_full_sisters: OnsetAges = None
    onset_maternal_aunts: OnsetAges = None
    onset_paternal_aunts: OnsetAges = None
    onset_maternal_grandmother: OnsetAges = None
    onset_paternal_grandmother: OnsetAges = None
    onset_maternal_half_sisters: OnsetAges = None
    onset_paternal_half_sisters: OnsetAges = None

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise QuestionnaireError(_explain(error), remedy=_REMEDY) from None
        frame, problems = check_frame(self.to_frame())
        if problems.iloc[0]:
            raise QuestionnaireError("; ".join(problems.iloc[0]), remedy=_REMEDY)
        if self.bmi is None and self.height_cm is not None and self.weight_kg is not None:
            object.__setattr__(self, "bmi", float(frame["bmi"].iloc[0]))

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        return [(name, value) for name, value in self if value is not None]

    def to_frame(self) -> pd.DataFrame:
        """Return a table of one row with the known fields as columns."""
        import pandas as pd

        known = {name: value for name, value in self if value is not None}
        return pd.DataFrame({name: [value] for name, value in known.items()})


_REMEDY = "Leave out fields that are not known."


def _explain(error: ValidationError) -> str:
    """Join all faults to one line, with the names of fields but not their values."""
    parts = []
    for item in error.errors(include_url=False, include_input=False):
        name = str(item["loc"][0]) if item["loc"] else "questionnaire"
        if item["type"] == "extra_forbidden":
            parts.append(f"{name}: no such field")
        elif name in CATEGORIES:
            parts.append(f"{name}: must be one of {', '.join(CATEGORIES[name])}")
        elif item["type"] == "missing":
            parts.append(f"{name}: required")
        elif name in NUMBERS:
            parts.append(f"{name}: {range_text(name)}")
        else:
            parts.append(f"{name}: {item['msg'].lower()}")
    return "; ".join(dict.fromkeys(parts))
