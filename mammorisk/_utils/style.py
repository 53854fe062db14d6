"""The notice, colours, line styles and markers of every figure and page."""

from __future__ import annotations

#: Shown with every result.
NOTICE = "Research software, not a medical device: do not use for care."

#: Palette of Okabe and Ito (2008), distinguishable with the common colour-vision deficiencies.
#: Neighbours in this order also differ in lightness.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
BLUE, ORANGE = COLOURS[:2]

#: Line styles, one for each colour, so that colour is never the only difference.
DASHES: tuple[str | tuple[int, tuple[int, ...]], ...] = (
    "-",
    "--",
    "-.",
    ":",
    (0, (5, 1)),
    (0, (3, 1, 1, 1)),
    "-",
)

#: Markers, one for each colour.
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
