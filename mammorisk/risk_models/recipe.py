"""Recipe: the definition of a model and of its fit, as data."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from mammorisk._utils.recipe_files import make_recipe, read_recipe, recipe_names
from mammorisk.clinical.rated import as_rates, stored_rates
from mammorisk.clinical.rates import Rates
from mammorisk.inputs.standard_exam import ImageSettings
from mammorisk.risk_models.augment_options import AugmentOptions

Kind = Literal[
    "network",
    "density-fit",
    "mirai",
    "embeddings",
    "coxnet",
    "survival-forest",
    "gradient-boosting",
]
#: Kinds that are fitted by scikit-survival.
SURVIVAL_KINDS = ("coxnet", "survival-forest", "gradient-boosting")
Loss = Literal["case_control", "likelihood", "binary_5y"]
Schedule = Literal["one_cycle", "cosine", "constant"]
Precision = Literal["32-true", "bf16-mixed", "16-mixed"]
Split = Literal["patient", "site", "vendor", "time"]


def _stored(rates: Rates | None) -> str | dict[str, Any] | None:
    return None if rates is None else stored_rates(rates)


class BaselineSettings(BaseModel):
    """The published models of a :class:`~mammorisk.clinical.baseline.PublishedBaseline`.

    Attributes
    ----------
    incidence, density, questionnaire : str
    rates : Rates or None
        Incidence and mortality in place of the published ones. In a file: the name of a set, or the
        path of a table that states its own units.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    incidence: str = "average"
    density: str | None = "density-only"
    questionnaire: str | None = "icare-lit"
    rates: Annotated[Rates | None, BeforeValidator(as_rates), PlainSerializer(_stored)] = None


class EncoderSettings(BaseModel):
    """The network of one view.

    Attributes
    ----------
    name : str
        ``"compact"`` or a model of timm.
    pretrained : bool
        Start from timm's published weights, which are downloaded.
    frozen : bool
        Do not train the encoder. Features are computed once and only the head is trained.
    frozen_layers : int
        Number of groups of layers, counted from the input, that are not trained.
    pooling : {"mean", "statistics"}
        Pooling of the places of a view. ``"mean"``: that of the network, for most the mean of the
        last maps. ``"statistics"``: mean and standard deviation over the breast of the maps of all
        stages, which keeps fine texture; the head then standardises each feature.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "compact"
    pretrained: bool = False
    frozen: bool = False
    frozen_layers: int = Field(default=0, ge=0)
    pooling: Literal["mean", "statistics"] = "mean"

    @model_serializer(mode="wrap")
    def _without_default(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # Digests of the configurations of earlier models, which have no such field, stay.
        return {k: v for k, v in dump(self).items() if (k, v) != ("pooling", "mean")}


class HeadOptions(BaseModel):
    """Size and regularisation of the head.

    Attributes
    ----------
    width : int
        Number of features of an exam.
    dropout : float
    interactions : bool
        Add an interaction of image and questionnaire, reported as its own contribution.
    competing_death : bool
        Also model death from other causes (only without a published baseline).
    members : int
        Number of heads, whose contributions are averaged. With more than one, each is trained on
        its own bootstrap sample of the women.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    width: int = Field(default=64, ge=4, le=1024)
    dropout: float = Field(default=0.1, ge=0, lt=1)
    interactions: bool = False
    competing_death: bool = False
    members: int = Field(default=1, ge=1, le=50)


