"""Reading of a saved detector: safetensors and JSON."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from mammorisk._utils.model_folder import WEIGHTS, damaged, read_config
from mammorisk.findings import detector, rcnn
from mammorisk.findings.base import Detector, common_fields
from mammorisk.networks.fused_rcnn import RcnnSettings, make_rcnn
from mammorisk.networks.lesion_maps import LesionNet, SpeckNet


def load_detector(folder: Path) -> Detector:
    """Load a detector from its folder.

    Raises
    ------
    ModelError
        The folder is not that of a detector, or is damaged.
    """
    config = read_config(folder)
    try:
        load = {detector.KIND: _load_maps, rcnn.KIND: _load_rcnn}[config["kind"]]
        return load(config, load_file(folder / WEIGHTS))
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise damaged(folder, error) from None


def _load_maps(config: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> Detector:
    lesions = LesionNet(width=int(config["width"]["lesions"]))
    specks = SpeckNet(width=int(config["width"]["specks"]))
    return detector.LesionDetector(
        lesions=_filled(lesions, tensors, "lesions."),
        specks=_filled(specks, tensors, "specks."),
        score_weights={
            kind: np.array(values, dtype=float) for kind, values in config["score_weights"].items()
        },
        **common_fields(config),
    )


def _load_rcnn(config: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> Detector:
    settings = RcnnSettings(**config["settings"])
    return rcnn.RcnnDetector(
        network=_filled(make_rcnn(settings, pretrained=False), tensors, "network."),
        settings=settings,
        classes=tuple(config["classes"]),
        spacing_mm=float(config["spacing_mm"]),
        spread_mm=float(config["spread_mm"]),
        **common_fields(config),
    )


def _filled(net: nn.Module, tensors: Mapping[str, torch.Tensor], prefix: str) -> Any:
    own = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
    net.load_state_dict(own)
    return net.eval().to(memory_format=torch.channels_last)
