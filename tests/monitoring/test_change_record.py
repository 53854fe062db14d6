"""A recalibration by a protocol: fixed before, judged by its rules, recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

import mammorisk as mr
from mammorisk._utils.digests import json_digest
from mammorisk.cli.app import app
from mammorisk.errors import ServiceError
from mammorisk.monitoring.change_protocol import read_protocol
from mammorisk.service.event_log import read_events
from tests.monitoring.made_log import write_log

run = CliRunner().invoke
PROTOCOL: dict[str, Any] = {
    "title": "Screening of 2027",
    "reason": "observed/expected 1.4 in March",
    "model": "bcrat",
    "method": "intercept",
    "horizons": [5],
    "fewest_cancers": 10,
    "rules": [{"measure": "E/O", "horizon": 5, "lower": 0.9, "upper": 1.1}],
}


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cohort") / "cohort.csv"
    mr.simulate(n=1200, seed=1).cohort.exams.to_csv(path, index=False)
    return path


def write(path: Path, **changes: Any) -> Path:
    path.write_text(yaml.safe_dump({**PROTOCOL, **changes}), encoding="utf-8")
    return path


def test_from_the_protocol_to_the_record(tmp_path: Path, manifest: Path) -> None:
    queue = write_log(tmp_path / "queue", [])
    protocol = write(tmp_path / "protocol.yaml")
    base = ["recalibrate", str(protocol), "--queue", str(queue)]
    record = tmp_path / "change.json"
    options = ["--cohort", str(manifest), "--out", str(tmp_path / "m"), "--record", str(record)]
    done = run(app, [*base, *options])
    assert done.exit_code == 2
    assert "was not fixed" in done.stderr
    assert not record.exists()
    assert run(app, [*base, "--fix-protocol"]).exit_code == 0
    assert "fixed already" in run(app, [*base, "--fix-protocol"]).stderr
    # Another rule after the fact is another protocol.
    other = ["recalibrate", str(write(tmp_path / "other.yaml", fewest_cancers=1))]
    assert run(app, [*other, *base[2:], *options]).exit_code == 2
    done = run(app, [*base, *options])
    assert done.exit_code == 0, done.output
    assert "passed: E/O at 5 years is" in done.stdout
    told = json.loads(record.read_text())
    (rule,) = told["rules"]
    after = {
        (row["stage"], row["measure"]): row["value"]
        for row in told["performance"]
        if row["horizon"] == 5
    }
    assert rule["value"] == after["after, cross-validated", "E/O"]
    assert ("before", "E/O") in after
    assert told["protocol_fixed_utc"] <= told["created_utc"]
    assert told["digests"]["before"]["calibration"] == "published"
    assert told["digests"]["after"]["calibration"].startswith("local-")
    saved = mr.load_model(tmp_path / "m")
    assert saved.calibration_id == told["digests"]["after"]["calibration"]
    page = record.with_suffix(".html").read_text()
    assert "Passed" in page
    assert told["protocol_sha256"] in page
    events = read_events(queue)
    assert [one.event for one in events] == ["protocol fixed", "change"]
    assert events[1].detail == {
        "protocol": read_protocol(protocol).sha256,
        "passed": True,
        "record": json_digest(told),
    }
    assert events[0].detail["protocol"]["rules"][0]["upper"] == 1.1


def test_a_model_that_does_not_pass_is_not_written(tmp_path: Path, manifest: Path) -> None:
    queue = write_log(tmp_path / "queue", [])
    rules = [{"measure": "AUC", "horizon": 5, "lower": 0.99}]
    protocol = write(tmp_path / "protocol.yaml", rules=rules, fewest_cancers=10_000)
    base = ["recalibrate", str(protocol), "--queue", str(queue)]
    run(app, [*base, "--fix-protocol"])
    record, out = tmp_path / "change.json", tmp_path / "m"
    options = ["--cohort", str(manifest), "--out", str(out), "--record", str(record)]
    done = run(app, [*base, *options])
    assert done.exit_code == 1
    assert "NOT PASSED: AUC" in done.stdout
    assert "cancers are too few" in done.stdout
    assert not out.exists()
    assert json.loads(record.read_text())["passed"] is False
    assert "must not be used" in record.with_suffix(".html").read_text()
    assert read_events(queue)[-1].detail["passed"] is False
    assert run(app, base).exit_code == 2


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"rules": []}, "rules"),
        ({"rules": [{"measure": "E/O", "horizon": 5}]}, "lower or upper is needed"),
        ({"rules": [{"measure": "E/O", "horizon": 5, "lower": 2, "upper": 1}]}, "not below"),
        ({"rules": [{"measure": "E/O", "horizon": 3, "upper": 1}]}, "not recalibrated"),
        ({"rules": [{"measure": "luck", "horizon": 5, "upper": 1}]}, "measure"),
        ({"fewest_cancers": 0}, "fewest_cancers"),
        ({"methods": "auto"}, "methods"),
    ],
)
def test_a_faulty_protocol_names_the_field(
    tmp_path: Path, changes: dict[str, Any], text: str
) -> None:
    with pytest.raises(ServiceError, match=text):
        read_protocol(write(tmp_path / "protocol.yaml", **changes))


def test_a_file_that_is_no_protocol(tmp_path: Path) -> None:
    contents = {
        **{"- a": "not a mapping", "a: [": "ScannerError|ParserError", "\x00": "ReaderError"},
        # Keys that are no text.
        **{"5: a": "keys should be strings", "rules: [{5: a}]": "keys should be strings"},
    }
    for content, text in contents.items():
        (tmp_path / "p.yaml").write_text(content)
        with pytest.raises(ServiceError, match=rf"p\.yaml: .*({text}).*has an example"):
            read_protocol(tmp_path / "p.yaml")
