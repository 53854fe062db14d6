"""A converted or trained Mirai as a folder: written, and read without pickle."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from mammorisk.errors import ModelError
from mammorisk.models.mirai.model import YEARS, MiraiModel
from mammorisk.models.storage import WEIGHTS, card_from, under, write_model_folder
from mammorisk.networks.mirai import MiraiEncoder, MiraiSettings, MiraiTransformer

#: Of a folder's configuration.
KIND = "mirai"
#: What of a configuration says where the weights come from.
_RECORD = ("files_sha256", "arguments", "training")


def save_mirai(model: MiraiModel, folder: Path) -> Path:
    """Write a model folder; an earlier model there is replaced.

    Raises
    ------
    OutputError
        The folder holds something else, or cannot be written.
    """
    tensors = {f"encoder.{k}": v for k, v in model.encoder.state_dict().items()}
    tensors |= {f"transformer.{k}": v for k, v in model.transformer.state_dict().items()}
    config = {
        "kind": KIND,
        "name": model.name,
        "card": asdict(model.card),
        "rows": model.rows,
        "columns": model.columns,
        "settings": asdict(model.transformer.settings),
        "calibration": model.calibration,
        **model.record,
    }
    return write_model_folder(folder, config, tensors)


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
            card=card_from(config["card"]),
            rows=int(config["rows"]),
            columns=int(config["columns"]),
        )
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ModelError(
            f"the model is damaged ({type(error).__name__})",
            where=folder.name,
            remedy="Convert the snapshots again: mammorisk convert mirai.",
        ) from None
