"""Models by name: what there is, and how to get one."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING

from mammorisk.clinical import CLINICAL_MODELS, load_clinical
from mammorisk.errors import ModelError, UnknownModel
from mammorisk.risk_model import FORMAT_VERSION, ModelCard, RiskModel

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ModelCard", "RiskModel", "load_model", "models"]


def models() -> pd.DataFrame:
    """Every named model: inputs, horizons, provenance, training data, intended use.

    Returns
    -------
    DataFrame
        Indexed by model name; columns are the fields of :class:`ModelCard`.
    """
    import pandas as pd

    rows = []
    for name in CLINICAL_MODELS:
        row = asdict(load_clinical(name).card)
        row["inputs"] = ", ".join(row["inputs"])
        row["required"] = ", ".join(row["required"])
        row["ages"] = f"{row['ages'][0]:g}-{row['ages'][1]:g}"
        rows.append(row)
    columns = [field.name for field in fields(ModelCard)]
    return pd.DataFrame(rows, columns=columns).set_index("name")


def load_model(name: str | Path) -> RiskModel:
    """A model by name, or from the folder it was saved to.

    Parameters
    ----------
    name : str or path
        A name listed by :func:`models`, or a folder written by ``model.save``.

    Returns
    -------
    RiskModel

    Raises
    ------
    UnknownModel
        Neither a known name nor a folder.
    ModelError
        The folder is damaged, foreign, or of a later format.
    """
    if isinstance(name, str) and name in CLINICAL_MODELS:
        return load_clinical(name)
    folder = Path(name)
    if folder.is_dir():
        return _load_folder(folder)
    raise UnknownModel(
        f"there is no model {str(name)!r}",
        remedy=f"Known: {', '.join(CLINICAL_MODELS)}; or pass the folder of a saved model.",
    )


def _load_folder(folder: Path) -> RiskModel:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        version, name, options = config["format_version"], config["name"], config["options"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"not a model folder of mammorisk ({type(error).__name__})",
            where=f"{folder.name}/config.json",
            remedy="Pass a folder written by model.save.",
        ) from None
    if not isinstance(version, int) or version > FORMAT_VERSION:
        raise ModelError(
            f"the model has format {version!r}, this version reads up to {FORMAT_VERSION}",
            where=folder.name,
            remedy="Upgrade mammorisk.",
        )
    if name not in CLINICAL_MODELS:
        raise UnknownModel(f"the folder holds a model {name!r} that is not known here")
    return load_clinical(name, **options)
