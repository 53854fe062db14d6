"""The simulated population: answers with realistic distributions, and latent traits.

Every number of ``data/margins.json`` has its source there, or is marked as an assumption. Women are
drawn in blocks, each from her own random numbers (:mod:`mammorisk.simulation.random_streams`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from mammorisk._utils.typing import Floats
from mammorisk.records.questionnaire_fields import CATEGORIES
from mammorisk.simulation.margins import margins
from mammorisk.simulation.random_streams import uniforms
from mammorisk.simulation.traits import bmi_score, draw_traits, mean_log_bmi, read_density

#: Purpose of each random number of a woman. New ones are added at the end.
_DRAWS = (
    "age",
    "race",
    "height",
    "bmi",
    "menarche",
    "parity",
    "first_birth",
    "natural_menopause",
    "surgical",
    "surgical_menopause",
    "hrt",
    "hrt_type",
    "pill_ever",
    "pill_current",
    "alcohol",
    "biopsied",
    "biopsy_count",
    "atypia",
    "relative",
    "relative_count",
    "last_mammogram",
    "density",
    "thickness",
    "reader",
    "texture",
    "asymmetry",
    "denser_side",
)
_COLUMNS = 32


def draw_population(
    seed: int,
    n: int,
    *,
    first: int = 0,
    age_range: tuple[float, float] = (40.0, 75.0),
    stream: str = "population",
    equal_races: bool = False,
) -> pd.DataFrame:
    """Draw women ``first`` ... ``first + n - 1`` of the population of a seed.

    Parameters
    ----------
    seed : int
    n : int
        Number of women. A million women need about 1 GB of memory.
    first : int
        Number of the first woman. Any part of the population can be drawn alone.
    age_range : (float, float)
        Ages in years, within 40-80; the last is excluded.
    stream : str
        Name of the stream. Streams are independent populations of the same seed.
    equal_races : bool
        Whether all race groups have the same size, instead of their shares in the population.

    Returns
    -------
    DataFrame
        Index: number of the woman. Columns: Questionnaire fields (complete; the age at first
        birth, menopause and hormone type are missing where they do not exist), then
        :data:`TRAITS`: ``density_score`` (volumetric density given the answers),
        ``thickness_score`` (compressed thickness given the answers), ``area_density`` (density on
        the normal scale of the readers), ``volumetric_percent``, ``percent_density`` (0-100),
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
    score = bmi_score(age, answers["height_cm"], answers["weight_kg"])
    answers["alcohol_g_per_day"] = _alcohol(u["alcohol"], age, score, answers["parity"], table)
    women = pd.DataFrame(answers, index=pd.RangeIndex(first, first + n), copy=False)
    traits = draw_traits(u, women)
    category = read_density(u["reader"], traits["area_density"])
    women["breast_density"] = _category("breast_density", "abcd", category)
    return women.assign(**traits)


def _choose(u: Floats, share: Floats) -> NDArray[np.int64]:
    limits = np.cumsum(share)
    return np.searchsorted(limits / limits[-1], u, side="right")


def _category(field: str, names: Any, codes: NDArray[np.int64]) -> Any:
    """Convert codes, positions in ``names``, to text; -1 is unknown."""
    allowed = list(CATEGORIES[field])
    positions = np.array([*(allowed.index(name) for name in names), -1], dtype=np.int8)
    return pd.Categorical.from_codes(positions[codes], dtype=pd.CategoricalDtype(allowed))


def _age(u: Floats, age_range: tuple[float, float], table: dict[str, Any]) -> Floats:
    edges = table["first_age"] + 5.0 * np.arange(len(table["millions"]) + 1)
    below = np.concatenate([[0.0], np.cumsum(table["millions"])])
    low, high = np.interp(age_range, edges, below)
    age = np.interp(low + u * (high - low), below, edges)
    return np.asarray(np.maximum(np.floor(age * 10) / 10, age_range[0]))


def _body(
    u: dict[str, Floats], age: Floats, groups: Any, race: NDArray[np.int64], table: dict[str, Any]
) -> dict[str, Floats]:
    height_table, bmi_table = table["height_cm"], table["bmi"]
    shift = np.array([height_table["shift"].get(name, 0.0) for name in groups])[race]
    height = height_table["mean"] + shift + height_table["sd"] * ndtri(u["height"])
    height = np.clip(np.round(height), 135, 195)
    shift = np.array([bmi_table["shift_log"].get(name, 0.0) for name in groups])[race]
    log_bmi = mean_log_bmi(age) + shift + bmi_table["sd_log"] * ndtri(u["bmi"])
    bmi = np.clip(bmi_table["offset"] + np.exp(log_bmi), 15.5, 60)
    return {"height_cm": height, "weight_kg": np.round(bmi * (height / 100) ** 2)}


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


def _alcohol(u: Floats, age: Floats, bmi: Floats, parity: Floats, table: dict[str, Any]) -> Floats:
    """Draw grams per day from a normal score that decreases with the BMI score and births."""
    alcohol, births = table["alcohol_g_per_day"], table["density"]
    by_bmi, by_births = alcohol["loading_bmi"], alcohol["loading_parity"]
    score = (
        by_bmi * bmi
        + by_births * (parity - births["mean_births"]) / births["sd_births"]
        + np.sqrt(1 - by_bmi**2 - by_births**2) * ndtri(u)
    )
    rank = ndtr(score)
    none = np.where(age < 50, alcohol["none_under_50"], alcohol["none_from_50"])
    below = np.concatenate([[0.0], np.cumsum(alcohol["share_of_drinkers"])])
    drinkers = np.clip((rank - none) / (1 - none), 0.0, 1.0)
    grams = np.maximum(np.round(np.interp(drinkers * below[-1], below, alcohol["edges"]), 1), 0.1)
    return np.where(rank < none, 0.0, grams)
