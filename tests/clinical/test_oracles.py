"""Agreement with the published software, row by row."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mammorisk.clinical import load_clinical
from mammorisk.clinical.bcrat import from_codes
from mammorisk.clinical.claus import from_relatives
from mammorisk.clinical.icare_lit import from_covariates
from tests.clinical.oracles import DENSITY, RACE, SOURCES, read_oracle

pytestmark = pytest.mark.parametrize("source", SOURCES)


def test_bcrat_agrees_with_the_r_package(source: str) -> None:
    rows = read_oracle("bcrat", source)
    ours = from_codes(rows)
    assert set(rows["Race"]) >= set(range(1, 12))
    np.testing.assert_array_equal(ours["error"], rows["error"] == 1)
    for column, theirs, scale in [
        ("rr_under_50", "RR_under50", 1),
        ("rr_50_plus", "RR_50plus", 1),
        ("absolute_risk", "absolute_risk_pct", 100),
        ("average_risk", "average_risk_pct", 100),
    ]:
        np.testing.assert_allclose(ours[column] * scale, rows[theirs], rtol=1e-9)
    np.testing.assert_array_equal(ours["reason"] == "", ours["absolute_risk"].notna())


@pytest.mark.parametrize("submodel", ["lt50", "ge50"])
@pytest.mark.parametrize("horizon", [5, 10])
def test_icare_lit_agrees_with_py_icare(source: str, submodel: str, horizon: int) -> None:
    rows = read_oracle("icare_lit", source)
    rows = rows[rows["model"] == submodel]
    other = {"lt50": ["age_at_menopause", "hrt", "hrt_type"], "ge50": ["oc_current"]}[submodel]
    risks = [column for column in rows if column[:3] in ("ris", "lp_")]
    covariates = rows.drop(columns=[*other, *risks, "id", "model"])
    complete = covariates.notna().all(axis=1)
    assert complete.any()
    assert not complete.all()
    ours = from_covariates(covariates, horizon, submodel)  # type: ignore[arg-type]
    theirs = rows[f"risk_{horizon}y"]
    np.testing.assert_allclose(ours[complete], theirs[complete], rtol=1e-8)
    np.testing.assert_allclose(ours[~complete], theirs[~complete], rtol=1e-6)


@pytest.mark.parametrize("mortality", ["corrected", "printed"])
def test_bcsc_2008_agrees(source: str, mortality: str) -> None:
    rows = read_oracle("bcsc_2008", source)
    frame = pd.DataFrame(
        {
            "age": rows["age"],
            "race_ethnicity": rows["race"].map(RACE),
            "breast_density": rows["birads_density"].map(DENSITY),
            "first_degree_relatives": rows["family_history_fdr"].map({"no": 0, "yes": 1}),
            "biopsies": rows["prior_biopsy"].map({"no": 0, "yes": 1}),
        }
    )
    ours = load_clinical("bcsc-2008", asian_mortality=mortality).score(frame, (5,)).risk[5]
    column = {"corrected": "risk5y_asian_mortality_corrected", "printed": "risk5y_as_printed"}
    np.testing.assert_allclose(ours, rows[column[mortality]], rtol=1e-9)


@pytest.mark.parametrize("at_entry", [False, True])
def test_density_only_agrees(source: str, at_entry: bool) -> None:
    rows = read_oracle("density_only", source)
    frame = pd.DataFrame(
        {
            "age": rows["age"],
            "race_ethnicity": rows["race"].map(RACE),
            "breast_density": rows["birads"].map(DENSITY),
        }
    )
    years = rows["to_age"] - rows["age"]
    model = load_clinical("density-only", at_entry=at_entry)
    risk = model.score(frame, sorted(set(years))).risk
    ours = np.array([risk.at[i, horizon] for i, horizon in years.items()])
    expected = rows["risk_hr_frozen_at_entry" if at_entry else "risk_timevarying_hr"]
    np.testing.assert_allclose(ours, expected, rtol=1e-9)


def test_claus_agrees_to_its_printed_decimals(source: str) -> None:
    rows = read_oracle("claus_1994", source)
    ours = from_relatives(rows)
    np.testing.assert_allclose(ours, rows["remaining_lifetime_risk"], atol=1e-9)
