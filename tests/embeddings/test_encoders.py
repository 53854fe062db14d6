"""Encoders by name: each with its own weights and preprocessing, and nothing unpickled."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import load_file, save_file
from timm.models import save_for_hf

from mammorisk.embeddings import encoders, load_encoder
from mammorisk.errors import ModelError, UnknownModel
from mammorisk.records.cohort import Cohort
from mammorisk.risk_models.encoders import timm_encoder

#: A tiny network that timm has for tests.
NAME = "test_resnet"
SIZE = {"spacing_mm": 2.5, "rows": 96, "columns": 64}


@pytest.fixture(scope="module")
def theirs() -> torch.nn.Module:
    """A network of three channels and ten classes, with weights that nothing else has."""
    torch.manual_seed(3)
    return timm.create_model(NAME, num_classes=10).eval()


def test_the_same_name_gives_the_same_features() -> None:
    one, two = load_encoder("compact"), load_encoder("compact")
    assert one.identity == two.identity
    coarse = load_encoder("compact", spacing_mm=2.5)
    assert coarse.weights_sha256 == one.weights_sha256
    assert coarse.identity != one.identity
    assert load_encoder("hybrid").weights_sha256 != one.weights_sha256


def test_a_saved_encoder_is_the_same(tmp_path: Path) -> None:
    encoder = load_encoder(NAME, pretrained=False, **SIZE)  # type: ignore[arg-type]
    again = load_encoder(encoder.save(tmp_path / "folder"))
    assert again.identity == encoder.identity
    assert again.preprocessing == encoder.preprocessing
    assert sorted(p.name for p in (tmp_path / "folder").iterdir()) == [
        "config.json",
        "model.safetensors",
    ]
    contents = [np.full((96, 64), 200, dtype=np.uint8)]
    np.testing.assert_array_equal(again.encode(contents), encoder.encode(contents))


@pytest.mark.parametrize("name", ["compact", NAME])
def test_a_saved_encoder_keeps_its_pooling(name: str, tmp_path: Path) -> None:
    more = {} if name == "compact" else {"pretrained": False}
    encoder = load_encoder(name, pooling="statistics", **SIZE, **more)  # type: ignore[arg-type]
    plain = load_encoder(name, **SIZE, **more)  # type: ignore[arg-type]
    assert encoder.n_features > plain.n_features
    assert encoder.weights_sha256 == plain.weights_sha256
    assert encoder.identity != plain.identity
    again = load_encoder(encoder.save(tmp_path / "folder"))
    assert (again.pooling, again.identity) == ("statistics", encoder.identity)
    shown = np.zeros((96, 64), dtype=np.uint8)
    shown[:40, :30] = np.random.default_rng(0).integers(1, 256, (40, 30))
    np.testing.assert_array_equal(again.encode([shown]), encoder.encode([shown]))
    # Pixels outside the breast are recognised after the normalisation too.
    background = torch.from_numpy(encoder.preprocessing.to_input([shown]))[0, :, -1, -1]
    assert background.tolist() == encoder.preprocessing.background  # type: ignore[union-attr]
    config = json.loads((tmp_path / "folder" / "config.json").read_text())
    (tmp_path / "folder" / "config.json").write_text(json.dumps(config | {"pooling": "max"}))
    with pytest.raises(ModelError, match="does not have the pooling 'max'"):
        load_encoder(tmp_path / "folder")
    with pytest.raises(ModelError, match="does not accept pooling"):
        load_encoder("hybrid", pooling="statistics")
    with pytest.raises(ModelError, match="no pooling 'max'"):
        load_encoder(name, pooling="max")  # type: ignore[arg-type]


def test_the_darkest_pixels_of_the_breast_count(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = np.zeros((96, 64), dtype=np.uint8)
    shown[:40, :30] = np.resize(np.arange(1, 256), (40, 30))
    given = {}
    for pooling in ("mean", "statistics"):
        encoder = load_encoder(NAME, pretrained=False, pooling=pooling, **SIZE)  # type: ignore[arg-type]
        monkeypatch.setitem(
            vars(encoder), "_runner", lambda x, pooling=pooling: given.setdefault(pooling, x)
        )
        encoder.encode([shown])
    plain = encoder.preprocessing.to_input([shown])
    np.testing.assert_array_equal(given["mean"], plain)
    background = np.float32(encoder.preprocessing.background)[:, None, None]  # type: ignore[union-attr]
    outside = (plain == background).all(axis=1)[0]
    assert (outside & (shown > 0)).any()
    apart = (given["statistics"] != background).any(axis=1)[0]
    np.testing.assert_array_equal(apart, shown > 0)
    # Other pixels, and the order of grey levels, are as before.
    np.testing.assert_array_equal(
        given["statistics"][..., ~(outside & apart)], plain[..., ~(outside & apart)]
    )
    assert given["statistics"][0, 0, outside & apart].max() < plain[0, 0, ~outside].min()


def test_weights_of_timm_from_a_file_give_its_features(
    theirs: torch.nn.Module, cohort: Cohort, tmp_path: Path
) -> None:
    from mammorisk.imaging.segmented_view import segment_view
    from mammorisk.imaging.standardize import standardize

    file = tmp_path / "weights.safetensors"
    save_file(theirs.state_dict(), file)
    encoder = load_encoder(NAME, weights=file, **SIZE)  # type: ignore[arg-type]
    seen = segment_view(cohort.open_exam(0)["L-CC"])  # type: ignore[misc]
    got = encoder.encode([encoder.preprocessing.prepare(seen).content])
    # Independently of the preprocessing: percentiles to 0 and 1, cut there, and normalised.
    grey = np.clip(standardize(seen, spacing_mm=2.5, shape=(96, 64)).pixels, 0, 1)
    mean, sd = (torch.tensor(theirs.pretrained_cfg[k])[:, None, None] for k in ("mean", "std"))
    with torch.no_grad():
        pixels = (torch.from_numpy(grey).expand(3, -1, -1) - mean) / sd
        expected = theirs.forward_head(  # type: ignore[operator]
            theirs.forward_features(pixels[None]),  # type: ignore[operator]
            pre_logits=True,
        ).numpy()
    # Grey levels are stored as bytes.
    np.testing.assert_allclose(got, expected, atol=0.02 * float(np.abs(expected).max()))
    assert np.corrcoef(got[0], expected[0])[0, 1] > 0.999


def test_a_model_of_the_hub(
    theirs: torch.nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_for_hf(theirs, str(tmp_path), safe_serialization=True)
    asked: list[tuple[str, str, str | None]] = []

    def fetch(repository: str, file: str, revision: str | None) -> Path:
        asked.append((repository, file, revision))
        return tmp_path / file

    monkeypatch.setattr(timm_encoder, "_fetch", fetch)
    encoder = load_encoder("hf-hub:owner/name@v1", **SIZE)  # type: ignore[arg-type]
    assert asked == [
        ("owner/name", "config.json", "v1"),
        ("owner/name", "model.safetensors", "v1"),
    ]
    assert encoder.architecture.startswith(NAME)
    name, value = next(iter(theirs.state_dict().items()))
    assert torch.equal(encoder.module.state_dict()[name], value)
    assert encoder.preprocessing.channels == 3
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelError, match="not one of timm"):
        load_encoder("hf-hub:owner/name")


def test_a_model_without_safetensors_or_network(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub
    from huggingface_hub.errors import LocalEntryNotFoundError

    asked: list[tuple[str, str]] = []

    def absent(repository: str, file: str, revision: str | None = None) -> str:
        asked.append((repository, file))
        raise LocalEntryNotFoundError("not there")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", absent)
    with pytest.raises(ModelError, match="only safetensors are read"):
        load_encoder("resnet18.a1_in1k")
    with pytest.raises(ModelError, match=r"config\.json cannot be downloaded"):
        load_encoder("hf-hub:owner/name")
    assert asked == [
        ("timm/resnet18.a1_in1k", "model.safetensors"),
        ("owner/name", "config.json"),
    ]


def test_weights_that_leave_layers_random_are_refused(
    theirs: torch.nn.Module, tmp_path: Path
) -> None:
    other = {f"module.{name}": value for name, value in theirs.state_dict().items()}
    save_file(other, tmp_path / "other.safetensors")
    with pytest.raises(ModelError, match="do not fit"):
        load_encoder(NAME, weights=tmp_path / "other.safetensors", **SIZE)  # type: ignore[arg-type]


def test_a_pickle_is_refused(theirs: torch.nn.Module, tmp_path: Path) -> None:
    torch.save(theirs.state_dict(), tmp_path / "weights.pt")
    with pytest.raises(ModelError, match="not a safetensors file"):
        load_encoder(NAME, weights=tmp_path / "weights.pt")


def test_an_encoder_keeps_its_preprocessing() -> None:
    with pytest.raises(ModelError, match="does not accept spacing_mm"):
        load_encoder("hybrid", spacing_mm=0.5)
    with pytest.raises(ModelError, match="does not accept rows, pretrained"):
        load_encoder("mirai", rows=512, pretrained=False)
    with pytest.raises(ModelError, match="does not accept weights"):
        load_encoder("compact", weights="file.safetensors")
    with pytest.raises(ModelError, match="spacing_mm: Input should be greater than 0"):
        load_encoder("compact", spacing_mm=-1)


@pytest.mark.parametrize("name", ["no-such-encoder", "folder/that/is/not/there", "resnet18.no_tag"])
def test_unknown_names(name: str) -> None:
    with pytest.raises(UnknownModel):
        load_encoder(name)


def test_a_model_without_an_encoder() -> None:
    # "bcrat" is a questionnaire model, and no encoder either.
    with pytest.raises(UnknownModel, match="no encoder 'bcrat'"):
        load_encoder("bcrat")


def test_a_folder_states_everything(tmp_path: Path) -> None:
    folder = load_encoder("compact").save(tmp_path / "folder")
    config = json.loads((folder / "config.json").read_text())

    def with_config(**changes: object) -> Path:
        (folder / "config.json").write_text(json.dumps({**config, **changes}))
        return folder

    with pytest.raises(ModelError, match="lacks licence"):
        load_encoder(with_config(licence=""))
    preprocessing = dict(config["preprocessing"])
    del preprocessing["spacing_mm"]
    with pytest.raises(ModelError, match=r"lacks preprocessing\.spacing_mm"):
        load_encoder(with_config(preprocessing=preprocessing))
    with pytest.raises(ModelError, match="do not go together"):
        load_encoder(with_config(preprocessing={"kind": "mirai"}))
    with pytest.raises(ModelError, match="preprocessing is invalid"):
        load_encoder(with_config(preprocessing={**config["preprocessing"], "sd": [0.0]}))
    tensors = load_file(folder / "model.safetensors")
    tensors.pop("layers.0.weight")
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(ModelError, match="is damaged"):
        load_encoder(with_config())


def test_the_table_of_names() -> None:
    table = encoders()
    for name in table.index[:2]:
        encoder = load_encoder(name)
        row = table.loc[name]
        assert (row["rows"], row["columns"]) == (
            encoder.preprocessing.rows,
            encoder.preprocessing.columns,
        )
        assert row["spacing_mm"] == encoder.preprocessing.spacing_mm
        assert row["architecture"] == encoder.architecture
