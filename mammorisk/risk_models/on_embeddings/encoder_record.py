"""EncoderRecord: the encoder of the embeddings on which a model was fitted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

from mammorisk.errors import EmbeddingError
from mammorisk.inputs.feature_set import FeatureSet

#: What is recorded of an encoder, where it is known.
_KNOWN = ("name", "weights_sha256", "source", "licence", "preprocessing", "pooling")


class _Embeddings(Protocol):
    """What is read of :class:`mammorisk.Embeddings`."""

    @property
    def encoder(self) -> str: ...
    @property
    def n_features(self) -> int: ...
    @property
    def provenance(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True, kw_only=True)
class EncoderRecord:
    """The encoder of the embeddings on which a model was fitted.

    Attributes
    ----------
    identity : str
        Name and hash of weights and preprocessing, as in the column ``encoder`` of the table. A
        name alone for a table made elsewhere.
    n_features : int
    pool : str or None
        How the views of an exam were pooled; None for features of views.
    name : str or None
        Name for :func:`mammorisk.embeddings.load_encoder`. None for a table made elsewhere: the
        model then predicts from tables of embeddings only.
    weights_sha256, source, licence : str or None
    preprocessing : dict or None
    pooling : str or None
        Pooling of the places of a view; None if it is not known, as for a table made elsewhere.
    """

    identity: str
    n_features: int
    pool: str | None = None
    name: str | None = None
    weights_sha256: str | None = None
    source: str | None = None
    licence: str | None = None
    preprocessing: dict[str, Any] | None = None
    pooling: Literal["mean", "statistics"] | None = None

    @classmethod
    def of(cls, embeddings: _Embeddings, pool: str | None) -> EncoderRecord:
        """Record the encoder of a table of embeddings."""
        said = embeddings.provenance
        known = said if "weights_sha256" in said else {}
        return cls(
            identity=embeddings.encoder,
            n_features=embeddings.n_features,
            pool=pool,
            **{name: known.get(name) for name in _KNOWN},
        )

    @property
    def in_words(self) -> str:
        """Encoder, source and licence for a card."""
        told = [f"embeddings of the encoder {self.identity}"]
        if self.source:
            told.append(f"source: {self.source}")
        if self.licence:
            told.append(f"licence: {self.licence}")
        return ", ".join(told)

    def check(self, found: FeatureSet, model: str) -> None:
        """Refuse embeddings of another encoder, or pooled in another way.

        Raises
        ------
        EmbeddingError
        """
        if found.encoder != self.identity:
            raise EmbeddingError(
                f"the embeddings are of the encoder {found.encoder}, and {model} was fitted on "
                f"those of {self.identity}",
                remedy="Embed with that encoder: features of others have another meaning.",
            )
        if found.n_features != self.n_features:
            raise EmbeddingError(
                f"the embeddings have {found.n_features} features, and {model} was fitted on "
                f"{self.n_features}",
                remedy="Use the table of the same encoder.",
            )
        if found.pool != self.pool:
            kinds = [
                "features of views" if pool is None else f"pooled features ({pool})"
                for pool in (found.pool, self.pool)
            ]
            raise EmbeddingError(
                f"the table has {kinds[0]}, and {model} was fitted on {kinds[1]}",
                remedy="Use Embeddings.pool, or the table of the views.",
            )

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes as JSON types."""
        # Digests of the configurations of earlier models, which have no pooling, stay.
        return {k: v for k, v in asdict(self).items() if (k, v) != ("pooling", None)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> EncoderRecord:
        """The inverse of :meth:`to_dict`."""
        return cls(**data)


def name_of(identity: str) -> str:
    """Name of an encoder without the hash of its weights and preprocessing."""
    return identity.rpartition("@")[0] or identity
