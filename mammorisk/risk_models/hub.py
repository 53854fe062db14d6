"""Sharing saved models by name on the Hugging Face hub."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Protocol

from mammorisk._utils.optional import NETWORKS, require
from mammorisk.errors import ModelError

#: Prefix of models on the hub in :func:`mammorisk.load_model`: ``hf://owner/name``.
PREFIX = "hf://"
#: Files of a repository that are downloaded; all others are ignored.
_FILES = ["config.json", "model.safetensors", "README.md", "*/config.json", "*/model.safetensors"]


class Saved(Protocol):
    """A model that can be saved."""

    def save(self, folder: str | Path) -> Path: ...


def push_model(model: Saved, name: str, *, private: bool = True) -> str:
    """Upload a model.

    Parameters
    ----------
    model : HybridModel or other model with ``save``
    name : str
        ``"owner/name"`` on the hub. The repository is created if it does not exist.
    private : bool
        Whether a new repository is private.

    Returns
    -------
    str
        Name for :func:`mammorisk.load_model`.

    Raises
    ------
    ModelError
        The hub refuses the upload or cannot be reached.
    MissingDependency
        huggingface_hub is not installed.

    See Also
    --------
    mammorisk.load_model : Loads it from the hub.

    Examples
    --------
    >>> import mammorisk as mr
    >>> from mammorisk.risk_models.hub import push_model
    >>> push_model(mr.load_model("hybrid"), "owner/model")  # doctest: +SKIP
    """
    require("huggingface_hub", NETWORKS, what="the Hugging Face hub")
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    api = HfApi()
    with tempfile.TemporaryDirectory() as folder:
        saved = model.save(Path(folder) / "model")
        try:
            api.create_repo(name, private=private, exist_ok=True)
            api.upload_folder(repo_id=name, folder_path=saved, allow_patterns=_FILES)
        except (HfHubHTTPError, HFValidationError, OSError) as error:
            raise ModelError(
                f"the model cannot be uploaded to the hub ({type(error).__name__})",
                where=name,
                remedy="Log in with `hf auth login`, and check the name and the network.",
            ) from None
    return PREFIX + name


def fetch_model(name: str) -> Path:
    """Download the files of a model, or find them in the hub's local cache.

    Parameters
    ----------
    name : str
        ``"hf://owner/name"``, optionally with ``@revision``.

    Returns
    -------
    Path
        A folder for :func:`mammorisk.load_model`.

    Raises
    ------
    ModelError
        There is no such model, or the hub cannot be reached.
    MissingDependency
        huggingface_hub is not installed.
    """
    require("huggingface_hub", NETWORKS, what="the Hugging Face hub")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    repository, _, revision = name.removeprefix(PREFIX).partition("@")
    try:
        return Path(snapshot_download(repository, revision=revision or None, allow_patterns=_FILES))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise ModelError(
            f"the model cannot be downloaded ({type(error).__name__})",
            where=name,
            remedy="Check the name and the network.",
        ) from None
