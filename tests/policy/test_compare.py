"""Comparisons: rates, shares and crosstabs against counts by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mammorisk.errors import PolicyError
from mammorisk.policy import compare_policies, stratify
from mammorisk.policy.proportion import Sample
from tests.policy.women import cohort

POLICIES = ["nccn-2026", "mypebs", "wisdom", "bcsc-interval-2015"]


def test_rates_per_1000_women_by_hand() -> None:
    risks, outcomes = cohort(2000)
    summary = compare_policies(risks, outcomes, POLICIES).summary.set_index("policy")
    months = stratify(risks, "mypebs")["interval_months"]
    assert summary.loc["mypebs", "mammograms"] == pytest.approx(1000 * (12 / months).mean())
    very_high = (risks["risk_5y"] >= 0.06) & (risks["age"] < 61)
    assert summary.loc["mypebs", "mri"] == pytest.approx(1000 * very_high.mean())
    assert summary.loc["annual", "mammograms"] == 1000
    assert summary.loc["biennial", "of_annual"] == 0.5
    # A policy that does not say how often is not taken for zero.
    assert np.isnan(summary.loc["bcsc-interval-2015", "mammograms"])
    assert "mammography" in summary.loc["bcsc-interval-2015", "note"]


def test_limits_are_not_below_zero_and_no_exam_counts_twice() -> None:
    table = pd.DataFrame(
        {
            "patient_id": [f"w{i}" for i in range(30)],
            "exam_id": 1,
            "model": "mine",
            "age": 50.0,
            "risk_5y": [0.07] + [0.005] * 29,
        }
    )
    row = compare_policies(table, None, ["mypebs"]).summary.iloc[0]
    assert row["mri"] > 0
    assert row["mri_lower"] == 0
    # Women without an id are not known to be the same.
    nobody = table.assign(patient_id=[*table["patient_id"][:20], *[None] * 10])
    unknown = compare_policies(nobody, None, ["mypebs"])
    assert unknown.categories["women"].sum() == 30 * 3
    with pytest.raises(PolicyError, match=r"2 rows repeat an exam. Keep one row"):
        compare_policies(pd.concat([table, table.head(2)]), None, ["mypebs"])
    with pytest.raises(PolicyError, match="for one model at a time"):
        compare_policies(pd.concat([table, table.assign(model="other")]), None, ["mypebs"])


def test_alternating_visits_count_each_examination_once_a_year() -> None:
    risks, _ = cohort(300)
    carriers = compare_policies(risks.assign(brca="brca1"), None, ["wisdom"]).summary.iloc[0]
    assert (carriers["mammograms"], carriers["mri"]) == (1000, 1000)


def test_screening_that_has_not_started_counts_as_none() -> None:
    risks, _ = cohort(100)
    young = risks.assign(age=[36.0] * 50 + [45.0] * 50, risk_5y=0.001)
    comparison = compare_policies(young, None, ["nccn-2026"])
    assert comparison.summary.loc[0, "mammograms"] == 500
    shares = comparison.intervals.query("policy == 'nccn-2026'").set_index("interval")
    assert shares.loc["no screening", "share_of_women"] == 0.5


def test_shares_of_cancers_and_crosstabs_add_up() -> None:
    risks, outcomes = cohort(2000)
    comparison = compare_policies(risks, outcomes, POLICIES)
    for table in (comparison.categories, comparison.intervals):
        for _, part in table.groupby("policy"):
            assert part["women"].sum() == 2000
            assert part["cancers"].sum() == outcomes["event"].sum()
            assert part["share_of_cancers"].sum() == pytest.approx(1)
            assert (part["share_of_women_lower"] <= part["share_of_women"]).all()
            assert (part["share_of_women"] <= part["share_of_women_upper"]).all()
    one, other = stratify(risks, "nccn-2026"), stratify(risks, "mypebs")
    expected = pd.crosstab(one["category"], other["category"])
    found = comparison.crosstab("nccn-2026", "mypebs")
    assert (found.loc[expected.index, expected.columns] == expected).all(axis=None)
    pd.testing.assert_frame_equal(comparison.crosstab("mypebs", "nccn-2026"), found.T)


def test_cancers_within_years() -> None:
    risks, outcomes = cohort(2000)
    early = compare_policies(risks, outcomes, ["mypebs"], years=2).categories
    expected = ((outcomes["event"] == 1) & (outcomes["time"] <= 2)).sum()
    assert early.query("policy == 'mypebs'")["cancers"].sum() == expected


def test_without_outcomes_no_cancers_are_made_up() -> None:
    risks, _ = cohort(200)
    comparison = compare_policies(risks, None, ["mypebs", "nccn-2026"])
    assert comparison.categories["cancers"].isna().all()
    assert comparison.categories["share_of_cancers"].isna().all()
    with pytest.raises(PolicyError, match="does not count cancers"):
        comparison.crosstab("mypebs", "nccn-2026", of="cancers")


def test_exams_of_one_woman_are_not_independent() -> None:
    once = compare_policies(*cohort(1000), ["nccn-2026"]).categories.iloc[0]
    thrice = compare_policies(*cohort(1000, exams=3), ["nccn-2026"]).categories.iloc[0]
    for name in ("share_of_women", "share_of_cancers"):
        assert thrice[name] == pytest.approx(once[name])
        width = [row[f"{name}_upper"] - row[f"{name}_lower"] for row in (once, thrice)]
        # As independent rows they would be 1/sqrt(3) as wide; n/(n-1) of 25 women is 1.04.
        assert width[1] == pytest.approx(width[0], rel=0.05)


def test_sampling_weights_count_and_bad_ones_are_said() -> None:
    risks, outcomes = cohort(1000)
    weight = np.where(risks["risk_5y"] >= 0.017, 1.0, 10.0)
    comparison = compare_policies(risks, outcomes.assign(weight=weight), ["nccn-2026"])
    high = risks["risk_5y"] >= 0.017
    found = comparison.categories.iloc[1]
    assert found["share_of_women"] == pytest.approx(high.sum() / (high.sum() + 10 * (~high).sum()))
    weight[:3] = [np.nan, -1, np.inf]
    notes = compare_policies(risks, outcomes.assign(weight=weight), ["nccn-2026"]).notes
    assert any("3 rows without a usable weight" in note for note in notes)


def test_what_cannot_be_compared_is_refused() -> None:
    risks, outcomes = cohort(50)
    with pytest.raises(PolicyError, match="ids must differ"):
        compare_policies(risks, outcomes, ["mypebs", "mypebs"])
    with pytest.raises(PolicyError, match="ids must differ"):
        compare_policies(risks, outcomes, [])
    with pytest.raises(PolicyError, match="event must be"):
        compare_policies(risks, outcomes.assign(event=3), ["mypebs"])
    with pytest.raises(PolicyError, match="forbids"):
        compare_policies(risks.assign(risk_lifetime=0.1, model="bcrat"), None, ["acr-2023"])
    with pytest.raises(PolicyError, match="no rows"):
        compare_policies(risks.head(0), None, ["mypebs"])
    with pytest.raises(PolicyError, match="not two policies"):
        compare_policies(risks, outcomes, ["mypebs"]).crosstab("mypebs", "nccn-2026")


def test_wilson_interval_of_a_plain_sample() -> None:
    # The closed form (Wilson 1927, doi 10.1080/01621459.1927.10502953) for 7 of 68.
    n, k, z = 68, 7, 1.959963984540054
    centre = (k + z**2 / 2) / (n + z**2)
    half = z * np.sqrt(k * (n - k) / n + z**2 / 4) / (n + z**2)
    sample = Sample(weight=np.ones(n), woman=np.arange(n), level=0.95)
    found = sample.share(np.arange(n) < k, np.ones(n, dtype=bool))
    assert found.lower == pytest.approx(centre - half, rel=1e-12)
    assert found.upper == pytest.approx(centre + half, rel=1e-12)


def test_intervals_of_clustered_weighted_shares_cover() -> None:
    rng = np.random.default_rng(5)
    covered, runs, women = 0, 400, 150
    for _ in range(runs):
        exams = rng.integers(1, 5, women)
        woman = np.repeat(np.arange(women), exams)
        inside = np.repeat(rng.uniform(size=women) < 0.2, exams)
        weight = np.repeat(rng.uniform(0.5, 2, women), exams)
        found = Sample(weight=weight, woman=woman, level=0.95).share(
            inside, np.ones(len(woman), dtype=bool)
        )
        covered += found.lower <= 0.2 <= found.upper
    assert 0.925 <= covered / runs <= 0.985


def test_the_picture_names_units_policies_and_says_what_it_is_not() -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    comparison = compare_policies(*cohort(500), POLICIES)
    figure = comparison.plot()
    left, right = figure.axes
    assert "per 1,000 women and year" in left.get_xlabel()
    assert "cancers" in right.get_xlabel()
    assert {tick.get_text() for tick in left.get_yticklabels()} >= set(POLICIES)
    assert "not care advice" in figure.get_suptitle()
    # Bars of each policy run from 0 to 1 without gap or overlap.
    widths = sum(bar.get_width() for bar in right.patches)
    assert widths == pytest.approx(2 * len(comparison.summary))
    plt.close(figure)