class MiraiOptions(BaseModel):
    """Size and fit of Mirai's two networks. The defaults are the published values.

    Attributes
    ----------
    rows, columns : int
        Size of the encoder's input in pixels.
    pretrained : bool
        Start the encoder from ImageNet weights, which are downloaded.
    width, heads, layers : int
        Size of the transformer.
    pool : str
        Pooling of the views.
    dropout : float
        Dropout of attention scores.
    encoder_epochs : int
        Epochs of phase 1. With 0 the encoder is not trained.
    encoder_batch_size, encoder_learning_rate
    transformer_epochs, transformer_batch_size, transformer_learning_rate
        Options of phase 2.
    weight_decay : float
    risk_factor_weight : float
        Weight of the loss of predicted risk factors.
    augment : bool
        Flip views vertically and rotate them in phase 1.
    adversary : bool
        Train against a network that predicts the device from the features (phase 2).
    adversary_steps : int
        Mini-batches for the adversary before each mini-batch for the network.
    adversary_weight : float

    See Also
    --------
    mammorisk.Recipe : The whole recipe.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: int = Field(default=2048, ge=64, le=4096)
    columns: int = Field(default=1664, ge=64, le=4096)
    pretrained: bool = True
    width: int = Field(default=512, ge=4)
    heads: int = Field(default=8, ge=1)
    layers: int = Field(default=1, ge=1)
    pool: Literal["GlobalMaxPool", "GlobalAvgPool", "Simple_AttentionPool"] = "GlobalMaxPool"
    dropout: float = Field(default=0.0, ge=0, lt=1)
    encoder_epochs: int = Field(default=15, ge=0)
    encoder_batch_size: int = Field(default=32, ge=2)
    encoder_learning_rate: float = Field(default=1e-4, gt=0, le=1)
    transformer_epochs: int = Field(default=15, ge=1)
    transformer_batch_size: int = Field(default=64, ge=2)
    transformer_learning_rate: float = Field(default=1e-3, gt=0, le=1)
    weight_decay: float = Field(default=5e-5, ge=0)
    risk_factor_weight: float = Field(default=0.2, ge=0)
    augment: bool = True
    adversary: bool = False
    adversary_steps: int = Field(default=3, ge=1)
    adversary_weight: float = Field(default=1.0, ge=0)


class EmbeddingOptions(BaseModel):
    """The embeddings on which a model is fitted.

    Attributes
    ----------
    encoder : str or None
        Name of the encoder that the embeddings must be of. None for any.
    complete : bool
        Use the images of an exam only if it has all four standard views.
    missing_share : float
        Largest share of exams of a fit without (complete) embeddings; above it the fit stops with
        an error.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    encoder: str | None = None
    complete: bool = False
    missing_share: float = Field(default=0.05, ge=0, le=1)


