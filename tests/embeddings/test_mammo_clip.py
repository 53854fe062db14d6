"""Mammo-CLIP: its checkpoints are converted, used with their preprocessing, or refused."""

from __future__ import annotations

import json
import pickle
import sys
import types
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import mammorisk as mr
from mammorisk._utils.snapshots.restricted_unpickler import Damaged
from mammorisk.cli.app import app
from mammorisk.embeddings import MammoClipPreprocessing, load_encoder
from mammorisk.errors import ModelError
from mammorisk.imaging.segmented_view import segment_view
from mammorisk.networks.mammo_clip import mammo_clip_encoder, published_names
from mammorisk.records.cohort import Cohort
from mammorisk.records.exam import Intent
from mammorisk.risk_models.encoders.mammo_clip import convert
from mammorisk.risk_models.encoders.mammo_clip.checkpoint import describe
from mammorisk.risk_models.encoders.mammo_clip.convert import convert_mammo_clip
from tests.networks.mammo_clip_oracle import filled, pixels

B2 = "mammo-clip-b2"
FILE = "b2-model-best-epoch-10.tar"
ORACLE = json.loads(
    (Path(__file__).parents[1] / "data" / "mammo_clip" / "oracle.json").read_text(encoding="utf-8")
)[B2]


@pytest.fixture(scope="module")
def weights() -> dict[str, np.ndarray]:
    network = mammo_clip_encoder(B2)
    names = published_names(network)
    return filled({names[k]: tuple(v.shape) for k, v in network.state_dict().items()}, B2)


