"""Gray's test and Fine and Gray's regression, against what R's packages print and by expansion."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from lifelines import CoxPHFitter

from mammorisk.errors import EvaluationError
from mammorisk.metrics import (
    gray_test,
    log_rank_test,
    ratios_by_group,
    subdistribution_hazard_ratio,
)
from mammorisk.metrics.censoring import fit_censoring
from mammorisk.metrics.cox import fit_cox
from mammorisk.metrics.fine_gray import fit_fine_gray
from mammorisk.metrics.incidence import incidence_curve
from mammorisk.records.outcome import Outcome
from tests.metrics.conftest import DATA, Oracle


@pytest.fixture(scope="module")
def transplants() -> pd.DataFrame:
    return pd.read_csv(DATA / "bmtcrr.csv")


@pytest.fixture(scope="module")
def example() -> pd.DataFrame:
    return pd.read_csv(DATA / "cmprsk_example.csv")


def _outcome(table: pd.DataFrame) -> Outcome:
    return Outcome(time=table["ftime"] / 12, event=table["Status"])


def test_gray_two_groups_with_ties(transplants: pd.DataFrame) -> None:
    # cmprsk: cuminc(ftime, Status, D)
    for event, chi2, p in (
        ("cancer", 2.8623325, 0.09067592),
        ("competing", 0.4481279, 0.50322531),
    ):
        made = gray_test(_outcome(transplants), transplants["D"], event=event)
        assert made.value == pytest.approx(chi2, abs=5e-8)
        assert made.p == pytest.approx(p, abs=5e-9)


def test_gray_three_groups_and_strata(example: pd.DataFrame) -> None:
    # cmprsk's tests/test.Rout.save
    outcome = Outcome(time=example["time"], event=example["event"])
    for event, chi2, p in (("cancer", 3.393977, 0.1832345), ("competing", 1.989511, 0.3698139)):
        made = gray_test(outcome, example["group"], strata=example["stratum"], event=event)
        assert made.value == pytest.approx(chi2, abs=5e-7)
        assert made.p == pytest.approx(p, abs=5e-8)
    rows = np.flatnonzero(example["group"] != 2)
    some = example.iloc[rows]
    for event, chi2 in (("cancer", 3.5151549), ("competing", 0.1400145)):
        made = gray_test(outcome.take(rows), some["group"], strata=some["stratum"], event=event)
        assert made.value == pytest.approx(chi2, abs=5e-8)


def test_gray_does_not_depend_on_the_names_of_groups(example: pd.DataFrame) -> None:
    outcome = Outcome(time=example["time"], event=example["event"])
    first = gray_test(outcome, example["group"], rho=1.0)
    again = gray_test(outcome, example["group"].map({1: "z", 2: "a", 3: "m"}), rho=1.0)
    assert first.value == pytest.approx(again.value, rel=1e-10)
    assert first.value != pytest.approx(gray_test(outcome, example["group"]).value, rel=1e-3)


def test_gray_has_its_level_under_the_null() -> None:
    rng = np.random.default_rng(5)
    p = []
    for _ in range(300):
        n = 150
        group = rng.integers(0, 3, n)
        # The cause-specific hazards differ between groups only in what does not touch cancer.
        times = np.column_stack(
            [rng.uniform(1, 6, n), rng.exponential(8, n), rng.exponential(12, n)]
        )
        outcome = Outcome(time=times.min(axis=1), event=times.argmin(axis=1))
        p.append(gray_test(outcome, group).p)
    # Three standard errors of a share of 0.05 of 300.
    assert np.mean(np.array(p) < 0.05) == pytest.approx(0.05, abs=0.038)
    assert np.mean(p) == pytest.approx(0.5, abs=0.05)


def test_gray_sees_incidence_where_the_hazard_is_the_same() -> None:
    rng = np.random.default_rng(6)
    n = 4000
    group = rng.integers(0, 2, n)
    times = np.column_stack(
        [np.full(n, 10.0), rng.exponential(10, n), rng.exponential(np.where(group, 3, 30))]
    )
    outcome = Outcome(time=times.min(axis=1), event=times.argmin(axis=1))
    assert gray_test(outcome, group).p < 1e-8
    assert log_rank_test(outcome, group).p > 0.01


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"weight": [1, 2, 1, 1]}, "weighted rows"),
        ({"entry": [0, 0.5, 0, 0]}, "late entry"),
        ({"cluster": [1, 1, 2, 3]}, "several rows of one woman"),
    ],
)
def test_gray_refuses_what_its_variance_does_not_allow(options: dict, told: str) -> None:
    outcome = Outcome(time=[1, 2, 3, 4], event=[1, 1, 2, 0], **options)
    made = gray_test(outcome, [0, 0, 1, 1])
    assert np.isnan(made.value)
    assert np.isnan(made.p)
    assert made.reason is not None
    assert told in made.reason


def test_gray_without_events_or_groups() -> None:
    outcome = Outcome(time=[1, 2, 3, 4], event=[1, 0, 2, 0])
    assert gray_test(outcome, [0, 0, 1, 1]).reason == "one cancer"
    assert gray_test(outcome, [0, 0, 0, 0]).reason == "there are fewer than two groups"
    with pytest.raises(EvaluationError, match="labels"):
        gray_test(outcome, [0, 1])
    with pytest.raises(EvaluationError, match="event"):
        gray_test(outcome, [0, 0, 1, 1], event="death")  # type: ignore[arg-type]


def _design(table: pd.DataFrame) -> np.ndarray:
    names = ("Sex", "D", "Phase", "Age", "Source")
    coded = [
        table[name] if name == "Age" else pd.factorize(table[name], sort=True)[0] for name in names
    ]
    return np.column_stack(coded).astype(float)


def test_fine_gray_prints_what_crr_prints(transplants: pd.DataFrame) -> None:
    # cmprsk: crr(ftime, Status, cbind(Sex, D, Phase, Age, Source)), factors as integers
    made = fit_fine_gray(
        _outcome(transplants), _design(transplants), ties="breslow", censoring="kaplan-meier"
    )
    assert made.coef.round(4).tolist() == [0.0494, -0.4860, 0.4144, -0.0174, 0.9526]
    assert made.se.round(4).tolist() == [0.2867, 0.3040, 0.1194, 0.0118, 0.5469]
    assert round(made.log_likelihood) == -267


def _expanded(outcome: Outcome, design: np.ndarray) -> tuple[Outcome, np.ndarray]:
    """Rows as survival's finegray makes them: after a competing event, one for each cancer time."""
    fitted = fit_censoring(outcome)
    free = np.concatenate([[1.0], fitted.free])

    def still(t: float) -> float:
        entered = max(int(np.searchsorted(fitted.entries, t)) - 1, 0)
        return float(free[np.searchsorted(fitted.life.times, t)] * fitted.entered[entered])

    times = np.unique(outcome.time[outcome.event == 1])
    rows = []
    for i in range(len(outcome)):
        start, end, kind = outcome.entry[i], outcome.time[i], int(outcome.event[i] == 1)
        rows.append((start, end, kind, outcome.weight[i], outcome.cluster[i], i))
        if outcome.event[i] == 2:
            for t in times[times > end]:
                weight = outcome.weight[i] * still(t) / still(end)
                begin = max(end, times[times < t][-1] if (times < t).any() else end)
                rows.append((begin, t, 0, weight, outcome.cluster[i], i))
    entry, time, event, weight, cluster, place = (np.array(c) for c in zip(*rows, strict=True))
    made = Outcome(time=time, event=event, entry=entry, weight=weight, cluster=cluster)
    return made, design[place]


