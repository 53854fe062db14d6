"""Conversion of checkpoints of Mammo-CLIP to the folder of an encoder, by an explicit command."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from mammorisk._utils.snapshots.in_child import Arrays, file_sha256, read_in_child
from mammorisk.errors import ModelError
from mammorisk.networks.mammo_clip import ARCHITECTURES, mammo_clip_encoder, published_names
from mammorisk.risk_models.encoders.encoder import Encoder
from mammorisk.risk_models.encoders.mammo_clip.card import LICENCE, NAME, PUBLISHED_FILES, SOURCE
from mammorisk.risk_models.encoders.mammo_clip.preprocessing import MammoClipPreprocessing

_SCRIPT = "mammorisk.risk_models.encoders.mammo_clip.checkpoint"
_TITLE = "Mammo-CLIP"
#: Features of the last convolution, by which the architectures differ.
_HEAD = "_conv_head.weight"


def convert_mammo_clip(
    checkpoint: str | Path,
    out: str | Path,
    *,
    source: str | None = None,
    licence: str | None = None,
) -> Path:
    """Read the image encoder of a checkpoint of Mammo-CLIP and write it without pickles.

    Parameters
    ----------
    checkpoint : path
        ``b5-model-best-epoch-7.tar`` or ``b2-model-best-epoch-10.tar`` of Mammo-CLIP, or another
        checkpoint of the same training program.
    out : path
        Folder of the encoder. An existing one there is replaced.
    source, licence : str, optional
        Origin and licence of the weights. Both are needed for a file whose name is not one of the
        published ones, because other weights of this network have other licences.

    Returns
    -------
    Path
        ``out``, for :func:`mammorisk.embeddings.load_encoder`.

    Raises
    ------
    ModelError
        The file is damaged, is not a checkpoint of Mammo-CLIP, names a class or function that is
        not allowed (the message gives its name), or has missing, unexpected, wrongly shaped or
        non-finite weights; or source and licence are not known.
    OutputError
        The folder cannot be written, or contains other files.

    See Also
    --------
    mammorisk.embeddings.load_encoder : Loads the folder.

    Notes
    -----
    The file is read in a child process with limits on memory and time, and nothing in it is
    executed. Only the weights of the image encoder are read: the text encoder, the projections and
    the state of the optimiser are not. The features are the average of the last maps, before the
    projection, as in the linear probes of the authors.

    References
    ----------
    Ghosh 2024, doi:10.1007/978-3-031-72390-2_59. Code and configuration: batmanlab/Mammo-CLIP.

    Examples
    --------
    >>> from mammorisk.risk_models.encoders.mammo_clip.convert import convert_mammo_clip
    >>> convert_mammo_clip("b5-model-best-epoch-7.tar", "mammo-clip")  # doctest: +SKIP
    PosixPath('mammo-clip')
    """
    file = Path(checkpoint)
    if not file.is_file():
        raise ModelError(
            "there is no such file",
            where=file.name,
            remedy=f"Give {' or '.join(PUBLISHED_FILES)} of huggingface.co/shawn24/Mammo-CLIP.",
        )
    stated = _source_and_licence(file, source, licence)
    with tempfile.TemporaryDirectory() as folder:
        arrays, facts = read_in_child(_SCRIPT, file, Path(folder), of=_TITLE)
    architecture, network = _network_of(arrays, file)
    _fill(network, arrays, file)
    encoder = Encoder(
        name=NAME,
        architecture=architecture,
        module=network,
        preprocessing=MammoClipPreprocessing(),
        source=stated[0],
        licence=stated[1],
        record={"files_sha256": {file.name: file_sha256(file)}, "epoch": facts["epoch"]},
    )
    return encoder.save(out)


def _source_and_licence(file: Path, source: str | None, licence: str | None) -> tuple[str, str]:
    if (source is None) != (licence is None):
        raise ModelError("source and licence must be given together", where=file.name)
    if source and licence:
        return source, licence
    if file.name not in PUBLISHED_FILES:
        raise ModelError(
            "the name is not that of a published checkpoint of Mammo-CLIP, so that source and "
            "licence of the weights are not known",
            where=file.name,
            remedy=f"Keep the published name ({' or '.join(PUBLISHED_FILES)}), or state source and "
            "licence.",
        )
    return SOURCE, LICENCE


def _network_of(arrays: Arrays, file: Path) -> tuple[str, nn.Module]:
    """Choose the architecture by the number of features."""
    head = arrays.get(_HEAD)
    for architecture in ARCHITECTURES:
        network = mammo_clip_encoder(architecture)
        if head is not None and head.shape[0] == network.num_features:
            return architecture, network
    raise ModelError(
        f"{_HEAD} of the image encoder is missing or has the wrong size: the encoder is neither "
        "the EfficientNet-B5 nor the B2 of Mammo-CLIP",
        where=file.name,
        remedy="Convert a published checkpoint.",
    )


def _fill(network: nn.Module, arrays: Arrays, file: Path) -> None:
    """Load weights by their published names."""
    names = published_names(network)
    state = network.state_dict()
    missing, over = set(names.values()) - set(arrays), set(arrays) - set(names.values())
    if missing or over:
        words = f"{min(missing)} is missing" if missing else f"{min(over)} is not part of it"
        raise _unlike(f"{len(missing)} weights are missing, {len(over)} unexpected: {words}", file)
    loaded = {}
    for name, value in state.items():
        loaded[name] = torch.from_numpy(_checked(arrays[names[name]], names[name], value, file))
    network.load_state_dict(loaded)


def _checked(
    found: NDArray[np.generic], name: str, wanted: torch.Tensor, file: Path
) -> NDArray[np.generic]:
    if tuple(found.shape) != tuple(wanted.shape):
        raise _unlike(f"{name} has shape {found.shape}, not {tuple(wanted.shape)}", file)
    if (found.dtype.kind == "f") != wanted.is_floating_point():
        raise _unlike(f"{name} has the type {found.dtype}", file)
    if found.dtype.kind == "f" and not np.isfinite(found).all():
        raise _unlike(f"{name} is not finite", file)
    return np.array(found)


def _unlike(words: str, file: Path) -> ModelError:
    return ModelError(
        f"the image encoder is not that of Mammo-CLIP: {words}",
        where=file.name,
        remedy="Convert a published checkpoint.",
    )
