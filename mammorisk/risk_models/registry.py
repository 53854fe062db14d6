"""Models by name: list and load them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mammorisk._utils.model_folder import damaged, read_config
from mammorisk._utils.optional import NETWORKS, require
from mammorisk.base import ImageModel, ModelCard, RiskModel
from mammorisk.clinical.registry import CLINICAL_MODELS, load_clinical
from mammorisk.errors import BackendError, ModelError, UnknownModel
from mammorisk.risk_models.hub import PREFIX, fetch_model
from mammorisk.risk_models.mirai.card import CARD as MIRAI
from mammorisk.risk_models.storage import card_from

if TYPE_CHECKING:
    import pandas as pd

#: Networks included in the package.
BUNDLED = {"hybrid": Path(__file__).parent / "weights" / "hybrid"}


def models() -> pd.DataFrame:
    """List all named models with inputs, horizons, source, training data and intended use.

    Returns
    -------
    DataFrame
        Indexed by model name; columns are the fields of :class:`~mammorisk.ModelCard`.

    See Also
    --------
    mammorisk.load_model : Loads a model by name.

    Examples
    --------
    >>> import mammorisk as mr
    >>> mr.models().loc["bcrat", "ages"]
    '35-85'
    """
    import pandas as pd

    rows = []
    clinical = (load_clinical(name).card for name in CLINICAL_MODELS)
    # Cards of networks are read without loading their weights.
    bundled = (card_from(read_config(folder)) for folder in BUNDLED.values())
    for card in (*clinical, *bundled, MIRAI):
        row = asdict(card)
        row["inputs"] = ", ".join(row["inputs"])
        row["required"] = ", ".join(row["required"])
        row["ages"] = f"{row['ages'][0]:g}-{row['ages'][1]:g}"
        rows.append(row)
    columns = [field.name for field in fields(ModelCard)]
    return pd.DataFrame(rows, columns=columns).set_index("name")


def load_model(
    name: str | Path,
    *,
    weights: str | Path | None = None,
    backend: str = "auto",
    **options: Any,
) -> RiskModel:
    """Load a model by name, or from the folder it was saved to.

    Parameters
    ----------
    name : str or path
        A name listed by :func:`models`, a folder written by ``model.save``, or ``hf://owner/name``
        for a model on the Hugging Face hub.
    weights : path, optional
        Only for ``"mirai"``: the folder written by ``mammorisk convert mirai``. By default the
        weights in the user's cache are used. They are downloaded and converted at the first call.
    backend : str
        Backend of the encoder of a model that reads images: ``"auto"``, ``"torch"``,
        ``"torch-bfloat16"``, ``"torch-compile"``, ``"openvino"``, ``"openvino-bfloat16"`` or
        ``"cuda"``.
    **options
        Options of a published model, such as ``rates`` and ``age_range`` of ``"bcrat"``, or
        ``calibration`` and ``known_factors`` of ``"mirai"``; ``encoder``, for a model fitted on
        embeddings: the encoder for exams, if it is not known by its name (:func:`mammorisk.embed`).

    Returns
    -------
    RiskModel

    Raises
    ------
    UnknownModel
        The name is neither a known model nor a folder.
    ModelError
        The folder is damaged, is not a model or has a later format; or the model does not have an
        option.
    BackendError
        The backend is not available, or the model has no network.
    MissingDependency
        The model is a network, and torch is not installed.

    See Also
    --------
    mammorisk.models : Lists the names.

    Examples
    --------
    >>> import mammorisk as mr
    >>> mr.load_model("bcrat", age_range="formula").ages
    (20, 89)
    """
    return _on_backend(_find(name, weights, options), backend)


def _find(name: str | Path, weights: str | Path | None, options: dict[str, Any]) -> RiskModel:
    if isinstance(name, str) and name in CLINICAL_MODELS:
        if weights is not None:
            raise _takes_no_weights(name)
        return load_clinical(name, **options)
    if name == "mirai" and (weights is not None or not Path("mirai", "config.json").is_file()):
        return _with_options(_load_converted(weights), options)
    if weights is not None:
        raise _takes_no_weights(name)
    if isinstance(name, str) and name.startswith(PREFIX):
        return _with_options(load_folder(fetch_model(name)), options)
    folder = BUNDLED[name] if isinstance(name, str) and name in BUNDLED else Path(name)
    if folder.is_dir():
        return _with_options(load_folder(folder), options)
    raise UnknownModel(
        f"there is no model {str(name)!r}",
        remedy=f"Known: {', '.join((*CLINICAL_MODELS, *BUNDLED, 'mirai'))}; or pass the folder of "
        "a saved model.",
    )


def _takes_no_weights(name: str | Path) -> ModelError:
    return ModelError(
        f"{str(name)!r} does not accept weights",
        remedy="Pass the folder of a saved model as its name.",
    )


def _with_options(model: RiskModel, options: dict[str, Any]) -> RiskModel:
    if not options:
        return model
    change = getattr(model, "with_options", None)
    if change is None:
        raise ModelError(
            f"{model.name} has no options; given: {', '.join(options)}",
            remedy="Leave them out.",
        )
    try:
        found: RiskModel = change(**options)
    except TypeError:
        raise ModelError(
            f"{model.name} does not have all of the options {', '.join(options)}",
            remedy="See the documentation of the model.",
        ) from None
    return found


def _on_backend(model: RiskModel, backend: str) -> RiskModel:
    if backend == "auto":
        return model
    if not isinstance(model, ImageModel) or not model.uses_images:
        raise BackendError(
            f"{model.name} has no network to run on {backend!r}", remedy='Use backend="auto".'
        )
    found = model.on_backend(backend)
    # Resolved here, so that an unknown name fails now and not at the first exam.
    if found.backend_used is None:
        raise BackendError(f"{model.name} has no network to run on {backend!r}")
    return found


def _load_converted(weights: str | Path | None) -> RiskModel:
    """Load Mirai from its converted folder. Its weights are not part of the package."""
    # Checked before 100 MB are downloaded.
    require("torch", NETWORKS, what="the model mirai")
    if weights is None:
        from mammorisk.risk_models.mirai.download import fetch_mirai

        return load_folder(fetch_mirai())
    if not Path(weights).is_dir():
        raise UnknownModel(
            "the weights are not a folder of a converted model",
            where=Path(weights).name,
            remedy="Create one with: mammorisk convert mirai snapshots.zip --out mirai/",
        )
    return load_folder(Path(weights))


def load_folder(folder: Path) -> RiskModel:
    """Load the model of a folder written by ``model.save``.

    Raises
    ------
    ModelError, UnknownModel
    """
    config = read_config(folder)
    kind = config.get("kind", "published")
    if kind not in _LOADERS:
        raise UnknownModel(
            f"the folder holds a model of the unknown kind {kind!r}",
            where=folder.name,
            remedy="Upgrade mammorisk.",
        )
    return _LOADERS[kind](folder, config)


def _load_published(folder: Path, config: dict[str, Any]) -> RiskModel:
    try:
        name, options = config["name"], config["options"]
    except KeyError as error:
        raise damaged(folder, error) from None
    if name not in CLINICAL_MODELS:
        raise UnknownModel(f"the folder holds the unknown model {name!r}")
    return load_clinical(name, **options)


def _load_density_fit(folder: Path, config: dict[str, Any]) -> RiskModel:
    from mammorisk.risk_models.density_fit import load_density_fit

    try:
        return load_density_fit(config)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise damaged(folder, error) from None


def _load_network(folder: Path, config: dict[str, Any]) -> RiskModel:
    require("torch", NETWORKS, what=_named(config))
    from mammorisk.risk_models.hybrid.storage import load_network

    return load_network(folder, config)


def _load_embedding_network(folder: Path, config: dict[str, Any]) -> RiskModel:
    require("torch", NETWORKS, what=_named(config))
    from mammorisk.risk_models.on_embeddings.hybrid import load_embedding_network

    return load_embedding_network(folder, config)


def _load_survival(folder: Path, config: dict[str, Any]) -> RiskModel:
    from mammorisk.risk_models.survival.storage import load_survival

    return load_survival(folder, config)


def _load_mirai(folder: Path, config: dict[str, Any]) -> RiskModel:
    require("torch", NETWORKS, what=_named(config))
    from mammorisk.risk_models.mirai.storage import load_mirai

    return load_mirai(folder, config)


def _named(config: dict[str, Any]) -> str:
    return f"the model {config.get('name', config['kind'])}"


def _load_recalibrated(folder: Path, config: dict[str, Any]) -> RiskModel:
    from mammorisk.risk_models.recalibrated import MODEL_FOLDER, load_recalibrated

    inner = load_folder(folder / MODEL_FOLDER)
    try:
        return load_recalibrated(config, inner)
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(folder, error) from None


#: Each function imports its model, and torch, only when it is called.
_LOADERS: dict[str, Callable[[Path, dict[str, Any]], RiskModel]] = {
    "published": _load_published,
    "density-fit": _load_density_fit,
    "network": _load_network,
    "mirai": _load_mirai,
    "embedding-network": _load_embedding_network,
    "survival": _load_survival,
    "recalibrated": _load_recalibrated,
}
