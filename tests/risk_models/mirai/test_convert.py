"""Converting snapshots: every form of them, and none that would run."""

from __future__ import annotations

import argparse
import io
import json
import os
import pickle
import sys
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

import mammorisk as mr
from mammorisk._utils.snapshots.restricted_unpickler import (
    Damaged,
    Tensor,
    _Storages,
    _StorageType,
)
from mammorisk.cli.app import app
from mammorisk.errors import ModelError, OutputError, UnknownModel
from mammorisk.networks.mirai import RISK_FACTORS, MiraiSettings
from mammorisk.risk_models.mirai.convert import convert_snapshots
from mammorisk.risk_models.mirai.model import PUBLISHED_CALIBRATION, MiraiModel
from tests.risk_models.mirai.standins import (
    as_trained_in_2019,
    calibrator_snapshot,
    encoder_snapshot,
    onconet,
    transformer_snapshot,
)

SMALL = MiraiSettings(width=64, heads=4)

# torch looks for the source of the classes it pickles; the stand-ins have none.
pytestmark = pytest.mark.filterwarnings("ignore:Couldn't retrieve source code:UserWarning")


def write(
    folder: Path,
    *,
    settings: MiraiSettings = SMALL,
    legacy: bool = False,
    wrap: str = "module",
    calibrator: bool = True,
    **arguments: Any,
) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "base.p").write_bytes(_encoder(legacy, wrap))
    with onconet() as space:
        root = transformer_snapshot(space, settings, **arguments)
        (folder / "transformer.p").write_bytes(_saved(root, legacy, wrap))
        if calibrator:
            with (folder / "calibrator.p").open("wb") as file:
                pickle.dump(calibrator_snapshot(space), file)
    return folder


@cache
def _encoder(legacy: bool, wrap: str) -> bytes:
    with onconet() as space:
        return _saved(encoder_snapshot(space), legacy, wrap)


def _saved(root: nn.Module, legacy: bool, wrap: str) -> bytes:
    whole: Any = root
    if wrap == "dict":
        whole = {"model": root, "epoch": 3}
    elif wrap == "parallel":
        whole = nn.DataParallel(root)
        whole.add_module("module", root)
    elif wrap == "2019":
        whole = as_trained_in_2019(root)
    file = io.BytesIO()
    torch.save(whole, file, _use_new_zipfile_serialization=not legacy)
    return file.getvalue()


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> MiraiModel:
    folder = tmp_path_factory.mktemp("plain")
    return _load(convert_snapshots(write(folder / "p"), folder / "mirai"))


def _load(folder: Path) -> MiraiModel:
    model = mr.load_model("mirai", weights=folder)
    assert isinstance(model, MiraiModel)
    return model


def _logits(model: MiraiModel) -> np.ndarray:
    features = np.random.default_rng(0).random((2, 4, 512), dtype=np.float32)
    return model.logits(features)


def test_what_is_kept(plain: MiraiModel) -> None:
    assert plain.transformer.settings == SMALL
    # p = 1 / (1 + exp(cs (bs x + bo) + co))
    assert plain.calibration is not None
    assert plain.calibration["3"] == pytest.approx({"slope": 1.5 * 6, "intercept": -9.25})
    assert set(plain.record["files_sha256"]) == {"base.p", "transformer.p", "calibrator.p"}
    assert "exam_to_year_dict" not in json.dumps(plain.record)
    assert not plain.encoder.training


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("wrap", ["module", "dict", "parallel", "2019"])
def test_every_form_of_a_snapshot(
    tmp_path: Path, plain: MiraiModel, legacy: bool, wrap: str
) -> None:
    source = write(tmp_path / "p", legacy=legacy, wrap=wrap)
    made = _load(convert_snapshots(source, tmp_path / "mirai"))
    np.testing.assert_array_equal(_logits(made), _logits(plain))


def test_an_archive(tmp_path: Path, plain: MiraiModel) -> None:
    source = write(tmp_path / "p")
    with zipfile.ZipFile(tmp_path / "snapshots.zip", "w") as archive:
        for file in source.iterdir():
            archive.write(file, f"calibrators/{file.name}" if "cal" in file.name else file.name)
            archive.writestr(f"__MACOSX/._{file.name}", b"\0\5\x16\7")
    made = _load(convert_snapshots(tmp_path / "snapshots.zip", tmp_path / "mirai"))
    np.testing.assert_array_equal(_logits(made), _logits(plain))


