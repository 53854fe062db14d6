"""Encoders by name: list and load them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mammorisk._utils.model_folder import CONFIG, read_config
from mammorisk._utils.optional import NETWORKS, require
from mammorisk.errors import ModelError, UnknownModel
from mammorisk.risk_models.encoders.mammo_clip.card import NAME as MAMMO_CLIP
from mammorisk.risk_models.hub import PREFIX as MODEL_PREFIX
from mammorisk.risk_models.registry import BUNDLED, load_model

if TYPE_CHECKING:
    import pandas as pd

    from mammorisk.risk_models.encoders.encoder import Encoder

#: Prefix of models of timm on the Hugging Face hub.
TIMM_PREFIX = "hf-hub:"


def load_encoder(
    name: str | Path,
    *,
    weights: str | Path | None = None,
    pretrained: bool = True,
    spacing_mm: float | None = None,
    rows: int | None = None,
    columns: int | None = None,
    pooling: Literal["mean", "statistics"] = "mean",
    backend: str = "auto",
) -> Encoder:
    """Load an encoder by name, with its preprocessing.

    Parameters
    ----------
    name : str or path
        - ``"compact"``: the compact network of this package with random weights of a fixed seed, as
          a baseline;
        - ``"mirai"``: Mirai's encoder with Mirai's preprocessing;
        - ``"mammo-clip"``: the image encoder of Mammo-CLIP with its preprocessing (needs
          ``weights``);
        - the encoder of a fitted model: ``"hybrid"``, the folder of a saved model, or
          ``hf://owner/name``;
        - a folder written by :meth:`Encoder.save`;
        - a model of timm, such as ``"resnet18"`` or ``"resnet18.a1_in1k"``;
        - ``hf-hub:owner/name``: a model of timm on the Hugging Face hub, optionally with
          ``@revision``.
    weights : path, optional
        For ``"mirai"`` and ``"mammo-clip"``: the folder of the converted weights. For a model of
        timm: a safetensors file, for machines without a connection to the hub.
    pretrained : bool
        False: a model of timm with random weights of a fixed seed.
    spacing_mm, rows, columns : optional
        Pixel spacing and size of the standardised view, for ``"compact"`` and models of timm.
        Their weights were not trained on mammograms, so that no spacing belongs to them. The
        default is 192 x 128 pixels of 1.25 mm for ``"compact"``. For models of timm it is the size
        of their training, with a spacing that makes the view 240 mm high.
    pooling : {"mean", "statistics"}
        Pooling of the places of a view, for ``"compact"`` and models of timm. ``"mean"`` is that of
        the network, for most the mean of the last maps. ``"statistics"`` gives mean and standard
        deviation over the breast of the maps of all stages, which keeps fine texture.
    backend : str
        As in :func:`mammorisk.load_model`.

    Returns
    -------
    Encoder

    Raises
    ------
    UnknownModel
        There is no encoder of this name.
    ModelError
        The weights cannot be downloaded or read, are not safetensors, or an argument does not
        apply to the encoder.
    MissingDependency
        torch or timm is not installed.

    See Also
    --------
    mammorisk.embeddings.encoders : Lists the names.
    mammorisk.embed : Computes embeddings with an encoder.

    Notes
    -----
    Nothing is unpickled: weights are read from safetensors only. An encoder that was trained with
    a preprocessing keeps it. Another spacing or size is refused.

    Models of timm get three equal channels of the standardised view, clipped to [0, 1] and
    normalised with the mean and standard deviation of their training.

    Examples
    --------
    >>> from mammorisk.embeddings import load_encoder
    >>> load_encoder("compact", spacing_mm=0.5, rows=480, columns=320)
    <Encoder compact: compact, 480 x 320, 128 features>
    >>> load_encoder("compact", pooling="statistics").n_features
    480
    """
    require("torch", NETWORKS, what="an encoder")
    from mammorisk.risk_models.encoders.own_encoders import compact_encoder, read_encoder
    from mammorisk.risk_models.encoders.timm_encoder import hub_encoder, timm_encoder

    sizes = {
        name: value
        for name, value in (("spacing_mm", spacing_mm), ("rows", rows), ("columns", columns))
        if value is not None
    }
    if pooling not in ("mean", "statistics"):
        raise ModelError(f"there is no pooling {pooling!r}", remedy='Use "mean" or "statistics".')
    text, other = str(name), pooling != "mean"
    if text == "compact":
        _refuse(text, {"weights": weights is not None, "pretrained": not pretrained})
        return compact_encoder(sizes, pooling).on_backend(backend)
    if text == MAMMO_CLIP:
        given = {"pretrained": not pretrained, "pooling": other}
        _refuse(text, {**dict.fromkeys(sizes, True), **given})
        return _mammo_clip(weights).on_backend(backend)
    if text.startswith(TIMM_PREFIX):
        _refuse(text, {"weights": weights is not None, "pretrained": not pretrained})
        return hub_encoder(text, sizes, pooling=pooling).on_backend(backend)
    is_folder = Path(name).is_dir()
    if text in (*BUNDLED, "mirai") or text.startswith(MODEL_PREFIX) or is_folder:
        given = {"pretrained": not pretrained, "pooling": other}
        _refuse(text, {**dict.fromkeys(sizes, True), **given})
        if is_folder and _kind(Path(name)) == "encoder":
            _refuse(text, {"weights": weights is not None})
            return read_encoder(Path(name)).on_backend(backend)
        return _of_model(name, weights).on_backend(backend)
    if isinstance(name, Path) or "/" in text:
        raise UnknownModel(
            "the encoder is not a folder",
            where=Path(name).name,
            remedy=f"It needs {CONFIG} and model.safetensors.",
        )
    made = timm_encoder(text, sizes, weights=weights, pretrained=pretrained, pooling=pooling)
    return made.on_backend(backend)


def encoders() -> pd.DataFrame:
    """List the names of encoders.

    Returns
    -------
    DataFrame
        Indexed by name, with ``architecture``, ``preprocessing``, ``spacing_mm``, ``rows``,
        ``columns``, ``weights`` and ``licence``. The last rows are patterns of names.

    See Also
    --------
    mammorisk.embeddings.load_encoder : Loads an encoder.

    Examples
    --------
    >>> from mammorisk.embeddings import encoders
    >>> encoders().loc["mirai", "licence"]
    'MIT (MIT and MGH)'
    """
    import pandas as pd

    from mammorisk.risk_models.encoders.mammo_clip import card as mammo_clip
    from mammorisk.risk_models.encoders.mammo_clip.preprocessing import MammoClipPreprocessing
    from mammorisk.risk_models.encoders.preprocessing import (
        MiraiPreprocessing,
        StandardPreprocessing,
    )
    from mammorisk.risk_models.mirai.card import CARD as MIRAI

    rows: list[tuple[str, str | None, Any, str, str | None]] = []
    standard = StandardPreprocessing()
    rows.append(("compact", "compact", standard, "random, fixed seed", "MIT"))
    for name, folder in BUNDLED.items():
        config = read_config(folder)
        image = StandardPreprocessing(**config["recipe"]["image"])
        card = config["card"]
        rows.append(
            (name, config["recipe"]["encoder"]["name"], image, card["source"], card["licence"])
        )
    rows.append(("mirai", "mirai", MiraiPreprocessing(), MIRAI.source, MIRAI.licence))
    rows.append(
        (
            *(MAMMO_CLIP, "mammo-clip-b5 or mammo-clip-b2", MammoClipPreprocessing()),
            *(mammo_clip.SOURCE, mammo_clip.LICENCE),
        )
    )
    for pattern, said in (
        ("<model of timm>", "timm, from the Hugging Face hub or a safetensors file"),
        ("hf-hub:<owner>/<name>", "a model of timm on the Hugging Face hub"),
        ("<folder>", "config.json and model.safetensors, of an encoder or a fitted model"),
    ):
        rows.append((pattern, None, None, said, None))
    return (
        pd.DataFrame(
            [
                {
                    "name": name,
                    "architecture": architecture,
                    "preprocessing": None if made is None else made.kind,
                    "spacing_mm": None if made is None else made.spacing_mm,
                    "rows": None if made is None else made.rows,
                    "columns": None if made is None else made.columns,
                    "weights": weights,
                    "licence": licence,
                }
                for name, architecture, made, weights, licence in rows
            ]
        )
        .astype({"rows": "Int64", "columns": "Int64"})
        .set_index("name")
    )


def _refuse(name: str, given: dict[str, bool]) -> None:
    found = [argument for argument, is_given in given.items() if is_given]
    if found:
        raise ModelError(
            f"the encoder {Path(name).name!r} does not accept {', '.join(found)}: it has its own "
            "weights, preprocessing and pooling",
            remedy="Leave the argument out, or choose another encoder.",
        )


def _mammo_clip(weights: str | Path | None) -> Encoder:
    from mammorisk.risk_models.encoders.own_encoders import read_encoder

    if weights is None or not Path(weights).is_dir():
        raise ModelError(
            "the weights of Mammo-CLIP are not part of mammorisk: a folder of converted weights is "
            "needed",
            where=None if weights is None else Path(weights).name,
            remedy="Create one with: mammorisk convert mammo-clip b5-model-best-epoch-7.tar "
            "--out mammo-clip/, and pass weights=.",
        )
    encoder = read_encoder(Path(weights))
    if not encoder.architecture.startswith(MAMMO_CLIP):
        raise ModelError(
            f"the folder holds the encoder {encoder.name} ({encoder.architecture})",
            where=Path(weights).name,
            remedy="Pass a folder of mammorisk convert mammo-clip.",
        )
    return encoder


def _kind(folder: Path) -> str:
    return str(read_config(folder).get("kind", "published"))


def _of_model(name: str | Path, weights: str | Path | None) -> Encoder:
    from mammorisk.risk_models.encoders.own_encoders import encoder_of

    found = encoder_of(load_model(name, weights=weights))
    return replace(found, name=found.name if str(name) == found.name else Path(name).name)
