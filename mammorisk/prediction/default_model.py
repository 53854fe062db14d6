"""The default model, used when no model is named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from mammorisk._utils.model_folder import ModelState
from mammorisk._utils.optional import NETWORKS, installed
from mammorisk.base import (
    DEFAULT_HORIZONS,
    Horizon,
    ModelCard,
    RiskModel,
    Scores,
    check_horizons,
)
from mammorisk.clinical.registry import load_clinical
from mammorisk.records.cohort import Cohort
from mammorisk.risk_models.registry import load_model
from mammorisk.warnings import Warnings, is_refused, join_text, make_warning

if TYPE_CHECKING:
    import pandas as pd

#: Default models with a known or measured density, and without.
WITH_DENSITY, WITHOUT_DENSITY = "bcsc-2008", "icare-lit"
#: The default model for exams.
WITH_IMAGES = "hybrid"


def default_name(has_images: bool, horizons: tuple[Horizon, ...]) -> str | None:
    """Return the name of the network for exams, if it answers all horizons.

    None stands for the published default.
    """
    return WITH_IMAGES if has_images and all(h in DEFAULT_HORIZONS for h in horizons) else None


@dataclass(frozen=True, repr=False)
class PublishedDefault(RiskModel):
    """Two published models as one: bcsc-2008 where density is known, else icare-lit.

    icare-lit also scores women outside the ages of bcsc-2008, with a warning
    ``"model-replaced"``, and all women if a horizon is over five years. A woman whom bcsc-2008
    refuses for any other reason gets no risk. ``Scores.models`` names the model of each row.

    Attributes
    ----------
    images_unused : bool
        There are images, but the network for them is not installed. Every row has a warning.
    """

    images_unused: bool = False

    card: ClassVar[ModelCard] = ModelCard(
        name="published-default",
        title="bcsc-2008 where breast density is known, else icare-lit",
        family="questionnaire",
        inputs=tuple(
            dict.fromkeys(
                (
                    *load_clinical(WITH_DENSITY).card.inputs,
                    *load_clinical(WITHOUT_DENSITY).card.inputs,
                )
            )
        ),
        required=("age",),
        outcome="invasive",
        ages=(20, 79),
        horizons="1 year to age 80",
        competing_mortality=True,
        training_data="see the two models",
        source="see the two models",
        licence="see the two models",
        intended_use="a default for women and tables without images",
        limits="two models with different outcomes and populations: name one for a paper",
    )

    @property
    def calibration_id(self) -> str:
        return "published"

    def score(self, frame: pd.DataFrame, horizons: Sequence[Horizon] = DEFAULT_HORIZONS) -> Scores:
        scores = self._score(frame, horizons)
        if not self.images_unused:
            return scores
        note = make_warning(
            "network-not-installed",
            f"{WITH_IMAGES} was not used: pip install 'mammorisk[{NETWORKS}]'",
        )
        return replace(scores, warnings=scores.warnings.map(lambda own: (*own, note)))

    def _score(self, frame: pd.DataFrame, horizons: Sequence[Horizon]) -> Scores:
        import numpy as np
        import pandas as pd

        wanted = check_horizons(horizons)
        fallback = load_clinical(WITHOUT_DENSITY)
        beyond = any(h == "lifetime" or h > 5 for h in wanted)
        if "breast_density" not in frame.columns or beyond:
            return _by(fallback.score(frame, wanted), [WITHOUT_DENSITY] * len(frame))
        first = load_clinical(WITH_DENSITY).score(frame, wanted)
        known = frame["breast_density"].notna().to_numpy()
        # icare-lit scores women with an unknown answer or another age. Other refusals are final.
        final = np.array([_is_final(told) for told in first.warnings], dtype=bool)
        answered = (first.risk.notna().all(axis=1).to_numpy() & known) | final
        if answered.all():
            return _by(first, [WITH_DENSITY] * len(frame))
        rest = ~answered
        second = fallback.score(frame[rest], wanted)
        risk = first.risk.copy()
        risk[rest] = second.risk.to_numpy()
        warnings = list(first.warnings)
        for place, own in zip(np.flatnonzero(rest), second.warnings, strict=True):
            # The reason is of interest only for a woman whose density is known.
            skipped = warnings[place] if known[place] else ()
            warnings[place] = _with_reason(own, skipped)
        parts = [s.contributions for s in (first, second) if s.contributions is not None]
        contributions = None
        if len(parts) == 2:
            both = pd.concat([parts[0][answered], parts[1]])
            order = np.argsort(np.concatenate([np.flatnonzero(answered), np.flatnonzero(rest)]))
            contributions = both.iloc[order].set_axis(frame.index, axis=0)
        scores = Scores(
            risk=risk,
            warnings=pd.Series(warnings, index=frame.index, dtype=object),
            contributions=contributions,
        )
        return _by(scores, np.where(answered, WITH_DENSITY, WITHOUT_DENSITY).tolist())

    def state(self) -> ModelState:
        return ModelState(config={"kind": "published", "name": WITHOUT_DENSITY, "options": {}})


def _is_final(warnings: Warnings) -> bool:
    """Whether a woman is refused for a reason other than her age."""
    return is_refused(one for one in warnings if one.code != "age-out-of-range")


def _with_reason(own: Warnings, skipped: Warnings) -> Warnings:
    if not skipped or own == skipped:
        return own
    text = f"{WITH_DENSITY} does not apply ({join_text(skipped)})"
    return (*own, make_warning("model-replaced", text))


def _by(scores: Scores, names: list[str]) -> Scores:
    import pandas as pd

    return replace(scores, models=pd.Series(names, index=scores.risk.index, dtype=object))


def choose_model(
    model: str | Path | RiskModel | None, cohort: Cohort, horizons: tuple[Horizon, ...]
) -> RiskModel:
    """Return the requested model, or the default model."""
    if isinstance(model, RiskModel):
        return model
    if model is not None:
        return load_model(model)
    return default_model(cohort.has_images, horizons)


def default_model(has_images: bool, horizons: tuple[Horizon, ...] = DEFAULT_HORIZONS) -> RiskModel:
    """Return the default model: the network for exams, else the published default.

    Without torch the published default is also used for exams, with a warning.
    """
    name = default_name(has_images, horizons)
    if name is None:
        return PublishedDefault()
    return load_model(name) if installed("torch") else PublishedDefault(images_unused=True)
