"""A model folder has the permissions of any other file of the user."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from mammorisk._utils.model_folder import ModelState, write_model_folder


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
def test_weights_have_the_usual_permissions(tmp_path: Path) -> None:
    usual = tmp_path / "usual"
    usual.touch()
    state = ModelState(config={"kind": "test"}, tensors={"weight": np.zeros(3)}, texts={})
    folder = write_model_folder(state, tmp_path / "model")
    modes = {path.stat().st_mode for path in folder.iterdir()}
    assert modes == {usual.stat().st_mode}
