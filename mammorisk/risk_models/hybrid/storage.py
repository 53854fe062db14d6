"""Reading a saved hybrid model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mammorisk._utils.model_folder import WEIGHTS, damaged
from mammorisk.inputs.scaling import Scaling
from mammorisk.metrics.recalibration import Recalibration
from mammorisk.networks.encoders import make_encoder
from mammorisk.networks.head_ensemble import HeadEnsemble
from mammorisk.networks.hybrid import HeadSettings, HybridHead
from mammorisk.risk_models.hybrid.domain_guard import DomainGuard
from mammorisk.risk_models.hybrid.model import HybridModel
from mammorisk.risk_models.hybrid.risk_interval import RiskInterval
from mammorisk.risk_models.hybrid.training_origin import TrainingOrigin
from mammorisk.risk_models.hybrid.view_sets import ViewSets
from mammorisk.risk_models.recipe import Recipe, load_recipe
from mammorisk.risk_models.storage import card_from, under


def load_network(folder: Path, config: dict[str, Any]) -> HybridModel:
    """Load a saved model from its folder and its parsed configuration.

    Raises
    ------
    ModelError
        The folder is damaged.
    """
    return read_network(folder, config, with_encoder=True)


def read_network(folder: Path, config: dict[str, Any], *, with_encoder: bool) -> HybridModel:
    """Load a saved model.

    Parameters
    ----------
    folder : Path
    config : dict
    with_encoder : bool
        False: the encoder is not part of the model.

    Raises
    ------
    ModelError
        The folder is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        recipe = load_recipe(Recipe(**config["recipe"]))
        settings = HeadSettings(**config["head"])
        head = HeadEnsemble([HybridHead(settings) for _ in range(int(config["members"]))])
        tensors = load_file(folder / WEIGHTS)
        head.load_state_dict(under(tensors, "head."))
        encoder = None
        if head.settings.n_features and with_encoder:
            size = (recipe.image.rows, recipe.image.columns)
            encoder = make_encoder(
                recipe.encoder.name, pretrained=False, size=size, pooling=recipe.encoder.pooling
            )
            encoder.load_state_dict(under(tensors, "encoder."))
            encoder.eval()
        guard = None
        if "guard.mean" in tensors:
            arrays = {name: value.numpy() for name, value in under(tensors, "guard.").items()}
            guard = DomainGuard(**arrays)
        return HybridModel(
            recipe=recipe,
            card=card_from(config),
            encoder=encoder,
            head=head.eval(),
            scalings={k: Scaling.from_dict(v) for k, v in config["scalings"].items()},
            guard=guard,
            origin=TrainingOrigin.from_dict(config["origin"]) if config["origin"] else None,
            view_sets=ViewSets.from_dict(config["view_sets"]) if config["view_sets"] else None,
            interval=RiskInterval.from_dict(config["interval"]) if config["interval"] else None,
            recalibration={
                int(h): Recalibration.from_dict(one) for h, one in config["recalibration"].items()
            },
            training=config["training"],
        )
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise damaged(folder, error) from None
