"""Labels and colours of models, and the settings of matplotlib for pages and papers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mammorisk._utils.style import COLOURS, DASHES, MARKERS
from mammorisk.errors import EvaluationError

#: Width of one and of two columns of a journal, inches.
COLUMN_WIDTHS: dict[int, float] = {1: 3.5, 2: 7.2}
#: For print: 7-point type at the final size, TrueType fonts in PDF and text in SVG.
PAPER: Any = {
    "font.size": 7.0,
    "axes.titlesize": 7.5,
    "axes.labelsize": 7.0,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "legend.fontsize": 6.0,
    "legend.title_fontsize": 6.0,
    "lines.linewidth": 1.1,
    "lines.markersize": 3.0,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.framealpha": 0.75,
    "legend.edgecolor": "none",
    "legend.handlelength": 2.4,
}
#: For the page.
PAGE: Any = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.framealpha": 0.75,
    "legend.edgecolor": "none",
    "legend.fontsize": 8.5,
    "legend.title_fontsize": 8.5,
    "lines.linewidth": 1.6,
}
#: Fonts that publishers accept, whatever the other settings.
FONTS: Any = {"pdf.fonttype": 42, "ps.fonttype": 42, "svg.fonttype": "none"}


def unless_set(settings: Any) -> Any:
    """Settings of matplotlib that the user has not changed."""
    from matplotlib import rcParams, rcParamsDefault

    now: Any = rcParams
    default: Any = rcParamsDefault
    found = {name: value for name, value in settings.items() if now[name] == default[name]}
    if "font.size" not in found and "font.size" in settings:
        # Other sizes are relative to the user's.
        return {name: value for name, value in found.items() if not name.endswith("size")}
    return found


@dataclass(frozen=True, kw_only=True)
class Look:
    """How a model is drawn."""

    label: str
    colour: Any
    dashes: Any
    marker: str


def looks(
    every: Sequence[str],
    labels: Mapping[str, str] | Sequence[str] | None,
    colours: Mapping[str, Any] | Sequence[Any] | None,
    models: Sequence[str],
) -> dict[str, Look]:
    """Labels, colours, dashes and markers of models.

    Parameters
    ----------
    every : sequence of str
        Models of the report. The colour of a model does not depend on which models are drawn.
    labels, colours : mapping by model, or sequence in the order of ``models``, optional
        Default: the names; the colours of Okabe and Ito, or the user's ``axes.prop_cycle``.
    models : sequence of str
        Models that are drawn.

    Raises
    ------
    EvaluationError
        Too few labels or colours.
    """
    palette = palette_colours()
    found = {}
    for i, model in enumerate(every):
        found[model] = Look(
            label=model,
            colour=palette[i % len(palette)],
            dashes=DASHES[i % len(DASHES)],
            marker=MARKERS[i % len(MARKERS)],
        )
    own_labels = _by_model(labels, models, "labels")
    own_colours = _by_model(colours, models, "colours")
    return {
        model: Look(
            label=str(own_labels.get(model, found[model].label)),
            colour=own_colours.get(model, found[model].colour),
            dashes=found[model].dashes,
            marker=found[model].marker,
        )
        for model in models
    }


def palette_colours() -> Sequence[Any]:
    from matplotlib import rcParams, rcParamsDefault

    cycle = rcParams["axes.prop_cycle"]
    if cycle != rcParamsDefault["axes.prop_cycle"] and "color" in cycle.keys:
        return list(cycle.by_key()["color"])
    return COLOURS


def _by_model(
    given: Mapping[str, Any] | Sequence[Any] | None, models: Sequence[str], where: str
) -> Mapping[str, Any]:
    if given is None:
        return {}
    if isinstance(given, Mapping):
        return given
    several = [given] if isinstance(given, str) else list(given)
    if len(several) < len(models):
        raise EvaluationError(
            f"{len(several)} {where} for {len(models)} models",
            where=where,
            remedy="Give one for each model, or a dict by model.",
        )
    return dict(zip(models, several, strict=False))
