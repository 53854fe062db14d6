"""HybridModel: a fitted network of image, acquisition and questionnaire."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mammorisk.base import (
    DEFAULT_HORIZONS,
    Horizon,
    ImageModel,
    ModelCard,
    Opener,
    ReadExams,
    Scores,
    check_horizons,
)
from mammorisk.clinical.baseline import Anchor
from mammorisk.errors import HorizonError
from mammorisk.inputs.batches import Inputs, gather_inputs, make_batch
from mammorisk.inputs.exam_set import TOKENS_PER_EXAM, ExamSet, load_exams
from mammorisk.inputs.grey_statistics import grey_statistics
from mammorisk.inputs.image_cache import ImageCache
from mammorisk.inputs.scaling import Scaling
from mammorisk.inputs.standard_exam import to_float
from mammorisk.metrics.recalibration import Recalibration
from mammorisk.models.hybrid.domain_guard import DomainGuard
from mammorisk.models.recipe import Recipe
from mammorisk.networks.hazards import YEARS, cumulative_risk
from mammorisk.networks.hybrid import HybridHead
from mammorisk.records.exam import Exam
from mammorisk.runtime.backend import Runner, choose_backend

if TYPE_CHECKING:
    from mammorisk.records.cohort import Cohort

Floats = NDArray[np.float64]

#: Normal quantile of the intervals.
_Z = 1.959964
#: Views that go through the encoder at a time.
_VIEWS_AT_ONCE = 64
OUTSIDE = "exam outside the domain of {name}: its images were not used"


@dataclass(repr=False, kw_only=True)
class HybridModel(ImageModel):
    """A fitted hybrid model.

    Attributes
    ----------
    recipe : Recipe
    card : ModelCard
    encoder : Module or None
    head : HybridHead
    scalings : dict of Scaling
    guard : DomainGuard or None
    covariance : ndarray, shape (p, p), or None
        Of the last layer's weights.
    recalibration : dict of int to Recalibration
        By horizon in years.
    recalibrates_baseline : bool
        Whether it applies to everybody: after :meth:`recalibrate`. After a fit it applies where
        the images were used (by a model without images: where anything is known), and leaves the
        published baseline as it is.
    training : dict
        What it was fitted on: numbers of women, cancers, exams; sites and vendors; losses; seeds.
    backend : str
        What runs the encoder; see :data:`mammorisk.runtime.backend.BACKENDS`.
    """

    exams_at_once = 32

    recipe: Recipe
    card: ModelCard  # type: ignore[misc]
    encoder: nn.Module | None
    head: HybridHead
    scalings: dict[str, Scaling]
    guard: DomainGuard | None = None
    covariance: Floats | None = None
    recalibration: dict[int, Recalibration] = field(default_factory=dict)
    recalibrates_baseline: bool = False
    training: dict[str, Any] = field(default_factory=dict)
    backend: str = "auto"

    @property
    def uses_images(self) -> bool:
        return self.encoder is not None

    @property
    def backend_used(self) -> str | None:
        return None if self.encoder is None else self._runner.backend

    def on_backend(self, backend: str) -> HybridModel:
        return replace(self, backend=backend)

    @cached_property
    def _runner(self) -> Runner:
        assert self.encoder is not None
        chosen = choose_backend(self.backend, self.encoder, may_reduce=False)
        return Runner(self.encoder, chosen)

    def read_exam(self, exam: Exam) -> ReadExams:
        cache = ImageCache(folder=None, settings=self.recipe.image)
        exams = load_exams([0], lambda _: exam, cache)
        if exams.errors[0]:
            # Read again to raise the error itself, with its class and place.
            cache.get(exam)
        return _as_read(exams)

    def read_rows(
        self,
        rows: Sequence[int],
        open_exam: Opener,
        *,
        open_prior: Opener | None = None,
        on_exam: Callable[[int, int], None] | None = None,
    ) -> ReadExams:
        cache = ImageCache(folder=None, settings=self.recipe.image)
        prior = open_prior if self.recipe.priors else None
        return _as_read(load_exams(rows, open_exam, cache, open_prior=prior, on_exam=on_exam))

    def score_read(
        self,
        frame: pd.DataFrame,
        read: ReadExams,
        horizons: Sequence[Horizon] = DEFAULT_HORIZONS,
    ) -> Scores:
        return self.score_exams(frame, read.content, horizons)

    def explainer(
        self, frame: pd.DataFrame, read: ReadExams, scores: Scores
    ) -> Callable[[str], Any]:
        def explain(method: str) -> Any:
            from mammorisk.models.hybrid.saliency import explain_exam

            assert scores.contributions is not None
            contributions = scores.contributions.iloc[0]
            return explain_exam(self, frame, read.content, contributions, method)  # type: ignore[arg-type]

        return explain

    @property
    def anchor(self) -> Anchor | None:
        settings = self.recipe.anchor
        return None if settings is None else Anchor(**settings.model_dump())

    def score(self, frame: pd.DataFrame, horizons: Sequence[Horizon] = DEFAULT_HORIZONS) -> Scores:
        return self.score_exams(frame, None, horizons)

    def score_exams(
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
            Made with this model's image settings.
        horizons : sequence of float
            Whole years from 1 to 5; others get NaN.
        modalities : tuple of str, optional
            Use these only.

        Returns
        -------
        Scores
            ``contributions`` holds log hazard ratios against the published baseline: ``density``
            and ``questionnaire (published)`` of the anchor, those of the modalities, and
            ``calibration`` (what recalibration adds at five years). They add up to the five-year
            prediction.

        Raises
        ------
        HorizonError
            None of the horizons is a whole year from 1 to 5.
        """
        wanted = check_horizons(horizons)
        if not any(h in range(1, YEARS + 1) for h in wanted):
            raise HorizonError(
                f"{self.name} answers whole years from 1 to {YEARS}", remedy="Ask for one of them."
            )
        used = modalities if modalities is not None else tuple(self.recipe.modalities)
        inputs = gather_inputs(frame, exams, self.anchor)
        state = self._evaluate(inputs, used)
        flags = self._flags(frame, inputs, state)
        out = _columns(self, state, wanted, frame.index)
        sound = out["risk"].notna().any(axis=1).to_numpy()
        flags = flags.where(pd.Series(sound, index=frame.index), _no_risk(inputs, flags))
        return Scores(
            risk=out["risk"],
            flags=flags,
            contributions=state.contributions.set_index(frame.index),
            lower=out.get("lower"),
            upper=out.get("upper"),
        )

    def features(self, exams: ExamSet) -> Tensor:
        """Features of every view, shape (n, tokens, n_features); 0 where there is none."""
        assert self.encoder is not None
        return encode(self._runner, exams, self.head.settings.n_features)

    def trusted(self, exams: ExamSet, features: Tensor) -> NDArray[np.bool_]:
        """Exams inside the domain of the training data."""
        if self.guard is None:
            return np.asarray(exams.present.any(axis=1))
        return self.guard.inside(guard_features(exams, features))

    def recalibrate(
        self, cohort: Cohort, *, method: str = "auto", exams: ExamSet | None = None
    ) -> HybridModel:
        """The same model, recalibrated to a local cohort.

        Parameters
        ----------
        cohort : Cohort
            With outcomes.
        method : str
            See :func:`~mammorisk.metrics.recalibration.fit_recalibration`; ``"auto"`` adds a slope
            only from 50 cancers on.
        exams : ExamSet, optional
            Read before; otherwise the cohort's exams are read now.

        Returns
        -------
        HybridModel

        Raises
        ------
        TrainingError
            The cohort has no outcomes, or too few at every horizon.
        """
        from mammorisk.training.recalibrate import recalibrated

        return recalibrated(self, cohort, method=method, exams=exams)

    def save(self, folder: str | Path) -> Path:
        from mammorisk.models.hybrid.storage import save_model

        return save_model(self, Path(folder))

    def _evaluate(self, inputs: Inputs, used: tuple[str, ...]) -> _State:
        exams = inputs.exams if self.encoder is not None and "image" in used else None
        features, trusted = None, None
        density: Floats | None = None
        published: Floats | None = None
        if exams is not None:
            features = self.features(exams)
            trusted = self.trusted(exams, features)
        with torch.no_grad():
            batch = make_batch(
                replace(inputs, exams=exams),
                features if features is not None else self._no_features(len(inputs)),
                self.scalings,
                modalities=used,
                trusted=trusted,
            )
            parts = self.head.contributions(batch)
            log_hazard = self.head.log_hazard(batch, parts).double()
            death = self.head.log_death_hazard(batch)
            risk = cumulative_risk(log_hazard, None if death is None else death.double())
            error = None
            if self.covariance is not None:
                design = self.head.design(batch).double().numpy()
                error = np.sqrt(np.einsum("ij,jk,ik->i", design, self.covariance, design))
            if inputs.anchor is not None:
                # Summed in double precision: without contributions this is the anchor, exactly.
                total = np.sum([value.double().numpy() for value in parts.values()], axis=0)
                density = np.where(batch.mask.any(dim=1).numpy(), 0.0, inputs.anchor.density)
                published = np.where(batch.answered.numpy(), inputs.anchor.questionnaire, 0.0)
                factor = np.exp(density + published + total)
                risk_array = -np.expm1(-inputs.anchor.cumulative_hazard * factor[:, None])
                # Where nothing contributes, the published risk to the last digit.
                risk_array = np.where(factor[:, None] == 1.0, inputs.anchor.risk, risk_array)
            else:
                risk_array = risk.numpy()
        values = {name: value.double().numpy() for name, value in parts.items()}
        seen = batch.mask.any(dim=1).numpy()
        learned = np.any([value != 0 for value in values.values()], axis=0)
        if self.encoder is not None:
            # What a fit finds on exams holds for exams, not for questionnaires alone.
            learned = learned & seen
        learned = learned | self.recalibrates_baseline | (inputs.anchor is None)
        return _State(
            risk=risk_array,
            error=error,
            contributions=_contribution_table(
                self, values, density, published, risk_array, learned
            ),
            learned=learned,
            seen=seen,
            outside=np.zeros(len(inputs), dtype=bool)
            if trusted is None or exams is None
            else exams.present.any(axis=1) & ~trusted,
        )

    def _no_features(self, n: int) -> Tensor:
        return torch.zeros(n, 4, self.head.settings.n_features)

    def _flags(self, frame: pd.DataFrame, inputs: Inputs, state: _State) -> pd.Series:
        flags = [[] if not text else [text] for text in _anchor_flags(inputs)]
        exams = inputs.exams
        for i, told in enumerate(flags):
            if self.uses_images and not state.seen[i]:
                if state.outside[i]:
                    told.append(OUTSIDE.format(name=self.name))
                elif exams is None or not exams.errors[i]:
                    told.append("no images: risk from what else is known")
            if exams is not None and exams.errors[i]:
                told.append(f"the exam cannot be read: {exams.errors[i]}")
            if exams is not None and state.seen[i]:
                missing = int((~exams.present[i, :4]).sum())
                if missing:
                    told.append(f"{missing} of 4 views missing")
        return pd.Series(["; ".join(told) for told in flags], index=frame.index, dtype=object)


