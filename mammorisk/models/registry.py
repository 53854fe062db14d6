"""Models by name: what there is, and how to get one."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mammorisk.base import FORMAT_VERSION, ImageModel, ModelCard, RiskModel
from mammorisk.clinical import CLINICAL_MODELS, load_clinical
from mammorisk.errors import BackendError, ModelError, UnknownModel
from mammorisk.models.hub import PREFIX
from mammorisk.models.mirai.card import CARD as MIRAI

if TYPE_CHECKING:
    import pandas as pd

#: Networks that come with the package.
BUNDLED = {"hybrid": Path(__file__).parent / "weights" / "hybrid"}

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
    clinical = (load_clinical(name).card for name in CLINICAL_MODELS)
    for card in (*clinical, *_bundled_cards(), MIRAI):
        row = asdict(card)
        row["inputs"] = ", ".join(row["inputs"])
        row["required"] = ", ".join(row["required"])
        row["ages"] = f"{row['ages'][0]:g}-{row['ages'][1]:g}"
        rows.append(row)
    columns = [field.name for field in fields(ModelCard)]
    return pd.DataFrame(rows, columns=columns).set_index("name")


def load_model(
    name: str | Path, *, weights: str | Path | None = None, backend: str = "auto"
) -> RiskModel:
    """A model by name, or from the folder it was saved to.

    Parameters
    ----------
    name : str or path
        A name listed by :func:`models`, a folder written by ``model.save``, or ``hf://owner/name``
        for a model on the Hugging Face hub.
    weights : path, optional
        For ``"mirai"`` alone: the folder that ``mammorisk convert mirai`` wrote. Without it the
        one in the user's cache, which is fetched and converted the first time; see
        :func:`mammorisk.models.mirai.download.fetch_mirai`.
    backend : str
        What runs the encoder of a model that reads images: ``"auto"``, ``"torch"``,
        ``"torch-bfloat16"``, ``"torch-compile"``, ``"openvino"``, ``"openvino-bfloat16"`` or
        ``"cuda"``.

    Returns
    -------
    RiskModel

    Raises
    ------
    UnknownModel
        Neither a known name nor a folder.
    ModelError
        The folder is damaged, foreign, or of a later format.
    BackendError
        There is no such backend here, or the model has no network to run on it.
    """
    return _on_backend(_find(name, weights), backend)


def _find(name: str | Path, weights: str | Path | None) -> RiskModel:
    if isinstance(name, str) and name in CLINICAL_MODELS:
        return load_clinical(name)
    if weights is not None and name != "mirai":
        raise ModelError(
            f"{str(name)!r} takes no weights",
            remedy="Pass the folder of a saved model as its name.",
        )
    if name == "mirai" and (weights is not None or not Path("mirai", "config.json").is_file()):
        return _load_converted(weights)
    if isinstance(name, str) and name.startswith(PREFIX):
        from mammorisk.models.hub import fetch_model

        return _load_folder(fetch_model(name))
    folder = BUNDLED[name] if isinstance(name, str) and name in BUNDLED else Path(name)
    if folder.is_dir():
        return _load_folder(folder)
    raise UnknownModel(
        f"there is no model {str(name)!r}",
        remedy=f"Known: {', '.join((*CLINICAL_MODELS, *BUNDLED, 'mirai'))}; or pass the folder of "
        "a saved model.",
    )


def _on_backend(model: RiskModel, backend: str) -> RiskModel:
    if backend == "auto":
        return model
    if not isinstance(model, ImageModel) or not model.uses_images:
        raise BackendError(
            f"{model.name} has no network to run on {backend!r}", remedy='Use backend="auto".'
        )
    found = model.on_backend(backend)
    # Now, not at the first exam: a name that is not known must not cost a night.
    assert found.backend_used is not None
    return found


def _load_converted(weights: str | Path | None) -> RiskModel:
    """Mirai from where it was converted to; its weights are not ours to ship."""
    if weights is None:
        from mammorisk.models.mirai.download import fetch_mirai

        return _load_folder(fetch_mirai())
    if not Path(weights).is_dir():
        raise UnknownModel(
            "the weights are not a converted folder",
            where=Path(weights).name,
            remedy="mammorisk convert mirai snapshots.zip --out mirai/ makes one.",
        )
    return _load_folder(Path(weights))


def _bundled_cards() -> list[ModelCard]:
    """Cards of networks, read without loading them."""
    cards = []
    for folder in BUNDLED.values():
        told = _config(folder)["card"]
        fixed = {name: tuple(told[name]) for name in ("inputs", "required", "ages")}
        cards.append(ModelCard(**{**told, **fixed}))
    return cards


def _config(folder: Path) -> dict[str, Any]:
    """The configuration of a model folder, of a format this version reads."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        version = config["format_version"]
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
    return dict(config)


def _load_folder(folder: Path) -> RiskModel:
    config = _config(folder)
    if config.get("kind") == "network":
        from mammorisk.models.hybrid.storage import load_network

        return load_network(folder, config)
    if config.get("kind") == "mirai":
        from mammorisk.models.mirai.storage import load_mirai

        return load_mirai(folder, config)
    if config.get("kind") == "density-fit":
        return _load_density_fit(folder, config)
    try:
        name, options = config["name"], config["options"]
    except KeyError as error:
        raise ModelError(
            f"not a model folder of mammorisk ({error} is missing)",
            where=f"{folder.name}/config.json",
        ) from None
    if name not in CLINICAL_MODELS:
        raise UnknownModel(f"the folder holds a model {name!r} that is not known here")
    return load_clinical(name, **options)


def _load_density_fit(folder: Path, config: dict[str, Any]) -> RiskModel:
    from mammorisk.models.density_fit import load_density_fit

    try:
        return load_density_fit(config)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(
            f"the model is damaged ({type(error).__name__})", where=f"{folder.name}/config.json"
        ) from None
