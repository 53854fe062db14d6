"""compare_recipes: women of a fold have no part in its fits, and differences are paired."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import mammorisk as mr
from mammorisk.cli.app import app
from mammorisk.errors import HorizonError, TrainingError
from mammorisk.risk_models.recipe import load_recipe
from tests.made_embeddings import as_cohort, made_cohort, made_embeddings, made_table

pytestmark = pytest.mark.networks
COX = load_recipe("coxnet", survival__folds=2, survival__inner_folds=2, survival__penalties=6)


def test_recipes_on_one_cohort(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sksurv")
    table = made_table(400)
    # Two exams of each of some women.
    table["patient_id"] = [f"p{max(i - 1, 0) if i % 4 == 1 else i}" for i in range(len(table))]
    table["split"] = np.where(np.arange(len(table)) < 380, "train", "test")
    cohort = as_cohort(table)
    from mammorisk.training import compare_recipes as module

    seen: list[tuple[set[str], set[str]]] = []
    fitted: list[set[str]] = []
    real_fit, real_predict = module.fit, module.predict

    def watched_fit(train: Any, *args: Any, **options: Any) -> Any:
        fitted.append(set(train.exams["patient_id"]))
        return real_fit(train, *args, **options)

    def watched_predict(test: Any, *args: Any, **options: Any) -> Any:
        if not isinstance(options["model"], str):
            seen.append((fitted[-1], set(test.exams["patient_id"])))
        return real_predict(test, *args, **options)

    monkeypatch.setattr(module, "fit", watched_fit)
    monkeypatch.setattr(module, "predict", watched_predict)
    emb = made_embeddings(cohort)
    found = mr.compare_recipes(
        cohort,
        {"density": "density-fit", "with images": COX},
        embeddings=emb,
        published="bcrat",
        folds=2,
    )
    assert len(seen) == 4
    assert not any(train & test for train, test in seen)
    assert len(found.cohort) == 380
    assert list(found.risks) == ["density", "with images", "bcrat"]
    for risks in found.risks.values():
        assert risks["exam_id"].tolist() == found.cohort.exams["exam_id"].tolist()
    # The signal is in the embeddings.
    best = found.table.loc["with images"]
    assert found.table.index[0] == "with images"
    assert best["auc_lower"] < best["auc"] < best["auc_upper"]
    assert found.table["exams"].nunique() == 1
    assert np.isnan(found.table.loc["bcrat", "seconds"])
    pairs = found.differences.set_index(["first", "second", "measure"])
    assert len(pairs) == 9
    one = pairs.loc[("density", "with images", "AUC")]
    assert one["upper"] < 0
    assert one["difference"] == pytest.approx(found.table.loc["density", "auc"] - best["auc"])
    # The same as in a report of the same exams.
    rows = np.isfinite(np.stack([r["risk_5y"] for r in found.risks.values()])).all(axis=0)
    report = mr.evaluate(
        {name: r[rows] for name, r in found.risks.items()},
        found.cohort.select(rows),
        horizons=5,
        published=(),
    )
    paired = report.comparison.query("measure == 'AUC' and second == 'with images'").iloc[0]
    clustered = paired["upper"] - paired["lower"]
    assert one["upper"] - one["lower"] == pytest.approx(clustered, rel=0.15)
    assert paired["value"] == pytest.approx(one["difference"])


def test_what_cannot_be_compared_is_refused() -> None:
    cohort = made_cohort()
    with pytest.raises(TrainingError, match="two recipes have the name coxnet"):
        mr.compare_recipes(cohort, ["coxnet", COX])
    with pytest.raises(TrainingError, match="no recipe"):
        mr.compare_recipes(cohort, [])
    with pytest.raises(TrainingError, match="as a recipe and as a published model"):
        mr.compare_recipes(cohort, {"bcrat": "density-fit"}, published="bcrat")
    with pytest.raises(HorizonError, match="not a whole year"):
        mr.compare_recipes(cohort, ["density-fit"], horizon=2.5)
    with pytest.raises(TrainingError, match="hybrid-embeddings cannot be fitted to a fold"):
        mr.compare_recipes(cohort, ["hybrid-embeddings"], folds=2)
    few = replace(cohort, exams=cohort.exams.assign(event=(pd.Series(range(400)) < 3).astype(int)))
    with pytest.raises(TrainingError, match="cannot be divided into 5 folds"):
        mr.compare_recipes(few, ["density-fit"])


def test_the_command(tmp_path: Path) -> None:
    table = made_table(300).drop(columns="split", errors="ignore")
    table["breast_density"] = np.resize(["a", "b", "c", "d"], len(table))
    table.to_csv(tmp_path / "cohort.csv", index=False)
    command = ["compare-recipes", str(tmp_path / "cohort.csv"), "--recipe", "density-fit"]
    command += ["--published", "average", "--folds", "2", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert re.search(r"density-fit +│ 0\.\d+ \(0\.\d+ to", done.stdout)
    risks = pd.read_csv(tmp_path / "out" / "risks.csv")
    assert risks["recipe"].value_counts().to_dict() == {"density-fit": 300, "average": 300}
    written = pd.read_csv(tmp_path / "out" / "table.csv")
    assert set(written["recipe"]) == {"density-fit", "average"}
    assert len(pd.read_csv(tmp_path / "out" / "differences.csv")) == 3
    refused = CliRunner().invoke(app, [*command[:2], "--recipe", "nope"])
    assert refused.exit_code == 2
