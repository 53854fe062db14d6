"""Which published model answers when none is named, row by row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mammorisk.base import DEFAULT_HORIZONS, Horizon, RiskModel, Scores
from mammorisk.clinical import load_clinical

if TYPE_CHECKING:
    import pandas as pd

#: The default models: with a known or measured density, and without.
WITH_DENSITY, WITHOUT_DENSITY = "bcsc-2008", "icare-lit"
#: The default model for exams.
WITH_IMAGES = "hybrid"


def default_name(has_images: bool, horizons: tuple[Horizon, ...]) -> str | None:
    """The model for exams where it answers; None leaves the choice to :func:`score`."""
    return WITH_IMAGES if has_images and all(h in DEFAULT_HORIZONS for h in horizons) else None


def score(
    frame: pd.DataFrame, model: RiskModel | None, horizons: tuple[Horizon, ...]
) -> tuple[Scores, list[str]]:
    """Scores and the name of the model behind each row."""
    if model is not None:
        return model.score(frame, horizons), [model.name] * len(frame)
    return _score_default(frame, horizons)


def _score_default(frame: pd.DataFrame, horizons: tuple[Horizon, ...]) -> tuple[Scores, list[str]]:
    import numpy as np
    import pandas as pd

    fallback = load_clinical(WITHOUT_DENSITY)
    beyond = any(h == "lifetime" or h > 5 for h in horizons)
    if "breast_density" not in frame.columns or beyond:
        return fallback.score(frame, horizons), [WITHOUT_DENSITY] * len(frame)
    first = load_clinical(WITH_DENSITY).score(frame, horizons)
    known = frame["breast_density"].notna().to_numpy()
    answered = first.risk.notna().all(axis=1).to_numpy() & known
    if answered.all():
        return first, [WITH_DENSITY] * len(frame)
    rest = ~answered
    second = fallback.score(frame[rest], horizons)
    risk = first.risk.copy()
    risk[rest] = second.risk.to_numpy()
    # Only a woman whose density is known needs to be told why it was not used.
    skipped = first.flags[rest].where(known[rest], "")
    note = skipped.map(lambda why: f"{WITH_DENSITY} does not apply ({why})" if why else "")
    same = second.flags == skipped
    flags = first.flags.copy()
    flags[rest] = join_flags(second.flags, note.mask(same, ""))
    parts = [s.contributions for s in (first, second) if s.contributions is not None]
    contributions = (
        pd.concat([parts[0][answered], parts[1]]).loc[frame.index]
        if len(parts) == 2 and frame.index.is_unique
        else None
    )
    names = np.where(answered, WITH_DENSITY, WITHOUT_DENSITY).tolist()
    return Scores(risk=risk, flags=flags, contributions=contributions), names


def join_flags(first: pd.Series, second: pd.Series) -> pd.Series:
    both = (first != "") & (second != "")
    return first.str.cat(second, sep="; ").where(both, first + second)
