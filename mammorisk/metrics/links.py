"""Link functions of risks."""

from __future__ import annotations

import numpy as np

from mammorisk._utils.typing import Floats


def cloglog(risk: Floats) -> Floats:
    """Complementary log-log of risks, which are limited to [1e-12, 1 - 1e-12]."""
    safe = np.clip(np.asarray(risk, dtype=np.float64), 1e-12, 1 - 1e-12)
    return np.asarray(np.log(-np.log1p(-safe)))


def logit(risk: Floats) -> Floats:
    """Logit of risks, which are limited to [1e-12, 1 - 1e-12]."""
    safe = np.clip(np.asarray(risk, dtype=np.float64), 1e-12, 1 - 1e-12)
    return np.asarray(np.log(safe) - np.log1p(-safe))
