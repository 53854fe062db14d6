"""FindingsRecipe: the definition of a detector of lesions and of its fit, as data."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mammorisk._utils.recipe_files import make_recipe, read_recipe, recipe_names
from mammorisk.findings.candidate import TYPES

DetectorKind = Literal["lesion-maps", "faster-rcnn"]


class LesionMapsOptions(BaseModel):
    """Fit of the two networks of the kind ``"lesion-maps"``.

    Attributes
    ----------
    lesion_steps, speck_steps : int
        Steps of the networks at 0.4 mm and at 0.1 mm. 0 keeps the network of ``init``.
    lesion_batch, speck_batch : int
        Crops of a step.
    learning_rate, weight_decay : float
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    lesion_steps: int = Field(default=7000, ge=0)
    speck_steps: int = Field(default=6000, ge=0)
    lesion_batch: int = Field(default=16, ge=2)
    speck_batch: int = Field(default=8, ge=2)
    learning_rate: float = Field(default=2e-3, gt=0, le=1)
    weight_decay: float = Field(default=1e-3, ge=0)


class FasterRcnnOptions(BaseModel):
    """Input and fit of the kind ``"faster-rcnn"``. The defaults are those of the 2021 study.

    Attributes
    ----------
    spacing_mm : float
        Pixel spacing of the input.
    spread_mm : float
        Images are standardised across systems by the variation of grey within this radius; 0 uses
        the grey mapping with 5% of breast pixels below 0 and 5% above 1.
    pretrained : bool
        Start the backbone from ImageNet weights of torchvision, which are downloaded.
    backbone : str
        A ResNet of torchvision.
    trainable_layers : int
        Number of stages of the backbone that are trained, counted from its output.
    two_sides, two_views : bool
        Use the other breast, and the other view of the breast.
    pathology : bool
        Learn benign and malignant together with the type, where every lesion has a pathology.
    steps : int
        Mini-batches. Each has the views of one exam.
    learning_rate, momentum, weight_decay : float
        Options of stochastic gradient descent.
    warm_up : int
        Steps in which the learning rate rises.
    drops : tuple of float
        Shares of the steps at which the learning rate falls to a tenth.
    scales : (float, float)
        Range of the random scale.
    flip : bool
        Turn images upside down at random.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    spacing_mm: float = Field(default=0.15, gt=0, le=2)
    spread_mm: float = Field(default=0.0, ge=0, le=50)
    pretrained: bool = True
    backbone: Literal["resnet18", "resnet34", "resnet50", "resnet101"] = "resnet50"
    trainable_layers: int = Field(default=5, ge=0, le=5)
    two_sides: bool = True
    two_views: bool = True
    pathology: bool = True
    steps: int = Field(default=25_000, ge=1)
    learning_rate: float = Field(default=0.005, gt=0, le=1)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    weight_decay: float = Field(default=1e-4, ge=0)
    warm_up: int = Field(default=500, ge=0)
    drops: tuple[float, ...] = (0.7, 0.9)
    scales: tuple[float, float] = (0.8, 1.2)
    flip: bool = True


class FindingsRecipe(BaseModel):
    """The definition of a detector and of its fit. Immutable.

    Attributes
    ----------
    name, title, source : str
    kind : {"lesion-maps", "faster-rcnn"}
    types : tuple of str
        Types of lesions that are learnt.
    validation_share : float
        Share of the women in validation if the cohort has no column ``split``.
    seed : int
    maps : LesionMapsOptions or None
    rcnn : FasterRcnnOptions or None
        The options of the kind.

    See Also
    --------
    mammorisk.fit : Fits a detector on annotated exams.

    Examples
    --------
    >>> from mammorisk.findings.recipe import load_findings_recipe
    >>> recipe = load_findings_recipe("lesion-frcnn-2021", rcnn__steps=20)
    >>> recipe.rcnn.spacing_mm, recipe.rcnn.learning_rate, recipe.rcnn.steps
    (0.15, 0.005, 20)
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    kind: DetectorKind
    title: str = ""
    source: str = ""
    types: tuple[str, ...] = TYPES
    validation_share: float = Field(default=0.15, gt=0, lt=0.9)
    seed: int = 1
    maps: LesionMapsOptions | None = None
    rcnn: FasterRcnnOptions | None = None

    @model_validator(mode="after")
    def _parts_fit(self) -> FindingsRecipe:
        if (self.kind == "lesion-maps") != (self.maps is not None):
            raise ValueError("kind: lesion-maps and the part maps belong together")
        if (self.kind == "faster-rcnn") != (self.rcnn is not None):
            raise ValueError("kind: faster-rcnn and the part rcnn belong together")
        if not self.types or not set(self.types) <= set(TYPES):
            raise ValueError(f"types are among {', '.join(TYPES)}")
        return self


_FOLDER = files("mammorisk.findings") / "recipes"


def findings_recipes() -> list[str]:
    """Names of the recipes of detectors in the package.

    Returns
    -------
    list of str

    See Also
    --------
    mammorisk.fit : Fits a detector on annotated exams.

    Examples
    --------
    >>> from mammorisk.findings.recipe import findings_recipes
    >>> findings_recipes()
    ['findings-sim', 'lesion-frcnn-2021', 'microcalc-frcnn-2025']
    """
    return recipe_names(_FOLDER)


def load_findings_recipe(recipe: str | Path | FindingsRecipe, **changes: Any) -> FindingsRecipe:
    """Load a recipe by name or from a YAML file, and apply changes.

    Parameters
    ----------
    recipe : str, path or FindingsRecipe
    **changes
        Fields to replace. Nested fields use double underscores: ``rcnn__steps=20``.

    Raises
    ------
    RecipeError
        There is no such name or file, or a field is unknown or out of range.
    """
    if isinstance(recipe, FindingsRecipe):
        data = recipe.model_dump()
    else:
        data = read_recipe(recipe, _FOLDER, purpose=" for annotated exams")
    return make_recipe(FindingsRecipe, data, changes)
