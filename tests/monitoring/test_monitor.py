"""The monitor of a service, from its event log to the report and the command."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import mammorisk as mr
from mammorisk.cli.app import app
from mammorisk.errors import EvaluationError, ServiceError
from mammorisk.monitoring.api import acknowledge
from mammorisk.monitoring.canary_runs import canary_runs
from mammorisk.monitoring.observations import observations
from mammorisk.monitoring.observed import observed_over_expected
from mammorisk.service.arrived_exam import digest_of
from mammorisk.service.event_log import Event, append_event, read_events
from mammorisk.service.exam_facts import exam_facts
from tests.factories import write_exam
from tests.monitoring.made_log import HOLOGIC, PRISTINA, canary, made_facts, write_log

run = CliRunner().invoke
NAME = "hologic Selenia Dimensions, software 1.9.3, risk model 1a2b3c4d"


def test_made_facts_are_those_of_an_exam(tmp_path: Path) -> None:
    result = mr.predict(write_exam(tmp_path / "e", PatientAge="054Y"), model="bcsc-2008").to_dict()
    assert set(made_facts(np.random.default_rng(0), 1)[0]) == set(exam_facts(result))


def found(tmp_path: Path, *parts: list) -> dict[tuple[str, str], list]:
    """Alarms by device and chart."""
    exams = [one for part in parts for one in part]
    folder = write_log(tmp_path / "queue", exams, canaries=[canary()] * 100)
    by_chart: dict[tuple[str, str], list] = {}
    for alarm in mr.monitor(folder).alarms:
        by_chart.setdefault((alarm.device.split(",")[0], alarm.chart), []).append(alarm)
    return by_chart


def test_changes_of_a_device(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    changed = made_facts(
        rng,
        300,
        force=lambda force: force / 10,
        kvp=lambda kvp: kvp + 2,
        header_age=lambda age: age + 5,
        known=["age"],
        density=None,
        anode_filter="molybdenum/molybdenum",
    )
    alarms = found(tmp_path, made_facts(rng, 300), changed)
    charts = {chart for device, chart in alarms}
    assert charts == {
        *("force", "force_unit", "kvp", "unknown_answers", "anode_filter", "answers"),
        "age_mismatch",
    }
    assert {device for device, _ in alarms} == {"hologic Selenia Dimensions"}
    (force,) = alarms["hologic Selenia Dimensions", "force"]
    assert 300 < force.exam < 330
    assert abs(force.since - 300) < 10
    (unit,) = alarms["hologic Selenia Dimensions", "force_unit"]
    assert "daN or kgf" in unit.text
    assert unit.exam == 350
    (age,) = alarms["hologic Selenia Dimensions", "age_mismatch"]
    assert age.text == "Ages contradict each other: ages contradict each other 100.0%, before 0.0%"


def test_a_new_device_and_new_software_hold_and_are_compared(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    vendor = made_facts(rng, 199, **PRISTINA, anode_filter="rhodium/silver", thickness_mm=70.0)
    alarms = found(tmp_path / "a", made_facts(rng, 300), vendor)
    # Its charts hold: so far the device itself is all that is new.
    assert set(alarms) == {("ge Senographe Pristina", "new_device")}
    (one,) = alarms["ge Senographe Pristina", "new_device"]
    assert (one.exam, one.text) == (5, "new device; its charts hold for 200 exams")
    alarms = found(tmp_path / "b", made_facts(rng, 300), [*vendor, vendor[0]])
    assert {chart for _, chart in alarms} == {"new_device", "thickness"}
    software = made_facts(rng, 200, software="2.0", log_risk=lambda risk: risk + math.log(1.3))
    alarms = found(tmp_path / "c", made_facts(rng, 300), software)
    assert {chart for _, chart in alarms} == {"new_device", "log_risk"}
    (shift,) = alarms["hologic Selenia Dimensions", "log_risk"]
    assert shift.text.startswith("compared with the versions before (300 exams)")
    assert "times that before" in shift.text
    model = made_facts(rng, 10, model_version="ffffffff")
    (one,) = found(tmp_path / "d", made_facts(rng, 300), model).values()
    assert "new version of the risk model" in one[0].text
    # Four images of a visitor are no new device.
    assert found(tmp_path / "e", made_facts(rng, 300), vendor[:4]) == {}


def test_failures_and_refusals(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    refused = made_facts(rng, 100, refusals=["age-out-of-range"])
    alarms = found(tmp_path, made_facts(rng, 300), refused, [None] * 100)
    assert set(alarms) == {("hologic Selenia Dimensions", "refused"), ("service", "failed")}


def test_the_first_result_of_an_exam_counts(tmp_path: Path) -> None:
    exams = made_facts(np.random.default_rng(4), 3)
    folder = write_log(tmp_path / "queue", [None, *exams[:2]])
    for name, exam in (("late", "exam0"), ("again", "exam1")):
        append_event(folder, name, "added", {"exam": exam, "images": 4})
        append_event(folder, name, "done", {"status": "done", "model": "x", "facts": exams[2]})
    rows = observations(read_events(folder))
    assert list(zip(rows["job"], rows["failed"], strict=True)) == [
        *(("job0", True), ("job1", False), ("job2", False), ("late", False)),
    ]


def run_of(at: float, **detail: object) -> Event:
    return Event(at=at, job="", event="canary", detail=canary(**detail))  # type: ignore[arg-type]


def test_the_canary_stays_within_a_millionth() -> None:
    other = {"libraries": {"numpy": "2.3"}}
    runs, alarms = canary_runs(
        [
            run_of(0, risk=0.016),
            run_of(1, risk=0.016 + 9e-7),
            # A slow drift is compared with the first run, not with the one before.
            run_of(2, risk=0.016 + 1.8e-6),
            run_of(3, risk=0.016 + 1.8e-6, **other),
            run_of(4, risk=0.02, **other),
            Event(at=5, job="", event="canary", detail={"error": "ModelError"}),
        ]
    )
    assert [alarm.exam for alarm in alarms] == [3, 5, 6]
    assert alarms[0].text.endswith("changed: nothing that is recorded")
    assert alarms[1].text.endswith("by up to 0.004; changed: numpy")
    assert "ModelError" in alarms[2].text
    assert runs["difference"].iloc[1] == pytest.approx(9e-7)
    assert runs["changed"].iloc[3] == "numpy"


def outcome_rows(n: int, factor: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Exams with a risk of 2% at five years, and what happened in exactly factor times as many."""
    rows = pd.DataFrame(
        {
            "exam": [f"e{i}" for i in range(n)],
            "at": 1.8e9,
            "failed": False,
            "model": "m",
            "risk": [{"5": 0.02, "lifetime": 0.1}] * n,
        }
    )
    event = (np.arange(n) < round(n * 0.02 * factor)).astype(int)
    return rows, pd.DataFrame({"exam": rows["exam"], "time": np.where(event, 2.5, 5.5)}).assign(
        event=event
    )


