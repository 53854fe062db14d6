"""MiraiModel: Mirai as one more risk model."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from mammorisk.errors import ModelError, OutputError
from mammorisk.exam import STANDARD_VIEWS, Exam, Intent
from mammorisk.imaging.mirai_pixels import mirai_counts, standardise
from mammorisk.mirai.risk_factors import risk_factors
from mammorisk.networks.mirai import Exams, MiraiEncoder, MiraiSettings, MiraiTransformer
from mammorisk.risk_model import (
    DEFAULT_HORIZONS,
    FORMAT_VERSION,
    Horizon,
    ModelCard,
    RiskModel,
    Scores,
)

if TYPE_CHECKING:
    import pandas as pd

#: Published calibration of March 2022 (release 0.8 of reginabarzilaygroup/Mirai): logit of the
#: risk is slope x raw probability + intercept, by year.
PUBLISHED_CALIBRATION = {
    "1": {"slope": 5.202204577500695, "intercept": -6.941708811474187},
    "2": {"slope": 4.7190617802843455, "intercept": -6.118981671362509},
    "3": {"slope": 4.276177460151401, "intercept": -5.4558979486125505},
    "4": {"slope": 4.218360381892919, "intercept": -5.1194480916336005},
    "5": {"slope": 3.904384040341062, "intercept": -4.776621706974412},
}
#: Codes of a view and a side in the networks.
_VIEW_CODES, _SIDE_CODES = {"CC": 0, "MLO": 1}, {"R": 0, "L": 1}
_YEARS = 5

CARD = ModelCard(
    name="mirai",
    title="Mirai (weights converted from the published snapshots)",
    family="image",
    inputs=(
        *("images", "age", "breast_density", "first_degree_relatives", "lcis"),
        *("atypical_hyperplasia", "age_menarche", "age_menopause", "age_first_birth", "parity"),
        *("prior_breast_cancer", "race_ethnicity", "menopausal_status", "weight_kg", "height_cm"),
        *("ovarian_cancer", "ashkenazi", "brca", "hrt_use", "hrt_type"),
    ),
    required=("images",),
    outcome="invasive or in situ",
    ages=(20, 100),
    horizons="1, 2, 3, 4, 5 years",
    competing_mortality=False,
    training_data="Mammograms of Massachusetts General Hospital, 2009-2016 (Yala 2021)",
    source="doi:10.1126/scitranslmed.aba4373; weights of reginabarzilaygroup/Mirai",
    licence="MIT (MIT and MGH)",
    intended_use="Research: its score beside others. Not for care.",
    limits=(
        "Hologic systems, for-presentation views; reported to overestimate (Kaul 2026, doi "
        "10.1093/jnci/djag083); calibrated risks have a floor and a cap"
    ),
)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class MiraiModel(RiskModel):
    """Mirai's encoder and transformer with its calibration.

    Attributes
    ----------
    encoder : MiraiEncoder
    transformer : MiraiTransformer
    calibration : dict or None
        Slope and intercept by year; None gives raw probabilities, and says so in the flags.
    known_factors : {"given", "reference"}
        ``"given"``: what the questionnaire knows, a known "no" included, takes the place of what
        the network predicts from the images. ``"reference"``: the questionnaire is not looked at,
        as in the released program.
    record : dict
        Hashes of the converted files.
    """

    encoder: MiraiEncoder
    transformer: MiraiTransformer
    calibration: dict[str, dict[str, float]] | None = None
    known_factors: str = "given"
    record: dict[str, Any] = field(default_factory=dict)

    card = CARD

    @property
    def uses_images(self) -> bool:
        return True

    def with_options(
        self, *, calibration: str | None = None, known_factors: str | None = None
    ) -> MiraiModel:
        """The model with the published calibration (``"published-2022"``), none (``"none"``), or
        another use of the questionnaire.

        Raises
        ------
        ModelError
            Another value.
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
                    f"{known_factors!r} is no use of the questionnaire",
                    remedy='Use "given" or "reference".',
                )
            found = replace(found, known_factors=known_factors)
        return found

    def features(self, exam: Exam) -> NDArray[np.float32]:
        """Features of the four standard views, shape (4, 512), one view in memory at a time.

        Raises
        ------
        ExamError
            The pixels cannot be read.
        ModelError
            A standard view is missing: Mirai was trained on four.
        """
        missing = [name for name in STANDARD_VIEWS if name not in exam.views]
        if missing:
            raise ModelError(
                f"Mirai needs the four standard views; missing: {', '.join(missing)}",
                remedy="Use hybrid, which takes what there is.",
            )
        found = []
        for name in STANDARD_VIEWS:
            raw = exam[name].load()
            is_picture = exam[name].source.lower().endswith((".png", ".tif", ".tiff"))
            counts = mirai_counts(raw, path="png" if is_picture else "dicom")
            pixels = torch.from_numpy(standardise(counts))[None, None]
            with torch.inference_mode():
                found.append(self.encoder(pixels)[0].numpy())
        return np.stack(found)

    def score_exam(
        self, exam: Exam, frame: pd.DataFrame, horizons: Sequence[Horizon] = DEFAULT_HORIZONS
    ) -> Scores:
        """Risk of one woman with her exam.

        Raises
        ------
        ExamError, ModelError
            As :meth:`features`.
        """
        scores = self.score_features(self.features(exam)[None], frame, horizons)
        told = [scores.flags.iloc[0]] if scores.flags.iloc[0] else []
        if any(exam[name].intent is Intent.PROCESSING for name in STANDARD_VIEWS):
            told.append("images for processing: Mirai was trained on images for presentation")
        return replace(scores, flags=scores.flags.map(lambda _: "; ".join(told)))

    def score_features(
        self,
        features: NDArray[np.float32],
        frame: pd.DataFrame,
        horizons: Sequence[Horizon] = DEFAULT_HORIZONS,
    ) -> Scores:
        """Risks from features of the standard views.

        Parameters
        ----------
        features : ndarray, shape (n, 4, 512)
            In the order of ``STANDARD_VIEWS``.
        frame : DataFrame, n rows
            Questionnaires.
        horizons : sequence of int
            Among 1 to 5 years.
        """
        import pandas as pd

        from mammorisk.errors import HorizonError

        years = [h for h in horizons if h in range(1, _YEARS + 1)]
        if not years:
            raise HorizonError("mirai answers 1 to 5 years", remedy="Ask for one of them.")
        logits = self.logits(features, frame if self.known_factors == "given" else None)
        risk = self.calibrated(1 / (1 + np.exp(-logits)))
        table = pd.DataFrame(
            {h: risk[:, int(h) - 1] if h in years else np.nan for h in horizons},
            index=frame.index,
        )
        flag = "" if self.calibration else "uncalibrated: raw probabilities, not risks"
        return Scores(risk=table, flags=pd.Series(flag, index=frame.index, dtype=object))

    def logits(
        self, features: NDArray[np.float32], frame: pd.DataFrame | None = None
    ) -> NDArray[np.float64]:
        """Logits by year, shape (n, 5); with the questionnaire's factors where given."""
        names = [name.split("-") for name in STANDARD_VIEWS]
        n = len(features)
        view = torch.tensor([_VIEW_CODES[v] for _, v in names]).expand(n, 4)
        side = torch.tensor([_SIDE_CODES[s] for s, _ in names]).expand(n, 4)
        exams = Exams(
            features=torch.from_numpy(np.ascontiguousarray(features)),
            view=view,
            side=side,
            time=torch.zeros(n, 4, dtype=torch.long),
        )
        known = is_known = None
        if frame is not None:
            values, told = risk_factors(frame)
            known, is_known = torch.from_numpy(values), torch.from_numpy(told)
        with torch.inference_mode():
            return self.transformer(exams, known, is_known).double().numpy()

    def calibrated(self, probability: NDArray[np.float64]) -> NDArray[np.float64]:
        """Calibrated risk, shape (n, 5); raw where there is no calibration."""
        if self.calibration is None:
            return probability
        slope, intercept = (
            np.array([self.calibration[str(year)][name] for year in range(1, _YEARS + 1)])
            for name in ("slope", "intercept")
        )
        return np.asarray(1 / (1 + np.exp(-(slope * probability + intercept))))

    def score(self, frame: pd.DataFrame, horizons: Sequence[Horizon] = DEFAULT_HORIZONS) -> Scores:
        """Without images there is no score: every row is NaN and says so."""
        import pandas as pd

        return Scores(
            risk=pd.DataFrame(np.nan, index=frame.index, columns=list(horizons)),
            flags=pd.Series("mirai needs images", index=frame.index, dtype=object),
        )

    def save(self, folder: str | Path) -> Path:
        """Write the model folder: safetensors and JSON.

        Raises
        ------
        OutputError
            The folder holds something else, or cannot be written.
        """
        return save_mirai(self, Path(folder))


