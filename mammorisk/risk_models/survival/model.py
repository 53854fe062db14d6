"""SurvivalModel: a model fitted by scikit-survival, evaluated and saved without it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mammorisk._utils.digests import json_digest
from mammorisk._utils.model_folder import ModelState
from mammorisk._utils.typing import Floats
from mammorisk.base import (
    DEFAULT_HORIZONS,
    Horizon,
    ModelCard,
    Scores,
    check_horizons,
)
from mammorisk.clinical.adverse_facts import add_unused_facts
from mammorisk.clinical.answers import Answers
from mammorisk.clinical.exclusions import exclusions
from mammorisk.clinical.notes import Notes
from mammorisk.errors import HorizonError
from mammorisk.inputs.feature_set import FeatureSet
from mammorisk.metrics.recalibration import (
    Recalibration,
    log_hazard_change,
    recalibrated_risks,
)
from mammorisk.records.exam import STANDARD_VIEWS
from mammorisk.records.questionnaire_table import check_frame
from mammorisk.records.read_answers import read_field_names, with_table_warnings
from mammorisk.risk_models.hybrid.card_text import card_text
from mammorisk.risk_models.hybrid.domain_guard import DomainGuard, GuardReading
from mammorisk.risk_models.hybrid.guard_features import guard_features
from mammorisk.risk_models.hybrid.training_origin import TrainingOrigin
from mammorisk.risk_models.on_embeddings.embeds_views import EmbedsViews
from mammorisk.risk_models.on_embeddings.encoder_record import EncoderRecord
from mammorisk.risk_models.recipe import Recipe
from mammorisk.risk_models.survival.adverse_answers import highest_below
from mammorisk.risk_models.survival.design import Design, answer_table
from mammorisk.risk_models.survival.predictors import YEARS, CoxPredictor, Predictor
from mammorisk.warnings import ResultWarning, Warnings, make_warning

if TYPE_CHECKING:
    from mammorisk.risk_models.encoders.encoder import Encoder

KIND = "survival"


@dataclass(repr=False, kw_only=True)
class SurvivalModel(EmbedsViews):
    """A penalised Cox regression, a survival forest or gradient boosting.

    The model answers whole years from 1 to 5. It refuses women with prior breast cancer, a BRCA1/2
    mutation or LCIS, and women outside ``card.ages``. If it was fitted on embeddings, a woman
    without images, or with images unlike those of the training, has no risk.

    Attributes
    ----------
    recipe : Recipe
    card : ModelCard
    design : Design
    predictor : Predictor
        Evaluated by this package: scikit-survival is needed for the fit only.
    recalibration : dict of int to Recalibration
        By horizon in years.
    embeddings : EncoderRecord or None
    guard : DomainGuard or None
        Checks the features of an exam.
    origin : TrainingOrigin or None
        Checks the headers of an exam.
    training : dict
        Record of the fit.
    given_encoder : Encoder or None
    backend : str
    """

    recipe: Recipe
    card: ModelCard  # type: ignore[misc]
    design: Design
    predictor: Predictor
    recalibration: dict[int, Recalibration] = field(default_factory=dict)
    embeddings: EncoderRecord | None = None
    guard: DomainGuard | None = None
    origin: TrainingOrigin | None = None
    training: dict[str, Any] = field(default_factory=dict)
    given_encoder: Encoder | None = None
    backend: str = "auto"

    @property
    def calibration_id(self) -> str:
        maps = {str(year): one.to_dict() for year, one in self.recalibration.items()}
        return f"fit-{json_digest(maps)[:16]}" if maps else "none"

    def with_options(self, *, encoder: Any) -> SurvivalModel:
        """Return the same model with an encoder, as :meth:`with_encoder`."""
        return self.with_encoder(encoder)

    def score(self, frame: pd.DataFrame, horizons: Sequence[Horizon] = DEFAULT_HORIZONS) -> Scores:
        frame, told = read_field_names(frame)
        scores = self.score_exam_set(frame, None, horizons)
        return replace(scores, warnings=with_table_warnings(scores.warnings, told))

    def score_exam_set(
        self,
        frame: pd.DataFrame,
        exams: FeatureSet | None,
        horizons: Sequence[Horizon] = DEFAULT_HORIZONS,
    ) -> Scores:
        """Score women with the features of their exams.

        Parameters
        ----------
        frame : DataFrame, n rows
            Columns are Questionnaire fields.
        exams : FeatureSet, n rows, or None
        horizons : sequence of float
            Whole years from 1 to 5. Other horizons get NaN.

        Returns
        -------
        Scores
            ``contributions`` of a Cox regression are log hazard ratios against a woman of 55 with
            average answers and images, by group of columns, and ``calibration`` at five years.
            Trees have none.

        Raises
        ------
        HorizonError
            None of the horizons is a whole year from 1 to 5.
        EmbeddingError
            The features are of another encoder.
        """
        wanted = check_horizons(horizons)
        if not any(h in range(1, YEARS + 1) for h in wanted):
            raise HorizonError(
                f"{self.name} answers whole years from 1 to {YEARS}", remedy="Ask for one of them."
            )
        if exams is not None and self.embeddings is not None:
            self.embeddings.check(exams, self.name)
        clean, problems = check_frame(frame)
        clean = clean.reset_index(drop=True)
        refused = list(exclusions(clean, problems, self.card.ages))
        reading = None
        if self.guard is not None and exams is not None:
            reading = self.guard.read(guard_features(exams, exams.features))
        if self.uses_images:
            told = self.objections(exams, len(clean), reading)
            refused = [why or more for why, more in zip(refused, told, strict=True)]
        rows = np.flatnonzero([not why for why in refused])
        risk = np.full((len(clean), YEARS), np.nan)
        contributions = None
        if len(rows):
            some = None if exams is None else exams.take(rows)
            matrix = self.design.matrix(clean.iloc[rows].reset_index(drop=True), some)
            before = -np.expm1(-self.cumulative_hazard(matrix, clean.iloc[rows]))
            risk[rows] = self.recalibrated(before)
            contributions = self._contributions(matrix, before, rows, len(clean))
        table = pd.DataFrame(
            {
                h: risk[:, int(h) - 1] if h in range(1, YEARS + 1) else np.full(len(frame), np.nan)
                for h in wanted
            },
            index=frame.index,
        )
        seen = np.zeros(len(clean), dtype=bool)
        if self.uses_images:
            seen[rows] = True
        warnings = self._warnings(clean, refused, exams, seen)
        return Scores(
            risk=table,
            warnings=pd.Series(warnings, index=frame.index, dtype=object),
            contributions=(
                None if contributions is None else contributions.set_axis(frame.index, axis=0)
            ),
            images_used=pd.Series(seen, index=frame.index),
            guard_distance=None if reading is None else pd.Series(reading.distance, frame.index),
            guard_limit=None if reading is None else pd.Series(reading.limit, frame.index),
        )

    def cumulative_hazard(self, matrix: Floats, clean: pd.DataFrame) -> Floats:
        """Cumulative hazard by the end of each year before recalibration, shape (n, years)."""
        if self.predictor.monotone:
            return self.predictor.cumulative_hazard(matrix)
        answers = answer_table(clean)[list(self.design.adverse())].to_numpy(dtype=float)
        return highest_below(self.predictor.cumulative_hazard, self.design, matrix, answers)

    def recalibrated(self, risk: Floats) -> Floats:
        """Recalibrated risk, shape (n, years), which never decreases from year to year."""
        return recalibrated_risks(self.recalibration, risk, range(1, YEARS + 1))

    def objections(
        self, exams: FeatureSet | None, n: int, reading: GuardReading | None
    ) -> list[Warnings]:
        """Return the reasons for not using the images of each exam; empty where they are used.

        Parameters
        ----------
        exams : FeatureSet, n exams, or None
        n : int
        reading : GuardReading or None
            Of the domain guard, if the model has one.
        """
        needed = make_warning("images-needed", f"{self.name} needs images")
        if exams is None:
            return [(needed,)] * n
        unlike = [None] * n if reading is None else reading.objections(self.name)
        complete = exams.complete()
        only_complete = self.recipe.embeddings is not None and self.recipe.embeddings.complete
        found: list[Warnings] = []
        for i in range(n):
            reason: ResultWarning | None = None
            if not exams.present[i].any():
                found.append((needed,))
                continue
            if only_complete and not complete[i]:
                reason = make_warning("incomplete-exam", f"{self.name} needs all four views")
            elif self.origin is not None:
                reason = self.origin.objection(exams, i, self.name)
            reason = reason or unlike[i]
            found.append(() if reason is None else (reason, needed))
        return found

    def _contributions(
        self, matrix: Floats, before: Floats, rows: np.ndarray, n: int
    ) -> pd.DataFrame | None:
        if not isinstance(self.predictor, CoxPredictor):
            return None
        parts: dict[str, Floats] = {}
        groups = np.array(self.design.groups)
        for group in dict.fromkeys(self.design.groups):
            columns = groups == group
            parts[group] = matrix[:, columns] @ self.predictor.coefficients[columns]
        if YEARS in self.recalibration:
            change = log_hazard_change(self.recalibration[YEARS], before[:, -1])
            parts["calibration"] = np.where(np.isfinite(change), change, 0.0)
        return pd.DataFrame(parts, index=rows).reindex(range(n))

    def _warnings(
        self,
        clean: pd.DataFrame,
        refused: Sequence[Warnings],
        exams: FeatureSet | None,
        seen: np.ndarray,
    ) -> list[Warnings]:
        notes = Notes(len(clean))
        add_unused_facts(Answers(clean), notes, self.fields_used, images=seen)
        if self.card.simulated:
            every = np.ones(len(clean), dtype=bool)
            notes.add(every, "trained-on-simulated", self.card.simulated_text)
        if exams is not None and exams.pool is None:
            partial = seen & ~exams.present.all(axis=1)
            for i, name in enumerate(STANDARD_VIEWS):
                notes.add(
                    partial & ~exams.present[:, i], "views-missing", name, under="missing views"
                )
        return [why or own for why, own in zip(refused, notes.records(), strict=True)]

    @property
    def fields_used(self) -> frozenset[str]:
        """Questionnaire fields that change a risk."""
        first = self.design.columns.index("age squared") + 1
        answers = range(first, first + len(self.design.answers.columns))
        used = self.predictor.columns_used
        return frozenset(self.design.field_of(self.design.columns[i]) for i in answers if i in used)

    def state(self) -> ModelState:
        arrays = {f"predictor.{name}": value for name, value in self.predictor.arrays().items()}
        arrays |= {f"design.{name}": value for name, value in self.design.arrays().items()}
        if self.guard is not None:
            arrays |= {f"guard.{name}": value for name, value in self.guard.arrays().items()}
        config = {
            "kind": KIND,
            "name": self.card.name,
            "recipe": self.recipe.model_dump(mode="json"),
            "design": self.design.to_dict(),
            "columns": self.design.columns,
            "recalibration": {str(h): one.to_dict() for h, one in self.recalibration.items()},
            "embeddings": None if self.embeddings is None else self.embeddings.to_dict(),
            "origin": None if self.origin is None else self.origin.to_dict(),
            "card": asdict(self.card),
            "training": self.training,
        }
        texts = {"README.md": card_text(self.card, self.training)}
        return ModelState(config=config, tensors=arrays, texts=texts)
