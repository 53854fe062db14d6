"""The result as a contract: its schema, its key, the digests of its inputs, and the audit log."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pandas as pd
import pytest
import torch

import mammorisk as mr
from mammorisk._utils.digests import array_digest, config_digest, json_digest
from mammorisk.errors import OutputError, PolicyError, PolicyRefused
from mammorisk.prediction.prediction import to_json
from mammorisk.prediction.result_frame import result_frame
from tests.factories import simulated_exam, write_exam

WOMAN = mr.Questionnaire(age=52, race_ethnicity="white", parity=2, age_first_birth=27)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulated_exam(tmp_path_factory.mktemp("contract") / "exam", seed=3, pixel_mm=1.0)


@pytest.fixture(scope="module")
def prediction(folder: Path) -> mr.Prediction:
    return mr.predict(folder, WOMAN)


def check(result: dict[str, object], part: str | None = None) -> None:
    schema = mr.result_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    if part is not None:
        schema = {"$ref": f"#/$defs/{part}"} | {k: schema[k] for k in ("$defs", "properties")}
    jsonschema.Draft202012Validator(schema).validate(result)


def test_a_result_of_images_follows_the_schema(prediction: mr.Prediction) -> None:
    result = json.loads(to_json(prediction))
    check(result)
    assert result["status"] == "done"
    assert result["images_used"] is True
    assert result["interval"]["level"] == 0.95
    assert 0 < result["provenance"]["guard"]["distance"] < result["provenance"]["guard"]["limit"]
    assert result["provenance"]["calibration"].startswith("fit-")
    assert result["provenance"]["backend"] is not None
    told = result["provenance"]["sha256"]
    assert told["policy"] is None
    assert all(told[name] for name in ("pixels", "acquisition", "weights", "config"))


@pytest.mark.parametrize(
    ("woman", "options", "status"),
    [
        ({"age": 54}, {"model": "bcrat", "horizons": (5, 10, "lifetime")}, "done"),
        ({"age": 54, "prior_breast_cancer": True}, {}, "refused"),
        ({"age": 54}, {"model": "density-only"}, "incomplete"),
        ({"age": 12}, {"model": "bcsc-2008"}, "refused"),
        ({"age": 60, "onset_mother": [44.0]}, {"model": "claus-1994"}, "done"),
    ],
)
def test_every_status_follows_the_schema(
    woman: dict[str, object], options: dict[str, object], status: str
) -> None:
    result = mr.predict(mr.Questionnaire(**woman), **options).to_dict()
    check(result)
    assert result["status"] == status
    assert json_digest(result["answers"]) == result["provenance"]["sha256"]["questionnaire"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"risk": {"5": 1.5}},
        {"unit": "percent"},
        {"key": "abc"},
        {"patient_name": "Doe"},
        {"status": "refused"},
        {"interval": {"lower": {"5": 0.1}, "upper": {"5": 0.2}, "estimand": "risk"}},
        {"warnings": [{"code": "implant", "severity": "bad", "view": None, "text": "x"}]},
    ],
)
def test_the_schema_refuses(prediction: mr.Prediction, wrong: dict[str, object]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        check(prediction.to_dict() | wrong)


def test_the_same_exam_twice_has_one_key(prediction: mr.Prediction, folder: Path) -> None:
    again = mr.predict(mr.read_exam(folder), WOMAN)
    assert again.provenance["key"] == prediction.provenance["key"]
    older = mr.predict(folder, WOMAN.model_copy(update={"age": 53.0}))
    assert older.provenance["sha256"]["pixels"] == prediction.provenance["sha256"]["pixels"]
    assert older.provenance["key"] != prediction.provenance["key"]
    assert mr.predict(folder, WOMAN, horizons=5).provenance["key"] != prediction.provenance["key"]


def test_the_pixels_are_those_of_the_files(prediction: mr.Prediction, folder: Path) -> None:
    views = {view.name: array_digest(view.load().pixels) for view in mr.read_exam(folder)}
    assert prediction.provenance["sha256"]["pixels"] == json_digest(views)


def test_rescaling_a_weight_changes_the_provenance() -> None:
    model = mr.load_model("hybrid")
    before = model.predict(WOMAN).provenance
    with torch.no_grad():
        next(model.head.parameters()).mul_(1.0001)
    after = model.predict(WOMAN).provenance
    assert after["sha256"]["weights"] != before["sha256"]["weights"]
    assert after["sha256"]["config"] == before["sha256"]["config"]
    assert after["key"] != before["key"]


def test_options_and_rates_change_the_provenance() -> None:
    plain, other = (
        mr.load_model("average", **options).predict(WOMAN).provenance
        for options in ({}, {"rates": "white_1995_2003"})
    )
    assert (plain["calibration"], other["calibration"][:6]) == ("published", "rates-")
    assert plain["sha256"]["config"] != other["sha256"]["config"]
    assert config_digest(mr.load_model("average").state()) == plain["sha256"]["config"]


def test_equal_values_have_equal_digests() -> None:
    assert json_digest({"a": 1, "b": (2, None)}) == json_digest({"b": [2.0, None], "a": 1.0})
    assert json_digest({"a": True}) != json_digest({"a": 1})
    assert json_digest({"a": "1"}) != json_digest({"a": 1})


def test_a_refused_exam_has_no_probability_by_any_model(tmp_path: Path) -> None:
    write_exam(tmp_path / "exam", PatientSex="M")
    refused = mr.predict(tmp_path / "exam", WOMAN, model="bcsc-2008")
    assert refused.status == "refused"
    assert refused.baselines.isna().all(axis=None)
    assert "five_year_by_category" not in refused.density
    check(refused.to_dict())
    for policy in ("nice-cg164", "uspstf-2024"):
        found = mr.predict(tmp_path / "exam", WOMAN, model="icare-lit").with_policy(policy)
        assert found.policy["category"] == "not_applicable"
        assert found.policy["modality"] is None
        assert (
            found.policy["reason"] == "the table or the image header says that the patient is male"
        )
        assert not any(found.policy["risks"].values())
        check(found.to_dict())


def test_a_policy_of_one_result() -> None:
    found = mr.predict(WOMAN, model="icare-lit").with_policy("nice-cg164")
    result = found.to_dict()
    check(result)
    # 10 years from 40, by the same model: the recipe of docs/how-to/stratification.md.
    at_forty = mr.predict(WOMAN.model_copy(update={"age": 40.0}), model="icare-lit", horizons=10)
    assert found.policy["risks"] == {"risk_10y_at_40": pytest.approx(float(at_forty.risk[10]))}
    assert result["provenance"]["sha256"]["policy"] == found.policy["sha256"]
    assert "off-label" in repr(found)
    row = mr.stratify(found, "nccn-classic").iloc[0]
    assert row["category"] == "average"
    with pytest.raises(PolicyRefused, match="forbids"):
        mr.predict(WOMAN, model="bcrat", horizons="lifetime").with_policy("nccn-classic-mri")
    with pytest.raises(PolicyError, match="answers whole years"):
        mr.load_model("hybrid").predict(WOMAN).with_policy("nice-cg164")


def test_a_first_birth_after_the_age_of_a_policy_is_none_at_that_age() -> None:
    model = mr.load_model("bcrat")
    mother = {"age": 52.0, "first_degree_relatives": 2, "parity": 2, "age_first_birth": 42}
    women = pd.DataFrame([mother, mother | {"parity": 0, "age_first_birth": None}])
    groups = mr.stratify(model.predict(women), "nice-cg164", women, model=model)
    assert groups["risk_10y_at_40"].iloc[0] == groups["risk_10y_at_40"].iloc[1] > 0.01
    assert groups["risk_10y_at_40_reason"].isna().all()
    categories = women.assign(parity=women["parity"].astype("category"))
    same = mr.stratify(model.predict(categories), "nice-cg164", categories, model=model)
    assert same["risk_10y_at_40"].tolist() == groups["risk_10y_at_40"].tolist()


def test_a_woman_without_a_risk_from_an_age_is_told_why() -> None:
    model = mr.load_model("bcrat")
    women = pd.DataFrame({"age": [52.0, 52.0], "lcis": [True, False]})
    groups = mr.stratify(model.predict(women), "nice-cg164", women, model=model)
    assert groups["reason"].iloc[0] == (
        f"unknown: 10-year risk from age 40 ({groups['risk_10y_at_40_reason'].iloc[0]})"
    )
    assert "LCIS" in groups["reason"].iloc[0]
    assert groups["category"].tolist() == ["not_applicable", "near_population"]


def test_a_cohort_and_one_woman_have_the_same_risk_from_an_age() -> None:
    model = mr.load_model("icare-lit")
    answers = WOMAN.model_dump()
    women = pd.DataFrame([answers, answers | {"prior_breast_cancer": True}])
    women["patient_id"], women["exam_id"] = ["7", "8"], "1"
    risks = model.predict(women)
    groups = mr.stratify(risks, "nice-cg164", women, model=model)
    alone = mr.predict(WOMAN, model=model).with_policy("nice-cg164").policy
    assert alone is not None
    assert groups["risk_10y_at_40"].tolist()[0] == alone["risks"]["risk_10y_at_40"]
    assert groups["category"].tolist() == [alone["category"], "not_applicable"]
    assert pd.isna(groups["risk_10y_at_40"].iloc[1])
    with pytest.raises(PolicyError, match="Pass the model of the risks"):
        mr.stratify(risks, "nice-cg164", women)
    with pytest.raises(PolicyError, match="the risks are of icare-lit, the model is bcrat"):
        mr.stratify(risks, "nice-cg164", women, model=mr.load_model("bcrat"))
    with pytest.raises(PolicyError, match="a str is not a model"):
        mr.stratify(risks, "nice-cg164", women, model="icare-lit")  # type: ignore[arg-type]


def test_a_result_as_a_row(prediction: mr.Prediction) -> None:
    row = prediction.to_frame().iloc[0]
    assert row["risk_5y"] == prediction.five_year
    assert row["risk_5y_lower"] == prediction.interval["lower"][5]
    # Like the row of a cohort, it has a reader's density and none that was estimated.
    assert prediction.density["source"] == "estimated from the image"
    assert row["age"] == 52
    assert "breast_density" not in row
    with pytest.raises(mr.errors.ManifestError, match="not a result"):
        result_frame({"error": {}})


def test_audit_lines(folder: Path, tmp_path: Path, prediction: mr.Prediction) -> None:
    log = tmp_path / "audit.jsonl"
    mr.predict(folder, WOMAN, audit=log)
    table = pd.DataFrame({"patient_id": ["CANARY"], "exam_id": ["CANARY-1"], "age": [97]})
    mr.predict(table, model="bcrat", horizons=5, audit=log)
    table.to_csv(tmp_path / "c.csv", index=False)
    out = tmp_path / "r.parquet"
    mr.predict_to_file(mr.read_cohort(tmp_path / "c.csv"), out, model="bcrat", audit=log)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    for line in lines:
        check(line, "audit")
    assert [line["status"] for line in lines] == ["done", "refused", "refused"]
    assert lines[0]["key"] == prediction.provenance["key"]
    assert "CANARY" not in log.read_text()
    with pytest.raises(OutputError, match="audit log"):
        mr.predict(WOMAN, audit=tmp_path / "nowhere" / "a.jsonl")
