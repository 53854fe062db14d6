"""Conversion of Mirai's snapshots to a model folder, by an explicit command."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from mammorisk._utils.snapshots.in_child import file_sha256, read_in_child
from mammorisk.errors import ModelError, OutputError
from mammorisk.networks.mirai import (
    RISK_FACTORS,
    MiraiEncoder,
    MiraiSettings,
    MiraiTransformer,
    Pool,
)
from mammorisk.risk_models.mirai.model import MiraiModel

#: Script of the child process.
_SCRIPT = "mammorisk.risk_models.mirai.snapshot"
#: Largest archive, and largest total size of its unpacked members.
_MOST_BYTES = 4 * 2**30
#: Parts of the encoder and of the transformer that only training used.
_HEADS = ("pool.", "fc.", "prob_of_failure_layer.", "birads_fc.", "region_fc.")
_LEFT_OVER = ("kept_images_vec", "pred_masked_img_fc.", "fc.", "birads_fc.")
#: Remedies.
_GIVE_RELEASE = "Give snapshots.zip of Mirai's release, or the folder it unpacks to."
_FETCH_AGAIN = "Fetch the archive again from Mirai's release."
_CONVERT_PUBLISHED = "Convert the published snapshot."
_ENCODER, _TRANSFORMER = ".custom_resnet.CustomResnet", ".hiddens_transfomer.AllImageTransformer"


def convert_snapshots(source: str | Path, out: str | Path) -> Path:
    """Read the published snapshots and write a model folder without pickles.

    Parameters
    ----------
    source : path
        ``snapshots.zip`` of the release, or a folder with the ``.p`` files.
    out : path
        Folder of the model. An existing model there is replaced.

    Returns
    -------
    Path
        ``out``.

    Raises
    ------
    ModelError
        The encoder or the transformer is missing or present twice; a file is damaged or names a
        class or function that is not allowed (the message gives its name); or shapes differ from
        those of Mirai.
    OutputError
        The folder cannot be written, or contains other files.

    See Also
    --------
    mammorisk.risk_models.mirai.download.fetch_mirai : Downloads and converts.

    Notes
    -----
    Files are read in a child process with limits on memory and time. A snapshot without calibrator
    gives an uncalibrated model, whose predictions have a warning. The published constants can be
    used with ``model.with_options(calibration="published-2022")``.

    Examples
    --------
    >>> from mammorisk.risk_models.mirai.convert import convert_snapshots
    >>> convert_snapshots("snapshots.zip", "mirai")  # doctest: +SKIP
    """
    source, out = Path(source), Path(out)
    if out.exists() and any(out.iterdir()) and not (out / "config.json").exists():
        raise OutputError(
            "the folder contains files that are not of a model",
            where=out.name,
            remedy="Choose a new or empty folder.",
        )
    with tempfile.TemporaryDirectory() as folder:
        files = _files(source, Path(folder))
        parts: dict[str, tuple[dict[str, np.ndarray], dict[str, Any], Path]] = {}
        for file in files:
            arrays, facts = read_in_child(_SCRIPT, file, Path(folder), of="Mirai")
            kind = _kind(facts)
            if kind is None:
                continue
            if kind in parts:
                raise ModelError(
                    f"two files contain the {kind}",
                    where=source.name,
                    remedy="Keep one file of each kind in the folder.",
                )
            parts[kind] = (arrays, facts, file)
        missing = [kind for kind in ("encoder", "transformer") if kind not in parts]
        if missing:
            raise ModelError(
                f"no file contains the {' or the '.join(missing)}",
                where=source.name,
                remedy=_GIVE_RELEASE,
            )
        hashes = {file.name: file_sha256(file) for _, _, file in parts.values()}
    return _write(parts, hashes, source, out)


def _files(source: Path, folder: Path) -> list[Path]:
    """Find the snapshot files. An archive is checked and unpacked into ``folder``."""
    if source.is_dir():
        found = sorted(p for p in source.rglob("*.p") if p.is_file())
    elif source.is_file() and zipfile.is_zipfile(source):
        found = _unpack(source, folder)
    elif source.is_file():
        found = [source]
    else:
        raise ModelError(
            "there is no such file or folder", where=source.name, remedy="Check the path."
        )
    if not found:
        raise ModelError("there are no .p files", where=source.name, remedy=_GIVE_RELEASE)
    return found


def _unpack(source: Path, folder: Path) -> list[Path]:
    found = []
    with zipfile.ZipFile(source) as archive:
        # macOS adds names that start with "._" to an archive.
        members = [
            info
            for info in archive.infolist()
            if info.filename.endswith(".p") and PurePosixPath(info.filename).name[:2] != "._"
        ]
        if sum(info.file_size for info in members) > _MOST_BYTES:
            raise ModelError(
                f"the unpacked archive is larger than {_MOST_BYTES / 1e9:.0f} GB",
                where=source.name,
                remedy=_FETCH_AGAIN,
            )
        for i, info in enumerate(members):
            path = PurePosixPath(info.filename.replace("\\", "/"))
            if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
                raise ModelError(
                    "a member of the archive has a path outside the archive",
                    where=source.name,
                    remedy=_FETCH_AGAIN,
                )
            # New names, because members in different folders may have the same name.
            target = folder / f"{i}" / path.name
            target.parent.mkdir()
            with archive.open(info) as packed, target.open("wb") as file:
                shutil.copyfileobj(packed, file)
            found.append(target)
    return found


def _kind(facts: dict[str, Any]) -> str | None:
    if facts["kind"] == "calibrator":
        return "calibrator"
    if facts["class"].endswith(_ENCODER):
        return "encoder"
    return "transformer" if facts["class"].endswith(_TRANSFORMER) else None


def _write(
    parts: dict[str, tuple[dict[str, np.ndarray], dict[str, Any], Path]],
    hashes: dict[str, str],
    source: Path,
    out: Path,
) -> Path:
    settings = _settings(*parts["transformer"][:2])
    encoder, transformer = MiraiEncoder(), MiraiTransformer(settings)
    first = {k.removeprefix("_model."): v for k, v in parts["encoder"][0].items()}
    # Prediction needs only the trunk.
    _fill(encoder, first, "encoder", optional=_HEADS, unused=_HEADS)
    _fill(
        transformer,
        parts["transformer"][0],
        "transformer",
        optional=("mask_embedding.", "prob_of_failure_layer.upper_triagular_mask"),
        unused=_LEFT_OVER,
    )
    calibration = None
    if "calibrator" in parts:
        calibration = parts["calibrator"][1]["years"]
        if sorted(calibration) != ["1", "2", "3", "4", "5"]:
            raise ModelError(
                "the calibrator does not cover years 1 to 5",
                where=source.name,
                remedy=f"{_CONVERT_PUBLISHED} Or leave out the calibrator, and load the model with "
                'calibration="published-2022".',
            )
    model = MiraiModel(
        encoder=encoder,
        transformer=transformer,
        calibration=calibration,
        record={"files_sha256": hashes, "arguments": parts["transformer"][1]["arguments"]},
    )
    return model.save(out)


def _settings(arrays: dict[str, np.ndarray], facts: dict[str, Any]) -> MiraiSettings:
    """Derive the settings from the weights; compare them with the arguments of the training."""
    arguments = facts["arguments"]
    if arguments.get("make_probs_indep"):
        raise ModelError(
            "the snapshot predicts each year separately, which is not supported",
            remedy=_CONVERT_PUBLISHED,
        )
    if arguments.get("pred_both_sides") or any("prob_of_failure_layer_l" in key for key in arrays):
        raise ModelError(
            "the snapshot predicts each breast separately, which is not supported",
            remedy=_CONVERT_PUBLISHED,
        )
    try:
        width = int(arrays["projection_layer.weight"].shape[0])
    except KeyError:
        raise ModelError(
            "the transformer has no projection layer", remedy=_CONVERT_PUBLISHED
        ) from None
    if arguments.get("risk_factor_keys", list(RISK_FACTORS)) != list(RISK_FACTORS):
        raise ModelError(
            "the risk factors of the snapshot, or their order, differ from the published ones",
            remedy=_CONVERT_PUBLISHED,
        )
    if "transfomer_hidden_dim" in arguments and int(arguments["transfomer_hidden_dim"]) != width:
        raise ModelError(
            "the weights and the arguments of the snapshot disagree on the width",
            remedy=_CONVERT_PUBLISHED,
        )
    numbers = {
        key.split(".")[1]
        for key in arrays
        if key.startswith("transformer.transformer_layer_") and key.count(".") > 1
    }
    pool = facts["pool"] or arguments.get("pool_name") or "GlobalMaxPool"
    return MiraiSettings(
        width=width,
        heads=int(arguments.get("num_heads", 8)),
        layers=len(numbers),
        pool=cast(Pool, pool),
        relu_on_pooled=bool(facts["has_relu"]),
    )


def _fill(
    module: nn.Module,
    arrays: dict[str, np.ndarray],
    what: str,
    *,
    optional: tuple[str, ...],
    unused: tuple[str, ...],
) -> None:
    """Load weights by name.

    Parameters
    ----------
    optional, unused : tuple of str
        Prefixes of weights that may be missing (they are then 0), and of weights that are ignored:
        parts that only training used, or that were added after the snapshot.
    """
    wanted = module.state_dict()
    # Only training uses the counts of batches, and old snapshots do not contain them.
    missing = sorted(
        name
        for name in set(wanted) - set(arrays)
        if not name.startswith(optional) and not name.endswith("num_batches_tracked")
    )
    over = sorted(name for name in set(arrays) - set(wanted) if not name.startswith(unused))
    if missing or over:
        difference = f"{missing[0]} is missing" if missing else f"{over[0]} is not part of Mirai"
        raise ModelError(
            f"the {what} is not that of Mirai: {difference}",
            remedy=f"Snapshots with {len(RISK_FACTORS)} risk factors are supported.",
        )
    state = {}
    for name, value in wanted.items():
        found = arrays.get(name)
        if found is None and name.endswith("upper_triagular_mask"):
            state[name] = value
        elif found is None:
            state[name] = torch.zeros_like(value)
        elif tuple(found.shape) != tuple(value.shape):
            raise ModelError(
                f"{name} of the {what} has shape {tuple(found.shape)}, not {tuple(value.shape)}",
                remedy=_CONVERT_PUBLISHED,
            )
        elif found.dtype.kind == "f" and not np.isfinite(found).all():
            raise ModelError(f"{name} of the {what} is not finite", remedy=_FETCH_AGAIN)
        else:
            state[name] = torch.from_numpy(np.array(found)).to(value.dtype)
    module.load_state_dict(state)
