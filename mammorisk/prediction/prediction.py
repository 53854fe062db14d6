"""Prediction: the risk curve of one woman, with its inputs and warnings."""

from __future__ import annotations

import html
import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from mammorisk._utils.style import NOTICE
from mammorisk.errors import ModelError
from mammorisk.warnings import Warnings

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from matplotlib.axes import Axes

    from mammorisk.risk_models.hybrid.saliency import Explanation


@dataclass(frozen=True, kw_only=True, repr=False)
class Prediction:
    """The absolute risk of breast cancer of one woman.

    Attributes
    ----------
    model : str
        Name of the model that gave ``risk``.
    risk : Series
        Absolute risk in [0, 1] by horizon in years; NaN where the model gives none.
    baselines : DataFrame, shape (n_models, n_horizons)
        Absolute risk by every other published model; NaN where a model gives none.
    contributions : Series
        Log relative risk of each factor or modality, relative to the reference woman of the model.
    density : dict
        ``category`` (a-d or None), ``source`` (``"reader"``, ``"estimated from the image"`` or
        ``"unknown"``) and, where measured, ``percent_density`` (0-100) and ``probabilities``.
    warnings : tuple of ResultWarning
        Reasons for a missing risk, assumptions, estimates and doubts.
    images_used : bool
        Whether the network used the images.
    provenance : dict
        Software version, model and its source, known fields, and views with their acquisition.
    interval : DataFrame or None
        ``lower`` and ``upper`` limits of the 95% interval by horizon, where the model has one. The
        estimand is the risk given the inputs that were used.
    explainer : callable or None
        Function that :meth:`explain` calls.

    See Also
    --------
    mammorisk.predict : Returns a prediction.

    Examples
    --------
    >>> import mammorisk as mr
    >>> woman = mr.Questionnaire(age=54, race_ethnicity="white", breast_density="c")
    >>> prediction = mr.predict(woman)
    >>> prediction.risk.round(4)
    1    0.0033
    2    0.0067
    3    0.0103
    4    0.0140
    5    0.0179
    Name: risk, dtype: float64
    >>> prediction.density
    {'category': 'c', 'source': 'reader'}
    >>> round(float(prediction.baselines.loc["average", 5]), 4)
    0.0144
    """

    model: str
    risk: pd.Series
    baselines: pd.DataFrame
    contributions: pd.Series
    density: dict[str, Any] = field(default_factory=dict)
    warnings: Warnings = ()
    images_used: bool = False
    provenance: dict[str, Any] = field(default_factory=dict)
    interval: pd.DataFrame | None = None
    explainer: Callable[[str], Explanation] | None = field(default=None, compare=False)

    @property
    def five_year(self) -> float:
        """Absolute risk over five years. NaN if the model gives none."""
        return float(self.risk.get(5, math.nan))

    def to_dict(self) -> dict[str, Any]:
        """Return all fields as plain JSON types.

        Returns
        -------
        dict
            A missing risk is None.

        Examples
        --------
        >>> import mammorisk as mr
        >>> prediction = mr.predict(mr.Questionnaire(age=54), model="bcrat", horizons=5)
        >>> {year: round(risk, 4) for year, risk in prediction.to_dict()["risk"].items()}
        {'5': 0.0075}
        """
        return {
            "model": self.model,
            "risk": _plain(self.risk),
            "baselines": {name: _plain(row) for name, row in self.baselines.iterrows()},
            "contributions": _plain(self.contributions),
            "interval": None
            if self.interval is None
            else {name: _plain(self.interval[name]) for name in self.interval},
            "density": self.density,
            "images_used": self.images_used,
            "warnings": [one.to_dict() for one in self.warnings],
            "provenance": self.provenance,
            "notice": NOTICE,
        }

    def explain(
        self, method: Literal["grad-cam", "integrated-gradients"] = "grad-cam"
    ) -> Explanation:
        """Compute saliency maps of the views.

        Parameters
        ----------
        method : {"grad-cam", "integrated-gradients"}

        Returns
        -------
        Explanation
            Saliency of each view, and the contributions. Its method ``plot`` draws both.

        Raises
        ------
        ModelError
            The prediction did not use the images, or the model has no saliency maps.

        Examples
        --------
        >>> import mammorisk as mr
        >>> prediction = mr.predict("exam_folder", model="hybrid")  # doctest: +SKIP
        >>> prediction.explain().plot()  # doctest: +SKIP
        """
        if self.explainer is None:
            raise ModelError(
                f"{self.model} used no images in this prediction: there is nothing to explain",
                remedy="Predict an exam with model='hybrid'.",
            )
        return self.explainer(method)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Plot cumulative risk by year, with the baselines and the average woman of her age.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Axes to draw into. Default: a new figure.

        Returns
        -------
        matplotlib Axes

        Examples
        --------
        >>> import mammorisk as mr
        >>> ax = mr.predict(mr.Questionnaire(age=54), model="bcrat").plot()
        >>> ax.get_xlabel()
        'years from the exam'
        """
        from mammorisk.prediction.plot import plot_risk

        return plot_risk(self.risk, self.baselines, model=self.model, interval=self.interval, ax=ax)

    def __repr__(self) -> str:
        lines = [f"Prediction by {self.model}"]
        years = ", ".join(f"{h:g} y {_percent(r)}" for h, r in _numeric(self.risk).items())
        lines.append(f"  absolute risk: {years}")
        if self.interval is not None and self.risk.notna().any():
            limits = ", ".join(
                f"{h:g} y {_percent(row['lower'])}-{_percent(row['upper'])}"
                for h, row in self.interval.iterrows()
                if isinstance(h, (int, float))
            )
            lines.append(f"  95% interval of the risk given the inputs: {limits}")
        if self.density.get("category"):
            lines.append(f"  breast density: {self.density['category']} ({self.density['source']})")
        for name, row in self.baselines.iterrows():
            lines.append(f"  {name}: " + ", ".join(_percent(r) for r in row))
        lines.extend(f"  ! {one}" for one in self.warnings)
        lines.append(f"  {NOTICE}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return _as_html(self)


def without_risk(prediction: Prediction) -> list[str]:
    """Return one line per baseline without any risk, with the reason."""
    silent = prediction.baselines.index[prediction.baselines.isna().all(axis=1)]
    reasons = prediction.provenance.get("baseline_warnings", {})
    return [
        f"{name} gives no risk: "
        + ("; ".join(one["text"] for one in reasons.get(name, ())) or "not applicable")
        for name in silent
    ]


def _plain(series: pd.Series) -> dict[str, float | None]:
    return {
        f"{key:g}" if isinstance(key, (int, float)) else str(key): (
            None if value is None or math.isnan(value) else float(value)
        )
        for key, value in series.items()
    }


def _numeric(series: pd.Series) -> pd.Series:
    return series[[isinstance(key, (int, float)) for key in series.index]]


def _percent(risk: float) -> str:
    return "–" if math.isnan(risk) else f"{100 * risk:.2f}%"


def _as_html(prediction: Prediction) -> str:
    cell = "style='text-align:right;padding:2px 10px'"
    head = "style='text-align:left;padding:2px 10px'"
    horizons = list(prediction.risk.index)
    names = [f"{h:g} y" if isinstance(h, (int, float)) else str(h) for h in horizons]

    def row(label: str, values: Any, bold: bool = False) -> str:
        cells = "".join(f"<td {cell}>{_percent(value)}</td>" for value in values)
        label = html.escape(label)
        return f"<tr><th {head}>{f'<b>{label}</b>' if bold else label}</th>{cells}</tr>"

    rows = [row(prediction.model, prediction.risk, bold=True)]
    if prediction.interval is not None:
        for limit in ("lower", "upper"):
            text = f"{limit} limit of the 95% interval of the risk given the inputs"
            rows.append(row(text, prediction.interval[limit]))
    rows += [row(str(name), values) for name, values in prediction.baselines.iterrows()]
    header = "".join(f"<th {cell}>{html.escape(name)}</th>" for name in names)
    factors = "".join(
        f"<tr><th {head}>{html.escape(str(name))}</th><td {cell}>{value:+.3f}</td>"
        f"<td {cell}>&times;{math.exp(value):.2f}</td></tr>"
        for name, value in prediction.contributions.items()
        if not math.isnan(value)
    )
    density = prediction.density
    density_text = (
        f"Breast density {html.escape(str(density['category']))}, "
        f"{html.escape(str(density['source']))}."
        if density.get("category")
        else "Breast density unknown."
    )
    notes = [*map(str, prediction.warnings), *without_risk(prediction)]
    listed = "".join(f"<li>{html.escape(note)}</li>" for note in notes)
    return (
        "<div style='font-family:sans-serif;max-width:60em'>"
        f"<p><b>Absolute risk of breast cancer</b> (model {html.escape(prediction.model)}). "
        f"{density_text}</p>"
        f"<table><thead><tr><th></th>{header}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
        + (
            "<details><summary>Contributions (log relative risk, relative risk)</summary>"
            f"<table>{factors}</table></details>"
            if factors
            else ""
        )
        + (f"<ul>{listed}</ul>" if listed else "")
        + f"<p style='color:#666'>{NOTICE}</p></div>"
    )


def to_json(prediction: Prediction) -> str:
    """Return the prediction as a JSON object with the keys of :meth:`Prediction.to_dict`."""
    return json.dumps(prediction.to_dict(), allow_nan=False, indent=2)
