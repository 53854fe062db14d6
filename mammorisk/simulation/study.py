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
        """Positions of lesions in the images. None if no lesions were requested.

        See :func:`~mammorisk.simulation.exam_plan.lesion_table`.
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
