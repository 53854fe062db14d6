"""The child process that reads a snapshot."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mammorisk._utils.snapshots.restricted_unpickler import Damaged, RefusedName, read_snapshot

#: From the object of a snapshot to arrays and metadata.
Describe = Callable[[Any], tuple[dict[str, NDArray[Any]], dict[str, Any]]]


def run(describe: Describe) -> int:
    """Read the snapshot that the command line names: FILE OUT [BYTES OF MEMORY].

    ``OUT.npz`` and ``OUT.json`` are written. Errors are written to standard output as JSON.

    Returns
    -------
    int
        The exit code.
    """
    path, out = Path(sys.argv[1]), Path(sys.argv[2])
    if len(sys.argv) > 3:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[3]), int(sys.argv[3])))
    try:
        whole, names = read_snapshot(path)
        arrays, facts = describe(whole)
    except RefusedName as error:
        sys.stdout.write(json.dumps({"refused": str(error)}))
        return 1
    except (Damaged, MemoryError, RecursionError) as error:
        sys.stdout.write(json.dumps({"damaged": str(error) or type(error).__name__}))
        return 1
    np.savez(out.with_suffix(".npz"), **arrays)  # type: ignore[arg-type]
    out.with_suffix(".json").write_text(json.dumps(facts | {"classes": sorted(names)}))
    return 0
