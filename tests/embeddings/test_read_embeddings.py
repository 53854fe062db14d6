"""read_embeddings: tables made elsewhere, checked before they are used."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mammorisk as mr
from mammorisk.errors import EmbeddingError
from mammorisk.records.cohort import Cohort


def table(**changes: object) -> pd.DataFrame:
    made = {
        "patient_id": ["p1", "p1", "p2", "p2"],
        "exam_id": ["e1", "e1", "e2", "e2"],
        "view": ["CC", "MLO", "CC", "MLO"],
        "laterality": ["L", "R", "L", "R"],
        "feature_0": [0.1, 0.2, 0.3, 0.4],
        "feature_1": [1.0, 2.0, 3.0, 4.0],
    }
    return pd.DataFrame(made | changes)


def test_words_for_views_and_other_names(tmp_path: Path) -> None:
    theirs = pd.DataFrame(
        {
            "PatientID": [7, 7],
            "AccessionNumber": ["e1", "e1"],
            "image": ["left_cc", "R-MLO"],
            "emb_0": [1, 2],
            "emb_1": [3, 4],
            "view": ["not", "used"],
        }
    )
    columns = {"patient_id": "PatientID", "exam_id": "AccessionNumber", "view": "image"}
    theirs.to_csv(tmp_path / "theirs.csv", index=False)
    for data in (theirs, tmp_path / "theirs.csv"):
        emb = mr.read_embeddings(data, encoder="ours", columns=columns, features="emb_")
        got = emb.to_frame()
        assert got["patient_id"].tolist() == ["7", "7"]
        assert got["view"].tolist() == ["CC", "MLO"]
        assert got["laterality"].tolist() == ["L", "R"]
        assert got[["feature_0", "feature_1"]].to_numpy().tolist() == [[1, 3], [2, 4]]
        assert (emb.encoder, emb.n_features, emb.weights_sha256) == ("ours", 2, None)


def test_order_of_features_is_by_number() -> None:
    wide = table(**{f"feature_{i}": np.arange(4) + 10 * i for i in range(11, -1, -1)})
    emb = mr.read_embeddings(wide, encoder="ours")
    assert emb.to_frame().loc[0, [f"feature_{i}" for i in range(12)]].tolist() == [
        10 * i for i in range(12)
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"patient_id": ["p1", None, "p2", "p2"]}, "1 rows have no patient_id: row 1"),
        ({"view": ["CC", "MLO", "CC", "frontal"]}, "unknown view or laterality: row 3"),
        ({"laterality": ["L", None, "L", "R"]}, "unknown view or laterality: row 1"),
        ({"exam_id": "e", "patient_id": "p"}, "repeat the patient.*: row 2, 3"),
        ({"feature_0": [0.1, np.nan, 0.3, 0.4]}, "missing or infinite: row 1"),
        ({"feature_1": [0.1, 0.2, np.inf, 0.4]}, "missing or infinite: row 2"),
        ({"feature_1": [1e300, 0.2, 0.3, 0.4]}, "missing or infinite: row 0"),
        ({"feature_1": ["a", "b", "c", "d"]}, "not numbers"),
        ({"feature_3": 1.0}, "gaps"),
        ({"years_before": [0, -1, 0, 0]}, "years_before is missing, negative"),
        ({"years_before": [0, None, 0, 0]}, "years_before is missing, negative"),
    ],
)
def test_faulty_tables(changes: dict[str, object], message: str) -> None:
    with pytest.raises(EmbeddingError, match=message) as raised:
        mr.read_embeddings(table(**changes), encoder="ours")
    # Rows are named by number, not by identity.
    assert "p1" not in str(raised.value)
    assert "e1" not in str(raised.value)


def test_missing_columns_and_wrong_names() -> None:
    with pytest.raises(EmbeddingError, match="no column exam_id"):
        mr.read_embeddings(table().drop(columns="exam_id"), encoder="ours")
    with pytest.raises(EmbeddingError, match="does not state the encoder"):
        mr.read_embeddings(table())
    with pytest.raises(EmbeddingError, match="has no features"):
        mr.read_embeddings(table(), encoder="ours", features="emb_")
    with pytest.raises(EmbeddingError, match="no column f9"):
        mr.read_embeddings(table(), encoder="ours", features=["feature_0", "f9"])
    with pytest.raises(EmbeddingError, match="which the table does not have"):
        mr.read_embeddings(table(), encoder="ours", columns={"view": "image"})
    with pytest.raises(EmbeddingError, match="is no column of embeddings"):
        mr.read_embeddings(table(), encoder="ours", columns={"age": "view"})
    with pytest.raises(EmbeddingError, match="the same length"):
        mr.read_embeddings(table(emb=[[1], [1, 2], [1], [1]]), encoder="ours", features="emb")
    with pytest.raises(EmbeddingError, match="int is not a table"):
        mr.read_embeddings(5)  # type: ignore[arg-type]


def test_two_encoders_are_never_read_as_one() -> None:
    both = pd.concat(
        [table(encoder="hybrid@aaa"), table(encoder="hybrid@bbb"), table(encoder="other@ccc")]
    )
    with pytest.raises(EmbeddingError, match="several encoders"):
        mr.read_embeddings(both)
    with pytest.raises(EmbeddingError, match="hybrid@aaa, hybrid@bbb"):
        mr.read_embeddings(both, encoder="hybrid")
    with pytest.raises(EmbeddingError, match="no rows of the encoder mirai"):
        mr.read_embeddings(both, encoder="mirai")
    assert mr.read_embeddings(both, encoder="hybrid@bbb").rows == 4
    assert mr.read_embeddings(both, encoder="other").encoder == "other@ccc"


def test_align_follows_the_cohort() -> None:
    emb = mr.read_embeddings(table(), encoder="ours")
    exams = pd.DataFrame({"patient_id": ["p2", "p3", "p1"], "exam_id": ["e2", "e3", "e1"]})
    cohort = Cohort(exams=exams, errors=pd.Series([""] * 3))
    got = emb.align(cohort)
    assert got.shape == (3, 4, 2)
    # R-CC, L-CC, R-MLO, L-MLO
    np.testing.assert_allclose(got[0, :, 1], [np.nan, 3, 4, np.nan])
    np.testing.assert_allclose(got[2, :, 1], [np.nan, 1, 2, np.nan])
    assert np.isnan(got[1]).all()
    np.testing.assert_allclose(emb.pool("mean").align(cohort)[:, 1], [3.5, np.nan, 1.5])
    strangers = Cohort(exams=exams.assign(patient_id="q"), errors=pd.Series([""] * 3))
    with pytest.raises(EmbeddingError, match="belong to another cohort"):
        emb.align(strangers)


def test_earlier_exams_are_not_pooled() -> None:
    earlier = table(years_before=[0, 2, 0, 0])
    emb = mr.read_embeddings(earlier, encoder="ours")
    assert emb.pool("max").to_frame()["feature_1"].tolist() == [1.0, 4.0]
    with pytest.raises(EmbeddingError, match="no pooling 'median'"):
        emb.pool("median")  # type: ignore[arg-type]