class SurvivalOptions(BaseModel):
    """Options of a model of scikit-survival.

    Attributes
    ----------
    components : int or None
        Number of principal components of the embeddings that are used. None uses the features
        themselves.
    folds, inner_folds : int
        Folds by woman: those that give the risks for the calibration, and within each the folds
        that choose the tuning parameter.
    l1_ratio : float
        Coxnet: share of the lasso in the penalty.
    penalties : int
        Coxnet: number of penalties on the path.
    trees : int
        Survival forest: number of trees. Gradient boosting: largest number of trees.
    leaf_sizes : tuple of int
        Survival forest: smallest numbers of training women in a leaf from which one is chosen.
    depth : int
        Gradient boosting: depth of a tree.
    learning_rate, subsample : float
        Gradient boosting: share of a Newton step, and share of the women for each tree.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    components: int | None = Field(default=16, ge=1)
    folds: int = Field(default=5, ge=2, le=20)
    inner_folds: int = Field(default=3, ge=2, le=20)
    l1_ratio: float = Field(default=0.5, gt=0, le=1)
    penalties: int = Field(default=40, ge=2, le=200)
    trees: int = Field(default=100, ge=1, le=2000)
    leaf_sizes: tuple[int, ...] = Field(default=(10, 30, 90), min_length=1)
    depth: int = Field(default=2, ge=1, le=8)
    learning_rate: float = Field(default=0.1, gt=0, le=1)
    subsample: float = Field(default=0.5, gt=0, le=1)


class TrainingOptions(BaseModel):
    """Options of the training.

    Attributes
    ----------
    loss : {"case_control", "likelihood", "binary_5y"}
        Cross-entropy of the event over the whole follow-up, which accounts for the sampling of
        women; the weighted likelihood of the follow-up (needed for death as a competing cause); or
        the cross-entropy of cancer within five years with inverse probability of censoring weights.
    epochs : int
    batch_size : int
        Exams of a batch, over all devices.
    learning_rate, weight_decay : float
    encoder_learning_rate : float or None
        Learning rate of the encoder, if it differs from that of the head.
    layer_decay : float
        Factor of the learning rate from each group of layers of the encoder to the one before it.
    schedule : {"one_cycle", "cosine", "constant"}
        Learning rates after the warm-up: to almost 0 (one_cycle), along a cosine to 1% (cosine), or
        constant.
    warm_up : float
        Share of the steps in which the learning rates rise.
    ema_decay : float
        Decay of the exponential moving average of the weights, a step. The averaged weights are
        validated and kept. 0 disables it.
    head_epochs : int
        Epochs of the head alone, on features of the trained encoder. 0 skips this stage.
    head_weight_decay : float
    modality_dropout : float
        Share of women whose acquisition or questionnaire is masked in a step.
    view_task : float
        Weight of an auxiliary task: the risk from a random subset of the views is fitted to the
        risk from all views. 0 disables it.
    augment : bool
        Change the views at random; see ``augmentation`` of the recipe.
    density_task : float
        Weight of an auxiliary task, the measured percent density of each view. 0 disables it.
    balanced : bool
        Draw women with and without cancer equally often. Weights keep the population's rates.
    patience : int
        Epochs without improvement of the validation loss before stopping; 0 never stops early.
    validation_share : float
        Share of the women in validation if the cohort has no column ``split``.
    accumulate_batches : int
        Batches of a step of the optimizer.
    precision : {"32-true", "bf16-mixed", "16-mixed"}
        Single precision; automatic bfloat16, on processors and GPUs; or float16, on GPUs.
    channels_last : bool
        Store the channels of a pixel together, which is faster for convolutions.
    gradient_checkpointing : bool
        Compute the activations of the encoder twice instead of storing them: less memory, more
        time. Running statistics of batch normalisation are updated twice a step.
    unreadable_share : float
        Largest share of exams that may be unreadable; above it the fit stops with an error.

    See Also
    --------
    mammorisk.Recipe : The whole recipe.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    loss: Loss = "case_control"
    epochs: int = Field(default=10, ge=1)
    batch_size: int = Field(default=32, ge=1)
    learning_rate: float = Field(default=2e-3, gt=0, le=1)
    weight_decay: float = Field(default=0.02, ge=0)
    encoder_learning_rate: float | None = Field(default=None, gt=0, le=1)
    layer_decay: float = Field(default=1.0, gt=0, le=1)
    schedule: Schedule = "one_cycle"
    warm_up: float = Field(default=0.15, gt=0, lt=1)
    ema_decay: float = Field(default=0.0, ge=0, lt=1)
    head_epochs: int = Field(default=20, ge=0)
    head_learning_rate: float = Field(default=5e-4, gt=0, le=1)
    head_weight_decay: float = Field(default=0.1, ge=0)
    modality_dropout: float = Field(default=0.2, ge=0, lt=1)
    view_task: float = Field(default=0.3, ge=0)
    augment: bool = True
    density_task: float = Field(default=0.5, ge=0)
    balanced: bool = False
    patience: int = Field(default=0, ge=0)
    validation_share: float = Field(default=0.15, gt=0, lt=0.9)
    split_by: Split = "patient"
    accumulate_batches: int = Field(default=1, ge=1)
    precision: Precision = "32-true"
    channels_last: bool = False
    gradient_checkpointing: bool = False
    unreadable_share: float = Field(default=0.05, ge=0, le=1)


