"""ClinicalModel: scoring of a questionnaire table, shared by all published models."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mammorisk._utils.digests import json_digest
from mammorisk._utils.model_folder import ModelState
from mammorisk.base import (
    DEFAULT_HORIZONS,
    Horizon,
    RiskModel,
    Scores,
    check_horizons,
)
from mammorisk.clinical.adverse_facts import add_unused_facts
from mammorisk.clinical.answers import Answers
from mammorisk.clinical.exclusions import add_exclusions, as_records
from mammorisk.clinical.notes import Notes
from mammorisk.errors import HorizonError, ModelError
from mammorisk.records.questionnaire_table import check_frame
from mammorisk.records.read_answers import read_field_names, with_table_warnings

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

#: Women scored at a time: arrays of this length stay in the processor's cache.
CHUNK = 32_768


@dataclass(frozen=True, repr=False)
class ClinicalModel(RiskModel):
    """Base class of the published models.

    A subclass defines its card, its range of ages and horizons, and its formula in
    :meth:`_assess`. Scoring is the same for all models. Rows with faulty answers, prior breast
    cancer, an excluded condition or an age outside the card's range get NaN and the reason.
    Horizons that the model never answers get a NaN column.

    See Also
    --------
    mammorisk.load_model : Loads a model by name.
    mammorisk.models : Lists the models.

    Examples
    --------
    >>> import mammorisk as mr
    >>> model = mr.load_model("bcrat")
    >>> model.ages, model.last_age
    ((35, 85), 90.0)
    """

    #: Last age of the data with which the model was published.
    end_of_data: ClassVar[float] = 90.0
    #: Longest horizon in years; infinite if only the data limit it.
    longest: ClassVar[float] = np.inf
    #: Conditions for which the model refuses a woman.
    excludes_carriers: ClassVar[bool] = True
    excludes_lcis: ClassVar[bool] = False
    #: Atypical hyperplasia and LCIS count as a biopsy, whatever its result.
    results_as_biopsy: ClassVar[bool] = False
    #: Columns of the contributions, in order; empty if the model has no relative risks.
    factors: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def option_names(cls) -> tuple[str, ...]:
        return tuple(field.name for field in fields(cls))

    @property
    def options(self) -> dict[str, Any]:
        """Options with which this model was made, as JSON types."""
        return asdict(self)

    def _check_option(self, option: str, allowed: Sequence[str]) -> None:
        value = getattr(self, option)
        if value not in allowed:
            raise ModelError(
                f"{self.name} has no {option}={value!r}", remedy=f"One of: {', '.join(allowed)}."
            )

    @property
    def calibration_id(self) -> str:
        if self.other_rates is None:
            return "published"
        return f"rates-{json_digest(self.other_rates.describe())[:16]}"

    def state(self) -> ModelState:
        return ModelState(config={"kind": "published", "name": self.name, "options": self.options})

    @property
    def last_age(self) -> float:
        """Last age of the data, years; ``"lifetime"`` ends there."""
        return self.end_of_data

    @property
    def ages(self) -> tuple[float, float]:
        """Ages that are scored, in completed years, both inclusive."""
        return self.card.ages

    def answers(self, horizon: Horizon) -> bool:
        """Whether the model answers a horizon for any woman."""
        if horizon == "lifetime":
            return bool(np.isinf(self.longest))
        return horizon <= min(self.longest, self.last_age - self.ages[0])

    def score(self, frame: pd.DataFrame, horizons: Sequence[Horizon] = DEFAULT_HORIZONS) -> Scores:
        """Score a questionnaire table; see :meth:`mammorisk.RiskModel.score`.

        Columns that differ from a field in case, blanks and punctuation alone are read. A column
        that only looks like a field is not read, with a warning ``"column-not-read"``.

        Contributions are NaN for women without a risk, and for a factor that is not used for the
        woman or is unknown and averaged over.
        """
        import pandas as pd

        wanted = check_horizons(horizons)
        within = np.array([self.answers(horizon) for horizon in wanted])
        if not within.any():
            raise HorizonError(
                f"{self.name} answers none of the requested horizons",
                remedy=f"It answers: {self.card.horizons}.",
            )
        frame, told = read_field_names(frame)
        clean, problems = check_frame(frame)
        faults = as_records(problems.to_numpy(dtype=object))
        parts = [
            self._score_chunk(
                Answers(clean.iloc[i : i + CHUNK]), faults[i : i + CHUNK], wanted, within
            )
            for i in range(0, max(len(clean), 1), CHUNK)
        ]
        risk = pd.DataFrame(
            np.concatenate([part[0] for part in parts]), index=frame.index, columns=list(wanted)
        )
        warnings = pd.Series(np.concatenate([part[1] for part in parts]), frame.index, dtype=object)
        contributions = None
        if self.factors:
            contributions = pd.DataFrame(
                np.concatenate([part[2] for part in parts]),
                index=frame.index,
                columns=list(self.factors),
            )
        warnings = with_table_warnings(warnings, told)
        return Scores(risk=risk, warnings=warnings, contributions=contributions)

    def refusals(self, frame: pd.DataFrame) -> pd.Series:
        """Return the reasons for which the model does not apply, without scoring.

        Parameters
        ----------
        frame : DataFrame
            Columns are Questionnaire fields.

        Returns
        -------
        Series of tuple of ResultWarning
            Empty where the model applies. An unknown answer is not a refusal.

        Examples
        --------
        >>> import pandas as pd
        >>> import mammorisk as mr
        >>> women = pd.DataFrame({"age": [54, 54], "brca": ["brca2", "negative"]})
        >>> [str(*found) for found in mr.load_model("bcsc-2008").refusals(women)]
        ['not for BRCA1/2 carriers', '']
        """
        import pandas as pd

        clean, problems = check_frame(read_field_names(frame)[0])
        women = Answers(clean)
        found = Notes(len(women))
        self._refuse_common(women, found)
        self._refuse(women, found)
        return pd.Series(
            [
                fault or tuple(one for one in own if one.severity == "refusal")
                for fault, own in zip(
                    as_records(problems.to_numpy(dtype=object)), found.records(), strict=True
                )
            ],
            index=frame.index,
            dtype=object,
        )

    def _score_chunk(
        self,
        women: Answers,
        faults: NDArray[np.object_],
        wanted: tuple[Horizon, ...],
        within: NDArray[np.bool_],
    ) -> tuple[Floats, NDArray[np.object_], Floats]:
        sound = np.array([not found for found in faults], dtype=bool)
        refusals = Notes(len(women))
        self._refuse_common(women, refusals)
        self._refuse(women, refusals)
        warnings = np.where(sound, refusals.records(), faults)
        scored = sound & ~refusals.any
        if not scored.all():
            women = women.take(scored)
        notes = Notes(len(women))
        end = self._end_ages(women, wanted, within, notes)
        assessed, logs = self._assess(women, end, notes)
        add_unused_facts(women, notes, self.card.inputs, biopsy_only=self.results_as_biopsy)
        risk = np.full((len(warnings), len(wanted)), np.nan)
        # Sums of many small terms may exceed 1 by a rounding error.
        risk[scored] = np.minimum(assessed, 1.0)
        warnings[scored] = notes.records()
        contributions = np.full((len(warnings), len(self.factors)), np.nan)
        for j, factor in enumerate(self.factors):
            contributions[scored, j] = logs.get(factor, np.nan)
        return risk, warnings, contributions

    def _refuse_common(self, women: Answers, refusals: Notes) -> None:
        add_exclusions(
            women,
            refusals,
            ages=self.ages,
            carriers=self.excludes_carriers,
            lcis=self.excludes_lcis,
        )

    def _refuse(self, women: Answers, refusals: Notes) -> None:
        """Add this model's own reasons for refusing a woman."""

    def _end_ages(
        self,
        women: Answers,
        wanted: tuple[Horizon, ...],
        within: NDArray[np.bool_],
        notes: Notes,
    ) -> Floats:
        """Age at the end of each horizon, shape (n, k); NaN outside the range of the model."""
        age = women.age
        end = np.full((len(women), len(wanted)), np.nan)
        everyone = np.ones(len(women), dtype=bool)
        for j, horizon in enumerate(wanted):
            if not within[j]:
                name = horizon if horizon == "lifetime" else f"{horizon:g} years"
                under = "horizon not answered by this model"
                notes.add(everyone, "horizon-not-answered", name, under=under)
            elif horizon == "lifetime":
                end[:, j] = self.last_age
                if self.last_age != 90:
                    notes.add(everyone, "lifetime-end", f"lifetime ends at age {self.last_age:g}")
            else:
                # A horizon that ends on the last birthday must not fail by a rounding error.
                beyond = age + horizon > self.last_age + 1e-9
                end[:, j] = np.where(beyond, np.nan, np.minimum(age + horizon, self.last_age))
                notes.add(
                    beyond,
                    "horizon-past-last-age",
                    f"{horizon:g} years",
                    under=f"horizon passes age {self.last_age:g}",
                )
        return end

    @abstractmethod
    def _assess(
        self, women: Answers, end: Floats, notes: Notes
    ) -> tuple[Floats, Mapping[str, Floats]]:
        """Compute the risks of women to whom the model applies.

        Parameters
        ----------
        women : Answers
            Valid answers, within the model's range.
        end : ndarray, shape (n, k)
            Ages at the end of the horizons; NaN where no risk is needed.
        notes : Notes
            Receives the assumptions that were made.

        Returns
        -------
        risk : ndarray, shape (n, k)
        contributions : mapping of str to ndarray, shape (n,)
            Log relative risk by factor, among ``factors``.
        """
