"""View, laterality and modifiers: from codes, from attributes, from names."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pydicom.dataset import Dataset

from mammorisk.io.dataset import items, text
from mammorisk.records.exam import Laterality
from mammorisk.warnings import ResultWarning, Warnings, make_warning

# DICOM PS3.16 CID 4014, SNOMED CT and the older SNOMED-RT codes. The scheme is not looked at:
# files in the field mix SRT, SNM3 and SCT.
VIEW_CODES = {
    "399162004": "CC",
    "R-10242": "CC",
    "399368009": "MLO",
    "R-10226": "MLO",
    "399260004": "ML",
    "R-10224": "ML",
    "399352003": "LM",
    "R-10228": "LM",
    "399099002": "LMO",
    "R-10230": "LMO",
    "399192008": "XCCL",
    "R-1024A": "XCCL",
    "399101009": "XCCM",
    "R-1024B": "XCCM",
    "399196006": "FB",
    "R-10244": "FB",
    "399188001": "SIO",
    "R-102D0": "SIO",
    "441555000": "ISO",
    "R-40AAA": "ISO",
    "127457009": "specimen",
    "G-8310": "specimen",
}

# CID 4015.
MODIFIER_CODES = {
    "399055006": "spot compression",
    "R-102D7": "spot compression",
    "399163009": "magnification",
    "R-102D6": "magnification",
    "399209000": "implant displaced",
    "R-102D5": "implant displaced",
    "399161006": "cleavage",
    "R-102D2": "cleavage",
    "399011000": "axillary tail",
    "R-102D1": "axillary tail",
    "399110001": "tangential",
    "R-102C2": "tangential",
    "399197002": "rolled lateral",
    "R-102D3": "rolled lateral",
    "399226006": "rolled medial",
    "R-102D4": "rolled medial",
    "414493004": "rolled inferior",
    "R-102CA": "rolled inferior",
    "415670009": "rolled superior",
    "R-102C9": "rolled superior",
    "441752004": "anterior compression",
    "P2-00161": "anterior compression",
    "442581004": "nipple in profile",
    "R-40AB3": "nipple in profile",
    "442593008": "infra-mammary fold",
    "R-40ABE": "infra-mammary fold",
    "442580003": "axillary tissue",
    "R-40AB2": "axillary tissue",
}

#: Modifiers under which an image still shows the whole breast in its standard projection.
HARMLESS_MODIFIERS = frozenset(
    {"implant displaced", "nipple in profile", "infra-mammary fold", "axillary tissue"}
)

_POSITIONS = frozenset(VIEW_CODES.values()) | {"AT"}
_SIDES = {"L": Laterality.LEFT, "LEFT": Laterality.LEFT} | {
    "R": Laterality.RIGHT,
    "RIGHT": Laterality.RIGHT,
}
_JOINED = re.compile(r"(L|R|LEFT|RIGHT)(CC|MLO|ML|LM|XCCL|XCCM)$")

#: Names that makers give to such images.
_SYNTHETIC = re.compile(r"(?<![A-Z])[CS][-_ ]VIEW|INTELLIGENT[-_ ]2D|GENERATED[-_ ]2D")


def is_synthetic_name(words: str) -> bool:
    """Whether a description names a synthetic 2D image: ``"L CC C-View"``."""
    return _SYNTHETIC.search(words.upper()) is not None


@dataclass(frozen=True, kw_only=True)
class ViewName:
    """What could be told of side and view, and how far it was inferred."""

    laterality: Laterality | None
    position: str | None
    modifiers: tuple[str, ...] = ()
    bilateral: bool = False
    warnings: Warnings = ()


def parse_view_words(words: str) -> tuple[Laterality | None, str | None]:
    """Side and view from free text: ``"L-CC"``, ``"left_mlo"``, ``"ddsm_0040_RIGHT_MLO"``.

    Later words win over earlier ones, so that a site code in front does no harm. Conflicting
    sides, or none, give None.
    """
    sides: set[Laterality] = set()
    position = None
    for word in re.split(r"[^A-Z0-9]+", words.upper()):
        joined = _JOINED.match(word)
        if joined:
            sides.add(_SIDES[joined.group(1)])
            position = joined.group(2)
        elif word in _SIDES:
            sides.add(_SIDES[word])
        elif word in _POSITIONS:
            position = word
    return (sides.pop() if len(sides) == 1 else None), position


def view_of(dataset: Dataset) -> ViewName:
    """Side and view of a DICOM image, attributes in order of trust.

    View: ViewCodeSequence (0054,0220), ViewPosition (0018,5101), SeriesDescription (0008,103E).
    Laterality: ImageLaterality (0020,0062), FrameLaterality (0020,9072) of the shared functional
    groups, Laterality (0020,0060), the words of ViewPosition, SeriesDescription.
    """
    warnings: list[ResultWarning] = []
    coded = None
    modifiers: list[str] = []
    for item in items(dataset, "ViewCodeSequence"):
        coded = coded or VIEW_CODES.get(text(item, "CodeValue") or "")
        modifiers += _modifiers(item)
    modifiers += _modifiers(dataset)
    word_side, word_position = parse_view_words(text(dataset, "ViewPosition") or "")
    series_side, series_position = parse_view_words(text(dataset, "SeriesDescription") or "")
    if coded and word_position and coded != word_position:
        said = "ViewCodeSequence and ViewPosition disagree: the code was used"
        warnings.append(make_warning("view-contradiction", said))
    position = coded or word_position
    if position is None and series_position is not None:
        position = series_position
        warnings.append(make_warning("view-inferred", "view inferred from SeriesDescription"))

    stated = _stated_side(dataset)
    side = _SIDES.get(stated or "")
    if side is None and stated != "B":
        side = word_side or series_side
        if side is not None:
            origin = "ViewPosition" if word_side else "SeriesDescription"
            warnings.append(make_warning("view-inferred", f"laterality inferred from {origin}"))
    elif side is not None and word_side not in (None, side):
        said = "laterality attributes disagree: ImageLaterality was used"
        warnings.append(make_warning("view-contradiction", said))
    return ViewName(
        laterality=side,
        position=position,
        modifiers=tuple(dict.fromkeys(modifiers)),
        bilateral=stated == "B",
        warnings=tuple(warnings),
    )


def _modifiers(dataset: Dataset) -> list[str]:
    found = []
    for item in items(dataset, "ViewModifierCodeSequence"):
        code = text(item, "CodeValue")
        if code:
            found.append(MODIFIER_CODES.get(code, "unknown modifier"))
    return found


def _stated_side(dataset: Dataset) -> str | None:
    stated = text(dataset, "ImageLaterality")
    if not stated:
        for group in items(dataset, "SharedFunctionalGroupsSequence"):
            for anatomy in items(group, "FrameAnatomySequence"):
                stated = stated or text(anatomy, "FrameLaterality")
    return (stated or text(dataset, "Laterality") or "").upper() or None
