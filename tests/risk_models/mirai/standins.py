"""Stand-ins for the classes of Mirai's snapshots, and weights filled by a rule.

The classes exist so that torch can pickle instances of them by name; they hold our own layers.
"""

from __future__ import annotations

import argparse
import sys
import types
import zlib
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.backends.thnn import _get_thnn_function_backend

from mammorisk.networks.mirai import MiraiEncoder, MiraiSettings, MiraiTransformer


def filled(module: nn.Module, prefix: str = "") -> nn.Module:
    """Every weight by a hash of its name and place, as tests/data/mirai/oracle.json was made."""
    state = module.state_dict()
    module.load_state_dict({k: _fill(prefix + k, v) for k, v in state.items()})
    return module.eval()


def _fill(key: str, value: torch.Tensor) -> torch.Tensor:
    if key.endswith(("num_batches_tracked", "upper_triagular_mask")):
        return value
    n = value.numel()
    fan = int(np.prod(value.shape[1:])) if value.ndim > 1 else n
    with np.errstate(over="ignore"):
        h = np.arange(n, dtype=np.uint32) * np.uint32(0x9E3779B1)
        h = h + np.uint32(zlib.crc32(key.encode()))
        h ^= h >> np.uint32(16)
        h *= np.uint32(0x85EBCA6B)
        h ^= h >> np.uint32(13)
        h *= np.uint32(0xC2B2AE35)
        h ^= h >> np.uint32(16)
    s = h.astype(np.float64) / 2**31 - 1
    norm = any(part in key for part in ("bn1.", "bn2.", "downsample.1.", "layernorm_"))
    if key.endswith("running_var"):
        s = 1 + 0.5 * s
    elif key.endswith(("running_mean", "bias")):
        s = 0.1 * s
    elif value.ndim == 1 and norm:
        s = 1 + 0.2 * s
    elif key.endswith("_embed.weight") or key == "mask_embedding.weight":
        s = (0.5 * s).reshape(value.shape)
        s[1 if key == "mask_embedding.weight" else -1] = 0
    else:
        s = (0.35 if "prob_of_failure_layer" in key else 1.0) * np.sqrt(3 / fan) * s
    return torch.from_numpy(s.reshape(value.shape).astype(np.float32))


@contextmanager
def onconet() -> Iterator[types.SimpleNamespace]:
    """Modules of the names that the snapshots refer to, gone afterwards."""
    names = (
        *("onconet", "onconet.models", "onconet.models.custom_resnet"),
        *("onconet.models.resnet_base", "onconet.models.hiddens_transfomer"),
        *("onconet.models.pools", "onconet.models.calibrator", "onconet.ran"),
    )
    made = {name: types.ModuleType(name) for name in names}

    def define(module: str, name: str, base: type = nn.Module) -> type:
        kind = type(name, (base,), {"__module__": module})
        setattr(made[module], name, kind)
        return kind

    space = types.SimpleNamespace(
        CustomResnet=define("onconet.models.custom_resnet", "CustomResnet"),
        ResNet=define("onconet.models.resnet_base", "ResNet"),
        AllImageTransformer=define("onconet.models.hiddens_transfomer", "AllImageTransformer"),
        Pool=define("onconet.models.pools", "RiskFactorPool"),
        GlobalMaxPool=define("onconet.models.pools", "GlobalMaxPool"),
        GlobalAvgPool=define("onconet.models.pools", "GlobalAvgPool"),
        Simple_AttentionPool=define("onconet.models.pools", "Simple_AttentionPool"),
        MiraiCalibrator=define("onconet.models.calibrator", "MiraiCalibrator", object),
    )
    before = {name: sys.modules.get(name) for name in names}
    sys.modules.update(made)
    try:
        yield space
    finally:
        for name, module in before.items():
            if module is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = module


def _as(kind: type, source: nn.Module) -> nn.Module:
    """A module of another class with the same layers; children of ours become plain ones."""
    made = nn.Module.__new__(kind)
    nn.Module.__init__(made)
    for name, value in source._parameters.items():
        made.register_parameter(name, value)
    for name, buffer in source._buffers.items():
        made.register_buffer(name, buffer)
    for name, child in source._modules.items():
        if child is None:
            continue
        plain = type(child).__module__.startswith("torch.nn")
        made.add_module(name, child if plain else _as(nn.Module, child))
    return made


def encoder_snapshot(space: types.SimpleNamespace) -> nn.Module:
    encoder = filled(MiraiEncoder(), "_model.")
    root = _as(space.CustomResnet, nn.Module())
    root.add_module("_model", _as(space.ResNet, encoder))
    root.args = argparse.Namespace(img_only_dim=512, patient_paths={"secret": "/somewhere"})
    # The released class keeps the names of its blocks in arrays.
    root._model.gpu_to_layer_assignments = np.array_split(["downsampler", "layer1_0"], 1)
    return root


class _OldBackend:
    """What every module held until torch 1.2; its pickle names a function."""

    def __reduce__(self) -> tuple[Any, tuple[()]]:
        return _get_thnn_function_backend, ()


def as_trained_in_2019(root: nn.Module) -> nn.Module:
    """The same module with what its time and the training run left in it."""
    for module in root.modules():
        module.__dict__["_backend"] = _OldBackend()
    vars(root.args).update(
        device_entropy=np.float64(0.7),
        censoring_distribution={0: np.float64(0.99), 1: 0.98},
        exam_to_device_dict={"exam": np.array(["Selenia_Dimensions", "<UNK>"])},
        epoch_stats=defaultdict(list, dev_loss=[0.3], best_epoch=0),
        empty=b"",
    )
    wrapped = nn.DataParallel(root)
    wrapped.add_module("module", root)
    wrapped.device_ids, wrapped.output_device = range(2), 0
    wrapped.src_device_obj = torch.device("cuda", 0)
    return wrapped


def transformer_snapshot(
    space: types.SimpleNamespace, settings: MiraiSettings, **arguments: Any
) -> nn.Module:
    transformer = filled(MiraiTransformer(settings))
    root = _as(space.AllImageTransformer, transformer)
    pool = _as(space.Pool, transformer.pool)
    inner = getattr(transformer.pool, "internal_pool", nn.Module())
    pool.add_module("internal_pool", _as(getattr(space, settings.pool), inner))
    root.add_module("pool", pool)
    if settings.relu_on_pooled:
        root.add_module("relu", nn.ReLU())
    # Left over from training, and not read.
    root.register_buffer("kept_images_vec", torch.ones(1, 4, 1))
    root.add_module("fc", nn.Linear(612, 2))
    root.add_module("pred_masked_img_fc", nn.Linear(512, 512))
    told = {"transfomer_hidden_dim": settings.width, "num_heads": settings.heads}
    root.args = argparse.Namespace(**told, exam_to_year_dict={"exam": 2010}, **arguments)
    return root


def calibrator_snapshot(space: types.SimpleNamespace, years: int = 5) -> dict[int, Any]:
    found = {}
    for year in range(years):
        one = space.MiraiCalibrator()
        one.base_estimator_slope = np.array([4.0 + year])
        one.base_estimator_offset = np.float64(-6.0)
        one.calibrator_slope = np.float64(-1.5)
        one.calibrator_offset = np.float64(0.25)
        found[year] = one
    return found
