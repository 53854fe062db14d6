"""MiraiModel: Mirai as a risk model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from mammorisk._utils.digests import json_digest
from mammorisk._utils.model_folder import ModelState
from mammorisk._utils.parallel import map_parallel
from mammorisk.base import (
    DEFAULT_HORIZONS,
    Horizon,
    ImageModel,
    ModelCard,
    PreparedExam,
    PreparedView,
    Scores,
)
from mammorisk.errors import HorizonError, ModelError
from mammorisk.imaging.mirai_pixels import (
    COLUMNS,
    ROWS,
    aligned_counts,
    mirai_counts,
    normalise,
)
from mammorisk.networks.mirai import (
    ENCODER_WIDTH,
    YEARS,
    Exams,
    MiraiEncoder,
    MiraiTransformer,
)
from mammorisk.networks.mirai_merged import MergedEncoder
from mammorisk.records.exam import STANDARD_VIEWS, Exam
from mammorisk.risk_models.encoders.preprocessing import MiraiPreprocessing
from mammorisk.risk_models.mirai.card import CARD
from mammorisk.risk_models.mirai.risk_factors import risk_factors
from mammorisk.runtime.backend import Runner, choose_backend
from mammorisk.warnings import make_warning

if TYPE_CHECKING:
    from mammorisk.imaging.segmented_view import SegmentedView

Features = NDArray[np.float32]
#: Counts of the four standard views, each of shape (rows, columns). As 16-bit integers they need
#: half the memory of the normalised input.
Views = list[NDArray[np.uint16]]

#: Published calibration of March 2022 (release 0.8 of reginabarzilaygroup/Mirai): logit of the
#: risk is slope x raw probability + intercept, by year.
PUBLISHED_CALIBRATION = {
    "1": {"slope": 5.202204577500695, "intercept": -6.941708811474187},
    "2": {"slope": 4.7190617802843455, "intercept": -6.118981671362509},
    "3": {"slope": 4.276177460151401, "intercept": -5.4558979486125505},
    "4": {"slope": 4.218360381892919, "intercept": -5.1194480916336005},
    "5": {"slope": 3.904384040341062, "intercept": -4.776621706974412},
}
#: Kind of model in the configuration of a saved folder.
KIND = "mirai"
#: Codes of a view and a side in the networks.
_VIEW_CODES, _SIDE_CODES = {"CC": 0, "MLO": 1}, {"R": 0, "L": 1}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class MiraiModel(ImageModel):
    """Mirai's encoder and transformer with its calibration.

    Attributes
    ----------
    encoder : MiraiEncoder
    transformer : MiraiTransformer
    calibration : dict or None
        Slope and intercept by year; None gives raw probabilities, with a warning.
    known_factors : {"given", "reference"}
        ``"given"``: known answers of the questionnaire, including a known "no", replace those that
        the network predicts from the images. ``"reference"``: the questionnaire is ignored, as in
        the released program.
    record : dict
        Hashes of the converted files, or the record of the fit.
    card : ModelCard
    rows, columns : int
        Size of the encoder's input in pixels.
    backend : str
        Backend of the encoder; see :data:`mammorisk.runtime.backend.BACKENDS`. ``"auto"`` uses
        bfloat16 if the processor supports it.

    See Also
    --------
    mammorisk.load_model : Loads it by name or from a folder.
    """

    exams_at_once = 4

    encoder: MiraiEncoder
    transformer: MiraiTransformer
    calibration: dict[str, dict[str, float]] | None = None
    known_factors: str = "given"
    record: dict[str, Any] = field(default_factory=dict)
    backend: str = "auto"
    card: ModelCard = CARD  # type: ignore[misc]
    rows: int = ROWS
    columns: int = COLUMNS

    @property
    def calibration_id(self) -> str:
        if self.calibration is None:
            return "none"
        if self.calibration == PUBLISHED_CALIBRATION:
            return "published"
        return f"fit-{json_digest(self.calibration)[:16]}"

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the encoder's input."""
        return self.rows, self.columns

    def with_options(
        self, *, calibration: str | None = None, known_factors: str | None = None
    ) -> MiraiModel:
        """Return the model with another calibration or use of the questionnaire.

        ``calibration`` is ``"published-2022"`` or ``"none"``; ``known_factors`` is ``"given"`` or
        ``"reference"``.

        Raises
        ------
        ModelError
            The value is unknown.
        """
        found = self
        if calibration is not None:
            kinds = {"published-2022": PUBLISHED_CALIBRATION, "none": None}
            if calibration not in kinds:
                raise ModelError(
                    f"there is no calibration {calibration!r}", remedy=f"Known: {', '.join(kinds)}."
                )
            found = replace(found, calibration=kinds[calibration])
        if known_factors is not None:
            if known_factors not in ("given", "reference"):
                raise ModelError(
                    f"known_factors={known_factors!r} is not valid",
                    remedy='Use "given" or "reference".',
                )
            found = replace(found, known_factors=known_factors)
        return found

    @property
    def backend_used(self) -> str:
        return self._runner.backend

    def on_backend(self, backend: str) -> MiraiModel:
        return replace(self, backend=backend)

    @cached_property
    def _runner(self) -> Runner:
        backend = choose_backend(self.backend, self.encoder, may_reduce=True)
        return Runner(MergedEncoder(self.encoder), backend)

    def features(self, views: Views) -> Features:
        """Features of the four standard views, shape (4, 512).

        Parameters
        ----------
        views : list of four ndarrays of uint16, shape (rows, columns)
            From :func:`read_views`.
        """
        # View by view: four at once are not faster and need four times the memory.
        return np.concatenate([self._runner(normalise(one)[None, None]) for one in views])

    def check_exam(self, exam: Exam) -> None:
        check_views(exam)

    def prepare_view(self, seen: SegmentedView) -> PreparedView:
        return MiraiPreprocessing(rows=self.rows, columns=self.columns).prepare(seen)

    def score_exams(
        self,
        frame: pd.DataFrame,
        exams: Sequence[PreparedExam | None],
        horizons: Sequence[Horizon] = DEFAULT_HORIZONS,
    ) -> Scores:
        blank = np.zeros((len(STANDARD_VIEWS), ENCODER_WIDTH), dtype=np.float32)
        features = [
            blank if one is None else self.features([one.views[name] for name in STANDARD_VIEWS])
            for one in exams
        ]
        scores = self.score_features(np.stack(features), frame, horizons)
        seen = pd.Series([one is not None for one in exams], index=frame.index)
        needed = (make_warning("images-needed", "mirai needs images"),)
        warnings = [
            told if there else needed for told, there in zip(scores.warnings, seen, strict=True)
        ]
        return Scores(
            risk=scores.risk.where(seen, np.nan),
            warnings=pd.Series(warnings, index=frame.index, dtype=object),
            images_used=seen,
        )

    def score_features(
        self,
        features: Features,
        frame: pd.DataFrame,
        horizons: Sequence[Horizon] = DEFAULT_HORIZONS,
    ) -> Scores:
        """Compute risks from features of the standard views.

        Parameters
        ----------
        features : ndarray, shape (n, 4, 512)
            Features in the order of ``STANDARD_VIEWS``.
        frame : DataFrame, n rows
            Questionnaires.
        horizons : sequence of int
            Whole years from 1 to 5.
        """
        years = [h for h in horizons if h in range(1, YEARS + 1)]
        if not years:
            raise HorizonError(
                "mirai predicts risk within 1 to 5 years", remedy="Request one of these horizons."
            )
        logits = self.logits(features, frame if self.known_factors == "given" else None)
        risk = self.calibrated(1 / (1 + np.exp(-logits)))
        table = pd.DataFrame(
            {h: risk[:, int(h) - 1] if h in years else np.nan for h in horizons},
            index=frame.index,
        )
        warnings = () if self.calibration else (make_warning("uncalibrated"),)
        if self.card.simulated:
            told = make_warning("trained-on-simulated", self.card.simulated_text)
            warnings = (*warnings, told)
        return Scores(
            risk=table,
            warnings=pd.Series([warnings] * len(frame), index=frame.index, dtype=object),
        )

    def logits(self, features: Features, frame: pd.DataFrame | None = None) -> NDArray[np.float64]:
        """Compute logits by year, shape (n, 5), with the questionnaire's factors if given."""
        view, side, time = places(len(features))
        exams = Exams(
            features=torch.from_numpy(np.ascontiguousarray(features)),
            view=view,
            side=side,
            time=time,
        )
        known = is_known = None
        if frame is not None:
            values, given = risk_factors(frame)
            known, is_known = torch.from_numpy(values), torch.from_numpy(given)
        with torch.inference_mode():
            found: torch.Tensor = self.transformer(exams, known, is_known)
        return found.double().numpy()

    def calibrated(self, probability: NDArray[np.float64]) -> NDArray[np.float64]:
        """Calibrated risk, shape (n, 5), which never decreases from year to year.

        Without calibration it is the raw probability.
        """
        if self.calibration is None:
            return probability
        slope, intercept = (
            np.array([self.calibration[str(year)][name] for year in range(1, YEARS + 1)])
            for name in ("slope", "intercept")
        )
        risk = 1 / (1 + np.exp(-(slope * probability + intercept)))
        # With the published constants risks never decrease. With others they could.
        return np.asarray(np.maximum.accumulate(risk, axis=1))

    def score(self, frame: pd.DataFrame, horizons: Sequence[Horizon] = DEFAULT_HORIZONS) -> Scores:
        """Give NaN with a warning in every row: Mirai needs images."""
        needed = (make_warning("images-needed", "mirai needs images"),)
        return Scores(
            risk=pd.DataFrame(np.nan, index=frame.index, columns=list(horizons)),
            warnings=pd.Series([needed] * len(frame), index=frame.index, dtype=object),
        )

    def state(self) -> ModelState:
        tensors = {f"encoder.{k}": v for k, v in self.encoder.state_dict().items()}
        tensors |= {f"transformer.{k}": v for k, v in self.transformer.state_dict().items()}
        config = {
            "kind": KIND,
            "name": self.name,
            "card": asdict(self.card),
            "rows": self.rows,
            "columns": self.columns,
            "settings": asdict(self.transformer.settings),
            "calibration": self.calibration,
            **self.record,
        }
        arrays = {name: value.detach().cpu().numpy() for name, value in tensors.items()}
        return ModelState(config=config, tensors=arrays)


