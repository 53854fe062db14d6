"""Fitting Mirai: labels, both phases, given weights, the adversary, a resumed run."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pandas as pd
import pytest
import torch
from torchvision.models import resnet18

import mammorisk as mr
from mammorisk.errors import RecipeError, TrainingError
from mammorisk.networks.mirai import (
    RISK_FACTORS,
    Exams,
    MiraiEncoder,
    MiraiSettings,
    MiraiTransformer,
)
from mammorisk.records.cohort import Cohort
from mammorisk.risk_models.mirai.model import MiraiModel
from mammorisk.risk_models.recipe import MiraiOptions
from mammorisk.training import mirai_fit
from mammorisk.training.fit import fit
from mammorisk.training.mirai_labels import mirai_labels, risk_factor_loss
from mammorisk.training.mirai_modules import TransformerPhase

TINY: dict[str, Any] = {
    "mirai__rows": 96,
    "mirai__columns": 64,
    "mirai__pretrained": False,
    "mirai__width": 32,
    "mirai__heads": 4,
    "mirai__encoder_epochs": 1,
    "mirai__encoder_batch_size": 16,
    "mirai__transformer_epochs": 2,
    "training__validation_share": 0.35,
    "training__patience": 0,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some fifty simulated exams of low resolution, half of them with cancer."""
    root = tmp_path_factory.mktemp("mirai")
    mr.simulate(
        1_100,
        seed=4,
        out=root,
        images="all",
        pixel_mm=2.0,
        prior_share=0,
        design="nested-case-control",
        controls_per_case=1,
    )
    return root


@pytest.fixture(scope="module")
def cohort(folder: Path) -> Cohort:
    return mr.read_cohort(folder / "manifest.parquet")


def test_labels() -> None:
    labels = mirai_labels(
        np.array([0.4, 2.9, 5.2, 3.7, 0.5, 8.0]),
        np.array([1.0, 1.0, 1.0, 0.0, 0.0, 2.0]),
        np.array([1.0, 3.0, 1.0, 2.0, 1.0, 2.0]),
    )
    assert labels.cancer.tolist() == [
        [1, 1, 1, 1, 1],
        [0, 0, 1, 1, 1],
        *[[0, 0, 0, 0, 0]] * 4,
    ]
    assert labels.known.sum(dim=1).tolist() == [1, 3, 5, 3, 0, 5]
    assert labels.usable.tolist() == [True, True, True, True, False, True]
    # Cases and others weigh 1 each; a woman of whom no year is known weighs nothing.
    np.testing.assert_allclose(labels.balance, [0.25, 0.75, 0.2, 0.4, 0, 0.4])


def test_the_loss_counts_known_years_alone() -> None:
    labels = mirai_labels(np.array([1.5, 2.5]), np.array([1.0, 0.0]), np.ones(2))
    logits = torch.tensor([[0.3, -0.2, 9.0, 9.0, 9.0], [0.1, 0.4, 9.0, 9.0, 9.0]])
    # Her cancer is in the second year; the other is known to be free of it for two.
    terms = [math.log1p(math.exp(x)) for x in (0.3, 0.2, 0.1, 0.4)]
    loss = labels.loss(logits, torch.arange(2))
    assert float(loss) == pytest.approx(sum(terms) / 4, rel=1e-6)


def test_the_risk_factor_loss_leaves_out_what_is_unknown() -> None:
    encoder = MiraiEncoder()
    features = torch.randn(3, 512)
    values, known = torch.zeros(3, 100), torch.zeros(3, len(RISK_FACTORS), dtype=torch.bool)
    encoder.requires_grad_(False)
    assert float(risk_factor_loss(encoder.pool, features, values, known)) == 0
    values[1, 2] = 1  # density c
    known[1, 0] = True
    logit = encoder.pool.logits(features)["density"]
    expected = -logit[1].log_softmax(dim=0)[2]
    found = risk_factor_loss(encoder.pool, features, values, known)
    assert float(found) == pytest.approx(float(expected), rel=1e-6)
    # Known to have none of it: none of the classes.
    known[0, 0] = True
    again = risk_factor_loss(encoder.pool, features, values, known)
    assert float(again) == pytest.approx(float(expected), rel=1e-6)


def test_the_trunk_is_that_of_torchvision() -> None:
    torch.manual_seed(0)
    published = resnet18(weights=None).eval()
    encoder = MiraiEncoder().eval()
    encoder.load_trunk(published.state_dict())
    image = torch.randn(1, 3, 128, 96)
    published.avgpool = torch.nn.AdaptiveMaxPool2d(1)
    published.fc = torch.nn.Identity()
    with torch.inference_mode():
        torch.testing.assert_close(encoder(image), published(image))