def test_observed_over_expected_needs_fifty_cancers() -> None:
    table, alarms = observed_over_expected(*outcome_rows(2450, 1.0))
    assert (table["cancers"] == 49).all()
    assert table["observed_expected"].isna().all()
    assert (table["reason"] == "fewer than 50 cancers").all()
    table, alarms = observed_over_expected(*outcome_rows(5000, 1.1))
    assert list(table["year"]) == ["all", "2027"]
    assert table["observed_expected"].tolist() == pytest.approx([1.1, 1.1])
    assert (table["lower"] < 1.1).all()
    assert (table["upper"] > 1.1).all()
    assert alarms == []
    table, alarms = observed_over_expected(*outcome_rows(5000, 2.0))
    assert "observed/expected 2.00" in alarms[0].text
    rows, outcomes = outcome_rows(10, 1)
    faults = (
        (outcomes.drop(columns="exam"), "needs the columns"),
        (pd.concat([outcomes, outcomes]), "several rows"),
        (outcomes.assign(exam="x").head(1), "no exam"),
    )
    for faulty, text in faults:
        with pytest.raises(EvaluationError, match=text):
            observed_over_expected(rows, faulty)


def test_the_command_its_files_and_an_acknowledgement(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    exams = [*made_facts(rng, 210), *made_facts(rng, 6, **{**HOLOGIC, "software": "2.0"})]
    queue = write_log(tmp_path / "queue", exams, canaries=[canary()] * 5)
    page = tmp_path / "monitor.html"
    done = run(app, ["monitor", str(queue), "--html", str(page), "--json"])
    assert done.exit_code == 1
    told = json.loads(done.stdout)
    assert [one["text"] for one in told["alarms"]] == [
        "new software of the device; its charts hold for 200 exams"
    ]
    assert told["notes"] == ["exams but no canary on 6 days, the last 2027-01-25"]
    assert [one["state"] for one in told["devices"]] == ["monitored", "collecting"]
    text = page.read_text(encoding="utf-8")
    assert "new software of the device" in text
    assert "src='data:image/png" in text
    assert "http" not in text.replace("http-equiv", "")
    done = run(app, ["monitor", str(queue), "--acknowledge", "service of 25 January"])
    assert (done.exit_code, "1 alarms acknowledged" in done.stderr) == (0, True)
    assert "0 open alarms" in done.stdout
    report = mr.monitor(queue)
    assert not report.is_alarmed
    assert report.to_dict()["alarms"][0]["acknowledged"] == "service of 25 January"
    assert acknowledge(queue, report, "again") == 0
    with pytest.raises(ServiceError, match="no reason"):
        acknowledge(queue, report, " ")
    outcomes = tmp_path / "outcomes.csv"
    outcomes.write_text("study,time,event\n1.2.3,5,0\n")
    done = run(app, ["monitor", str(queue), "--outcomes", str(outcomes)])
    assert done.exit_code == 2
    assert "no exam of the table" in done.stderr
    assert run(app, ["monitor", str(tmp_path)]).exit_code == 2


def test_names_from_headers_do_no_harm(tmp_path: Path) -> None:
    hostile = {"manufacturer": "<script>alert(1)</script>", "device_model": r"$\frac$ _x"}
    exams = made_facts(np.random.default_rng(6), 60, **hostile, software="\u202e$$")
    page = mr.monitor(write_log(tmp_path / "queue", exams)).to_page()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "data:image/png" in page


def test_outcomes_are_joined_by_study(tmp_path: Path) -> None:
    rows, _ = outcome_rows(3, 1)
    rows["exam"] = [digest_of(f"1.2.{i}") for i in range(3)]
    outcomes = pd.DataFrame({"study": ["1.2.0", " 1.2.2"], "time": [6.0, 6.0], "event": [0, 0]})
    table, _ = observed_over_expected(rows, outcomes)
    assert table["exams"].tolist() == [2, 2]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        *[({"false_alarms": one}, "false_alarms: ") for one in (0, 1e-7, 0.6, -1, math.nan)],
        *[({"within_exams": one}, "within_exams: ") for one in (0, 99, math.inf, math.nan)],
    ],
)
def test_options_that_are_out_of_range(
    tmp_path: Path, options: dict[str, float], text: str
) -> None:
    with pytest.raises(EvaluationError, match=f"{text}.*Give the"):
        mr.monitor(tmp_path, **options)  # type: ignore[arg-type]


def test_an_empty_log(tmp_path: Path) -> None:
    report = mr.monitor(write_log(tmp_path / "queue", []))
    assert report.notes == ("the canary exam was never scored",)
    assert "No open alarms" in report.to_page()
    assert NAME not in str(report)
