"""Words in descriptions and names that show the kind of an image if no code does.

They are searched in descriptions (series, protocol, paddle, image type, names of pictures) in
capitals. Underscores, hyphens and dots count as spaces.
"""

from __future__ import annotations

import re

#: Computed from tomosynthesis: Hologic C-View and Intelligent 2D, Siemens Insight 2D (TOMO_2D), GE
#: V-Preview, Fuji and Siemens S-View, Giotto G-View, and plain words.
_SYNTHETIC = re.compile(
    r"\b[CSG] ?VIEW\b|\bV ?PREVIEW\b|\bINTELLIGENT ?2D\b|\bINSIGHT ?2D\b|\bGENERATED ?2D\b"
    r"|\bTOMO ?2D\b|\bSYNTH\w*|\bS2D\b|\bSM ?2D\b|\b2D ?SM\b"
)
#: Images of contrast-enhanced mammography that show the contrast agent.
_RECOMBINED = re.compile(
    r"\bRECOMB\w*|\bSUBTRACT\w*|\bSUB\b|\bIODINE\b|\bHIGH ?ENERGY\b|\bHE\b|\bDUAL ?ENERGY\b"
)
_LOW_ENERGY = re.compile(r"\bLOW ?ENERGY\b|\bLE\b")
_CONTRAST = re.compile(r"\b(CEM|CESM|CEDM|TICEM|CONTRAST ?ENHANCED|I ?VIEW|SENOBRIGHT)\b")
#: Files beside images that are not mammograms.
_MASK = re.compile(
    r"\bMASKS?\b|\bOVERLAYS?\b|\bANNOT\w*|\bROIS?\b|\bCONTOURS?\b|\bSEG(MENT\w*)?\b|\bLABELS?\b"
    r"|\bHEAT ?MAPS?\b|\bSALIENCY\b|\bGRAD ?CAM\b|\bGROUND ?TRUTH\b|\bGT\b|\bTHUMB(NAIL)?S?\b"
    r"|\bOUTLINES?\b|\bB?BOX(ES)?\b"
)
_QUALITY_CONTROL = re.compile(
    r"\bPHANTOM\w*|\bFLAT ?FIELD\w*|\bQC\b|\bQA\b|\bQUALITY (CONTROL|ASSURANCE)\b|\bCDMAM\b"
    r"|\bACR PH\w*|\bUNIFORMITY\b|\bMTF\b|\bTEST (OBJECT|IMAGE|PATTERN)\b|\bPMMA\b|\bTOMOPHAN\b"
    r"|\bDETECTOR CAL\w*|\bARTI?FACT EVAL\w*"
)
#: Modifier (see :mod:`mammorisk.io.views`) by words in paddle names and descriptions.
_MODIFIERS = (
    (
        re.compile(r"\bSPOT(S|TED)?\b|\bCON(E|ED) ?(DOWN|VIEW)?\b|\bSPOT ?COMP\w*"),
        "spot compression",
    ),
    (re.compile(r"\bMAG(N|NIF\w*|S)?\b"), "magnification"),
    (re.compile(r"\bIMPLANTS? ?DISPL\w*|\bEKLUND\b|\b(CC|MLO|ML) ?ID\b"), "implant displaced"),
    (re.compile(r"\bROLL(ED)?( (LAT\w*|MED\w*|INF\w*|SUP\w*))?\b"), "rolled"),
    (re.compile(r"\bTANG?(ENTIAL)?\b"), "tangential"),
    (re.compile(r"\bCLEAVAGE\b"), "cleavage"),
    (re.compile(r"\bAXILLARY ?TAIL\b"), "axillary tail"),
    (
        re.compile(
            r"\bBIOPS(Y|IES)\b|\bSTEREO\w*|\bSPECIMEN\b|\bLOCALI[SZ]ATION\b|\bNEEDLE\b|\bWIRE\b"
            r"|\b(GALACTO|DUCTO)GRA\w*"
        ),
        "intervention",
    ),
)
#: A size may follow a word directly: "SPOT9CM", "MAG1.8".
_SIZE = re.compile(r"(?<=[A-Z])(\d+([.,]\d+)?(CM|MM|X)?)\b")


def spaced(words: str) -> str:
    """Convert text to capitals with one space between words."""
    return re.sub(r"[\s_./\\,;:()\[\]^+-]+", " ", words.upper()).strip()


def is_synthetic_name(words: str) -> bool:
    """Whether a description is that of a synthetic 2D image.

    Examples
    --------
    >>> is_synthetic_name("L CC C-View"), is_synthetic_name("TOMO_2D"), is_synthetic_name("L CC")
    (True, True, False)
    """
    return _SYNTHETIC.search(spaced(words)) is not None


def is_recombined_name(words: str) -> bool:
    """Whether a description is that of a recombined or high-energy image.

    Examples
    --------
    >>> is_recombined_name("L CC CEM SUBTRACTED"), is_recombined_name("CEM LOW_ENERGY")
    (True, False)
    """
    told = spaced(words)
    return _RECOMBINED.search(told) is not None and _LOW_ENERGY.search(told) is None


def is_contrast_name(words: str) -> bool:
    """Whether a description says that contrast agent was given."""
    told = spaced(words)
    return any(one.search(told) for one in (_CONTRAST, _LOW_ENERGY, _RECOMBINED))


def is_mask_name(words: str) -> bool:
    """Whether the name of a picture is that of a mask, an overlay or a crop.

    Examples
    --------
    >>> is_mask_name("P_00001_LEFT_CC mask"), is_mask_name("P_00001_LEFT_CC")
    (True, False)
    """
    return _MASK.search(spaced(words)) is not None


def is_quality_control_name(words: str) -> bool:
    """Whether a description is that of a phantom, a flat field or another test image."""
    return _QUALITY_CONTROL.search(spaced(words)) is not None


def modifiers_in(words: str) -> list[str]:
    """Return the view modifiers in a description.

    Examples
    --------
    >>> modifiers_in("SPOT 9CM"), modifiers_in("L CC ID"), modifiers_in("18x24 contact")
    (['spot compression'], ['implant displaced'], [])
    """
    told = _SIZE.sub("", spaced(words))
    return [name for pattern, name in _MODIFIERS if pattern.search(told)]
