"""Tables of a simulated study, created and written in blocks of women with bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mammorisk._utils.atomic_write import atomic_write
from mammorisk._utils.progress import OnProgress
from mammorisk.records.questionnaire_fields import FIELDS
from mammorisk.records.simulated_ids import SIMULATED_PREFIX
from mammorisk.simulation.follow_up import follow
from mammorisk.simulation.options import StudyOptions
from mammorisk.simulation.population import draw_population
from mammorisk.simulation.random_streams import uniforms
from mammorisk.simulation.sampling import case_cohort_weights, nested_case_control_weights
from mammorisk.simulation.signals import draw_signals, signals_of, with_missing
from mammorisk.simulation.traits import TRAITS
from mammorisk.simulation.truth import hazards, true_risks

#: Women per block. A change would change the files, because a block is a Parquet row group.
BLOCK = 25_000
#: Controls of a nested case-control design are matched on age in bands of this width.
_MATCHING_YEARS = 5


class Block(NamedTuple):
    """Rows of the study among consecutive women: the table of the cohort, and the truth."""

    women: pd.DataFrame
    truth: pd.DataFrame


def patient_id(woman: int) -> str:
    """Return the identifier of a woman, which states that she is simulated."""
    return f"{SIMULATED_PREFIX}{woman:08d}"


def exam_id(woman: int, *, prior: bool = False) -> str:
    """Return the identifier of the exam at entry, or of the prior exam."""
    return f"{patient_id(woman)}-{0 if prior else 1}"


def blocks(options: StudyOptions, on_progress: OnProgress | None = None) -> Iterator[Block]:
    """Yield the study in order, in blocks of the population.

    Parameters
    ----------
    options : StudyOptions
    on_progress : callable, optional
        Called with ``"women"``, the number of finished women of the population and the total.

    Yields
    ------
    Block
        Only women who are sampled by the design; possibly none.
    """
    weights = _nested_weights(options) if options.design == "nested-case-control" else None
    for first in range(0, options.n, BLOCK):
        drawn = _draw(options, first)
        everything = hazards(drawn, options.effects)
        followed = follow(drawn, everything, options)
        if weights is not None:
            weight = weights[first : first + len(drawn)]
        elif options.design == "case-cohort":
            weight = case_cohort_weights(
                followed["event"].to_numpy(),
                followed["subcohort"].to_numpy(),
                options.subcohort_fraction,
            )
        else:
            weight = np.ones(len(drawn))
        yield _block(drawn, followed, weight, options)
        if on_progress is not None:
            on_progress("women", first + len(drawn), options.n)


def _draw(options: StudyOptions, first: int) -> pd.DataFrame:
    n = min(BLOCK, options.n - first)
    women = draw_population(options.seed, n, first=first, age_range=options.age_range)
    if not signals_of(options.effects):
        return women
    return pd.concat([women, draw_signals(options, first, n)], axis=1)


def _nested_weights(options: StudyOptions) -> NDArray[np.float64]:
    """Compute weights. Risk sets need the follow-up of the whole population, computed first."""
    parts = []
    for first in range(0, options.n, BLOCK):
        drawn = _draw(options, first)
        followed = follow(drawn, hazards(drawn, options.effects), options)
        band = (drawn["age"].to_numpy() // _MATCHING_YEARS).astype(np.int64)
        parts.append((followed["time"].to_numpy(), followed["event"].to_numpy(), band))
    time, event, band = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    # A number from a separate stream is the seed for the draw of controls.
    seed = int(uniforms(options.seed, "controls", 0, 1, 4)[0, 0] * 2**53)
    return nested_case_control_weights(
        time, event, band, options.controls_per_case, np.random.default_rng(seed)
    )


def _block(
    drawn: pd.DataFrame,
    followed: pd.DataFrame,
    weight: NDArray[np.float64],
    options: StudyOptions,
) -> Block:
    rows = np.flatnonzero(weight > 0)
    drawn, followed = drawn.iloc[rows], followed.iloc[rows]
    patient = [patient_id(woman) for woman in drawn.index]
    exam = [exam_id(woman) for woman in drawn.index]
    prior = [
        f"{name}-0" if has else None for name, has in zip(patient, followed["prior"], strict=True)
    ]
    keys = pd.DataFrame({"patient_id": patient, "exam_id": exam}, index=drawn.index, dtype=object)
    women = pd.concat(
        [
            keys,
            with_missing(
                drawn[[name for name in drawn.columns if name in FIELDS]],
                followed["site"].cat.codes.to_numpy(),
                options,
            ),
            followed[["time", "event"]],
            pd.DataFrame({"weight": weight[rows]}, index=drawn.index),
            followed[["exam_date", "site", "vendor"]],
            pd.DataFrame({"prior_exam_id": pd.array(prior, dtype="string")}, index=drawn.index),
        ],
        axis=1,
    )
    truth = pd.concat(
        [
            keys,
            pd.DataFrame({"woman": drawn.index.to_numpy()}, index=drawn.index),
            true_risks(drawn, options.effects, followed["prior"].to_numpy(dtype=bool)),
            followed[["years_to_cancer", "years_to_death"]],
            drawn[[*TRAITS, *(f"{name}_score" for name in signals_of(options.effects))]],
            followed[["image"]].rename(columns={"image": "image_draw"}),
        ],
        axis=1,
    )
    return Block(women.reset_index(drop=True), truth.reset_index(drop=True))


def write_tables(stream: Iterator[Block], women_file: Path, truth_file: Path) -> None:
    """Write both tables of a study atomically, the table of women last.

    Raises
    ------
    OSError
        A table cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    def write_both(women_path: Path, truth_path: Path) -> None:
        writers: list[pq.ParquetWriter] = []
        try:
            for block in stream:
                tables = [pa.Table.from_pandas(part, preserve_index=False) for part in block]
                if not writers:
                    for path, table in zip((women_path, truth_path), tables, strict=True):
                        writers.append(pq.ParquetWriter(path, table.schema))
                for writer, table in zip(writers, tables, strict=True):
                    writer.write_table(table.cast(writer.schema))
        finally:
            for writer in writers:
                writer.close()

    atomic_write(
        women_file,
        lambda women_path: atomic_write(
            truth_file, lambda truth_path: write_both(women_path, truth_path)
        ),
    )
