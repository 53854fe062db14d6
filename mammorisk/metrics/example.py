"""Simulated risks with outcomes, for the examples in the documentation."""

from __future__ import annotations

import numpy as np

from mammorisk._utils.typing import Floats
from mammorisk.records.outcome import Outcome


def example_risks(n: int = 1000, *, seed: int = 0) -> tuple[Outcome, Floats, Floats]:
    """Simulated women with follow-up and the five-year risks of two models.

    Parameters
    ----------
    n : int
        Number of women.
    seed : int
        Seed of the random numbers.

    Returns
    -------
    outcome : Outcome
        Right-censored between 3 and 9 years, with competing deaths.
    risk : ndarray, shape (n,)
        True risk of cancer within five years.
    other : ndarray, shape (n,)
        Risk of a model with less information: it discriminates less, and its risks are 20% too
        high.

    See Also
    --------
    mammorisk.simulate : A virtual screening cohort with images.

    Examples
    --------
    >>> from mammorisk.metrics import example_risks, example_risks
    >>> outcome, risk, other = example_risks()
    >>> outcome
    <Outcome: 1000 rows, 119 cancers, 87 competing events>
    >>> print(risk[:3].round(4))
    [0.0993 0.0837 0.1392]
    """
    rng = np.random.default_rng(seed)
    score, noise = rng.normal(size=n), rng.normal(size=n)
    hazard, death = np.exp(0.7 * score) / 50, 1 / 60
    times = np.column_stack(
        [rng.uniform(3, 9, n), rng.exponential(1 / hazard), rng.exponential(1 / death, n)]
    )
    outcome = Outcome(time=times.min(axis=1), event=times.argmin(axis=1))

    def absolute(rate: Floats) -> Floats:
        return np.asarray(-rate / (rate + death) * np.expm1(-5 * (rate + death)))

    seen = np.exp(0.35 * score + 0.3 * noise) / 50
    return outcome, absolute(hazard), 1.2 * absolute(seen)
