"""check_cohort: leaks, damaged files, counts and recipes of small cohorts with known faults."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mammorisk as mr
from mammorisk.cohort_check.image_index import FIELDS, ImageFacts, ImageIndex
from mammorisk.cohort_check.recipes import ENCODERS
from mammorisk.records.acquisition import Acquisition
from mammorisk.records.cohort import Cohort
from mammorisk.records.exam import Exam, Laterality, View
from mammorisk.records.stored_image import Greyscale, RawImage
from mammorisk.risk_models.recipe import load_recipe, recipes

N = 6


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("check") / "study"
    mr.simulate(N, seed=3, out=folder, images="all", pixel_mm=2.0, prior_share=0.5)
    return folder


Change = Callable[[pd.DataFrame, Path], pd.DataFrame]


@pytest.fixture
def changed(study: Path, tmp_path: Path) -> Callable[[Change], Cohort]:
    """The study with a changed manifest, written as CSV."""

    def make(change: Change) -> Cohort:
        folder = tmp_path / "study"
        shutil.copytree(study, folder)
        table = pd.read_parquet(folder / "manifest.parquet")
        change(table.astype({"path": object}), folder).to_csv(folder / "m.csv", index=False)
        return mr.read_cohort(folder / "m.csv", errors="flag")

    return make


def codes(check: mr.CohortCheck) -> list[str]:
    return [one.code for one in check.warnings]


def told(check: mr.CohortCheck, code: str) -> str:
    return next(one.text for one in check.warnings if one.code == code)


def test_a_clean_study_has_no_leak(study: Path) -> None:
    check = mr.check_cohort(mr.read_cohort(study), pixels=True)
    numbers = dict(check.overview.to_numpy().tolist())
    cohort = mr.read_cohort(study)
    priors = int(cohort.exams["prior_path"].notna().sum())
    assert numbers["exams"] == numbers["women"] == numbers["exams read"] == N
    assert numbers["prior exams read"] == priors > 0
    assert numbers["images read"] == 4 * (N + priors)
    assert not check.is_leaking
    assert check.copies.empty
    assert check.unreadable.empty
    assert "pixels-not-compared" not in codes(check)
    assert set(check.acquisition["field"]) == set(FIELDS)
    spacing = check.acquisition[check.acquisition["field"] == "pixel_mm"]
    assert spacing["images"].sum() == 4 * (N + priors)
    assert (spacing["median"] == 2.0).all()


def test_headers_alone_do_not_decode(study: Path) -> None:
    def fail(*_: object, **__: object) -> None:
        raise AssertionError("pixels were decoded")

    cohort = mr.read_cohort(study)

    def open_exam(row: int) -> Exam:
        assert cohort.open_exam is not None
        exam = cohort.open_exam(row)
        views = {name: replace(view, load=fail) for name, view in exam.views.items()}
        return replace(exam, views=views)  # type: ignore[arg-type]

    check = mr.check_cohort(replace(cohort, open_exam=open_exam))
    assert dict(check.overview.to_numpy().tolist())["exams read"] == N
    assert "pixels-not-compared" in codes(check)


def test_a_woman_in_two_splits(changed: Callable[[Change], Cohort]) -> None:
    def change(table: pd.DataFrame, _: Path) -> pd.DataFrame:
        table["split"] = ["train", "dev", "test"] * (N // 3)
        more = table.iloc[[0]].assign(exam_id="second", split=" Dev ", path=table["path"][1])
        return pd.concat([table, more], ignore_index=True)

    check = mr.check_cohort(changed(change), headers=False)
    assert check.is_leaking
    assert told(check, "woman-in-splits").startswith("1 women are in several splits (lines 2, 8)")
    assert check.splits.query("women_in_both > 0")[["split", "other"]].to_numpy().tolist() == [
        ["dev", "train"]
    ]
    # The folder is that of line 3, another woman in the same split.
    assert check.copies.loc[check.copies["kind"] == "across women", "lines"].tolist() == ["3, 8"]


def test_rows_that_are_not_used_do_not_leak(changed: Callable[[Change], Cohort]) -> None:
    def change(table: pd.DataFrame, _: Path) -> pd.DataFrame:
        table["split"] = "train"
        more = table.iloc[[0, 1]].assign(exam_id=["a", "b"], split=["excluded", None], path="x")
        return pd.concat([table, more], ignore_index=True)

    check = mr.check_cohort(changed(change), headers=False)
    assert not {"woman-in-splits", "image-in-splits"} & set(codes(check))


def test_a_copy_under_another_name_is_found_by_its_pixels(
    changed: Callable[[Change], Cohort],
) -> None:
    def change(table: pd.DataFrame, folder: Path) -> pd.DataFrame:
        shutil.copytree(folder / table["path"][2], folder / "exams" / "copy")
        table.loc[5, "path"] = "exams/copy"
        return table

    cohort = changed(change)
    assert not mr.check_cohort(cohort).is_leaking
    check = mr.check_cohort(cohort, pixels=True)
    assert told(check, "image-of-women").startswith("4 images are in several women")
    assert check.copies.to_dict("records") == [
        {"kind": "across women", "found_by": "pixels", "images": 4, "rows": 2, "lines": "4, 7"}
    ]


def test_damaged_files_are_listed_by_line_and_stop_nothing(
    changed: Callable[[Change], Cohort],
) -> None:
    def change(table: pd.DataFrame, folder: Path) -> pd.DataFrame:
        (folder / table["path"][1] / "L-CC.dcm").write_bytes(b"no image")
        shutil.rmtree(folder / table["path"][4])
        table.loc[5, "time"] = -1.0
        return table

    cohort = changed(change)
    check = mr.check_cohort(cohort)
    assert check.unreadable[["line", "part", "error"]].to_numpy().tolist() == [
        [3, "exam", "ViewMissing"],
        [6, "exam", "NoImages"],
        [7, "row", "ManifestError"],
    ]
    numbers = dict(check.overview.to_numpy().tolist())
    assert numbers["exams read"] == N - 3
    assert numbers["rows in error"] == numbers["exams without outcome"] == 1
    assert {"exams-unreadable", "rows-in-error", "outcome-missing"} <= set(codes(check))
    # Neither ids nor names of files appear anywhere.
    page = check.to_page()
    text = page + "".join(table.to_csv() for table in check.tables.values()) + repr(check)
    assert not any(str(one) in text for one in cohort.exams["patient_id"])
    assert "L-CC.dcm" not in text


def _cohort(n: int, view: Callable[[int], View], **columns: object) -> Cohort:
    table = pd.DataFrame(
        {"patient_id": [f"w{i}" for i in range(n)], "exam_id": "1", "age": 50.0} | columns
    )
    return Cohort(
        exams=table,
        errors=pd.Series([""] * n, dtype=object),
        open_exam=lambda row: Exam(views={"L-CC": view(row)}),
    )


def _view(value: int, **acquisition: object) -> View:
    pixels = np.full((4, 4), 7, dtype=np.uint16)
    pixels[0, 0] = value
    return View(
        laterality=Laterality.LEFT,
        position="CC",
        load=lambda: RawImage(pixels=pixels, greyscale=Greyscale(bits_stored=16)),
        source="secret-name",
        rows=4,
        columns=4,
        acquisition=Acquisition(manufacturer="ge", model="X", **acquisition),  # type: ignore[arg-type]
    )


def test_outliers_and_units_of_a_device() -> None:
    rng = np.random.default_rng(0)
    dose = 150 + 10 * rng.standard_normal(40)

    def view(row: int) -> View:
        # One voltage is far from the others, forces are in daN, doses are in another unit.
        return _view(
            row,
            kvp=49.0 if row == 11 else float(28 + row % 3),
            force_n=11.0 + row % 2,
            raw={"OrganDose": float(dose[row])},
        )

    check = mr.check_cohort(_cohort(40, view))
    assert check.outliers[["line", "field", "value"]].to_numpy().tolist() == [[11, "kvp", 49.0]]
    kvp = check.acquisition.set_index("field").loc["kvp"]
    assert (kvp["median"], kvp["highest"], kvp["outliers"]) == (29.0, 49.0, 1)
    assert "daN" in told(check, "force-unit")
    assert "40 of 40 values of OrganDose are implausible" in told(check, "units-suspected")
    assert told(check, "spacing-unknown").startswith("the pixel spacing of 40 of 40 images")


def test_images_of_one_value_are_no_copies() -> None:
    check = mr.check_cohort(_cohort(5, lambda row: _view(7)), pixels=True)
    assert check.copies.empty
    assert told(check, "image-flat").startswith("5 images have the same value everywhere")


def test_pixels_are_compared_whatever_their_type() -> None:
    def view(row: int) -> View:
        made = _view(3)
        stored = made.load()
        other = replace(stored, pixels=stored.pixels.astype([">u2", np.int16][row % 2]))
        return replace(made, load=lambda: other)

    check = mr.check_cohort(_cohort(2, view), pixels=True)
    assert check.copies["kind"].tolist() == ["across women"]


def test_an_error_of_the_system_is_counted_without_its_file() -> None:
    def fail(row: int) -> Exam:
        raise PermissionError(13, "Permission denied", "/archive/Jane Doe.dcm")

    cohort = replace(_cohort(3, lambda row: _view(row)), open_exam=fail)
    check = mr.check_cohort(cohort)
    assert len(check.unreadable) == 3
    assert "Jane" not in check.to_page() + check.unreadable.to_csv()


def test_counts_and_follow_up_by_hand() -> None:
    cohort = _cohort(
        6,
        lambda row: _view(row),
        site=["a", "a", "a", "b", "b", None],
        patient_id=["1", "1", "2", "3", "4", "5"],
        exam_id=list("123456"),
        time=[1.0, 0.5, 6.0, 3.0, 5.0, np.nan],
        event=[1, 1, 0, 0, 2, np.nan],
        exam_date=["2010-05-01", "2010-11-01", "2011-01-01", "2011-02-01", "x", None],
    )
    check = mr.check_cohort(cohort, headers=False)
    groups = check.groups.set_index(["column", "group"])
    whole = groups.loc[("all", "")]
    assert whole[["exams", "women", "cancers", "women_with_cancer"]].tolist() == [6, 5, 2, 1]
    assert whole["without_outcome"] == 1
    assert whole["years"] == pytest.approx(15.5)
    assert whole["per_1000_years"] == pytest.approx(1000 * 2 / 15.5)
    assert groups.loc[("site", "unknown"), "exams"] == 1
    assert groups.loc["year"]["exams"].to_dict() == {"2010": 2, "2011": 2, "unknown": 2}
    at = check.follow_up.query("column == 'all'").set_index("horizon").loc[5.0]
    assert at[["cancers", "competing", "followed", "lost"]].tolist() == [2, 1, 1, 1]
    assert at["known_share"] == pytest.approx(0.8)


def test_doubts_about_sampling_sources_and_follow_up() -> None:
    n = 400
    event = np.zeros(n, dtype=int)
    event[:60] = 1
    cohort = _cohort(
        n,
        lambda row: _view(row),
        time=np.full(n, 2.0),
        event=event,
        site=np.where(np.arange(n) < 70, "clinic", "screening"),
        height_cm=np.where(np.arange(n) < 70, np.nan, 165.0),
        weight_kg=70.0,
    )
    check = mr.check_cohort(cohort, headers=False)
    assert "75.0 cancers per 1,000 years" in told(check, "sampled-cohort")
    assert "follow-up-short" in codes(check)
    sources = [one.text for one in check.warnings if one.code == "cancers-by-source"]
    assert len(sources) == 2
    assert sources[0].startswith("site 'clinic': 60 of 70 exams")
    assert told(check, "missing-by-site").startswith("height_cm is missing for 100%")
    rare = replace(cohort, exams=cohort.exams.assign(event=0, time=90.0))
    assert "incidence-implausible" in codes(mr.check_cohort(rare, headers=False))


def test_recipes_are_judged_by_cancers_and_inputs() -> None:
    study = mr.simulate(60_000, seed=2)
    table = mr.check_cohort(study.cohort).recipes.set_index("recipe")
    cancers = int((study.women["event"] == 1).sum())
    assert table.loc["density-fit", "cancers"] == cancers
    assert table.loc["density-fit", "verdict"] == "reasonable"
    early = int(((study.women["event"] == 1) & (study.women["time"] <= 5)).sum())
    assert table.loc["clinical-only", "cancers"] == round(early * 0.85)
    assert table.loc["hybrid", ["verdict", "why"]].tolist() == ["not possible", "no images"]
    assert set(recipes()) < set(table.index)
    needed = mr.metrics.development_sample_size(5, mean_risk=0.0139, auc=0.62)
    assert table.loc["density-fit", "cancers_needed"] == pytest.approx(
        needed["cancers"][0], rel=0.02
    )


def test_the_formulas_refuse_what_they_cannot_answer() -> None:
    for wrong in (
        {"terms": 0, "auc": 0.6},
        {"terms": 5},
        {"terms": 5, "auc": 0.6, "cox_snell_r2": 0.1},
        {"terms": 5, "auc": 1.0},
        {"terms": 5, "cox_snell_r2": 0.5},
    ):
        with pytest.raises(mr.errors.EvaluationError):
            mr.metrics.development_sample_size(mean_risk=0.01, **wrong)  # type: ignore[arg-type]


def test_page_and_tables(study: Path, tmp_path: Path) -> None:
    check = mr.check_cohort(mr.read_cohort(study), headers=False)
    page = check.to_html(tmp_path / "new" / "check.html").read_text(encoding="utf-8")
    assert page.count("<img") == 1
    assert "http" not in page.replace("http-equiv", "")
    folder = check.to_csv(tmp_path / "tables")
    assert {file.stem for file in folder.glob("*.csv")} == {*check.tables, "warnings"}
    with pytest.raises(mr.errors.OutputError):
        check.to_html(study / "manifest.parquet" / "check.html")
    with pytest.raises(mr.errors.CohortError):
        mr.check_cohort(mr.read_cohort(study).select([]))


def test_the_index_finds_exact_quantiles_and_copies() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(100, 10, 501)
    with ImageIndex() as index:
        index.add(
            [
                ImageFacts(
                    row=i,
                    is_prior=False,
                    view="L-CC",
                    device="d",
                    numbers=(float(value), *[None] * (len(FIELDS) - 1)),
                    digest=bytes([i % 500 // 2, i % 500 % 2]),
                )
                for i, value in enumerate(values)
            ]
        )
        name = FIELDS[0]
        middle, low = index.quantiles("d", name, (0.5, 0.01))
        assert middle == np.median(values)
        assert low == np.sort(values)[5]
        assert index.median_distance("d", name, middle) == np.median(np.abs(values - middle))
        n, first = index.outside("d", name, 85.0, 115.0, 3)
        assert n == ((values < 85) | (values > 115)).sum()
        assert len(first) == 3
        assert list(index.copies()) == [([0, 500], [False, False])]
        assert index.count("d", FIELDS[1]) == 0
        assert index.quantiles("d", FIELDS[1], (0.5,)) == []


@pytest.mark.networks
@pytest.mark.slow
def test_weights_of_the_encoders() -> None:
    torch = pytest.importorskip("torch")
    from mammorisk.networks.encoders import make_encoder

    for name in recipes():
        recipe = load_recipe(name)
        if recipe.kind != "network":
            continue
        with torch.device("meta"):
            encoder = make_encoder(
                recipe.encoder.name,
                pretrained=False,
                size=(recipe.image.rows, recipe.image.columns),
                pooling=recipe.encoder.pooling,
            )
        weights = sum(one.numel() for one in encoder.parameters())
        known, features = ENCODERS[recipe.encoder.name]
        assert (known, features[recipe.encoder.pooling]) == (weights, encoder.num_features), name


def test_the_command(changed: Callable[[Change], Cohort], tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from mammorisk.cli.app import app

    def change(table: pd.DataFrame, folder: Path) -> pd.DataFrame:
        shutil.rmtree(folder / table["path"][4])
        table["split"] = "train"
        table.to_csv(folder / "clean.csv", index=False)
        more = table.iloc[[0]].assign(exam_id="second", split="test")
        return pd.concat([table, more], ignore_index=True)

    changed(change)
    folder, runner = tmp_path / "study", CliRunner()
    page, tables = tmp_path / "check.html", tmp_path / "tables"
    leaking = runner.invoke(app, ["check", str(folder / "m.csv"), "--no-headers"])
    assert leaking.exit_code == 3
    assert "refusal: 1 women are in several splits" in leaking.stdout
    given = ["check", str(folder / "clean.csv"), "--out", str(page), "--tables", str(tables)]
    unreadable = runner.invoke(app, given)
    assert unreadable.exit_code == 1
    assert "there is no such file or folder" in unreadable.stdout
    assert page.is_file()
    assert pd.read_csv(tables / "unreadable.csv")["line"].tolist() == [6]
    as_json = runner.invoke(app, ["check", str(folder), "--no-headers", "--json"])
    assert as_json.exit_code == 0
    assert json.loads(as_json.stdout)["tables"]["overview"][0] == {"item": "exams", "value": N}
    assert runner.invoke(app, ["check", str(tmp_path / "none.csv")]).exit_code == 2
