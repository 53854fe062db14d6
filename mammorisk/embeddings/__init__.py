"""Features of views: encoders by name, tables of embeddings, and their checks."""

from typing import Any

# The encoders are below models, which use them. Their names are public here.
from mammorisk.risk_models import encoders as _encoders

__all__ = list(_encoders.__all__)


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(_encoders, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)
