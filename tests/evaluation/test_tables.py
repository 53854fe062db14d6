"""What the tables of a report say: counts, intervals, nulls, and the tables of a paper."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mammorisk as mr
from mammorisk.errors import EvaluationError
from mammorisk.evaluation.characteristics import characteristics_table, choose_features, table_one
from mammorisk.evaluation.checklist import checklist
from mammorisk.evaluation.heterogeneity import random_effects
from mammorisk.evaluation.recalibration_tables import AFTER, BEFORE, cross_fit
from mammorisk.evaluation.report import Report
from mammorisk.metrics import fit_censoring
from mammorisk.metrics.estimate import normal_quantile
from mammorisk.records.alignment import align
from mammorisk.records.outcome import Outcome
from tests.evaluation.data import cohort, noisy, risks

ESTIMATES = (
    *("discrimination", "overall", "calibration", "thresholds", "effect_size", "comparison"),
    *("reclassification", "subgroups", "heterogeneity", "recalibration"),
)


def make(table: pd.DataFrame, **options: object) -> Report:
    given = {"own": risks(table), "other": noisy(table)}
    return mr.evaluate(given, table, published=(), **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def censored() -> Report:
    table = cohort(1800)
    table["site"] = np.random.default_rng(3).choice(["a", "b", "c", "d"], len(table))
    return make(table, by=["site"], cluster="site", recalibrated=True)


@pytest.fixture(scope="module")
def complete() -> Report:
    table = cohort(1500)
    late = table["time"] > 5
    table = table[late | (table["event"] > 0)].reset_index(drop=True)
    return make(table.assign(site="x"), by=["breast_density"])


@pytest.fixture(scope="module")
def weighted() -> Report:
    table = cohort(1500, exams=2)
    table["weight"] = np.where(table["event"] == 1, 1.0, 3.0)
    return make(table)


@pytest.fixture(scope="module")
def rare() -> Report:
    table = cohort(1200)
    keep = np.flatnonzero(table["event"] == 1)[7:]
    return make(table.drop(index=keep).reset_index(drop=True))


REPORTS = ("censored", "complete", "weighted", "rare")


@pytest.mark.parametrize("name", REPORTS)
def test_every_row_says_what_it_is(name: str, request: pytest.FixtureRequest) -> None:
    report: Report = request.getfixturevalue(name)
    for table_name in ESTIMATES:
        table: pd.DataFrame = getattr(report, table_name)
        if table.empty:
            continue
        has_value, has_limits = table["value"].notna(), table["lower"].notna()
        # A number has an interval, or the reason why there is none; no number has a reason too.
        assert (has_limits | table["reason"].notna()).all(), table_name
        assert (table["interval"].notna() == has_limits).all(), table_name
        assert (table["null"].notna() == table["p"].notna()).all(), table_name
        assert not (has_limits & ~has_value).any(), table_name
        there = table[has_limits]
        assert (there["lower"] <= there["value"] + 1e-12).all(), table_name
        assert (there["upper"] >= there["value"] - 1e-12).all(), table_name
        assert table["n"].notna().all(), table_name
        assert table["events"].notna().all(), table_name


@pytest.mark.parametrize("name", REPORTS)
def test_n_and_events_mean_the_same_in_every_row(name: str, request: pytest.FixtureRequest) -> None:
    report: Report = request.getfixturevalue(name)
    outcome = report.source.outcome
    used = outcome.weight > 0
    follow_up = int(((outcome.event == 1) & used).sum())
    for table_name in ("discrimination", "overall", "calibration", "thresholds", "comparison"):
        table: pd.DataFrame = getattr(report, table_name)
        table = table[~table["measure"].str.startswith("women at or above")]
        assert (table["n"] == used.sum()).all(), table_name
        expected = [
            follow_up if np.isnan(year) else int((outcome.is_case(year) & used).sum())
            for year in table["horizon"]
        ]
        assert table["events"].tolist() == expected, table_name
        assert np.allclose(table["weight"], outcome.weight.sum()), table_name
    for cut in report.thresholds["threshold"].dropna().unique():
        rows = report.thresholds.query("measure == 'women at or above per cancer'")
        own = rows[(rows["threshold"] == cut) & (rows["model"] == "own")]
        above = report.source.risks["own"][5.0] >= cut
        assert own["n"].item() == int(above.sum())


@pytest.mark.parametrize("name", REPORTS)
def test_intervals_are_computed_as_they_are_named(
    name: str, request: pytest.FixtureRequest
) -> None:
    report: Report = request.getfixturevalue(name)
    z = normal_quantile(0.95)
    seen = set()
    for table_name in ESTIMATES:
        table: pd.DataFrame = getattr(report, table_name)
        if table.empty:
            continue
        for _, row in table[table["lower"].notna() & table["se"].notna()].iterrows():
            value, se, method = row["value"], row["se"], row["interval"]
            where = f"{table_name}: {row['measure']}"
            if method.startswith("normal on the log scale"):
                low, high = value * np.exp(-z * se / value), value * np.exp(z * se / value)
            elif method == "normal on the log-log scale":
                half = z * se / abs((1 - value) * np.log(1 - value))
                low, high = (1 - (1 - value) ** np.exp(side) for side in (-half, half))
            elif method.startswith("normal"):
                low, high = value - z * se, value + z * se
                if row["lower"] in (0.0, 1.0) or row["upper"] in (0.0, 1.0):
                    continue
            elif method == "Wilson":
                n = value * (1 - value) / se**2 if se > 0 else np.nan
                middle = (value + z**2 / (2 * n)) / (1 + z**2 / n)
                half = z / (1 + z**2 / n) * np.sqrt(value * (1 - value) / n + (z / (2 * n)) ** 2)
                if np.isnan(n):
                    continue
                low, high = middle - half, middle + half
            else:
                assert method.startswith(("exact", "percentile bootstrap", "inverse", "random"))
                continue
            seen.add(method)
            assert row["lower"] == pytest.approx(low, rel=1e-6, abs=1e-9), where
            assert row["upper"] == pytest.approx(high, rel=1e-6, abs=1e-9), where
    if name == "complete":
        assert {"normal (DeLong)", "Wilson", "normal (regression)"} <= seen
    elif name != "rare":
        assert "normal (influence functions)" in seen


def test_few_cancers_give_exact_intervals_or_reasons(rare: Report) -> None:
    ratio = rare.calibration.query("measure == 'E/O' and horizon == 5")
    assert ratio["events"].max() < 10
    assert set(ratio["interval"]) == {"exact (Clopper-Pearson)"}
    auc = rare.discrimination.query("measure == 'AUC'")
    assert auc["lower"].isna().all()
    assert auc["reason"].str.contains("no reliable interval").all()
    assert auc["p"].isna().all()


@pytest.mark.parametrize("factor", [0.5, 0.9, 1.0, 1.1, 2.0])
def test_calibration_in_the_large_never_contradicts_the_ratio(factor: float) -> None:
    table = cohort(1200)
    report = mr.evaluate(risks(table, factor=factor), table, published=())
    rows = report.calibration.set_index("measure")
    ratio = rows.loc["E/O"].query("horizon == 5")["value"].item()
    large = rows.loc["calibration in the large", "value"]
    assert np.sign(large) == np.sign(1 - ratio)


def test_p_names_what_it_tests(censored: Report) -> None:
    nulls = censored.discrimination.groupby("measure")["null"].first()
    assert nulls["AUC"] == "AUC = 0.5"
    assert set(censored.comparison["null"]) == {"no difference"}
    tests = censored.calibration[censored.calibration["measure"].str.contains("Nam")]
    assert set(tests["null"].dropna()) <= {"calibrated in every tenth"}
    summary = censored.heterogeneity.query("group == 'summary'")
    assert set(summary["null"].dropna()) == {"no difference between sites"}


def test_two_by_two_counts(censored: Report) -> None:
    table = censored.two_by_two.query("model == 'own' and threshold == 0.03")
    assert table["n"].sum() == len(censored.source.outcome)
    cells = table.set_index(["test", "outcome"])["weighted"]
    sensitivity = cells["positive", "cancer"] / (
        cells["positive", "cancer"] + cells["negative", "cancer"]
    )
    told = censored.thresholds.query(
        "model == 'own' and threshold == 0.03 and measure == 'sensitivity'"
    )
    assert told["value"].item() == pytest.approx(sensitivity)
    outcome, risk = censored.source.outcome, censored.source.risks["own"][5.0].to_numpy()
    counts = table.set_index(["test", "outcome"])["n"]
    assert counts["positive", "cancer"] == int((outcome.is_case(5) & (risk >= 0.03)).sum())
    lost = (outcome.event == 0) & (outcome.time <= 5)
    assert counts["negative", "unknown"] == int((lost & (risk < 0.03)).sum())


def test_reclassified_counts(censored: Report) -> None:
    table = censored.reclassified.query("outcome == 'all'")
    old, new = (censored.source.risks[name][5.0].to_numpy() for name in ("other", "own"))
    edges = [0.017, 0.03]
    expected = pd.crosstab(np.digitize(old, edges), np.digitize(new, edges))
    found = table["n"].to_numpy().reshape(3, 3)
    np.testing.assert_array_equal(found, expected.to_numpy())
    assert table["from_category"].iloc[0] == "under 1.7%"
    shares = table.groupby("from_category")["share"].sum()
    assert shares.to_numpy() == pytest.approx(np.ones(3))


def test_subgroups_of_every_model_in_the_order_of_their_groups(complete: Report) -> None:
    assert set(complete.subgroups["model"]) == {"own", "other"}
    own = complete.subgroups.query("model == 'own' and measure == 'AUC'")
    assert own["group"].tolist() == ["a", "b", "c", "d"]
    measures = {"AUC", "observed risk", "E/O", "calibration in the large", "calibration slope"}
    assert measures <= set(complete.subgroups["measure"])
    # The p value of a subgroup is that of its difference.
    row = own.iloc[0]
    half = (row["difference_upper"] - row["difference_lower"]) / 2
    z = row["difference"] / (half / normal_quantile(0.95))
    from scipy import stats

    assert row["p"] == pytest.approx(2 * stats.norm.sf(abs(z)))


def test_random_effects_solve_the_equation_of_paule_and_mandel() -> None:
    values = np.array([0.10, 0.30, 0.35, 0.65, 0.45, 0.15])
    errors = np.sqrt(np.array([0.003, 0.003, 0.05, 0.01, 0.05, 0.01]))
    found = random_effects(values, errors)
    weights = 1 / (errors**2 + found.tau**2)
    mean = float(weights @ values / weights.sum())
    assert found.value == pytest.approx(mean, rel=1e-5)
    # The generalised Q equals its degrees of freedom.
    assert float(weights @ (values - mean) ** 2) == pytest.approx(5, rel=1e-3)
    fixed = 1 / errors**2
    q = float(fixed @ (values - fixed @ values / fixed.sum()) ** 2)
    assert found.i2 == pytest.approx(1 - 5 / q)
    from scipy import stats

    assert found.p == pytest.approx(stats.chi2.sf(q, 5))
    se = np.sqrt(float(weights @ (values - mean) ** 2) / 5 / weights.sum())
    assert found.upper - found.value == pytest.approx(stats.t.ppf(0.975, 5) * se, rel=1e-4)
    wide = stats.t.ppf(0.975, 4) * np.sqrt(found.tau**2 + se**2)
    assert found.prediction_upper - found.value == pytest.approx(wide, rel=1e-4)


def test_heterogeneity_by_site(censored: Report) -> None:
    table = censored.heterogeneity.query("model == 'own' and measure == 'E/O'")
    assert table["group"].tolist() == ["a", "b", "c", "d", "summary"]
    summary = table.iloc[-1]
    assert summary["sites"] == 4
    assert summary["n"] == table["n"].iloc[:-1].sum()
    assert summary["prediction_lower"] < summary["lower"] < summary["value"]
    # Sites do not differ here, by construction.
    assert summary["p"] > 0.01
    pooled = censored.calibration.query("model == 'own' and measure == 'E/O' and horizon == 5")
    assert summary["value"] == pytest.approx(pooled["value"].item(), abs=0.1)


def test_few_sites_have_no_summary() -> None:
    table = cohort(1500)
    table["site"] = np.where(np.arange(1500) % 2, "a", "b")
    report = make(table, cluster="site")
    summary = report.heterogeneity.query("group == 'summary'")
    assert summary["value"].isna().all()
    assert summary["reason"].str.contains("needs 3").all()


def test_recalibration_is_judged_on_women_it_was_not_fitted_to() -> None:
    table = cohort(2500)
    wrong = risks(table, factor=2.0)
    report = mr.evaluate({"own": wrong}, table, published=(), recalibrated=True)
    ratio = report.recalibration.query("measure == 'E/O'").set_index("stage")["value"]
    assert ratio[BEFORE] == pytest.approx(1.9, abs=0.25)
    assert ratio[AFTER] == pytest.approx(1, abs=0.05)
    brier = report.recalibration.query("measure == 'Brier score'").set_index("stage")["value"]
    assert brier[AFTER] < brier[BEFORE]
    assert "ten-fold" in report.methods["recalibration"]
    outcome = Outcome.from_table(table)
    fitted = cross_fit(outcome, wrong["risk_5y"].to_numpy(), 5.0, method="intercept")
    assert fitted is not None
    # Another outcome of one woman changes the risks of the other parts, not her own.
    weights = fit_censoring(outcome).weights(5.0)
    assert weights is not None
    one = int(np.flatnonzero((outcome.event == 1) & (weights > 0))[0])
    event = table["event"].to_numpy().copy()
    event[one] = 2
    moved = cross_fit(
        Outcome.from_table(table.assign(event=event)),
        wrong["risk_5y"].to_numpy(),
        5.0,
        method="none",
    )
    assert moved is not None
    np.testing.assert_array_equal(moved.risk, wrong["risk_5y"].to_numpy())


def women() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "exam_id": range(8),
            "time": [1.0, 2, 6, 6, 6, 6, 6, 6],
            "event": [1, 1, 0, 0, 0, 0, 0, 0],
            "age": [50.0, 60, 40, 45, 50, 55, 60, np.nan],
            "parity": [0.0, 2, 0, 1, 3, 2, 1, 2],
            "age_first_birth": [np.nan, 30, np.nan, 25, 24, np.nan, 31, 29],
            "breast_density": ["d", "c", "a", "b", "b", "b", "c", None],
            "biopsied": [True, False, False, False, True, False, False, False],
            "score": 0.0,
        }
    )


def test_table_one_keeps_what_does_not_apply_apart_from_missing() -> None:
    table = women()
    aligned = align({"m": risks(table)}, table, None)
    features = choose_features(table, {"age": "Age", "age_first_birth": "", "breast_density": ""})
    assert features["age"] == "Age"
    assert features["age_first_birth"] == "Age at first birth, years"
    tidy = characteristics_table(aligned, 5.0, features)
    rows = tidy.set_index(["feature", "level", "group"])
    assert rows.loc[("age_first_birth", "not applicable", "all"), "n"] == 2
    missing = rows.loc[("age_first_birth", "missing", "all")]
    assert (missing["n"], missing["of"], missing["value"]) == (1, 6, pytest.approx(1 / 6))
    assert rows.loc[("age_first_birth", "", "all"), "value"] == pytest.approx(27.8)
    share = rows.loc[("breast_density", "b", "no cancer")]
    assert (share["n"], share["of"], share["value"]) == (3, 5, pytest.approx(0.6))
    # Age: means 55 and 50, variances 50 and 62.5.
    expected = 5 / np.sqrt((50 + 62.5) / 2)
    assert rows.loc[("age", "", "all"), "standardised_difference"] == pytest.approx(expected)
    shown = table_one(tidy, {"all": 8, "cancer": 2, "no cancer": 6})
    assert shown.iloc[0].tolist() == ["Exams", "", "8", "2", "6", ""]
    assert shown.iloc[1, :5].tolist() == [
        *("Age, mean (SD)", "", "51.4 (7.5)", "55.0 (7.1)", "50.0 (7.9)"),
    ]
    assert shown.iloc[1, 5] == "0.67"
    density = shown[shown["level"] == "b"].iloc[0]
    assert density["no cancer"] == "3 (60.0%)"


def test_standardised_difference_of_categories_is_that_of_yang_and_dalton() -> None:
    table = women()
    aligned = align({"m": risks(table)}, table, None)
    tidy = characteristics_table(aligned, 5.0, {"biopsied": "Biopsied", "breast_density": "D"})
    found = tidy.drop_duplicates("feature").set_index("feature")["standardised_difference"]
    a, b = 1 / 2, 1 / 6
    expected = (a - b) / np.sqrt((a * (1 - a) + b * (1 - b)) / 2)
    assert found["biopsied"] == pytest.approx(expected)
    first, second = np.array([0, 0, 0.5]), np.array([0.2, 0.6, 0.2])
    spread = sum(np.diag(p) - np.outer(p, p) for p in (first, second)) / 2
    apart = first - second
    assert found["breast_density"] == pytest.approx(np.sqrt(apart @ np.linalg.pinv(spread) @ apart))
    assert tidy.query("feature == 'biopsied'")["level"].unique().tolist() == ["yes"]


def test_chosen_characteristics_are_columns() -> None:
    with pytest.raises(EvaluationError, match="'hospital'"):
        choose_features(women(), ["age", "hospital"])
    assert choose_features(women(), "age") == {"age": "Age, years"}


def test_models_and_what_they_told() -> None:
    study = mr.simulate(1500, seed=1)
    given = mr.load_model("bcrat").predict(study.cohort)
    report = mr.evaluate({"Gail": given, "mine": risks(study.cohort.exams.assign(score=0.0))},
                         study.cohort, published=())  # fmt: skip
    told = report.models_used.set_index("model")
    assert told.loc["Gail", "title"].startswith("Breast Cancer Risk Assessment Tool")
    assert told.loc["Gail", "version"].startswith("mammorisk ")
    assert "without a record" in told.loc["mine", "reason"]
    counts = report.model_warnings.set_index(["model", "code"])["n"]
    expected = given["warning_codes"].str.contains("race-assumed").sum()
    assert counts["Gail", "race-assumed"] == expected
    text = report.methods_paragraph
    assert "Breast Cancer Risk Assessment Tool" in text
    assert "mine ([version not on record])" in text
    assert report.methods["date"] in text
    assert "seed 1" in text
    assert report.simulated
    assert "SIMULATED" in repr(report)
    assert "simulated" in " ".join(report.notes)
    assert "simulated women" in report.to_latex(table="calibration")
    assert "simulated" in report.plot("roc").get_title()
    real = mr.evaluate(given, study.cohort, published=(), simulated=False)
    assert "simulated" not in " ".join(real.notes)


def test_the_checklist_ticks_only_what_the_data_show() -> None:
    items = checklist(horizons=[5.0]).set_index("item")
    given = items[items["status"] == "given"]
    assert given.index.tolist() == ["21"]
    for left in ("10", "23b", "25", "26", "3c", "5b", "6b", "12f", "24", "12d", "20c"):
        assert items.loc[left, "status"] == "for the authors"
    for part in ("8a", "11", "20a", "20b", "23a"):
        assert items.loc[part, "status"] == "in part"
    # The items of table 2 of the statement for evaluation: E, and D;E.
    assert len(items) == 44
    assert not {"9a", "12a", "12b", "12c", "15", "22", "27a", "27b"} & set(items.index)
    asked = checklist(
        horizons=[1.0, 5.0], subgroups=["age"], cluster="site", recalibrated=True
    ).set_index("item")
    assert asked.loc["23a", "status"] == "in part"
    assert asked.loc["23b", "status"] == "given"
    assert asked.loc["24", "status"] == "in part"
    assert "1, 5 y" in asked.loc["8a", "where"]


def test_triage_is_for_scores_of_the_same_exam() -> None:
    table = cohort(900)
    report = make(table)
    with pytest.raises(EvaluationError, match="same exam"):
        report.plot("triage")
    with pytest.raises(EvaluationError, match="same exam"):
        report.published_table("T7")
    assert "Rodriguez-Ruiz" not in report.to_page()
    scored = make(table, same_exam="other")
    assert set(scored.triage["model"]) == {"other"}
    assert set(scored.triage["horizon"]) == {1.0}
    assert len(scored.published_table("T7"))
    with pytest.raises(EvaluationError, match="no model 'third'"):
        make(table, same_exam=["third"])


def test_table_two_is_the_tables_rounded(censored: Report) -> None:
    table = censored.table_two.set_index("measure")
    assert table.columns.tolist() == ["own", "other"]
    assert table.loc["exams", "own"] == "1,800"
    own = censored.calibration.query("model == 'own' and measure == 'E/O' and horizon == 5")
    value, low, high = (own[name].item() for name in ("value", "lower", "upper"))
    assert table.loc["E/O", "own"] == f"{value:.2f} ({low:.2f} to {high:.2f})"
    cut = censored.utility.query("model == 'own' and threshold == 0.03")["net_benefit"].item()
    told = table.loc["net benefit per 1,000 at 3%", "own"]
    assert float(told.split(" ")[0]) == pytest.approx(1000 * cut, abs=0.5)
    assert "sensitivity at 1.7%" in table.index
    assert "Performance of the models at 5 years" in censored.to_latex(table="table_two")
