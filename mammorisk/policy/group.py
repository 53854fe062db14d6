"""Group: what a policy does for women of one kind."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

IMAGING = ("mammography", "tomosynthesis", "mri", "ultrasound", "contrast mammography")
MAMMOGRAPHY = ("mammography", "tomosynthesis")
#: Roles under which an examination is part of the policy rather than a possibility.
PLANNED = ("recommend", "offer")
_WORDS = {"mri": "MRI", "tomosynthesis": "mammography with tomosynthesis"}


class Strict(BaseModel):
    """Part of a policy file: unknown keys are mistakes."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Action(Strict):
    """One thing a policy does for a group.

    Attributes
    ----------
    modality : str
        What is done, one of ``IMAGING`` where it is an examination.
    role : {"recommend", "offer", "consider", "discuss"}
    interval_months : float or (float, float), optional
        Between examinations; a range runs from the shortest to the longest.
    condition : str, optional
        In words, whom of the group it concerns.
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
        """Shortest and longest interval, months."""
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
    """Women for whom a policy does the same.

    Attributes
    ----------
    category : str, optional
        Name shown; several groups may share one. Default: the name of the group.
    label : str
    actions : list of Action
        Empty where the policy states none.
    no_screening : bool
        The policy says that these women are not screened (for now).
    interval_months : float, optional
        Between visits, where it is not the shortest interval of the imaging actions.
    start_age : float, optional
        Years; imaging does not start earlier.
    unverified : list of str
        Which of these figures were not checked against the primary source.
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
        """Months between imaging visits, shortest and longest; None where not stated."""
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
        """Every action in words, joined by ``"; "``."""
        if self.no_screening:
            return "no routine screening"
        return "; ".join(action.words for action in self.actions) or "none stated"

    def per_year(self, modalities: tuple[str, ...], *, longest: bool = False) -> float:
        """Examinations a year of a woman in this group; NaN where the policy does not say."""
        if self.no_screening:
            return 0.0
        if not self.actions:
            return float("nan")
        planned = [a for a in self.actions if a.modality in modalities and a.role in PLANNED]
        # A policy that adds to mammography without stating its interval is silent, not at zero.
        if not planned:
            return float("nan") if modalities == MAMMOGRAPHY else 0.0
        return sum(
            12.0 / a.interval_range[longest] if a.interval_range else float("nan") for a in planned
        )
