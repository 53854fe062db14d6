"""The simulated population: answers with realistic margins and dependence, and latent traits.

Every number of ``data/margins.json`` carries its source or is called an assumption there. The
women are drawn in blocks, each from her own random numbers (:mod:`mammorisk.simulation.draws`).
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import logit, ndtr, ndtri

from mammorisk.questionnaire_fields import CATEGORIES
from mammorisk.simulation.draws import uniforms

Floats = NDArray[np.float64]

#: Latent traits of a woman; "score" is a normal score (mean 0, SD 1 in the population).
TRAITS = (
    "density_score",
    "thickness_score",
    "area_density",
    "volumetric_percent",
    "percent_density",
    "thickness_mm",
    "texture_score",
    "asymmetry_score",
    "log_ratio_left_right",
)

#: What each of a woman's random numbers is for; new ones go to the end.
_DRAWS = ["age", "race", "height", "bmi", "menarche", "parity", "first_birth", "first_birth_in_band", "natural_menopause", "surgical", "surgical_menopause", "hrt", "hrt_type", "pill_ever", "pill_current", "alcohol", "biopsied", "biopsy_count", "atypia", "relative", "relative_count", "last_mammogram", "density", "thickness", "reader", "texture", "asymmetry", "denser_side"]
_COLUMNS = 32


@cache
def margins() -> dict[str, Any]:
    """The margins with their sources, as in ``data/margins.json``; treat as read-only."""
    text = (files("mammorisk.simulation") / "data" / "margins.json").read_text(encoding="utf-8")
    table: dict[str, Any] = json.loads(text)
    return table


def draw_population(
    seed: int,
    n: int,
    *,
    first: int = 0,
    age_range: tuple[float, float] = (40.0, 75.0),
    stream: str = "population",
    equal_races: bool = False,
) -> pd.DataFrame:
    """Women ``first`` ... ``first + n - 1`` of the population of a seed.

    Parameters
    ----------
    seed : int
    n : int
        Number of women; a million take about 1 GB while they are drawn.
    first : int
        Number of the first of them: any stretch of the population can be drawn alone.
    age_range : (float, float)
        Ages in years, within 40-80; the last is excluded.
    stream : str
        Streams are independent populations of the same seed.
    equal_races : bool
        Every race group in equal number instead of its share.

    Returns
    -------
    DataFrame
        Index: number of the woman. Columns: Questionnaire fields (complete; the age at first
        birth, menopause and hormone type are missing where they do not exist), then
        :data:`TRAITS`: ``density_score`` (volumetric density given the answers),
        ``thickness_score`` (compressed thickness given the answers), ``area_density`` (normal
        scale on which readers judge), ``volumetric_percent``, ``percent_density`` (0-100),
        ``thickness_mm`` (compressed, mean of the views), ``texture_score``, ``asymmetry_score``,
        ``log_ratio_left_right`` (of dense tissue; positive: more on the left).
    """
    table = margins()
    draws = uniforms(seed, stream, first, n, _COLUMNS)
    u = {name: draws[:, i] for i, name in enumerate(_DRAWS)}
    age = _age(u["age"], age_range, table["age"])
    races = table["race_ethnicity"]["share"]
    share = np.ones(len(races)) if equal_races else np.array(list(races.values()))
    race = _choose(u["race"], share)
    answers: dict[str, Any] = {
        "age": age,
        "race_ethnicity": _category("race_ethnicity", races, race),
    }
    answers |= _body(u, age, np.array(list(races)), race, table)
    answers |= _births(u, age, table)
    answers |= _hormones(u, age, table)
    answers |= _disease(u, age, table)
    bmi_score = _bmi_score(age, answers["height_cm"], answers["weight_kg"], table["bmi"])
    answers["alcohol_g_per_day"] = _alcohol(
        u["alcohol"], age, bmi_score, answers["parity"], table["alcohol_g_per_day"]
    )
    traits = _traits(u, age, bmi_score, answers, table)
    limits = table["density"]["category_limits"]
    reader_sd = table["density"]["reader_sd"]
    seen = (traits["area_density"] + reader_sd * ndtri(u["reader"])) / np.hypot(1.0, reader_sd)
    answers["breast_density"] = _category(
        "breast_density", "abcd", np.searchsorted(limits, seen, side="right")
    )
    return pd.DataFrame(answers | traits, index=pd.RangeIndex(first, first + n), copy=False)


def density_location(women: pd.DataFrame) -> Floats:
    """Expected ``area_density`` of each woman given her answers (no images, no category)."""
    table = margins()
    bmi_score = _bmi_score(
        women["age"].to_numpy(),
        women["height_cm"].to_numpy(),
        women["weight_kg"].to_numpy(),
        table["bmi"],
    )
    combined = ((women["hrt_use"] == "current") & (women["hrt_type"] == "combined")).to_numpy()
    return _density_location(
        women["age"].to_numpy(), bmi_score, women["parity"].to_numpy(), combined, table["density"]
    )


def density_residual_sd() -> float:
    """SD of ``area_density`` given the answers; with them its variance at an age is 1."""
    density = margins()["density"]
    # Births vary by about 1.3 (SD) in margins.json.
    explained = density["bmi_slope"] ** 2 + (1.3 * density["per_birth"]) ** 2
    return float(np.sqrt(1.0 - explained))


def _choose(u: Floats, share: Floats) -> NDArray[np.int64]:
    limits = np.cumsum(share)
    return np.searchsorted(limits / limits[-1], u, side="right")


def _category(field: str, names: Any, codes: NDArray[np.int64]) -> pd.Categorical:
    """Codes count in ``names``; -1 is unknown."""
    allowed = list(CATEGORIES[field])
    positions = np.array([*(allowed.index(name) for name in names), -1], dtype=np.int8)
    return pd.Categorical.from_codes(positions[codes], dtype=pd.CategoricalDtype(allowed))


def _age(u: Floats, age_range: tuple[float, float], table: dict[str, Any]) -> Floats:
    edges = table["first_age"] + 5.0 * np.arange(len(table["millions"]) + 1)
    below = np.concatenate([[0.0], np.cumsum(table["millions"])])
    low, high = np.interp(age_range, edges, below)
    age = np.interp(low + u * (high - low), below, edges)
    return np.maximum(np.floor(age * 10) / 10, age_range[0])


def _body(
    u: dict[str, Floats], age: Floats, groups: Any, race: NDArray[np.int64], table: dict[str, Any]
) -> dict[str, Floats]:
    height_table, bmi_table = table["height_cm"], table["bmi"]
    shift = np.array([height_table["shift"].get(name, 0.0) for name in groups])[race]
    height = height_table["mean"] + shift + height_table["sd"] * ndtri(u["height"])
    height = np.clip(np.round(height), 135, 195)
    shift = np.array([bmi_table["shift_log"].get(name, 0.0) for name in groups])[race]
    log_bmi = _mean_log_bmi(age, bmi_table) + shift + bmi_table["sd_log"] * ndtri(u["bmi"])
    bmi = np.clip(bmi_table["offset"] + np.exp(log_bmi), 15.5, 60)
    return {"height_cm": height, "weight_kg": np.round(bmi * (height / 100) ** 2)}


def _mean_log_bmi(age: Floats, table: dict[str, Any]) -> Floats:
    medians = np.log(np.array([table["median_at_45"], table["median_from_55"]]) - table["offset"])
    return np.interp(age, [45, 55], medians)


def _bmi_score(age: Floats, height_cm: Floats, weight_kg: Floats, table: dict[str, Any]) -> Floats:
    log_bmi = np.log(weight_kg / (height_cm / 100) ** 2 - table["offset"])
    return (log_bmi - _mean_log_bmi(age, table)) / table["sd_log"]


def _births(u: dict[str, Floats], age: Floats, table: dict[str, Any]) -> dict[str, Floats]:
    menarche_table, births, first = (
        table["age_menarche"],
        table["parity"],
        table["age_first_birth"],
    )
    menarche = np.array(menarche_table["ages"], dtype=float)[
        _choose(u["menarche"], np.array(menarche_table["share"]))
    ]
    parity, birth = np.zeros(len(age)), np.full(len(age), np.nan)
    edges = np.array(first["edges"], dtype=float)
    for name, rows in (("under_50", age < 50), ("from_50", age >= 50)):
        parity[rows] = np.array(births["births"])[
            _choose(u["parity"][rows], np.array(births[name]))
        ]
        for number, share in enumerate(first[name], start=1):
            mothers = rows & (np.minimum(parity, 3) == number)
            below = np.concatenate([[0.0], np.cumsum(share)])
            birth[mothers] = np.interp(u["first_birth"][mothers] * below[-1], below, edges)
    birth = np.maximum(np.floor(birth), menarche + 1)
    return {
        "age_menarche": menarche,
        "parity": parity,
        "age_first_birth": np.minimum(birth, np.floor(age)),
    }


def _hormones(u: dict[str, Floats], age: Floats, table: dict[str, Any]) -> dict[str, Any]:
    change, hrt, pill = table["menopause"], table["hrt"], table["oral_contraceptive"]
    natural = np.clip(
        change["natural_mean"] + change["natural_sd"] * ndtri(u["natural_menopause"]),
        *change["natural_range"],
    )
    removal = np.clip(
        change["surgical_mean"] + change["surgical_sd"] * ndtri(u["surgical_menopause"]),
        *change["surgical_range"],
    )
    surgical = (u["surgical"] < change["surgical_share"]) & (removal < natural)
    menopause = np.where(surgical, removal, natural)
    post = menopause <= age
    status = np.where(post, 2, np.where(natural <= age + change["transition_years"], 1, 0))

    later = age >= 60
    current = np.where(later, hrt["current_from_60"], hrt["current_under_60"])
    former = np.where(later, hrt["former_from_60"], hrt["former_under_60"])
    use = np.where(u["hrt"] < current, 2, np.where(u["hrt"] < current + former, 1, 0))
    use = np.where(post, use, 0)
    estrogen = u["hrt_type"] < np.where(
        surgical, hrt["estrogen_after_surgery"], hrt["estrogen_after_natural"]
    )
    kind = np.where(use == 2, estrogen.astype(int), -1)

    under = age < 50
    ever = u["pill_ever"] < np.where(under, pill["ever_under_50"], pill["ever_from_50"])
    taking = under & ever & ~post & (u["pill_current"] < pill["current_under_50"])
    return {
        "menopausal_status": _category("menopausal_status", ("pre", "peri", "post"), status),
        "age_menopause": np.where(post, np.floor(menopause), np.nan),
        "menopause_type": _category(
            "menopause_type", ("natural", "surgical"), np.where(post, surgical.astype(int), -1)
        ),
        "hrt_use": _category("hrt_use", ("never", "former", "current"), use),
        "hrt_type": _category("hrt_type", ("combined", "estrogen"), kind),
        "oral_contraceptive": _category(
            "oral_contraceptive", ("never", "former", "current"), ever.astype(int) + taking
        ),
    }


def _disease(u: dict[str, Floats], age: Floats, table: dict[str, Any]) -> dict[str, Any]:
    biopsy, family = table["biopsies"], table["first_degree_relatives"]
    biopsied = u["biopsied"] < biopsy["any_at_40"] + biopsy["per_year"] * (age - 40)
    count = 1 + _choose(u["biopsy_count"], np.array(biopsy["counts"]))
    any_relative = u["relative"] < np.interp(
        age, [40, 74], [family["any_at_40"], family["any_at_74"]]
    )
    two = u["relative_count"] < family["two"]
    false_positive = u["last_mammogram"] < table["last_mammogram"]["false_positive"]
    return {
        "biopsies": np.where(biopsied, count, 0).astype(float),
        "benign_breast_disease": biopsied,
        "atypical_hyperplasia": biopsied & (u["atypia"] < biopsy["atypia"]),
        "first_degree_relatives": np.where(any_relative, 1.0 + two, 0.0),
        "last_mammogram": _category(
            "last_mammogram", ("negative", "false_positive"), false_positive.astype(int)
        ),
    }


def _alcohol(
    u: Floats, age: Floats, bmi_score: Floats, parity: Floats, table: dict[str, Any]
) -> Floats:
    """Grams a day: a normal score that falls with BMI and births, cut into the shares."""
    by_bmi, by_births = table["loading_bmi"], table["loading_parity"]
    births = (parity - parity_mean()) / 1.3
    rest = np.sqrt(1 - by_bmi**2 - by_births**2)
    score = ndtr(by_bmi * bmi_score + by_births * births + rest * ndtri(u))
    none = np.where(age < 50, table["none_under_50"], table["none_from_50"])
    below = np.concatenate([[0.0], np.cumsum(table["share_of_drinkers"])])
    drinkers = np.clip((score - none) / (1 - none), 0.0, 1.0)
    grams = np.maximum(np.round(np.interp(drinkers * below[-1], below, table["edges"]), 1), 0.1)
    return np.where(score < none, 0.0, grams)


def parity_mean() -> float:
    """Mean number of births that density and alcohol are centred at."""
    return float(margins()["density"]["mean_births"])


def _density_location(
    age: Floats, bmi_score: Floats, parity: Floats, combined: Any, table: dict[str, Any]
) -> Floats:
    dense = ndtri(np.array(table["dense_percent"]) / 100) * np.hypot(1.0, table["reader_sd"])
    return (
        np.interp(age, table["age_middle"], dense)
        + table["bmi_slope"] * bmi_score
        + table["per_birth"] * (parity - table["mean_births"])
        + table["combined_hrt"] * combined
    )


def _traits(
    u: dict[str, Floats],
    age: Floats,
    bmi_score: Floats,
    answers: dict[str, Any],
    table: dict[str, Any],
) -> dict[str, Floats]:
    density, thick, asymmetry = (
        table["density"],
        table["density"]["thickness_mm"],
        table["asymmetry"],
    )
    combined = (answers["hrt_use"] == "current") & (answers["hrt_type"] == "combined")
    location = _density_location(age, bmi_score, answers["parity"], combined, density)
    volume_score, thickness_score = ndtri(u["density"]), ndtri(u["thickness"])
    # A thicker breast of the same composition is imaged with a harder beam and less contrast, so
    # that less of it shows as dense: the area alone cannot tell the volume, with thickness it can.
    correlation = density["area_volume_correlation"]
    area_score = correlation * volume_score - np.sqrt(1 - correlation**2) * thickness_score
    spread = density_residual_sd()
    area = location + spread * area_score
    volume = location + spread * volume_score
    asymmetry_score = ndtri(u["asymmetry"])
    ratio = asymmetry["median_log_ratio"] * np.exp(asymmetry["slope_log"] * asymmetry_score)
    thickness = (
        thick["mean"] + thick["bmi_slope"] * bmi_score + thick["sd_residual"] * thickness_score
    )
    return {
        "density_score": volume_score,
        "thickness_score": thickness_score,
        "area_density": area,
        "volumetric_percent": density["volumetric_percent_at_0"]
        * np.exp(density["volumetric_slope_log"] * volume),
        "percent_density": 100
        / (1 + np.exp(-logit(density["percent_at_0"] / 100) - density["percent_slope"] * area)),
        "thickness_mm": np.clip(thickness, *thick["range"]),
        "texture_score": ndtri(u["texture"]),
        "asymmetry_score": asymmetry_score,
        "log_ratio_left_right": np.where(u["denser_side"] < 0.5, ratio, -ratio),
    }
