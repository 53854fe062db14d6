"""leave_one_out: held-out risks, resuming, groups with few cancers, summaries, forest plot."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mammorisk as mr
from mammorisk.base import RiskModel
from mammorisk.errors import EvaluationError, OutputError, TrainingError
from mammorisk.evaluation.heterogeneity import random_effects
from mammorisk.records.cohort import Cohort
from tests.made_embeddings import as_cohort, embedding_table, made_table

pytestmark = pytest.mark.networks
pytest.importorskip("torch")


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    """Three large sites, and one with few women."""
    exams = mr.simulate(10_000, seed=6, sites=3, age_range=(50, 75)).women
    exams["site"] = exams["site"].astype(object)
    exams.loc[:299, "site"] = "small"
    return Cohort(exams=exams, errors=pd.Series([""] * len(exams), dtype=object))


class Local:
    """A fit that keeps what it was given; it stops at one of its calls."""

    __name__ = "local"

    def __init__(self, stop_at: int = 0) -> None:
        self.seen: list[Cohort] = []
        self.stop_at = stop_at

    def __call__(self, train: Cohort, folder: Path) -> RiskModel:
        self.seen.append(train)
        if len(self.seen) == self.stop_at:
            raise KeyboardInterrupt
        return mr.recalibrate("density-only", train, method="intercept", horizons=[5])


@pytest.fixture(scope="module")
def found(cohort: Cohort) -> mr.LeaveOneOut:
    return mr.leave_one_out(cohort, Local(), by="site")


def test_each_group_is_predicted_without_its_women(cohort: Cohort, found: mr.LeaveOneOut) -> None:
    fitted = Local()
    again = mr.leave_one_out(cohort, fitted, by="site")
    pd.testing.assert_frame_equal(again.groups, found.groups)
    assert [set(one.exams["site"]) for one in fitted.seen] == [
        {"site-2", "site-3", "small"},
        {"site-1", "site-3", "small"},
        {"site-1", "site-2", "small"},
    ]
    inside = (cohort.exams["site"] == "site-2").to_numpy()
    by_hand = mr.predict(
        cohort.select(inside),
        model=mr.recalibrate(
            "density-only", cohort.select(~inside), method="intercept", horizons=[5]
        ),
        horizons=5,
    )["risk_5y"]
    own = found.risks[found.risks["site"] == "site-2"]["risk_5y"]
    np.testing.assert_allclose(own.to_numpy(), by_hand.to_numpy())
    outcome = mr.Outcome.from_table(cohort.exams[inside])
    auc = mr.metrics.auc(outcome, by_hand.to_numpy(), 5)
    row = found.groups.set_index("group").loc["site-2"]
    assert (row["AUC"], row["AUC_lower"]) == pytest.approx((auc.value, auc.lower))
    ratio = mr.metrics.expected_observed_ratio(outcome, by_hand.to_numpy(), 5)
    assert row["E/O_upper"] == pytest.approx(ratio.upper)


def test_a_group_with_few_cancers_is_listed_and_not_estimated(found: mr.LeaveOneOut) -> None:
    small = found.groups.set_index("group").loc["small"]
    assert small["exams"] == 300
    assert small["cancers"] < 20
    assert small[["AUC", "E/O", "calibration slope"]].isna().all()
    assert "not estimated" in small["reason"]
    assert "small" not in set(found.risks["site"])
    assert found.groups["AUC"].notna().sum() == 3


def test_summaries_are_on_the_scales_that_are_about_normal(found: mr.LeaveOneOut) -> None:
    parts = found.estimates.query("measure == 'AUC' and group != 'summary'").dropna(subset="value")
    value, se = parts["value"].to_numpy(), parts["se"].to_numpy()
    pooled = random_effects(np.log(value / (1 - value)), se / (value * (1 - value)))
    row = found.summary.set_index("measure").loc["AUC"]
    assert row["groups"] == 3
    assert row["value"] == pytest.approx(1 / (1 + np.exp(-pooled.value)))
    assert row["prediction_lower"] == pytest.approx(1 / (1 + np.exp(-pooled.prediction_lower)))
    assert row["prediction_lower"] < row["lower"] < row["value"] < row["upper"] < 1


def test_an_interrupted_call_goes_on(cohort: Cohort, found: mr.LeaveOneOut, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        mr.leave_one_out(cohort, Local(stop_at=3), by="site", out=tmp_path / "out")
    rest = Local()
    again = mr.leave_one_out(cohort, rest, by="site", out=tmp_path / "out")
    assert len(rest.seen) == 1
    pd.testing.assert_frame_equal(again.risks, found.risks)
    with pytest.raises(OutputError, match="another cohort, column or recipe"):
        mr.leave_one_out(cohort.select(np.arange(9_000)), Local(), out=tmp_path / "out")


def test_a_woman_of_two_sites_is_not_in_the_training_of_either(cohort: Cohort) -> None:
    exams = cohort.exams.copy()
    exams.loc[1000, "patient_id"] = exams.loc[2000, "patient_id"]
    exams.loc[[1000, 2000], "site"] = ["site-1", "site-2"]
    fitted = Local()
    mr.leave_one_out(Cohort(exams=exams, errors=cohort.errors), fitted)
    there = [exams.loc[2000, "patient_id"] in set(one.exams["patient_id"]) for one in fitted.seen]
    assert there == [False, False, True]


def test_recipes_and_their_options(cohort: Cohort, tmp_path: Path) -> None:
    few = cohort.select(np.arange(300, 2_100))
    told: list[mr.ResultWarning] = []
    found = mr.leave_one_out(
        few,
        "density-fit",
        by="vendor",
        fewest_cancers=3,
        out=tmp_path / "out",
        on_warning=told.append,
    )
    assert found.recipe == "density-fit"
    assert {one.code for one in told} == {"few-cancers"}
    assert sorted(path.name for path in (tmp_path / "out").glob("model-*")) == [
        "model-001",
        "model-002",
        "model-003",
    ]
    # Models that were saved before an interruption are loaded.
    (tmp_path / "out" / "risks-002.parquet").unlink()
    again = mr.leave_one_out(
        few, "density-fit", by="vendor", fewest_cancers=3, out=tmp_path / "out"
    )
    np.testing.assert_allclose(again.risks["risk_5y"], found.risks["risk_5y"])


def test_what_cannot_be_left_out_is_refused(cohort: Cohort) -> None:
    with pytest.raises(TrainingError, match="no column hospital"):
        mr.leave_one_out(cohort, by="hospital")
    with pytest.raises(TrainingError, match="the same value"):
        mr.leave_one_out(cohort.select((cohort.exams["site"] == "site-1").to_numpy()))
    with pytest.raises(TrainingError, match="no site has 5000 cancers"):
        mr.leave_one_out(cohort, fewest_cancers=5000)
    bare = Cohort(exams=cohort.exams.drop(columns="event"), errors=cohort.errors)
    with pytest.raises(TrainingError, match="no outcomes"):
        mr.leave_one_out(bare)
    with pytest.raises(TrainingError, match="takes no options"):
        mr.leave_one_out(cohort, Local(), training__epochs=3)
    with pytest.raises(TrainingError, match="does not use dry_run"):
        mr.leave_one_out(cohort, "density-fit", dry_run=True)


def test_a_folder_of_results_is_of_the_same_embeddings(tmp_path: Path) -> None:
    few = as_cohort(made_table(300).assign(site=lambda table: table.index // 150))
    table = embedding_table(few)
    changes = {"survival__folds": 2, "survival__inner_folds": 2, "survival__penalties": 2}

    def run(table: pd.DataFrame) -> mr.LeaveOneOut:
        given = mr.read_embeddings(table, encoder="ours")
        return mr.leave_one_out(
            few,
            "coxnet",
            embeddings=given,
            fewest_cancers=5,
            out=tmp_path,
            on_warning=lambda _: None,
            **changes,
        )

    found = run(table)
    # The order of the rows does not count.
    pd.testing.assert_frame_equal(run(table.iloc[::-1]).risks, found.risks)
    table.loc[7, "feature_2"] += 0.25
    with pytest.raises(OutputError, match="another cohort"):
        run(table)


def test_forest_plot_and_page(found: mr.LeaveOneOut, tmp_path: Path) -> None:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2)
    for measure, ax in zip(("AUC", "E/O"), axes, strict=True):
        assert found.plot(measure, ax=ax) is ax
        words = [text.get_text() for text in ax.texts]
        assert words.count("not estimated") == 1
        assert [tick.get_text().split("\n")[0] for tick in ax.get_yticklabels()] == [
            *found.groups["group"],
            "summary",
        ]
        assert ax.get_title(loc="left").startswith("SIMULATED")
        squares = [line for line in ax.lines if line.get_marker() == "s"]
        shown = [float(line.get_xdata()[0]) for line in squares]
        np.testing.assert_allclose(shown, found.groups[measure].dropna())
    assert axes[1].get_xscale() == "log"
    plt.close(figure)
    with pytest.raises(EvaluationError, match="no measure 'F1'"):
        found.plot("F1")
    plt.close("all")
    page = found.to_html(tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count("<img") == 3
    assert "not estimated" in page
    found.to_csv(tmp_path)
    assert {"groups.csv", "summary.csv", "estimates.csv", "risks.csv"} <= {
        one.name for one in tmp_path.iterdir()
    }


def test_the_command(cohort: Cohort, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from mammorisk.cli.app import app

    cohort.exams[200:2_000].to_parquet(tmp_path / "m.parquet")
    given = ["leave-one-out", str(tmp_path / "m.parquet"), "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(
        app, [*given, "--recipe", "density-fit", "--fewest-cancers", "4", "--json"]
    )
    assert done.exit_code == 0, done.output
    groups = json.loads(done.stdout)["groups"]
    assert [row["group"] for row in groups] == ["site-1", "site-2", "site-3", "small"]
    assert (tmp_path / "out" / "leave_one_out.html").is_file()
    wrong = CliRunner().invoke(app, [*given, "--by", "ward"])
    assert wrong.exit_code == 2
