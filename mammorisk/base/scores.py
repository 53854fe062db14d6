"""Scores: the risks of many women under one model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mammorisk.warnings import join_text

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Risks of many women under one model. Every table has one row per woman, in input order.

    Attributes
    ----------
    risk : DataFrame, shape (n_women, n_horizons)
        Absolute risk in [0, 1]. Columns are the requested horizons. NaN where the model gives no
        risk.
    warnings : Series of tuple of ResultWarning
        Why a risk is missing and what was assumed.
    contributions : DataFrame, shape (n_women, n_factors), or None
        Log relative risk of each factor, relative to the reference woman of the model.
    lower, upper : DataFrame, shape of ``risk``, or None
        Limits of the 95% interval, where the model has one.
    images_used : Series of bool or None
        Whether the network used the images. None for a model without a network.
    models : Series of str or None
        Name of the model that gave each risk. None where one model gave all of them.
    guard_distance, guard_limit : Series of float or None
        Distance of each exam to the training images, and the largest distance inside the domain.
        NaN without images. None for a model without such a check.
    """

    risk: pd.DataFrame
    warnings: pd.Series
    contributions: pd.DataFrame | None = None
    lower: pd.DataFrame | None = None
    upper: pd.DataFrame | None = None
    images_used: pd.Series | None = None
    models: pd.Series | None = None
    guard_distance: pd.Series | None = None
    guard_limit: pd.Series | None = None

    def only(self, sound: pd.Series, warnings: pd.Series) -> Scores:
        """Return the scores of some women only, with other warnings.

        Parameters
        ----------
        sound : Series of bool
            Women who keep their risk.
        warnings : Series of tuple of ResultWarning
        """
        import pandas as pd

        used = self.images_used
        if used is None:
            used = pd.Series(False, index=sound.index)
        return replace(
            self,
            risk=self.risk.where(sound),
            lower=None if self.lower is None else self.lower.where(sound),
            upper=None if self.upper is None else self.upper.where(sound),
            contributions=None if self.contributions is None else self.contributions.where(sound),
            warnings=warnings,
            images_used=used & sound,
        )

    @property
    def warning_texts(self) -> pd.Series:
        """Warnings of each woman as one string, as in the column ``warnings`` of a result."""
        from mammorisk._utils.text import TEXT

        return self.warnings.map(join_text).astype(TEXT)