@pytest.mark.slow
def test_both_phases_and_from_given_weights(cohort: Cohort, tmp_path: Path) -> None:
    model = fit(cohort, "mirai", out=tmp_path / "m", cache=tmp_path / "views", **TINY)
    assert isinstance(model, MiraiModel)
    again = mr.load_model(tmp_path / "m")
    assert isinstance(again, MiraiModel)
    assert again.shape == (96, 64)
    assert "SIMULATED cohort" in again.card.training_data
    assert "Massachusetts" not in again.card.training_data
    risks = mr.predict(cohort, model=again)
    assert risks["risk_5y"].notna().all()
    assert (risks["risk_5y"] >= risks["risk_1y"]).all()
    # The encoder stays as it is unless epochs are asked for.
    changes = {"mirai__transformer_epochs": 1, "training__validation_share": 0.35}
    more = fit(cohort, init=again, cache=tmp_path / "views", **changes)
    assert isinstance(more, MiraiModel)
    assert _equal(more.encoder, again.encoder)
    assert not _equal(more.transformer, again.transformer)
    assert "fine-tuned" in more.card.title
    deep = fit(
        cohort,
        init=str(tmp_path / "m"),
        cache=tmp_path / "views",
        mirai__encoder_epochs=1,
        **changes,
    )
    assert isinstance(deep, MiraiModel)
    assert not _equal(deep.encoder, again.encoder)


