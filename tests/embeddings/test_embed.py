"""embed: the features of a model itself, in whole parts, never mixed with another run."""

from __future__ import annotations

import json
import multiprocessing
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

import mammorisk as mr
from mammorisk.cli.app import app
from mammorisk.embeddings import load_encoder
from mammorisk.errors import CohortError, EmbeddingError, OutputError
from mammorisk.records.cohort import Cohort
from mammorisk.records.exam import STANDARD_VIEWS, Intent

pytestmark = pytest.mark.networks


def test_features_are_those_that_the_hybrid_model_scores(cohort: Cohort) -> None:
    from mammorisk.inputs.exam_set import load_exams
    from mammorisk.inputs.image_cache import ImageCache

    model = mr.load_model("hybrid")
    cache = ImageCache(folder=None, settings=model.recipe.image)  # type: ignore[attr-defined]
    exams = load_exams([0, 2], cohort.open_exam, cache)  # type: ignore[arg-type]
    expected = model.features(exams).numpy()  # type: ignore[attr-defined]
    got = mr.embed(cohort, "hybrid").align(cohort)
    assert expected.std() > 0.01
    np.testing.assert_allclose(got[[0, 2]], expected, rtol=1e-5, atol=1e-6)
    assert np.isnan(got[1]).all()


def test_features_are_those_that_mirai_scores(cohort: Cohort, tmp_path: Path) -> None:
    from mammorisk.networks.mirai import MiraiEncoder, MiraiSettings, MiraiTransformer
    from mammorisk.risk_models.mirai.model import MiraiModel, read_views
    from tests.risk_models.mirai.standins import filled

    model = MiraiModel(
        encoder=filled(MiraiEncoder()),  # type: ignore[arg-type]
        transformer=filled(MiraiTransformer(MiraiSettings())),  # type: ignore[arg-type]
        rows=256,
        columns=208,
        backend="torch",
    )
    model.save(tmp_path / "fine-tuned")
    emb = mr.embed(cohort.select([0]), tmp_path / "fine-tuned")
    exam = cohort.open_exam(0)  # type: ignore[misc]
    expected = model.features(read_views(exam, model.shape))
    np.testing.assert_allclose(emb.align(cohort.select([0]))[0], expected, rtol=1e-4, atol=1e-5)
    assert emb.encoder.startswith("fine-tuned@")
    assert emb.preprocessing is not None
    assert (emb.preprocessing["kind"], emb.provenance["spacing_mm"]) == ("mirai", None)


def test_a_file_has_its_encoder_and_names_what_failed(cohort: Cohort, tmp_path: Path) -> None:
    encoder = load_encoder("compact")
    out = tmp_path / "emb.parquet"
    emb = mr.embed(cohort, encoder, out=out, exams_per_part=1)
    memory = mr.embed(cohort, encoder)
    pd.testing.assert_frame_equal(emb.to_frame(), memory.to_frame(), check_dtype=False)
    table = emb.to_frame()
    assert len(table) == 8
    names = table["laterality"] + "-" + table["view"]
    assert names.tolist() == list(STANDARD_VIEWS) * 2
    assert set(table["exam_id"]) == set(cohort.exams["exam_id"].iloc[[0, 2]])
    assert (table["years_before"] == 0).all()
    assert table["encoder"].unique().tolist() == [encoder.identity]
    ((exam_id, view, why),) = emb.failures
    assert (exam_id, view) == (cohort.exams["exam_id"].iloc[1], "")
    assert "truncated" in why
    said = json.loads(pq.read_schema(out).metadata[b"mammorisk"])
    assert said["weights_sha256"] == encoder.weights_sha256
    assert said["preprocessing"]["spacing_mm"] == said["spacing_mm"] == 1.25
    assert said["exams"] == 3
    assert sorted(p.name for p in tmp_path.iterdir()) == ["emb.parquet"]
    again = mr.read_embeddings(out)
    assert (again.encoder, again.rows, again.failures) == (emb.encoder, 8, emb.failures)


def test_an_interrupted_run_goes_on_and_is_never_mixed(cohort: Cohort, tmp_path: Path) -> None:
    encoder, out = load_encoder("compact"), tmp_path / "emb"

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        mr.embed(cohort, encoder, out=out, exams_per_part=1, on_part=stop)
    parts = tmp_path / "emb.parts"
    (first,) = parts.glob("*.parquet")
    written = first.stat().st_mtime_ns
    other = load_encoder("compact", spacing_mm=1.0)
    for changed in ({"encoder": other}, {"encoder": encoder, "dtype": "float16"}):
        with pytest.raises(OutputError, match="another cohort, model"):
            mr.embed(cohort, out=out, exams_per_part=1, **changed)  # type: ignore[arg-type]
    told: list[tuple[int, int]] = []
    emb = mr.embed(
        cohort, encoder, out=out, exams_per_part=1, on_part=lambda *one: told.append(one)
    )
    assert told == [(2, 3), (3, 3)]
    assert (out / first.name).stat().st_mtime_ns == written
    expected = mr.embed(cohort, encoder)
    pd.testing.assert_frame_equal(emb.to_frame(), expected.to_frame(), check_dtype=False)
    assert emb.failures == expected.failures
    # The same call finds it done, and reads nothing.
    assert mr.embed(cohort, encoder, out=out, exams_per_part=1, on_part=stop).rows == 8


