"""Rubin's rules against what mice prints, against statsmodels, and by simulation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.imputation.mice import MICE, MICEData

import mammorisk as mr
from mammorisk.errors import EvaluationError
from mammorisk.metrics import Estimate, cumulative_dynamic_auc, example_risks, pool_rubin


def _made(values: np.ndarray, errors: np.ndarray, n: int = 1000, **more: object) -> list[Estimate]:
    name = str(more.pop("name", "calibration slope at 5 y"))
    return [
        Estimate(name=name, value=float(v), se=float(e), n=n, events=50, **more)  # type: ignore[arg-type]
        for v, e in zip(values, errors, strict=True)
    ]


@pytest.mark.parametrize(
    ("estimate", "within", "between", "total", "df", "increase", "fraction"),
    [
        # What mice 3 prints of pool(with(imp, lm(sws ~ log10(bw) + odi))), mammalsleep data, m = 5,
        # dfcom = 59, in the vignettes of its authors (gerkovink.com/miceVignettes, convergence).
        (10.0739157, 0.71206627, 0.83964136, 1.7196359, 7.805051, 1.4149942, 0.6625659),
        (-1.4513424, 0.10052200, 0.30175131, 0.4626236, 4.277824, 3.6022121, 0.8424252),
        (-0.5504494, 0.08902854, 0.01146902, 0.1027914, 40.480414, 0.1545889, 0.1737299),
    ],
)
def test_pooling_prints_what_mice_prints(
    estimate: float, within: float, between: float, total: float, df: float, increase: float,
    fraction: float,
) -> None:  # fmt: skip
    # Five values of that mean and variance.
    apart = np.array([-2.0, -1, 0, 1, 2])
    values = estimate + apart * np.sqrt(between / apart.var(ddof=1))
    made = pool_rubin(_made(values, np.full(5, np.sqrt(within))), complete_df=59)
    assert made.value == pytest.approx(estimate, abs=1e-7)
    assert made.se**2 == pytest.approx(total, rel=1e-6)
    assert made.df == pytest.approx(df, rel=1e-6)
    assert made.missing_information == pytest.approx(fraction, rel=1e-5)
    assert 1.2 * made.between / made.within == pytest.approx(increase, rel=1e-6)
    half = stats.t.ppf(0.975, df) * np.sqrt(total)
    assert (made.lower, made.upper) == pytest.approx((estimate - half, estimate + half), rel=1e-5)


def test_pooling_agrees_with_statsmodels() -> None:
    rng = np.random.default_rng(4)
    x = rng.normal(size=150)
    table = pd.DataFrame({"x": x, "y": 0.5 * x + rng.normal(size=150)})
    table.loc[rng.uniform(size=150) < 0.4, "x"] = np.nan
    np.random.seed(1)  # noqa: NPY002 - statsmodels draws from the global generator
    peer = MICE("y ~ x", sm.OLS, MICEData(table)).fit(2, 8)
    fits = peer.model.results_list
    made = pool_rubin(
        _made(np.array([f.params.iloc[1] for f in fits]), np.array([f.bse.iloc[1] for f in fits]))
    )
    assert made.value == pytest.approx(peer.params[1], rel=1e-12)
    assert made.se == pytest.approx(peer.bse[1], rel=1e-10)


def test_without_differences_it_is_the_estimate_itself() -> None:
    made = pool_rubin(_made(np.full(4, 0.9), np.full(4, 0.1), null=1.0), complete_df=1e9)
    assert (made.value, made.se) == pytest.approx((0.9, 0.1))
    assert made.lower == pytest.approx(0.9 - 1.959964 * 0.1, abs=1e-6)
    assert made.p == pytest.approx(2 * stats.norm.sf(1.0), abs=1e-6)
    # Barnard and Rubin: the degrees of freedom stay below those of the complete data.
    assert pool_rubin(_made(np.full(4, 0.9), np.full(4, 0.1))).df < 999


@pytest.mark.parametrize(
    ("name", "scale", "values"),
    [
        ("AUC at 5 y", "logit", [0.7, 0.72, 0.69]),
        ("E/O at 5 y", "log", [1.1, 1.3, 0.9]),
        ("risk by 5 y", "cloglog", [0.02, 0.03, 0.025]),
        ("calibration slope at 5 y", "identity", [0.9, 1.2, 1.0]),
        ("difference of AUC at 5 y", "identity", [0.02, -0.01, 0.0]),
    ],
)
def test_scale_of_each_measure(name: str, scale: str, values: list[float]) -> None:
    made = pool_rubin(_made(np.array(values), np.full(3, 0.005), name=name))
    assert made.scale == scale
    assert min(values) < made.value < max(values)
    assert made.lower < made.value < made.upper
    same = pool_rubin(_made(np.array(values), np.full(3, 0.005), name="x"), scale=scale)  # type: ignore[arg-type]
    assert (same.value, same.lower) == pytest.approx((made.value, made.lower))


def test_limits_stay_in_the_range_of_the_measure() -> None:
    perfect = pool_rubin(_made(np.array([1.0, 0.98, 0.99]), np.full(3, 0.02), name="sensitivity x"))
    assert perfect.scale == "identity"
    assert perfect.upper == 1.0
    near = pool_rubin(_made(np.array([0.97, 0.98, 0.99]), np.full(3, 0.02), name="AUC at 5 y"))
    assert 0 < near.lower < near.value < near.upper < 1


def test_what_cannot_be_pooled_has_a_reason() -> None:
    absent = _made(np.array([0.7, np.nan]), np.full(2, 0.1), name="AUC", reason="no cancers")
    made = pool_rubin(absent)
    assert np.isnan(made.value)
    assert made.reason == "no cancers (in 1 of 2 imputed cohorts)"
    made = pool_rubin(_made(np.array([0.01, 0.03]), np.full(2, np.nan), name="ICI at 5 y"))
    assert made.value == pytest.approx(0.02)
    assert np.isnan(made.lower)
    assert made.reason is not None
    chi2 = pool_rubin(_made(np.array([3.0, 5.0]), np.full(2, np.nan), name="log-rank chi2"))
    assert np.isnan(chi2.value)
    with pytest.raises(EvaluationError, match="two estimates"):
        pool_rubin(_made(np.array([0.7]), np.array([0.1])))
    with pytest.raises(EvaluationError, match="different measures"):
        pool_rubin(
            _made(np.array([0.7]), np.array([0.1])) + _made(np.ones(1), np.ones(1), name="E/O")
        )
    with pytest.raises(EvaluationError, match="scale"):
        pool_rubin(_made(np.ones(2), np.ones(2)), scale="probit")  # type: ignore[arg-type]


def test_the_pooled_interval_covers_the_estimand() -> None:
    """A normal mean with a third of the values missing at random, properly imputed."""
    rng = np.random.default_rng(11)
    covered, shares = 0, []
    for _ in range(400):
        x = rng.normal(size=60)
        seen = rng.uniform(size=60) > 1 / 3
        k, mean, spread = int(seen.sum()), x[seen].mean(), x[seen].std(ddof=1)
        made = []
        for _ in range(5):
            sd = spread * np.sqrt((k - 1) / rng.chisquare(k - 1))
            centre = rng.normal(mean, sd / np.sqrt(k))
            full = np.where(seen, x, rng.normal(centre, sd, 60))
            made.append(Estimate(name="mean", value=full.mean(),
                                 se=full.std(ddof=1) / np.sqrt(60), n=60))  # fmt: skip
        pooled = pool_rubin(made)
        covered += pooled.lower <= 0 <= pooled.upper
        shares.append(pooled.missing_information)
    assert covered / 400 == pytest.approx(0.95, abs=0.033)
    assert np.mean(shares) == pytest.approx(1 / 3, abs=0.1)


def _imputed(m: int) -> tuple[pd.DataFrame, list[dict[str, np.ndarray]]]:
    outcome, risk, other = example_risks()
    rng = np.random.default_rng(0)
    cohort = pd.DataFrame(
        {"time": outcome.time, "event": outcome.event, "site": rng.choice(["a", "b"], 1000)}
    )
    sets = [
        {"first": np.clip(risk * np.exp(rng.normal(0, 0.3, 1000)), 0, 1), "second": other}
        for _ in range(m)
    ]
    return cohort, sets


def test_a_report_of_imputed_cohorts() -> None:
    cohort, sets = _imputed(3)
    report = mr.evaluate(sets, cohort, horizons=[5], by=["site"])
    alone = [mr.evaluate(one, cohort, horizons=[5], by=["site"]) for one in sets]
    outcome, _, _ = example_risks()
    row = report.discrimination.query("measure == 'AUC' and model == 'first'").iloc[0]
    by_hand = pool_rubin([cumulative_dynamic_auc(outcome, one["first"], 5) for one in sets])
    for name in ("value", "se", "lower", "upper", "p", "df", "missing_information"):
        assert row[name] == pytest.approx(getattr(by_hand, name), rel=1e-10)
    # A model without imputed answers keeps its numbers but for the t distribution.
    row = report.calibration.query("measure == 'calibration slope' and model == 'second'")
    own = alone[0].calibration.query("measure == 'calibration slope' and model == 'second'")
    assert row["value"].item() == pytest.approx(own["value"].item(), rel=1e-12)
    assert row["se"].item() == pytest.approx(own["se"].item(), rel=1e-12)
    # Differences: p against no difference, wider than those of one imputed cohort on average.
    apart = report.comparison.query("measure == 'AUC'").iloc[0]
    values = [one.comparison.query("measure == 'AUC'")["value"].item() for one in alone]
    assert apart["value"] == pytest.approx(np.mean(values), rel=1e-12)
    assert 0 < apart["p"] < 1
    assert len(report.subgroups) == len(alone[0].subgroups)
    assert report.subgroups["p_adjusted"].dropna().between(0, 1).all()
    assert "3 imputed cohorts" in report.notes[0]
    assert "multiple imputation" in report.methods["missing answers"]
    assert "imputed cohorts" in report._repr_html_()
    tables = [t for t in report.tables.values() if {"lower", "upper", "value"} <= set(t.columns)]
    for table in tables:
        there = table.dropna(subset=["lower", "upper", "value"])
        assert (there["lower"] <= there["value"] + 1e-9).all()
        assert (there["value"] <= there["upper"] + 1e-9).all()


def test_imputed_cohorts_of_their_own() -> None:
    cohort, sets = _imputed(2)
    pair = [cohort, cohort.assign(site="a")]
    made = mr.evaluate(sets, pair, horizons=[5])
    assert made.models == ["first", "second"]
    with pytest.raises(EvaluationError, match="3 cohorts for 2"):
        mr.evaluate(sets, [cohort, cohort, cohort], horizons=[5])
    with pytest.raises(EvaluationError, match="fewer than two imputed"):
        mr.evaluate(sets[:1], cohort, horizons=[5])
    with pytest.raises(EvaluationError, match="different models"):
        mr.evaluate([sets[0], {"first": sets[1]["first"]}], cohort, horizons=[5])
