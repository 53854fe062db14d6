"""Greyscale of a DICOM image: its modality and VOI transformations as a record."""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset

from mammorisk.io.dataset import PARSE_ERRORS, items, label, number, numbers, text, texts, whole
from mammorisk.records.stored_image import Greyscale, Lut, Window
from mammorisk.warnings import ResultWarning, Warnings, make_warning

_FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")


def read_greyscale(dataset: Dataset) -> tuple[Greyscale, Warnings]:
    """Read the greyscale of an image, with warnings. Call inside ``quiet_pydicom``.

    Source: PhotometricInterpretation (0028,0004), PresentationLUTShape (2050,0020), Modality LUT
    (0028,3000), RescaleSlope and Intercept, VOI LUT Sequence (0028,3010), WindowCenter and Width,
    VOILUTFunction (0028,1056), PixelPaddingValue (0028,0120) and its range limit.
    """
    warnings: list[ResultWarning] = []
    signed = whole(dataset, "PixelRepresentation") == 1
    inverted = (text(dataset, "PhotometricInterpretation") or "").upper() == "MONOCHROME1"
    shape = (text(dataset, "PresentationLUTShape") or "").upper()
    if shape and (shape == "INVERSE") != inverted:
        warnings.append(
            _doubt(
                "PresentationLUTShape contradicts PhotometricInterpretation: the latter was used"
            )
        )
    modality = next(iter(_luts(dataset, "ModalityLUTSequence", signed, warnings)), None)
    padding = whole(dataset, "PixelPaddingValue")
    limit = whole(dataset, "PixelPaddingRangeLimit")
    other = padding if limit is None else limit
    return (
        Greyscale(
            bits_stored=whole(dataset, "BitsStored") or 16,
            signed=signed,
            inverted=inverted,
            slope=number(dataset, "RescaleSlope") or 1.0,
            intercept=number(dataset, "RescaleIntercept") or 0.0,
            modality_lut=modality,
            voi_luts=_luts(dataset, "VOILUTSequence", signed, warnings),
            windows=_windows(dataset, warnings),
            padding=None
            if padding is None or other is None
            else (min(padding, other), max(padding, other)),
        ),
        tuple(warnings),
    )


def _doubt(text: str) -> ResultWarning:
    return make_warning("greyscale-header", text)


def _luts(
    dataset: Dataset, keyword: str, signed: bool, warnings: list[ResultWarning]
) -> tuple[Lut, ...]:
    found = []
    for item in items(dataset, keyword):
        try:
            count, first, bits = (int(v) for v in numbers(item, "LUTDescriptor"))
            values = _entries(item, bits)
        except PARSE_ERRORS:
            warnings.append(_doubt(f"{keyword}: a table cannot be read and was ignored"))
            continue
        count = count or 65536
        if len(values) != count or not 1 <= bits <= 16:
            warnings.append(_doubt(f"{keyword}: a table has the wrong length and was ignored"))
            continue
        # The first mapped value has the sign of the pixels, whatever its VR is.
        if signed and first > 32767:
            first -= 65536
        found.append(
            Lut(
                values=values,
                first=first,
                bits=bits,
                explanation=label(text(item, "LUTExplanation")),
            )
        )
    return tuple(found)


def _entries(item: Dataset, bits: int) -> np.ndarray:
    data = item["LUTData"].value
    if isinstance(data, (bytes, bytearray)):
        order = "<" if item.is_little_endian in (None, True) else ">"
        return np.frombuffer(bytes(data), dtype=f"{order}u2").astype(np.int64)
    return np.atleast_1d(np.asarray(data, dtype=np.int64)) & 0xFFFF


def _windows(dataset: Dataset, warnings: list[ResultWarning]) -> tuple[Window, ...]:
    try:
        centers, widths = numbers(dataset, "WindowCenter"), numbers(dataset, "WindowWidth")
    except ValueError:
        warnings.append(_doubt("WindowCenter or WindowWidth is not a number: windows were ignored"))
        return ()
    function = (text(dataset, "VOILUTFunction") or "LINEAR").upper()
    if function not in _FUNCTIONS:
        warnings.append(_doubt("VOILUTFunction is unknown: windows were ignored"))
        return ()
    explanations = texts(dataset, "WindowCenterWidthExplanation")
    found = []
    for i, (center, width) in enumerate(zip(centers, widths, strict=False)):
        # PS3.3 C.11.2.1.2: LINEAR needs a width of at least 1, the others one above 0.
        if width < 1 and (function == "LINEAR" or width <= 0):
            warnings.append(_doubt("WindowWidth is out of range: a window was ignored"))
            continue
        found.append(
            Window(
                center=center,
                width=width,
                function=function,
                explanation=label(explanations[i]) if i < len(explanations) else None,
            )
        )
    return tuple(found)
