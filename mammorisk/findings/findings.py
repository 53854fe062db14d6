"""Findings: the lesions that were found in one exam."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mammorisk._utils.style import NOTICE
from mammorisk.findings.candidate import TYPES
from mammorisk.findings.finding import Finding
from mammorisk.imaging.upright import Turn
from mammorisk.records.dicom_source import DicomSource
from mammorisk.warnings import Warnings

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

#: Columns of :attr:`Findings.table`.
COLUMNS = (
    "finding_id",
    "view",
    "type",
    "score",
    "box_px",
    "box_mm",
    "centre_mm",
    "size_mm",
    "quadrant",
    "depth",
    "pair_id",
    "pair_probability",
    "p_malignant",
    "warnings",
)


@dataclass(frozen=True, kw_only=True)
class FoundView:
    """A view, and what was searched in it.

    Attributes
    ----------
    name : str
        Such as ``"L-CC"``.
    laterality : {"L", "R"}
    position : str
    rows, columns : int
        Size of the image as it is stored.
    pixel_mm : float or None
    dicom : DicomSource or None
        Identifiers to which a document refers; None for a picture.
    scores : dict of str to float
        Highest score of each type in the view, 0 if there is none; NaN if it was not searched:
        calcifications in coarse pixels, all types in a view without a breast.
    turn : Turn
        Rotation of the stored image to the usual display.
    picture : ndarray of uint8 or None
        A small picture of the upright view, for :meth:`Findings.plot`.
    chest_wall : {"left", "right"}
        Side of the chest wall in the picture.

    See Also
    --------
    mammorisk.Findings : The views and findings of an exam.

    Examples
    --------
    >>> from mammorisk.findings import FoundView
    >>> FoundView(
    ...     name="L-CC",
    ...     laterality="L",
    ...     position="CC",
    ...     rows=2294,
    ...     columns=1914,
    ...     pixel_mm=0.3,
    ...     scores={"mass": 0.4, "calcification": float("nan")},
    ... ).types_searched
    ('mass',)
    """

    name: str
    laterality: str
    position: str
    rows: int
    columns: int
    pixel_mm: float | None
    dicom: DicomSource | None = field(default=None, repr=False)
    scores: Mapping[str, float] = field(default_factory=dict)
    turn: Turn = field(default_factory=Turn, repr=False)
    picture: NDArray[np.uint8] | None = field(default=None, repr=False, compare=False)
    chest_wall: str = "left"

    @property
    def types_searched(self) -> tuple[str, ...]:
        """Types that were searched in the view."""
        return tuple(kind for kind in TYPES if not math.isnan(self.scores.get(kind, math.nan)))


@dataclass(frozen=True, kw_only=True, repr=False)
class Findings:
    """The lesions that :func:`mammorisk.find` found in one exam.

    A score orders findings. It is neither a risk nor a probability of cancer.

    Attributes
    ----------
    findings : tuple of Finding
        In decreasing order of the score.
    views : tuple of FoundView
        The views of the exam.
    warnings : tuple of ResultWarning
        About the exam, the views and the model.
    exam_score : float
        1-10, by tenths of a reference set of exams; NaN without a reference set.
    reference : str or None
        Name of the reference set.
    model : str
        Name of the detector.
    types : tuple of str
        Types that the detector searches where it can.
    simulated : bool
        Whether the detector was trained on simulated exams.
    provenance : dict
        Version, digest of the weights and of the pixels of each view.

    See Also
    --------
    mammorisk.find : Finds lesions.
    mammorisk.Prediction : The risk of a woman.

    Examples
    --------
    >>> import mammorisk as mr
    >>> found = mr.find("exam_folder")  # doctest: +SKIP
    >>> found.table[["view", "type", "score", "size_mm"]]  # doctest: +SKIP
    """

    findings: tuple[Finding, ...]
    views: tuple[FoundView, ...]
    warnings: Warnings = ()
    exam_score: float = float("nan")
    reference: str | None = None
    model: str
    types: tuple[str, ...] = TYPES
    simulated: bool = False
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.findings)

    @property
    def table(self) -> pd.DataFrame:
        """One row per finding, in decreasing order of the score.

        The columns are ``finding_id``, ``view``, ``type``, ``score`` (0-1), ``box_px`` (first row,
        one past the last row, first column, one past the last column, in pixels of the stored
        image), ``box_mm``, ``centre_mm``, ``size_mm``, ``quadrant``, ``depth`` (0 nipple to 1
        chest wall), ``pair_id``, ``pair_probability``, ``p_malignant`` (NaN unless it was learnt
        from pathology) and ``warnings``.
        """
        import pandas as pd

        rows = [[getattr(one, name) for name in COLUMNS] for one in self.findings]
        table = pd.DataFrame(rows, columns=list(COLUMNS))
        numbers = ["score", "size_mm", "depth", "pair_probability", "p_malignant"]
        return table.astype(dict.fromkeys(numbers, float))

    @property
    def breast_scores(self) -> pd.DataFrame:
        """Highest score of each type in each breast; NaN where it was not searched."""
        import pandas as pd

        sides: dict[str, dict[str, float]] = {}
        for view in self.views:
            known = sides.setdefault(view.laterality, dict.fromkeys(TYPES, float("nan")))
            for kind, score in view.scores.items():
                known[kind] = float(np.fmax(known[kind], score))
        return pd.DataFrame.from_dict(sides, orient="index", columns=list(TYPES))

    def plot(self, ax: Axes | None = None, *, scores: bool = True) -> Axes:
        """Plot the views in the clinical hanging, with a box around each finding.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Axes to draw into. Default: a new figure.
        scores : bool
            Whether to write identifier, type and score beside the boxes. In small axes there is
            room for the identifier alone.

        Returns
        -------
        matplotlib Axes
        """
        from mammorisk.findings.plot import plot_findings

        return plot_findings(self, ax=ax, scores=scores)

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain JSON types; a number that is not known is None."""
        score = self.exam_score
        return {
            "model": self.model,
            "types": list(self.types),
            "simulated": self.simulated,
            "exam_score": None if score != score else score,
            "reference": self.reference,
            "views": [
                {
                    "view": one.name,
                    "rows": one.rows,
                    "columns": one.columns,
                    "pixel_mm": one.pixel_mm,
                    "types_searched": list(one.types_searched),
                }
                for one in self.views
            ],
            "findings": [one.to_dict() for one in self.findings],
            "warnings": [one.to_dict() for one in self.warnings],
            "provenance": dict(self.provenance),
            "notice": NOTICE,
        }

    def to_json(self) -> str:
        """Return :meth:`to_dict` as a JSON text."""
        return json.dumps(self.to_dict(), allow_nan=False, indent=2)

    def to_sr(self, path: str | Path, *, identity: bool = False) -> Path:
        """Write a DICOM Mammography CAD structured report (TID 4000).

        Parameters
        ----------
        path : path
        identity : bool
            Whether the report has the identity of the patient from the images.

        Returns
        -------
        Path

        Raises
        ------
        OutputError
            The views are not of DICOM files, or the file cannot be written.
        """
        from mammorisk.findings.sr import write_cad_sr

        return write_cad_sr(self, path, identity=identity)

    def __repr__(self) -> str:
        views = ", ".join(view.name for view in self.views) or "no views"
        lines = [f"Findings of {self.model} in {views}: {len(self.findings)}"]
        for one in self.findings:
            size = "" if one.size_mm is None else f", {one.size_mm:.0f} mm"
            place = f", {one.quadrant}" if one.quadrant else ""
            lines.append(f"  {one.finding_id} {one.view} {one.type} {one.score:.2f}{size}{place}")
        lines.extend(f"  ! {one}" for one in self.warnings)
        lines.append(f"  Scores are not risks. {NOTICE}")
        return "\n".join(lines)