class Recipe(BaseModel):
    """The definition of a model and of its fit. Immutable.

    Attributes
    ----------
    name, title, source : str
        ``source`` is the paper that the recipe follows.
    kind : str
        ``"network"``; ``"density-fit"``: a regression on age and density; ``"mirai"``: Mirai's two
        networks; ``"embeddings"``: the hybrid head on embeddings; ``"coxnet"``,
        ``"survival-forest"`` or ``"gradient-boosting"``: a model of scikit-survival, with or
        without embeddings.
    modalities : tuple of str
        Any of ``"image"``, ``"acquisition"`` and ``"questionnaire"``.
    priors : bool
        Use the prior exam if there is one.
    baseline : BaselineSettings or None
        Published baseline. With None the baseline is learned from the cohort.
    image : ImageSettings
    encoder : EncoderSettings
        Of the kind ``"network"``.
    head : HeadOptions
    training : TrainingOptions
    augmentation : AugmentOptions
    mirai : MiraiOptions or None
        Options of the kind ``"mirai"``.
    embeddings : EmbeddingOptions or None
        Options of the kind ``"embeddings"`` and of those of scikit-survival.
    survival : SurvivalOptions or None
        Options of the kinds of scikit-survival.
    seed : int

    See Also
    --------
    mammorisk.fit : Fits the model of a recipe.

    Examples
    --------
    >>> from mammorisk.risk_models.recipe import load_recipe
    >>> recipe = load_recipe("hybrid", training__epochs=3)
    >>> recipe.kind, recipe.training.epochs
    ('network', 3)
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    kind: Kind = "network"
    title: str = ""
    source: str = ""
    modalities: tuple[Literal["image", "acquisition", "questionnaire"], ...] = (
        "image",
        "acquisition",
        "questionnaire",
    )
    priors: bool = False
    baseline: BaselineSettings | None = BaselineSettings()
    image: ImageSettings = ImageSettings()
    encoder: EncoderSettings = EncoderSettings()
    head: HeadOptions = HeadOptions()
    training: TrainingOptions = TrainingOptions()
    augmentation: AugmentOptions = AugmentOptions()
    mirai: MiraiOptions | None = None
    embeddings: EmbeddingOptions | None = None
    survival: SurvivalOptions | None = None
    seed: int = 1

    @property
    def reads_images(self) -> bool:
        """Whether a fit reads images; recipes on embeddings and tables do not."""
        return self.kind == "mirai" or (self.kind == "network" and "image" in self.modalities)

    @property
    def takes_embeddings(self) -> bool:
        """Whether a fit uses embeddings as the images of its exams."""
        return self.embeddings is not None and "image" in self.modalities

    @model_validator(mode="after")
    def _parts_fit(self) -> Recipe:
        if self.head.competing_death and (
            self.baseline is not None or self.training.loss != "likelihood"
        ):
            raise ValueError(
                "head.competing_death needs baseline: null and training.loss: likelihood"
            )
        if "acquisition" in self.modalities and "image" not in self.modalities:
            raise ValueError("acquisition qualifies the image: modalities need image too")
        if (self.kind == "mirai") != (self.mirai is not None):
            raise ValueError("kind: mirai and the part mirai belong together")
        if not self.modalities:
            raise ValueError("modalities are empty")
        is_survival = self.kind in SURVIVAL_KINDS
        if is_survival != (self.survival is not None):
            raise ValueError("the part survival belongs to the kinds of scikit-survival")
        if (self.kind == "embeddings" or is_survival) != (self.embeddings is not None):
            raise ValueError("the part embeddings belongs to the kinds that use embeddings")
        if self.kind == "embeddings" and (self.priors or "image" not in self.modalities):
            raise ValueError("kind: embeddings needs the modality image, and has no priors")
        if self.kind != "network" and self.encoder != EncoderSettings():
            raise ValueError(f"the part encoder belongs to kind: network, not to {self.kind}")
        if is_survival and self.baseline is not None:
            raise ValueError("a model of scikit-survival learns its baseline: baseline is null")
        return self


_FOLDER = files("mammorisk.risk_models") / "recipes"


def recipes() -> list[str]:
    """Names of the recipes in the package."""
    return recipe_names(_FOLDER)


def load_recipe(recipe: str | Path | Recipe, **changes: Any) -> Recipe:
    """Load a recipe by name or from a YAML file, and apply changes.

    Parameters
    ----------
    recipe : str, path or Recipe
        A name from :func:`recipes`, a file, or a recipe.
    **changes
        Fields to replace. Nested fields use double underscores: ``training__epochs=3``.

    Returns
    -------
    Recipe

    Raises
    ------
    RecipeError
        There is no such name or file, the file is not a recipe, or a field is unknown or out of
        range.
    """
    data = recipe.model_dump() if isinstance(recipe, Recipe) else read_recipe(recipe, _FOLDER)
    return make_recipe(Recipe, data, changes)
