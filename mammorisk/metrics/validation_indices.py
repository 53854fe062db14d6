"""Indices of val.prob in rms, for binary outcomes."""

from __future__ import annotations

import numpy as np

from mammorisk._utils.typing import Floats
from mammorisk.metrics.brier import brier_score
from mammorisk.metrics.calibration import calibration_slope
from mammorisk.metrics.calibration_tests import recalibration_test, spiegelhalter_z
from mammorisk.metrics.estimate import check_horizon, check_risk
from mammorisk.metrics.links import logit
from mammorisk.metrics.regression import fit_glm
from mammorisk.metrics.smooth_calibration import calibration_curve
from mammorisk.metrics.time_dependent_auc import cumulative_dynamic_auc
from mammorisk.records.outcome import Outcome


def val_prob(outcome: Outcome, risk: Floats, horizon: float | None = None) -> dict[str, float]:
    """Indices of discrimination, calibration and overall accuracy for a binary outcome.

    Parameters
    ----------
    outcome : Outcome
        The outcome by the horizon is known for all rows.
    risk : array_like, shape (n,)
        Predicted risk by the horizon, in [0, 1].
    horizon : float, optional
        Years; needed unless the outcome is from :meth:`Outcome.binary`.

    Returns
    -------
    dict
        ``Dxy``, ``C``, ``R2`` (Nagelkerke), ``D``, ``U``, ``Q``, ``Brier``, ``Intercept``,
        ``Slope``, ``Emax``, ``E90``, ``Eavg``, ``S:z``, ``S:p``. D, U and Q are per woman.

    See Also
    --------
    calibration_curve : Smooth observed risk over predicted risk.
    brier_score

    References
    ----------
    Harrell 2015, doi 10.1007/978-3-319-19425-7; Nagelkerke 1991, doi 10.1093/biomet/78.3.691.

    Examples
    --------
    >>> from mammorisk.records.outcome import Outcome
    >>> from mammorisk.metrics import example_risks, val_prob
    >>> outcome, risk, other = example_risks()
    >>> known = Outcome.binary(outcome.is_case(5))
    >>> found = val_prob(known, risk)
    >>> print({name: round(found[name], 3) for name in ("C", "R2", "Brier", "Slope")})
    {'C': 0.677, 'R2': 0.068, 'Brier': 0.081, 'Slope': 0.896}
    """
    values, year = check_risk(outcome, risk, probability=True), check_horizon(horizon, outcome)
    tests = recalibration_test(outcome, values, year)
    case = outcome.is_case(year)
    n, share = len(case), float(case.mean())
    predictor = logit(values)
    likelihood = float(
        np.where(case, -np.logaddexp(0, -predictor), -np.logaddexp(0, predictor)).sum()
    )
    empty = n * (share * np.log(share) + (1 - share) * np.log1p(-share))
    gain = 2 * (likelihood - empty)
    design = np.column_stack([np.ones(n), predictor])
    fitted = fit_glm(case.astype(float), design, outcome, "logistic")
    area = cumulative_dynamic_auc(outcome, values, year).value
    curve = calibration_curve(outcome, values, year, method="lowess")
    z = spiegelhalter_z(outcome, values, year)
    d = (gain - 1) / n
    u = (tests["chi2"] - 2) / n
    return {
        "Dxy": 2 * area - 1,
        "C": area,
        "R2": float((1 - np.exp(-gain / n)) / (1 - np.exp(2 * empty / n))),
        "D": d,
        "U": u,
        "Q": d - u,
        "Brier": brier_score(outcome, values, year).value,
        "Intercept": float(fitted.coef[0]),
        "Slope": calibration_slope(outcome, values, year, method="logistic").value,
        "Emax": curve.emax,
        "E90": curve.e90,
        "Eavg": curve.ici,
        "S:z": z.value,
        "S:p": z.p,
    }
