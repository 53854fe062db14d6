"""ModelCard: description of a model."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """Description of a model: its inputs, its outcome, its training data and its limits.

    Attributes
    ----------
    name : str
        Name for :func:`mammorisk.load_model`.
    title : str
        Full name of the model.
    family : str
        ``"questionnaire"``, ``"density"``, ``"family history"``, ``"average"``, ``"image"`` or
        ``"hybrid"``: policies are written for a family of models.
    inputs : tuple of str
        Questionnaire fields (and ``"images"``) that the model reads.
    required : tuple of str
        Inputs without which the model gives no risk.
    outcome : str
        ``"invasive"`` or ``"invasive or in situ"`` breast cancer.
    ages : tuple of (float, float)
        Lowest and highest age in years at which the model applies; both are included.
    horizons : str
        Horizons that the model answers, in words, e.g. ``"1 year to age 90"``.
    competing_mortality : bool
        Whether death from other causes is taken into account.
    training_data : str
        Data from which the model was estimated.
    source : str
        Publication.
    licence : str
        Licence of the coefficients or weights.
    intended_use : str
        Use for which the model was made.
    limits : str
        Known limits.
    simulated : bool
        Whether the training data are simulated. Every result of the model then says so.

    See Also
    --------
    mammorisk.models : Cards of all models as a table.

    Examples
    --------
    >>> import mammorisk as mr
    >>> card = mr.load_model("bcrat").card
    >>> card.family, card.required, card.ages
    ('questionnaire', ('age',), (35, 85))
    >>> card.needs_pixels
    False
    """

    name: str
    title: str
    family: str
    inputs: tuple[str, ...]
    required: tuple[str, ...]
    outcome: str
    ages: tuple[float, float]
    horizons: str
    competing_mortality: bool
    training_data: str
    source: str
    licence: str
    intended_use: str
    limits: str
    simulated: bool = False

    @property
    def simulated_text(self) -> str:
        """Text of the warning ``trained-on-simulated``."""
        return f"{self.name} was trained on simulated exams: it does not describe real women"

    @property
    def needs_pixels(self) -> bool:
        """Whether the risk depends on pixels, through a network or through measured density."""
        return bool({"images", "breast_density"} & set(self.inputs))
