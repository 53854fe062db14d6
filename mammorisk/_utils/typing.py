"""Type aliases."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Array of double-precision numbers.
Floats = NDArray[np.float64]
#: Positions of rows in a table.
Rows = NDArray[np.int64]