@dataclass(frozen=True, kw_only=True)
class _State:
    """What an evaluation gives, before recalibration."""

    risk: Floats
    error: Floats | None
    contributions: pd.DataFrame
    learned: NDArray[np.bool_]
    seen: NDArray[np.bool_]
    outside: NDArray[np.bool_]


def encode(
    run: Callable[[NDArray[np.float32]], NDArray[np.float32]], exams: ExamSet, width: int
) -> Tensor:
    """Features of every view, shape (n, tokens, n_features); 0 where there is none."""
    places = np.argwhere(exams.present)
    out = torch.zeros(*exams.present.shape, width)
    for first in range(0, len(places), _VIEWS_AT_ONCE):
        some = places[first : first + _VIEWS_AT_ONCE]
        found = run(to_float(exams.pixels[some[:, 0], some[:, 1]])[:, None])
        out[some[:, 0], some[:, 1]] = torch.from_numpy(found)
    return out


def _as_read(exams: ExamSet) -> ReadExams:
    tokens = exams.tokens
    return ReadExams(
        content=exams,
        errors=list(exams.errors),
        flags=list(exams.flags),
        ages_years=[None if age != age else float(age) for age in exams.age_years],
        acquisitions=[
            [one for one in exams.acquisitions[i * tokens : (i + 1) * tokens] if one is not None]
            for i in range(len(exams))
        ],
    )