@pytest.mark.parametrize("pool", ["GlobalAvgPool", "Simple_AttentionPool"])
def test_variants(tmp_path: Path, pool: str) -> None:
    settings = MiraiSettings(width=96, heads=4, layers=2, pool=pool, relu_on_pooled=False)  # type: ignore[arg-type]
    source = write(tmp_path / "p", settings=settings)
    assert _load(convert_snapshots(source, tmp_path / "m")).transformer.settings == settings


def test_without_a_calibrator_it_says_so(tmp_path: Path) -> None:
    source = write(tmp_path / "p", calibrator=False)
    model = _load(convert_snapshots(source, tmp_path / "m"))
    assert model.calibration is None
    features = np.zeros((1, 4, 512), dtype=np.float32)
    scores = model.score_features(features, mr.Questionnaire(age=50).to_frame(), (1, 5))
    assert [one.code for one in scores.warnings.iloc[0]] == ["uncalibrated"]
    assert (scores.risk > 0).all(axis=None)
    published = model.with_options(calibration="published-2022")
    assert published.calibration == PUBLISHED_CALIBRATION
    again = published.score_features(features, mr.Questionnaire(age=50).to_frame(), (1, 5))
    assert again.warning_texts.iloc[0] == ""
    with pytest.raises(ModelError, match="no calibration"):
        model.with_options(calibration="mine")


def test_scikit_learn_calibrators(tmp_path: Path) -> None:
    """Pickled objects of scikit-learn are read from their attributes alone."""
    import types

    names = ("sklearn.calibration_old", "sklearn.linear_model_old")
    modules = {name: types.ModuleType(name) for name in names}

    def define(module: str, name: str) -> type:
        kind = type(name, (), {"__module__": module})
        setattr(modules[module], name, kind)
        return kind

    whole_kind = define(names[0], "CalibratedClassifierCV")
    part_kind = define(names[0], "_CalibratedClassifier")
    sigmoid_kind = define(names[0], "_SigmoidCalibration")
    base_kind = define(names[1], "LogisticRegression")
    years = {}
    for year in range(5):
        base, sigmoid, part, whole = base_kind(), sigmoid_kind(), part_kind(), whole_kind()
        base.coef_, base.intercept_ = np.array([[3.0]]), np.array([-5.0])
        sigmoid.a_, sigmoid.b_ = -2.0, 0.5
        part.base_estimator, part.calibrators_ = base, [sigmoid]
        whole.calibrated_classifiers_ = [part]
        years[year] = whole
    source = write(tmp_path / "p", calibrator=False)
    sys.modules.update(modules)
    try:
        (source / "calibrator.p").write_bytes(pickle.dumps(years))
    finally:
        for name in names:
            del sys.modules[name]
    model = _load(convert_snapshots(source, tmp_path / "m"))
    assert model.calibration is not None
    assert model.calibration["1"] == pytest.approx({"slope": 6.0, "intercept": -10.5})


class _Runs:
    """Pickles to a call."""

    def __init__(self, call: Any, *arguments: Any) -> None:
        self.call, self.arguments = call, arguments

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.call, self.arguments


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize(
    ("call", "name"),
    [
        (os.system, "system"),
        (eval, "eval"),
        (getattr, "getattr"),
        (__import__, "__import__"),
        (torch.load, "load"),
        (Path.write_text, ""),
        (argparse.ArgumentParser, "ArgumentParser"),
        (io.open, "open"),
    ],
)
def test_hostile_pickles_are_refused_by_name(
    tmp_path: Path, call: Any, name: str, protocol: int
) -> None:
    mark = tmp_path / "was-here"
    source = tmp_path / "p"
    source.mkdir()
    arguments = (str(mark), "w") if call is io.open else (f"touch {mark}",)
    (source / "calibrator.p").write_bytes(pickle.dumps(_Runs(call, *arguments), protocol))
    with pytest.raises(ModelError, match=f"refers to .*{name}.*nothing in it was executed"):
        convert_snapshots(source, tmp_path / "mirai")
    assert not mark.exists()
    assert not (tmp_path / "mirai").exists()


@pytest.mark.parametrize(
    "text",
    [
        b"cposix\nsystem\n(S'touch MARK'\ntR.",
        b"conconet.models.x\nPool.__init__.__globals__\n(tR.",
        b"ctorch.nn.functional\nrelu\n(tR.",
        b"cnumpy\nload\n(S'x'\ntR.",
        b"cbuiltins\nexec\n(S'x'\ntR.",
        b"c_codecs\nencode\n(Vx\nVzlib_codec\ntR.",
        b"c_codecs\ndecode\n(Vx\nVlatin1\ntR.",
    ],
)
def test_hand_written_pickles(tmp_path: Path, text: bytes) -> None:
    source = tmp_path / "p"
    source.mkdir()
    (source / "x.p").write_bytes(text.replace(b"MARK", str(tmp_path / "mark").encode()))
    with pytest.raises(ModelError, match="no snapshot of Mirai needs"):
        convert_snapshots(source, tmp_path / "mirai")
    assert not (tmp_path / "mark").exists()