def places(n: int) -> tuple[Tensor, Tensor, Tensor]:
    """Codes of view, side and time of the standard views of n exams, shape (n, 4) each."""
    names = [name.split("-") for name in STANDARD_VIEWS]
    view = torch.tensor([_VIEW_CODES[v] for _, v in names]).expand(n, 4)
    side = torch.tensor([_SIDE_CODES[s] for s, _ in names]).expand(n, 4)
    return view, side, torch.zeros(n, 4, dtype=torch.long)


def read_views(exam: Exam, shape: tuple[int, int] = (ROWS, COLUMNS)) -> Views:
    """Read the four standard views in the size of the encoder.

    Raises
    ------
    ExamError
        The pixels cannot be read.
    ModelError
        A standard view is missing.
    """
    check_views(exam)

    def read(name: str) -> NDArray[np.uint16]:
        return aligned_counts(mirai_counts(exam[name], exam[name].load()), shape)

    return map_parallel(read, STANDARD_VIEWS)


def check_views(exam: Exam) -> None:
    """Refuse an exam without all four standard views.

    Raises
    ------
    ModelError
        A standard view is missing: Mirai was trained on four.
    """
    missing = [name for name in STANDARD_VIEWS if name not in exam.views]
    if missing:
        raise ModelError(
            f"Mirai needs the four standard views; missing: {', '.join(missing)}",
            remedy="Use the model hybrid, which accepts any views.",
        )