@pytest.mark.parametrize("kind", ["plain", "entry", "weight"])
def test_fine_gray_is_a_cox_model_of_the_expanded_rows(competing: Oracle, kind: str) -> None:
    data = competing.data.iloc[:200]
    options = {"plain": {}, "entry": {"entry": data["entry"]},
               "weight": {"weight": data["weight"], "cluster": data["cluster"]}}[kind]  # fmt: skip
    outcome = Outcome(time=data["time"], event=data["event"], **options)
    design = data[["x", "z"]].to_numpy()
    made = fit_fine_gray(outcome, design, censoring_known=True)
    expected = fit_cox(*_expanded(outcome, design))
    np.testing.assert_allclose(made.coef, expected.coef, atol=1e-7)
    np.testing.assert_allclose(made.covariance, expected.covariance, rtol=1e-5)


@pytest.mark.parametrize("entry", [False, True])
def test_the_weighted_risk_set_gives_back_aalen_johansen(competing: Oracle, entry: bool) -> None:
    """Geskus 2011: the product-limit estimate of the expanded rows is the cumulative incidence."""
    data = competing.data
    late = data["entry"] if entry else None
    outcome = Outcome(time=data["time"], event=data["event"], entry=late)
    rows, _ = _expanded(outcome, np.zeros((len(outcome), 1)))
    known = incidence_curve(outcome)
    expanded = incidence_curve(rows)
    for year in (1, 2, 3, 5):
        assert expanded.at(year) == pytest.approx(known.at(year), abs=1e-12)