def guard_features(exams: ExamSet, features: Tensor) -> Floats:
    """Encoder features and grey statistics of each view, shape (n, 4, d); NaN without a view."""
    seen = features[:, :TOKENS_PER_EXAM].double().numpy()
    there = exams.present[:, :TOKENS_PER_EXAM, None]
    return np.concatenate([np.where(there, seen, np.nan), grey_statistics(exams)], axis=2)


def _contribution_table(
    model: HybridModel,
    parts: dict[str, Floats],
    density: Floats | None,
    published: Floats | None,
    risk: Floats,
    learned: NDArray[np.bool_],
) -> pd.DataFrame:
    columns: dict[str, Floats] = {}
    if density is not None and published is not None:
        columns |= {"density": density, "questionnaire (published)": published}
    columns |= parts
    if YEARS in model.recalibration:
        before = risk[:, YEARS - 1]
        after = model.recalibration[YEARS].apply(before)
        with np.errstate(divide="ignore", invalid="ignore"):
            change = np.log(np.log1p(-after) / np.log1p(-before))
        columns["calibration"] = np.where(learned & np.isfinite(change), change, 0.0)
    return pd.DataFrame(columns)


def _columns(
    model: HybridModel, state: _State, wanted: tuple[Horizon, ...], index: pd.Index
) -> dict[str, pd.DataFrame]:
    """Risks and limits at the horizons asked for."""
    curves = {"risk": state.risk}
    if state.error is not None:
        hazard = -np.log1p(-state.risk)
        for name, sign in (("lower", -1), ("upper", 1)):
            factor = np.exp(sign * _Z * state.error)[:, None]
            curves[name] = -np.expm1(-hazard * factor)
    out = {}
    for name, curve in curves.items():
        mapped = np.stack(
            [
                model.recalibration[year].apply(curve[:, year - 1])
                if year in model.recalibration
                else curve[:, year - 1]
                for year in range(1, YEARS + 1)
            ],
            axis=1,
        )
        # Separate maps of years could cross: risk never falls.
        mapped = np.where(state.learned[:, None], np.maximum.accumulate(mapped, axis=1), curve)
        out[name] = pd.DataFrame(
            {
                h: mapped[:, int(h) - 1]
                if h in range(1, YEARS + 1)
                else np.full(len(index), np.nan)
                for h in wanted
            },
            index=index,
        )
    return out


def _anchor_flags(inputs: Inputs) -> list[str]:
    return [""] * len(inputs) if inputs.anchor is None else list(inputs.anchor.flags)


def _no_risk(inputs: Inputs, flags: pd.Series) -> pd.Series:
    return flags.where(flags != "", "no risk: her age is unknown or outside the published rates")