def test_damaged_and_foreign_files(tmp_path: Path) -> None:
    source = write(tmp_path / "p")
    whole = (source / "base.p").read_bytes()
    for damaged in (b"", b"no pickle", whole[: len(whole) // 2], whole[:100]):
        (source / "base.p").write_bytes(damaged)
        with pytest.raises(ModelError):
            convert_snapshots(source, tmp_path / "m")
    (source / "base.p").unlink()
    with pytest.raises(ModelError, match="no file contains the encoder"):
        convert_snapshots(source, tmp_path / "m")
    with pytest.raises(ModelError, match="no such file"):
        convert_snapshots(tmp_path / "nothing", tmp_path / "m")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match=r"no \.p files"):
        convert_snapshots(tmp_path / "empty", tmp_path / "m")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("dear")
    with pytest.raises(OutputError, match="files that are not of a model"):
        convert_snapshots(write(tmp_path / "q"), tmp_path / "mine")


def test_archives_that_reach_outside(tmp_path: Path) -> None:
    source = write(tmp_path / "p")
    with zipfile.ZipFile(tmp_path / "snapshots.zip", "w") as archive:
        archive.write(source / "base.p", "../../base.p")
    with pytest.raises(ModelError, match="outside"):
        convert_snapshots(tmp_path / "snapshots.zip", tmp_path / "m")


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"pred_both_sides": True}, "each breast"),
        ({"make_probs_indep": True}, "each year"),
        ({"risk_factor_keys": ["age", "density"]}, "differ from the published"),
    ],
)
def test_what_is_another_network(tmp_path: Path, arguments: dict[str, Any], match: str) -> None:
    with pytest.raises(ModelError, match=match):
        convert_snapshots(write(tmp_path / "p", **arguments), tmp_path / "m")


def test_a_trunk_alone_is_an_encoder(tmp_path: Path, plain: MiraiModel) -> None:
    source = write(tmp_path / "p", risk_factor_keys=list(RISK_FACTORS))
    with onconet() as space:
        root = encoder_snapshot(space)
        for name in ("pool", "fc", "prob_of_failure_layer"):
            delattr(root._model, name)
        root._model.add_module("birads_fc", nn.Linear(512, 2))
        (source / "base.p").write_bytes(_saved(root, True, "module"))
    made = _load(convert_snapshots(source, tmp_path / "m"))
    pixels = torch.ones(1, 1, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(made.encoder(pixels), plain.encoder(pixels))
    with onconet() as space:
        root = encoder_snapshot(space)
        del root._model.layer4_1
        (source / "base.p").write_bytes(_saved(root, True, "module"))
    with pytest.raises(ModelError, match=r"layer4_1.* is missing"):
        convert_snapshots(source, tmp_path / "m")


def test_a_part_of_a_block_of_numbers() -> None:
    """torch 1.0 tells of storages that share their memory by a place in the whole."""
    storages = _Storages()
    kind = _StorageType("FloatStorage")
    part = storages.get((kind, "a", "cpu", 6, ("b", 2, 3)))
    storages.fill("a", np.arange(6, dtype="<f4").tobytes())
    assert Tensor(part, 1, (2,), (1,)).array().tolist() == [3, 4]
    with pytest.raises(Damaged, match="a tensor extends beyond its storage"):
        Tensor(part, 2, (2,), (1,)).array()
    beyond = storages.get((kind, "a", "cpu", 6, ("c", 4, 3)))
    with pytest.raises(Damaged, match="a part extends beyond its storage"):
        Tensor(beyond, 0, (1,), (1,)).array()


def test_the_command_and_the_model_by_name(tmp_path: Path) -> None:
    source = write(tmp_path / "p")
    run = CliRunner().invoke
    made = run(app, ["convert", "mirai", str(source), "--out", str(tmp_path / "m")])
    assert made.exit_code == 0, made.output
    assert isinstance(mr.load_model(tmp_path / "m"), MiraiModel)
    wrong = run(app, ["convert", "gail", str(source), "--out", str(tmp_path / "n")])
    assert wrong.exit_code == 2
    with pytest.raises(UnknownModel, match=r"snapshots\.zip"):
        mr.load_model("mirai")
    (tmp_path / "m" / "model.safetensors").write_bytes(b"x" * 100)
    with pytest.raises(ModelError, match="damaged"):
        mr.load_model("mirai", weights=tmp_path / "m")