@pytest.mark.parametrize("censoring", ["riskregression", "kaplan-meier"])
@pytest.mark.parametrize("weighted", [False, True])
def test_influence_is_the_derivative_in_the_weights(
    competing: Oracle, censoring: str, weighted: bool
) -> None:
    data = competing.data
    outcome = Outcome(
        time=data["time"], event=data["event"], weight=data["weight"] if weighted else None
    )
    design = data[["x", "z"]].to_numpy()
    made = fit_fine_gray(outcome, design, censoring=censoring)  # type: ignore[arg-type]
    assert made.influence is not None
    scale = np.abs(made.influence).max()
    for i in range(0, len(outcome), 50):
        found = []
        for share in (1e-4, -1e-4):
            weight = outcome.weight.copy()
            weight[i] *= 1 + share
            moved = fit_fine_gray(outcome.with_weight(weight), design, censoring=censoring)  # type: ignore[arg-type]
            found.append(moved.coef)
        slope = (found[0] - found[1]) / 2e-4
        np.testing.assert_allclose(made.influence[i], slope, atol=1e-7 * scale)


def test_without_competing_events_it_is_the_cox_model(competing: Oracle) -> None:
    data = competing.data
    outcome = Outcome(
        time=data["time"], event=data["event"].where(data["event"] != 2, 0), weight=data["weight"]
    )
    made = fit_fine_gray(outcome, data[["x"]].to_numpy())
    known = fit_cox(outcome, data[["x"]].to_numpy())
    np.testing.assert_allclose(made.coef, known.coef, atol=1e-9)
    np.testing.assert_allclose(made.se, known.se, rtol=1e-6)


def test_interval_covers_the_true_ratio() -> None:
    """Subdistribution hazards in proportion, as Fine and Gray 1999 simulate them."""
    rng = np.random.default_rng(8)
    beta, share, covered, found, errors = 0.7, 0.4, 0, [], []
    for _ in range(200):
        n = 400
        x = rng.normal(size=n)
        factor = np.exp(beta * x)
        # P(cancer by t) = 1 - (1 - share (1 - exp(-t / 3)))^factor
        ever = 1 - (1 - share) ** factor
        cancer = rng.uniform(size=n) < ever
        inside = 1 - (1 - rng.uniform(size=n) * ever) ** (1 / factor)
        time = np.where(
            cancer, -3 * np.log(np.maximum(1 - inside / share, 1e-12)), rng.exponential(3, n)
        )
        end = rng.uniform(1, 8, n)
        event = np.where(time <= end, np.where(cancer, 1, 2), 0)
        outcome = Outcome(time=np.minimum(time, end), event=event)
        made = subdistribution_hazard_ratio(outcome, x, per="unit")
        covered += made.lower <= np.exp(beta) <= made.upper
        found.append(np.log(made.value))
        errors.append(made.se / made.value)
    assert np.mean(found) == pytest.approx(beta, abs=0.03)
    assert np.mean(errors) == pytest.approx(np.std(found), rel=0.12)
    assert covered / 200 == pytest.approx(0.95, abs=0.045)


