"""Encoder: a network from one view to features, with its preprocessing, source and licence."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mammorisk._utils.model_folder import ModelState, write_model_folder
from mammorisk.networks.encoders import Pooling
from mammorisk.networks.mirai import MiraiEncoder
from mammorisk.networks.mirai_merged import MergedEncoder
from mammorisk.networks.statistics_pooling import StatisticsPooling, network_of
from mammorisk.risk_models.encoders.preprocessing import Preprocessing, StandardPreprocessing
from mammorisk.runtime.backend import Runner, choose_backend

if TYPE_CHECKING:
    from torch import nn

#: Kind of the configuration of a saved folder.
KIND = "encoder"
#: Pixels that the network processes at once, and that are kept of prepared exams.
_PIXELS_AT_ONCE, _PIXELS_KEPT = 1_600_000, 64_000_000
_VIEWS_OF_AN_EXAM = 4


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Encoder:
    """A network from one view to features.

    Attributes
    ----------
    name : str
        Name in the tables of embeddings.
    architecture : str
        ``"compact"``, ``"mirai"``, ``"mammo-clip-b5"``, ``"mammo-clip-b2"`` or a model of timm.
    module : Module
        From shape (n, channels, rows, columns) to shape (n, n_features).
    preprocessing : StandardPreprocessing, MiraiPreprocessing or MammoClipPreprocessing
    source : str
        Origin of the weights.
    licence : str
        Licence of the weights.
    options : dict
        Further arguments of a model of timm.
    record : dict
        Record of the conversion from a published file: its SHA-256, and more. Empty for others.
    backend : str
        As in :func:`mammorisk.load_model`. ``"auto"`` always computes in float32.

    See Also
    --------
    mammorisk.embeddings.load_encoder : Loads an encoder by name.
    mammorisk.embed : Computes the features of a cohort.

    Examples
    --------
    >>> from mammorisk.embeddings import load_encoder
    >>> encoder = load_encoder("hybrid")
    >>> encoder.n_features, encoder.preprocessing.spacing_mm, encoder.licence
    (128, 1.25, 'MIT')
    """

    name: str
    architecture: str
    module: nn.Module = field(repr=False)
    preprocessing: Preprocessing
    source: str
    licence: str
    options: dict[str, Any] = field(default_factory=dict)
    record: dict[str, Any] = field(default_factory=dict)
    backend: str = "auto"

    @property
    def n_features(self) -> int:
        """Number of features of a view."""
        return int(self.module.num_features)  # type: ignore[arg-type]

    @property
    def pooling(self) -> Pooling:
        """Pooling of the places of a view: ``"mean"`` (that of the network) or ``"statistics"``."""
        return "statistics" if isinstance(self.module, StatisticsPooling) else "mean"

    @property
    def exams_at_once(self) -> int:
        """Number of exams that are read and encoded together."""
        exam = _VIEWS_OF_AN_EXAM * self.preprocessing.rows * self.preprocessing.columns
        return int(np.clip(_PIXELS_KEPT // exam, 1, 32))

    @cached_property
    def weights_sha256(self) -> str:
        """SHA-256 of the names, types, shapes and values of all weights, in hexadecimal."""
        digest = hashlib.sha256()
        for name, value in sorted(self._arrays().items()):
            digest.update(f"{name} {value.dtype} {value.shape}\n".encode())
            digest.update(np.ascontiguousarray(value).tobytes())
        return digest.hexdigest()

    @cached_property
    def identity(self) -> str:
        """Name and a short hash of weights and preprocessing, such as ``"hybrid@0123456789ab"``.

        Tables of embeddings have it in the column ``encoder``, so that features of other weights,
        of another preprocessing or of another pooling are recognised, also in tables that were
        joined by other programs.
        """
        settings = self.preprocessing.model_dump_json()
        text = f"{self.architecture} {self.weights_sha256} {settings}"
        if self.pooling != "mean":
            text += f" {self.pooling}"
        return f"{self.name}@{hashlib.sha256(text.encode()).hexdigest()[:12]}"

    @property
    def backend_used(self) -> str:
        """Backend that runs the network."""
        return self._runner.backend

    def on_backend(self, backend: str) -> Encoder:
        """Return the same encoder with another backend."""
        return replace(self, backend=backend)

    def encode(self, contents: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        """Compute the features of prepared views.

        Parameters
        ----------
        contents : sequence of ndarray
            From ``preprocessing.prepare``.

        Returns
        -------
        ndarray of float32, shape (n, n_features)
        """
        pixels = self.preprocessing.rows * self.preprocessing.columns
        step = int(np.clip(_PIXELS_AT_ONCE // pixels, 1, 64))
        found = [
            self._runner(self._to_input(contents[first : first + step]))
            for first in range(0, len(contents), step)
        ]
        return np.concatenate(found) if found else np.zeros((0, self.n_features), np.float32)

    def _to_input(self, contents: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        made = self.preprocessing
        if self.pooling == "statistics" and isinstance(made, StandardPreprocessing):
            return made.to_input(contents, breast_apart=True)
        return made.to_input(contents)

    def describe(self) -> dict[str, Any]:
        """Return what a table of embeddings records of its encoder, as plain JSON types."""
        return {
            "encoder": self.identity,
            "name": self.name,
            "architecture": self.architecture,
            "pooling": self.pooling,
            "weights_sha256": self.weights_sha256,
            "preprocessing": self.preprocessing.model_dump(mode="json"),
            "spacing_mm": self.preprocessing.spacing_mm,
            "source": self.source,
            "licence": self.licence,
            **({"record": self.record} if self.record else {}),
        }

    def save(self, folder: str | Path) -> Path:
        """Write the encoder to a folder, as safetensors and JSON.

        Parameters
        ----------
        folder : str or path

        Returns
        -------
        Path
            The folder, which :func:`mammorisk.embeddings.load_encoder` reads.

        Raises
        ------
        OutputError
            The folder contains other files, or cannot be written.
        """
        config = {
            "kind": KIND,
            "name": self.name,
            "architecture": self.architecture,
            "options": self.options,
            "pooling": self.pooling,
            "preprocessing": self.preprocessing.model_dump(mode="json"),
            "source": self.source,
            "licence": self.licence,
            **({"record": self.record} if self.record else {}),
        }
        return write_model_folder(ModelState(config=config, tensors=self._arrays()), Path(folder))

    def __repr__(self) -> str:
        size = f"{self.preprocessing.rows} x {self.preprocessing.columns}"
        return f"<Encoder {self.name}: {self.architecture}, {size}, {self.n_features} features>"

    def _arrays(self) -> dict[str, NDArray[Any]]:
        # Weights and their names do not depend on the pooling.
        state = network_of(self.module).state_dict()
        return {name: value.detach().cpu().numpy() for name, value in state.items()}

    @cached_property
    def _runner(self) -> Runner:
        # Stored features should not depend on the precision of the processor.
        backend = choose_backend(self.backend, self.module, may_reduce=False)
        module = self.module.eval()
        return Runner(
            MergedEncoder(module) if isinstance(module, MiraiEncoder) else module, backend
        )
