"""Models go to the hub and come back by name; the hub itself is stood in for."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub.errors import LocalEntryNotFoundError

import mammorisk as mr
from mammorisk.errors import ModelError
from mammorisk.risk_models import hub


def test_push_and_pull(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = tmp_path / "store"

    class Api:
        def create_repo(self, name: str, **options: Any) -> None:
            assert options == {"private": True, "exist_ok": True}

        def upload_folder(
            self, *, repo_id: str, folder_path: Path, allow_patterns: list[str]
        ) -> None:
            shutil.copytree(folder_path, store / repo_id)

    def download(repository: str, *, revision: str | None, allow_patterns: list[str]) -> str:
        if repository != "clinic/model":
            raise LocalEntryNotFoundError("none")
        assert "model.safetensors" in allow_patterns
        assert revision in (None, "v2")
        return str(store / repository)

    monkeypatch.setattr("huggingface_hub.HfApi", Api)
    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    model = mr.load_model("hybrid")
    name = hub.push_model(model, "clinic/model")  # type: ignore[arg-type]
    assert name == "hf://clinic/model"
    assert mr.load_model(name).card == model.card
    assert mr.load_model("hf://clinic/model@v2").card == model.card
    with pytest.raises(ModelError, match="cannot be downloaded"):
        mr.load_model("hf://clinic/other")