def test_ratios_by_group_and_few_cancers(transplants: pd.DataFrame) -> None:
    outcome = _outcome(transplants)
    age = transplants["Age"].to_numpy(dtype=float)
    made = ratios_by_group(outcome, age, 5, groups=2, scale="subdistribution")
    assert made[0].name == "subdistribution HR of group 2 against 1"
    one = subdistribution_hazard_ratio(outcome, age > np.median(age), per="unit")
    assert made[0].value == pytest.approx(one.value, rel=1e-9)
    few = Outcome(time=[1, 2, 3, 4, 5], event=[1, 1, 2, 0, 0])
    made_few = subdistribution_hazard_ratio(few, [3, 1, 2, 5, 4])
    assert np.isfinite(made_few.value)
    assert np.isnan(made_few.lower)
    assert made_few.reason is not None
    assert "under 10" in made_few.reason
    none = Outcome(time=[1, 2, 3], event=[0, 2, 0])
    assert subdistribution_hazard_ratio(none, [1, 2, 3]).reason == "no cancers in follow-up"
    apart = Outcome(time=np.arange(1, 41), event=np.repeat([1, 0], 20))
    split = subdistribution_hazard_ratio(apart, np.repeat([1.0, 0.0], 20), per="unit")
    assert np.isnan(split.value)
    assert split.reason


@pytest.mark.filterwarnings("ignore::Warning")
def test_cox_with_late_entry_and_weights_is_that_of_lifelines(competing: Oracle) -> None:
    data = competing.data
    outcome = Outcome(time=data["time"], event=data["event"], entry=data["entry"])
    table = data[["x", "z", "time", "entry"]].assign(cancer=(data["event"] == 1).astype(int))
    exact = {"precision": 1e-11}
    peer = CoxPHFitter().fit(table, "time", "cancer", entry_col="entry", fit_options=exact)
    made = fit_cox(outcome, data[["x", "z"]].to_numpy())
    np.testing.assert_allclose(made.coef, peer.params_, atol=1e-6)
    np.testing.assert_allclose(made.covariance, peer.variance_matrix_, rtol=1e-5)
    assert made.log_likelihood == pytest.approx(peer.log_likelihood_, rel=1e-9)
    # Follow-up cut at a horizon, and weights; lifelines has other robust errors.
    cut = table.assign(
        time=np.minimum(data["time"], 4), cancer=table["cancer"] * (data["time"] <= 4),
        weight=data["weight"],
    ).drop(columns="entry")  # fmt: skip
    peer = CoxPHFitter().fit(cut, "time", "cancer", weights_col="weight", fit_options=exact)
    weighted = Outcome(time=data["time"], event=data["event"], weight=data["weight"])
    made = fit_cox(weighted, data[["x", "z"]].to_numpy(), horizon=4)
    np.testing.assert_allclose(made.coef, peer.params_, atol=1e-6)


def test_regressions_without_a_solution(competing: Oracle) -> None:
    x = competing.data["x"].to_numpy()
    for fit in (fit_cox, fit_fine_gray):
        assert not fit(competing.outcome, np.column_stack([x, 2 * x])).converged
        assert not fit(competing.outcome, np.column_stack([x, np.ones(len(x))])).converged
        nobody = Outcome(time=competing.outcome.time, event=np.zeros(len(x)))
        assert not fit(nobody, x[:, None]).converged
        apart = (competing.outcome.event == 1).astype(float)
        assert not fit(competing.outcome, apart[:, None]).converged
    # A covariate on a large scale is no obstacle.
    large = fit_cox(competing.outcome, 1e4 + 1e3 * x[:, None])
    assert large.coef[0] * 1e3 == pytest.approx(fit_cox(competing.outcome, x[:, None]).coef[0])


def test_frequency_weights_are_rows_written_out(competing: Oracle) -> None:
    data = competing.data.iloc[:150]
    times = 1 + np.arange(150) % 3
    short = Outcome(time=data["time"], event=data["event"], frequency_weight=times)
    rows = np.repeat(np.arange(150), times)
    long = competing.outcome.take(rows)
    x, z = data["x"].to_numpy(), data["z"].to_numpy()
    group, stratum = np.where(x > 0, "b", "a"), z > 0
    first = gray_test(short, group, strata=stratum)
    again = gray_test(long, group[rows], strata=stratum[rows])
    assert first.value == pytest.approx(again.value, rel=1e-12)
    assert np.isfinite(first.value)
    made = subdistribution_hazard_ratio(short, x, adjust=z)
    known = subdistribution_hazard_ratio(long, x[rows], adjust=z[rows])
    assert (made.value, made.se, made.n) == pytest.approx((known.value, known.se, known.n))
    for options in ({"covariates": z}, {"strata": group}):
        longer = {name: values[rows] for name, values in options.items()}
        weights = fit_censoring(short, **options).weights(2)
        np.testing.assert_allclose(weights, fit_censoring(long, **longer).weights(2))
