"""Group: the actions of a policy for one group of women."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

IMAGING = ("mammography", "tomosynthesis", "mri", "ultrasound", "contrast mammography")
MAMMOGRAPHY = ("mammography", "tomosynthesis")
#: Roles of examinations that are part of the policy and not only a possibility.
PLANNED = ("recommend", "offer")
_WORDS = {"mri": "MRI", "tomosynthesis": "mammography with tomosynthesis"}


class Strict(BaseModel):
    """Base class of the parts of a policy file. Unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Action(Strict):
    """One action of a policy for a group.

    Attributes
    ----------
    modality : str
        The action; one of ``IMAGING`` for an imaging examination.
    role : {"recommend", "offer", "consider", "discuss"}
    interval_months : float or (float, float), optional
        Months between examinations, or the shortest and longest number of months.
    condition : str, optional
        Description of the women in the group to whom the action applies.
    """

    modality: Literal[
        "mammography",
        "tomosynthesis",
        "mri",
        "ultrasound",
        "contrast mammography",
        "supplemental imaging",
        "counselling",
        "chemoprevention",
        "clinical encounter",
        "reassessment",
    ]
    role: Literal["recommend", "offer", "consider", "discuss"] = "recommend"
    interval_months: float | tuple[float, float] | None = None
    condition: str | None = None

    @field_validator("interval_months")
    @classmethod
    def _ordered(
        cls, value: float | tuple[float, float] | None
    ) -> float | tuple[float, float] | None:
        ends = value if isinstance(value, tuple) else (value or 1.0,)
        if min(ends) <= 0 or list(ends) != sorted(ends):
            raise ValueError("an interval must be positive, a range from short to long")
        return value

    @property
    def interval_range(self) -> tuple[float, float] | None:
        """Shortest and longest interval in months."""
        if self.interval_months is None or isinstance(self.interval_months, tuple):
            return self.interval_months
        return (self.interval_months, self.interval_months)

    @property
    def words(self) -> str:
        role = "" if self.role == "recommend" else f"{self.role} "
        ends = self.interval_range
        every = ""
        if ends is not None:
            months = f"{ends[0]:g}" if ends[0] == ends[1] else f"{ends[0]:g}-{ends[1]:g}"
            every = f" every {months} months"
        name = _WORDS.get(self.modality, self.modality)
        return f"{role}{name}{every}{f' ({self.condition})' if self.condition else ''}"


class Group(Strict):
    """Women for whom a policy has the same actions.

    Attributes
    ----------
    category : str, optional
        Name in results; several groups can have the same. Default: the name of the group.
    label : str
        Description.
    actions : list of Action
        Empty if the policy states none.
    no_screening : bool
        Whether the policy states that these women are not screened (for now).
    interval_months : float, optional
        Months between visits, if this is not the shortest interval of the imaging actions.
    start_age : float, optional
        Earliest age in years for imaging.
    unverified : list of str
        Figures of the group that were not checked against the primary source.
    """

    category: str | None = None
    label: str
    actions: list[Action] = Field(default_factory=list)
    no_screening: bool = False
    interval_months: float | None = Field(default=None, gt=0)
    start_age: float | None = Field(default=None, ge=0, lt=130)
    unverified: list[str] = Field(default_factory=list)

    @property
    def interval_range(self) -> tuple[float, float] | None:
        """Shortest and longest number of months between imaging visits. None if not stated."""
        if self.interval_months is not None:
            return (self.interval_months, self.interval_months)
        ends = [
            action.interval_range
            for action in self.actions
            if action.modality in IMAGING and action.role in PLANNED and action.interval_range
        ]
        return min(ends) if ends else None

    @property
    def modality(self) -> str:
        """Text of all actions, joined by ``"; "``."""
        if self.no_screening:
            return "no routine screening"
        return "; ".join(action.words for action in self.actions) or "none stated"

    def per_year(self, modalities: tuple[str, ...], *, longest: bool = False) -> float:
        """Return the examinations per year of a woman in this group. NaN if not stated."""
        if self.no_screening:
            return 0.0
        if not self.actions:
            return float("nan")
        planned = [a for a in self.actions if a.modality in modalities and a.role in PLANNED]
        # A policy that adds to mammography without stating its interval is unknown, not zero.
        if not planned:
            return float("nan") if modalities == MAMMOGRAPHY else 0.0
        return sum(
            12.0 / a.interval_range[longest] if a.interval_range else float("nan") for a in planned
        )
