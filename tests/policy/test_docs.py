"""The page on stratification: its example is a policy, and it names all that is shipped."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from mammorisk.policy import stratify
from mammorisk.policy.library import names

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "stratification.md"

pytestmark = pytest.mark.skipif(not PAGE.is_file(), reason="installed without its documentation")


def test_the_example_policy_works(tmp_path: Path) -> None:
    found = re.search(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    path = tmp_path / "clinic.yaml"
    path.write_text(found[1], encoding="utf-8")
    risks = pd.DataFrame(
        {"age": 50, "risk_5y": [0.016, 0.017, 0.017], "breast_density": [None, "b", "d"]}
    )
    result = stratify(risks, path)
    assert result["category"].tolist() == ["biennial", "annual", "annual_mri"]
    assert result["status"].tolist() == ["own", "own", "verify"]


def test_every_shipped_policy_is_named() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert [name for name in names() if f"`{name}`" not in text] == []
