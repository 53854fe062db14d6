"""Finding: a lesion that was found in one view, with its place and its pair."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mammorisk.warnings import Warnings


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A lesion in one view. One row of :attr:`mammorisk.findings.Findings.table`.

    Attributes
    ----------
    finding_id : str
        Unique in the exam.
    view : str
        Name of the view, such as ``"L-CC"``.
    type : str
        ``"mass"``, ``"calcification"``, ``"asymmetry"`` or ``"distortion"``.
    score : float
        Score of the detector after fusion of the views, 0-1. It is not a risk.
    box_px : tuple of int
        First row, one past the last row, first column, one past the last column, in pixels of the
        image as it is stored in the file.
    box_mm : tuple of float or None
        The same box in mm from the upper left corner of the stored image. None if the pixel
        spacing is unknown, as for the other lengths.
    centre_mm : tuple of float or None
        Row and column of the centre of the box.
    size_mm : float or None
        Longer side of the box.
    quadrant : str or None
        ``"upper outer"``, ``"upper inner"``, ``"lower outer"``, ``"lower inner"`` or ``"central"``.
        None without a matched pair of views.
    depth : float
        From 0 at the nipple to 1 at the pectoral muscle, or at the chest edge in a CC view. NaN if
        the nipple was not found.
    pair_id : str or None
        The same for the two findings of a pair; None without a match.
    pair_probability : float
        Probability that the two findings of the pair are the same lesion; NaN without a match.
    p_malignant : float
        NaN unless the model was fitted on labelled pathology.
    n_specks : int or None
        Number of specks of a cluster of calcifications; None for other types.
    warnings : tuple of ResultWarning
        Warnings about the view.

    See Also
    --------
    mammorisk.Findings : All findings of an exam.

    Examples
    --------
    >>> from mammorisk.findings import Finding
    >>> one = Finding(
    ...     finding_id="F1", view="L-CC", type="mass", score=0.6, box_px=(100, 180, 40, 120)
    ... )
    >>> one.to_dict()["box_px"], one.p_malignant
    ([100, 180, 40, 120], nan)
    """

    finding_id: str
    view: str
    type: str
    score: float
    box_px: tuple[int, int, int, int]
    box_mm: tuple[float, float, float, float] | None = None
    centre_mm: tuple[float, float] | None = None
    size_mm: float | None = None
    quadrant: str | None = None
    depth: float = float("nan")
    pair_id: str | None = None
    pair_probability: float = float("nan")
    p_malignant: float = float("nan")
    n_specks: int | None = None
    warnings: Warnings = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON types; a number that is not known is None."""
        told = {name: _plain(getattr(self, name)) for name in self.__dataclass_fields__}
        return told | {"warnings": [one.to_dict() for one in self.warnings]}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, float) and value != value:
        return None
    return value
