"""RecalibratedModel: a model whose risks are recalibrated on a local cohort."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from mammorisk._utils.digests import json_digest
from mammorisk._utils.model_folder import ModelState
from mammorisk.base import (
    DEFAULT_HORIZONS,
    Horizon,
    ImageModel,
    ModelCard,
    PreparedExam,
    PreparedView,
    RiskModel,
    Scores,
    check_horizons,
)
from mammorisk.metrics.recalibration import (
    Recalibration,
    log_hazard_change,
    recalibrated_risks,
)
from mammorisk.risk_models.storage import card_from, check_same_card
from mammorisk.warnings import make_warning

if TYPE_CHECKING:
    import pandas as pd

    from mammorisk.imaging.segmented_view import SegmentedView
    from mammorisk.records.exam import Exam

KIND = "recalibrated"
MODEL_FOLDER = "model"


@dataclass(frozen=True, repr=False, kw_only=True)
class RecalibratedModel(ImageModel):
    """A model whose risks are recalibrated to those observed in a cohort, by horizon.

    Made by :func:`mammorisk.recalibrate`.

    Attributes
    ----------
    model : RiskModel
    maps : dict of float to Recalibration
        Recalibration by horizon in years. Other horizons have no risk.
    card : ModelCard
    record : dict
        Numbers of women and cancers of the fit, the method, the rule that chose it, the
        cross-validated score of each method, and the rows of ``calibration``.

    See Also
    --------
    mammorisk.recalibrate : Makes it.
    """

    exams_at_once = 32

    model: RiskModel
    maps: Mapping[float, Recalibration]
    card: ModelCard  # type: ignore[misc]
    record: Mapping[str, Any] = field(default_factory=dict)

    @property
    def calibration(self) -> pd.DataFrame:
        """Performance before and after recalibration, by horizon.

        The risks after it are of women whom the maps were not fitted to. Columns as those of
        the tables of :class:`mammorisk.Report`, with ``stage``. Empty for a model saved without.
        """
        import pandas as pd

        return pd.DataFrame(self.record.get("calibration", []))

    def with_options(self, *, encoder: Any) -> RecalibratedModel:
        """Return the same model with the encoder of a model on embeddings.

        Parameters
        ----------
        encoder : str, path or Encoder
            For :func:`mammorisk.embeddings.load_encoder`, or its result.

        Raises
        ------
        TypeError
            The model has no encoder of its own to name.
        ModelError
            Weights or preprocessing are not those of the fit.
        """
        change = getattr(self.model, "with_encoder", None)
        if change is None:
            raise TypeError(f"{self.name} has no option encoder")
        return replace(self, model=change(encoder))

    @property
    def uses_images(self) -> bool:
        return self.model.uses_images

    @property
    def other_rates(self) -> Any:
        return self.model.other_rates

    @property
    def calibration_id(self) -> str:
        maps = {f"{horizon:g}": one.to_dict() for horizon, one in self.maps.items()}
        return f"local-{json_digest(maps)[:16]}"

    @property
    def uses_priors(self) -> bool:
        return isinstance(self.model, ImageModel) and self.model.uses_priors

    @property
    def is_light(self) -> bool:
        return isinstance(self.model, ImageModel) and self.model.is_light

    @property
    def backend(self) -> str:  # type: ignore[override]
        return self.model.backend if isinstance(self.model, ImageModel) else "auto"

    @property
    def backend_used(self) -> str | None:
        return self.model.backend_used if isinstance(self.model, ImageModel) else None

    def on_backend(self, backend: str) -> RecalibratedModel:
        return replace(self, model=self._image_model.on_backend(backend))

    @property
    def _image_model(self) -> ImageModel:
        if not isinstance(self.model, ImageModel):
            raise TypeError(f"{self.model.name} does not read images")
        return self.model

    def check_exam(self, exam: Exam) -> None:
        self._image_model.check_exam(exam)

    def prepare_view(self, seen: SegmentedView) -> PreparedView:
        return self._image_model.prepare_view(seen)

    def explain_exam(self, frame: pd.DataFrame, exam: PreparedExam, method: str) -> Any:
        return self._image_model.explain_exam(frame, exam, method)

    def score(self, frame: pd.DataFrame, horizons: Sequence[Horizon] = DEFAULT_HORIZONS) -> Scores:
        wanted = check_horizons(horizons)
        return self._mapped(self.model.score(frame, wanted))

    def score_exams(
        self,
        frame: pd.DataFrame,
        exams: Sequence[PreparedExam | None],
        horizons: Sequence[Horizon] = DEFAULT_HORIZONS,
    ) -> Scores:
        wanted = check_horizons(horizons)
        return self._mapped(self._image_model.score_exams(frame, exams, wanted))

    def _mapped(self, scores: Scores) -> Scores:
        horizons = cast("list[Horizon]", scores.risk.columns.tolist())
        lost = [h for h in horizons if isinstance(h, str) or h not in self.maps]
        warnings = scores.warnings
        if lost:
            text = "not recalibrated at: " + ", ".join(
                h if isinstance(h, str) else f"{h:g} years" for h in lost
            )
            warnings = warnings.map(lambda own: (*own, make_warning("horizon-not-answered", text)))
        contributions = self._with_contribution(scores)
        return replace(
            scores,
            risk=self._map_table(scores.risk),
            # The interval of the model was not shown to cover the risk of other women.
            lower=None,
            upper=None,
            warnings=warnings,
            contributions=contributions,
        )

    def _with_contribution(self, scores: Scores) -> pd.DataFrame | None:
        """What the recalibration adds to the log hazard at five years."""
        if scores.contributions is None or 5 not in self.maps or 5 not in scores.risk.columns:
            return scores.contributions
        change = log_hazard_change(self.maps[5], scores.risk[5].to_numpy(dtype=float))
        return scores.contributions.assign(recalibration=change)

    def _map_table(self, table: pd.DataFrame) -> pd.DataFrame:
        horizons = cast("list[Horizon]", table.columns.tolist())
        years = sorted(h for h in horizons if not isinstance(h, str) and h in self.maps)
        out = table.astype(float)
        out[:] = np.nan
        if years:
            risk = table[years].to_numpy(dtype=float)
            out[years] = recalibrated_risks(self.maps, risk, years)
        return out

    def state(self) -> ModelState:
        config = {
            "kind": KIND,
            "name": self.card.name,
            "card": asdict(self.card),
            "maps": {f"{h:g}": one.to_dict() for h, one in self.maps.items()},
            "record": dict(self.record),
        }
        return ModelState(config=config, parts={MODEL_FOLDER: self.model.state()})


def load_recalibrated(config: Mapping[str, Any], model: RiskModel) -> RecalibratedModel:
    """Load a saved model from its configuration and the inner model.

    Raises
    ------
    ModelError
        The card cannot be used, or contradicts that of the inner model.
    KeyError, TypeError, ValueError
        The configuration is damaged.
    """
    card = card_from(config)
    check_same_card(card, model.card)
    return RecalibratedModel(
        model=model,
        maps={float(h): Recalibration.from_dict(one) for h, one in config["maps"].items()},
        card=card,
        record=dict(config["record"]),
    )
