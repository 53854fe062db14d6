"""Parts of an archive spread over the workers of a Ray cluster, by Ray Data."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from mammorisk._utils.parallel import usable_cores
from mammorisk.errors import BackendError

#: Writes the rows of one part to its file, unless it is there; carried to the workers.
WritePart = Callable[[Path, range], None]


class _Worker:
    """One process of the cluster, with its own copy of the model, loaded once."""

    def __init__(self, write: WritePart) -> None:
        import torch

        # Ray gives a worker one core: for the network, and for those who ask usable_cores.
        torch.set_num_threads(1)
        os.environ["OMP_NUM_THREADS"] = "1"
        self.write = write

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        for file, start, stop in zip(batch["file"], batch["start"], batch["stop"], strict=True):
            self.write(Path(str(file)), range(int(start), int(stop)))
        return {"exams": batch["stop"] - batch["start"]}


def run_on_ray(
    write: WritePart,
    parts: list[tuple[Path, range]],
    on_part: Callable[[int], None],
    *,
    workers: int | None = None,
    address: str | None = None,
) -> None:
    """Write parts on a Ray cluster; a worker that dies is replaced, and its part done again.

    Parameters
    ----------
    write : callable
    parts : list of (Path, range)
    on_part : callable
        Called with the number of exams of each finished part.
    workers : int, optional
        Default: one a core of the cluster.
    address : str, optional
        Of a running cluster. Default: one on this machine, stopped at the end.

    Raises
    ------
    BackendError
        Ray is not installed, or a part failed for good.
    """
    if not parts:
        return
    if find_spec("ray") is None:
        raise BackendError(
            "Ray is not installed", remedy='pip install "mammorisk[ray]", or engine="local".'
        )
    import ray
    import ray.data

    begun = not ray.is_initialized()
    if begun:
        own: dict[str, Any] = {} if address else {"num_cpus": workers or usable_cores()}
        ray.init(
            address=address,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            **own,
        )
    try:
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        # Says on every run where its own logs are; on_part says how far the run is.
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        resources: Callable[[], dict[str, float]] = ray.cluster_resources
        most = workers or max(int(resources().get("CPU", 1)), 1)
        items = [
            {"file": str(file.absolute()), "start": rows.start, "stop": rows.stop}
            for file, rows in parts
        ]
        done = ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
            _Worker,
            batch_size=1,
            # At least one: a cluster may grow, or have fewer cores free than it has.
            compute=ray.data.ActorPoolStrategy(min_size=1, max_size=min(most, len(items))),
            num_cpus=1,
            fn_constructor_args=(write,),
        )
        for batch in done.iter_batches(batch_size=1, prefetch_batches=0):
            on_part(int(batch["exams"].sum()))
    except ray.exceptions.RayError as error:
        raise BackendError(
            f"Ray stopped ({type(error).__name__})",
            remedy="See Ray's logs; the same call resumes with the parts that are missing.",
        ) from None
    finally:
        if begun:
            ray.shutdown()
