"""Encoders of timm, with weights from safetensors files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mammorisk._utils.optional import NETWORKS, require
from mammorisk.errors import ModelError, UnknownModel
from mammorisk.networks.encoders import Pooling, make_encoder
from mammorisk.risk_models.encoders.encoder import Encoder
from mammorisk.risk_models.encoders.own_encoders import SEED, standard_preprocessing
from mammorisk.risk_models.encoders.preprocessing import StandardPreprocessing

#: Height of a view in mm at the default spacing, as of the recipes of this package.
_HEIGHT_MM = 240.0
_CONFIG, _WEIGHTS = "config.json", "model.safetensors"


def timm_encoder(
    name: str,
    sizes: dict[str, Any],
    *,
    weights: str | Path | None,
    pretrained: bool,
    pooling: Pooling,
) -> Encoder:
    """Load a model of timm.

    Parameters
    ----------
    name : str
        With or without the tag of its weights.
    sizes : dict
        Changes of ``spacing_mm``, ``rows`` and ``columns``.
    weights : path, optional
        A safetensors file, instead of a download.
    pretrained : bool
        False: random weights.
    pooling : {"mean", "statistics"}

    Raises
    ------
    UnknownModel
        timm has no model of this name.
    ModelError
        The weights cannot be downloaded or read.
    """
    require("timm", NETWORKS, what="an encoder of timm")
    import timm

    if name.partition(".")[0] not in timm.list_models():
        raise UnknownModel(
            f"there is no encoder {name!r}",
            remedy="mammorisk.embeddings.encoders() lists the names; others are those of timm.",
        )
    try:
        stated = timm.get_pretrained_cfg(name)
    except (RuntimeError, KeyError, ValueError) as error:
        raise UnknownModel(
            f"timm has no weights {name!r}", remedy="See timm.list_pretrained()."
        ) from error
    config: dict[str, Any] = {} if stated is None else asdict(stated)
    tensors: Mapping[str, Tensor] | None = None
    if weights is not None:
        tensors, source = _read(Path(weights)), f"safetensors file {Path(weights).name}"
    elif pretrained:
        repository = str(config.get("hf_hub_id") or "")
        if not repository:
            raise ModelError(
                f"timm has no weights of {name} on the Hugging Face hub",
                remedy="Pass weights= with a safetensors file, or pretrained=False.",
            )
        file = _fetch(repository, _WEIGHTS, None)
        tensors, source = _read(file), f"huggingface.co/{repository}"
    else:
        source = f"random weights of seed {SEED}"
    is_random = tensors is None
    licence = "none (random weights)" if is_random else str(config.get("license") or "not stated")
    return _made(name, name, config, sizes, tensors, {}, source, licence, pooling)


def hub_encoder(name: str, sizes: dict[str, Any], *, pooling: Pooling) -> Encoder:
    """Load a model of timm from the Hugging Face hub.

    Parameters
    ----------
    name : str
        ``hf-hub:owner/name``, optionally with ``@revision``.
    sizes : dict
        Changes of ``spacing_mm``, ``rows`` and ``columns``.
    pooling : {"mean", "statistics"}

    Raises
    ------
    ModelError
        The files cannot be downloaded, or are not of a model of timm.
    """
    require("timm", NETWORKS, what="an encoder of timm")
    repository, _, revision = name.partition(":")[2].partition("@")
    try:
        text = _fetch(repository, _CONFIG, revision or None).read_text(encoding="utf-8")
        stated = json.loads(text)
        architecture = str(stated["architecture"])
        # The form of timm since 0.9; earlier files have the fields at the top.
        config = {**stated, **stated.get("pretrained_cfg", {})}
        options = dict(stated.get("model_args") or {})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"{_CONFIG} is not one of timm ({type(error).__name__})",
            where=name,
            remedy="Save the model with timm, or make a folder with Encoder.save.",
        ) from None
    tensors = _read(_fetch(repository, _WEIGHTS, revision or None))
    licence = str(config.get("license") or "not stated")
    source = f"huggingface.co/{repository}"
    return _made(name, architecture, config, sizes, tensors, options, source, licence, pooling)


def _made(
    name: str,
    architecture: str,
    config: Mapping[str, Any],
    sizes: dict[str, Any],
    tensors: Mapping[str, Tensor] | None,
    options: dict[str, Any],
    source: str,
    licence: str,
    pooling: Pooling,
) -> Encoder:
    _, rows, columns = config.get("input_size") or (3, 224, 224)
    shape = {"rows": int(rows), "columns": int(columns)} | sizes
    made = standard_preprocessing(
        **{"spacing_mm": _HEIGHT_MM / shape["rows"]} | shape,
        grey="unit",
        mean=tuple(config.get("mean") or (0.485, 0.456, 0.406)),
        sd=tuple(config.get("std") or (0.229, 0.224, 0.225)),
    )
    module = _seeded(architecture, made, options, tensors, pooling)
    if tensors is not None:
        _check_loaded(module, _seeded(architecture, made, options, None, pooling), source)
    return Encoder(
        name=name,
        architecture=architecture,
        module=module.eval(),
        preprocessing=made,
        source=source,
        licence=licence,
        options=options,
    )


def _seeded(
    architecture: str,
    made: StandardPreprocessing,
    options: dict[str, Any],
    tensors: Mapping[str, Tensor] | None,
    pooling: Pooling,
) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        return make_encoder(
            architecture,
            pretrained=False,
            size=(made.rows, made.columns),
            channels=made.channels,
            weights=tensors,
            options=options,
            pooling=pooling,
            background=made.background,
        )


def _check_loaded(module: nn.Module, fresh: nn.Module, source: str) -> None:
    """Refuse weights that left a part of the network random, which timm does not report.

    timm renames and adapts weights, so that their names cannot be compared.
    """
    before = dict(fresh.named_parameters())
    random = [
        name
        for name, value in module.named_parameters()
        if value.ndim > 1 and torch.equal(value, before[name])
    ]
    if random:
        raise ModelError(
            f"the weights do not fit the architecture: {len(random)} layers, such as {random[0]}, "
            "are not in the file",
            where=source,
            remedy="Check the name of the model.",
        )


def _read(file: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return dict(load_file(file))
    except (SafetensorError, OSError) as error:
        raise ModelError(
            f"the weights are not a safetensors file ({type(error).__name__})",
            where=file.name,
            remedy="Other formats are not read, because unpickling can run any code.",
        ) from None


def _fetch(repository: str, file: str, revision: str | None) -> Path:
    require("huggingface_hub", NETWORKS, what="the Hugging Face hub")
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import (
        EntryNotFoundError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
    )

    try:
        return Path(hf_hub_download(repository, file, revision=revision))
    except (
        EntryNotFoundError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        OSError,
    ) as error:
        raise ModelError(
            f"{file} cannot be downloaded ({type(error).__name__})",
            where=repository,
            remedy="Check the name and the network; only safetensors are read. For timm, weights= "
            "accepts a safetensors file.",
        ) from None
