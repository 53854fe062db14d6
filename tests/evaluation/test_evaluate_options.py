"""evaluate: several processes, rates of another region, cut points of groups."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pandas as pd
import pytest

import mammorisk as mr
from mammorisk.clinical.rates_library import load_rates
from mammorisk.errors import EvaluationError, RatesError
from mammorisk.evaluation import api, sections
from tests.evaluation.data import cohort, noisy, risks


def _as_in_processes(
    work: Callable[..., Any], items: Sequence[Any], workers: int, *, shared: Any
) -> Iterator[Any]:
    """What imap_processes does, without the seconds in which processes import statsmodels."""
    sent = [pickle.loads(pickle.dumps(shared)) for _ in range(workers)]
    for i, item in enumerate(items):
        own, copy = pickle.loads(pickle.dumps((work, item)))
        yield pickle.loads(pickle.dumps(own(sent[i % workers], copy)))


@pytest.mark.parametrize("imputed", [False, True])
def test_processes_change_no_number(monkeypatch: pytest.MonkeyPatch, imputed: bool) -> None:
    table = cohort(200)
    given: Any = {"own": risks(table), "other": noisy(table)}
    options: dict[str, Any] = {"published": (), "horizons": 5}
    if imputed:
        given = [given, {"own": noisy(table), "other": noisy(table)}]
    else:
        options |= {"by": "site", "cluster": "site", "recalibrated": True}
    one = mr.evaluate(given, table, **options)
    monkeypatch.setattr(sections, "imap_processes", _as_in_processes)
    monkeypatch.setattr(api, "imap_processes", _as_in_processes)
    two = mr.evaluate(given, mr.read_cohort(table), workers=2, **options)
    pd.testing.assert_frame_equal(one.to_frame(), two.to_frame())
    for name, expected in one.tables.items():
        pd.testing.assert_frame_equal(two.tables[name], expected)


@pytest.mark.parametrize("workers", [0, -1, 1.5])
def test_numbers_of_processes(workers: float) -> None:
    table = cohort(100)
    with pytest.raises(EvaluationError, match="workers"):
        mr.evaluate(risks(table), table, workers=workers)  # type: ignore[arg-type]


def test_published_models_with_local_rates() -> None:
    table = cohort(800)
    local = load_rates("bcsc_2008")
    rates = mr.Rates.from_dict(local.to_dict() | {"name": "region", "source": "registry"})
    own = mr.evaluate(risks(table), table, horizons=1, published=["average", "bcsc-2006"])
    report = mr.evaluate(
        risks(table), table, horizons=1, published=["average", "bcsc-2006"], rates=rates
    )
    assert not any("incidence and mortality differ" in note for note in own.notes)
    [note] = [str(note) for note in report.notes if "incidence and mortality differ" in note]
    assert "other rates for average, those of the publication for bcsc-2006" in note
    assert "those of region" in report.methods_paragraph
    used = report.models_used.set_index("model")
    assert "region" in str(used.loc["average", "training_data"])
    # The same as with the model that the user loads, and not as with the published rates.
    model = mr.load_model("average", rates=rates)
    scored = model.score(table[["age"]], (1,)).risk[1].to_numpy()
    expected = mr.evaluate(scored, table, horizons=1, published=())

    def ratio(of: mr.Report, model: str) -> float:
        found = of.calibration.query("measure == 'E/O'").set_index("model")["value"]
        return float(found[model])

    assert ratio(report, "average") == ratio(expected, "model")
    assert ratio(report, "average") != ratio(own, "average")
    assert ratio(report, "bcsc-2006") == ratio(own, "bcsc-2006")


def test_risks_with_other_rates_beside_published_ones_are_noted() -> None:
    table = cohort(400)
    model = mr.load_model("average", rates=load_rates("bcsc_2008"))
    given = model.predict(table)
    report = mr.evaluate({"local": given}, table, horizons=5, published="bcrat")
    assert any("rates= gives published models other rates" in note for note in report.notes)


def test_rates_that_do_not_exist() -> None:
    table = cohort(100)
    with pytest.raises(RatesError, match="atlantis"):
        mr.evaluate(risks(table), table, rates="atlantis")


@pytest.mark.parametrize(
    ("bins", "message"),
    [
        ({"age": []}, "no ascending numbers"),
        ({"age": [60, 50]}, "no ascending numbers"),
        ({"age": "fifty"}, "no ascending numbers"),
        ({"score": 1}, "not a column of by"),
    ],
)
def test_cut_points_of_groups(bins: Any, message: str) -> None:
    table = cohort(100)
    with pytest.raises(EvaluationError, match=message):
        mr.evaluate(risks(table), table, by="age", bins=bins)
