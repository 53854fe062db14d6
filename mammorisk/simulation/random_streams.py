"""Random numbers that belong to one woman: the same alone, in a block, or on another machine.

A counter-based generator (Philox; Salmon 2011, doi:10.1145/2063384.2063405) can start anywhere in
its sequence. Every woman owns a fixed stretch of it, so that no draw depends on how many women
are drawn, in which order, or by how many workers.
"""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Numbers of 64 bits that a step of the Philox counter yields.
_PER_STEP = 4


def uniforms(seed: int, stream: str, first: int, n: int, columns: int) -> Floats:
    """Uniform numbers of women ``first`` ... ``first + n - 1``.

    Parameters
    ----------
    seed : int
        Of the study, not negative.
    stream : str
        Name of the purpose; streams are independent of each other.
    first, n : int
    columns : int
        Numbers a woman owns, a multiple of 4. Changing it changes every number of the stream.

    Returns
    -------
    ndarray, shape (n, columns)
        Strictly between 0 and 1.

    Raises
    ------
    ValueError
        ``columns`` is not a multiple of 4.
    """
    if columns % _PER_STEP:
        raise ValueError("columns must be a multiple of 4")
    # crc32 and not hash(): the latter differs between runs of Python.
    sequence = np.random.SeedSequence([seed, zlib.crc32(stream.encode())])
    key = sequence.generate_state(2, np.uint64)
    bits = np.random.Philox(key=key, counter=first * (columns // _PER_STEP))
    # The generator can yield 0, whose normal score is infinite.
    return np.maximum(np.random.Generator(bits).random((n, columns)), 2.0**-54)
