"""What every figure and page of the package has in common: the notice, colours and line styles."""

from __future__ import annotations

#: Shown wherever results are shown.
NOTICE = "Research software, not a medical device: do not use for care."

#: Palette of Okabe and Ito (2008), which readers with the common colour-vision deficiencies can
#: tell apart, in an order in which neighbours also differ in lightness.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
BLUE, ORANGE = COLOURS[:2]

#: Line styles, one for each colour: colour is never the only difference.
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