def save_mirai(model: MiraiModel, folder: Path) -> Path:
    """Write a model folder, whole or not at all; an earlier model there is replaced."""
    from safetensors.torch import save_file

    from mammorisk._version import __version__

    if folder.exists() and any(folder.iterdir()) and not (folder / "config.json").exists():
        raise OutputError("the folder holds something else", where=folder.name)
    tensors = {f"encoder.{k}": v for k, v in model.encoder.state_dict().items()}
    tensors |= {f"transformer.{k}": v for k, v in model.transformer.state_dict().items()}
    config = {
        "format_version": FORMAT_VERSION,
        "kind": "mirai",
        "name": "mirai",
        "software": f"mammorisk {__version__}",
        "settings": asdict(model.transformer.settings),
        "calibration": model.calibration,
        **model.record,
    }
    temporary = folder.with_name(f"{folder.name}.{os.getpid()}.new")
    try:
        temporary.mkdir(parents=True)
        contiguous = {name: value.contiguous().clone() for name, value in tensors.items()}
        save_file(contiguous, temporary / "model.safetensors")
        (temporary / "config.json").write_text(json.dumps(config, indent=1), encoding="utf-8")
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(temporary, folder)
    except OSError as error:
        raise OutputError(
            f"the model cannot be written ({error.strerror})", where=folder.name
        ) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def load_mirai(folder: Path, config: dict[str, Any]) -> MiraiModel:
    """A converted model from its folder and its parsed configuration.

    Raises
    ------
    ModelError
        The folder is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(folder / "model.safetensors")
        encoder = MiraiEncoder()
        transformer = MiraiTransformer(MiraiSettings(**config["settings"]))
        for prefix, module in (("encoder.", encoder), ("transformer.", transformer)):
            module.load_state_dict(
                {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
            )
        calibration = config["calibration"]
        if calibration is not None:
            calibration = {
                str(year): {n: float(calibration[str(year)][n]) for n in ("slope", "intercept")}
                for year in range(1, _YEARS + 1)
            }
        return MiraiModel(
            encoder=encoder.to(memory_format=torch.channels_last).eval(),
            transformer=transformer.eval(),
            calibration=calibration,
            record={k: config[k] for k in ("files_sha256", "arguments") if k in config},
        )
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ModelError(
            f"the model is damaged ({type(error).__name__})",
            where=folder.name,
            remedy="Convert the snapshots again: mammorisk convert mirai.",
        ) from None
