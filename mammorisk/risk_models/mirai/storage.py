"""Loading of a converted or fitted Mirai."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from mammorisk._utils.model_folder import WEIGHTS, damaged
from mammorisk.networks.mirai import YEARS, MiraiEncoder, MiraiSettings, MiraiTransformer
from mammorisk.risk_models.mirai.model import MiraiModel
from mammorisk.risk_models.storage import card_from, under

#: Parts of a configuration that record the origin of the weights.
_RECORD = ("files_sha256", "arguments", "training")


def load_mirai(folder: Path, config: dict[str, Any]) -> MiraiModel:
    """Load a converted or fitted model from its folder and its parsed configuration.

    Raises
    ------
    ModelError
        The folder is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(folder / WEIGHTS)
        encoder = MiraiEncoder()
        transformer = MiraiTransformer(MiraiSettings(**config["settings"]))
        encoder.load_state_dict(under(tensors, "encoder."))
        transformer.load_state_dict(under(tensors, "transformer."))
        calibration = config["calibration"]
        if calibration is not None:
            calibration = {
                str(year): {n: float(calibration[str(year)][n]) for n in ("slope", "intercept")}
                for year in range(1, YEARS + 1)
            }
        return MiraiModel(
            encoder=encoder.to(memory_format=torch.channels_last).eval(),
            transformer=transformer.eval(),
            calibration=calibration,
            record={k: config[k] for k in _RECORD if k in config},
            card=card_from(config),
            rows=int(config["rows"]),
            columns=int(config["columns"]),
        )
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise damaged(folder, error) from None
