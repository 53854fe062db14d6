"""The canary of each day, what the event log keeps for the monitor, and silent trials."""

from __future__ import annotations

import json
import math
import sqlite3
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import mammorisk as mr
from mammorisk.cli.app import app
from mammorisk.errors import ServiceError
from mammorisk.service.canary import Canary
from mammorisk.service.event_log import append_event, read_events
from mammorisk.service.exam_facts import exam_facts
from mammorisk.service.exam_job import ExamScorer
from mammorisk.service.inbox import Inbox
from mammorisk.service.job_queue import JobQueue
from mammorisk.service.own_exam import score_own_exam
from mammorisk.service.silent import unblind
from mammorisk.service.watch import Watch
from tests.factories import write_exam

run = CliRunner().invoke
CANARY = "KANARIENVOGEL"
OF_A_DEVICE: dict[str, Any] = {
    "Manufacturer": "HOLOGIC, Inc.",
    "ManufacturerModelName": "Selenia Dimensions",
    "SoftwareVersions": "1.9.3",
    "KVP": "29",
    "BodyPartThickness": "60",
    "CompressionForce": "9.5",
    "OrganDose": "0.015",
    "AnodeTargetMaterial": "TUNGSTEN",
    "FilterMaterial": "RHODIUM",
}


def test_facts_have_the_device_and_no_identity(tmp_path: Path) -> None:
    exam = write_exam(
        tmp_path / CANARY, PatientName=CANARY, PatientID=CANARY, PatientAge="051Y", **OF_A_DEVICE
    )
    woman = mr.Questionnaire(age=54, race_ethnicity="white", breast_density="c")
    result = mr.predict(exam, woman, model="bcsc-2008").to_dict()
    facts = exam_facts(json.loads(json.dumps(result)))
    assert (facts["manufacturer"], facts["device_model"], facts["software"]) == (
        *("hologic", "Selenia Dimensions", "1.9.3"),
    )
    assert (facts["questionnaire_age"], facts["header_age"]) == (54, 51)
    # Not plausible in newton, and so not used elsewhere; the monitor needs it as stated.
    assert facts["force"] == 9.5
    assert facts["thickness_mm"] == 60
    assert facts["kvp"] == 29
    assert facts["glandular_dose_mgy"] == pytest.approx(1.5)
    assert facts["anode_filter"] == "tungsten/rhodium"
    assert (facts["density"], facts["refusals"]) == ("c", [])
    assert math.exp(facts["log_risk"]) == pytest.approx(result["risk"]["5"])
    assert math.exp(facts["log_average_risk"]) == pytest.approx(result["baselines"]["average"]["5"])
    assert CANARY not in json.dumps(facts)
    survivor = mr.Questionnaire(age=54, prior_breast_cancer=True)
    told = exam_facts(mr.predict(exam, survivor, model="bcsc-2008").to_dict())
    assert told["log_risk"] is None
    assert "prior-breast-cancer" in told["refusals"]


def own_canary(model: str) -> Canary:
    return Canary(
        result=partial(score_own_exam, ExamScorer(model=mr.load_model(model), formats=()))
    )


def test_the_canary_is_scored_at_the_start_and_every_day(tmp_path: Path) -> None:
    now = [1_000_000.0]
    (tmp_path / "in").mkdir()
    inbox = Inbox(tmp_path / "in", quiet_s=0)
    given = [own_canary("bcsc-2008")]
    days = (0, 0, 86_400, 10)
    with JobQueue(tmp_path / "state", clock=lambda: now[0]) as queue:
        watch = Watch(inbox, tmp_path, queue, dict, canary=lambda: given[0]())  # type: ignore[arg-type]
        for step in days:
            now[0] += step
            watch.run_once()
        first, second = read_events(tmp_path / "state")
        assert first.detail == second.detail
        assert first.detail["risk"]["5"] == pytest.approx(0.0148, abs=0.002)
        # A new process on the same day: the same canary is not recorded, another one is.
        Watch(inbox, tmp_path, queue, dict, canary=lambda: given[0]()).run_once()  # type: ignore[arg-type]
        assert queue.check() == 2
        given[0] = lambda: {}["no risk"]  # type: ignore[assignment]
        Watch(inbox, tmp_path, queue, dict, canary=lambda: given[0]()).run_once()  # type: ignore[arg-type]
        assert queue.last_event("canary").detail == {"error": "KeyError"}  # type: ignore[union-attr]


@pytest.mark.networks
def test_the_canary_uses_the_images_of_a_network() -> None:
    pytest.importorskip("torch")
    told = own_canary("hybrid")()
    assert told["images_used"]
    assert told["weights"] is not None


def test_events_are_read_and_added_beside_a_service(tmp_path: Path) -> None:
    with JobQueue(tmp_path) as queue:
        queue.record("one", {})
        append_event(tmp_path, "", "two", {"n": 2})
        queue.record("three", {})
        assert [event.event for event in read_events(tmp_path)] == ["one", "two", "three"]
    with sqlite3.connect(tmp_path / "queue.sqlite") as database:
        database.execute("DROP TRIGGER events_stay")
        database.execute("UPDATE events SET detail = '{\"n\": 3}' WHERE n = 2")
    with pytest.raises(ServiceError, match="changed at event 2"):
        read_events(tmp_path)
    for path in (tmp_path / "no", tmp_path / "no.txt"):
        with pytest.raises(ServiceError, match="no queue"):
            read_events(path)
        with pytest.raises(ServiceError, match=r"no queue.*\.queue, or what --state was"):
            append_event(path, "", "x", {})


def test_a_silent_trial_returns_nothing_until_it_is_unblinded(tmp_path: Path) -> None:
    write_exam(tmp_path / "in", PatientAge="054Y")
    out, state = tmp_path / "out", tmp_path / "state"
    command = ["watch", str(tmp_path / "in"), str(out), "--once", "--state", str(state)]
    options = ["--model", "bcsc-2008", "--formats", "fhir"]
    done = run(app, [*command, *options, "--silent"])
    assert done.exit_code == 0, done.output
    assert not out.exists()
    assert "%" not in done.output
    (stored,) = (state / "silent").iterdir()
    # The exam was scored: it is not returned later without unblinding.
    assert run(app, [*command, *options]).exit_code == 0
    assert list(out.iterdir()) == []
    assert run(app, [*command, "--unblind", " "]).exit_code == 2
    done = run(app, [*command, "--unblind", "end of the trial, decided by the board"])
    assert "1 stored results copied" in done.output
    (copied,) = out.iterdir()
    assert {file.name for file in copied.iterdir()} == {"result.json", "fhir.json"}
    assert (copied / "fhir.json").read_bytes() == (stored / "fhir.json").read_bytes()
    told = [one for one in read_events(state) if one.event in ("mode", "unblinded")]
    assert [one.detail for one in told] == [
        {"silent": True},
        {"silent": False},
        {
            "reason": "end of the trial, decided by the board",
            "stored": 1,
            "jobs": [stored.name],
        },
    ]
    with (
        JobQueue(tmp_path / "other") as queue,
        pytest.raises(ServiceError, match="no results of a silent trial"),
    ):
        unblind(queue, tmp_path / "other", out, "why")
