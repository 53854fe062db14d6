"""Attributable risk of the factors of BCRAT in another population."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike

from mammorisk.clinical.bcrat import AttributableRisk, Bcrat
from mammorisk.errors import ModelError

if TYPE_CHECKING:
    import pandas as pd

_SPLIT_AGE = 50
#: Minimum number of women of an age group.
FEWEST_WOMEN = 30


def attributable_risk(
    women: pd.DataFrame,
    *,
    of: Literal["population", "cases"],
    weight: ArrayLike | None = None,
) -> AttributableRisk:
    r"""Compute the attributable risk of the factors of ``bcrat`` under 50 and from 50.

    For a sample of the population with relative risks :math:`r`, it is :math:`1-1/E[r]`; for women
    with breast cancer, it is :math:`1-E[1/r]` (Bruzzi et al.).

    Parameters
    ----------
    women : DataFrame, n rows
        Questionnaire fields of ``bcrat``. Unknown answers count as the lowest risk, as in the
        model; leave women with unknown answers out if there are many. Women whom ``bcrat``
        refuses are left out.
    of : {"population", "cases"}
        Kind of sample: of the population, or of women with breast cancer (with their answers before
        the diagnosis).
    weight : array_like, shape (n,), optional
        Sampling weights.

    Returns
    -------
    under_50 : float
        Below age 50; for the option ``attributable_risk`` of :class:`mammorisk.clinical.Bcrat`.
    from_50 : float
        From age 50 on.

    Raises
    ------
    ModelError
        ``of`` is not a kind of sample, or the weights do not fit the women.

    References
    ----------
    Bruzzi P et al. Am J Epidemiol 1985;122:904-14, doi:10.1093/oxfordjournals.aje.a114174

    Examples
    --------
    >>> import mammorisk as mr
    >>> women = mr.simulate(2000, seed=1).cohort.questionnaires
    >>> under_50, from_50 = mr.clinical.attributable_risk(women, of="population")
    >>> 0 < under_50 < 1 and 0 < from_50 < 1
    True
    >>> model = mr.load_model("bcrat", attributable_risk=(under_50, from_50))
    """
    if of not in ("population", "cases"):
        raise ModelError(
            f"{of!r} is not a kind of sample", where="of", remedy='"population" or "cases".'
        )
    scores = Bcrat(age_range="formula").score(women, (1,))
    contributions = scores.contributions
    if contributions is None:
        raise ModelError("bcrat gave no relative risks")
    relative = np.exp(contributions.sum(axis=1, skipna=False).to_numpy(dtype=float))
    known = np.isfinite(relative) & scores.risk[1].notna().to_numpy()
    age = women["age"].to_numpy(dtype=float, na_value=np.nan)
    weights = np.ones(len(women)) if weight is None else np.asarray(weight, dtype=float)
    if weights.shape != (len(women),) or not (weights >= 0).all():
        raise ModelError(
            f"weights of shape {weights.shape} for {len(women)} women, none may be negative",
            where="weight",
        )
    found = []
    for name, rows in (("under 50", age < _SPLIT_AGE), ("from 50", age >= _SPLIT_AGE)):
        used = rows & known & (weights > 0)
        if int(used.sum()) < FEWEST_WOMEN:
            raise ModelError(
                f"{int(used.sum())} women {name} can be scored, {FEWEST_WOMEN} are needed",
                where="women",
            )
        if of == "population":
            share = 1 - 1 / float(np.average(relative[used], weights=weights[used]))
        else:
            share = 1 - float(np.average(1 / relative[used], weights=weights[used]))
        found.append(share)
    return found[0], found[1]
