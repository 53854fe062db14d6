"""Published models by name."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mammorisk.errors import ModelError, UnknownModel

if TYPE_CHECKING:
    from mammorisk.clinical.scoring import ClinicalModel

#: Name -> (module, class). A module is imported when its model is first loaded.
CLINICAL_MODELS: dict[str, tuple[str, str]] = {
    "bcrat": ("mammorisk.clinical.bcrat", "Bcrat"),
    "icare-lit": ("mammorisk.clinical.icare_lit", "IcareLit"),
    "bcsc-2008": ("mammorisk.clinical.bcsc2008", "Bcsc2008"),
    "bcsc-2006": ("mammorisk.clinical.bcsc2006", "Bcsc2006"),
    "density-only": ("mammorisk.clinical.density_only", "DensityOnly"),
    "claus-1994": ("mammorisk.clinical.claus", "Claus"),
    "average": ("mammorisk.clinical.average", "Average"),
}

#: Models whose incidence and mortality can be replaced.
RATED_MODELS: tuple[str, ...] = ("bcrat", "icare-lit", "bcsc-2008", "density-only", "average")


def load_clinical(name: str, **options: Any) -> ClinicalModel:
    """Load a published model by name.

    Parameters
    ----------
    name : str
        A key of :data:`CLINICAL_MODELS`.
    **options
        Options of the model's class, such as ``rates="white_1995_2003"`` for ``bcrat``.

    Returns
    -------
    ClinicalModel
        The model, ready to score a table.

    Raises
    ------
    UnknownModel
        There is no model with that name.
    ModelError
        The model does not have the option, or does not accept its value.

    See Also
    --------
    mammorisk.load_model : Loads networks and saved models too.

    Examples
    --------
    >>> from mammorisk.clinical import load_clinical
    >>> load_clinical("bcrat", age_range="formula").ages
    (20, 89)
    """
    try:
        module, cls = CLINICAL_MODELS[name]
    except KeyError:
        raise UnknownModel(
            f"there is no clinical model {name!r}",
            remedy=f"Known: {', '.join(CLINICAL_MODELS)}.",
        ) from None
    model = getattr(import_module(module), cls)
    unknown = sorted(set(options) - set(model.option_names()))
    if unknown:
        remedy = f"Its options: {', '.join(model.option_names()) or 'none'}."
        if "rates" in unknown:
            remedy += f" It holds no incidence to replace; {', '.join(RATED_MODELS)} do."
        raise ModelError(f"{name} has no option {', '.join(unknown)}", remedy=remedy)
    loaded: ClinicalModel = model(**options)
    return loaded