def save(folder: Path, weights: dict[str, np.ndarray]) -> Path:
    """A checkpoint as the published program writes it, with a configuration of OmegaConf."""
    module = types.ModuleType("omegaconf.dictconfig")
    kind = type("DictConfig", (), {"__module__": module.__name__})
    module.DictConfig = kind  # type: ignore[attr-defined]
    configuration = kind()
    vars(configuration).update(_content={"seed": 10}, _metadata={"types": [Any, int, str]})
    model = OrderedDict(
        (f"image_encoder.{k}", torch.from_numpy(np.array(v))) for k, v in weights.items()
    )
    model |= {"logit_scale": torch.tensor(2.6), "text_encoder.weight": torch.zeros(4, 4)}
    whole = {
        "model": model,
        "optimizer": {"state": {0: {"exp_avg": torch.zeros(3)}}},
        "config": {"model": configuration},
        "epoch": 10,
        "train_loss": torch.tensor(0.5),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "omegaconf", types.ModuleType("omegaconf"))
        patch.setitem(sys.modules, module.__name__, module)
        torch.save(whole, folder / FILE)
    return folder / FILE


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, weights: dict[str, np.ndarray]) -> Path:
    place = tmp_path_factory.mktemp("mammo-clip")
    file, out = save(place, weights), place / "encoder"
    done = CliRunner().invoke(app, ["convert", "mammo-clip", str(file), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "mammorisk embed COHORT --encoder" in done.output
    return out


def test_the_folder_states_everything(folder: Path) -> None:
    assert sorted(p.name for p in folder.iterdir()) == ["config.json", "model.safetensors"]
    config = json.loads((folder / "config.json").read_text())
    assert config["architecture"] == B2
    assert config["preprocessing"] == MammoClipPreprocessing().model_dump()
    assert (config["preprocessing"]["rows"], config["preprocessing"]["columns"]) == (1520, 912)
    assert config["licence"] == "Creative Commons Attribution 4.0 International"
    assert "10.1007/978-3-031-72390-2_59" in config["source"]
    assert config["record"]["epoch"] == 10
    assert len(config["record"]["files_sha256"][FILE]) == 64


def test_the_features_are_the_published_ones(folder: Path) -> None:
    encoder = load_encoder("mammo-clip", weights=folder)
    with torch.inference_mode():
        features = encoder.module(torch.from_numpy(pixels()))[0].numpy()
    tolerance = 1e-4 * ORACLE["sd"]
    np.testing.assert_allclose(features[::16], ORACLE["every_16th"], atol=tolerance)
    again = load_encoder(folder)
    assert again.identity == encoder.identity
    assert encoder.describe()["record"] == again.record
    assert encoder.name == "mammo-clip"


def test_a_cohort_is_embedded(folder: Path, cohort: Cohort, tmp_path: Path) -> None:
    """At a small size of its own; the full one takes seconds a view."""
    config = json.loads((folder / "config.json").read_text())
    config["preprocessing"] |= {"rows": 96, "columns": 64}
    small = tmp_path / "small"
    small.mkdir()
    (small / "config.json").write_text(json.dumps(config))
    (small / "model.safetensors").symlink_to(folder / "model.safetensors")
    encoder = load_encoder(small, backend="torch")
    assert encoder.identity != load_encoder(folder).identity
    emb = mr.embed(cohort, encoder)
    assert emb.n_features == 1408
    assert emb.provenance["preprocessing"]["kind"] == "mammo-clip"
    assert emb.provenance["record"]["epoch"] == 10
    frame = emb.to_frame()
    features = frame.filter(like="feature_").to_numpy()
    assert np.isfinite(features).all()
    assert len(np.unique(features[:, 0])) == len(frame)


def test_views_for_processing_are_not_used(cohort: Cohort) -> None:
    exam = cohort.open_exam(0)  # type: ignore[misc]
    seen = segment_view(exam["R-CC"])
    made = MammoClipPreprocessing(rows=96, columns=64)
    prepared = made.prepare(seen)
    assert prepared.content.shape == (96, 64)
    given = made.to_input([prepared.content])
    assert given.shape == (1, 3, 96, 64)
    assert np.array_equal(given[:, 0], given[:, 2])
    assert (given.min(), given.max()) == pytest.approx((-1.23307, 2.75839), abs=1e-4)
    raw = made.prepare(replace(seen, view=replace(seen.view, intent=Intent.PROCESSING)))
    assert raw.content is None
    assert [one.code for one in raw.warnings] == ["for-processing"]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda w: w.pop("_bn0.weight"), "1 weights are missing, 0 unexpected: _bn0.weight is"),
        (
            lambda w: w.update({"_fc.bias": np.zeros(1)}),
            "1 unexpected: _fc.bias is not",
        ),
        (
            lambda w: w.update({"_bn0.bias": np.zeros(3)}),
            r"has shape \(3,\), not \(32,\)",
        ),
        (lambda w: w.update({"_bn0.bias": np.full(32, np.nan)}), "_bn0.bias is not finite"),
        (lambda w: w.update({"_bn0.bias": np.zeros(32, int)}), "_bn0.bias has the type int64"),
        (lambda w: w.pop("_conv_head.weight"), "neither the EfficientNet-B5 nor the B2"),
    ],
)
def test_other_weights_are_refused(
    weights: dict[str, np.ndarray],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Any,
    match: str,
) -> None:
    changed = dict(weights)
    change(changed)
    network = mammo_clip_encoder(B2)
    monkeypatch.setattr(convert, "ARCHITECTURES", (B2,))
    monkeypatch.setattr(convert, "mammo_clip_encoder", lambda _: network)
    monkeypatch.setattr(convert, "read_in_child", lambda *_, **__: (changed, {"epoch": None}))
    (tmp_path / FILE).write_bytes(b"")
    with pytest.raises(ModelError, match=match):
        convert_mammo_clip(tmp_path / FILE, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(pickle.dumps({"epoch": 3}))
    with pytest.raises(ModelError, match="no weights under the key model"):
        convert_mammo_clip(tmp_path / FILE, tmp_path / "out")
    (tmp_path / FILE).write_bytes(pickle.dumps({"model": eval}))
    with pytest.raises(ModelError, match=r"refers to .*eval, which no snapshot of Mammo-CLIP"):
        convert_mammo_clip(tmp_path / FILE, tmp_path / "out")
    with pytest.raises(ModelError, match="there is no such file"):
        convert_mammo_clip(tmp_path / "b5-model-best-epoch-7.tar", tmp_path / "out")
    with pytest.raises(Damaged, match="start with image_encoder"):
        describe({"model": {"encoder.weight": None}})


def test_the_licence_of_other_weights_must_be_stated(
    weights: dict[str, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "Mammo-FM.tar"
    file.write_bytes(b"")
    with pytest.raises(ModelError, match="source and licence of the weights are not known"):
        convert_mammo_clip(file, tmp_path / "out")
    with pytest.raises(ModelError, match="must be given together"):
        convert_mammo_clip(file, tmp_path / "out", licence="academic")
    monkeypatch.setattr(convert, "read_in_child", lambda *_, **__: (weights, {"epoch": 4}))
    convert_mammo_clip(file, tmp_path / "out", source="elsewhere", licence="academic")
    encoder = load_encoder(tmp_path / "out")
    assert (encoder.source, encoder.licence) == ("elsewhere", "academic")


def test_two_preprocessings_are_never_mixed(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="does not accept spacing_mm, rows"):
        load_encoder("mammo-clip", weights=folder, spacing_mm=0.2, rows=512)
    with pytest.raises(ModelError, match=r"not part of mammorisk.*convert mammo-clip"):
        load_encoder("mammo-clip")
    compact = load_encoder("compact").save(tmp_path / "compact")
    with pytest.raises(ModelError, match="holds the encoder compact"):
        load_encoder("mammo-clip", weights=compact)
    config = json.loads((compact / "config.json").read_text())
    standard = config["preprocessing"]
    config["preprocessing"] = MammoClipPreprocessing().model_dump()
    (compact / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="compact and the preprocessing mammo-clip do not go"):
        load_encoder(compact)
    config |= {"architecture": B2, "preprocessing": standard}
    (compact / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="mammo-clip-b2 and the preprocessing standard do not go"):
        load_encoder(compact)
