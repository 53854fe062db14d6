"""Facts about a scored exam that the event log keeps for the monitor: no identity among them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import fmean
from typing import Any

from mammorisk._utils.digests import json_digest

#: Acquisition values of which the mean over the views is kept.
_MEANS = ("thickness_mm", "kvp", "glandular_dose_mgy")
_HORIZON = "5"
#: Digits of the digest that names a version of the risk model.
_VERSION_DIGITS = 8


def done_detail(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the event log keeps of a job that is done.

    Parameters
    ----------
    result : mapping
        As :meth:`mammorisk.Prediction.to_dict` returns it.
    """
    told = {name: result.get(name) for name in ("status", "key", "model")}
    return told | ({"facts": exam_facts(result)} if "provenance" in result else {})


def exam_facts(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the monitor needs of a result.

    Parameters
    ----------
    result : mapping
        As :meth:`mammorisk.Prediction.to_dict` returns it.

    Returns
    -------
    dict
        Plain JSON types. ``risk`` is by horizon. ``log_risk`` and ``log_average_risk`` are natural
        logarithms of the risk over five years and of that of the average woman of her age.
        ``force`` is as the header states it, whatever its unit. Ages are in whole years. Without a
        value: None.
    """
    provenance = result["provenance"]
    values = [view.get("acquisition_values", {}) for view in provenance["views"]]
    means = {name: _mean([one.get(name) for one in values]) for name in _MEANS}
    own = result["risk"] if result["model"] == "average" else {}
    average = result["baselines"].get("average", own)
    codes = [one["code"] for one in result["warnings"]]
    answered = "age-from-header" not in codes
    return {
        "model_version": _model_version(provenance),
        "risk": result["risk"],
        "log_risk": _log(result["risk"].get(_HORIZON)),
        "log_average_risk": _log(average.get(_HORIZON)),
        "manufacturer": _first(values, "manufacturer"),
        "device_model": _first(values, "model"),
        "software": _first(values, "software"),
        "density": result["density"]["category"],
        "percent_density": result["density"].get("percent_density"),
        "refusals": [
            one["code"]
            for one in result["warnings"]
            if one["severity"] in ("refusal", "incomplete")
        ],
        "outside_domain": "outside-domain" in codes,
        "images_used": result["images_used"],
        "guard_distance": provenance["guard"]["distance"],
        "guard_limit": provenance["guard"]["limit"],
        "known": provenance["fields_known"],
        "questionnaire_age": _whole(result["answers"].get("age")) if answered else None,
        "header_age": _whole(provenance.get("header_age_years")),
        **means,
        "force": _mean([_force(one) for one in values]),
        "anode_filter": _anode_filter(values),
    }


def _model_version(provenance: Mapping[str, Any]) -> str:
    """A short digest of weights, configuration and calibration of the risk model."""
    digests = provenance["sha256"]
    parts = [digests["weights"], digests["config"], provenance["calibration"]]
    return json_digest(parts)[:_VERSION_DIGITS]


def _force(values: Mapping[str, Any]) -> float | None:
    """The compression force as stated: implausible values show another unit."""
    stated = values.get("force_n", values.get("raw", {}).get("CompressionForce"))
    return None if stated is None else float(stated)


def _anode_filter(values: list[dict[str, Any]]) -> str | None:
    """Anode and filter of the views, such as ``"tungsten/rhodium"``, the most frequent."""
    found = [
        f"{one.get('anode', 'unknown')}/{one.get('filter', 'unknown')}"
        for one in values
        if "anode" in one or "filter" in one
    ]
    return max(sorted(set(found)), key=found.count) if found else None


def _first(values: list[dict[str, Any]], name: str) -> str | None:
    return next((str(one[name]) for one in values if name in one), None)


def _mean(values: list[float | None]) -> float | None:
    known = [one for one in values if one is not None]
    return fmean(known) if known else None


def _log(risk: float | None) -> float | None:
    return math.log(risk) if risk else None


def _whole(age: float | None) -> int | None:
    return None if age is None else math.floor(age)