def test_float16_and_pooled_rows(cohort: Cohort, tmp_path: Path) -> None:
    out = tmp_path / "emb.parquet"
    emb = mr.embed(cohort, "hybrid", out=out, dtype="float16", pool="mean")
    assert str(pq.read_schema(out).field("feature_0").type) == "halffloat"
    table = emb.to_frame()
    features = [n for n in table.columns if n.startswith("feature_")]
    assert table["view"].tolist() == ["CC", "CC", "MLO", "MLO", "pooled"] * 2
    assert table["laterality"].isna().tolist() == [False] * 4 + [True] + [False] * 4 + [True]
    views, pooled = table[table["view"] != "pooled"], table[table["view"] == "pooled"]
    expected = views.groupby("exam_id", sort=False)[features].mean()
    np.testing.assert_allclose(pooled[features], expected, rtol=2e-3, atol=1e-4)
    exact = mr.embed(cohort, "hybrid")
    np.testing.assert_allclose(views[features], exact.to_frame()[features], rtol=1e-3, atol=1e-5)
    highest = exact.pool("max")
    np.testing.assert_array_equal(
        highest.align(cohort)[[0, 2]], np.nanmax(exact.align(cohort)[[0, 2]], axis=1)
    )
    with pytest.raises(EmbeddingError, match="rows of views and pooled rows"):
        emb.align(cohort)


def test_one_exam(cohort: Cohort) -> None:
    exam = cohort.open_exam(0)  # type: ignore[misc]
    emb = mr.embed(exam, "compact")
    assert emb.to_frame()["exam_id"].tolist() == ["exam"] * 4
    expected = mr.embed(cohort.select([0]), "compact").to_frame()
    np.testing.assert_array_equal(emb.to_frame()["feature_3"], expected["feature_3"])


def test_views_for_processing_are_named(cohort: Cohort) -> None:
    exam = cohort.open_exam(0)  # type: ignore[misc]
    views = {**exam.views, "L-CC": replace(exam["L-CC"], intent=Intent.PROCESSING)}
    emb = mr.embed(replace(exam, views=views), "compact")
    assert emb.rows == 3
    assert emb.failures[0][:2] == ("exam", "L-CC")
    assert "for processing" in emb.failures[0][2]


def test_the_warnings_of_an_exam_are_in_its_rows(cohort: Cohort) -> None:
    open_exam = cohort.open_exam
    assert open_exam is not None
    his = replace(open_exam(0), patient_sex="M")  # type: ignore[type-var]
    emb = mr.embed(replace(cohort.select([0]), open_exam=lambda row: his), "compact", pool="max")
    codes = emb.to_frame()["warning_codes"].str.split(",")
    assert all("male-patient" in told for told in codes)
    pooled = replace(emb, table=emb.to_frame()[lambda table: table["view"] == "pooled"])
    found = pooled.feature_set(cohort.select([0]))
    assert found.male.all()
    assert "implant" not in found.codes[0]


def test_what_cannot_be_embedded_is_refused(cohort: Cohort, tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="no images"):
        mr.embed(mr.simulate(100, seed=1).cohort, "compact")
    with pytest.raises(CohortError, match="no exams"):
        mr.embed(cohort.select([]), "compact")
    with pytest.raises(CohortError, match="same patient_id and exam_id"):
        mr.embed(cohort.select([0, 0]), "compact")
    with pytest.raises(CohortError, match="int is not an exam"):
        mr.embed(5, "compact")  # type: ignore[arg-type]
    exam = cohort.open_exam(0)  # type: ignore[misc]
    raw = {name: replace(exam[name], intent=Intent.PROCESSING) for name in ("L-CC", "R-CC")}
    with pytest.raises(CohortError, match=r"the exam has no features: .*processing"):
        mr.embed(replace(exam, views=raw), "compact")
    with pytest.raises(OutputError, match=r"neither a \.parquet file"):
        mr.embed(cohort, "compact", out=tmp_path / "emb.csv")
    with pytest.raises(EmbeddingError, match="engine needs out"):
        mr.embed(cohort, "compact", engine="ray")
    with pytest.raises(EmbeddingError, match="another cohort"):
        mr.embed(cohort.select([0]), "compact").align(cohort.select([2]))