def _equal(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


FIT = """
import json, sys
sys.modules["openvino"] = None  # as in the conftest of these tests
import mammorisk as mr
from mammorisk.training import mirai_fit
from mammorisk.training.fit import fit
fit(mr.read_cohort(sys.argv[1]), "mirai", out=sys.argv[2], **json.loads(sys.argv[3]))
"""


@pytest.mark.slow
def test_killed_it_ends_with_the_same_weights(folder: Path, cohort: Cohort, tmp_path: Path) -> None:
    import json

    changes = {**TINY, "mirai__transformer_epochs": 6, "mirai__adversary": True}
    whole = fit(cohort, "mirai", **changes)
    assert isinstance(whole, MiraiModel)
    out = tmp_path / "m"
    command = [sys.executable, "-c", FIT, str(folder / "manifest.parquet"), str(out)]
    process = subprocess.Popen([*command, json.dumps(changes)])
    checkpoint = tmp_path / "m.work" / "transformer" / "last.ckpt"
    deadline = time.monotonic() + 120
    while not checkpoint.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert checkpoint.exists()
    assert not out.exists()
    resumed = fit(cohort, "mirai", out=out, **changes)
    assert isinstance(resumed, MiraiModel)
    assert _equal(resumed.encoder, whole.encoder)
    assert _equal(resumed.transformer, whole.transformer)


def _phase(adversary: bool) -> TransformerPhase:
    """Features that tell the device and, weakly, the risk."""
    torch.manual_seed(0)
    n = 256
    device = torch.arange(n) % 2
    risk = torch.randn(n)
    features = torch.randn(n, 4, 512) * 0.3
    features[:, :, 0] = 3.0 * device[:, None] - 1.5
    features[:, :, 1] = risk[:, None]
    case = (torch.rand(n) < torch.sigmoid(2 * risk)).double().numpy()
    place = torch.zeros(n, 4, dtype=torch.long)
    unknown = torch.zeros(n, len(RISK_FACTORS), dtype=torch.bool)
    options = MiraiOptions(adversary=adversary, adversary_weight=2.0, augment=False)
    return TransformerPhase(
        MiraiTransformer(MiraiSettings(width=16, heads=2, pool="GlobalAvgPool")),
        Exams(features=features, view=place, side=place, time=place),
        device if adversary else None,
        labels=mirai_labels(np.where(case, 0.5, 6.0), case, np.ones(n)),
        factors=(torch.zeros(n, 100), unknown),
        options=options,
        seed=1,
        learning_rate=3e-3,
    )


def test_the_adversary_takes_turns_and_is_trained_against() -> None:
    phase = _phase(adversary=True)
    phase.log = lambda *args, **kwargs: None  # type: ignore[method-assign]
    optimizer = phase.configure_optimizers()
    rows = torch.arange(256)
    assert phase.adversary is not None
    for index in range(8):
        before = [
            {k: v.clone() for k, v in part.named_parameters()}
            for part in (phase.transformer, phase.adversary)
        ]
        optimizer.zero_grad()
        phase.training_step(rows, index).backward()
        optimizer.step()
        moved = [
            any(not torch.equal(v, old[k]) for k, v in part.named_parameters())
            for part, old in zip((phase.transformer, phase.adversary), before, strict=True)
        ]
        # Three batches for the adversary, one for the network.
        assert moved == ([True, False] if index % 4 == 0 else [False, True])


def test_the_adversary_needs_two_devices(folder: Path, tmp_path: Path) -> None:
    table = pd.read_parquet(folder / "manifest.parquet")
    table = table[table["vendor"] == table["vendor"].iloc[0]]
    table.to_parquet(tmp_path / "one.parquet")
    one = mr.read_cohort(tmp_path / "one.parquet", root=folder)
    with pytest.raises(TrainingError, match=r"adversary|too few"):
        fit(one, "mirai", **{**TINY, "mirai__adversary": True, "mirai__encoder_epochs": 0})


def test_without_a_network(cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> None:
        raise URLError("no network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.urlopen", offline)
    with pytest.raises(TrainingError, match="ImageNet weights"):
        fit(cohort, "mirai", **(TINY | {"mirai__pretrained": True}))


def test_what_cannot_be_fitted(cohort: Cohort, tmp_path: Path) -> None:
    import dataclasses

    table = cohort.exams[["patient_id", "exam_id", "age"]].assign(time=6.0, event=0)
    bare = dataclasses.replace(cohort, exams=table, open_exam=None)
    with pytest.raises(TrainingError):
        fit(bare, "mirai", **TINY)
    with pytest.raises(RecipeError, match="belong together"):
        fit(cohort, "hybrid", mirai={})
    with pytest.raises(RecipeError, match="mirai"):
        fit(cohort, "mirai", mirai__width=2)
    # Views of more rows could be fitted and not predicted.
    with pytest.raises(RecipeError, match="rows"):
        fit(cohort, "mirai", mirai__rows=5000)


@pytest.mark.slow
def test_mirais_own_manifest(folder: Path, cohort: Cohort, tmp_path: Path) -> None:
    rows = []
    for _, exam in cohort.exams.head(24).iterrows():
        cancer = int(exam["time"]) if exam["event"] == 1 else 100
        for file in sorted((folder / exam["path"]).iterdir()):
            side, view = file.stem.upper().replace("_", "-").split("-")[:2]
            rows.append(
                {
                    "patient_id": exam["patient_id"],
                    "exam_id": exam["exam_id"],
                    "laterality": side[0],
                    "view": view,
                    "file_path": str(file.relative_to(folder)),
                    "years_to_cancer": cancer,
                    "years_to_last_followup": int(exam["time"]),
                    "split_group": "dev" if len(rows) % 12 == 0 else "train",
                }
            )
    table = pd.DataFrame(rows)
    table["split_group"] = table.groupby("patient_id")["split_group"].transform("first")
    table.to_csv(tmp_path / "mirai.csv", index=False)
    read = mr.read_cohort(tmp_path / "mirai.csv", root=folder)
    assert len(read) == 24
    model = fit(read, "mirai", **{**TINY, "mirai__transformer_epochs": 1})
    assert isinstance(model, MiraiModel)
    assert mr.predict(read, model=model)["risk_5y"].notna().all()


@pytest.mark.slow
def test_features_go_on_behind_the_last_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Views:
        files = [tmp_path] * 5
        usable = np.array([True, True, False, True, True])

        def pixels(self, row: int, view: int) -> np.ndarray:
            read.append(row)
            return np.full((64, 64), row + 1, np.float32)

    monkeypatch.setattr(mirai_fit, "_EXAMS_A_FILE", 2)
    read: list[int] = []
    told: list[tuple[int, int]] = []
    encoder = MiraiEncoder().eval()

    def features() -> torch.Tensor:
        read.clear()
        return mirai_fit._kept_features(
            tmp_path / "f",
            encoder,
            Views(),  # type: ignore[arg-type]
            lambda *done: told.append(done),
        )

    whole = features()
    assert whole.shape == (5, 4, 512)
    assert whole.abs().sum(dim=(1, 2)).gt(0).tolist() == Views.usable.tolist()
    assert told[-1] == (5, 5)
    (tmp_path / "f" / "000000002.safetensors").unlink()
    torch.testing.assert_close(features(), whole, rtol=0, atol=0)
    assert set(read) == {3}
