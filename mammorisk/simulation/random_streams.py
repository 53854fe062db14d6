"""Random numbers of one woman, which are the same alone, in a block, or on another machine.

A counter-based generator (Philox; Salmon 2011, doi:10.1145/2063384.2063405) can start at any
position of its sequence. Every woman has a fixed part of the sequence, so that no draw depends on
the number of women, their order or the number of workers.
"""

from __future__ import annotations

import zlib

import numpy as np

from mammorisk._utils.typing import Floats

#: Number of 64-bit values per step of the Philox counter.
_PER_STEP = 4


def uniforms(seed: int, stream: str, first: int, n: int, columns: int) -> Floats:
    """Return the uniform numbers of women ``first`` ... ``first + n - 1``.

    Parameters
    ----------
    seed : int
        Seed of the study, not negative.
    stream : str
        Name of the stream. Streams are independent of each other.
    first, n : int
        Number of the first woman, and number of women.
    columns : int
        Numbers per woman, a multiple of 4. A change of ``columns`` changes the whole stream.

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
    # crc32, because hash() differs between runs of Python.
    sequence = np.random.SeedSequence([seed, zlib.crc32(stream.encode())])
    key = sequence.generate_state(2, np.uint64)
    bits = np.random.Philox(key=key, counter=first * (columns // _PER_STEP))
    # The generator can return 0, whose normal score is infinite.
    return np.maximum(np.random.Generator(bits).random((n, columns)), 2.0**-54)