def test_features_that_overflow_are_refused(cohort: Cohort) -> None:
    import torch

    encoder = load_encoder("compact")
    with torch.no_grad():
        for name, value in encoder.module.named_parameters():
            if name.endswith("18.weight") or name.startswith("layers.19"):
                value.mul_(1e9)
    with pytest.raises(EmbeddingError, match="not finite in float16"):
        mr.embed(cohort.select([0]), encoder, dtype="float16")


def test_the_command(manifest: Path, tmp_path: Path) -> None:
    out = tmp_path / "emb.parquet"
    options = ["--encoder", "compact", "--spacing-mm", "2.5", "--pool", "max", "--json"]
    options += ["--pooling", "statistics"]
    done = CliRunner().invoke(app, ["embed", str(manifest), "--out", str(out), *options])
    assert done.exit_code == 1
    said = json.loads(done.stdout)
    # The command uses the other views of an exam with a damaged file, and names the lost one.
    assert (said["exams"], said["rows"], len(said["failures"])) == (3, 14, 1)
    assert said["failures"][0][1] in STANDARD_VIEWS
    assert "truncated" in said["failures"][0][2]
    assert "3 exams, 14 rows" in done.stderr
    written = mr.read_embeddings(out)
    assert (written.provenance["spacing_mm"], written.n_features) == (2.5, 480)
    assert (written.provenance["pooling"], written.provenance["pool"]) == ("statistics", "max")
    bad = CliRunner().invoke(app, ["embed", str(manifest), "--out", str(out), "--encoder", "none"])
    assert bad.exit_code == 2
    assert "no encoder 'none'" in bad.stderr


def run_embed(manifest: str, out: str) -> None:
    mr.embed(mr.read_cohort(manifest), "compact", out=out, exams_per_part=1)


@pytest.mark.slow
def test_killed_it_loses_nothing(manifest: Path, cohort: Cohort, tmp_path: Path) -> None:
    out = tmp_path / "emb.parquet"
    process = multiprocessing.get_context("spawn").Process(
        target=run_embed, args=(str(manifest), str(out))
    )
    process.start()
    until = time.monotonic() + 300
    while not list((tmp_path / "emb.parquet.parts").glob("part-*")):
        assert time.monotonic() < until
        assert process.is_alive() or out.exists()
        time.sleep(0.005)
    process.kill()
    process.join()
    run_embed(str(manifest), str(out))
    got, expected = mr.read_embeddings(out), mr.embed(cohort, "compact")
    pd.testing.assert_frame_equal(got.to_frame(), expected.to_frame(), check_dtype=False)
    assert got.failures == expected.failures


@pytest.mark.slow
def test_on_ray_the_table_is_the_same(cohort: Cohort, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    emb = mr.embed(
        cohort, "compact", out=tmp_path / "emb", engine="ray", workers=1, exams_per_part=2
    )
    expected = mr.embed(cohort, "compact")
    pd.testing.assert_frame_equal(emb.to_frame(), expected.to_frame(), check_dtype=False)
    assert emb.failures == expected.failures


def test_a_worker_gets_a_copy_that_gives_the_same(cohort: Cohort, tmp_path: Path) -> None:
    cloudpickle = pytest.importorskip("ray.cloudpickle")
    from mammorisk.embeddings.compute import EmbedWork

    work = EmbedWork(cohort=cohort, encoder=load_encoder("compact"), pool="mean")
    copy = cloudpickle.loads(cloudpickle.dumps(work))
    copy(tmp_path / "part.parquet", range(2, 3))
    expected = mr.embed(cohort.select([2]), "compact", pool="mean").to_frame()
    got = pd.read_parquet(tmp_path / "part.parquet")
    pd.testing.assert_frame_equal(got, expected, check_dtype=False)


def test_a_part_without_any_view_joins_the_others(cohort: Cohort, tmp_path: Path) -> None:
    alone = mr.embed(cohort.select([1]), "compact", out=tmp_path / "none.parquet", pool="max")
    assert (alone.rows, len(alone.to_frame()), len(alone.failures)) == (0, 0, 1)
    assert alone.to_frame().shape[1] == 7 + 9 + 128
    # The damaged exam comes first, so that its part without rows gives the schema.
    order = cohort.select([1, 0])
    both = mr.embed(order, "compact", out=tmp_path / "both.parquet", pool="max", exams_per_part=1)
    expected = mr.embed(order, "compact", pool="max")
    pd.testing.assert_frame_equal(both.to_frame(), expected.to_frame(), check_dtype=False)
    assert both.rows == 5
