"""Study: a simulated screening study, in memory or in its folder."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from mammorisk._utils.progress import OnProgress
from mammorisk.errors import SimulationError
from mammorisk.io.manifest import read_cohort
from mammorisk.records.cohort import Cohort
from mammorisk.simulation.options import StudyOptions
from mammorisk.simulation.population import draw_population
from mammorisk.simulation.tables import blocks

MANIFEST, WOMEN, TRUTH = "manifest.parquet", "women.parquet", "truth.parquet"
LESIONS = "lesions.parquet"


@dataclass(frozen=True, kw_only=True)
class Study:
    """A simulated screening study, created by :func:`mammorisk.simulate`.

    Attributes
    ----------
    options : StudyOptions
        Options of the simulation.
    folder : Path or None
        Folder of the study. None for a study in memory.

    See Also
    --------
    mammorisk.simulate : Creates a study.
    mammorisk.Cohort : Type of the attribute ``cohort``.

    Examples
    --------
    >>> import mammorisk as mr
    >>> study = mr.simulate(500, seed=1)
    >>> study
    <Study: SIMULATED, cohort from 500 women, seed 1>
    >>> study.women.shape[0] == study.truth.shape[0] == len(study.cohort) == 500
    True
    """

    options: StudyOptions
    folder: Path | None = None
    _tables: tuple[pd.DataFrame, pd.DataFrame] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.folder is None and self._tables is None:
            raise SimulationError(
                "a study has a folder or tables in memory",
                remedy="Create a study with mr.simulate().",
            )

    @property
    def cohort(self) -> Cohort:
        """The exams with images if there are images, else all exams of the study."""
        if self.folder is not None:
            return read_cohort(self.folder)
        women = self.women
        return Cohort(exams=women, errors=pd.Series([""] * len(women), dtype=object))

    @property
    def women(self) -> pd.DataFrame:
        """All exams of the study.

        The columns are keys, answers, ``time``, ``event``, ``weight``, ``site``, ``vendor`` and
        ``prior_exam_id``.
        """
        if self._tables is not None:
            return self._tables[0]
        assert self.folder is not None
        every = self.folder / WOMEN
        return pd.read_parquet(every if every.exists() else self.folder / MANIFEST)

    @property
    def truth(self) -> pd.DataFrame:
        """True risks, latent times and traits, with the same rows as ``women``.

        See :func:`~mammorisk.simulation.truth.true_risks`. The column ``woman`` is the number of
        the woman in the population.
        """
        if self._tables is not None:
            return self._tables[1]
        assert self.folder is not None
        return pd.read_parquet(self.folder / TRUTH)

    @property
    def lesions(self) -> pd.DataFrame | None:
        """Lesions in the images, one row for each lesion and view. None without such images.

        Lesions are simulated, and drawn independently of later cancer. The columns are

        ``patient_id``, ``exam_id``, ``lesion_id``
            A lesion has one identifier in both views and in the prior exam.
        ``laterality``, ``view``, ``type``
            ``L`` or ``R``; ``CC`` or ``MLO``; ``mass``, ``calcification``, ``asymmetry`` or
            ``distortion``.
        ``row_min_px``, ``row_max_px``, ``col_min_px``, ``col_max_px``
            Box in pixels of the file; the last row and column are excluded.
        ``centre_row_px``, ``centre_col_px``
            Middle of the box; whole numbers are centres of pixels.
        ``width_mm``, ``height_mm``, ``size_mm``, ``mask_area_mm2``
            Box, largest diameter and area in the plane of the detector. The box of a mass is that
            of its body, without spicules.
        ``quadrant``, ``depth``
            ``upper outer``, ``upper inner``, ``lower outer``, ``lower inner``, or ``central`` near
            the axis of the nipple (nearer than 0.15 in relative coordinates); and the depth in this
            view: 0 at the nipple, 1 at the chest edge (CC) or the pectoral muscle (MLO).
        ``x_mm``, ``y_mm``, ``z_mm``
            Place in the breast: from the chest wall towards the nipple, and from the axis of the
            nipple to lateral and upwards, both negative on the other side. Lengths are those of
            the compressed views, CC for x and y, MLO for z.
        ``contrast``
            Difference of the mean within 0.9 radii to that of the ring from 1.2 to 2 radii, in SD
            of the ring, without noise. Of calcifications, the median of the peaks of the specks in
            SD of the quantum noise of pixels of 0.1 mm.
        ``shape``, ``margin``, ``morphology``, ``distribution``, ``pathology``
            BI-RADS descriptors, None where not of that type, and ``benign`` or ``malignant``.
        ``n_views``
            Number of views that show the lesion: 1 of an asymmetry, else 2.
        ``nipple_row_px``, ``nipple_col_px``
            Place of the nipple in the view.
        ``speck_rows_px``, ``speck_cols_px``
            Places of the specks of calcifications; empty for other types.

        See Also
        --------
        mammorisk.simulation.render_exam : The same for exams without files.
        """
        if self.folder is None or not (self.folder / LESIONS).exists():
            return None
        return pd.read_parquet(self.folder / LESIONS)

    @property
    def population(self) -> pd.DataFrame:
        """All women of the population, sampled or not. They are drawn again at each access."""
        return draw_population(self.options.seed, self.options.n, age_range=self.options.age_range)

    def __repr__(self) -> str:
        place = f", in {self.folder.name}" if self.folder is not None else ""
        return (
            f"<Study: SIMULATED, {self.options.design} from {self.options.n:,} women, "
            f"seed {self.options.seed}{place}>"
        )


def study_in_memory(options: StudyOptions, on_progress: OnProgress | None = None) -> Study:
    """Create a study in memory, without a folder."""
    parts = list(blocks(options, on_progress))
    women = pd.concat([part.women for part in parts], ignore_index=True)
    truth = pd.concat([part.truth for part in parts], ignore_index=True)
    return Study(options=options, _tables=(women, truth))
