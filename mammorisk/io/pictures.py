"""Mammograms as PNG, TIFF, PGM, BMP or JPEG, with the view in the name and no DICOM header."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from mammorisk._utils.atomic_write import content_digest
from mammorisk.errors import PixelError, UnreadableFile
from mammorisk.io.decoding import decode_frame
from mammorisk.io.limits import Limits, file_size
from mammorisk.io.named_errors import call_named
from mammorisk.io.picture_formats import PictureHeader, pgm_start, picture_header
from mammorisk.io.pixels import check_size
from mammorisk.io.stored_bits import Pixels
from mammorisk.records.exam import ImageKind, Laterality, View
from mammorisk.records.stored_image import Greyscale, RawImage
from mammorisk.warnings import ResultWarning, make_warning


def picture_view(
    path: Path,
    source: str,
    family: str,
    laterality: Laterality,
    position: str,
    *,
    pixel_mm: float | None,
    limits: Limits,
    modifiers: tuple[str, ...] = (),
    synthetic: bool = False,
    warnings: tuple[ResultWarning, ...] = (),
) -> tuple[View, int]:
    """Create the view of a picture. Size and depth are read; pixels are not.

    Parameters
    ----------
    path : Path
    source : str
        Name of the file, for the view.
    family : str
        Result of :func:`mammorisk.io.picture_formats.picture_family`.
    laterality, position
        Side and view from the file name or the user.
    pixel_mm : float or None
        Pixel spacing in the breast in mm, if the user states it. The resolution in such files is
        not used, because it is usually that of a screen.
    limits : Limits
    modifiers : tuple of str
        Modifiers in the name.
    synthetic : bool
        Whether the name is that of a synthetic image, computed from tomosynthesis.
    warnings : tuple of ResultWarning
        Warnings about the name.

    Returns
    -------
    view : View
    bits : int
        Bits of a grey level.

    Raises
    ------
    UnreadableFile, PixelError, TooLarge
        The file is not of this format, not grey, or too large.
    """
    size = file_size(path, limits)
    header = picture_header(path, family)
    check_size(header.rows, header.columns, limits)
    told = [*warnings, make_warning("no-acquisition-header")]
    if header.bits <= 8:
        told.append(make_warning("eight-bit"))
    if header.is_lossy:
        told.append(make_warning("lossy-compression"))
    if pixel_mm is None:
        told.append(make_warning("spacing-unknown"))
    if synthetic:
        told.append(make_warning("synthetic"))
    told += [make_warning("view-modifier", f"view modifier: {modifier}") for modifier in modifiers]
    name = f"{laterality.value}-{position}"
    view = View(
        laterality=laterality,
        position=position,
        load=partial(call_named, name, source, partial(_load, path, header, size, limits)),
        source=source,
        rows=header.rows,
        columns=header.columns,
        pixel_mm=pixel_mm,
        modifiers=modifiers,
        kind=ImageKind.SYNTHETIC if synthetic else ImageKind.UNKNOWN,
        warnings=tuple(told),
        digest=partial(call_named, name, source, partial(content_digest, path)),
    )
    return view, header.bits


def _load(path: Path, header: PictureHeader, size: int, limits: Limits) -> RawImage:
    try:
        with open(path, "rb") as handle:
            data = handle.read(size + 1)
    except OSError as error:
        raise UnreadableFile(f"the file cannot be opened ({error.strerror})") from None
    if len(data) != size:
        raise UnreadableFile(
            "the file changed since its header was read", remedy="Read the exam again."
        )
    if header.family == "pgm":
        pixels = _pgm_pixels(data, header)
    else:
        pixels = decode_frame(
            data,
            family=header.family,
            rows=header.rows,
            columns=header.columns,
            bytes_per_pixel=2,
            limits=limits,
        )
    greyscale = Greyscale(bits_stored=header.bits, inverted=header.is_inverted)
    return RawImage(pixels=_one_channel(pixels, header.is_lossy), greyscale=greyscale)


def _pgm_pixels(data: bytes, header: PictureHeader) -> Pixels:
    dtype = np.dtype("u1" if header.bits == 8 else ">u2")
    start, count = pgm_start(data[:4096]), header.rows * header.columns
    if len(data) - start < count * dtype.itemsize:
        raise PixelError("the pixel data are truncated", remedy="Export it again.")
    pixels = np.frombuffer(data, dtype=dtype, count=count, offset=start)
    return pixels.reshape(header.rows, header.columns).astype(dtype.newbyteorder("="), copy=False)


def _one_channel(pixels: Pixels, is_lossy: bool) -> Pixels:
    """Convert several channels to one. They must be equal, and alpha must be opaque."""
    if pixels.ndim == 2:
        return pixels
    colours = pixels[..., : 1 if pixels.shape[2] <= 2 else 3]
    alpha = pixels[..., -1] if pixels.shape[2] in (2, 4) else None
    # JPEG rounds the three channels separately.
    apart = np.abs(colours.astype(np.int32) - colours[..., :1]).max() > (2 if is_lossy else 0)
    if apart or (alpha is not None and alpha.min() != alpha.max()):
        raise PixelError("the image is in colour", remedy="Export it as 16-bit greyscale.")
    return np.ascontiguousarray(colours[..., 0])
