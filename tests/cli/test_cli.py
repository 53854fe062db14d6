"""The command line: exit codes, streams, and JSON alone on standard output."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

import mammorisk as mr
from mammorisk.cli.app import app
from tests.factories import write_exam

run = CliRunner().invoke


@pytest.fixture(scope="module")
def exam_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "exam"
    write_exam(folder)
    (folder.parent / "woman.json").write_text('{"age": 54, "race_ethnicity": "white"}')
    return folder


def test_one_exam(exam_folder: Path) -> None:
    woman = str(exam_folder.parent / "woman.json")
    shown = run(app, ["predict", str(exam_folder), "-q", woman])
    assert shown.exit_code == 0
    assert "bcsc-2008" in shown.stdout
    assert "not a medical device" in shown.stdout
    asked = run(app, ["predict", str(exam_folder), "-q", woman, "--json"])
    told = json.loads(asked.stdout)
    # No simulated exam: outside the domain of the bundled network, so the published baseline.
    assert told["model"] == "hybrid"
    assert told["images_used"] is False
    assert "outside-domain" in [one["code"] for one in told["warnings"]]


def test_a_picture(tmp_path: Path) -> None:
    out = tmp_path / "risk.png"
    assert run(app, ["predict", "--age", "54", "--plot", str(out)]).exit_code == 0
    assert out.read_bytes().startswith(b"\x89PNG")
    for wrong in ("risk.xyz", "nowhere/risk.png"):
        done = run(app, ["predict", "--age", "54", "--plot", str(tmp_path / wrong)])
        assert done.exit_code == 2
        assert "picture cannot be written" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["predict", "nowhere", "--age", "54"], "no such file or folder"),
        (["predict", "--age", "54", "--model", "gale"], "Known:"),
        (["predict", "--age", "540"], "age"),
        (["predict", "--cohort", "nowhere.csv"], "no such file"),
        (["predict"], "give"),
    ],
)
def test_unusable_input_ends_in_two_lines_and_code_2(arguments: list[str], told: str) -> None:
    done = run(app, arguments)
    assert done.exit_code == 2
    assert told in done.stderr
    assert "Traceback" not in done.output
    assert done.stdout == ""


def test_the_name_of_a_file_is_printed_only_on_request(tmp_path: Path) -> None:
    (tmp_path / "DOE^JANE.dcm").write_bytes(b"nothing")
    asked = ["predict", str(tmp_path / "DOE^JANE.dcm"), "--age", "54"]
    done = run(app, asked)
    assert done.exit_code == 2
    assert "DOE" not in done.output
    done = run(app, ["--show-files", *asked, "--json"])
    assert "file: DOE^JANE.dcm" in done.stderr
    assert json.loads(done.stdout)["error"]["source"] == "DOE^JANE.dcm"


def test_a_broken_questionnaire(tmp_path: Path) -> None:
    for text in ("{", "[1]", '{"age": 54, "shoe_size": 40}'):
        (tmp_path / "q.json").write_text(text)
        done = run(app, ["predict", "-q", str(tmp_path / "q.json")])
        assert done.exit_code == 2
        assert len(done.stderr.strip().splitlines()) <= 2


def test_a_cohort_with_a_failed_row_ends_in_code_1(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {"patient_id": [1, 2], "exam_id": ["x", "y"], "age": [54, 12], "breast_density": ["b", "b"]}
    )
    table.assign(race_ethnicity="white").to_csv(tmp_path / "c.csv", index=False)
    out = tmp_path / "r.csv"
    done = run(app, ["predict", "--cohort", str(tmp_path / "c.csv"), "--out", str(out)])
    assert done.exit_code == 1
    assert "exam y" in done.stderr
    assert pd.read_csv(out)["risk_5y"].notna().tolist() == [True, False]
    asked = run(app, ["predict", "--cohort", str(tmp_path / "c.csv"), "--json"])
    assert [row["risk_5y"] is None for row in json.loads(asked.stdout)] == [False, True]


def test_models() -> None:
    assert "bcsc-2008" in run(app, ["models"]).stdout
    assert len(json.loads(run(app, ["models", "--json"]).stdout)) >= 7


RATES = (
    "age;incidence;mortality\n30-39;40;60\n40-49;150;120\n50-59;270;320\n60-69;350;800\n"
    "70-79;320;2300\n80+;300;9000\n"
)
STATED = ["--rates-per", "100000", "--rates-kind", "hazard", "--rates-deaths", "other causes"]


def test_local_rates(tmp_path: Path) -> None:
    path = tmp_path / "norway.csv"
    path.write_text(RATES)
    assert "icare_lit" in run(app, ["rates"]).stdout
    assert len(json.loads(run(app, ["rates", "--json"]).stdout)) == 5
    unstated = run(app, ["rates", str(path)])
    assert unstated.exit_code == 2
    assert "per is not stated" in unstated.stderr
    checked = json.loads(run(app, ["rates", str(path), *STATED, "--json"]).stdout)
    assert checked["name"] == "norway"
    assert checked["ages"] == [30, 90]
    asked = ["predict", "--age", "55", "--model", "average", "--json"]
    told = json.loads(run(app, [*asked, "--rates", str(path), *STATED]).stdout)
    assert told["provenance"]["rates"]["name"] == "norway"
    assert "rates-replaced" in [one["code"] for one in told["warnings"]]
    named = json.loads(run(app, [*asked, "--rates", "white_1995_2003"]).stdout)
    assert named["risk"]["5"] != told["risk"]["5"]
    doubtful = [*STATED[:1], "10000000", *STATED[2:]]
    shown = run(app, [*asked, "--rates", str(path), *doubtful])
    assert "caution: norway: incidence from 30 to 75" in shown.stderr
    for wrong, text in (
        (["--age", "55", "--rates", "icare_lit"], "needs --model"),
        (["--age", "55", "--model", "bcrat", "--rates-per", "1"], "need --rates"),
        (["--age", "55", "--model", "bcsc-2006", "--rates", "icare_lit"], "no option rates"),
    ):
        done = run(app, ["predict", *wrong])
        assert done.exit_code == 2
        assert text in done.stderr


def test_codes_for_unknown(tmp_path: Path) -> None:
    (tmp_path / "woman.json").write_text('{"age": 54, "biopsies": 9}')
    asked = ["predict", "-q", str(tmp_path / "woman.json"), "--model", "bcrat", "--json"]
    risks = [
        json.loads(run(app, [*asked, *more]).stdout)["risk"]["5"]
        for more in ([], ["--missing", "biopsies=9,99"])
    ]
    assert risks[0] > risks[1]
    (tmp_path / "cohort.csv").write_text(
        "patient_id,exam_id,age,biopsies,first_degree_relatives,time,event\n"
        "1,1,54,9,0,6,0\n2,1,61,0,9,6,0\n"
    )
    table = ["predict", "--cohort", str(tmp_path / "cohort.csv"), "--model", "bcrat"]
    out = tmp_path / "risks.csv"
    codes = ["--missing", "biopsies=9", "--missing", "first_degree_relatives=9"]
    assert run(app, [*table, *codes, "--out", str(out)]).exit_code == 0
    assert not pd.read_csv(out)["warning_codes"].str.contains("code-suspected").any()
    shown = run(app, table)
    assert "biopsies is 9" in shown.stderr
    for wrong in ("biopsies", "=9", "biopsies="):
        done = run(app, [*table, "--missing", wrong])
        assert done.exit_code == 2
        assert "is not COLUMN=VALUES" in done.stderr
    absent = run(app, [*table, "--missing", "parity=9"])
    assert "no column 'parity'" in absent.stderr


def test_help_loads_next_to_nothing() -> None:
    code = (
        "import sys; from mammorisk.cli.app import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in done.stderr.split()}
    assert not loaded & {"torch", "pandas", "numpy", "matplotlib", "scipy"}


def test_simulate_makes_a_study_and_goes_on(tmp_path: Path) -> None:
    out = tmp_path / "study"
    command = ["simulate", str(out), "--women", "60", "--images", "1", "--prior-share", "0"]
    command += ["--pixel-mm", "2", "--lesions-mass", "1", "--vendors", "elm"]
    for _ in range(2):
        done = run(app, [*command, "--json"])
        assert done.exit_code == 0, done.stderr
        assert json.loads(done.stdout)["exams_rendered"] == 1
    assert (out / "lesions.parquet").exists()
    assert run(app, [*command, "--seed", "2"]).exit_code == 2
    refused = run(app, ["simulate", str(tmp_path / "b"), "--effects-density-hr", "90"])
    assert refused.exit_code == 2
    assert "density_hr" in refused.stderr
    assert run(app, ["simulate", str(tmp_path / "b"), "--images", "some"]).exit_code == 2
    scored = run(app, ["predict", "--cohort", str(out), "--json"])
    assert scored.exit_code == 0
    assert json.loads(scored.stdout)[0]["risk_5y"] > 0


def test_fit_from_the_command_line(tmp_path: Path) -> None:
    study = tmp_path / "study"
    assert run(app, ["simulate", str(study), "--women", "4000"]).exit_code == 0
    command = ["fit", str(study), "--recipe", "clinical-only", "--out", str(tmp_path / "model")]
    plan = run(app, [*command[:-2], "--dry-run", "--json"])
    assert plan.exit_code == 0, plan.stderr
    assert json.loads(plan.stdout)["exams"] == 4000
    assert run(app, command[:-2]).exit_code == 2
    done = run(app, [*command, "--set", "training.head_epochs=2", "--json"])
    assert done.exit_code == 0, done.stderr
    assert 20 < json.loads(done.stdout)["train"]["cancers"] < 200
    scored = run(app, ["predict", "--age", "50", "--model", str(tmp_path / "model"), "--json"])
    assert json.loads(scored.stdout)["model"] == "clinical-only"
    refused = run(app, [*command, "--set", "training.epochs=none"])
    assert refused.exit_code == 2
    assert "training.epochs" in refused.stderr


def test_evaluate_and_stratify_from_the_command_line(tmp_path: Path) -> None:
    study = tmp_path / "study"
    assert run(app, ["simulate", str(study), "-n", "1500"]).exit_code == 0
    risks = tmp_path / "risks.csv"
    predicted = run(
        app,
        [
            "predict",
            "--cohort",
            str(study),
            "--model",
            "bcsc-2008",
            "--out",
            str(risks),
        ],
    )
    assert predicted.exit_code == 0, predicted.output
    page = tmp_path / "report.html"
    made = run(
        app,
        [
            "evaluate",
            str(risks),
            str(study),
            "--out",
            str(page),
            "--out",
            str(tmp_path / "figure.pdf"),
            "--by",
            "menopausal_status",
            "--tables",
            str(tmp_path / "tables"),
        ],
    )
    assert made.exit_code == 0, made.output
    assert "Research software" in made.output
    scored, cohort = pd.read_csv(risks), mr.read_cohort(study)
    outcome = mr.Outcome.from_table(cohort.exams)
    found = mr.metrics.cumulative_dynamic_auc(outcome, scored["risk_5y"].to_numpy(), 5)
    table = pd.read_csv(tmp_path / "tables" / "discrimination.csv")
    (row,) = table.query("model == 'bcsc-2008' and measure == 'AUC' and horizon == 5").itertuples()
    assert [row.value, row.lower, row.upper] == pytest.approx(
        [found.value, found.lower, found.upper]
    )
    # The same AUC on the terminal and on the page, which has the groups and pictures.
    printed = f"{found.value:.2f} ({found.lower:.2f} to {found.upper:.2f})"
    shown = page.read_text(encoding="utf-8")
    assert printed in made.output
    assert printed in shown
    assert "menopausal_status" in shown
    assert shown.count("data:image/png;base64,") > 5
    assert (tmp_path / "figure.pdf").read_bytes().startswith(b"%PDF")
    ratios = pd.read_csv(tmp_path / "tables" / "calibration.csv").query("measure == 'E/O'")
    assert ratios["value"].notna().all()
    strata = tmp_path / "strata.parquet"
    made = run(
        app,
        [
            "stratify",
            str(risks),
            "--cohort",
            str(study),
            "--out",
            str(strata),
            "--policy",
            "thresholds",
            "--cut",
            "0.017",
        ],
    )
    assert made.exit_code == 0, made.output
    groups = pd.read_parquet(strata)
    assert groups["exam_id"].tolist() == scored["exam_id"].tolist()
    high = (groups["category"] == ">=1.7%").tolist()
    assert high == (scored["risk_5y"] >= 0.017).tolist()
    assert 0 < sum(high) < 1500
    wrong = run(app, ["stratify", str(risks), "--policy", "nccn-classic-mri"])
    assert wrong.exit_code == 2
    assert "needs the lifetime risk" in wrong.stderr


@pytest.mark.parametrize(
    ("fields", "model", "code"),
    [
        ({"age": 54}, "bcrat", 0),
        ({"age": 54}, "density-only", 1),
        ({"age": 540}, "bcrat", 2),
        ({"age": 97}, "bcrat", 3),
    ],
)
def test_one_exam_and_a_cohort_of_one_end_in_the_same_code(
    tmp_path: Path, fields: dict[str, float], model: str, code: int
) -> None:
    (tmp_path / "w.json").write_text(json.dumps(fields))
    pd.DataFrame([{"patient_id": "p", "exam_id": "e"} | fields]).to_csv(
        tmp_path / "c.csv", index=False
    )
    one = run(app, ["predict", "-q", str(tmp_path / "w.json"), "--model", model, "--json"])
    many = ["predict", "--cohort", str(tmp_path / "c.csv"), "--model", model]
    written = [*many, "--out", str(tmp_path / "r.csv")]
    assert [one.exit_code, run(app, many).exit_code, run(app, written).exit_code] == [code] * 3
    told = json.loads(one.stdout)
    if code == 2:
        assert told["error"]["code"] == "QuestionnaireError"
    else:
        assert told["status"] == ["done", "incomplete", None, "refused"][code]


def test_errors_of_arguments_are_json_too() -> None:
    for wrong in (["--no-such"], ["--horizons", "soon"], ["--age", "old"], ["--prior", "x"]):
        done = run(app, ["predict", "--age", "54", *wrong, "--json"])
        assert done.exit_code == 2
        error = json.loads(done.stdout)["error"]
        assert (error["code"], error["exit_code"]) == ("UsageError", 2)
        assert done.stderr
    assert run(app, ["predict", "--no-such"]).stdout == ""


def test_the_risk_between_40_and_50_from_the_command_line(tmp_path: Path) -> None:
    asked = ["predict", "--age", "40", "--horizons", "10", "--policy", "nice-cg164"]
    shown = run(app, asked)
    assert shown.exit_code == 0
    assert "near_population" in shown.stdout
    assert "off-label" in shown.stdout
    result = run(app, [*asked[:5], "--json"])
    (tmp_path / "r.json").write_text(result.stdout)
    row = json.loads(
        run(app, ["stratify", str(tmp_path / "r.json"), "--policy", "nice-cg164", "--json"]).stdout
    )
    assert row[0]["category"] == "near_population"
    assert row[0]["risk_10y"] == pytest.approx(json.loads(result.stdout)["risk"]["10"])
    refused = ["predict", "--age", "54", "--model", "bcrat", "--horizons", "lifetime", "--json"]
    done = run(app, [*refused, "--policy", "nccn-classic-mri"])
    assert (done.exit_code, json.loads(done.stdout)["error"]["code"]) == (3, "PolicyRefused")


def test_groups_go_from_low_to_high_with_their_marks(tmp_path: Path) -> None:
    risks = pd.DataFrame(
        {"model": "bcrat", "age": 50, "risk_5y": [0.07, 0.005, 0.0165, 0.03, 0.012], "exam_id": 1}
    )
    risks.to_csv(tmp_path / "r.csv", index=False)
    shown = run(app, ["stratify", str(tmp_path / "r.csv"), "--policy", "mypebs"]).stdout
    policy = mr.policy.load_policy("mypebs")
    order = [group.category or name for name, group in policy.groups.items()]
    places = [shown.index(f"│ {name} ") for name in dict.fromkeys(order)]
    assert places == sorted(places)
    for mark in ("off label", "near threshold", "unverified"):
        assert mark in shown
    assert "! 5 off-label" in shown


def test_an_audit_line_and_a_prior(exam_folder: Path, tmp_path: Path) -> None:
    log, woman = tmp_path / "audit.jsonl", str(exam_folder.parent / "woman.json")
    asked = ["predict", str(exam_folder), "-q", woman, "--prior", str(exam_folder)]
    done = run(app, [*asked, "--policy", "nccn-2026", "--audit", str(log), "--json"])
    told, line = json.loads(done.stdout), json.loads(log.read_text())
    assert line["key"] == told["key"]
    assert line["sha256"] == told["provenance"]["sha256"]
    assert line["sha256"]["policy"] == told["policy"]["sha256"]
    assert "prior-exam" in line["warning_codes"]
    # The prior was ignored, which is another result than one without a prior.
    without = run(app, [*asked[:4], "--json"])
    assert json.loads(without.stdout)["key"] != told["key"]


def test_an_audit_line_for_an_exam_that_cannot_be_read(tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    asked = ["predict", str(tmp_path / "CANARY"), "--model", "bcrat", "--audit", str(log)]
    assert run(app, asked).exit_code == 2
    line = json.loads(log.read_text())
    assert (line["status"], line["error"]) == ("unusable", "NoImages")
    jsonschema = pytest.importorskip("jsonschema")
    schema = mr.result_schema()
    part = {"$ref": "#/$defs/auditError"} | {k: schema[k] for k in ("$defs", "properties")}
    jsonschema.validate(line, part)
    assert "CANARY" not in log.read_text()


def test_files_for_a_clinic(exam_folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("highdicom")
    files = {name: tmp_path / f"risk.{name}" for name in ("sr", "fhir", "pdf", "html")}
    to = [part for name, file in files.items() for part in (f"--{name}", str(file))]
    woman = ["-q", str(exam_folder.parent / "woman.json")]
    asked = ["predict", str(exam_folder), *woman, "--model", "bcsc-2008"]
    done = run(app, [*asked, *to, "--json"])
    assert done.exit_code == 0, done.output
    risk = f"{100 * json.loads(done.stdout)['risk']['5']:.2f}"
    assert all(file.stat().st_size > 1000 for file in files.values())
    assert risk.encode() in files["sr"].read_bytes()
    assert f"{risk}%" in files["html"].read_text()
    for file in files.values():
        file.unlink()
    (tmp_path / "w.json").write_text('{"age": 97}')
    refused = run(app, [*asked[:2], "-q", str(tmp_path / "w.json"), *asked[4:], *to])
    assert refused.exit_code == 3
    assert "refusal: the structured report is not written" in refused.stderr
    assert [name for name, file in files.items() if file.exists()] == ["pdf", "html"]
    wrong = run(app, ["predict", "--cohort", "c.csv", "--html", str(files["html"])])
    assert wrong.exit_code == 2


def test_stratify_ends_with_1_if_a_woman_has_a_reason_and_no_risk(tmp_path: Path) -> None:
    risks, manifest = tmp_path / "risks.csv", tmp_path / "women.csv"
    women = pd.DataFrame(
        {"patient_id": ["a", "b"], "exam_id": "1", "age": [55, 55], "lcis": [True, False]}
    )
    women.to_csv(manifest, index=False)
    mr.predict(women, model="bcrat", horizons=(10,)).to_csv(risks, index=False)
    options = ["--policy", "nice-cg164", "--cohort", str(manifest), "--model", "bcrat"]
    done = CliRunner().invoke(app, ["stratify", str(risks), *options, "--json"])
    assert done.exit_code == 1, done.output
    women[1:].to_csv(manifest, index=False)
    mr.predict(women[1:], model="bcrat", horizons=(10,)).to_csv(risks, index=False)
    assert CliRunner().invoke(app, ["stratify", str(risks), *options]).exit_code == 0
