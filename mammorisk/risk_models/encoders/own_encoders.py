"""Encoders of this package: the compact one, those of fitted models, and saved folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import torch
from pydantic import TypeAdapter, ValidationError
from torch import nn

from mammorisk._utils.model_folder import WEIGHTS, damaged, read_config
from mammorisk.base import RiskModel
from mammorisk.errors import ModelError
from mammorisk.networks.encoders import COMPACT, Pooling, make_encoder
from mammorisk.networks.mammo_clip import ARCHITECTURES, mammo_clip_encoder
from mammorisk.networks.mirai import MiraiEncoder
from mammorisk.networks.statistics_pooling import network_of
from mammorisk.risk_models.encoders.encoder import KIND, Encoder
from mammorisk.risk_models.encoders.mammo_clip.preprocessing import MammoClipPreprocessing
from mammorisk.risk_models.encoders.preprocessing import (
    MiraiPreprocessing,
    Preprocessing,
    StandardPreprocessing,
)
from mammorisk.risk_models.hybrid.model import HybridModel
from mammorisk.risk_models.mirai.model import MiraiModel
from mammorisk.risk_models.recalibrated import RecalibratedModel

#: Seed of random weights, so that the same name always gives the same features.
SEED = 0
MIRAI = "mirai"
#: Preprocessing of architectures that were trained with their own.
_PREPROCESSING: dict[str, type] = {
    MIRAI: MiraiPreprocessing,
    **dict.fromkeys(ARCHITECTURES, MammoClipPreprocessing),
}
#: Fields that the configuration of a folder must state.
_STATED = ("name", "architecture", "preprocessing", "source", "licence")
_STATED_STANDARD = ("spacing_mm", "rows", "columns", "grey", "mean", "sd")


def standard_preprocessing(**fields: Any) -> StandardPreprocessing:
    """Create a preprocessing.

    Raises
    ------
    ModelError
        A value is out of range.
    """
    try:
        return StandardPreprocessing(**fields)
    except ValidationError as error:
        raise _invalid(error) from None


def compact_encoder(sizes: dict[str, Any], pooling: Pooling) -> Encoder:
    """Create the compact network with random weights of a fixed seed."""
    made = standard_preprocessing(**sizes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        module = make_encoder(
            COMPACT, pretrained=False, size=(made.rows, made.columns), pooling=pooling
        )
    return Encoder(
        name=COMPACT,
        architecture=COMPACT,
        module=module.eval(),
        preprocessing=made,
        source=f"random weights of seed {SEED}",
        licence="MIT",
    )


def encoder_of(model: RiskModel) -> Encoder:
    """Return the encoder of a fitted model.

    Raises
    ------
    ModelError
        The model has no encoder.
    """
    if isinstance(model, RecalibratedModel):
        return encoder_of(model.model)
    if isinstance(model, MiraiModel):
        return Encoder(
            name=model.name,
            architecture=MIRAI,
            module=model.encoder,
            preprocessing=MiraiPreprocessing(rows=model.rows, columns=model.columns),
            source=model.card.source,
            licence=model.card.licence,
            backend=model.backend,
        )
    if isinstance(model, HybridModel) and model.encoder is not None:
        image = model.recipe.image
        return Encoder(
            name=model.name,
            architecture=model.recipe.encoder.name,
            module=model.encoder,
            preprocessing=StandardPreprocessing(**image.model_dump()),
            source=model.card.source,
            licence=model.card.licence,
            backend=model.backend,
        )
    raise ModelError(
        f"the model {model.name} has no encoder",
        remedy="mammorisk.embeddings.encoders() lists encoders.",
    )


def read_encoder(folder: Path) -> Encoder:
    """Read a folder with ``config.json`` and ``model.safetensors``.

    Raises
    ------
    ModelError
        A field is missing or invalid, or the weights do not fit the architecture.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    config = read_config(folder)
    _check_stated(config, folder)
    try:
        made = TypeAdapter(Preprocessing).validate_python(config["preprocessing"])
    except ValidationError as error:
        raise _invalid(error) from None
    architecture, options = str(config["architecture"]), dict(config.get("options", {}))
    if not isinstance(made, _PREPROCESSING.get(architecture, StandardPreprocessing)):
        raise ModelError(
            f"the architecture {architecture} and the preprocessing {made.kind} do not go together",
            where=folder.name,
            remedy="The encoders of Mirai and Mammo-CLIP need their own preprocessing, others "
            "standard.",
        )
    pooling = config.get("pooling", "mean")
    own = architecture == MIRAI or architecture in ARCHITECTURES
    if pooling not in (get_args(Pooling) if not own else ("mean",)):
        raise ModelError(
            f"the encoder {architecture} does not have the pooling {pooling!r}",
            where=folder.name,
            remedy='"statistics" is for the compact encoder and models of timm, "mean" for all.',
        )
    module: nn.Module
    if architecture == MIRAI:
        module = MiraiEncoder()
    elif architecture in ARCHITECTURES:
        module = mammo_clip_encoder(architecture)
    else:
        size = (made.rows, made.columns)
        module = make_encoder(
            architecture,
            pretrained=False,
            size=size,
            channels=made.channels,
            options=options,
            pooling=pooling,
            background=made.background if isinstance(made, StandardPreprocessing) else (0.0,),
        )
    try:
        network_of(module).load_state_dict(load_file(folder / WEIGHTS))
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise damaged(folder, error) from None
    return Encoder(
        name=str(config["name"]),
        architecture=architecture,
        module=module.eval(),
        preprocessing=made,
        source=str(config["source"]),
        licence=str(config["licence"]),
        options=options,
        record=dict(config.get("record", {})),
    )


def _check_stated(config: dict[str, Any], folder: Path) -> None:
    """Refuse defaults: a folder must state its preprocessing and licence itself."""
    missing = [name for name in _STATED if not config.get(name)]
    preprocessing = config.get("preprocessing")
    if isinstance(preprocessing, dict) and preprocessing.get("kind") == "standard":
        missing += [f"preprocessing.{n}" for n in _STATED_STANDARD if n not in preprocessing]
    if config.get("kind") != KIND or missing:
        raise ModelError(
            f"the configuration of the encoder lacks {', '.join(missing) or 'its kind'}",
            where=folder.name,
            remedy="State it in config.json; mammorisk.embeddings.load_encoder describes the file.",
        )


def _invalid(error: ValidationError) -> ModelError:
    first = error.errors()[0]
    place = ".".join(str(one) for one in first["loc"])
    return ModelError(
        f"the preprocessing is invalid: {f'{place}: ' if place else ''}{first['msg']}",
        remedy="See mammorisk.embeddings.StandardPreprocessing.",
    )
