"""What every format states of a result: the same risks with the same digits, and the same notes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mammorisk.errors import NoRisk
from mammorisk.prediction.percent import percent_digits
from mammorisk.prediction.plain import warning_text

#: Kind of cancer that a risk is about.
Outcome = Literal["invasive breast cancer", "invasive or in situ breast cancer", "breast cancer"]

#: The most serious first.
_ORDER = ("refusal", "incomplete", "caution", "info")


@dataclass(frozen=True, kw_only=True)
class StatedRisk:
    """The risk at one horizon, as it is written.

    Attributes
    ----------
    horizon : float or "lifetime"
    period : str
        ``"1 year"``, ``"5 years"`` or ``"lifetime"``.
    digits : str
        Percent with two decimals, without the sign.
    lower, upper : str or None
        Limits of the interval, likewise.
    """

    horizon: float | str
    period: str
    digits: str
    lower: str | None = None
    upper: str | None = None


def stated_risks(result: Mapping[str, Any]) -> list[StatedRisk]:
    """Return the risks of a result, in the order of its horizons. Empty if there is none.

    Parameters
    ----------
    result : mapping
        As :meth:`mammorisk.Prediction.to_dict` returns it.
    """
    interval = result["interval"] or {"lower": {}, "upper": {}}
    found = []
    for key, risk in result["risk"].items():
        if risk is None:
            continue
        horizon = key if key == "lifetime" else float(key)
        limits = {
            end: None if interval[end].get(key) is None else percent_digits(interval[end][key])
            for end in ("lower", "upper")
        }
        found.append(
            StatedRisk(
                horizon=horizon, period=_period(horizon), digits=percent_digits(risk), **limits
            )
        )
    return found


def required_risks(result: Mapping[str, Any], what: str) -> list[StatedRisk]:
    """Return the risks of a result for a format that states a risk.

    Raises
    ------
    NoRisk
        There is none.
    """
    found = stated_risks(result)
    if not found:
        reasons = [one["text"] for one in result["warnings"] if one["severity"] in _ORDER[:2]]
        raise NoRisk(
            f"{what} is not written: there is no risk"
            + (f" ({'; '.join(reasons)})" if reasons else ""),
            remedy="A page (HTML or PDF) gives the reason.",
        )
    return found


def outcome_words(result: Mapping[str, Any]) -> str:
    """Return the outcome of the risk as the model states it."""
    stated = str(result["provenance"]["outcome"])
    if stated in ("invasive", "invasive or in situ"):
        return f"{stated} breast cancer"
    return stated if "cancer" in stated else f"breast cancer, {stated}"


def outcome_kind(result: Mapping[str, Any]) -> Outcome:
    """Return the kind of outcome: invasive, also in situ, or not stated."""
    stated = str(result["provenance"]["outcome"])
    if stated.startswith("invasive or in situ"):
        return "invasive or in situ breast cancer"
    return "invasive breast cancer" if stated.startswith("invasive") else "breast cancer"


def model_words(result: Mapping[str, Any]) -> str:
    """Return the model, the software and whether the images were used."""
    used = "the images were used" if result["images_used"] else "the images were not used"
    return f"Model {result['model']}, {result['provenance']['software']}; {used} by the network."


def interval_words(result: Mapping[str, Any]) -> str:
    """Return the meaning of the interval; empty if there is none."""
    interval = result["interval"]
    if interval is None:
        return ""
    return f"{100 * interval['level']:g}% interval of the {interval['estimand']}"


def notes(result: Mapping[str, Any]) -> list[str]:
    """Return the warnings of a result as text, the most serious first."""
    ordered = sorted(result["warnings"], key=lambda one: _ORDER.index(one["severity"]))
    return [warning_text(one) for one in ordered]


def _period(horizon: float | str) -> str:
    if isinstance(horizon, str):
        return horizon
    return f"{horizon:g} year" + ("" if horizon == 1 else "s")
