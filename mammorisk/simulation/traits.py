"""Latent imaging traits: density by area and by volume, thickness, texture, asymmetry."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, logit, ndtri

from mammorisk._utils.typing import Floats
from mammorisk.simulation.margins import margins

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


def bmi_score(age: Floats, height_cm: Floats, weight_kg: Floats) -> Floats:
    """Return BMI as a normal score among women of the same age."""
    table = margins()["bmi"]
    log_bmi = np.log(weight_kg / (height_cm / 100) ** 2 - table["offset"])
    return np.asarray((log_bmi - mean_log_bmi(age)) / table["sd_log"])


def mean_log_bmi(age: Floats) -> Floats:
    """Return the mean of the logarithm of BMI above its offset, which increases from 45 to 55."""
    table = margins()["bmi"]
    medians = np.array([table["median_at_45"], table["median_from_55"]])
    return np.asarray(np.interp(age, [45, 55], np.log(medians - table["offset"])))


def density_location(women: pd.DataFrame) -> Floats:
    """Return the expected ``area_density`` given the answers (without images and category)."""
    table = margins()["density"]
    age = women["age"].to_numpy()
    score = bmi_score(age, women["height_cm"].to_numpy(), women["weight_kg"].to_numpy())
    combined = ((women["hrt_use"] == "current") & (women["hrt_type"] == "combined")).to_numpy()
    # With the noise of a reader, the published share at an age is above 0.
    dense = ndtri(np.array(table["dense_percent"]) / 100) * np.hypot(1.0, table["reader_sd"])
    location: Floats = (
        np.interp(age, table["age_middle"], dense)
        + table["bmi_slope"] * score
        + table["per_birth"] * (women["parity"].to_numpy() - table["mean_births"])
        + table["combined_hrt"] * combined
    )
    return location


def density_residual_sd() -> float:
    """Return the SD of ``area_density`` given the answers. Its total variance at an age is 1."""
    table = margins()["density"]
    explained = table["bmi_slope"] ** 2 + (table["sd_births"] * table["per_birth"]) ** 2
    return float(np.sqrt(1.0 - explained))


def draw_traits(u: dict[str, Floats], women: pd.DataFrame) -> dict[str, Floats]:
    """Draw the traits of women given their answers.

    Parameters
    ----------
    u : dict of ndarray, each of shape (n,)
        Uniform numbers ``density``, ``thickness``, ``texture``, ``asymmetry``, ``denser_side``.
    women : DataFrame
        Answers.

    Returns
    -------
    dict of ndarray, each of shape (n,)
        By name in :data:`TRAITS`.
    """
    density, asymmetry = margins()["density"], margins()["asymmetry"]
    thick = density["thickness_mm"]
    location = density_location(women)
    volume_score, thickness_score = ndtri(u["density"]), ndtri(u["thickness"])
    # A thicker breast of the same composition is imaged with a harder beam and less contrast, so
    # that less of it appears dense. Area and thickness determine the volume; area alone does not.
    correlation = density["area_volume_correlation"]
    area_score = correlation * volume_score - np.sqrt(1 - correlation**2) * thickness_score
    spread = density_residual_sd()
    area = location + spread * area_score
    volume = location + spread * volume_score
    asymmetry_score = ndtri(u["asymmetry"])
    ratio = asymmetry["median_log_ratio"] * np.exp(asymmetry["slope_log"] * asymmetry_score)
    thickness = (
        thick["mean"]
        + thick["bmi_slope"]
        * bmi_score(
            women["age"].to_numpy(), women["height_cm"].to_numpy(), women["weight_kg"].to_numpy()
        )
        + thick["sd_residual"] * thickness_score
    )
    return {
        "density_score": volume_score,
        "thickness_score": thickness_score,
        "area_density": area,
        "volumetric_percent": _volumetric_percent(volume),
        "percent_density": _percent_density(area),
        "thickness_mm": np.clip(thickness, *thick["range"]),
        "texture_score": ndtri(u["texture"]),
        "asymmetry_score": asymmetry_score,
        "log_ratio_left_right": np.where(u["denser_side"] < 0.5, ratio, -ratio),
    }


def _percent_density(area: Floats) -> Floats:
    table = margins()["density"]
    return np.asarray(
        100 * expit(logit(table["percent_at_0"] / 100) + table["percent_slope"] * area)
    )


def _volumetric_percent(volume: Floats) -> Floats:
    table = margins()["density"]
    return np.asarray(
        table["volumetric_percent_at_0"] * np.exp(table["volumetric_slope_log"] * volume)
    )


def densities_before(women: pd.DataFrame, years: float, rise: float = 0.0) -> tuple[Floats, Floats]:
    """Return percent density and volumetric density of the same women some years before.

    ``rise`` is the increase since then beyond that of age, on the scale of ``area_density``.
    """
    spread = density_residual_sd()
    area_score = (women["area_density"] - density_location(women)) / spread
    location = density_location(women.assign(age=women["age"] - years))
    return (
        _percent_density(location + spread * area_score.to_numpy() - rise),
        _volumetric_percent(location + spread * women["density_score"].to_numpy() - rise),
    )


def read_density(u: Floats, area_density: Floats) -> NDArray[np.int64]:
    """Return the category of a reader, 0 (a) to 3 (d), from ``area_density`` with noise."""
    table = margins()["density"]
    seen = area_density + table["reader_sd"] * ndtri(u)
    limits = np.array(table["category_limits"]) * np.hypot(1.0, table["reader_sd"])
    return np.asarray(np.searchsorted(limits, seen, side="right"))
