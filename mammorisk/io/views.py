"""View, laterality and modifiers of an image from codes, attributes and names."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pydicom.dataset import Dataset

from mammorisk.io.dataset import items, text
from mammorisk.io.words import modifiers_in
from mammorisk.records.exam import Laterality
from mammorisk.warnings import ResultWarning, Warnings, make_warning

# DICOM PS3.16 CID 4014, in SNOMED CT and the older SNOMED-RT codes. The coding scheme is ignored,
# because files mix SRT, SNM3 and SCT. pydicom has the same codes (a test compares them), but its
# dictionaries take longer to load than the headers of an exam take to read.
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

# DICOM PS3.16 CID 4015.
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

#: Modifiers of images that still show the whole breast in a standard projection.
HARMLESS_MODIFIERS = frozenset(
    {"implant displaced", "nipple in profile", "infra-mammary fold", "axillary tissue"}
)

_POSITIONS = frozenset(VIEW_CODES.values()) | {"AT"}
_SIDES = {"L": Laterality.LEFT, "LEFT": Laterality.LEFT} | {
    "R": Laterality.RIGHT,
    "RIGHT": Laterality.RIGHT,
}
#: "LCC", "RMLOID": ACR labels put magnification (M) and spot (S) before the view, others behind.
_JOINED = re.compile(
    r"(?P<side>L|R|LEFT|RIGHT)(?P<before>[MS])?(?P<view>CC|MLO|ML|LM|XCCL|XCCM|AT)"
    r"(?P<behind>ID|RL|RM|RI|RS|TAN|SPOT|MAG|[MS])?(?P<number>\d{0,2})$"
)
_LABELS = {
    "M": "magnification",
    "MAG": "magnification",
    "S": "spot compression",
    "SPOT": "spot compression",
    "ID": "implant displaced",
    "RL": "rolled lateral",
    "RM": "rolled medial",
    "RI": "rolled inferior",
    "RS": "rolled superior",
    "TAN": "tangential",
}


@dataclass(frozen=True, kw_only=True)
class ViewName:
    """Side, view and modifiers of an image, with warnings about inferred values."""

    laterality: Laterality | None
    position: str | None
    modifiers: tuple[str, ...] = ()
    bilateral: bool = False
    warnings: Warnings = ()


@dataclass(frozen=True)
class ViewWords:
    """Side, view and modifiers in free text. None and empty if the text has none."""

    laterality: Laterality | None
    position: str | None
    modifiers: tuple[str, ...] = ()


def parse_view_words(words: str) -> ViewWords:
    """Find side, view and modifiers in free text.

    Later words take precedence, so that a site code at the beginning has no effect. Without a side,
    or with both sides, the side is None.

    Parameters
    ----------
    words : str
        For example ``"L-CC"``, ``"left_mlo"``, ``"ddsm_0040_RIGHT_MLO"``.

    Returns
    -------
    ViewWords

    Examples
    --------
    >>> parse_view_words("ddsm_0040_RIGHT_MLO")
    ViewWords(laterality=<Laterality.RIGHT: 'R'>, position='MLO', modifiers=())
    >>> parse_view_words("L CC SPOT 9cm").modifiers
    ('spot compression',)
    """
    sides: set[Laterality] = set()
    position = None
    modifiers = modifiers_in(words)
    for word in re.split(r"[^A-Z0-9]+", words.upper()):
        joined = _JOINED.match(word)
        if joined:
            sides.add(_SIDES[joined["side"]])
            position = joined["view"]
            modifiers += [_LABELS[one] for one in (joined["before"], joined["behind"]) if one]
        elif word in _SIDES:
            sides.add(_SIDES[word])
        elif word in _POSITIONS:
            position = word
    return ViewWords(
        laterality=sides.pop() if len(sides) == 1 else None,
        position=position,
        modifiers=tuple(dict.fromkeys(modifiers)),
    )


def view_of(dataset: Dataset) -> ViewName:
    """Determine side and view of a DICOM image from attributes in order of reliability.

    View: ViewCodeSequence (0054,0220), ViewPosition (0018,5101), SeriesDescription (0008,103E), and
    PatientOrientation (0020,0020), where CBIS-DDSM stores it. Laterality: ImageLaterality
    (0020,0062), FrameLaterality (0020,9072) of the shared functional groups, Laterality
    (0020,0060), the words of ViewPosition, SeriesDescription. Modifiers: ViewModifierCodeSequence
    (0054,0222) and the words of these, of PaddleDescription (0018,11A4) and of ProtocolName
    (0018,1030).
    """
    warnings: list[ResultWarning] = []
    coded = None
    modifiers: list[str] = []
    for item in items(dataset, "ViewCodeSequence"):
        coded = coded or VIEW_CODES.get(text(item, "CodeValue") or "")
        modifiers += _modifiers(item)
    modifiers += _modifiers(dataset)
    in_position = parse_view_words(text(dataset, "ViewPosition") or "")
    in_series = parse_view_words(text(dataset, "SeriesDescription") or "")
    if coded and in_position.position and coded != in_position.position:
        said = "ViewCodeSequence and ViewPosition disagree: the code was used"
        warnings.append(make_warning("view-contradiction", said))
    position = coded or in_position.position
    if position is None:
        in_orientation = (text(dataset, "PatientOrientation") or "").upper()
        for origin, found in (
            ("SeriesDescription", in_series.position),
            ("PatientOrientation", in_orientation if in_orientation in _POSITIONS else None),
        ):
            if found is not None:
                position = found
                warnings.append(make_warning("view-inferred", f"view inferred from {origin}"))
                break
    elif in_series.position not in (None, position):
        said = "SeriesDescription names another view: the attributes for the view were used"
        warnings.append(make_warning("view-contradiction", said))

    stated = _stated_side(dataset)
    side = _SIDES.get(stated or "")
    if side is None and stated != "B":
        side = in_position.laterality or in_series.laterality
        if side is not None:
            origin = "ViewPosition" if in_position.laterality else "SeriesDescription"
            warnings.append(make_warning("view-inferred", f"laterality inferred from {origin}"))
    elif side is not None:
        others = (in_position.laterality, in_series.laterality, _series_side(dataset))
        if any(other not in (None, side) for other in others):
            said = "laterality attributes disagree: ImageLaterality was used"
            warnings.append(make_warning("view-contradiction", said))
    for keyword in ("PaddleDescription", "ProtocolName"):
        modifiers += modifiers_in(text(dataset, keyword) or "")
    modifiers += [*in_position.modifiers, *in_series.modifiers]
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
            told = modifiers_in(text(item, "CodeMeaning") or "") or ["unknown modifier"]
            found += [MODIFIER_CODES[code]] if code in MODIFIER_CODES else told
    return found


def _series_side(dataset: Dataset) -> Laterality | None:
    """Return Laterality (0020,0060) of the series."""
    return _SIDES.get((text(dataset, "Laterality") or "").upper())


def _stated_side(dataset: Dataset) -> str | None:
    stated = text(dataset, "ImageLaterality")
    if not stated:
        for group in items(dataset, "SharedFunctionalGroupsSequence"):
            for anatomy in items(group, "FrameAnatomySequence"):
                stated = stated or text(anatomy, "FrameLaterality")
    return (stated or text(dataset, "Laterality") or "").upper() or None
