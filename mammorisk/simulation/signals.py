"""Optional signals of simulated studies: fine texture, and change since the prior exam.

Both are off by default: their hazard ratio is 1, and neither risks nor images contain them.

``fine``
    A band-limited texture of the fibroglandular tissue with structures of 0.3 to 0.5 mm (half a
    period), whose amplitude grows with the score. Averaged over pixels of 1.25 mm, less than a
    tenth of the amplitude is left, which is far below the other texture and the noise.
``change``
    The exam of two years before is less dense than that of another woman with the same breasts now,
    if the score is high: density rose. The exam at entry does not depend on the score.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri

from mammorisk.simulation.random_streams import uniforms

if TYPE_CHECKING:
    from mammorisk.simulation.options import Effects, StudyOptions


SIGNALS = ("fine", "change")
#: What each signal is, for the note of a study.
DESCRIPTIONS = {
    "fine": "texture of fibroglandular tissue with structures of 0.3 to 0.5 mm; its amplitude is "
    "7% times exp(0.5 fine_score); not visible in pictures with pixels of 1.25 mm",
    "change": "area and volumetric density of the exam two years before are those of the same "
    "breasts at that age, less 0.4 change_score on the normal scale of density",
}
#: Amplitude of the fine texture at score 0, and its slope on the log scale.
_AMPLITUDE, _SLOPE = 0.07, 0.5
#: Change of density in two years for one unit of the score, on its normal scale.
CHANGE_PER_SCORE = 0.4
_COLUMNS = 4


def signals_of(effects: Effects) -> tuple[str, ...]:
    """Signals with an effect."""
    return tuple(name for name in SIGNALS if getattr(effects, f"{name}_hr") != 1)


def draw_signals(options: StudyOptions, first: int, n: int) -> pd.DataFrame:
    """Draw the scores of the signals of consecutive women.

    Returns
    -------
    DataFrame
        ``fine_score``, ``change_score``: normal scores, independent of everything else; only those
        of signals with an effect.
    """
    draws = uniforms(options.seed, "signals", first, n, _COLUMNS)
    names = signals_of(options.effects)
    return pd.DataFrame(
        {f"{name}_score": ndtri(draws[:, SIGNALS.index(name)]) for name in names},
        index=pd.RangeIndex(first, first + n),
    )


def fine_amplitude(score: float) -> float:
    """Relative amplitude (SD) of the fine texture of fibroglandular tissue."""
    return float(_AMPLITUDE * np.exp(_SLOPE * np.clip(score, -3, 3)))


def with_missing(
    answers: pd.DataFrame, site: NDArray[np.integer], options: StudyOptions
) -> pd.DataFrame:
    """Remove answers at random, by the share of each site; age stays.

    Parameters
    ----------
    answers : DataFrame
        Index: number of the woman. Any of the women of a block.
    site : ndarray of int, shape (n,)
        Position of the site of each woman.
    options : StudyOptions
    """
    shares = options.site_missing
    if not shares or not len(answers):
        return answers
    share = np.array([shares[i % len(shares)] for i in range(options.sites)])[site]
    first, last = int(answers.index[0]), int(answers.index[-1])
    # The draws of all women of the range, so that they do not depend on which are sampled.
    draws = uniforms(options.seed, "missing", first, last - first + 1, _MISSING_COLUMNS)
    draws = draws[answers.index.to_numpy() - first]
    made = answers.copy()
    for i, name in enumerate(column for column in answers.columns if column != "age"):
        column = made[name]
        if column.dtype == bool:
            column = column.astype("boolean")
        made[name] = column.mask(draws[:, i] < share)
    return made


_MISSING_COLUMNS = 32
