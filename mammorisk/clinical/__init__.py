"""Published risk models from questionnaire, density and family history. Never loads torch."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mammorisk.errors import ModelError, UnknownModel

if TYPE_CHECKING:
    from mammorisk.clinical.scoring import ClinicalModel

#: Name -> (module, class); a module is imported when its model is first asked for.
CLINICAL_MODELS: dict[str, tuple[str, str]] = {
    "bcrat": ("mammorisk.clinical.bcrat", "Bcrat"),
    "icare-lit": ("mammorisk.clinical.icare_lit", "IcareLit"),
    "bcsc-2008": ("mammorisk.clinical.bcsc2008", "Bcsc2008"),
    "bcsc-2006": ("mammorisk.clinical.bcsc2006", "Bcsc2006"),
    "density-only": ("mammorisk.clinical.density_only", "DensityOnly"),
    "claus-1994": ("mammorisk.clinical.claus", "Claus"),
    "average": ("mammorisk.clinical.average", "Average"),
}


def load_clinical(name: str, **options: Any) -> ClinicalModel:
    """A published model by name.

    Parameters
    ----------
    name : str
        A key of :data:`CLINICAL_MODELS`.
    **options
        Those of the model's class, e.g. ``rates="white_1995_2003"`` for ``bcrat``.

    Returns
    -------
    ClinicalModel

    Raises
    ------
    UnknownModel
        No model of that name.
    ModelError
        An option the model does not have, or a value it does not take.
    """
    try:
        module, cls = CLINICAL_MODELS[name]
    except KeyError:
        raise UnknownModel(
            f"there is no clinical model {name!r}", remedy=f"Known: {', '.join(CLINICAL_MODELS)}."
        ) from None
    model = getattr(import_module(module), cls)
    unknown = sorted(set(options) - set(model.option_names()))
    if unknown:
        raise ModelError(
            f"{name} has no option {', '.join(unknown)}",
            remedy=f"Its options: {', '.join(model.option_names()) or 'none'}.",
        )
    loaded: ClinicalModel = model(**options)
    return loaded
