"""Late entry, ties, administrative ends, competing deaths and few events: what is estimated."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

import mammorisk.metrics as m
from mammorisk.evaluation.subgroups import subgroup_table
from mammorisk.metrics.cox import fit_cox
from mammorisk.metrics.partial_likelihood import RiskSets
from mammorisk.records.outcome import Outcome
from tests.metrics.conftest import Oracle


def followed(n: int, seed: int, *, late: bool = True, deaths: bool = True) -> dict:
    """Times of n women: cancer, death, loss, entry, and a score that goes with cancer."""
    rng = np.random.default_rng(seed)
    score = rng.normal(size=n)
    return {
        "score": score,
        "cancer": rng.exponential(20 * np.exp(-0.8 * score)),
        "death": rng.exponential(25, n) if deaths else np.full(n, np.inf),
        "lost": rng.uniform(2, 12, n),
        "entry": np.where(rng.random(n) < 0.6, rng.uniform(0, 4, n), 0.0) if late else np.zeros(n),
    }


def observed(women: dict, *, unit: float | None = None) -> tuple[Outcome, np.ndarray]:
    """Right-censored and left-truncated outcome, times rounded up to a unit; and who is in it."""
    times = np.column_stack([women["lost"], women["cancer"], women["death"]])
    time, event, entry = times.min(axis=1), times.argmin(axis=1), women["entry"]
    if unit is not None:
        time, entry = np.ceil(time / unit) * unit, np.floor(entry / unit) * unit
    kept = entry < time
    return Outcome(time=time[kept], event=event[kept], entry=entry[kept]), kept


def complete(women: dict) -> Outcome:
    """The same women from the start, without loss."""
    time = np.minimum(women["cancer"], women["death"])
    event = np.where(women["cancer"] < women["death"], 1, 2)
    return Outcome(time=np.minimum(time, 50), event=np.where(time < 50, event, 0))


@pytest.mark.parametrize("measure", ["brier_score", "log_score"])
def test_late_entry_does_not_move_the_score(measure: str) -> None:
    women = followed(60_000, 1)
    risk = -np.expm1(-5 / 20 * np.exp(0.8 * women["score"]))
    outcome, kept = observed(women)
    compute = getattr(m, measure)
    truth = compute(complete(women), risk, 5)
    made = compute(outcome, risk[kept], 5)
    assert made.value == pytest.approx(truth.value, abs=4 * made.se)
    assert made.se < 0.02 * truth.value
    # Without regard to entry the risk sets hold women who could not be seen to have cancer.
    blind = compute(Outcome(time=outcome.time, event=outcome.event), risk[kept], 5)
    assert abs(blind.value - truth.value) > 4 * made.se


def test_late_entry_does_not_move_the_null_score_and_the_accuracy() -> None:
    women = followed(60_000, 2)
    risk = -np.expm1(-5 / 20 * np.exp(0.8 * women["score"]))
    outcome, kept = observed(women)
    whole = complete(women)
    null = m.null_brier_score(outcome, 5)
    assert null.value == pytest.approx(m.null_brier_score(whole, 5).value, abs=4 * null.se)
    accuracy = m.index_of_prediction_accuracy(outcome, risk[kept], 5)
    truth = m.index_of_prediction_accuracy(whole, risk, 5)
    assert accuracy.value == pytest.approx(truth.value, abs=4 * accuracy.se)


@pytest.mark.parametrize("unit", [None, 1 / 12, 1.0])
@pytest.mark.parametrize("deaths", [False, True])
def test_weighted_share_of_cancers_is_the_cumulative_incidence(
    unit: float | None, deaths: bool
) -> None:
    outcome, _ = observed(followed(3000, 3, deaths=deaths), unit=unit)
    for year in (1.0, 3.0, 5.0, 4.99):
        weights = m.fit_censoring(outcome).weights(year)
        assert weights is not None
        share = float(weights[outcome.is_case(year)].sum() / weights.sum())
        assert share == pytest.approx(m.cumulative_incidence(outcome, year).value, abs=1e-12)


def test_follow_up_cut_at_the_horizon_is_known_there() -> None:
    women = followed(4000, 4, late=False)
    women["lost"] = np.maximum(women["lost"], 3)
    outcome, _ = observed(women)
    cut = Outcome(
        time=np.minimum(outcome.time, 5), event=np.where(outcome.time <= 5, outcome.event, 0)
    )
    risk = -np.expm1(-5 / 20 * np.exp(0.8 * women["score"]))
    for measure in (m.cumulative_dynamic_auc, m.brier_score, m.log_score):
        whole, part = measure(outcome, risk, 5), measure(cut, risk, 5)
        assert part.value == pytest.approx(whole.value, abs=1e-12)
        assert part.se == pytest.approx(whole.se, rel=1e-9)
        assert whole.reason is None
        assert part.reason is not None
        assert "whose follow-up ends exactly at the horizon count as event-free" in part.reason
    slope = m.calibration_slope(cut, risk, 5)
    assert slope.value == pytest.approx(m.calibration_slope(outcome, risk, 5).value, abs=1e-9)
    assert m.classification_measure(cut, risk, 0.2, "sensitivity", 5).value == pytest.approx(
        m.classification_measure(outcome, risk, 0.2, "sensitivity", 5).value, abs=1e-12
    )


def test_a_few_women_beyond_the_horizon_do_not_stand_for_all() -> None:
    women = followed(2000, 5, late=False, deaths=False)
    time = np.minimum(np.minimum(women["cancer"], women["lost"]), 5)
    event = (women["cancer"] <= time).astype(int)
    risk = -np.expm1(-5 / 20 * np.exp(0.8 * women["score"]))
    at_end = np.flatnonzero((time == 5) & (event == 0))
    longer = time.copy()
    longer[at_end[:3]] = 5.5
    one = m.cumulative_dynamic_auc(Outcome(time=time, event=event), risk, 5)
    other = m.cumulative_dynamic_auc(Outcome(time=longer, event=event), risk, 5)
    assert other.value == pytest.approx(one.value, abs=1e-12)
    # Where loss leaves three women, the estimate says so.
    lost = np.where(event == 1, time, np.minimum(time, 4.5))
    lost[at_end[:3]] = 5.5
    few = m.cumulative_dynamic_auc(Outcome(time=lost, event=event), risk, 5)
    assert few.reason is not None
    assert "only 3 women are known to be event-free at the horizon" in few.reason


def test_yes_or_no_with_the_time_one() -> None:
    rng = np.random.default_rng(6)
    case = rng.random(500) < 0.2
    risk = np.clip(0.2 + 0.2 * case + rng.normal(0, 0.1, 500), 0.01, 0.9)
    given = Outcome(time=np.ones(500), event=case)
    binary = Outcome.binary(case)
    assert given.is_complete(1)
    for measure in (m.auc, m.brier_score, m.expected_observed_ratio, m.calibration_slope):
        a, b = measure(given, risk, 1.0), measure(binary, risk, 1.0)
        assert (a.value, a.se, a.lower) == pytest.approx((b.value, b.se, b.lower), abs=1e-12)


def test_expected_cancers_allow_for_death() -> None:
    """The true absolute risks expect what is observed; ending at death would expect too few."""
    for late in (False, True):
        women = followed(150_000, 7, late=late)
        outcome, kept = observed(women)
        hazard, other = 1 / 20 * np.exp(0.8 * women["score"][kept]), 1 / 25
        years = np.arange(1, 6)
        share = (hazard / (hazard + other))[:, None]
        risks = -share * np.expm1(-(hazard + other)[:, None] * years)
        counts = m.expected_counts(outcome, risks, years.tolist(), 5)
        made = m.standardised_incidence_ratio(outcome, counts, 5)
        assert made.lower < 1 < made.upper
        assert made.upper - made.lower < 0.03
        as_censored = Outcome(
            time=outcome.time,
            event=np.where(outcome.event == 2, 0, outcome.event),
            entry=outcome.entry,
        )
        naive = m.expected_counts(as_censored, risks, years.tolist(), 5)
        assert outcome.is_case(5).sum() / naive.sum() > 1.04


@pytest.mark.parametrize("cancers", [0, 1])
def test_no_or_one_cancer_gives_no_p_value_and_nothing_infinite(cancers: int) -> None:
    rng = np.random.default_rng(8)
    n = 300
    risk, event = rng.uniform(0.001, 0.1, n), np.zeros(n, dtype=int)
    event[:cancers] = 1
    time = np.where(event == 1, 2.0, rng.uniform(1, 9, n))
    group = rng.integers(0, 2, n)
    censored = Outcome(time=time, event=event)
    binary = Outcome.binary(event)
    for outcome, year in ((censored, 5.0), (binary, 1.0)):
        counts = np.full(n, 0.01)
        found = [
            m.cumulative_dynamic_auc(outcome, risk, year),
            m.concordance_index(outcome, risk),
            m.brier_score(outcome, risk, year),
            m.log_score(outcome, risk, year),
            m.index_of_prediction_accuracy(outcome, risk, year),
            m.cumulative_incidence(outcome, year),
            m.expected_observed_ratio(outcome, risk, year),
            m.calibration_intercept(outcome, risk, year),
            m.calibration_slope(outcome, risk, year),
            m.poisson_calibration(outcome, counts, year),
            m.standardised_incidence_ratio(outcome, counts, year),
            m.spiegelhalter_z(outcome, risk, year),
            m.hosmer_lemeshow_test(outcome, risk, year),
            m.greenwood_nam_dagostino_test(outcome, risk, year),
            m.net_benefit(outcome, risk, 0.03, year),
            m.hazard_ratio_per_sd(outcome, risk),
            m.discrimination_slope(outcome, risk, year),
            m.share_of_cancers(outcome, risk, 0.1, year),
            m.log_rank_test(outcome, group),
            m.integrated_discrimination_improvement(outcome, risk, risk[::-1], year),
            m.net_reclassification_improvement(outcome, risk, risk[::-1], year).nri,
            *m.ratios_by_group(outcome, risk, year),
        ]
        for made in found:
            assert math.isnan(made.p), made.name
            for number in (made.value, made.lower, made.upper):
                assert not math.isinf(number), made.name
            if math.isnan(made.lower) or math.isnan(made.value):
                assert made.reason, made.name


def test_a_handful_of_cancers_has_no_normal_interval() -> None:
    rng = np.random.default_rng(9)
    risk, case = rng.uniform(0, 0.1, 1000), np.zeros(1000)
    case[np.argsort(risk)[900]] = 1
    for compute in (m.auc, m.cumulative_dynamic_auc, m.brier_score):
        made = compute(Outcome.binary(case), risk)
        assert math.isnan(made.lower)
        assert made.reason == "1 cancer: under 10 there is no reliable interval"
    case[np.argsort(risk)[700:720]] = 1
    made = m.auc(Outcome.binary(case), risk)
    # Ranks 700 to 719 have 700 controls below, rank 900 has 880.
    assert made.value == pytest.approx((20 * 700 + 880) / (21 * 979))
    assert 0.5 < made.lower < made.value < made.upper < 1
    assert made.reason is None


def test_no_cancer_leaves_an_upper_limit() -> None:
    outcome = Outcome(time=np.full(100, 6.0), event=np.zeros(100))
    made = m.cumulative_incidence(outcome, 5)
    assert (made.value, made.lower) == (0, 0)
    assert made.upper == pytest.approx(1 - 0.025 ** (1 / 100))
    # Without censoring the limits of three cancers are those of Clopper and Pearson.
    three = Outcome(time=np.r_[1.0, 2.0, 3.0, np.full(97, 6.0)], event=np.r_[1, 1, 1, np.zeros(97)])
    made, exact = m.cumulative_incidence(three, 5), m.proportion("x", 3, 100, ci="exact")
    assert (made.lower, made.upper) == pytest.approx((exact.lower, exact.upper), abs=1e-9)


def test_groups_that_share_women_are_not_independent() -> None:
    """Two exams of each woman, one in each group: bootstrap of women against the table."""
    rng = np.random.default_rng(10)
    n = 900
    score = np.repeat(rng.normal(size=n), 2) + rng.normal(0, 0.4, 2 * n)
    cancer = np.repeat(rng.exponential(12 * np.exp(-score[::2])), 2)
    lost = np.repeat(rng.uniform(3, 9, n), 2)
    woman, visit = np.repeat(np.arange(n), 2), np.tile(["first", "second"], n)
    outcome = Outcome(time=np.minimum(cancer, lost), event=cancer <= lost, cluster=woman)
    risk = 1 / (1 + np.exp(2 - score))
    labels = pd.Series(visit, name="visit")
    table = subgroup_table(outcome, risk, labels, 5, threshold=0.15)
    made = table[(table["group"] == "first") & (table["measure"] == "AUC")].iloc[0]
    width = (made["difference_upper"] - made["difference_lower"]) / (2 * 1.959964)
    again = m.bootstrap(
        outcome,
        lambda o: (
            m.cumulative_dynamic_auc(o.with_weight(o.weight * (visit == "first")), risk, 5).value
            - m.cumulative_dynamic_auc(o.with_weight(o.weight * (visit == "second")), risk, 5).value
        ),
        horizon=5,
        resamples=200,
        stratified=False,
    )
    assert width == pytest.approx(again.se, rel=0.2)
    assert width < 0.75 * math.hypot(made["se"], made["se"])
    # Every measure has a difference, and the value is that of the group alone. The observed risk is
    # the same in both groups, so that its difference has no error.
    firsts = table[table["group"] == "first"].set_index("measure")
    assert firsts.loc["observed risk", "difference"] == pytest.approx(0, abs=1e-12)
    assert firsts["difference_lower"].drop("observed risk").notna().all()
    alone = m.cumulative_dynamic_auc(outcome.take(visit == "first"), risk[visit == "first"], 5)
    assert made["value"] == pytest.approx(alone.value, abs=1e-12)
    assert made["se"] == pytest.approx(alone.se, rel=1e-6)


def test_log_rank_counts_from_entry_on() -> None:
    outcome, kept = observed(followed(400, 11))
    group = (followed(400, 11)["score"] > 0)[kept].astype(int)
    # Observed less expected cancers, time by time.
    apart = spread = 0.0
    for t in np.unique(outcome.time[outcome.event == 1]):
        there = (outcome.entry < t) & (outcome.time >= t)
        died = (outcome.time == t) & (outcome.event == 1)
        n, d, inside = there.sum(), died.sum(), (there & (group == 1)).sum()
        apart += (died & (group == 1)).sum() - d * inside / n
        if n > 1:
            spread += d * inside / n * (1 - inside / n) * (n - d) / (n - 1)
    made = m.log_rank_test(outcome, group)
    assert made.value == pytest.approx(apart**2 / spread, rel=1e-10)
    blind = m.log_rank_test(Outcome(time=outcome.time, event=outcome.event), group)
    assert abs(blind.value - made.value) > 0.1


def test_log_rank_of_weights_is_that_of_copies() -> None:
    outcome, kept = observed(followed(300, 12, late=False))
    group = np.array(["a", "b", "c"])[np.arange(300) % 3][kept]
    times = np.random.default_rng(12).integers(1, 4, len(outcome))
    rows = np.repeat(np.arange(len(outcome)), times)
    weighted = Outcome(time=outcome.time, event=outcome.event, weight=times)
    copied = Outcome(time=outcome.time[rows], event=outcome.event[rows], cluster=rows)
    a, b = m.log_rank_test(weighted, group), m.log_rank_test(copied, group[rows])
    assert a.value == pytest.approx(b.value, rel=1e-9)
    assert a.p == pytest.approx(b.p, rel=1e-9)


def test_quantiles_of_follow_up_allow_for_entry_and_weights() -> None:
    women = followed(40_000, 13)
    outcome, _ = observed(women)
    truth = np.quantile(women["lost"], [0.25, 0.5, 0.75])
    assert m.follow_up_quantiles(outcome) == pytest.approx(truth, abs=0.12)
    blind = m.follow_up_quantiles(Outcome(time=outcome.time, event=outcome.event))
    assert np.abs(blind - truth).max() > 0.15
    plain, _ = observed(followed(200, 14, late=False))
    times = np.random.default_rng(14).integers(1, 4, len(plain))
    rows = np.repeat(np.arange(len(plain)), times)
    weighted = Outcome(time=plain.time, event=plain.event, weight=times)
    assert m.follow_up_quantiles(weighted) == pytest.approx(
        m.follow_up_quantiles(plain.take(rows)), nan_ok=True
    )


def test_few_reading_times_without_ties_are_tested_exactly() -> None:
    # Hollander and Wolfe 1973, table 3.1, as in R's help of wilcox.test: V = 40, p = 0.03906.
    before = np.array([1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30])
    after = np.array([0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29])
    made = m.reading_time_difference(before, after)
    assert made.p == pytest.approx(0.0390625)
    assert m.signed_rank_test(before - after)["v"] == 40
    # The exact test rejects differences just outside the limits, and none just inside.
    for limit, outwards in ((made.lower, -1e-7), (made.upper, 1e-7)):
        assert m.signed_rank_test(before - after - (limit + outwards))["p"] < 0.05
        assert m.signed_rank_test(before - after - (limit - outwards))["p"] >= 0.05
    tied = m.signed_rank_test(np.round(before - after, 1))
    assert tied["p"] != pytest.approx(made.p, abs=1e-4)


def test_cox_coefficients_are_at_the_solution(rotterdam: Oracle) -> None:
    design = rotterdam.data[["lpA", "meno"]].to_numpy(dtype=float)
    fitted = fit_cox(rotterdam.outcome, design)
    sets = RiskSets.of(rotterdam.outcome, design, None)
    assert sets is not None
    score = sets.at(fitted.coef).score
    # What is left of the score would move the coefficient by less than 1e-9.
    assert np.abs(score @ fitted.covariance).max() < 1e-10


def test_calibration_in_the_large_agrees_with_the_ratio() -> None:
    """The shift makes the mean risk the observed one; true risks need none."""
    outcome, risk, other = m.example_risks(20_000)
    for values in (risk, other, 0.5 * risk, risk**1.3):
        made = m.calibration_intercept(outcome, values, 5, method="in-the-large")
        shifted = -np.expm1(np.exp(made.value) * np.log1p(-values))
        observed_risk = m.cumulative_incidence(outcome, 5).value
        assert shifted.mean() == pytest.approx(observed_risk, abs=1e-12)
        ratio = m.expected_observed_ratio(outcome, values, 5)
        assert np.sign(made.value) == -np.sign(math.log(ratio.value))
    right = m.calibration_intercept(outcome, risk, 5, method="in-the-large")
    assert right.lower < 0 < right.upper
    again = m.bootstrap(
        outcome.take(np.arange(2000)),
        lambda o: m.calibration_intercept(o, risk[:2000], 5, method="in-the-large").value,
        horizon=5,
        resamples=200,
        stratified=False,
    )
    small = m.calibration_intercept(
        outcome.take(np.arange(2000)), risk[:2000], 5, method="in-the-large"
    )
    assert small.se == pytest.approx(again.se, rel=0.15)


def test_a_p_value_names_its_null() -> None:
    outcome, risk, _ = m.example_risks(2000)
    nulls = {
        m.cumulative_dynamic_auc(outcome, risk, 5): 0.5,
        m.expected_observed_ratio(outcome, risk, 5): 1,
        m.calibration_slope(outcome, risk, 5): 1,
        m.calibration_intercept(outcome, risk, 5): 0,
        m.hazard_ratio_per_sd(outcome, risk): 1,
        m.index_of_prediction_accuracy(outcome, risk, 5): 0,
    }
    for made, null in nulls.items():
        assert made.row()["null"] == null
        # The interval holds the null exactly where p is above 0.05.
        assert (made.lower < null < made.upper) == (made.p > 0.05)
    assert math.isnan(m.brier_score(outcome, risk, 5).row()["null"])
