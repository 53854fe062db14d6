"""Reading a saved survival model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mammorisk._utils.model_folder import WEIGHTS, damaged
from mammorisk.metrics.recalibration import Recalibration
from mammorisk.risk_models.hybrid.domain_guard import DomainGuard
from mammorisk.risk_models.hybrid.training_origin import TrainingOrigin
from mammorisk.risk_models.on_embeddings.encoder_record import EncoderRecord
from mammorisk.risk_models.recipe import Recipe, load_recipe
from mammorisk.risk_models.storage import card_from, under
from mammorisk.risk_models.survival.design import Design
from mammorisk.risk_models.survival.model import SurvivalModel
from mammorisk.risk_models.survival.predictors import predictor_from


def load_survival(folder: Path, config: dict[str, Any]) -> SurvivalModel:
    """Load a saved model from its folder and its parsed configuration.

    Raises
    ------
    ModelError
        The folder is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        recipe = load_recipe(Recipe(**config["recipe"]))
        arrays = load_file(folder / WEIGHTS)
        design = Design.from_saved(config["design"], under(arrays, "design."))
        if design.columns != config["columns"]:
            raise ValueError("the columns are not those of the design")
        guard = under(arrays, "guard.")
        return SurvivalModel(
            recipe=recipe,
            card=card_from(config),
            design=design,
            predictor=predictor_from(recipe.kind, under(arrays, "predictor."), len(design.columns)),
            recalibration={
                int(h): Recalibration.from_dict(one) for h, one in config["recalibration"].items()
            },
            embeddings=(
                EncoderRecord.from_dict(config["embeddings"]) if config["embeddings"] else None
            ),
            guard=DomainGuard(**guard) if guard else None,
            origin=TrainingOrigin.from_dict(config["origin"]) if config["origin"] else None,
            training=config["training"],
        )
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, IndexError) as error:
        raise damaged(folder, error) from None
