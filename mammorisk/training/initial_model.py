"""The model with which a fit starts, and the recipe that goes with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mammorisk.errors import TrainingError
from mammorisk.risk_models.recipe import Recipe, load_recipe

if TYPE_CHECKING:
    from mammorisk.risk_models.hybrid.model import HybridModel
    from mammorisk.risk_models.mirai.model import MiraiModel

#: Fields of a recipe that an error names.
_FIELDS_NAMED = 5


def initial_model(
    init: str | Path | HybridModel | MiraiModel | None,
) -> HybridModel | MiraiModel | None:
    """Return the initial model of a fit, loaded if it is a name or a folder.

    Raises
    ------
    TrainingError
        It is not a network.
    """
    if init is None:
        return None
    # Imported here, so that ``mammorisk.fit`` is available without torch.
    from mammorisk.risk_models.hybrid.model import HybridModel
    from mammorisk.risk_models.mirai.model import MiraiModel
    from mammorisk.risk_models.registry import load_model

    model = load_model(init) if isinstance(init, (str, Path)) else init
    if not isinstance(model, (HybridModel, MiraiModel)):
        name = getattr(model, "name", type(model).__name__)
        raise TrainingError(
            f"{name} is not a network and cannot be used as init",
            where="init",
            remedy="Give the folder of a fitted network, or leave out init.",
        )
    return model


def chosen_recipe(
    recipe: str | Path | Recipe | None,
    begin: HybridModel | MiraiModel | None,
    changes: Mapping[str, Any],
) -> Recipe:
    """Return the recipe of a fit with its changes.

    Parameters
    ----------
    recipe : str, path, Recipe or None
        None for that of the initial model, or ``"hybrid"`` without one.
    begin : HybridModel, MiraiModel or None
    changes : mapping of str to object

    Raises
    ------
    RecipeError
        As :func:`~mammorisk.risk_models.recipe.load_recipe`.
    TrainingError
        The recipe is not that of the initial model.
    """
    if begin is None:
        return load_recipe("hybrid" if recipe is None else recipe, **changes)
    from mammorisk.risk_models.mirai.model import MiraiModel

    if isinstance(begin, MiraiModel):
        return _mirai_recipe(recipe, begin, changes)
    used = load_recipe(begin.recipe, **changes)
    if recipe is None:
        return used
    other = load_recipe(recipe, **changes)
    if other == used:
        return used
    found = list(_differences(other.model_dump(), used.model_dump()))
    more = " ..." if len(found) > _FIELDS_NAMED else ""
    raise TrainingError(
        f"the recipe {other.name} is not that of the initial model {begin.name}; they differ in "
        f"{', '.join(found[:_FIELDS_NAMED])}{more}",
        where="recipe",
        remedy="Leave out recipe and change single fields of the recipe of init, such as "
        "training__epochs=3; or leave out init.",
    )


def _mirai_recipe(
    recipe: str | Path | Recipe | None, begin: MiraiModel, changes: Mapping[str, Any]
) -> Recipe:
    """The recipe of a fit that starts from a Mirai model, which has none of its own."""
    settings = begin.transformer.settings
    fixed = {"rows": begin.rows, "columns": begin.columns}
    fixed |= {name: getattr(settings, name) for name in ("width", "heads", "layers", "pool")}
    given = dict(changes)
    if recipe is None:
        own = {**fixed, "dropout": settings.dropout}
        given = {f"mirai__{name}": value for name, value in own.items()} | given
    if recipe in (None, "mirai"):
        # With given weights the encoder is trained only if epochs are requested.
        given = {"mirai__encoder_epochs": 0} | given
    chosen = load_recipe("mirai" if recipe is None else recipe, **given)
    check_start(begin, chosen, fresh_head=False)
    options = chosen.mirai
    others = [
        f"mirai.{name} ({getattr(options, name)}, in the initial model {value})"
        for name, value in fixed.items()
        if getattr(options, name) != value
    ]
    if others:
        raise TrainingError(
            f"the recipe {chosen.name} is not that of the initial model {begin.name}; they differ "
            f"in {', '.join(others)}",
            where="recipe",
            remedy="Leave out recipe and these fields; or leave out init.",
        )
    return chosen


def _differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[str]:
    """Names of the fields with different values, with dots for nested ones."""
    for name in dict.fromkeys((*one, *other)):
        mine, theirs = one.get(name), other.get(name)
        if mine == theirs:
            continue
        if isinstance(mine, dict) and isinstance(theirs, dict):
            yield from (f"{name}.{inner}" for inner in _differences(mine, theirs))
        else:
            yield name


def check_start(begin: HybridModel | MiraiModel | None, recipe: Recipe, fresh_head: bool) -> None:
    """Refuse an initial model of another kind or with a head for another pooling.

    ``fresh_head`` is refused where no encoder is kept.

    Raises
    ------
    TrainingError
    """
    if begin is not None and (kind := _kind_of(begin)) != recipe.kind:
        raise TrainingError(
            f"the model {begin.name}, of the kind {kind}, cannot be the start of a fit with the "
            f"recipe {recipe.name}, of the kind {recipe.kind}",
            where="init",
            remedy="Use a recipe of the same kind of model, or leave out init.",
        )
    if begin is not None and not fresh_head and _pooling(begin) != recipe.encoder.pooling:
        raise TrainingError(
            f"the features of {begin.name} have the pooling {_pooling(begin)!r}, and the recipe "
            f"{recipe.encoder.pooling!r}: its head is for other features",
            where="encoder.pooling",
            remedy="Use fresh_head=True, which keeps the encoder, or the pooling of init.",
        )
    if fresh_head and not (recipe.kind == "network" and recipe.reads_images):
        raise TrainingError(
            f"the recipe {recipe.name} has no encoder of its own that a new head could use",
            where="fresh_head",
            remedy="Leave it out.",
        )
    if fresh_head and begin is None:
        raise TrainingError(
            "a fit without an initial model has a new head anyway",
            where="fresh_head",
            remedy="Give init, or leave it out.",
        )


def _pooling(begin: HybridModel | MiraiModel) -> str:
    from mammorisk.risk_models.mirai.model import MiraiModel

    return "mean" if isinstance(begin, MiraiModel) else begin.recipe.encoder.pooling


def _kind_of(begin: HybridModel | MiraiModel) -> str:
    from mammorisk.risk_models.mirai.model import MiraiModel
    from mammorisk.risk_models.on_embeddings.hybrid import EmbeddingModel

    if isinstance(begin, MiraiModel):
        return "mirai"
    return "embeddings" if isinstance(begin, EmbeddingModel) else "network"
