"""The card of a fitted model as Markdown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mammorisk._utils.model_folder import plain
from mammorisk.base import ModelCard


def card_text(card: ModelCard, training: Mapping[str, Any]) -> str:
    """The model card and the record of the training as Markdown."""
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
        json.dumps(training, indent=1, default=plain),
        "```",
        "",
    ]
    return "\n".join(lines)
