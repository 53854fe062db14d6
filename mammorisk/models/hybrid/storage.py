"""A hybrid model as a folder: written, and read without pickle."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from mammorisk.errors import ModelError
from mammorisk.inputs.scaling import Scaling
from mammorisk.metrics.recalibration import Recalibration
from mammorisk.models.hybrid.domain_guard import DomainGuard
from mammorisk.models.hybrid.model import HybridModel
from mammorisk.models.recipe import Recipe, load_recipe
from mammorisk.models.storage import WEIGHTS, card_from, plain, under, write_model_folder
from mammorisk.networks.encoders import make_encoder
from mammorisk.networks.hybrid import HeadSettings, HybridHead

#: Of a folder's configuration.
KIND = "network"


def save_model(model: HybridModel, folder: Path) -> Path:
    """Write a model folder with its card; an earlier model there is replaced.

    Raises
    ------
    OutputError
        The folder holds something else, or cannot be written.
    """
    tensors = {f"head.{name}": value for name, value in model.head.state_dict().items()}
    if model.encoder is not None:
        tensors |= {f"encoder.{k}": v for k, v in model.encoder.state_dict().items()}
    if model.guard is not None:
        tensors["guard.mean"] = torch.from_numpy(model.guard.mean)
        tensors["guard.precision"] = torch.from_numpy(model.guard.precision)
        tensors["guard.limits"] = torch.from_numpy(model.guard.limits)
    if model.covariance is not None:
        tensors["covariance"] = torch.from_numpy(model.covariance)
    config = {
        "kind": KIND,
        "name": model.card.name,
        "recipe": model.recipe.model_dump(mode="json"),
        "head": model.head.settings.model_dump(),
        "scalings": {name: one.to_dict() for name, one in model.scalings.items()},
        "recalibrates_baseline": model.recalibrates_baseline,
        "recalibration": {str(h): one.to_dict() for h, one in model.recalibration.items()},
        "card": asdict(model.card),
        "training": model.training,
    }
    return write_model_folder(folder, config, tensors, texts={"README.md": card_text(model)})


def card_text(model: HybridModel) -> str:
    """The model card as Markdown."""
    card = model.card
    lines = [
        f"# {card.title}",
        "",
        "Research software, not a medical device: do not use for care.",
        "",
        f"- **Intended use.** {card.intended_use}",
        f"- **Training data.** {card.training_data}",
        f"- **Limits.** {card.limits}",
        f"- **Inputs.** {', '.join(card.inputs)}",
        f"- **Outcome.** {card.outcome}; horizons: {card.horizons}",
        f"- **Source.** {card.source}",
        f"- **Licence.** {card.licence}",
        "",
        "```json",
        json.dumps(model.training, indent=1, default=plain),
        "```",
        "",
    ]
    return "\n".join(lines)


def load_network(folder: Path, config: dict[str, Any]) -> HybridModel:
    """A saved model from its folder and its parsed configuration.

    Raises
    ------
    ModelError
        The folder is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        recipe = load_recipe(Recipe(**config["recipe"]))
        head = HybridHead(HeadSettings(**config["head"]))
        tensors = load_file(folder / WEIGHTS)
        head.load_state_dict(under(tensors, "head."))
        encoder = None
        if head.settings.n_features:
            size = (recipe.image.rows, recipe.image.columns)
            encoder = make_encoder(recipe.encoder.name, pretrained=False, size=size)
            encoder.load_state_dict(under(tensors, "encoder."))
            encoder.eval()
        guard = None
        if "guard.mean" in tensors:
            guard = DomainGuard(
                mean=tensors["guard.mean"].numpy(),
                precision=tensors["guard.precision"].numpy(),
                limits=tensors["guard.limits"].numpy(),
            )
        return HybridModel(
            recipe=recipe,
            card=card_from(config["card"]),
            encoder=encoder,
            head=head.eval(),
            scalings={k: Scaling.from_dict(v) for k, v in config["scalings"].items()},
            guard=guard,
            covariance=tensors["covariance"].numpy() if "covariance" in tensors else None,
            recalibration={
                int(h): Recalibration.from_dict(one) for h, one in config["recalibration"].items()
            },
            recalibrates_baseline=bool(config["recalibrates_baseline"]),
            training=config["training"],
        )
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ModelError(
            f"the model is damaged ({type(error).__name__})",
            where=folder.name,
            remedy="Save or download it again.",
        ) from None
