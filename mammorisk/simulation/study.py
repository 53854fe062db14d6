"""Study: a simulated screening study, in memory or in its folder."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from mammorisk._utils.progress import OnProgress
from mammorisk.io.manifest import read_cohort
from mammorisk.records.cohort import Cohort
from mammorisk.simulation.options import StudyOptions
from mammorisk.simulation.population import draw_population
from mammorisk.simulation.tables import blocks

MANIFEST, WOMEN, TRUTH = "manifest.parquet", "women.parquet", "truth.parquet"
LESIONS = "lesions.parquet"


@dataclass(frozen=True, kw_only=True)
class Study:
    """A simulated study, made by :func:`~mammorisk.simulation.simulate.simulate`.

    Attributes
    ----------
    options : StudyOptions
    folder : Path or None
        Where it was written.
    cohort : Cohort
        As :func:`mammorisk.read_cohort` gives: the exams with images, where there are images,
        else every exam of the study.
    women : DataFrame
        Every exam of the study: keys, answers, ``time``, ``event``, ``weight``, ``site``,
        ``vendor``, ``prior_exam_id``.
    truth : DataFrame
        The same rows: true risks (:func:`~mammorisk.simulation.truth.true_risks`), ``woman``
        (number in the population), latent times and traits.
    lesions : DataFrame or None
        Where lesions were asked for, their places in the pictures
        (:func:`~mammorisk.simulation.exam_plan.lesion_table`).
    population : DataFrame
        Every woman of the population, sampled or not, drawn again at each call.
    """

    options: StudyOptions
    folder: Path | None = None
    _tables: tuple[pd.DataFrame, pd.DataFrame] | None = field(default=None, repr=False)

    @property
    def cohort(self) -> Cohort:
        if self.folder is not None:
            return read_cohort(self.folder)
        women = self.women
        return Cohort(exams=women, errors=pd.Series([""] * len(women), dtype=object))

    @property
    def women(self) -> pd.DataFrame:
        if self._tables is not None:
            return self._tables[0]
        assert self.folder is not None
        every = self.folder / WOMEN
        return pd.read_parquet(every if every.exists() else self.folder / MANIFEST)

    @property
    def truth(self) -> pd.DataFrame:
        if self._tables is not None:
            return self._tables[1]
        assert self.folder is not None
        return pd.read_parquet(self.folder / TRUTH)

    @property
    def lesions(self) -> pd.DataFrame | None:
        if self.folder is None or not (self.folder / LESIONS).exists():
            return None
        return pd.read_parquet(self.folder / LESIONS)

    @property
    def population(self) -> pd.DataFrame:
        return draw_population(self.options.seed, self.options.n, age_range=self.options.age_range)

    def __repr__(self) -> str:
        place = f", in {self.folder.name}" if self.folder is not None else ""
        return (
            f"<Study: SIMULATED, {self.options.design} from {self.options.n:,} women, "
            f"seed {self.options.seed}{place}>"
        )


def study_in_memory(options: StudyOptions, on_progress: OnProgress | None = None) -> Study:
    """The tables of a study without a folder."""
    parts = list(blocks(options, on_progress))
    women = pd.concat([part.women for part in parts], ignore_index=True)
    truth = pd.concat([part.truth for part in parts], ignore_index=True)
    return Study(options=options, _tables=(women, truth))
