"""HybridModel: a fitted network of image, acquisition and questionnaire."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mammorisk._utils.digests import json_digest
from mammorisk._utils.model_folder import ModelState
from mammorisk._utils.typing import Floats
from mammorisk.base import (
    DEFAULT_HORIZONS,
    Horizon,
    ImageModel,
    ModelCard,
    PreparedExam,
    PreparedView,
    Scores,
    check_horizons,
)
from mammorisk.clinical.baseline import PublishedBaseline
from mammorisk.clinical.rated import as_rates
from mammorisk.clinical.rates import Rates
from mammorisk.errors import HorizonError, ModelError
from mammorisk.inputs.batches import Inputs, gather_inputs, make_batch
from mammorisk.inputs.exam_set import ExamSet, stack_exams
from mammorisk.inputs.scaling import Scaling
from mammorisk.inputs.standard_exam import network_view, stack_views, to_float
from mammorisk.metrics.recalibration import Recalibration
from mammorisk.networks.hazards import YEARS, cumulative_risk
from mammorisk.networks.head_ensemble import HeadEnsemble
from mammorisk.networks.hybrid import Batch
from mammorisk.records.read_answers import read_field_names, with_table_warnings
from mammorisk.risk_models.hybrid.card_text import card_text
from mammorisk.risk_models.hybrid.domain_guard import DomainGuard, GuardReading
from mammorisk.risk_models.hybrid.guard_features import guard_features
from mammorisk.risk_models.hybrid.result_tables import (
    Evaluation,
    contribution_table,
    limit_tables,
    risk_table,
    warnings_of,
)
from mammorisk.risk_models.hybrid.risk_interval import RiskInterval, pattern_of
from mammorisk.risk_models.hybrid.training_origin import TrainingOrigin
from mammorisk.risk_models.hybrid.view_sets import ViewSets
from mammorisk.risk_models.recipe import Recipe
from mammorisk.runtime.backend import Runner, choose_backend, is_small
from mammorisk.warnings import ResultWarning

if TYPE_CHECKING:
    from mammorisk.imaging.segmented_view import SegmentedView
    from mammorisk.risk_models.hybrid.saliency import Explanation


#: Largest number of views that the encoder processes at once, and of their pixels. The maps of a
#: few views stay in the processor's cache: 64 views of the compact encoder take twice as long.
_VIEWS_AT_ONCE, _PIXELS_AT_ONCE = 8, 64 * 192 * 128
#: Up to this size of a view a small encoder takes much less time than reading the view.
_LIGHT_PIXELS = 256 * 192
#: Kind of model in the configuration of a saved folder.
KIND = "network"


@dataclass(repr=False, kw_only=True)
class HybridModel(ImageModel):
    """A fitted hybrid model.

    Attributes
    ----------
    recipe : Recipe
    card : ModelCard
    encoder : Module or None
    head : HeadEnsemble
    scalings : dict of Scaling
    guard : DomainGuard or None
        Checks the pixels of an exam.
    origin : TrainingOrigin or None
        Checks the headers of an exam.
    view_sets : ViewSets or None
        Checks the views of an exam.
    interval : RiskInterval or None
        Interval of the risk given the inputs. Only for a model whose interval was shown to cover
        the true risk, which needs simulated data.
    recalibration : dict of int to Recalibration
        Recalibration of the fit, by horizon in years. It applies where the images were used, and
        always in a model without images. The published baseline is not changed.
    training : dict
        Record of the training: numbers of women, cancers and exams; sites and vendors; losses;
        seeds.
    backend : str
        Backend of the encoder; see :data:`mammorisk.runtime.backend.BACKENDS`.

    See Also
    --------
    mammorisk.load_model : Loads it by name or from a folder.
    mammorisk.fit : Fits it to a cohort.
    """

    exams_at_once = 32

    recipe: Recipe
    card: ModelCard  # type: ignore[misc]
    encoder: nn.Module | None
    head: HeadEnsemble
    scalings: dict[str, Scaling]
    guard: DomainGuard | None = None
    origin: TrainingOrigin | None = None
    view_sets: ViewSets | None = None
    interval: RiskInterval | None = None
    recalibration: dict[int, Recalibration] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    backend: str = "auto"

    @property
    def uses_images(self) -> bool:
        return self.encoder is not None

    @property
    def backend_used(self) -> str | None:
        return None if self.encoder is None else self._runner.backend

    @property
    def is_light(self) -> bool:
        image = self.recipe.image
        return (
            self.encoder is not None
            and image.rows * image.columns <= _LIGHT_PIXELS
            and is_small(self.encoder)
            # Other backends have threads of their own.
            and self.backend_used == "torch"
        )

    def on_backend(self, backend: str) -> HybridModel:
        return replace(self, backend=backend)

    @cached_property
    def _runner(self) -> Runner:
        if self.encoder is None:
            raise ModelError(
                f"{self.name} has no encoder", remedy="Use a model that was fitted to images."
            )
        chosen = choose_backend(self.backend, self.encoder, may_reduce=False)
        return Runner(self.encoder, chosen)

    @property
    def calibration_id(self) -> str:
        maps = {str(year): one.to_dict() for year, one in self.recalibration.items()}
        return f"fit-{json_digest(maps)[:16]}" if maps else "none"

    @property
    def uses_priors(self) -> bool:
        return self.recipe.priors

    def prepare_view(self, seen: SegmentedView) -> PreparedView:
        return network_view(seen, self.recipe.image)

    def score_exams(
        self,
        frame: pd.DataFrame,
        exams: Sequence[PreparedExam | None],
        horizons: Sequence[Horizon] = DEFAULT_HORIZONS,
    ) -> Scores:
        return self.score_exam_set(frame, self._exam_set(exams), horizons)

    def explain_exam(self, frame: pd.DataFrame, exam: PreparedExam, method: str) -> Explanation:
        """Compute the saliency of the log hazard over one exam's pixels, and the contributions.

        Raises
        ------
        ModelError
            The images were not used, or the encoder has no feature maps for the method.
        """
        from mammorisk.risk_models.hybrid.saliency import explain_views

        exams = self._exam_set([exam])
        scores = self.score_exam_set(frame, exams)
        if self.encoder is None or scores.images_used is None or not scores.images_used.iloc[0]:
            raise ModelError(
                f"the images were not used by {self.name}: there is nothing to explain",
                remedy="The warnings of the prediction give the reason.",
            )
        inputs = gather_inputs(frame, exams, self.baseline, self.card.ages)
        batch = make_batch(
            inputs,
            None,
            self.scalings,
            modalities=tuple(self.recipe.modalities),
            ages_seen=self.ages_seen,
        )
        contributions = scores.contributions.iloc[0] if scores.contributions is not None else None
        return explain_views(self.encoder, self.head, batch, exams, contributions, method)

    def _exam_set(self, exams: Sequence[PreparedExam | None]) -> ExamSet:
        settings = self.recipe.image
        found = []
        for exam in exams:
            views = [] if exam is None else [exam.views]
            if exam is not None and self.uses_priors:
                views.append(exam.prior_views)
            found.append([stack_views(one, settings) if one else None for one in views])
        times = 2 if self.uses_priors else 1
        stacked = stack_exams([[*one, *[None] * (times - len(one))] for one in found], settings)
        told = [{} if exam is None else exam.density_probabilities for exam in exams]
        density = np.array([[one.get(c, np.nan) for c in "abcd"] for one in told])
        return replace(stacked, density_probabilities=density)

    @property
    def baseline(self) -> PublishedBaseline | None:
        settings = self.recipe.baseline
        return None if settings is None else PublishedBaseline(**settings.model_dump())

    @property
    def other_rates(self) -> Rates | None:
        return None if self.recipe.baseline is None else self.recipe.baseline.rates

    def with_options(self, *, rates: object) -> HybridModel:
        """Return the same model on the published baseline with other incidence and mortality.

        The network and its recalibration are not changed: they are log hazard ratios against the
        baseline.

        Parameters
        ----------
        rates : Rates or str
            As in :class:`mammorisk.clinical.Average`.

        Returns
        -------
        HybridModel

        Raises
        ------
        ModelError
            The model has no published baseline.
        RatesError
            The rates cannot be read.
        """
        if self.recipe.baseline is None:
            raise ModelError(
                f"{self.name} learned its incidence from its training data: there are no rates to "
                "replace",
                remedy="Use recalibrate with a local cohort.",
            )
        found = as_rates(rates)
        baseline = self.recipe.baseline.model_copy(update={"rates": found})
        card = self.card
        if found is not None:
            card = replace(
                card,
                training_data=f"{card.training_data}; incidence and mortality of the baseline "
                f"replaced by those of {found.summary}: {found.source}",
                limits=f"rates other than those of the training, not validated by that; "
                f"{card.limits}",
            )
        recipe = self.recipe.model_copy(update={"baseline": baseline})
        # The interval was shown to cover the risk at the rates of the training alone.
        interval = self.interval if found == self.other_rates else None
        return replace(self, recipe=recipe, card=card, interval=interval)

    def score(self, frame: pd.DataFrame, horizons: Sequence[Horizon] = DEFAULT_HORIZONS) -> Scores:
        frame, told = read_field_names(frame)
        scores = self.score_exam_set(frame, None, horizons)
        return replace(scores, warnings=with_table_warnings(scores.warnings, told))

    def score_exam_set(
        self,
        frame: pd.DataFrame,
        exams: ExamSet | None,
        horizons: Sequence[Horizon] = DEFAULT_HORIZONS,
        *,
        modalities: tuple[str, ...] | None = None,
    ) -> Scores:
        """Score women with their exams.

        Parameters
        ----------
        frame : DataFrame, n rows
            Columns are Questionnaire fields.
        exams : ExamSet, n rows, or None
            Created with the image settings of this model.
        horizons : sequence of float
            Whole years from 1 to 5. Other horizons get NaN.
        modalities : tuple of str, optional
            Modalities to use; default all.

        Returns
        -------
        Scores
            ``contributions`` contains log hazard ratios against the published baseline: ``density``
            and ``questionnaire (published)`` of the baseline, those of the modalities, and
            ``calibration`` (the effect of recalibration at five years). Their sum gives the
            five-year prediction.

        Raises
        ------
        HorizonError
            None of the horizons is a whole year from 1 to 5.

        Notes
        -----
        A woman gets no risk if an exclusion of
        :func:`mammorisk.clinical.exclusions.exclusions` applies, if a part of the published
        baseline refuses her, or if her age is outside ``card.ages``. Within ``card.ages`` but
        outside the ages of the training, the learned parts use the nearest age of the training,
        with a warning ``"age-carried"``. The published incidence always uses her own age.
        """
        wanted = check_horizons(horizons)
        if not any(h in range(1, YEARS + 1) for h in wanted):
            raise HorizonError(
                f"{self.name} answers whole years from 1 to {YEARS}", remedy="Ask for one of them."
            )
        used = modalities if modalities is not None else tuple(self.recipe.modalities)
        inputs = gather_inputs(frame, exams, self.baseline, self.card.ages)
        found = self._evaluate(inputs, used)
        applies = pd.Series(~inputs.refused, index=frame.index)
        risk = risk_table(found, self.recalibration, wanted, frame.index)
        contributions = contribution_table(found, self.recalibration, frame.index)
        lower, upper = limit_tables(risk, found.half_width)
        warnings = warnings_of(
            inputs,
            found,
            self.name,
            used=self._fields_used(used),
            ages_seen=self.ages_seen,
            simulated_text=self.card.simulated_text if self.card.simulated else None,
        )
        return Scores(
            risk=risk.where(applies),
            warnings=pd.Series(warnings, index=frame.index, dtype=object),
            contributions=contributions.where(applies),
            images_used=pd.Series(found.seen, index=frame.index) & applies,
            lower=None if lower is None else lower.where(applies),
            upper=None if upper is None else upper.where(applies),
            guard_distance=_as_series(found.guard_distance, frame.index),
            guard_limit=_as_series(found.guard_limit, frame.index),
        )

    @property
    def ages_seen(self) -> tuple[float, float] | None:
        """Range of ages in training, years; None if it was not recorded."""
        ages = self.training.get("ages")
        return None if ages is None else (float(ages[0]), float(ages[1]))

    def _fields_used(self, modalities: tuple[str, ...]) -> frozenset[str]:
        """Questionnaire fields that change a risk, in the published and the learned parts."""
        published = frozenset() if self.baseline is None else self.baseline.fields
        if "questionnaire" not in modalities or not self.head.settings.n_questionnaire:
            return published
        return published | self.scalings["questionnaire"].varied

    def features(self, exams: ExamSet) -> Tensor:
        """Features of every view, shape (n, tokens, n_features); 0 where there is none."""
        return encode(self._runner, exams, self.head.settings.n_features)

    def objections(
        self, exams: ExamSet, reading: GuardReading | None
    ) -> list[ResultWarning | None]:
        """Return the reason for not using the images of each exam; None if used or absent.

        Parameters
        ----------
        exams : ExamSet
        reading : GuardReading or None
            Of the domain guard, if the model has one.
        """
        found: list[ResultWarning | None] = [None] * len(exams)
        if reading is not None:
            found = reading.objections(self.name)
        for check in (self.view_sets, self.origin):
            if check is not None:
                found = [check.objection(exams, i, self.name) or one for i, one in enumerate(found)]
        there = np.asarray(exams.present.any(axis=1))
        return [one if is_there else None for one, is_there in zip(found, there, strict=True)]

    def state(self) -> ModelState:
        tensors = {f"head.{name}": value for name, value in self.head.state_dict().items()}
        if self.encoder is not None:
            tensors |= {f"encoder.{k}": v for k, v in self.encoder.state_dict().items()}
        arrays = {name: value.detach().cpu().numpy() for name, value in tensors.items()}
        if self.guard is not None:
            arrays |= {f"guard.{name}": value for name, value in self.guard.arrays().items()}
        config = {
            "kind": KIND,
            "name": self.card.name,
            "recipe": self.recipe.model_dump(mode="json"),
            "head": self.head.settings.model_dump(),
            "members": len(self.head.members),
            "scalings": {name: one.to_dict() for name, one in self.scalings.items()},
            "recalibration": {str(h): one.to_dict() for h, one in self.recalibration.items()},
            "origin": None if self.origin is None else self.origin.to_dict(),
            "view_sets": None if self.view_sets is None else self.view_sets.to_dict(),
            "interval": None if self.interval is None else self.interval.to_dict(),
            "card": asdict(self.card),
            "training": self.training,
        }
        texts = {"README.md": card_text(self.card, self.training)}
        return ModelState(config=config, tensors=arrays, texts=texts)

    def _evaluate(self, inputs: Inputs, used: tuple[str, ...]) -> Evaluation:
        exams = inputs.exams if self.uses_images and "image" in used else None
        features, trusted, reading = None, None, None
        objections: list[ResultWarning | None] = [None] * len(inputs)
        if exams is not None:
            features = self.features(exams)
            if self.guard is not None:
                reading = self.guard.read(guard_features(exams, features.numpy()))
            objections = self.objections(exams, reading)
            trusted = np.array([one is None for one in objections])
        batch = make_batch(
            replace(inputs, exams=exams),
            features if features is not None else self._no_features(len(inputs)),
            self.scalings,
            modalities=used,
            trusted=trusted,
            ages_seen=self.ages_seen,
        )
        found = self.evaluate_batch(inputs, batch, objections)
        if reading is None:
            return found
        return replace(found, guard_distance=reading.distance, guard_limit=reading.limit)

    def evaluate_batch(
        self,
        inputs: Inputs,
        batch: Batch,
        objections: Sequence[ResultWarning | None] | None = None,
    ) -> Evaluation:
        """Evaluate the network on women whose inputs are tensors.

        Parameters
        ----------
        inputs : Inputs, n women
        batch : Batch, n women
            With the features of the views. What it does not contain is not used.
        objections : sequence of ResultWarning or None, length n, optional
            Reasons for not using the images. These women have no interval.
        """
        reasons: list[ResultWarning | None] = list(objections or [None] * len(inputs))
        density: Floats | None = None
        published: Floats | None = None
        with torch.no_grad():
            parts, between_heads = self.head.contributions_and_spread(batch)
            log_hazard = self.head.log_hazard(batch, parts).double()
            death = self.head.log_death_hazard(batch)
            risk = cumulative_risk(log_hazard, None if death is None else death.double())
        if inputs.baseline is not None:
            # Double precision: without contributions this is exactly the baseline.
            total = np.sum([value.double().numpy() for value in parts.values()], axis=0)
            density = np.where(batch.mask.any(dim=1).numpy(), 0.0, inputs.baseline.density)
            published = np.where(batch.answered.numpy(), inputs.baseline.questionnaire, 0.0)
            factor = np.exp(density + published + total)
            risk_array = -np.expm1(-inputs.baseline.cumulative_hazard * factor[:, None])
            # Without contributions the risk equals the published risk to the last digit.
            risk_array = np.where(factor[:, None] == 1.0, inputs.baseline.risk, risk_array)
        else:
            risk_array = risk.numpy()
        seen = batch.mask.any(dim=1).numpy()
        spread = between_heads.double().numpy()
        # A recalibration fitted on exams does not apply to questionnaires alone.
        images_needed = self.uses_images and inputs.baseline is not None
        return Evaluation(
            risk=risk_array,
            parts={name: value.double().numpy() for name, value in parts.items()},
            density=density,
            published=published,
            learned=seen if images_needed else np.ones(len(inputs), dtype=bool),
            seen=seen,
            objections=reasons,
            spread=spread,
            half_width=self._half_width(inputs, batch, spread, reasons),
        )

    def _half_width(
        self,
        inputs: Inputs,
        batch: Batch,
        spread: Floats,
        objections: Sequence[ResultWarning | None],
    ) -> Floats | None:
        """Half-width of the interval of the log hazard.

        NaN where the coverage was not shown: outside the domain, and outside the training ages.
        """
        if self.interval is None:
            return None
        half = self.interval.half_widths(pattern_of(inputs, batch), spread, inputs.frame)
        shown = np.array([one is None for one in objections], dtype=bool)
        if self.ages_seen is not None:
            age = inputs.frame["age"].to_numpy(dtype=float)
            shown &= (age >= self.ages_seen[0]) & (age <= self.ages_seen[1])
        return np.where(shown, half, np.nan)

    def _no_features(self, n: int) -> Tensor:
        return torch.zeros(n, 4, self.head.settings.n_features)


def encode(
    run: Callable[[NDArray[np.float32]], NDArray[np.float32]], exams: ExamSet, width: int
) -> Tensor:
    """Features of every view, shape (n, tokens, n_features); 0 where there is none."""
    places = np.argwhere(exams.present)
    out = torch.zeros(*exams.present.shape, width)
    rows, columns = exams.pixels.shape[2:]
    step = int(np.clip(_PIXELS_AT_ONCE // (rows * columns), 1, _VIEWS_AT_ONCE))
    for first in range(0, len(places), step):
        some = places[first : first + step]
        found = run(to_float(exams.pixels[some[:, 0], some[:, 1]])[:, None])
        out[some[:, 0], some[:, 1]] = torch.from_numpy(found)
    return out


def _as_series(values: Floats | None, index: pd.Index) -> pd.Series | None:
    return None if values is None else pd.Series(values, index=index)
