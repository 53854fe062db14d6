"""Prediction: the risk curve of one woman, with its inputs and warnings."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mammorisk._utils.style import NOTICE
from mammorisk.errors import ModelError
from mammorisk.policy.policy import Policy
from mammorisk.prediction.findings_html import findings_line
from mammorisk.prediction.percent import horizon_name, percent
from mammorisk.prediction.policy_result import marks, policy_result
from mammorisk.prediction.prediction_files import PredictionFiles
from mammorisk.prediction.prediction_html import prediction_html

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from mammorisk.risk_models.hybrid.saliency import Explanation


class Prediction(PredictionFiles):
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
        Software and library versions; SHA-256 of pixels, questionnaire, weights and
        configuration; calibration, backend and domain guard; model and its source, known fields,
        and views with their acquisition. ``key`` names the result: the same exam under the same
        model has the same key. The fields are described in :func:`mammorisk.result_schema`.
    interval : DataFrame or None
        ``lower`` and ``upper`` limits of the 95% interval by horizon, where the model has one. The
        estimand is the risk given the inputs that were used.
    answers : dict
        Known answers of the questionnaire as they were used.
    policy : dict or None
        What a surveillance policy states; see :meth:`with_policy`.
    findings : Findings or None
        Lesions for review, where :func:`mammorisk.predict` was asked for them. No risk depends on
        them. None also if the exam could not be searched; a warning or refusal then says why.
    sources : tuple of DicomSource
        Identifiers of the DICOM images, to which documents refer. They are not part of
        :meth:`to_dict`.
    explainer, scorer : callable or None
        Functions that :meth:`explain` and :meth:`with_policy` call.

    See Also
    --------
    mammorisk.predict : Returns a prediction.
    mammorisk.result_schema : JSON Schema of :meth:`to_dict`.

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

    def with_policy(self, policy: str | Path | Policy) -> Prediction:
        """Return the prediction with what a surveillance policy states for it. Not care advice.

        A policy may use the risk from a fixed age, such as that between 40 and 50. The same woman
        is then scored at that age, from her questionnaire alone.

        Parameters
        ----------
        policy : str, path or Policy
            As in :func:`mammorisk.stratify`.

        Returns
        -------
        Prediction
            ``policy`` has the columns of :func:`mammorisk.stratify` and the risks that were used.
            The digest of the policy is part of the provenance.

        Raises
        ------
        PolicyError
            The policy forbids the model, or needs a risk that the prediction does not have.

        See Also
        --------
        mammorisk.stratify : Applies a policy to a table of risks.

        Examples
        --------
        >>> import mammorisk as mr
        >>> woman = mr.Questionnaire(age=46, race_ethnicity="white", first_degree_relatives=2)
        >>> prediction = mr.predict(woman, model="icare-lit").with_policy("nice-cg164")
        >>> prediction.policy["category"], prediction.policy["policy_model_match"]
        ('moderate', 'off-label')
        """
        found = policy_result(self.to_frame(), policy, self.scorer)
        digests = {**self.provenance.get("sha256", {}), "policy": found["sha256"]}
        return replace(self, policy=found, provenance={**self.provenance, "sha256": digests})

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
            The prediction did not use the images, or the model has no saliency maps by the method.

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
        years = ", ".join(f"{horizon_name(h)} {percent(r)}" for h, r in self.risk.items())
        lines.append(f"  absolute risk: {years}")
        if self.interval is not None and self.risk.notna().any():
            limits = ", ".join(
                f"{h:g} y {percent(row['lower'])}-{percent(row['upper'])}"
                for h, row in self.interval.iterrows()
                if isinstance(h, (int, float))
            )
            lines.append(f"  95% interval of the risk given the inputs: {limits}")
        if self.density.get("category"):
            lines.append(f"  breast density: {self.density['category']} ({self.density['source']})")
        for name, row in self.baselines.iterrows():
            lines.append(f"  {name}: " + ", ".join(percent(r) for r in row))
        if self.policy is not None:
            lines.append(f"  policy {self.policy['policy']}: {self.policy['category']}")
            lines.extend(f"  ! {one}" for one in marks(self.policy))
        lines.extend(f"  ! {one}" for one in self.warnings)
        if self.findings is not None:
            lines.append(f"  {findings_line(self.findings.to_dict())}")
        lines.append(f"  {NOTICE}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return prediction_html(self.to_dict())


def to_json(prediction: Prediction) -> str:
    """Return the prediction as a JSON object with the keys of :meth:`Prediction.to_dict`."""
    return json.dumps(prediction.to_dict(), allow_nan=False, indent=2)
